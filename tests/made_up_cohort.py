"""A made-up cohort in a store: rows that look like real ones, written through `Store.write_table`.

The numbers are drawn from known curves with a fixed seed; nothing here is computed by the code under
test. Two drug screens: one with four readouts, one with plate-reader numbers only.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from phenodose.names import well_name
from phenodose.store.store import Store
from phenodose.tables import TABLES

FULL, METABOLIC_ONLY = "BT-40_V1_DS1", "INF_R_153_V1_DS1"
READOUTS = ("cnn_phase2", "cnn_phase3", "ctg", "mean_of_stack")
DOSES_NM = (1.0, 10.0, 100.0, 1000.0, 10000.0)
#: drug -> class, targets, dose of half effect in nM
DRUGS = {
    "Trametinib": ("MEK inhibitor", "MAP2K1,MAP2K2", 5.0),
    "Vemurafenib": ("BRAF inhibitor", "BRAF", 60.0),
    "Panobinostat": ("HDAC inhibitor", "HDAC1", 20.0),
    "Lorlatinib": ("ALK inhibitor", "ALK", 3000.0),
    "Venetoclax": ("BCL2 inhibitor", "BCL2", 900.0),
    'A"B <i>&': (None, None, 1e9),
}
#: drug -> highest concentration in plasma in nM, made up as everything here
C_MAX_NM = {"Trametinib": 36.0, "Venetoclax": 90.0}
#: Effective for imaging only: the metabolic readout does not see it.
IMAGING_ONLY = "Vemurafenib"
HIT_FROM = 10.0
STARTED = {
    FULL: dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC),
    METABOLIC_ONLY: dt.datetime(2026, 4, 20, 9, 0, tzinfo=dt.UTC),
}
#: Control separation of the plates, which fell.
ZPRIME = {FULL: (0.71, 0.62), METABOLIC_ONLY: (0.47, 0.31)}


def write_made_up_cohort(store: Store) -> Store:
    """Fill the store with both screens."""
    _write_screen(store, FULL, "BT-40", "Pleomorphic xanthoastrocytoma", READOUTS, seed=1)
    _write_screen(store, METABOLIC_ONLY, "INF_R_153", None, ("ctg",), seed=2)
    return store


def provenance(plugin: str, checkpoint: str | None = None) -> dict[str, object]:
    return {
        "run_id": "run-1",
        "plugin": plugin,
        "plugin_version": "1",
        "parameters": "{}",
        "checkpoint": checkpoint,
    }


def put(store: Store, table: str, screen: str, part: str, rows: list[dict[str, object]]) -> None:
    store.write_table(table, screen, part, TABLES[table].frame([{"screen": screen} | row for row in rows]))


def half_dose(drug: str, readout: str) -> float:
    if drug == IMAGING_ONLY and readout == "ctg":
        return 1e9
    return DRUGS[drug][2]


def score_of(drug: str, readout: str) -> float:
    """Like DSS: half the mean inhibition above ten percent over the tested doses, in percent."""
    grid = np.linspace(0, 4, 200)
    inhibition = 100 / (1 + half_dose(drug, readout) / 10**grid)
    return float(np.maximum(inhibition - 10, 0).mean() / 0.9 / 2)


def p_hit_of(score: float) -> float:
    """The share of the interval from 1.5 below to 1.5 above the score that is a hit."""
    return float(np.clip((score + 1.5 - HIT_FROM) / 3, 0, 1))


def call_of(score: float) -> str:
    """As certain as one drug by itself has to be."""
    p = p_hit_of(score)
    return "hit" if p >= 0.95 else "no hit" if p <= 0.05 else "borderline"


def layout_rows(sample: str) -> list[dict[str, object]]:
    rows = []

    def add(plate: int, row: str, column: int, well_type: str, treatment: str | None, dose: float | None) -> None:
        rows.append(
            {
                "plate": f"P{plate}",
                "well": well_name(row, column),
                "row": row,
                "column": column,
                "sample": sample,
                "well_type": well_type,
                "treatment": treatment,
                "concentration_nM": dose,
                "replicate": plate,
                "run_id": "run-1",
            }
        )

    for plate in (1, 2):
        for row in "BCDEFG":
            add(plate, row, 2, "neg", "DMSO", None)
            add(plate, row, 3, "pos", "STS", 250.0)
        for row, drug in zip("BCDEFG", DRUGS, strict=True):
            for column, dose in enumerate(DOSES_NM, start=4):
                add(plate, row, column, "therapy", drug, dose)
    return rows


def _write_screen(
    store: Store, screen: str, sample: str, entity: str | None, readouts: tuple[str, ...], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    images = len(readouts) > 1
    wells = layout_rows(sample)
    store.register(screen, store.root.parent / "raw" / screen)
    put(
        store,
        "screens",
        screen,
        "layout",
        [
            {
                "sample": sample,
                "kind": "drug-screen",
                "entity": entity,
                "reader": "imagexpress" if images else None,
                "n_plates": 2,
                "n_drugs": len(DRUGS),
                "source": screen,
                "run_id": "run-1",
            }
        ],
    )
    put(store, "wells", screen, "layout", wells)
    put(
        store,
        "drugs",
        screen,
        "layout",
        [
            {"drug": d, "drug_class": c, "targets": t, "run_id": "run-1", "c_max_nM": C_MAX_NM.get(d)}
            | {"library_name": d if d in C_MAX_NM else None, "matched_by": "exact" if d in C_MAX_NM else "none"}
            for d, (c, t, _) in DRUGS.items()
        ],
    )
    for readout in readouts:
        _write_readout(store, screen, sample, readout, wells, rng)
    _write_targets(store, screen, sample, readouts)
    _write_reachable_effects(store, screen, sample, readouts)
    if images:
        _write_image_products(store, screen, wells, rng)
    _write_runs(store, screen, readouts)
    _write_not_made(store, screen)
    _write_curations(store, screen)
    if not images:
        _write_course(store, screen, sample)


def _write_readout(
    store: Store,
    screen: str,
    sample: str,
    readout: str,
    wells: list[dict[str, object]],
    rng: np.random.Generator,
) -> None:
    by = provenance(readout.split("_phase")[0], "f00d" if readout.startswith("cnn") else None)
    viability = []
    for index, well in enumerate(wells):
        control = {"neg": "negative", "pos": "positive"}.get(str(well["well_type"]))
        true = {"negative": 1.0, "positive": 0.0}.get(control or "")
        if true is None:
            true = 1 / (1 + float(well["concentration_nM"]) / half_dose(str(well["treatment"]), readout))  # type: ignore[arg-type]
        value = true + rng.normal(0, 0.03)
        masked = index == 14
        viability.append(
            {key: well[key] for key in ("plate", "well", "row", "column")}
            | {
                "readout": readout,
                "raw": 0.2 + 0.6 * value,
                "raw_sd": 0.03 if readout.startswith("cnn") else None,
                "viability_sd_fraction": 0.05 if readout.startswith("cnn") else None,
                "image_distance": (3.1 if masked else 0.8) if readout.startswith("cnn") else None,
                "viability_fraction": None if masked else value,
                "control": control,
                "masked": masked,
                "mask_reason": "out of focus" if masked else None,
            }
            | by
        )
    put(store, "viability", screen, readout, viability)
    curves, scores = [], []
    for drug in DRUGS:
        for replicate in ("pooled", "1", "2"):
            key = {"sample": sample, "readout": readout, "replicate": replicate, "drug": drug}
            failed = DRUGS[drug][0] is None and readout == "mean_of_stack"
            curves.append(key | _curve(half_dose(drug, readout), failed) | by)
            score = score_of(drug, readout)
            scores.append(
                key
                | {
                    "scorer": "dss_asym",
                    "score": None if failed else score,
                    "lower": None if failed else max(0.0, score - 1.5),
                    "upper": None if failed else score + 1.5,
                    "bound": "=",
                    "unit": "",
                    "hit": None if failed else score >= HIT_FROM,
                    "p_hit_fraction": None if failed else p_hit_of(score),
                    "call": None if failed else call_of(score),
                    "status": "the curve could not be fitted" if failed else "ok",
                }
                | provenance("dss_asym", by["checkpoint"])  # type: ignore[arg-type]
            )
            half = half_dose(drug, readout)
            beyond = half > max(DOSES_NM)
            scores.append(
                key
                | {
                    "scorer": "rel_ic50",
                    "score": max(DOSES_NM) if beyond else half,
                    "bound": ">" if beyond else "=",
                    "unit": "nM",
                    "status": "ok",
                }
                | provenance("rel_ic50", by["checkpoint"])  # type: ignore[arg-type]
            )
    put(store, "curves", screen, readout, curves)
    for scorer in ("dss_asym", "rel_ic50"):
        put(store, "scores", screen, f"{scorer}.{readout}", [row for row in scores if row["scorer"] == scorer])
    zprime = [
        ("P1", ZPRIME[screen][0], "pass"),
        ("P2", -0.1 if readout == "mean_of_stack" else ZPRIME[screen][1], "pass"),
        ("screen", 0.65, "pass"),
    ]
    qc = [
        {
            "plate": plate,
            "readout": readout,
            "metric": "zprime_robust",
            "value": value,
            "threshold": 0.0,
            "verdict": "fail" if value < 0 else verdict,
            "explanation": f"Controls of {plate} are {'poorly' if value < 0 else 'well'} separated.",
        }
        | by
        for plate, value, verdict in zprime
    ]
    qc.append(
        {
            "plate": "screen",
            "readout": readout,
            "metric": "replicate_pearson",
            "value": 0.97,
            "threshold": 0.7,
            "verdict": "pass",
            "explanation": "The replicates agree.",
        }
        | by
    )
    put(store, "qc", screen, readout, qc)


def _write_curations(store: Store, screen: str) -> None:
    """A well that was left out and taken back."""
    taken = {"what": "P1/G08", "n_wells": 1, "decided_by": "A. Doe", "decided_at": STARTED[screen]}
    excluded = {"number": 1, "action": "exclude", "plate": "P1", "well": "G08", "because": "lint"}
    undone = {"undone_by": "A. Doe", "undone_at": STARTED[screen]}
    restored = {"number": 2, "action": "restore", "undoes": "1", "because": "lint beside the spheroid"}
    put(store, "curations", screen, "decisions", [taken | excluded | undone, taken | restored])


def _write_not_made(store: Store, screen: str) -> None:
    """A map that was skipped."""
    row = {"asset": "embedding/umap", "outcome": "skipped", "reason": "umap-learn is not installed.", "run_id": "run-1"}
    put(store, "not_made", screen, "embedding/umap", [row | {"tried_at": STARTED[screen]}])


def _write_targets(store: Store, screen: str, sample: str, readouts: tuple[str, ...]) -> None:
    """The targets of the drugs, each by its drug's score."""
    rows = [
        {"sample": sample, "readout": readout, "scorer": "dss_asym", "target": gene, "n_drugs": 1, "drugs": drug}
        | {"n_hits": int(score_of(drug, readout) >= HIT_FROM), "mean_score": score_of(drug, readout), "run_id": "run-1"}
        | {"hit_drugs": drug if score_of(drug, readout) >= HIT_FROM else None}
        for readout in readouts
        for drug, (_, genes, _) in DRUGS.items()
        for gene in (genes or "").split(",")
        if gene
    ]
    put(store, "targets", screen, "targets", rows)
    pair = {"source": "BRAF", "target": "MAP2K1", "interaction": "activates", "directed": True, "run_id": "run-1"}
    put(store, "target_interactions", screen, "targets", [pair])


