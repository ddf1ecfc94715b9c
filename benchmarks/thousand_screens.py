"""A store with the tables of many made-up drug screens, for timing the cohort database.

Run: python benchmarks/thousand_screens.py STORE [--screens 1000]

Tables only, in the parts that the assets write (as `Store.write_table` writes them, but unsynced): 3 plates of 384
wells, 75 drugs at 5 doses in duplicate, 4 readouts, 3 scorers, pooled and per replicate. Numbers are drawn with a
fixed seed; a screen's are those of a template with noise of its own. Every 50th screen is another screen of a sample
seen before.
"""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from phenodose.names import row_label
from phenodose.store.store import Store
from phenodose.tables import TABLES

READOUTS = ("ctg", "mean_of_stack", "cnn_phase2", "cnn_phase3")
SCORERS = ("dss_asym", "rel_ic50", "auc")
CLASSES = ("MEK inhibitor", "ALK inhibitor", "HDAC inhibitor", "PLK1 inhibitor", "BCL2 inhibitor", "TRK inhibitor")
ENTITIES = ("Ewing sarcoma", "Neuroblastoma", "Medulloblastoma", "High-grade glioma", "Rhabdomyosarcoma")
DRUGS, DOSES, REPLICATES, PLATES = 75, 5, 2, 3
_START = dt.datetime(2023, 1, 2, 9, 0, tzinfo=dt.UTC)


def write_store(folder: Path, screens: int, first: int = 0) -> Store:
    """Write screens number `first` to `first + screens - 1`."""
    store = Store.open(folder)
    layout = _layout()
    for number in range(first, first + screens):
        _write_screen(store, number, layout)
    return store


def _layout() -> pd.DataFrame:
    """Wells of the three plates: 26 drugs a plate, controls, and empty wells."""
    rows = []
    for plate in range(PLATES):
        wells: list[tuple[str, str | None, float | None, int | None]] = [("neg", "DMSO", None, None)] * 10
        wells += [("pos", "STS", 250.0, None)] * 8
        for drug in range(plate * 25, plate * 25 + 25):
            wells += [("therapy", f"Drug{drug:02d}", 10.0**dose, r) for r in (1, 2) for dose in range(DOSES)]
        wells += [("empty", None, None, None)] * (384 - len(wells))
        for place, (well_type, treatment, dose, replicate) in enumerate(wells):
            row, column = row_label(place % 16), place // 16 + 1
            rows.append((f"P{plate + 1}", f"{row}{column:02d}", row, column, well_type, treatment, dose, replicate))
    names = ["plate", "well", "row", "column", "well_type", "treatment", "concentration_nM", "replicate"]
    return pd.DataFrame(rows, columns=names).astype({"replicate": "Int64"})


def _write_screen(store: Store, number: int, layout: pd.DataFrame) -> None:
    rng = np.random.default_rng([1, number])
    sample = f"PAT_{number - 1 if number % 50 == 49 else number:04d}"
    screen = f"{sample}_V1_DS{2 if number % 50 == 49 else 1}"
    run = f"run-{number:05d}"
    started = _START + dt.timedelta(hours=number)

    def put(table: str, part: str, frame: pd.DataFrame) -> None:
        declared = TABLES[table]
        empty = {name: None for name in declared.column_names if name not in frame.columns}
        path = store.table_part(table, screen, part)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(declared.conform(frame.assign(**empty)[declared.column_names]), path, compression="zstd")

    def stamped(frame: pd.DataFrame, plugin: str, checkpoint: str | None = None) -> pd.DataFrame:
        return frame.assign(
            screen=screen, run_id=run, plugin=plugin, plugin_version="1", parameters="{}", checkpoint=checkpoint
        )

    store.register(screen, store.root.parent / "raw" / screen)
    about = {"sample": sample, "kind": "drug-screen", "entity": ENTITIES[number % 5], "reader": "imagexpress"}
    about |= {"n_plates": PLATES, "n_drugs": DRUGS, "source": screen}
    put("screens", "layout", stamped(pd.DataFrame([about]), "layout"))
    put("wells", "layout", stamped(layout, "layout").assign(sample=sample))
    drugs = pd.DataFrame({"drug": [f"Drug{n:02d}" for n in range(DRUGS)]})
    drugs["drug_class"] = [CLASSES[n % len(CLASSES)] for n in range(DRUGS)]
    put("drugs", "layout", stamped(drugs.assign(targets="GENE1,GENE2"), "layout"))
    # log10 of the dose of half effect: some drugs work in all samples, others in some
    half = np.linspace(1.0, 5.5, DRUGS) + rng.normal(0, 0.8, DRUGS)
    scores = []
    for readout in READOUTS:
        checkpoint = f"{number:032x}" if readout.startswith("cnn") else None
        noisy = half + rng.normal(0, 0.2, DRUGS)
        put("viability", f"viability/{readout}", stamped(_viability(layout, noisy, readout, rng), readout, checkpoint))
        put("qc", f"viability/{readout}", stamped(_quality(readout, rng), readout, checkpoint))
        curves = _curves(noisy, readout, rng).assign(sample=sample)
        put("curves", f"curves/{readout}", stamped(curves, "curves", checkpoint))
        scores.append(stamped(curves, "curves", checkpoint))
    fitted = pd.concat(scores, ignore_index=True)
    for scorer in SCORERS:
        put("scores", f"scores/{scorer}", _scores(fitted, scorer))
    put("embeddings", "embedding/tsne", stamped(_map(layout, rng), "tsne", f"{number:032x}"))
    for phase in ("phase2", "phase3"):
        put("checkpoints", f"checkpoint/cnn/{phase}", stamped(_checkpoint(number, screen, phase, rng), "cnn"))
    assets = ["layout", *(f"{kind}/{r}" for kind in ("viability", "curves") for r in READOUTS)]
    for place, asset in enumerate([*assets, *(f"scores/{scorer}" for scorer in SCORERS)]):
        at = pd.Timestamp(started + dt.timedelta(minutes=place))
        step = pd.DataFrame([{"asset": asset, "started_at": at, "finished_at": at + pd.Timedelta(seconds=50)}])
        put("runs", asset, stamped(step.assign(phenodose_version="0.1.0", inputs="{}"), asset.split("/")[-1]))


