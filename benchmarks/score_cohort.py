"""Time `phenodose score` on a whole cohort.

Run: python benchmarks/score_cohort.py [--samples 17 --drugs 75 --readouts 4 --workers 2]

Makes a cohort of simulated screens (3 plates of 384 wells a sample, 75 drugs at 5 doses in 2 replicates, controls on
every plate; every readout has its own noise) as plate-reader files, scores it as the command line does, with every
scorer, pooled and per replicate, and prints the seconds of each stage. CPU seconds count all processes; stages are
timed in one process on a few samples and scaled to the cohort.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from phenodose.dose_response.models import inhibition

PLATES, ROWS, COLUMNS, DOSES, REPLICATES = 3, 16, 24, 5, 2
#: Readouts with the noise of a well in fractions of viability, and the raw values of full and no viability.
READOUTS = {
    "ctg": (0.05, 8e5, 3e4),
    "mean_of_stack": (0.10, 900.0, 300.0),
    "cnn_phase1": (0.07, 1.0, 0.0),
    "cnn_phase2": (0.04, 1.0, 0.0),
}
#: Controls a plate, first columns; drugs fill the rest.
NEGATIVE, POSITIVE = 32, 16


def layout_of(drugs: int) -> pd.DataFrame:
    """Layout of one sample: drugs over the plates, both replicates of a drug on the same plate."""
    a_plate = -(-drugs // PLATES)
    if a_plate * DOSES * REPLICATES > ROWS * COLUMNS - NEGATIVE - POSITIVE:
        raise SystemExit(f"{drugs} drugs do not fit on {PLATES} plates of {ROWS * COLUMNS} wells; take fewer.")
    rows: list[dict[str, Any]] = []
    for plate in range(PLATES):
        wells: list[tuple[str, str, float | None, int | None]] = [("neg", "DMSO", None, None)] * NEGATIVE
        wells += [("pos", "STS", None, None)] * POSITIVE
        for drug in range(plate * a_plate, min((plate + 1) * a_plate, drugs)):
            wells += [
                ("therapy", f"Drug{drug:03d}", 10.0 ** (dose + drug % 2), replicate)
                for replicate in range(1, REPLICATES + 1)
                for dose in range(DOSES)
            ]
        wells += [("empty", "", None, None)] * (ROWS * COLUMNS - len(wells))
        for place, (well_type, treatment, dose, replicate) in enumerate(wells):
            column, row = divmod(place, ROWS)
            rows.append(
                {
                    "Plate": f"P{plate + 1}",
                    "Row": chr(ord("A") + row),
                    "Column": column + 1,
                    "Sample": "",
                    "WellType": well_type,
                    "Treatment": treatment,
                    "Concentration": dose,
                    "Replicate": replicate,
                    "AddOn": "",
                    "Readout": None,
                }
            )
    return pd.DataFrame(rows)


def write_cohort(folder: Path, samples: int, drugs: int, readouts: int, seed: int) -> list[str]:
    """Write layout.csv and a folder of matrices a readout; gives the arguments of the command."""
    layout = layout_of(drugs)
    layout.to_csv(folder / "layout.csv", index=False)
    rng = np.random.default_rng(seed)
    number = layout["Treatment"].str.removeprefix("Drug").where(layout["WellType"] == "therapy", "0").astype(int)
    log10_dose = np.log10(layout["Concentration"].to_numpy(dtype=float, na_value=np.nan))
    names = list(READOUTS)[:readouts]
    for name in names:
        (folder / name).mkdir()
    for sample in range(samples):
        acts = rng.random(drugs) < 0.6
        parameters = (
            rng.normal(0, 0.02, drugs),
            np.where(acts, rng.uniform(0.2, 1.0, drugs), rng.normal(0, 0.03, drugs)),
            rng.uniform(0.5, 4.5, drugs),
            np.exp(rng.normal(0.3, 0.4, drugs)),
            np.exp(rng.normal(0, 0.2, drugs)),
        )
        effect = inhibition(log10_dose, *(values[number] for values in parameters))
        true = np.select([layout["WellType"] == "pos", layout["WellType"] == "therapy"], [1.0, effect], 0.0)
        for name in names:
            noise, full, none = READOUTS[name]
            raw = none + (full - none) * (1 - true + rng.normal(0, noise, len(layout)))
            for plate, wells in layout.assign(raw=raw).groupby("Plate"):
                matrix = wells.pivot_table(index="Row", columns="Column", values="raw")
                matrix.to_csv(folder / name / f"S{sample + 1:02d}_{plate}.csv", index_label="")
    return ["--layout", str(folder / "layout.csv"), *(f"--readouts={name}={folder / name}" for name in names)]


def timed(step: Callable[[], Any]) -> tuple[Any, float]:
    """What the step gives, and its CPU seconds."""
    start = time.process_time()
    return step(), time.process_time() - start


def stages(folder: Path, names: list[str], scorers: list[Any], draws: int) -> None:
    """CPU seconds of each stage for the first sample of every readout."""
    from dataclasses import replace

    from phenodose.dose_response.fit import fit_curves
    from phenodose.dose_response.noise import noise_of_batch
    from phenodose.dose_response.points import curve_points
    from phenodose.dose_response.posterior import posterior_draws
    from phenodose.dose_response.scoring import score_with_all
    from phenodose.quality.wells import checked_viability
    from phenodose.screens.layout import read_layout
    from phenodose.screens.matrices import match_to_layout, read_matrices
    from phenodose.viability.controls import choose_controls

    layout = read_layout(folder / "layout.csv")
    seconds = dict.fromkeys(("read and normalise", "fit", "noise", "draw", "score with intervals"), 0.0)
    n_curves = 0
    for name in names:

        def prepare(name: str = name) -> Any:
            raw = match_to_layout(read_matrices(folder / name), layout).rename(columns={"value": "raw"})
            wells = layout.frame.assign(sample="S01")
            controls = choose_controls(wells, ("neg",), ("pos",), "S01")
            viability = checked_viability(raw[raw["sample"] == "S01"], wells, controls, "plate").assign(readout=name)
            return curve_points(viability, wells, per_replicate=True)

        points, seconds_read = timed(prepare)
        curves, seconds_fit = timed(lambda points=points: fit_curves(points))
        known, seconds_noise = timed(lambda curves=curves: noise_of_batch(curves)[0][1])
        drawn, seconds_draw = timed(lambda curves=curves, known=known: posterior_draws(curves, draws, 0, known))
        curves = replace(curves, draws=drawn)
        _, seconds_score = timed(lambda curves=curves: score_with_all(curves, scorers))
        n_curves += len(curves)
        for stage, more in zip(
            seconds, (seconds_read, seconds_fit, seconds_noise, seconds_draw, seconds_score), strict=True
        ):
            seconds[stage] += more
    click.echo(f"CPU seconds for one sample of {len(names)} readouts ({n_curves} curves, {draws} draws each):")
    for stage, value in seconds.items():
        click.echo(f"  {stage:22} {value:7.2f}   {1000 * value / n_curves:6.2f} ms a curve")


def main() -> None:
    """Make the cohort, score it, print the seconds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=17)
    parser.add_argument("--drugs", type=int, default=75)
    parser.add_argument("--readouts", type=int, default=4, choices=range(1, len(READOUTS) + 1))
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from phenodose.plugins import registry

    # those against reference samples need a table of them
    usable = registry().usable("scorer")
    chosen = [name for name, scorer in usable.items() if "reference" not in scorer.Parameters.model_fields]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        arguments = write_cohort(folder, options.samples, options.drugs, options.readouts, options.seed)
        stages(folder, list(READOUTS)[: options.readouts], [usable[name]() for name in chosen], options.draws)
        command = [sys.executable, "-m", "phenodose", "score", *arguments, "--per-replicate"]
        command += [f"--draws={options.draws}", f"--workers={options.workers}", "--out", str(folder / "scores.csv")]
        command += ["--curves", str(folder / "curves.csv"), *(f"--scorer={name}" for name in chosen)]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        wall = time.perf_counter() - start
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        curves, scores = (len(pd.read_csv(folder / name)) for name in ("curves.csv", "scores.csv"))
    click.echo(
        f"phenodose score: {options.samples} samples x {options.drugs} drugs x {options.readouts} readouts, pooled and "
        f"per replicate: {curves} curves, {len(chosen)} scorers, {scores} scores\n"
        f"  wall {wall:.1f} s, CPU {used.ru_utime + used.ru_stime:.1f} s, {options.workers} workers, "
        f"largest process {used.ru_maxrss / 2**20:.2f} GiB"
    )


if __name__ == "__main__":
    main()