def _write_reachable_effects(store: Store, screen: str, sample: str, readouts: tuple[str, ...]) -> None:
    """What the drugs with a C max do there, by their true curves."""
    rows: list[dict[str, object]] = []
    for readout in readouts:
        for drug, c_max in C_MAX_NM.items():
            half, effect = half_dose(drug, readout), 1 / (1 + half_dose(drug, readout) / c_max)
            rows.append(
                {"sample": sample, "readout": readout, "replicate": "pooled", "drug": drug, "treatment": drug}
                | {"library_name": drug, "c_max_nM": c_max, "c_max_source": "made up", "bound": "="}
                | {"effect_at_c_max_fraction": effect, "lower_fraction": effect - 0.05, "upper_fraction": effect + 0.05}
                | {"half_effect_nM": half, "half_effect_bound": "=", "needs_more_than_c_max": half > c_max}
                | {"p_needs_more": float(half > c_max)}
                | provenance("reachable_effects")
            )
    put(store, "reachable_effects", screen, "reachable_effects", rows)


def _curve(half: float, failed: bool) -> dict[str, object]:
    tested = {"min_dose_nM": min(DOSES_NM), "max_dose_nM": max(DOSES_NM), "n_doses": 5, "n_points": 10, "fit": "robust"}
    if failed:
        return tested | {"model": 0, "status": "failed", "reason": "fewer than three doses have a value"}
    return tested | {
        "model": 3,
        "bottom": 0.0,
        "top": 1.0,
        "log10_mid": float(np.log10(half)),
        "slope": 1.0,
        "asymmetry": 1.0,
        "gof": 0.97,
        "objective": 0.1,
        "status": "ok",
    }


