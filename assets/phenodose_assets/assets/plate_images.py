"""Assets of the group `ingest`: `layout` and `plate_images`.

Belongs here: which files of the screen folder become which rows and plates. Does not belong here: reading
layouts (`phenodose.screens.layout`) and writing plates (`phenodose.plates.ingest`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose.errors import Faults, MissingInputError, NotMade, PhenodoseError
from phenodose.names import parse_well, row_index
from phenodose.pipeline.context import Context, Result, SubSteps
from phenodose.plugins import Parameters, Progress, Reader, choose_reader
from phenodose.screens.raw_copy import screen_at
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose_assets.assets.drugs import drug_asset
from phenodose_assets.assets.layout import LAYOUT, _make_layout
from phenodose_assets.external import IMAGE_FILES, LAYOUT_FILE, READER, SAMPLE
from phenodose_assets.graph import metadata
from phenodose_assets.graph.screen_asset import ScreenAsset

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from phenodose.plates.ingest import PlateRecord
    from phenodose.plates.plate import Plate

PLATE_IMAGES = "plate_images"
_GROUP = "ingest"
_TILE_PX = 12
_NAMED = 5


class IngestParameters(Parameters):
    """How raw plate folders are read."""

    reader: str | None = Field(None, description="Reader plugin; found by itself if left out")
    workers: int | None = Field(None, ge=1, le=256, description="Wells written at the same time; default one a core")


def ingest_assets() -> list[ScreenAsset]:
    """Layout and plates of a screen."""
    return [
        ScreenAsset(
            key=LAYOUT,
            group=_GROUP,
            description="What every well holds: the checked layout and the screen as table rows.",
            make=_make_layout,
            reads=(LAYOUT_FILE, SAMPLE),
            kinds=frozenset({"parquet"}),
            tables=(("screens", LAYOUT), ("wells", LAYOUT)),
        ),
        drug_asset(_GROUP),
        ScreenAsset(
            key=PLATE_IMAGES,
            group=_GROUP,
            description="Every raw plate folder as an OME-Zarr plate (NGFF 0.5 HCS), each byte hashed.",
            make=_make_plate_images,
            needs=(LAYOUT,),
            reads=(IMAGE_FILES, READER),
            settings=((_GROUP, IngestParameters),),
            kinds=frozenset({"zarr", "parquet"}),
            tables=(("plates", PLATE_IMAGES),),
            parts=SubSteps(_plate_names, _plate_part, "plates"),
            lacks=_no_images,
        ),
    ]


def _plate_folders(step: Context) -> dict[str, Path]:
    """The raw folder of every plate of the layout."""
    return step.screen.match_plates(list(dict.fromkeys(step.wells()["plate"])))


def _plate_names(step: Context) -> list[str]:
    return [] if step.screen.copy_of is not None else list(_plate_folders(step))


def _reader_of(step: Context, folder: Path) -> Reader:
    parameters = step.settings_of(_GROUP, IngestParameters)
    name = parameters.reader or step.screen.reader
    return choose_reader(folder, step.plugins, name, step.screen.parameters, step.log.warning)


def _ingest_plate(step: Context, plate: str, progress: Progress | None = None) -> PlateRecord:
    """Bring one plate up to date."""
    from phenodose.plates.ingest import FIRST, ingest_plate

    folder = _plate_folders(step)[plate]
    reader, out = _reader_of(step, folder), step.store.plate_path(step.screen_id, plate)
    workers = step.settings_of(_GROUP, IngestParameters).workers

    def listener(done: int, total: int, message: str) -> None:
        step.progress(done, total, f"{plate} {message}")

    record = ingest_plate(folder, out, reader, plate, progress or listener, workers, virtual=FIRST)
    step.log.info(f"plate {plate}: {len(record.wells_written)} of {record.n_wells} wells written")
    for text in record.notes:
        step.log.warning(f"plate {plate}: {text}")
    _keep_mosaics(step, plate, out)
    return record


def _plate_part(step: Context, plate: str) -> dict[str, Any]:
    """Bring one plate up to date, and what is known of it as JSON."""
    return asdict(_ingest_plate(step, plate))


def _keep_mosaics(step: Context, plate: str, path: Any) -> None:
    """Make the mosaics that `phenodose view` shows, so that it need not; without them it makes its own."""
    from phenodose.io.places import is_remote
    from phenodose.plates.plate import Plate
    from phenodose.viewer.mosaics import mosaic_png

    if is_remote(step.store.root) or is_remote(path):
        # They are kept on the machine of the viewer; reading the plate back from a bucket here would not help it.
        return
    try:
        opened = Plate.open(path)
        for channel in range(len(opened.channels)):
            mosaic_png(step.store, step.screen_id, plate, opened, channel)
    except Exception as error:
        step.log.warning(f"plate {plate}: its mosaics are not made: {type(error).__name__}: {error}")


def _make_plate_images(step: Context) -> Result:
    from phenodose.plates.ingest import PlateRecord

    folders = _plate_folders(step)
    if not folders or step.screen.copy_of is not None:
        return _kept_plates(step, folders)
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    reader: Reader | None = None
    for number, (plate, folder) in enumerate(folders.items()):

        def progress(done: int, total: int, message: str, number: int = number, plate: str = plate) -> None:
            step.progress(number * total + done, len(folders) * total, f"{plate} {message}")

        reader, out = _reader_of(step, folder), step.store.plate_path(step.screen_id, plate)
        part = step.parts.get(plate)
        record = PlateRecord(**part) if part else _ingest_plate(step, plate, progress)
        notes += [f"plate {plate}: {note}" for note in record.notes]
        rows.append(
            {
                "screen": step.screen_id,
                "plate": plate,
                "path": step.store.plate_text(out),
                **{name: getattr(record, name) for name in _RECORD_COLUMNS},
                "run_id": step.run_id,
                "plugin": reader.name,
                "plugin_version": reader.version,
            }
        )
    others = step.screen.other_image_folders()
    if others:
        notes.append(
            f"Images in {', '.join(map(repr, others[:_NAMED]))} are of no plate by the folder's name; left out."
        )
    notes += _agreement(step, {row["plate"]: row["path"] for row in rows})
    frame = TABLES["plates"].frame(rows)
    step.store.write_table("plates", step.screen_id, PLATE_IMAGES, frame)
    return Result(
        show=lambda: _plate_metadata(step, frame),
        plugin=reader,
        inputs={row["plate"]: row["raw_hash"] for row in rows},
        notes=notes,
    )


def _agreement(step: Context, plates: Mapping[str, str]) -> list[str]:
    """Sentences on what the plates of the screen do not have in common.

    Raises:
        InputError: the channel that is measured is another one on some of them.
    """
    from phenodose.plates.agreement import PlateFacts, compare_plates
    from phenodose.plates.plate import Plate
    from phenodose.screens.contents import judge_images

    facts = {name: PlateFacts.of_plate(Plate.open(step.store.plate_at(path))) for name, path in plates.items()}
    found = compare_plates(facts, step.screen.channel)
    faults = Faults(f"screen {step.screen_id}")
    faults.extend(found.faults)
    samples = [str(sample) for sample in step.wells()["sample"].dropna().unique()]
    for name, folder in _plate_folders(step).items():
        faults.extend(judge_images(step.screen, "the layout", samples, folder.name, facts[name].called).contradictions)
    faults.raise_if_any()
    return found.notes


_RECORD_COLUMNS = (
    "n_wells",
    "n_planes",
    "size_x_px",
    "size_y_px",
    "n_z",
    "pixel_size_um",
    "z_step_um",
    "raw_hash",
)


def _no_images(store: Store, screen: str) -> bool:
    """Whether there are surely no images, neither in the screen's folder nor in the store."""
    try:
        raw = screen_at(store.source_of(screen), store).plate_folders
    except (PhenodoseError, OSError):
        return False  # the step says what is wrong
    return not raw and _keeps_no_plates(store, screen)