def _viability(layout: pd.DataFrame, half: np.ndarray, readout: str, rng: np.random.Generator) -> pd.DataFrame:
    drug = layout["treatment"].str.extract(r"Drug(\d+)")[0].astype(float).to_numpy()
    dose = layout["concentration_nM"].to_numpy(float)
    true = np.where(layout["well_type"] == "pos", 0.0, 1.0)
    dosed = ~np.isnan(drug)
    true[dosed] = 1 / (1 + dose[dosed] / 10 ** half[drug[dosed].astype(int)])
    value = true + rng.normal(0, 0.04, len(layout))
    control = layout["well_type"].map({"neg": "negative", "pos": "positive"})
    return layout[["plate", "well", "row", "column"]].assign(
        readout=readout, raw=0.2 + 0.6 * value, viability_fraction=value, control=control, masked=False
    )


def _curves(half: np.ndarray, readout: str, rng: np.random.Generator) -> pd.DataFrame:
    frames = []
    for replicate in ("pooled", "1", "2"):
        frames.append(
            pd.DataFrame(
                {
                    "readout": readout,
                    "replicate": replicate,
                    "drug": [f"Drug{n:02d}" for n in range(DRUGS)],
                    "model": 3,
                    "bottom": 0.0,
                    "top": 1.0,
                    "log10_mid": half + rng.normal(0, 0.1, DRUGS),
                    "slope": rng.uniform(0.6, 2, DRUGS),
                    "asymmetry": 1.0,
                    "gof": rng.uniform(0.8, 1, DRUGS),
                    "objective": rng.uniform(0, 0.1, DRUGS),
                    "min_dose_nM": 1.0,
                    "max_dose_nM": 1e4,
                    "n_doses": 5,
                    "n_points": 10 if replicate == "pooled" else 5,
                    "fit": "robust",
                    "status": "ok",
                    "identifiable": True,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _scores(curves: pd.DataFrame, scorer: str) -> pd.DataFrame:
    keys = ["screen", "sample", "readout", "replicate", "drug", "run_id", "plugin_version", "parameters", "checkpoint"]
    mid = curves["log10_mid"].to_numpy()
    value = 10**mid if scorer == "rel_ic50" else np.clip(45 - 9 * mid, 0, None)
    names_hits = scorer == "dss_asym"
    p_hit = np.clip((1.1 * value - 10) / np.maximum(0.2 * value, 1e-9), 0, 1) if names_hits else np.nan
    call = np.select([p_hit >= 0.95, p_hit <= 0.05], ["hit", "no hit"], "borderline") if names_hits else None
    return curves[keys].assign(
        plugin=scorer,
        scorer=scorer,
        score=value,
        lower=value * 0.9,
        upper=value * 1.1,
        bound="=",
        unit="nM" if scorer == "rel_ic50" else "percent",
        hit=value >= 10 if names_hits else None,
        p_hit_fraction=p_hit,
        call=call,
        status="ok",
    )


def _quality(readout: str, rng: np.random.Generator) -> pd.DataFrame:
    rows = [(f"P{n + 1}", "zprime_robust", rng.uniform(0.2, 0.8), 0.0) for n in range(PLATES)]
    rows.append(("screen", "replicate_pearson", rng.uniform(0.8, 1.0), 0.7))
    frame = pd.DataFrame(rows, columns=["plate", "metric", "value", "threshold"])
    return frame.assign(readout=readout, verdict="pass", explanation="The controls are well separated.")


def _map(layout: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    wells = layout[(layout["concentration_nM"] == 1e4) | layout["well_type"].isin(["neg", "pos"])]
    places = rng.normal(size=(len(wells), 2))
    return wells[["plate", "well"]].assign(embedder="tsne", readout="cnn_phase3", x=places[:, 0], y=places[:, 1])


def _checkpoint(number: int, screen: str, phase: str, rng: np.random.Generator) -> pd.DataFrame:
    row = {"readout": "cnn", "phase": phase, "weights_hash": f"{number:032x}", "trained_on": screen, "n_train": 48}
    losses = {"train_loss": rng.uniform(0.5, 0.6), "validation_loss": rng.uniform(0.5, 0.6), "validation_auroc": 1.0}
    return pd.DataFrame([row | losses | {"n_validation": 6, "epochs": 200, "seconds": 900.0}])


def main() -> None:
    """Write the store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--screens", type=int, default=1000)
    arguments = parser.parse_args()
    write_store(arguments.store, arguments.screens)


if __name__ == "__main__":
    main()
