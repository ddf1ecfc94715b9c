"""What plates of other programs hold beside the usual: read with the right numbers, or told in one sentence."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from phenodose.errors import InputError, StoreError
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import well_picture
from phenodose.plates.verify import verify_plate
from phenodose.plugins import choose_reader, registry
from phenodose_readers.ome_zarr import OmeZarrReader

SIDE = 64
Change = Callable[[dict[str, Any]], dict[str, Any]]


def value(well: str, field: int, z: int) -> int:
    return 1000 * int(well.split("/")[1]) + 100 * field + 10 * z


def plate(
    folder: Path,
    wells: Mapping[str, Sequence[dict[str, Any]]] | None = None,
    version: str = "0.4",
    axes: str = "czyx",
    planes: Mapping[str, int] | None = None,
    unit: str | None = "micrometer",
    step: float = 0.5,
    acquisitions: Sequence[dict[str, Any]] = (),
    change: Change = lambda multiscale: multiscale,
    z_factor: int = 1,
) -> Path:
    """A plate with the given images of each well; the pixels of an image tell its well, field and plane."""
    wells = wells or {"B/02": [{"path": "0"}], "B/03": [{"path": "0"}]}
    new = version not in ("0.4",)

    def put(group: zarr.Group, attributes: dict[str, Any]) -> None:
        group.attrs.update({"ome": {"version": version} | attributes} if new else attributes)

    root = zarr.create_group(folder, zarr_format=3 if new else 2)
    listed = [{"path": well, "rowIndex": 1, "columnIndex": int(well.split("/")[1]) - 1} for well in wells]
    extra = {"acquisitions": list(acquisitions)} if acquisitions else {}
    put(root, {"plate": {"name": "P", "rows": [{"name": "B"}], "columns": [], "wells": listed, **extra}})
    for well, images in wells.items():
        group = root.create_group(well)
        put(group, {"well": {"images": list(images)}})
        for number, image in enumerate(images):
            n = (planes or {}).get(well, 4)
            sizes = {"t": 1, "c": 1, "z": n, "y": SIDE, "x": SIDE}
            scale = {"t": 1.0, "c": 1.0, "z": 2.0, "y": step, "x": step}
            made = group.create_group(image["path"])
            datasets = []
            for level in range(2):
                z_by, by = z_factor**level, 2**level
                shape = {**sizes, "z": math.ceil(n / z_by), "y": SIDE // by, "x": SIDE // by}
                one = [scale[a] * (by if a in "yx" else z_by if a == "z" else 1) for a in axes]
                datasets.append({"path": str(level), "coordinateTransformations": [{"type": "scale", "scale": one}]})
                options = {} if new else {"chunk_key_encoding": {"name": "v2", "separator": "/"}}
                lengths = [shape[a] for a in axes]
                array = made.create_array(str(level), shape=lengths, chunks=lengths, dtype="uint16", **options)
                for z in range(shape["z"]):
                    held = [value(well, number, k) for k in range(z * z_by, min((z + 1) * z_by, n))]
                    array[tuple(z if a == "z" else slice(None) for a in axes)] = round(np.mean(held))
            named = [{"name": a, "type": "space" if a in "zyx" else "other"} for a in axes]
            if unit:
                named = [axis | ({"unit": unit} if axis["type"] == "space" else {}) for axis in named]
            put(made, {"multiscales": [change({"axes": named, "datasets": datasets})]})
    return folder


def taken(folder: Path, out: Path, **parameters: Any) -> tuple[Plate, list[str]]:
    record = ingest_plate(folder, out, OmeZarrReader(parameters), "P1")
    return Plate.open(out), record.notes


def ome06(multiscale: dict[str, Any]) -> dict[str, Any]:
    """Coordinate systems in place of axes, as of 0.6; the second level has a translation, too."""
    datasets = []
    for dataset in multiscale["datasets"]:
        (scale,) = dataset["coordinateTransformations"]
        shift = {"type": "translation", "translation": [0.0] * len(scale["scale"])}
        whole = {"input": {"path": dataset["path"]}, "output": {"name": "physical"}}
        sequence = {"type": "sequence", "transformations": [scale, shift], **whole}
        datasets.append({"path": dataset["path"], "coordinateTransformations": [sequence]})
    stage = [{"name": axis["name"], "type": "space", "unit": "meter"} for axis in multiscale["axes"]]
    return {
        "coordinateSystems": [{"name": "stage", "axes": stage}, {"name": "physical", "axes": multiscale["axes"]}],
        "coordinateTransformations": [
            {"type": "scale", "scale": [7.0] * len(stage), "input": {"name": "physical"}, "output": {"name": "stage"}}
        ],
        "datasets": datasets,
    }


@pytest.mark.parametrize("axes", ["czyx", "tczyx"])
def test_ngff_0_6_keeps_pixel_size_and_step(tmp_path, axes):
    opened, _ = taken(plate(tmp_path / "raw", version="0.6", axes=axes, change=ome06), tmp_path / "P1.ome.zarr")
    assert (opened.pixel_size_um, opened.shape.z_step_um, opened.shape.n_planes) == (0.5, 2.0, 4)
    assert opened.plane("B03", 2)[0, 0] == value("B/03", 0, 2)


@pytest.mark.parametrize("version", ["0.7", "1.0", "0.10"])
def test_a_version_that_is_not_known_is_refused_by_its_number(tmp_path, version):
    with pytest.raises(InputError, match=rf"NGFF {version}, which is not known here: versions 0\.1 to 0\.6 are read"):
        taken(plate(tmp_path / "raw", version=version), tmp_path / "P1.ome.zarr")
    assert not (tmp_path / "P1.ome.zarr").exists()


def test_an_image_of_a_version_that_is_not_known_is_refused_too(tmp_path):
    raw = plate(tmp_path / "raw", change=lambda multiscale: multiscale | {"version": "0.9"})
    with pytest.raises(InputError, match=r"raw/B/02/0: this is NGFF 0\.9"):
        taken(raw, tmp_path / "P1.ome.zarr")


@pytest.mark.parametrize(
    ("unit", "um"),
    [
        *((unit, 0.5) for unit in ("um", "µm", "μm", "micron", "Micrometers", "micrometre")),
        *((unit, 0.0005) for unit in ("nm", "nanometer")),
        ("mm", 500.0),
        ("pixel", None),
        ("Mm", None),
    ],
)
def test_units_are_understood_or_told(tmp_path, unit, um):
    opened, notes = taken(plate(tmp_path / "raw", unit=unit), tmp_path / "P1.ome.zarr")
    assert opened.pixel_size_um == um
    assert any(f"{unit!r}, which is no length" in note for note in notes) == (um is None)


@pytest.mark.parametrize("step", [0.0, -0.5, math.nan, math.inf])
def test_a_scale_that_is_no_distance_counts_as_unknown_and_is_told(tmp_path, step):
    opened, notes = taken(plate(tmp_path / "raw", step=step), tmp_path / "P1.ome.zarr")
    assert (opened.pixel_size_um, opened.shape.z_step_um) == (None, 2.0)
    assert f"the scale of y is {step:g}, which is no distance" in notes[1]


@pytest.mark.parametrize(
    ("n", "factor", "unit"),
    [
        (7, 2, None),
        (9, 3, "micrometer"),
        *(pytest.param(n, by, "micrometer", marks=pytest.mark.slow) for n, by in ((7, 2), (8, 2), (11, 4))),
        *(pytest.param(n, by, None, marks=pytest.mark.slow) for n, by in ((8, 2), (9, 3), (11, 4))),
    ],
)
def test_planes_of_coarser_levels_are_those_of_the_full_stack(tmp_path, n, factor, unit):
    """The last plane of a level is of fewer planes than the others, or of as many; with a unit and without."""
    raw = plate(tmp_path / "raw", planes={"B/02": n, "B/03": n}, z_factor=factor, unit=unit)
    opened, _ = taken(raw, tmp_path / "P1.ome.zarr")
    full = [value("B/02", 0, z) for z in range(n)]
    middle, last = full[(n - 1) // 2], full[-1]
    assert [opened.plane("B02", z)[0, 0] for z in range(n)] == full
    coarse = [round(np.mean(full[z // factor * factor : z // factor * factor + factor])) for z in range(n)]
    assert [opened.plane("B02", z, level=1)[0, 0] for z in range(n)] == coarse
    for size_px in (16, 32, 64):
        assert well_picture(opened, "B02", "MID", size_px)[0, 0] == middle
        assert well_picture(opened, "B02", f"Z{n - 1}", size_px)[0, 0] == last
    assert opened.middle("B02", level=1)[0, 0] == middle
    assert opened.mean_of_stack("B02") == pytest.approx(np.mean(full))
    assert opened.mip("B02", level=1)[0, 0] == last


def two_cycles(folder: Path, **options: Any) -> Path:
    images = [{"path": "0", "acquisition": 1}, {"path": "1", "acquisition": 2}]
    acquisitions = [{"id": 1, "name": "cycle 1"}, {"id": 2, "name": "cycle 2"}]
    return plate(folder, {"B/02": images, "B/03": images}, acquisitions=acquisitions, **options)


def test_acquisitions_are_no_sites_and_one_is_chosen_by_its_name_or_id(tmp_path):
    raw = two_cycles(tmp_path / "raw")
    with pytest.raises(InputError, match=r"of 2 acquisitions \(1 'cycle 1', 2 'cycle 2'\): which one counts only you"):
        taken(raw, tmp_path / "P1.ome.zarr")
    for wanted in ("cycle 2", "2"):
        out = tmp_path / f"{wanted}.ome.zarr"
        opened, notes = taken(raw, out, acquisition=wanted)
        assert (opened.shape.sites, opened.mean_of_stack("B02")) == ((1,), value("B/02", 1, 0) + 15)
        assert "Of several acquisitions 2 'cycle 2' is used." in notes
        assert verify_plate(out).faults == []
    with pytest.raises(
        InputError, match="there is no acquisition 'cycle 3'; its images are of 1 'cycle 1', 2 'cycle 2'"
    ):
        taken(raw, tmp_path / "P3.ome.zarr", acquisition="cycle 3")


def test_images_that_do_not_say_their_acquisition_beside_others_that_do_are_told(tmp_path):
    wells = {"B/02": [{"path": "0", "acquisition": 0}, {"path": "1"}]}
    with pytest.raises(InputError, match="images of B02 do not say"):
        taken(plate(tmp_path / "raw", wells), tmp_path / "P1.ome.zarr")


def test_one_acquisition_of_several_sites_is_as_it_was(tmp_path):
    wells = {"B/02": [{"path": str(n), "acquisition": 0} for n in range(2)]}
    opened, notes = taken(plate(tmp_path / "raw", wells, acquisitions=[{"id": 0}]), tmp_path / "P1.ome.zarr")
    assert (opened.shape.sites, len(notes)) == ((1, 2), 1)


def test_a_field_that_one_well_lacks_moves_no_other(tmp_path):
    wells = {"B/02": [{"path": str(n)} for n in range(3)], "B/03": [{"path": "0"}, {"path": "2"}]}
    opened, notes = taken(plate(tmp_path / "raw", wells), tmp_path / "P1.ome.zarr")
    assert opened.shape.sites == (1, 2, 3)
    assert opened.plane("B03", 0, site=3)[0, 0] == value("B/03", 1, 0)
    assert opened.mean_of_stack("B03", site=2) is None
    assert not opened.has_mip("B03", site=2)
    assert notes[1].startswith("1 images that other wells have are missing: B03 lacks site 2")


def test_an_image_that_is_listed_and_gone_moves_no_other(tmp_path):
    import shutil

    wells = {well: [{"path": "0"}, {"path": "1"}] for well in ("B/02", "B/03")}
    raw = plate(tmp_path / "raw", wells)
    shutil.rmtree(raw / "B/03/0")
    opened, notes = taken(raw, tmp_path / "P1.ome.zarr")
    assert opened.plane("B03", 1, site=2)[0, 0] == value("B/03", 1, 1)
    assert "B03 lacks site 1" in notes[1]


def test_wells_of_other_numbers_of_planes_are_read_and_told(tmp_path):
    raw = plate(tmp_path / "raw", planes={"B/02": 3, "B/03": 5})
    opened, notes = taken(raw, tmp_path / "P1.ome.zarr")
    assert opened.shape.n_planes == 5
    assert [plane["z"] for plane in opened.planes("B02")] == [0, 1, 2]
    assert opened.metadata("B02")["channels"][0]["missing_z"] == [3, 4]
    assert opened.mean_of_stack("B02") == np.mean([value("B/02", 0, z) for z in range(3)])
    assert opened.middle("B03")[0, 0] == value("B/03", 0, 2)
    assert notes[1] == "The stacks have up to 5 planes, 1 wells have fewer: B02 has 3."
    with pytest.raises(InputError, match="well B02 has no plane 4"):
        opened.plane("B02", 4)


def test_images_of_other_pixel_sizes_are_told(tmp_path):
    steps = iter([0.5, 0.25])

    def other(multiscale: dict[str, Any]) -> dict[str, Any]:
        step = next(steps)
        for dataset in multiscale["datasets"]:
            dataset["coordinateTransformations"][0]["scale"][-2:] = [step, step]
        return multiscale

    with pytest.raises(
        InputError, match=r"B/03/0: well B03: the step along y is 0\.25 um, that of the first image 0\.5"
    ):
        taken(plate(tmp_path / "raw", change=other), tmp_path / "P1.ome.zarr")


@pytest.mark.parametrize("text", ['{"well": {"images": [{"pa', "", "[]"])
def test_a_well_whose_document_is_cut_off_is_a_fault(tmp_path, text):
    raw = plate(tmp_path / "raw")
    (raw / "B/03/.zattrs").write_text(text)
    with pytest.raises(InputError, match="B/03: well B03: the well's metadata are damaged"):
        taken(raw, tmp_path / "P1.ome.zarr")
    (raw / "B/03/.zattrs").unlink()
    with pytest.raises(InputError, match="well B03: the list of its images is missing"):
        taken(raw, tmp_path / "P1.ome.zarr")


def test_a_well_that_is_listed_twice_is_a_fault(tmp_path):
    wells = {well: [{"path": "0"}] for well in ("B/2", "B/02")}
    with pytest.raises(InputError, match="B/2 and B/02 are both well B02"):
        taken(plate(tmp_path / "raw", wells), tmp_path / "P1.ome.zarr")


def test_a_reference_to_a_plate_that_is_there_is_not_turned_to_another(tmp_path):
    first, second = plate(tmp_path / "one"), plate(tmp_path / "two", planes={"B/02": 2})
    out = tmp_path / "P1.ome.zarr"
    taken(first, out)
    with pytest.raises(InputError, match=r"refers to the plate .*one, which is still there, and .*two is another one"):
        taken(second, out)
    first.rename(tmp_path / "moved")
    with pytest.raises(StoreError, match="is gone"):
        Plate.open(out)
    assert taken(tmp_path / "moved", out)[0].folder == tmp_path / "moved"


def test_a_folder_above_or_in_a_plate_is_told_with_the_plates_own(tmp_path):
    raw = plate(tmp_path / "export" / "2024" / "P1.ome.zarr")
    for wrong in (tmp_path, raw / "B"):
        with pytest.raises(InputError, match=r"give the folder of an OME-Zarr plate itself, such as .*P1\.ome\.zarr"):
            choose_reader(wrong, registry())
    (raw / ".zattrs").write_text(json.dumps({"plate": {}})[:-4])
    with pytest.raises(InputError, match=r"copy .*P1\.ome\.zarr again, whose metadata are damaged"):
        choose_reader(raw.parent, registry())


def edit(group: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the attributes of a group of a plate of NGFF 0.4."""
    document = json.loads((group / ".zattrs").read_text())
    change(document)
    (group / ".zattrs").write_text(json.dumps(document))