def _write_image_products(store: Store, screen: str, wells: list[dict[str, object]], rng: np.random.Generator) -> None:
    put(
        store,
        "plates",
        screen,
        "images",
        [
            {
                "plate": plate,
                "path": f"screens/{screen}/plates/{plate}.ome.zarr",
                "n_wells": len(wells) // 2,
                "n_planes": 8 * len(wells),
                "size_x_px": 128,
                "size_y_px": 128,
                "n_z": 8,
                "pixel_size_um": 0.343,
                "z_step_um": 2.5,
                "raw_hash": "",
                "run_id": "run-1",
                "plugin": "imagexpress",
                "plugin_version": "1",
            }
            for plate in ("P1", "P2")
        ],
    )
    shown = [w for w in wells if w["well_type"] != "therapy" or w["concentration_nM"] == max(DOSES_NM)]
    of_well = ("plate", "well", "sample", "well_type", "treatment", "concentration_nM", "replicate")
    for embedder, readout, space in (("tsne", "cnn_phase3", screen), ("shared", "cnn_phase1", "5ba7ed")):
        put(
            store,
            "embeddings",
            screen,
            embedder,
            [
                {name: w[name] for name in of_well}
                | {"drug_class": DRUGS[str(w["treatment"])][0] if w["well_type"] == "therapy" else None}
                | {"embedder": embedder, "readout": readout, "space": space}
                | {"x": float(rng.normal()), "y": float(rng.normal())}
                | provenance(embedder, "f00d")
                for w in shown
            ],
        )
    put(
        store,
        "objects",
        screen,
        "spheroid_area",
        [
            {name: w[name] for name in ("plate", "well")}
            | {"readout": "spheroid_area", "site": 1, "object": 1, "area_px": 9_000.0, "area_um2": 1_058.8}
            | {"roundness": 0.9, "mean_intensity": 2_400.0, "x_um": 21.0, "y_um": 22.0}
            | provenance("spheroid_area")
            for w in shown
        ],
    )
    drug = next(iter(DRUGS))
    put(
        store,
        "combination_effects",
        screen,
        "curves/ctg",
        [
            {"sample": shown[0]["sample"], "readout": "ctg", "drug": drug, "add_on": "Temo"}
            | {"add_on_concentration_nM": 50.0, "curve": f"{drug} + Temo", "concentration_nM": float(max(DOSES_NM))}
            | {"inhibition_alone_percent": 60.0, "inhibition_combined_percent": 75.0, "difference_percent": 15.0}
            | {"lower_percent": 5.0, "upper_percent": 25.0}
            | provenance("curves")
        ],
    )
    _write_dose_matrix(store, screen, {"sample": shown[0]["sample"], "readout": "ctg", "drug": drug, "add_on": "Temo"})
    put(
        store,
        "phenotypes",
        screen,
        "phenotypes",
        [
            {"sample": shown[0]["sample"], "drug": drug, "features": "image", "beyond_viability": False}
            | {"viability_readout": None, "concentration_nM": float(max(DOSES_NM)), "drug_class": DRUGS[drug][0]}
            | {"n_wells": 2, "map": 0.8, "p_value": 0.01, "q_value": 0.03, "nearest_drug": None, "similarity": None}
            | {"same_map": None, "same_p_value": None, "same_q_value": None, "run_id": "run-1", "checkpoint": None}
            for drug in DRUGS
        ],
    )
    put(
        store,
        "checkpoints",
        screen,
        "cnn",
        [
            {
                "readout": "cnn",
                "phase": phase,
                "weights_hash": f"{phase}-weights",
                "parent_hash": None,
                "trained_on": screen,
                "n_train": 20,
                "n_validation": 4,
                "epochs": 10,
                "train_loss": 0.51,
                "validation_loss": 0.52,
                "validation_auroc": 0.99,
                "seconds": 12.0,
                "run_id": "run-1",
                "plugin": "cnn",
                "plugin_version": "1",
                "parameters": '{"backbone":"VGG19"}',
            }
            for phase in ("phase2", "phase3")
        ],
    )


