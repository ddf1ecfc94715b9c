"""A store with one small screen that was simulated, ingested and given tables; and its viewer on loopback."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenodose.plates.ingest import ingest_plate
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose.tables import TABLES
from phenodose.viewer.plates import ScreenPlates
from phenodose.viewer.server import ViewerServer
from phenodose_readers.imagexpress import ImageXpressReader

SCREEN = "TINY_V1_DS1"
HOSTILE = "<script>document.title='taken'</script>"
SIZE_PX = 384


def write_tables(store: Store, imaged: dict[str, list[str]]) -> None:
    """The layout (one drug, a hostile name, a control) and a readout of which one well is flagged and one masked."""
    origin = {"screen": SCREEN, "run_id": "r"}
    wells, viability = [], []
    for plate, names in imaged.items():
        for number, well in enumerate([*names, "P24"]):
            row, column = well[0], int(well[1:])
            treatment = ("Drug A", HOSTILE, "DMSO")[number % 3]
            wells.append(
                origin
                | {"plate": plate, "well": well, "row": row, "column": column, "sample": "TINY"}
                | {"well_type": "neg" if treatment == "DMSO" else "therapy", "treatment": treatment}
                | {"concentration_nM": None if treatment == "DMSO" else 2500.0, "replicate": 1}
            )
            doubt = {"flag": "saturated", "flag_reason": "it is too bright"} if number == 0 else {}
            viability.append(
                origin
                | {"plate": plate, "well": well, "row": row, "column": column, "readout": "ctg"}
                | {"raw": 1.0, "viability_fraction": 0.25 * (number % 5), "masked": number == 1}
                | {"mask_reason": "a bubble" if number == 1 else None}
                | {"plugin": "ctg", "plugin_version": "1", "parameters": "{}"}
                | doubt
            )
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells))
    store.write_table("viability", SCREEN, "viability.ctg", TABLES["viability"].frame(viability))


@pytest.fixture(scope="session")
def _tiny_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("viewer")
    raw = simulate_screen(folder / SCREEN, plates=2, drugs=1, size_px=SIZE_PX, planes=3, seed=3).folder
    keep_wells(raw, 4)
    store = Store.open(folder / "store")
    store.register(SCREEN, raw)
    imaged = {}
    for plate in ("P1", "P2"):
        ingest_plate(raw / plate, store.plate_path(SCREEN, plate), ImageXpressReader(), plate)
    for plate, opened in ScreenPlates(store, SCREEN).plates.items():
        imaged[plate] = opened.wells
    write_tables(store, imaged)
    return store.root


def keep_wells(raw: Path, most: int) -> None:
    """Leave the images of so many wells a plate."""
    for plate in ("P1", "P2"):
        images = [path for path in (raw / plate).rglob("*") if path.suffix.lower() in (".tif", ".tiff")]
        of = {path: re.search(r"_([A-P][0-9]{2})", path.name)[1] for path in images}  # type: ignore[index]
        kept = sorted(set(of.values()))[:most]
        for path, well in of.items():
            if well not in kept:
                path.unlink()


@pytest.fixture
def tiny_store(_tiny_root: Path, tmp_path: Path) -> Store:
    """A copy of the store."""
    return Store.open(shutil.copytree(_tiny_root, tmp_path / "store"))


@pytest.fixture(scope="module")
def shown(_tiny_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ViewerServer]:
    """The viewer of the screen, serving."""
    store = Store.open(shutil.copytree(_tiny_root, tmp_path_factory.mktemp("shown") / "store"))
    yield from serving(ViewerServer(ScreenPlates(store, SCREEN)))


def serving(server: ViewerServer) -> Iterator[ViewerServer]:
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    with server:
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
