"""The public iTRADE data set: its files become screens, plates and tensors as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.errors import InputError, NotMade
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import build_tensors, open_tensors
from phenodose.plugins import PLANES, choose_reader, registry
from phenodose.screens.itrade import arrange
from phenodose.screens.layout import read_layout
from phenodose.screens.matrices import match_to_layout, read_matrices
from phenodose.screens.screen import Screen
from phenodose_readers.itrade import ItradeReader, _means_of_stack
from phenodose_readouts.mean_of_stack import MeanOfStackReadout

SCREEN, CONTROL = "BT-40_V1_DS1", "INF_R_153_CE"
WELLS = ("B02", "B03", "C10", "O23")
SIZE = 224


def pixels(plate: int, well: str, kind: str) -> np.ndarray:
    return np.random.default_rng([plate, *well.encode(), *kind.encode()]).integers(0, 65535, (SIZE, SIZE), np.uint16)


def matrix(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(100, 9000, (16, 24))


def write_matrix(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(["", *map(str, range(1, 25))])]
    lines += ["\t".join([row, *map(str, numbers)]) for row, numbers in zip("ABCDEFGHIJKLMNOP", values, strict=True)]
    path.write_text("\n".join(lines) + "\n")


def write_layout(path: Path, plates: int) -> None:
    types = {"B02": ("neg", "DMSO", ""), "B03": ("pos", "STS", "250"), "C10": ("therapy", "Vemurafenib", "1000")}
    lines = ["Plate,Row,Column,WellType,Treatment,Concentration"]
    for plate in range(1, plates + 1):
        for well in WELLS:
            kind, treatment, dose = types.get(well, ("therapy", "Trametinib", "10"))
            lines.append(f"{plate},{well[0]},{int(well[1:])},{kind},{treatment},{dose}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


@pytest.fixture
def data(tmp_path) -> Path:
    """A small data set of that layout: a drug screen of two plates and a control experiment of one."""
    root = tmp_path / "iTRADE-Data"
    for screen, plates in ((SCREEN, 2), (CONTROL, 1)):
        folder = root / "Images" / screen
        folder.mkdir(parents=True)
        for plate in range(1, plates + 1):
            for well in WELLS:
                for kind in ("proj", "midz"):
                    name = f"{screen}_P{plate}_{well}_{kind}_224x224.tif"
                    tifffile.imwrite(folder / name, pixels(plate, well, kind))
            for what, seed in (("Metabolic", plate), ("MeanOfStack", 10 + plate)):
                write_matrix(root / what / screen / f"{screen}_P{plate}.txt", matrix(seed))
    write_layout(root / "Layouts" / "Layout_DS.csv", 2)
    write_layout(root / "Layouts" / "Layout_CE.csv", 1)
    (root / "Layouts" / "Drugs.csv").write_text(
        "Drug,DrugAbbr,GroupAbbr,GroupName\nvemurafenib,VEM,BRAF,BRAF inhibitor\nTrametinib,TRA,MEK,MEK inhibitor\n"
        "Unused,UNU,X,Other\n"
    )
    return root


def test_the_data_set_becomes_screens_that_the_platform_understands(data, tmp_path):
    out = tmp_path / "screens"
    result = CliRunner().invoke(cli, ["screen", "import", str(data), str(out)])
    assert result.exit_code == 0, result.output
    assert f"{SCREEN}: 2 plates, 16 images; matrices: metabolic, mean of stack." in result.output
    screen = Screen.load(out / SCREEN)
    assert (screen.kind, screen.sample, screen.is_done) == ("drug-screen", "BT-40", True)
    assert {drug: each.drug_class for drug, each in screen.drugs.items()} == {
        "Trametinib": "MEK inhibitor",
        "Vemurafenib": "BRAF inhibitor",
    }
    layout = read_layout(screen.require_layout())
    assert list(screen.match_plates(layout.plates)) == ["1", "2"]
    values = match_to_layout(read_matrices(screen.readout_folders["ctg"]), layout)
    row = values[(values["plate"] == "2") & (values["row"] == "C") & (values["column"] == 10)]
    assert row["value"].item() == matrix(2)[2, 9]
    assert Screen.load(out / CONTROL).kind == "control-experiment"


def test_the_images_are_linked_and_screens_that_are_there_are_left_alone(data, tmp_path):
    out = tmp_path / "screens"
    (first,) = arrange(data, out, [SCREEN])
    image = first.folder / "P1" / f"{SCREEN}_P1_B02_proj_224x224.tif"
    assert image.samefile(data / "Images" / SCREEN / image.name)
    (first.folder / "screen.toml").write_text('sample = "mine"\n')
    arrange(data, out)
    assert (first.folder / "screen.toml").read_text() == 'sample = "mine"\n'
    assert sorted(path.name for path in out.iterdir()) == [SCREEN, CONTROL]


def test_tensors_hold_exactly_the_images_of_the_data_set(data, tmp_path):
    arrange(data, tmp_path / "screens")
    plates = {}
    for name, raw in Screen.load(tmp_path / "screens" / SCREEN).plate_folders.items():
        reader = choose_reader(raw, registry())
        assert reader.name == "itrade"
        record = ingest_plate(raw, tmp_path / f"{name}.ome.zarr", reader, name)
        assert (record.n_wells, record.n_planes, record.n_z, record.notes) == (4, 8, 1, [])
        plates[name] = Plate.open(tmp_path / f"{name}.ome.zarr")
    assert (plates["P1"].n_rows, plates["P1"].n_columns) == (16, 24)
    build_tensors(plates, tmp_path / "tensors.zarr", SIZE)
    tensors = open_tensors(tmp_path / "tensors.zarr")
    assert tensors.sizes["well"] == 8
    for name in tensors["well"].values:
        plate, well = str(name).split("/")
        for channel, kind in enumerate(("proj", "midz", "proj")):
            np.testing.assert_array_equal(tensors.sel(well=name)[..., channel], pixels(int(plate[1:]), well, kind))


def test_the_mean_of_stack_is_the_one_that_was_measured_not_that_of_the_one_plane(data, tmp_path):
    arrange(data, tmp_path / "screens")
    raw = tmp_path / "screens" / SCREEN / "P2"
    for number, text in enumerate(("with", "without")):
        out = tmp_path / f"{text}.ome.zarr"
        ingest_plate(raw, out, ItradeReader(), "P2")
        if number == 0:
            measured = MeanOfStackReadout().measure(Plate.open(out)).set_index("well")["raw"]
            expected = matrix(12)
            assert measured.to_dict() == {
                well: expected["ABCDEFGHIJKLMNOP".index(well[0]), int(well[1:]) - 1] for well in WELLS
            }
            (raw / "mean_of_stack_P2.txt").unlink()
    with pytest.raises(NotMade):
        MeanOfStackReadout().measure(Plate.open(out))


def test_one_plate_of_the_data_sets_own_folder(data):
    folder = data / "Images" / SCREEN
    assert ItradeReader().sniff(folder) == 1
    with pytest.raises(InputError, match=rf"files are of {SCREEN}_P1, {SCREEN}_P2; say which with --param plate=1"):
        ItradeReader().index(folder)
    found = ItradeReader({"plate": 2}).index(folder)
    assert PLANES.faults(found) == []
    assert list(found[["plate", "well", "projection"]].itertuples(index=False, name=None))[:3] == [
        ("P2", "B02", ""),
        ("P2", "B02", "maximum"),
        ("P2", "B03", ""),
    ]


def test_missing_and_odd_files_of_a_plate(data, tmp_path):
    arrange(data, tmp_path / "screens", [SCREEN])
    raw = tmp_path / "screens" / SCREEN / "P1"
    (raw / f"{SCREEN}_P1_B03_midz_224x224.tif").unlink()
    tifffile.imwrite(raw / "overview.tif", pixels(1, "A01", "x"))
    reader = ItradeReader()
    first, second = reader.plate_metadata(raw, reader.index(raw))["notes"]
    assert first == "1 TIFF files are not named as those of the data set; passed over: overview.tif."
    assert second.startswith("1 of 4 wells lack images that others have: B03 lacks 1")
    (raw / f"{SCREEN}_P1_B02_proj_224x224.tif").rename(raw / "moved.tif")
    (raw / f"{SCREEN}_P1_B02_proj_224x224.tif").write_bytes((raw / "moved.tif").read_bytes()[:500])
    tifffile.imwrite(raw / f"{SCREEN}_P1_C10_proj_112x112.tif", pixels(1, "C10", "y")[:112, :112])
    with pytest.raises(InputError, match="3 faults") as told:
        reader.index(raw)
    for fault in ("B02: the file is truncated", "are the same image of the well", "112 x 112 px uint16, most images"):
        assert fault in str(told.value)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda data: shutil.rmtree(data / "Images"), "there is no folder Images"),
        (lambda data: (data / "Layouts" / "Layout_DS.csv").unlink(), "Layout_DS.csv"),
        (
            lambda data: (data / "Metabolic" / SCREEN / f"{SCREEN}_P2.txt").unlink(),
            f"Metabolic/{SCREEN}: there is no matrix of plate P2; expected {SCREEN}_P2.txt",
        ),
        (
            lambda data: write_matrix(data / "MeanOfStack" / SCREEN / "left.txt", matrix(1)),
            "left.txt: its name tells none of the plates P1, P2",
        ),
        (
            lambda data: write_matrix(data / "MeanOfStack" / SCREEN / f"copy_{SCREEN}_P2.txt", matrix(1)),
            "are both plate P2; keep one",
        ),
        (lambda data: [path.unlink() for path in (data / "Images" / CONTROL).iterdir()], f"Images/{CONTROL} holds no"),
    ],
)
def test_a_data_set_that_is_not_whole_is_told_and_nothing_is_written(data, tmp_path, spoil, told):
    spoil(data)
    with pytest.raises(InputError) as fault:
        arrange(data, tmp_path / "screens")
    assert told in str(fault.value)
    assert not (tmp_path / "screens").exists()


def test_an_unknown_screen_is_told_with_those_that_are_there(data, tmp_path):
    with pytest.raises(InputError, match=r"there is no screen 'X'; there are BT-40_V1_DS1, INF_R_153_CE"):
        arrange(data, tmp_path / "screens", ["X"])


def test_without_matrices_and_drug_classes_the_images_are_enough(data, tmp_path):
    for folder in ("Metabolic", "MeanOfStack"):
        shutil.rmtree(data / folder)
    (data / "Layouts" / "Drugs.csv").write_text("GroupAbbr,GroupName\nMEK,MEK inhibitor\n")
    (arranged,) = arrange(data, tmp_path / "screens", [SCREEN])
    assert (arranged.has_metabolic, arranged.has_mean_of_stack) == (False, False)
    screen = Screen.load(arranged.folder)
    assert (dict(screen.drugs), dict(screen.readout_folders)) == ({}, {})


def test_a_matrix_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "secret.env").write_text("SECRET_TOKEN=abcdef123\n")
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "means.txt").symlink_to(tmp_path / "secret.env")
    with pytest.raises(InputError, match="is a link that leaves the screen's folder") as told:
        _means_of_stack(tmp_path / "P1")
    assert "SECRET" not in str(told.value)