def _write_dose_matrix(store: Store, screen: str, pair: dict[str, object]) -> None:
    """A drug and a second one in two doses each: more together than any model expects."""
    by = pair | provenance("curves")
    models = ("hsa", "bliss", "loewe", "zip")
    excess = {"excess_percent": 12.0, "lower_percent": 4.0, "upper_percent": 20.0}
    doses = [
        {"concentration_nM": first, "add_on_concentration_nM": second, "model": model, "inhibition_percent": 72.0}
        for first in sorted(DOSES_NM)[-2:]
        for second in (50.0, 500.0)
        for model in models
    ]
    pairs = [
        by
        | (dose | {"fitted_percent": 72.0 if dose["model"] == "zip" else None})
        | excess
        | {"expected_percent": 60.0, "n_wells": 1, "status": "ok"}
        for dose in doses
    ]
    put(store, "dose_pairs", screen, "curves/ctg", pairs)
    sums = [
        {"measure": model, "value": 12.0, "lower": 6.0, "upper": 18.0, "probability_synergy": 0.99}
        | {"interaction": "synergy", "unit": "percentage points"}
        for model in models
    ]
    sums.append({"measure": "css", "value": 64.0, "lower": 58.0, "upper": 70.0, "unit": "percent"})
    put(store, "combination_scores", screen, "curves/ctg", [by | one | {"status": "ok"} for one in sums])


