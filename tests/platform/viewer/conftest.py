"""A store with one small screen that was simulated, ingested and given tables; and its viewer on loopback."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
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
    """The layout (a drug, a hostile name, a control) and a readout: a well excluded by a person, and flagged ones."""
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
            doubt = {"flag": "saturated", "flag_reason": "it is too bright"} if number in (0, 4) else {}
            doubt |= {"well_class": "fibre", "class_probability": 0.876} if number == 2 else {}
            viability.append(
                origin
                | {"plate": plate, "well": well, "row": row, "column": column, "readout": "ctg"}
                | {"raw": 1.0, "viability_fraction": 0.25 * (number % 5), "masked": number == 1}
                | {"mask_reason": "excluded by decision 1 (P1 by A. Doe: a bubble)" if number == 1 else None}
                | {"plugin": "ctg", "plugin_version": "1", "parameters": "{}"}
                | doubt
            )
    store.write_table("wells", SCREEN, "layout", TABLES["wells"].frame(wells))
    store.write_table("viability", SCREEN, "viability.ctg", TABLES["viability"].frame(viability))


@pytest.fixture(scope="session")
def _tiny_root(made_once: Callable[..., Path]) -> Path:
    """Two plates, each with the four wells of a control experiment; for reading only."""

    def make(folder: Path) -> None:
        store, imaged = Store.open(folder / "store"), {}
        for seed, plate in enumerate(("P1", "P2"), start=3):
            raw = folder / plate / SCREEN
            simulate_screen(raw, kind="control-experiment", control_wells=4, size_px=SIZE_PX, planes=3, seed=seed)
            ingest_plate(raw / "P1", store.plate_path(SCREEN, plate), ImageXpressReader(), plate)
        store.register(SCREEN, folder / "P1" / SCREEN)
        for plate, opened in ScreenPlates(store, SCREEN).plates.items():
            imaged[plate] = opened.wells
        write_tables(store, imaged)

    return made_once("tiny_viewer", make) / "store"


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
