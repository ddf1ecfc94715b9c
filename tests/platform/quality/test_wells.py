"""Doubtful wells: each rule finds its wells and leaves good ones alone, and masking them is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from phenodose.names import row_label, well_name
from phenodose.quality.report import masked_by_reason, qc_rows
from phenodose.quality.wells import checked_viability, flag_wells
from phenodose.settings.quality import WellSettings, resolve_limits
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

#: Reading of killed cells.
BASE = 3000.0
DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)


def screen(seed: int = 0, noise: float = 0.03, replicates: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Raw readings and wells: a plate a replicate, each with 10 neg, 8 pos and ten drugs in five doses."""
    rng = np.random.default_rng(seed)
    rows = []
    for plate in range(1, replicates + 1):
        content: list[tuple[object, ...]] = [("neg", "DMSO", None, 1.0)] * 10 + [("pos", "BzCl", None, 0.0)] * 8
        content += [("empty", None, None, -0.05)] * 4
        content += [
            ("therapy", f"D{drug}", dose, 1 / (1 + dose / 10 ** (drug / 2))) for drug in range(10) for dose in DOSES
        ]
        for place, (kind, treatment, dose, viability) in enumerate(content):
            row, column = row_label(place // 12), place % 12 + 1
            rows.append(
                {"plate": f"P{plate}", "row": row, "column": column, "well": well_name(row, column)}
                | {"sample": "S", "well_type": kind, "treatment": treatment, "concentration_nM": dose}
                | {"replicate": plate, "add_on": None, "raw": BASE + 20000 * (viability + rng.normal(0, noise))}
            )
    wells = pd.DataFrame(rows)
    return wells[["plate", "row", "column", "raw"]].copy(), wells.drop(columns="raw")


def checked(raw: pd.DataFrame, wells: pd.DataFrame, **options: object) -> pd.DataFrame:
    controls = choose_controls(wells, ("neg",), ("pos",), "test")
    return checked_viability(raw, wells, controls, **options)  # type: ignore[arg-type]


def place_of(wells: pd.DataFrame, treatment: str, dose: float | None = None, plate: str = "P1") -> int:
    chosen = (wells["treatment"] == treatment) & (wells["plate"] == plate)
    if dose is not None:
        chosen &= wells["concentration_nM"] == dose
    return int(wells.index[chosen][0])


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("noise", [0.02, 0.08])
def test_a_good_screen_has_no_doubtful_well(seed: int, noise: float) -> None:
    raw, wells = screen(seed, noise)
    assert checked(raw, wells)["flag"].isna().all()


def test_a_reading_of_nothing_is_an_empty_well() -> None:
    raw, wells = screen()
    place = place_of(wells, "D9", 1.0)
    raw.loc[place, "raw"] = 0.0
    found = checked(raw, wells).loc[place]
    assert found["flag"] == "empty"
    assert "the reading is 0" in found["flag_reason"]
    assert "its replicate P2" in found["flag_reason"]
    assert not found["masked"]


def test_a_zero_says_nothing_where_killed_cells_read_zero() -> None:
    raw, wells = screen()
    raw.loc[(wells["well_type"] == "pos").to_numpy(), "raw"] = 0.0
    place = place_of(wells, "D0", 10000.0)
    raw.loc[place, "raw"] = 0.0
    assert pd.isna(checked(raw, wells).loc[place, "flag"])


@pytest.mark.parametrize(("turned", "above", "below"), [(1, "contaminated", "empty"), (-1, "empty", "contaminated")])
def test_what_lies_beyond_the_controls_is_named_by_the_readouts_meaning(turned: int, above: str, below: str) -> None:
    raw, wells = screen()
    bright, dark = place_of(wells, "D9", 1.0), place_of(wells, "D0", 10000.0)
    raw.loc[bright, "raw"] = BASE + 20000 * 2.2
    raw.loc[dark, "raw"] = BASE - 20000 * 0.6
    raw["raw"] = turned * raw["raw"] + (60000 if turned < 0 else 20000)
    found = checked(raw, wells)
    assert found.loc[bright, "flag"] == above
    assert found.loc[dark, "flag"] == below
    assert "SD above untreated cells" in found.loc[bright, "flag_reason"]
    assert "SD below killed cells" in found.loc[dark, "flag_reason"]
    assert set(found.index[found["flag"].notna()]) == {bright, dark}


def test_a_full_detector_is_told() -> None:
    raw, wells = screen()
    places = [place_of(wells, "D9", 1.0), place_of(wells, "D8", 1.0), place_of(wells, "D7", 1.0)]
    raw.loc[places, "raw"] = 65535.0
    found = checked(raw, wells)
    assert (found.loc[places, "flag"] == "saturated").all()
    assert "stands in 3 wells" in found.loc[places[0], "flag_reason"]
    coarse = raw.assign(raw=np.round(raw["raw"], -4))  # a readout of few steps is not saturated
    assert not checked(coarse, wells)["flag"].eq("saturated").any()


def test_a_network_that_never_saw_such_an_image_is_told() -> None:
    raw, wells = screen(noise=0.01)
    raw["raw"] = 0.2 + 0.6 * (raw["raw"] - BASE) / 20000
    place = place_of(wells, "D9", 1.0)
    raw.loc[place, "raw"] = 0.97
    found = checked(raw, wells, trusted=(0.2, 0.8))
    assert list(found.index[found["flag"] == "out_of_distribution"]) == [place]
    assert "0.970" in found.loc[place, "flag_reason"]
    assert not checked(raw, wells)["flag"].eq("out_of_distribution").any()


def test_a_control_unlike_its_like_is_told() -> None:
    raw, wells = screen()
    place = place_of(wells, "DMSO")
    raw.loc[place, "raw"] = BASE + 20000 * 0.3
    found = checked(raw, wells)
    assert list(found.index[found["flag"].notna()]) == [place]
    assert found.loc[place, "flag"] == "unlike"
    assert "negative controls of plate P1 lie at 1.00" in found.loc[place, "flag_reason"]


def test_of_two_replicates_the_one_off_the_curve_is_told() -> None:
    raw, wells = screen()
    place = place_of(wells, "D9", 10.0)
    raw.loc[place, "raw"] = BASE + 20000 * 0.25
    found = checked(raw, wells)
    assert list(found.index[found["flag"].notna()]) == [place]
    assert "neighbouring doses side with that" in found.loc[place, "flag_reason"]


def test_where_the_curve_does_not_decide_both_replicates_are_told() -> None:
    raw, wells = screen()
    # the steep part: viability 0.91 before, 0.09 behind, so that 0.85 and 0.15 both fit
    for plate, viability in (("P1", 0.85), ("P2", 0.15)):
        raw.loc[place_of(wells, "D4", 100.0, plate), "raw"] = BASE + 20000 * viability
    found = checked(raw, wells)
    both = {place_of(wells, "D4", 100.0, plate) for plate in ("P1", "P2")}
    assert set(found.index[found["flag"].notna()]) == both
    assert found.loc[list(both), "flag_reason"].str.contains("cannot be told").all()


def test_of_three_replicates_the_odd_one_is_told() -> None:
    raw, wells = screen(replicates=3)
    place = place_of(wells, "D9", 100.0, "P2")
    raw.loc[place, "raw"] = BASE
    found = checked(raw, wells)
    assert list(found.index[found["flag"].notna()]) == [place]
    assert "its replicates lie at" in found.loc[place, "flag_reason"]


def test_a_flag_alone_changes_no_viability() -> None:
    raw, wells = screen()
    raw.loc[[place_of(wells, "DMSO"), place_of(wells, "D9", 1.0)], "raw"] = 0.0
    controls = choose_controls(wells, ("neg",), ("pos",), "test")
    plain, found = to_viability(raw, wells, controls), checked(raw, wells)
    assert found["flag"].notna().sum() == 2
    pd.testing.assert_frame_equal(found[plain.columns], plain)


def test_a_masked_flag_keeps_its_reading_and_reason_and_leaves_the_controls() -> None:
    raw, wells = screen()
    control, drug, other = place_of(wells, "DMSO"), place_of(wells, "D9", 1.0), place_of(wells, "D9", 10.0)
    raw.loc[[control, drug], "raw"] = 0.0
    raw.loc[other, "raw"] = BASE + 20000 * 0.25
    limits = resolve_limits(screen_wells=WellSettings(mask=("empty",)))
    found = checked(raw, wells, limits=limits)
    assert list(found.index[found["masked"]]) == [control, drug]
    assert found.loc[drug, "mask_reason"] == "flagged empty: the reading is 0"
    assert found.loc[drug, "raw"] == 0
    assert np.isnan(found.loc[drug, "viability_fraction"])
    assert found.loc[other, "flag"] == "unlike"
    assert not found.loc[other, "masked"]
    # the plate's level is the median of the nine good control wells
    good = raw.loc[(wells["well_type"] == "neg") & (wells["plate"] == "P1") & (wells.index != control), "raw"]
    killed = raw.loc[(wells["well_type"] == "pos") & (wells["plate"] == "P1"), "raw"]
    expected = (raw.loc[other, "raw"] - killed.median()) / (good.median() - killed.median())
    assert found.loc[other, "viability_fraction"] == pytest.approx(expected)


def test_flagged_and_masked_wells_are_counted_by_reason() -> None:
    raw, wells = screen()
    raw.loc[[place_of(wells, "D9", 1.0), place_of(wells, "D8", 1.0)], "raw"] = 0.0
    raw.loc[place_of(wells, "D7", 1.0), "raw"] = np.nan
    limits = resolve_limits(site_wells=WellSettings(mask=("empty",)))
    found = checked(raw, wells, limits=limits)
    rows = qc_rows(found, wells, "ctg", limits).set_index(["plate", "metric"])
    flagged, masked = rows.loc[("P1", "flagged_percent")], rows.loc[("P1", "masked_therapy_percent")]
    assert flagged["value"] == pytest.approx(100 * 2 / 67)  # 50 drug and 18 control wells, one without a value
    assert "2 x empty" in flagged["explanation"]
    assert masked["value"] == pytest.approx(100 * 3 / 50)
    assert "2 x flagged empty" in masked["explanation"]
    assert "1 x no value in the readout" in masked["explanation"]
    assert masked_by_reason(found) == {"flagged empty": 2, "no value in the readout": 1}


def test_wells_without_cells_and_controls_of_other_readouts_are_never_flagged() -> None:
    raw, wells = screen()
    others = wells.index[wells["well_type"] == "empty"]
    wells.loc[others[:2], ["well_type", "treatment"]] = ["STS", "STS"]
    raw.loc[others, "raw"] = 0.0
    assert checked(raw, wells)["flag"].isna().all()
    nothing = to_viability(raw, wells, choose_controls(wells, ("neg",), ("pos",), "t")).assign(masked=True)
    assert flag_wells(nothing, wells) == {}


def test_a_well_of_a_class_that_holds_no_cells_is_flagged_and_masked_by_choice_alone() -> None:
    raw, wells = screen()
    drugs = np.flatnonzero(wells["well_type"] == "therapy")[:4]
    classes = pd.DataFrame({"well_class": ["living"] * len(wells), "class_probability": [0.9] * len(wells)})
    classes.loc[drugs, "well_class"] = ["Out of focus", "empty", "BT-40", "fibre"]
    found = checked(raw, wells, classes=classes)
    assert found.loc[drugs, "flag"].fillna("").tolist() == ["out_of_focus", "empty", "", ""]
    assert found.loc[drugs[0], "flag_reason"] == (
        "the image looks like those of wells named 'Out of focus' (probability 0.90)"
    )
    assert found.loc[drugs, "well_class"].tolist() == ["Out of focus", "empty", "BT-40", "fibre"]
    plain = checked(raw, wells)
    assert plain[["well_class", "class_probability"]].isna().all().all()
    np.testing.assert_array_equal(found["viability_fraction"], plain["viability_fraction"])
    assert not found.loc[drugs, "masked"].any()
    said = WellSettings(mask=("out_of_focus", "no_cell_state"), no_cell_state=("out of focus", "fibre"))
    masked = checked(raw, wells, limits=resolve_limits(screen_wells=said), classes=classes)
    assert masked.loc[drugs, "masked"].tolist() == [True, False, False, True]
    assert masked.loc[drugs[3], "flag"] == "no_cell_state"
