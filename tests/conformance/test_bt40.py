"""The published BT-40 screens: layouts, matrices, quality figures and scores against known values.

The expected numbers are those that the published analysis of the same files gives.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.dose_response.fit import fit_curves
from phenodose.dose_response.noise import noise_by_viability
from phenodose.dose_response.points import curve_points
from phenodose.quality.report import curve_qc_rows, qc_rows
from phenodose.quality.wells import checked_viability
from phenodose.screens.layout import Layout, read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices
from phenodose.viability.controls import choose_controls
from phenodose.viability.normalise import to_viability

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "dose_response"
pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference data are not beside the repository")

WITH_READOUTS = "iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx"
METABOLIC = "iTReX-Demo_MRA_Layout.xlsx"
IMAGING = "iTReX-Demo_MRA_Layout-Imaging-3Plates.xlsx"
IMAGING_ONE_PLATE = "iTReX-Demo_MRA_Layout-Imaging-1Plate_ST06.xlsx"
TWO_SCREENS = "iTReX-Demo_MRA_2ReadoutsXlsx.zip"
MISSING_VALUES = "iTReX-Demo_MRA_1ReadoutTxt_NA.zip"
IMAGE_READOUT = "iTReX-Demo_MRA_Readout-Imaging_BT-40-V3-DS1_ST05.xlsx"
CONTROLS = "iTReX-Demo_Controls_DKFZ_ST10-min.xlsx"
PUBLISHED = "iTReX-Demo_MRA_TherapyParameters_BT-40_ST08.xlsx"


@cache
def layout_of(name: str) -> Layout:
    """For reading only."""
    return read_layout(REFERENCE / name)


def viability_of(layout: Layout, matrices: pd.DataFrame | None = None) -> pd.DataFrame:
    controls = choose_controls(layout.frame, ("neg",), ("pos",), layout.path.name)
    if matrices is None:
        raw = layout.frame[["plate", "row", "column"]].assign(raw=layout.frame["readout"])
    else:
        raw = match_to_layout(matrices, layout).rename(columns={"value": "raw"})
    return to_viability(raw, layout.frame, controls)


def figures(qc: pd.DataFrame, metric: str) -> dict[str, float]:
    rows = qc[qc["metric"] == metric]
    return dict(zip(rows["plate"], rows["value"], strict=True))


def score(tmp_path: Path, *arguments: str) -> Path:
    """Run `phenodose score` without intervals; the folder with scores.csv, curves.csv and qc.csv."""
    files = [f"--{name}={tmp_path / name}.csv" for name in ("curves", "qc")]
    with pytest.raises(SystemExit) as done:
        main(["score", f"--out={tmp_path / 'scores.csv'}", *files, "--bootstrap=0", *arguments])
    assert done.value.code == 0
    return tmp_path


@pytest.mark.parametrize(
    ("name", "plates", "wells", "drugs", "samples"),
    [
        (WITH_READOUTS, ["1", "2", "3"], 1152, 75, ["BT-40"]),
        (METABOLIC, ["1", "2", "3"], 1152, 75, []),
        (IMAGING, ["1", "2", "3"], 1152, 75, []),
        (IMAGING_ONE_PLATE, ["1"], 384, 26, []),
    ],
)
def test_layouts(name: str, plates: list[str], wells: int, drugs: int, samples: list[str]) -> None:
    layout = layout_of(name)
    assert layout.plates == plates
    assert len(layout.frame) == wells
    assert len(layout.drugs) == drugs
    assert layout.samples == samples
    therapy = layout.frame[layout.frame["well_type"] == "therapy"]
    assert (therapy.groupby(["treatment", "replicate"]).size() == 5).all()


def test_quality_figures_of_the_metabolic_screen() -> None:
    layout = layout_of(WITH_READOUTS)
    qc = qc_rows(viability_of(layout), layout.frame, "ctg")
    expected = {
        "zprime": {"1": 0.5870366, "2": 0.7169605, "3": 0.7093182, "screen": 0.6670175},
        "zprime_robust": {"1": 0.4124144, "2": 0.6494531, "3": 0.6647978, "screen": 0.5939691},
    }
    for metric, values in expected.items():
        assert figures(qc, metric) == pytest.approx(values, abs=5e-7)
    agreement = qc[qc["metric"] == "replicate_pearson_log10_raw"]
    assert figures(agreement, "replicate_pearson_log10_raw") == pytest.approx(
        {"1": 0.9602, "2": 0.9326, "3": 0.9600}, abs=5e-5
    )
    for count, explanation in zip((130, 130, 115), agreement["explanation"], strict=True):
        assert f"{count} pairs of wells" in explanation


def test_two_screens_in_one_archive() -> None:
    layout = layout_of(METABOLIC)
    matrices = match_to_layout(read_matrices(REFERENCE / TWO_SCREENS), layout)
    assert matrices.groupby("sample")["plate"].agg(lambda plates: sorted(set(plates))).to_dict() == {
        "BT-40_V1_DS1": ["1", "2", "3"],
        "BT-40_V3_DS1": ["1", "2", "3"],
    }
    # The first screen is the one whose readouts stand in the other layout: same wells, same values.
    embedded = layout_of(WITH_READOUTS).frame[["plate", "row", "column", "readout"]]
    both = embedded.merge(matrices[matrices["sample"] == "BT-40_V1_DS1"], on=["plate", "row", "column"])
    assert len(both) == 1152
    assert (both["readout"] == both["value"]).all()


def test_missing_values_leave_the_rest() -> None:
    layout = layout_of(IMAGING)
    viability = viability_of(layout, read_matrices(REFERENCE / MISSING_VALUES))
    assert int((~viability["masked"]).sum()) == 895
    therapy = layout.frame["well_type"].eq("therapy").to_numpy() & ~viability["masked"].to_numpy()
    doses = layout.frame[therapy].groupby("treatment")["concentration_nM"].nunique()
    assert doses.value_counts().to_dict() == {5: 72, 1: 1}


def test_a_plate_that_lost_its_controls_does_not_stop_the_others() -> None:
    viability = viability_of(layout_of(METABOLIC), read_matrices(REFERENCE / MISSING_VALUES))
    lost = viability[viability["plate"] == "3"]
    assert lost["masked"].all()
    assert "plate 3 has no positive control with a value" in set(lost["mask_reason"])
    assert not viability.loc[viability["plate"] == "1", "masked"].any()


def test_the_image_based_readout_fits_its_layout() -> None:
    layout = layout_of(IMAGING_ONE_PLATE)
    viability = viability_of(layout, read_matrices(REFERENCE / IMAGE_READOUT))
    assert not viability["masked"].any()
    medians = viability.groupby("control")["viability_fraction"].median()
    assert medians.to_dict() == pytest.approx({"negative": 1.0, "positive": 0.0})
    qc = qc_rows(viability, layout.frame, "image")
    assert figures(qc, "zprime_robust")["1"] == figures(qc, "zprime_robust")["screen"]


@pytest.mark.parametrize(
    "fit",
    [
        "robust",
        # Its scores are held against the published ones in test_golden_scores.py too.
        pytest.param("nplr", marks=pytest.mark.slow),
    ],
)
def test_scores_of_the_metabolic_screen(tmp_path: Path, fit: str) -> None:
    folder = score(
        tmp_path, f"--layout={REFERENCE / WITH_READOUTS}", "--fit", fit, f"--reference={REFERENCE / CONTROLS}"
    )
    scores = pd.read_csv(folder / "scores.csv")
    plain = scores[scores["scorer"] == "dss_asym"].set_index("drug")
    assert len(plain) == 75
    assert set(plain["sample"]) == {"BT-40"}
    assert list(plain.index) == sorted(plain.index)
    assert "Staurosporine" not in plain.index
    published = pd.read_excel(REFERENCE / PUBLISHED, engine="calamine").set_index("Drug.Name")["DSS_asym"]
    both = pd.concat([plain["score"], published], axis=1)
    assert len(both.dropna()) == 75
    difference = (both["score"] - both["DSS_asym"]).abs()
    assert both.corr(method="spearman").iloc[0, 1] > (0.999 if fit == "nplr" else 0.99)
    # The published fit often stops before the minimum, where `nplr` goes on; robust curves differ by design.
    assert difference.median() < (0.1 if fit == "nplr" else 0.5)
    selective = scores[scores["scorer"] == "sdss_asym"].set_index("drug")["score"]
    controls = pd.read_excel(REFERENCE / CONTROLS, engine="calamine").set_index("Drug.Name")["mean_DSS"]
    expected = (plain["score"] - controls).reindex(selective.index)
    np.testing.assert_allclose(selective, expected, atol=1e-9)
    adjusted = scores[scores["scorer"] == "sdss_asym_adj"].set_index("drug")["score"]
    printed = pd.read_excel(REFERENCE / PUBLISHED, engine="calamine").set_index("Drug.Name")["sDSS_asym_adj"]
    assert adjusted.corr(printed, method="spearman") > 0.99
    assert (adjusted - printed).abs().median() < (0.1 if fit == "nplr" else 0.5)
    curves = pd.read_csv(folder / "curves.csv")
    assert list(curves["drug"]) == list(plain.index)
    assert set(curves["n_points"]) == {10}
    qc = pd.read_csv(folder / "qc.csv")
    assert figures(qc, "zprime") == pytest.approx(
        {"1": 0.5870366, "2": 0.7169605, "3": 0.7093182, "screen": 0.6670175}, abs=5e-7
    )


def test_scores_with_missing_values(tmp_path: Path) -> None:
    folder = score(tmp_path, f"--layout={REFERENCE / IMAGING}", f"--readouts={REFERENCE / MISSING_VALUES}")
    scores = pd.read_csv(folder / "scores.csv")
    assert set(scores["sample"]) == {"BT-40_V1_DS1_NA"}
    assert len(scores) == 73
    (failed,) = scores.loc[scores["status"] != "ok", "status"]
    assert failed.startswith("failed: 1 different dose")
    assert scores["score"].notna().sum() == 72


def test_scores_of_an_image_readout(tmp_path: Path) -> None:
    """Of a workbook with one plate."""
    folder = score(tmp_path, f"--layout={REFERENCE / IMAGING_ONE_PLATE}", f"--readouts={REFERENCE / IMAGE_READOUT}")
    assert len(pd.read_csv(folder / "scores.csv")) == 26


@pytest.mark.slow  # test_two_screens_in_one_archive has its readings
def test_scores_of_two_screens(tmp_path: Path) -> None:
    folder = score(tmp_path, f"--layout={REFERENCE / METABOLIC}", f"--readouts={REFERENCE / TWO_SCREENS}")
    assert pd.read_csv(folder / "scores.csv").groupby("sample").size().to_dict() == {
        "BT-40_V1_DS1": 75,
        "BT-40_V3_DS1": 75,
    }


def test_a_good_screen_of_the_real_kind_passes_the_figures_of_its_curves() -> None:
    layout = layout_of(WITH_READOUTS)
    controls = choose_controls(layout.frame, ("neg",), ("pos",), layout.path.name)
    raw = layout.frame[["plate", "row", "column"]].assign(raw=layout.frame["readout"])
    viability = checked_viability(raw, layout.frame, controls).assign(readout="ctg")
    assert viability["flag"].isna().all()
    curves = fit_curves(curve_points(viability, layout.frame))
    qc = pd.concat([qc_rows(viability, layout.frame, "ctg"), curve_qc_rows(viability, layout.frame, curves, "ctg")])
    assert figures(qc, "replicate_dss_pearson")["screen"] == pytest.approx(0.98, abs=0.015)
    # Wells scatter around their curves about as much as untreated wells do.
    for plate in layout.plates:
        assert 0.9 < figures(qc, "fit_residual_ratio")[plate] < 1.4
    judged = qc[qc["metric"].str.contains("fit_|nrfe|dss|drift|spread|flagged|masked")]
    assert set(judged["verdict"]) == {"pass"}


def test_wells_without_living_cells_scatter_less_and_intervals_know_it() -> None:
    """Replicates about the mean of their dose, root mean square: a reader's error goes with its signal."""
    layout = layout_of(METABOLIC)
    screens = read_matrices(REFERENCE / TWO_SCREENS).groupby("sample")
    expected = {"BT-40_V1_DS1": (0.04, 0.11, 0.42), "BT-40_V3_DS1": (0.01, 0.15, 0.07)}
    assert set(screens.groups) == set(expected)
    for name, readings in screens:
        viability = viability_of(layout, readings).assign(readout="ctg")
        curves = fit_curves(curve_points(viability, layout.frame, per_replicate=False))
        alive = 1 - curves.inhibition_at(curves.log10_dose)
        scatter = np.empty_like(alive)
        for dose, inhibition, own in zip(curves.log10_dose.round(6), curves.inhibition, scatter, strict=True):
            groups = pd.Series(inhibition).groupby(dose)
            number = groups.transform("count")
            own[:] = (inhibition - groups.transform("mean")) * np.sqrt(number / (number - 1).clip(lower=1))
        killed, untreated = (
            np.sqrt(np.nanmean(scatter[which] ** 2)) for which in (alive <= 0.125, (alive > 0.875) & (alive <= 1.125))
        )
        assert (killed, untreated) == pytest.approx(expected[name][:2], abs=0.005)
        noise = noise_by_viability(curves)
        assert noise is not None
        assert noise.killed == pytest.approx(expected[name][2], abs=0.01)