def with_transformations(*transformations: dict[str, Any]) -> Change:
    return lambda multiscale: (
        multiscale
        | {"datasets": [each | {"coordinateTransformations": list(transformations)} for each in multiscale["datasets"]]}
    )


@pytest.mark.parametrize(
    "transformations", [(), ({"type": "affine", "affine": []},), ({"type": "scale", "path": "s"},)]
)
def test_a_pixel_size_that_no_plain_scale_tells_is_not_one_micrometre(tmp_path, transformations):
    raw = plate(tmp_path / "raw", change=with_transformations(*transformations))
    opened, notes = taken(raw, tmp_path / "P1.ome.zarr")
    assert (opened.pixel_size_um, opened.shape.z_step_um) == (None, None)
    assert "its transformations tell no plain scale" in " ".join(notes)


def test_levels_that_lead_to_two_coordinate_systems_have_the_scale_of_the_first(tmp_path):
    def both(multiscale: dict[str, Any]) -> dict[str, Any]:
        found = ome06(multiscale)
        for dataset in found["datasets"]:
            stage = {
                "type": "scale",
                "scale": [7.0] * 4,
                "input": {"path": dataset["path"]},
                "output": {"name": "stage"},
            }
            dataset["coordinateTransformations"].append(stage)
        return found

    opened, notes = taken(plate(tmp_path / "raw", version="0.6", change=both), tmp_path / "P1.ome.zarr")
    assert opened.pixel_size_um == 0.5
    assert "2 coordinate systems ('physical', 'stage'); 'physical' counts" in " ".join(notes)


