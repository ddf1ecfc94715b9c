"""Assets of the group `ingest`: `layout` and `plate_images`.

Belongs here: which files of the screen folder become which rows and plates. Does not belong here: reading
layouts (`phenodose.screens.layout`) and writing plates (`phenodose.storage.ingest`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import Field

from phenodose.errors import NotMade, PhenodoseError
from phenodose.files import hash_file
from phenodose.names import parse_well, row_index
from phenodose.plugins import Parameters, Progress, Reader, choose_reader, registry
from phenodose.site import read_plugin_limits
from phenodose.tables import TABLES
from phenodose_assets import metadata
from phenodose_assets.outside import IMAGE_FILES, LAYOUT_FILE, READER, SAMPLE
from phenodose_assets.screen_asset import ScreenAsset
from phenodose_assets.step import Parts, Product, Step

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from phenodose.storage.ingest import PlateRecord
    from phenodose.storage.plate import Plate

LAYOUT = "layout"
PLATE_IMAGES = "plate_images"
_GROUP = "ingest"
_TILE_PX = 12


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
            description="What every well holds: the checked layout, the screen and its drugs as table rows.",
            make=_make_layout,
            reads=(LAYOUT_FILE, SAMPLE),
            kinds=frozenset({"parquet"}),
            tables=(("screens", LAYOUT), ("wells", LAYOUT), ("drugs", LAYOUT)),
        ),
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
            parts=Parts(_plate_names, _ingest_plate),
        ),
    ]


def _make_layout(step: Step) -> Product:
    from phenodose.screens.layout import read_layout

    screen = step.screen
    path = screen.require_layout()
    layout = read_layout(path)
    wells = layout.frame.assign(
        screen=screen.id, run_id=step.run_id, sample=layout.frame["sample"].fillna(screen.sample)
    )
    step.store.write_table("wells", screen.id, LAYOUT, wells[TABLES["wells"].column_names])
    step.store.write_table("drugs", screen.id, LAYOUT, TABLES["drugs"].frame(_drug_rows(step, layout.drugs)))
    row = {
        "screen": screen.id,
        # The layout's own word counts first, as in the rows of its wells and their scores.
        "sample": layout.samples[0] if len(layout.samples) == 1 else screen.sample,
        "kind": screen.kind,
        "entity": screen.entity,
        "reader": _reader_name(step),
        "n_plates": len(layout.plates),
        "n_drugs": len(layout.drugs),
        "source": screen.folder.name,
        "run_id": step.run_id,
    }
    step.store.write_table("screens", screen.id, LAYOUT, TABLES["screens"].frame([row]))
    counts = wells.groupby(["plate", "well_type"], sort=False).size().rename("n_wells").reset_index()
    return Product(
        show=lambda: {
            "wells": metadata.table(counts, rows=24),
            "drugs": ", ".join(layout.drugs) or "none",
            "source": metadata.path(path),
            **metadata.figures({"n wells": len(wells), "n drugs": len(layout.drugs), "n plates": len(layout.plates)}),
        },
        inputs={path.name: hash_file(path)},
    )


def _drug_rows(step: Step, drugs: Sequence[str]) -> list[dict[str, Any]]:
    rows = []
    for drug in drugs:
        known = step.screen.drugs.get(drug)
        rows.append(
            {
                "screen": step.screen_id,
                "drug": drug,
                "drug_class": known.drug_class or None if known else None,
                "targets": ", ".join(known.targets) or None if known else None,
                "run_id": step.run_id,
            }
        )
    return rows


def _reader_name(step: Step) -> str | None:
    """Name of the reader that will read the screen's images; None without images."""
    screen, limits = step.screen, read_plugin_limits(step.store.root)
    if not screen.plate_folders:
        return None
    try:
        folder = next(iter(screen.plate_folders.values()))
        return choose_reader(folder, registry(), screen.reader, screen.parameters, limits, step.log.warning).name
    except PhenodoseError:
        return screen.reader


def _plate_folders(step: Step) -> dict[str, Path]:
    """The raw folder of every plate of the layout."""
    return step.screen.match_plates(list(dict.fromkeys(step.wells()["plate"])))


def _plate_names(step: Step) -> list[str]:
    return list(_plate_folders(step))


def _reader_of(step: Step, folder: Path) -> Reader:
    parameters = step.settings_of(_GROUP, IngestParameters)
    name = parameters.reader or step.screen.reader
    return choose_reader(
        folder, registry(), name, step.screen.parameters, read_plugin_limits(step.store.root), step.log.warning
    )


def _ingest_plate(step: Step, plate: str, progress: Progress | None = None) -> PlateRecord:
    """Bring one plate up to date."""
    from phenodose.storage.ingest import ingest_plate

    folder = _plate_folders(step)[plate]
    reader, out = _reader_of(step, folder), step.store.plate_path(step.screen_id, plate)
    workers = step.settings_of(_GROUP, IngestParameters).workers

    def told(done: int, total: int, message: str) -> None:
        step.progress(done, total, f"{plate} {message}")

    record = ingest_plate(folder, out, reader, plate, progress or told, workers)
    step.log.info(f"plate {plate}: {len(record.wells_written)} of {record.n_wells} wells written")
    for text in record.notes:
        step.log.warning(f"plate {plate}: {text}")
    _keep_mosaics(step, plate, out)
    return record


def _keep_mosaics(step: Step, plate: str, path: Any) -> None:
    """Make the mosaics that `phenodose view` shows, so that it need not; without them it makes its own."""
    from phenodose.places import is_remote
    from phenodose.storage.plate import Plate
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


def _make_plate_images(step: Step) -> Product:
    folders = _plate_folders(step)
    if not folders:
        return _kept_plates(step)
    rows: list[dict[str, Any]] = []
    reader: Reader | None = None
    for number, (plate, folder) in enumerate(folders.items()):

        def progress(done: int, total: int, message: str, number: int = number, plate: str = plate) -> None:
            step.progress(number * total + done, len(folders) * total, f"{plate} {message}")

        reader, out = _reader_of(step, folder), step.store.plate_path(step.screen_id, plate)
        record = step.parts.get(plate) or _ingest_plate(step, plate, progress)
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
    frame = TABLES["plates"].frame(rows)
    step.store.write_table("plates", step.screen_id, PLATE_IMAGES, frame)
    return Product(
        show=lambda: _plate_metadata(step, frame),
        plugin=reader,
        inputs={row["plate"]: row["raw_hash"] for row in rows},
    )


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


def _kept_plates(step: Step) -> Product:
    """The plates that the store holds from an earlier run, where the raw images are gone."""
    frame = step.store.read_table("plates", step.screen_id, PLATE_IMAGES)
    if frame.empty or not step.store.plates(step.screen_id):
        raise NotMade(f"the screen has no images: {step.screen.folder} holds no plate folder such as P1.")
    step.log.warning("the raw images are gone; the plates in the store are used")
    return Product(
        show=lambda: _plate_metadata(step, frame), inputs=dict(zip(frame["plate"], frame["raw_hash"], strict=True))
    )


def _plate_metadata(step: Step, plates: pd.DataFrame) -> dict[str, Any]:
    from phenodose.pictures import plate_picture
    from phenodose.storage.plate import Plate

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
        **metadata.figures({"n wells": plates["n_wells"].sum(), "n planes": plates["n_planes"].sum()}),
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
