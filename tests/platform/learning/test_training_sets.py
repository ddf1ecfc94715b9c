"""Which wells a phase trains on, and with which labels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from phenodose.errors import NotMade
from phenodose.learning.training_sets import sparse_controls, training_set
from phenodose.plugins import Phase, TrainingSet
from phenodose.viability.controls import Controls

CONTROLS = Phase("phase2", "screen", "phase1", "controls", 3, True, "")
DUPLICATES = Phase("phase3", "screen", "phase2", "duplicates", 0, True, "")


def layout(plates: int = 3, doses: int = 2, replicates: tuple[object, ...] = (1, 2)) -> pd.DataFrame:
    """On every plate four negative and three positive controls; drug A on P1, one row a dose and replicate."""
    rows: list[dict[str, object]] = []
    for plate in range(1, plates + 1):
        places = [("neg", "D", 5), ("neg", "B", 9), ("neg", "C", 12), ("neg", "L", 17)]
        places += [("pos", "M", 4), ("pos", "B", 16), ("pos", "G", 6)]
        for kind, row, column in places:
            treatment = "DMSO" if kind == "neg" else "STS"
            rows.append({"plate": f"P{plate}", "row": row, "column": column, "well_type": kind, "treatment": treatment})
    for dose in range(doses):
        for number, replicate in enumerate(replicates):
            place = {"plate": "P1", "row": "H", "column": 2 + dose * len(replicates) + number}
            what = {"well_type": "therapy", "treatment": "A", "concentration_nM": 10.0**dose, "replicate": replicate}
            rows.append(place | what)
    frame = pd.DataFrame(rows, columns=[*rows[0], "concentration_nM", "replicate"])
    frame["replicate"] = frame["replicate"].astype("Int64")
    frame["well"] = [f"{row}{column:02d}" for row, column in zip(frame["row"], frame["column"], strict=True)]
    return frame.assign(sample="S", add_on=None)


def tensors_of(wells: pd.DataFrame) -> xr.DataArray:
    """One pixel a well, its count the well's number in the layout; in reverse order of the layout."""
    names = [f"{plate}/{well}" for plate, well in zip(wells["plate"], wells["well"], strict=True)][::-1]
    counts = np.arange(len(wells), dtype=np.uint16)[::-1].reshape(-1, 1, 1, 1) * np.ones((1, 1, 1, 3), np.uint16)
    return xr.DataArray(counts, dims=("well", "y", "x", "channel"), coords={"well": names})


def controls_of(wells: pd.DataFrame) -> Controls:
    kind = wells["well_type"].to_numpy()
    return Controls(kind == "neg", kind == "pos", "neg", "pos")


def chosen(phase: Phase, wells: pd.DataFrame, raw: pd.Series | None = None) -> TrainingSet:
    return training_set(phase, tensors_of(wells), wells, controls_of(wells), raw)


def outputs(wells: pd.DataFrame) -> pd.Series:
    names = [f"{plate}/{well}" for plate, well in zip(wells["plate"], wells["well"], strict=True)]
    return pd.Series(np.linspace(0.2, 0.8, len(names)), index=names)


def test_phase_two_learns_the_controls_and_holds_out_one_of_each_class_a_plate() -> None:
    data = chosen(CONTROLS, layout())
    assert len(data.wells) == 21
    assert data.is_control.all()
    held_out = {well for well, out in zip(data.wells, data.validation, strict=True) if out}
    # Down the columns from the left: column 4 before 6 before 16, column 5 before 9.
    assert held_out == {f"P{plate}/{well}" for plate in (1, 2, 3) for well in ("M04", "D05")}
    negative = {"D05", "B09", "C12", "L17"}
    assert data.labels.tolist() == [float(well.split("/")[1] in negative) for well in data.wells]


def test_images_belong_to_their_wells() -> None:
    wells = layout()
    data = chosen(CONTROLS, wells)
    number = {f"{plate}/{well}": i for i, (plate, well) in enumerate(zip(wells["plate"], wells["well"], strict=True))}
    assert data.images.dtype == np.float32
    assert data.images.shape == (21, 1, 1, 3)
    wanted = np.array([number[well] for well in data.wells]) / 65535
    np.testing.assert_allclose(data.images[:, 0, 0, 0], wanted, rtol=1e-6)


