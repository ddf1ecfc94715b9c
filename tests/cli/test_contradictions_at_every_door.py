"""Whose data is this: what one door refuses no other door takes, and each says the same.

The doors are `score`, `run`, `ingest`, `screen init` and the sensor over the inbox. The sensor looks at the layout and
the readings; images are judged by the run that it asks for. It looks in a process of its own with the code of the other
doors: a contradiction within a file, between files and between folders is tried there every day, and all others by
`make test-slow`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import openpyxl
import pytest
import tifffile
import zarr

from phenodose.cli import main
from phenodose.store.store import Store
from phenodose_assets.build import SCREEN_JOB
from phenodose_assets.resources import StoreResource
from phenodose_assets.sensors.new_screens import new_screens_sensor

pytestmark = pytest.mark.usefixtures("patient_sensors")

HEADER = "Plate,Row,Column,Sample,WellType,Treatment,Concentration"
NUMBERS = "\t1\t2\t3\t4\t5\t6\n" + "".join(f"{row}\t1\t2\t3\t4\t5\t6\n" for row in "ABC")
PATTERN = "reader = 'pattern'\n[parameters.pattern]\nexpression = '(?P<well>[A-H]\\d\\d)_'\n"
FOLDER = "INF_R_153_V1_DS1"


def layout(folder: Path, sample: str = "INF-R-153", drug: str = "X", plates: tuple[str, ...] = ("P1",)) -> list[str]:
    rows = [
        f"{plate},A,{column},{sample},{what}"
        for plate in plates
        for column, what in enumerate(("neg,DMSO,", "pos,BzCl,", f"therapy,{drug},1"), start=1)
    ]
    (folder / "layout.csv").write_text("\n".join([HEADER, *rows]))
    return rows


def readings(folder: Path, name: str = "INF_R_153_P1.txt", text: str = NUMBERS) -> None:
    (folder / "ctg").mkdir(exist_ok=True)
    (folder / "ctg" / name).write_text(text)


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.full((32, 32), 7, np.uint16), photometric="minisblack", metadata=None)


def ome_plate(folder: Path, version: str = "0.4", images: tuple[int | None, ...] = (None,), well: str = "A/1") -> None:
    """An OME-Zarr plate of one well; `images` are the acquisitions of its images."""
    new = version != "0.4"
    root = zarr.create_group(folder, zarr_format=3 if new else 2)

    def put(group: zarr.Group, attributes: dict[str, object]) -> None:
        group.attrs.update({"ome": {"version": version} | attributes} if new else attributes)

    acquisitions = [{"id": number, "name": f"day {number}"} for number in images if number is not None]
    listed = [{"path": well, "rowIndex": 0, "columnIndex": 0}]
    rows = {"rows": [{"name": "A"}], "columns": [{"name": "1"}], "wells": listed, "acquisitions": acquisitions}
    put(root, {"plate": {"name": "P", **rows}})
    named = [{"path": str(i)} | ({} if a is None else {"acquisition": a}) for i, a in enumerate(images)]
    put(root.create_group(well), {"well": {"images": named}})
    scale = [{"type": "scale", "scale": [1, 1, 0.5, 0.5]}]
    axes = [{"name": "c", "type": "channel"}] + [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    for one in named:
        made = root[well].create_group(str(one["path"]))  # type: ignore[union-attr]
        array = made.create_array("0", shape=(1, 2, 32, 32), chunks=(1, 2, 32, 32), dtype="uint16")
        array[:] = 7
        put(made, {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]})


# --- the contradictions: each makes a folder in which two things cannot both be right ------------------


def another_patient_in_the_layout(folder: Path) -> None:
    layout(folder, sample="INF-R-154")


def another_patient_in_screen_toml(folder: Path) -> None:
    layout(folder)
    (folder / "screen.toml").write_text('sample = "INF-R-155"\n')


def another_patient_in_a_file_name(folder: Path) -> None:
    layout(folder)
    readings(folder, "INF_R_154_P1.txt")


def another_patient_inside_a_file(folder: Path) -> None:
    layout(folder)
    readings(folder, text=f"User: USER\tID1: INF-R-154\n\n{NUMBERS}")


def another_delivery_in_a_file_name(folder: Path) -> None:
    layout(folder)
    readings(folder, "INF_R_153_V2_DS1_P1.txt")


def another_plate_inside_a_file(folder: Path) -> None:
    layout(folder)
    readings(folder, text=f"Barcode: INF-R-153_P2\n\n{NUMBERS}")


def two_plates_in_a_file(folder: Path) -> None:
    layout(folder)
    readings(folder, text=f"first\n{NUMBERS}\nsecond\n{NUMBERS.replace('6', '9')}")


def two_files_of_a_plate(folder: Path) -> None:
    layout(folder)
    readings(folder)
    readings(folder, "INF_R_153_P01.txt")


def two_layouts_in_a_workbook(folder: Path) -> None:
    book = openpyxl.Workbook()
    for name, drug in (("first", "X"), ("second", "Y")):
        sheet = book.create_sheet(name)
        for row in [HEADER, *layout(folder, drug=drug)]:
            sheet.append(row.split(","))
    (folder / "layout.csv").unlink()
    del book["Sheet"]
    book.save(folder / "layout.xlsx")


def a_date_for_a_drug(folder: Path) -> None:
    layout(folder, drug="2026-09-02")


def images_that_name_another_patient(folder: Path) -> None:
    layout(folder)
    for well in ("A01", "A02"):
        image(folder / "P1" / f"INF_R_154_V1_DS1_P1_{well}_s1_w1.TIF")


def images_that_name_another_plate(folder: Path) -> None:
    layout(folder)
    image(folder / "P1" / "INF_R_153_V1_DS1_P2_A01_s1_w1.TIF")


def images_that_name_another_delivery(folder: Path) -> None:
    layout(folder)
    image(folder / "P1" / "INF_R_153_V2_DS1_A01_s1_w1.TIF")


def images_of_another_plate(folder: Path) -> None:
    layout(folder)
    image(folder / "P2" / "A01_.tif")
    (folder / "screen.toml").write_text(PATTERN)


def two_images_of_one_place(folder: Path) -> None:
    layout(folder)
    for name in ("A01_first.tif", "A01_second.tif"):
        image(folder / "P1" / name)
    (folder / "screen.toml").write_text(PATTERN)


def two_acquisitions(folder: Path) -> None:
    layout(folder)
    ome_plate(folder / "P1", images=(0, 1))


def a_version_nobody_knows(folder: Path) -> None:
    layout(folder)
    ome_plate(folder / "P1", version="0.9")


@dataclass(frozen=True)
class Contradiction:
    make: Callable[[Path], object]
    words: tuple[str, ...]
    doors: tuple[str, ...]


ALL = ("score", "run", "init", "sensor")
OF_FOLDERS = ("run", "init", "sensor")
OF_IMAGES = ("ingest", "run", "init")
KINDS = [
    Contradiction(another_patient_in_the_layout, ("'INF-R-154'", f"'{FOLDER}'"), OF_FOLDERS),
    Contradiction(another_patient_in_screen_toml, ("'INF-R-153'", "'INF-R-155'"), OF_FOLDERS),
    Contradiction(another_patient_in_a_file_name, ("'INF-R-153'", "'INF_R_154'"), ALL),
    Contradiction(another_patient_inside_a_file, ("'INF-R-153'", "'INF-R-154'"), ALL),
    Contradiction(another_delivery_in_a_file_name, ("'V1_DS1'", "'V2_DS1'"), OF_FOLDERS),
    Contradiction(another_plate_inside_a_file, ("'P1'", "'P2'"), ALL),
    Contradiction(two_plates_in_a_file, ("'first'", "'second'"), ALL),
    Contradiction(two_files_of_a_plate, ("INF_R_153_P01.txt", "INF_R_153_P1.txt"), ALL),
    Contradiction(two_layouts_in_a_workbook, ("'first'", "'second'"), ALL),
    Contradiction(a_date_for_a_drug, ("2026-09-02", "row 4"), ALL),
    Contradiction(images_of_another_plate, ("plate P1", "folder P2"), ("run", "init", "sensor")),
    Contradiction(images_that_name_another_patient, ("'INF-R-153'", "'INF_R_154_V1_DS1'"), ("run", "init")),
    Contradiction(images_that_name_another_plate, ("'P1'", "'P2'"), ("run", "init")),
    Contradiction(images_that_name_another_delivery, ("'V1_DS1'", "'V2_DS1'"), ("run", "init")),
    Contradiction(two_images_of_one_place, ("A01_first.tif", "A01_second.tif"), OF_IMAGES),
    Contradiction(two_acquisitions, ("day 0", "day 1"), OF_IMAGES),
    Contradiction(a_version_nobody_knows, ("0.9",), OF_IMAGES),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "inbox" / FOLDER
    made.mkdir(parents=True)
    (made / "_DONE").touch()
    return made


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(map(str, arguments)))
    return int(done.value.code or 0)


def through(door: str, folder: Path, root: Path) -> bool:
    """Whether a folder gets through a door; what the door says goes to the terminal."""
    store = root / "store"
    if door == "score":
        readouts = [f"--readouts={folder / 'ctg'}"] if (folder / "ctg").is_dir() else []
        (found,) = folder.glob("layout.*")
        given = [f"--layout={found}", *readouts, "--draws=0", f"--out={root / 's.csv'}", f"--qc={root / 'q.csv'}"]
        code = command("score", *given)
        assert code in (0, 2)
        assert not code or not list(root.glob("*.csv"))
        return not code
    if door == "ingest":
        plate = next(path for path in folder.iterdir() if path.name.startswith("P1"))
        own = ["--reader=pattern", r"--param=expression=(?P<well>[A-H]\d\d)_"] if list(plate.glob("*.tif")) else []
        code = command("ingest", plate, root / "out.ome.zarr", *own)
        assert code in (0, 2)
        assert not code or not (root / "out.ome.zarr").exists()
        return not code
    if door == "sensor":
        resource = StoreResource.of(Store.open(store), folder.parent)
        with dg.build_sensor_context(instance=dg.DagsterInstance.ephemeral(), sensor_name="new_screens") as context:
            result = new_screens_sensor(resource, SCREEN_JOB)(context)
        taken = bool(result.run_requests) if isinstance(result, dg.SensorResult) else False
        assert taken == bool(Store.open(store).screens())
        return taken
    before = sorted(folder.rglob("*"))
    code = (
        command("screen", "init", folder, "--overwrite") if door == "init" else command("run", folder, "--store", store)
    )
    assert code in (0, 2)
    assert not code or (sorted(folder.rglob("*")) == before and not (store / "screens").exists())
    return not code


CASES = [(kind, door) for kind in KINDS for door in kind.doors]
#: What the sensor is shown every day; `init` refuses the others by the same code.
SHOWN_TO_THE_SENSOR = (another_patient_in_the_layout, two_files_of_a_plate, images_of_another_plate)


def case(kind: Contradiction, door: str) -> Any:
    slow = door == "sensor" and kind.make not in SHOWN_TO_THE_SENSOR
    return pytest.param(kind, door, id=f"{kind.make.__name__}-{door}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("kind", "door"), [case(kind, door) for kind, door in CASES])
def test_a_contradiction_is_refused_with_both_sides_named(
    kind: Contradiction, door: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kind.make(folder)
    assert not through(door, folder, tmp_path)
    said = capfd.readouterr()
    assert [word for word in kind.words if word not in said.out + said.err] == []


@pytest.mark.parametrize("door", ["score", "init", "sensor"])
def test_what_agrees_gets_through_every_door_without_a_word(
    door: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    layout(folder)
    readings(folder, text=f"ID1: INF-R-153\nBarcode: INF-R-153_P1\n\n{NUMBERS}")
    assert through(door, folder, tmp_path)
    said = capfd.readouterr().err
    assert not any(what in said for what in ("the sample is", "the plate is", "the barcode is", "refused"))


def test_every_kind_is_tried_at_every_door_that_could_take_it() -> None:
    assert len(KINDS) >= 12
    assert {door for kind in KINDS for door in kind.doors} == {"score", "run", "ingest", "init", "sensor"}
    assert all(len(set(kind.doors)) >= 2 for kind in KINDS)
    assert len({kind.make for kind in KINDS}) == len(KINDS)
