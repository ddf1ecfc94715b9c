"""The patient report of a screen of real size, in the worst case: megabytes, seconds, peak memory.

Run: python benchmarks/report_size.py [--images noise] [--store STORE] [--out REPORT]

Makes a store with one screen of 3 plates x 384 wells (75 drugs, 5 concentrations, 2 replicates; tables by
`thousand_screens.py`), four other samples as reference cohort, an image in every well, four readouts with draws of
every curve, activation maps of a replicate of every series, three maps of all wells; then makes its report and prints
what that cost. Images are blurred blobs with the noise of a camera, or nothing but noise: no image packs worse.
With --store a store made before is used again. The report must stay below `patient.MOST_FILE_BYTES` whatever is in it.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from thousand_screens import DRUGS, PLATES, READOUTS, write_store

from phenodose.dose_response.curves import CurveBatch
from phenodose.io.files import write_text
from phenodose.plates.ingest import ingest_plate
from phenodose.reports import patient
from phenodose.reports.activation import METHOD, OF_CLASS
from phenodose.store.activation_maps import StoredMap, maps_folder, write_maps
from phenodose.store.curves import curves_key, write_points
from phenodose.store.store import Store
from phenodose.tables import CURVE_FIT_COLUMNS, TABLES
from phenodose_readers.pattern import PatternReader

SCREEN = "PAT_0000_V1_DS1"
OTHER_SAMPLES = 4
EMBEDDERS = ("pca", "shared", "tsne")
IMAGE_PX, DRAWS = 192, 200


def make_store(folder: Path, images: str) -> Store:
    """The screen with everything that its report can show."""
    store = write_store(folder / "store", 1 + OTHER_SAMPLES)
    rng = np.random.default_rng(7)
    wells = store.read_table("wells", SCREEN)
    _write_plates(store, folder / "raw", wells[wells["well_type"] != "empty"], images, rng)
    for readout in READOUTS:
        _write_draws(store, readout, rng)
    _write_places(store, wells[wells["well_type"] != "empty"], rng)
    _write_maps(store, wells, rng)
    return store


def _write_plates(store: Store, raw: Path, wells: pd.DataFrame, images: str, rng: np.random.Generator) -> None:
    import tifffile

    reader = PatternReader({"expression": r"(?P<well>[A-Z]\d\d)_(?P<projection>MIP)"})
    rows = []
    for plate, of_plate in wells.groupby("plate"):
        folder = raw / str(plate)
        folder.mkdir(parents=True)
        for well in of_plate["well"]:
            tifffile.imwrite(folder / f"{well}_MIP.tif", _image(images, rng))
        path = store.plate_path(SCREEN, str(plate))
        record = ingest_plate(folder, path, reader, str(plate))
        rows.append({"screen": SCREEN, "plate": plate, "path": path.relative_to(store.root).as_posix()})
        rows[-1] |= {"n_wells": len(of_plate), "raw_hash": record.raw_hash, "plugin": "pattern", "plugin_version": "1"}
        rows[-1] |= {"n_planes": len(of_plate), "size_x_px": IMAGE_PX, "size_y_px": IMAGE_PX, "n_z": 1, "run_id": "run"}
    store.write_table("plates", SCREEN, "plate_images", TABLES["plates"].frame(rows))


def _image(images: str, rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, 1, (IMAGE_PX, IMAGE_PX))
    if images == "noise":
        return np.clip(2000 + 700 * noise, 0, 65535).astype(np.uint16)
    y, x = np.mgrid[:IMAGE_PX, :IMAGE_PX]
    light = np.full((IMAGE_PX, IMAGE_PX), 300.0)
    for _ in range(60):
        centre, width = rng.normal(IMAGE_PX / 2, IMAGE_PX / 7, 2), rng.uniform(2, 6)
        light += rng.uniform(300, 1500) * np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / (2 * width**2))
    return np.clip(light + 3 * np.sqrt(light) * noise, 0, 65535).astype(np.uint16)


def _write_draws(store: Store, readout: str, rng: np.random.Generator) -> None:
    rows = store.read_table("curves", SCREEN, curves_key(readout))
    batch = CurveBatch.from_frame(rows[["sample", "readout", "replicate", "drug", *CURVE_FIT_COLUMNS]])
    spread = rng.normal(0, (0.02, 0.03, 0.1, 0.05, 0.0), (len(batch), DRAWS, 5))
    drawn = replace(batch, draws=batch.parameters[:, np.newaxis, :] + spread)
    write_points(store, SCREEN, readout, drawn)


def _write_places(store: Store, wells: pd.DataFrame, rng: np.random.Generator) -> None:
    columns = ["screen", "plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate", "add_on"]
    for embedder in EMBEDDERS:
        places = rng.normal(size=(len(wells), 2))
        rows = wells[columns].assign(embedder=embedder, readout="cnn_phase3", space=SCREEN, plugin=embedder)
        rows = rows.assign(x=places[:, 0], y=places[:, 1], run_id="run", plugin_version="1", parameters="{}")
        store.write_table(
            "embeddings", SCREEN, f"embedding/{embedder}", TABLES["embeddings"].frame(rows.to_dict("records"))
        )


def _write_maps(store: Store, wells: pd.DataFrame, rng: np.random.Generator) -> None:
    weights = store.read_table("checkpoints", SCREEN)["weights_hash"].iloc[-1]
    series = wells[(wells["well_type"] == "therapy") & (wells["replicate"] == 1)]
    maps = {}
    for plate, well in zip(series["plate"], series["well"], strict=True):
        coarse = rng.random((14, 14), dtype=np.float32)
        maps[f"{plate}/{well}"] = StoredMap(np.kron(coarse, np.ones((16, 16), np.float32)), "")
    phase = store.read_table("checkpoints", SCREEN)["phase"].iloc[-1]
    folder = maps_folder(store, SCREEN, "cnn", phase, OF_CLASS, METHOD)
    folder.mkdir(parents=True)
    write_maps(folder, maps, {"checkpoint": weights})


def main() -> None:
    """Make the store, then its report, and print what that cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", choices=("blobs", "noise"), default="blobs")
    parser.add_argument("--store", type=Path, help="folder of a store made before, or to make it in")
    parser.add_argument("--out", type=Path, help="keep the report here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.store or Path(temporary)
        store = Store.open(folder / "store") if (folder / "store").is_dir() else make_store(folder, arguments.images)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start, start_cpu = time.perf_counter(), time.process_time()
        html = patient.render_report(store, SCREEN)
        wall, cpu = time.perf_counter() - start, time.process_time() - start_cpu
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        if arguments.out:
            write_text(arguments.out, html)
    click.echo(
        f"{DRUGS} drugs, {PLATES} plates, {len(READOUTS)} readouts, {len(EMBEDDERS)} maps, images: {arguments.images}"
    )
    click.echo(f"report {len(html.encode()) / 1e6:.2f} MB of at most {patient.MOST_FILE_BYTES / 1e6:g}")
    click.echo(f"made in {wall:.1f} s, processor {cpu:.1f} s; peak memory {peak:.0f} MB ({before:.0f} MB before)")
    shown, maps = html.count("data-well="), html.count("<img class=")
    click.echo(f"{shown} pictures of wells and marks on maps, {maps} activation maps")


if __name__ == "__main__":
    main()