def _keeps_no_plates(store: Store, screen: str) -> bool:
    return store.read_table("plates", screen, PLATE_IMAGES).empty or not store.plates(screen)


def _kept_plates(step: Context, folders: Mapping[str, Path]) -> Result:
    """The plates that the store holds from an earlier run, where the raw images are gone, or on another machine.

    Args:
        step: the step.
        folders: raw folder of every plate that there is, on whatever machine.

    Raises:
        MissingInputError: some are on another machine and not in the store.
        NotMade: there never were any.
    """
    there = (
        []
        if _keeps_no_plates(step.store, step.screen_id)
        else [path.name for path in step.store.plates(step.screen_id)]
    )
    lacking = [name for name in folders if f"{name}.ome.zarr" not in there]
    if lacking:
        raise MissingInputError(
            f"{step.screen.copy_of}: this machine does not have the raw images of plate {', '.join(lacking)}, and the "
            f"store has no plate of them; run `phenodose run {step.screen_id} --select {PLATE_IMAGES}` on a machine "
            "that has the folder, or say where it lies here with PHENODOSE_RAW_ROOTS."
        )
    if _keeps_no_plates(step.store, step.screen_id):
        others = step.screen.other_image_folders()
        named = f" (there are images in {', '.join(map(repr, others[:_NAMED]))})" if others else ""
        raise NotMade(f"the screen has no images: {step.screen.folder} holds no plate folder such as P1{named}.")
    frame = step.store.read_table("plates", step.screen_id, PLATE_IMAGES)
    step.log.warning("there are no raw images on this machine; the plates in the store are used")
    return Result(
        show=lambda: _plate_metadata(step, frame), inputs=dict(zip(frame["plate"], frame["raw_hash"], strict=True))
    )


def _plate_metadata(step: Context, plates: pd.DataFrame) -> dict[str, Any]:
    from phenodose.plates.plate import Plate
    from phenodose.plots import plate_picture

    opened = {
        str(plate): Plate.open(step.store.plate_at(path))
        for plate, path in zip(plates["plate"], plates["path"], strict=True)
    }
    mosaics = {name: plate.mosaic(_TILE_PX) for name, plate in opened.items()}
    columns = ["plate", "n_wells", "n_planes", "size_x_px", "n_z", "pixel_size_um", "z_step_um", "plugin"]
    return {
        **metadata.thumbnails(_brightness(opened, mosaics), "brightness"),
        "images": metadata.pictures(
            {name: plate_picture(mosaic, width_px=288, most_bytes=12_000) for name, mosaic in mosaics.items()}
        ),
        "table": metadata.table(plates, columns),
        "path": metadata.path(step.store.screen_dir(step.screen_id) / "plates"),
        "look at it": metadata.markdown(f"`phenodose view {step.screen_id} --store {step.store.root}`"),
        **metadata.numbers({"n wells": plates["n_wells"].sum(), "n planes": plates["n_planes"].sum()}),
    }


def _brightness(plates: Mapping[str, Plate], mosaics: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Mean grey value of every imaged well in its plate's mosaic: columns plate, row, column, brightness."""
    import pandas as pd

    rows = []
    for name, plate in plates.items():
        for well in plate.wells:
            row, column = parse_well(well)
            y, x = row_index(row) * _TILE_PX, (column - 1) * _TILE_PX
            tile = mosaics[name][y : y + _TILE_PX, x : x + _TILE_PX]
            rows.append({"plate": name, "row": row, "column": column, "brightness": float(tile.mean())})
    return pd.DataFrame(rows)