@given(per_class=st.integers(0, 12), plates=st.integers(1, 4))
def test_held_out_wells_are_spread_evenly_and_leave_half_of_a_class(per_class: int, plates: int) -> None:
    data = chosen(replace(CONTROLS, validation_wells_per_class=per_class), layout(plates))
    for label, on_plate in ((1.0, 4), (0.0, 3)):
        held_out = [
            w for w, out, is_ in zip(data.wells, data.validation, data.labels, strict=True) if out and is_ == label
        ]
        assert len(held_out) == min(per_class, plates * on_plate // 2)
        counts = [sum(w.startswith(f"P{plate}/") for w in held_out) for plate in range(1, plates + 1)]
        assert max(counts) - min(counts) <= 1
        assert counts == sorted(counts, reverse=True)


def test_phase_three_labels_every_drug_well_with_the_output_of_its_duplicate() -> None:
    wells = layout()
    raw = outputs(wells)
    data = chosen(DUPLICATES, wells, raw)
    label = dict(zip(data.wells, data.labels, strict=True))
    for one, other in (("P1/H02", "P1/H03"), ("P1/H04", "P1/H05")):
        assert label[one] == np.float32(raw[other])
        assert label[other] == np.float32(raw[one])
    assert len(data.wells) == 21 + 4
    assert not data.validation.any()
    drugs = [well for well, control in zip(data.wells, data.is_control, strict=True) if not control]
    assert sorted(drugs) == ["P1/H02", "P1/H03", "P1/H04", "P1/H05"]
    assert label["P2/D05"] == 1
    assert label["P2/M04"] == 0


def test_of_three_replicates_each_is_labelled_with_the_mean_of_the_two_others() -> None:
    wells = layout(doses=1, replicates=(1, 2, 3))
    raw = outputs(wells)
    label = dict(zip(*(lambda d: (d.wells, d.labels))(chosen(DUPLICATES, wells, raw)), strict=True))
    assert label["P1/H02"] == pytest.approx((raw["P1/H03"] + raw["P1/H04"]) / 2)


@pytest.mark.parametrize("differs", ["concentration_nM", "add_on", "sample", "treatment"])
def test_wells_that_differ_are_no_duplicates(differs: str) -> None:
    wells = layout(doses=2)
    last = wells.index[-1]
    wells[differs] = wells[differs].astype(object)
    wells.loc[last, differs] = 5.0 if differs == "concentration_nM" else "other"
    data = chosen(DUPLICATES, wells, outputs(wells))
    assert {"P1/H02", "P1/H03"} < set(data.wells)
    assert not {"P1/H04", "P1/H05"} & set(data.wells)


def test_a_well_without_image_is_no_duplicate() -> None:
    wells = layout()
    tensors = tensors_of(wells)
    seen = tensors.isel(well=[name != "P1/H03" for name in tensors["well"].to_numpy().tolist()])
    data = training_set(DUPLICATES, seen, wells, controls_of(wells), outputs(wells))
    assert {"P1/H04", "P1/H05"} < set(data.wells)
    assert not {"P1/H02", "P1/H03"} & set(data.wells)


@pytest.mark.parametrize("replicates", [(1, 1), (None, None), (1,)])
def test_without_duplicates_phase_three_says_why(replicates: tuple[object, ...]) -> None:
    wells = layout(replicates=replicates)
    with pytest.raises(NotMade, match=r"no drug well has a duplicate .* fill in Replicate"):
        chosen(DUPLICATES, wells, outputs(wells))


def test_without_outputs_of_the_parent_phase_three_says_why() -> None:
    with pytest.raises(NotMade, match="outputs of its parent phase are missing"):
        chosen(DUPLICATES, layout())


def test_without_images_of_a_class_there_is_no_training() -> None:
    wells = layout()
    tensors = tensors_of(wells)
    no_dead = tensors.isel(well=np.isin([n.split("/")[1] for n in tensors["well"].to_numpy()], ["D05", "H02"]))
    with pytest.raises(NotMade, match="no positive control well has an image"):
        training_set(CONTROLS, no_dead, wells, controls_of(wells))


def test_plates_that_are_spelled_in_two_ways_are_the_same() -> None:
    wells = layout()
    tensors = tensors_of(wells)
    respelled = wells.assign(plate=[f"Plate {plate[1:]}" for plate in wells["plate"]])
    data = training_set(CONTROLS, tensors, respelled, controls_of(wells))
    assert set(data.wells) == set(chosen(CONTROLS, wells).wells)


def test_the_54_controls_of_a_screen_are_split_into_48_and_6() -> None:
    rows = [
        {"plate": f"P{plate}", "row": "BCDEFGHIJKLMNO"[n], "column": column, "well_type": kind, "treatment": kind}
        for plate in (1, 2, 3)
        for kind, column, wells in (("neg", 5, 10), ("pos", 16, 8))
        for n in range(wells)
    ]
    frame = pd.DataFrame(rows).assign(concentration_nM=None, replicate=None, sample="S", add_on=None)
    frame["well"] = [f"{row}{column:02d}" for row, column in zip(frame["row"], frame["column"], strict=True)]
    data = chosen(CONTROLS, frame)
    negative = data.labels == 1
    assert (len(data.wells), int(negative.sum()), int((~negative).sum())) == (54, 30, 24)
    assert int((negative & ~data.validation).sum()) == 27
    assert int((~negative & ~data.validation).sum()) == 21
    assert {well for well, out in zip(data.wells, data.validation, strict=True) if out} == {
        f"P{plate}/{well}" for plate in (1, 2, 3) for well in ("B05", "B16")
    }


def test_the_210_wells_of_a_control_experiment_are_split_into_190_and_20() -> None:
    """98 negative and 112 positive wells of one plate: 88 and 102 are trained on, as in the paper."""
    phase1 = Phase("phase1", "control-experiment", None, "controls", 10, False, "")
    places = [(row, column) for column in range(2, 17) for row in "BCDEFGHIJKLMNO"]
    kinds = ["pos"] * 112 + ["neg"] * 98
    frame = pd.DataFrame(
        [
            {"plate": "P1", "row": row, "column": column, "well_type": kind, "treatment": kind}
            for (row, column), kind in zip(places, kinds, strict=True)
        ]
    ).assign(concentration_nM=None, replicate=None, sample="S", add_on=None)
    frame["well"] = [f"{row}{column:02d}" for row, column in places]
    data = chosen(phase1, frame)
    negative = data.labels == 1
    assert (int((negative & ~data.validation).sum()), int((~negative & ~data.validation).sum())) == (88, 102)
    held_out = [well for well, out in zip(data.wells, data.validation, strict=True) if out]
    # Down column 2 for the positive wells; the negative ones start at the top of column 10.
    assert set(held_out) == {f"P1/{row}{column}" for row in "BCDEFGHIJK" for column in ("02", "10")}


def test_the_first_wells_of_the_published_layout_are_m04_and_d05() -> None:
    """Places of the controls on every plate of the layout that iTReX publishes as its example."""
    negative = ("B09", "C12", "C20", "D05", "E15", "H19", "I08", "L17", "N07", "O13")
    positive = ("B16", "F10", "G06", "J14", "K21", "M04", "N11", "O18")
    frame = pd.DataFrame(
        [
            {"plate": plate, "row": well[0], "column": int(well[1:]), "well_type": kind, "treatment": kind}
            for plate in ("P1", "P2", "P3")
            for kind, wells in (("neg", negative), ("pos", positive))
            for well in wells
        ]
    ).assign(concentration_nM=None, replicate=None, sample="S", add_on=None)
    frame["well"] = [f"{row}{column:02d}" for row, column in zip(frame["row"], frame["column"], strict=True)]
    data = chosen(CONTROLS, frame)
    held_out = {well for well, out in zip(data.wells, data.validation, strict=True) if out}
    assert held_out == {f"P{plate}/{well}" for plate in (1, 2, 3) for well in ("M04", "D05")}


def test_one_control_of_a_class_is_too_few() -> None:
    wells = layout()
    tensors = tensors_of(wells)
    names = tensors["well"].to_numpy()
    one_dead = tensors.isel(well=[name == "P1/M04" or name.endswith(("D05", "B09")) for name in names])
    with pytest.raises(NotMade, match="only 1 positive control well has an image, 2 are the least"):
        training_set(CONTROLS, one_dead, wells, controls_of(wells))


def test_black_images_are_named_in_one_sentence() -> None:
    wells = layout()
    with pytest.raises(NotMade, match="the images of all its 21 wells are black; check the channel") as caught:
        training_set(CONTROLS, tensors_of(wells) * 0, wells, controls_of(wells))
    assert "\n" not in str(caught.value)


def test_a_plate_with_few_controls_of_a_class_is_named_and_the_phase_still_trains() -> None:
    wells = layout()
    few = wells[~((wells["plate"] == "P2") & wells["well"].isin(["M04", "B16", "G06"]))]
    few = few[~((few["plate"] == "P3") & few["well"].isin(["D05", "B09", "C12"]))].reset_index(drop=True)
    data = chosen(CONTROLS, few)
    assert sparse_controls(data) == [
        "plate P2 has no positive control wells with an image (2 are wanted): the network learns that class from the "
        "other plates.",
        "plate P3 has 1 negative control well with an image (2 are wanted): the network learns that class from the "
        "other plates.",
    ]
    assert sparse_controls(chosen(CONTROLS, wells)) == []