def _write_runs(store: Store, screen: str, readouts: tuple[str, ...]) -> None:
    assets = ["layout", *(f"viability/{r}" for r in readouts), "scores/dss_asym"]
    for index, asset in enumerate(assets):
        started = STARTED[screen] + dt.timedelta(minutes=index)
        row = {
            "run_id": "run-1",
            "asset": asset,
            "started_at": pd.Timestamp(started),
            "finished_at": pd.Timestamp(started + dt.timedelta(seconds=30)),
            "phenodose_version": "0.1.0",
            "plugin": asset.split("/")[-1],
            "plugin_version": "1",
            "parameters": '{"amin":"auto"}',
            "inputs": None,
        }
        put(store, "runs", screen, asset, [row])


def _write_course(store: Store, screen: str, sample: str) -> None:
    """One drug that kills at its highest dose, read at the start and three days later."""
    drug, dose, by = "Trametinib", DOSES_NM[-1], provenance("curves")
    of_drug = {"sample": sample, "readout": "ctg", "drug": drug}
    wells = [
        {"plate": "P1", "well": well_name("B", 8), "time_h": hours, "concentration_nM": dose, "raw": 1000.0 * cells}
        | {"cells": cells, "viability_fraction": cells / 2 ** (hours / 24), "gr": gr}
        | of_drug
        | by
        for hours, cells, gr in ((0.0, 1.0, None), (72.0, 0.25, 2 ** (-2 / 3) - 1))
    ]
    put(store, "time_courses", screen, "ctg", wells)
    shares = {"p_kill": 0.99, "p_slow": 0.01, "p_regrow": 0.0, "p_none": 0.0}
    called = {"concentration_nM": dose, "is_highest_dose": True, "course_class": "kill", "probability": 0.99}
    change = {"change_doublings": -2.0, "untreated_doublings": 3.0, "noise_sd": 0.1, "n_wells": 1, "n_times": 2}
    put(store, "course_classes", screen, "ctg", [called | shares | change | of_drug | by])
    put(store, "course_curves", screen, "ctg", [{"time_h": 72.0, "gr_inf": -0.37, "gr_max": -0.37} | of_drug | by])