def test_what_is_there_and_not_listed_and_what_is_chosen_is_told(tmp_path):
    raw = plate(tmp_path / "raw", {well: [{"path": "0"}, {"path": "1"}] for well in ("B/02", "B/03", "B/04")})
    edit(raw, lambda said: said["plate"]["wells"].pop())
    edit(raw, lambda said: said["plate"].update(rows=[{"name": "A"}, {"name": "C"}]))
    edit(raw / "B/02", lambda said: said["well"]["images"].pop())
    edit(raw / "B/02/0", lambda said: said["multiscales"].append(said["multiscales"][0] | {"name": "deconvolved"}))
    _, notes = taken(raw, tmp_path / "P1.ome.zarr")
    told = " ".join(notes)
    assert "1 wells are there that the plate does not list and are passed over: B/04." in told
    assert "1 images are there that their wells do not list and are passed over: B/02/1." in told
    assert "the image has 2 multiscales (without a name, 'deconvolved'), of which the first is used" in told
    assert (
        "2 wells have a rowIndex or columnIndex of another well; their paths count: B/02 (C/02 by its indices)" in told
    )


def test_pixels_that_are_no_squares_are_told(tmp_path):
    tall = {"type": "scale", "scale": [1.0, 2.0, 1.0, 0.5]}
    opened, notes = taken(plate(tmp_path / "raw", change=with_transformations(tall)), tmp_path / "P1.ome.zarr")
    assert opened.pixel_size_um == 0.5
    assert "its pixels are 0.5 um wide and 1 um high; the width counts as their size (and 1 more" in " ".join(notes)


def test_levels_that_begin_with_a_small_one_are_refused(tmp_path):
    raw = plate(tmp_path / "raw", change=lambda multiscale: multiscale | {"datasets": multiscale["datasets"][::-1]})
    with pytest.raises(InputError, match=r"the first level of the pyramid \(1\) is not the largest"):
        taken(raw, tmp_path / "P1.ome.zarr")


def test_an_image_that_calls_its_channel_otherwise_is_told(tmp_path):
    raw = plate(tmp_path / "raw")
    for well, label in (("B/02", "DAPI"), ("B/03", "Cy5")):
        edit(raw / well / "0", lambda said, label=label: said.update(omero={"channels": [{"label": label}]}))
    assert "calls its channels otherwise than the first one ('Cy5', not 'DAPI')" in " ".join(
        taken(raw, tmp_path / "P1.ome.zarr")[1]
    )
