"""How long a person waits for a plate and for a well: the viewer's answers against reading the raw images naively.

One simulated plate is ingested. The viewer's server is asked over HTTP for the kept mosaic, for one full-size plane and
for the plane at the level that fits a screen; the yardsticks are a mosaic from every raw TIFF, and the whole stack of
the well read to show one of its planes. In turn, several times; CPU seconds of this process, medians.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import tifffile

from phenodose.names import row_index, row_label
from phenodose.plates.ingest import ingest_plate
from phenodose.plates.pyramid import area_average
from phenodose.store.store import Store
from phenodose.viewer.mosaics import tile_px
from phenodose.viewer.plates import ScreenPlates
from phenodose.viewer.server import ViewerServer
from phenodose_readers.imagexpress import ImageXpressReader

SCREEN = "BENCH_V1_DS1"
_TAGS = '<prop id="{}" type="{}" value="{}"/>\n'


def write_raw(folder: Path, wells: list[str], planes: int, size: int) -> dict[str, list[Path]]:
    """Raw ImageXpress planes of blurred noise, by well, lowest plane first."""
    rng = np.random.default_rng(5)
    grain = rng.integers(100, 4000, (size // 4, size // 4), dtype=np.uint16)
    picture = np.kron(grain, np.ones((4, 4), np.uint16))
    found: dict[str, list[Path]] = {}
    for well in wells:
        for z in range(planes):
            place = folder / "2026-01-01" / "77" / f"ZStep_{z + 1}"
            place.mkdir(parents=True, exist_ok=True)
            pixels = picture + rng.integers(0, 60, picture.shape, dtype=np.uint16)
            said = [("stage-label", "string", f"{well} : Site 1"), ("spatial-calibration-x", "float", 0.34)]
            said += [("spatial-calibration-units", "string", "um"), ("_IllumSetting_", "string", "Hoechst")]
            said += [("wavelength", "float", 447.0), ("ImageXpress Micro Z", "float", 100.0 + 5 * z)]
            tags = "".join(_TAGS.format(*tag) for tag in said)
            path = place / f"Plate_x_{well}_s1_w1{len(found):08X}-{z:04X}-4000-8000-000000000000.tif"
            text = f"<MetaData>\n<PlaneInfo>\n{tags}</PlaneInfo>\n</MetaData>"
            tifffile.imwrite(path, pixels, description=text, metadata=None, software="MetaSeries")
            found.setdefault(well, []).append(path)
    return found


def naive_mosaic(raw: dict[str, list[Path]], tile: int) -> np.ndarray:
    """The mosaic of maximum projections from all raw planes."""
    picture = np.zeros((16 * tile, 24 * tile), np.uint16)
    for well, paths in raw.items():
        highest = np.max([tifffile.imread(path) for path in paths], axis=0)
        y, x = row_index(well[0]) * tile, (int(well[1:]) - 1) * tile
        picture[y : y + tile, x : x + tile] = area_average(highest, tile, tile)
    return picture


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Print a line a way: milliseconds that pass, milliseconds of CPU, and the ratio to its yardstick."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=24)
    parser.add_argument("--planes", type=int, default=10)
    parser.add_argument("--size-px", type=int, default=2160)
    parser.add_argument("--times", type=int, default=5)
    arguments = parser.parse_args()
    wells = [f"{row_label(1 + number // 22)}{2 + number % 22:02d}" for number in range(arguments.wells)]
    with tempfile.TemporaryDirectory() as place:
        raw = write_raw(Path(place) / "raw" / "P1", wells, arguments.planes, arguments.size_px)
        store = Store.open(Path(place) / "store")
        ingest_plate(Path(place) / "raw" / "P1", store.plate_path(SCREEN, "P1"), ImageXpressReader(), "P1")
        plates = ScreenPlates(store, SCREEN)
        first_mosaic = seconds(lambda: plates.mosaic("P1", 0))
        plate, well = plates.plates["P1"], wells[0]
        fits = plate.level_for(700)
        with ViewerServer(plates) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()

            def get(path: str) -> bytes:
                with urllib.request.urlopen(server.address + path) as answer:
                    body: bytes = answer.read()
                return body

            of_well, numbers = f"plates/P1/wells/{well}/stack", f"1/0/0/{arguments.planes // 2}"
            ways: dict[str, tuple[str, Callable[[], object]]] = {
                "mosaic from raw TIFFs": ("", lambda: naive_mosaic(raw, tile_px(plate))),
                "mosaic, kept": ("mosaic from raw TIFFs", lambda: get("plates/P1/mosaics/0.png")),
                "whole stack of TIFFs": ("", lambda: np.stack([tifffile.imread(path) for path in raw[well]])),
                "whole stack of OME-Zarr": ("whole stack of TIFFs", lambda: plate.stack(well)[...]),
                "full-size plane": ("whole stack of TIFFs", lambda: get(f"{of_well}/0/{numbers}")),
                f"first picture, level {fits}": ("whole stack of TIFFs", lambda: get(f"{of_well}/{fits}/{numbers}")),
            }
            taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
            for _ in range(arguments.times):
                for name, (_, work) in ways.items():
                    taken[name].append(seconds(work))
            server.shutdown()
    cpu = {name: statistics.median(each[1] for each in taken[name]) for name in ways}
    wall = {name: statistics.median(each[0] for each in taken[name]) for name in ways}
    click.echo(f"{arguments.wells} wells, {arguments.planes} planes of {arguments.size_px} px; medians")
    click.echo(f"{'mosaic, made once':28s} {1000 * first_mosaic[0]:9.1f} ms {1000 * first_mosaic[1]:9.1f} CPU ms")
    for name, (yardstick, _) in ways.items():
        ratio = f"   1 : {cpu[yardstick] / cpu[name]:.1f} of {yardstick}" if yardstick else ""
        click.echo(f"{name:28s} {1000 * wall[name]:9.1f} ms {1000 * cpu[name]:9.1f} CPU ms{ratio}")


if __name__ == "__main__":
    main()
