"""`phenodose demo`: the main job on a simulated screen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from phenodose.cli.ended import ends_at_once
from phenodose.cli.output import json_option, open_store, plugins_at, print_json, progress_display, store_option
from phenodose.cli.steps import how_to_see, print_products, products, steps_display
from phenodose.errors import InputError
from phenodose.io.files import write_json
from phenodose.store.store import Store

if TYPE_CHECKING:
    from phenodose.plugins import Registry
    from phenodose.simulation.comparison import Comparison

CONTROL_EXPERIMENT, SCREEN = "DEMO_CE", "DEMO_V1_DS1"
#: Quality metrics that are told, of all plates together.
_TOLD = ("zprime_robust", "replicate_pearson", "series_spearman")
_FIRST_READOUTS = ("cnn_phase3", "ctg", "mean_of_stack")


@click.command()
@store_option
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Same seed, same screen.")
@json_option
@ends_at_once
def command(store: str | None, seed: int, as_json: bool) -> None:
    """Simulate a patient screen and take it from raw images to a drug ranking.

    Writes the raw images of a control experiment and of a drug screen of three plates into STORE/raw (with a store
    in a bucket: into its folder on this machine), makes every asset of both, and prints the ranking beside the truth
    of the simulation. Running it again goes on where it was, and keeps what is unchanged.

    \b
    Example: phenodose demo --store ./store
    """
    from phenodose.screens.registration import register_screen
    from phenodose.simulation.comparison import compare_with_truth
    from phenodose_assets.run import Graph, materialize_cohort, materialize_screen

    clock = time.monotonic()
    opened = open_store(store)
    folders = _simulate(opened, seed, plugins_at(store))
    # A network this small is trained in less time than a process takes to start.
    graph = Graph(opened, training="inline")
    for folder in folders:
        screen = register_screen(opened, folder)
        with steps_display(screen.id) as progress:
            materialize_screen(opened, screen.id, progress=progress, graph=graph).raise_if_failed()
    with steps_display("cohort") as progress:
        materialize_cohort(opened, progress=progress, graph=graph).raise_if_failed()
    comparison = compare_with_truth(opened, SCREEN, folders[-1])
    if as_json:
        print_json(_as_json(opened, comparison, time.monotonic() - clock))
        return
    _print(opened, comparison)
    click.echo(f"\nDone in {time.monotonic() - clock:.0f} s. {how_to_see(opened)}")


def _simulate(store: Store, seed: int, plugins: Registry) -> list[Path]:
    """The raw folders of control experiment and screen; what is there from the same seed is kept.

    Raises:
        InputError: the store holds the demo of another seed.
    """
    from phenodose.simulation import simulate_screen

    raw = store.local / "raw"
    record = raw / "demo.json"
    if record.is_file() and (known := json.loads(record.read_text(encoding="utf-8"))["seed"]) != seed:
        raise InputError(f"the store {store.root} holds the demo of seed {known}; give another --store, or that seed.")
    wanted: list[tuple[str, Literal["control-experiment", "drug-screen"]]] = [
        (CONTROL_EXPERIMENT, "control-experiment"),
        (SCREEN, "drug-screen"),
    ]
    write_json(record, {"seed": seed})
    for name, kind in wanted:
        if not (raw / name / "_DONE").is_file():
            phase1 = CONTROL_EXPERIMENT if kind == "drug-screen" else None
            with progress_display(f"simulate {name}") as progress:
                simulate_screen(raw / name, kind=kind, seed=seed, phase1=phase1, progress=progress, plugins=plugins)
    return [raw / name for name, _ in wanted]


def _readouts(comparison: Comparison) -> list[str]:
    """Readouts with scores, those that a reader looks for first in front."""
    found = list(comparison.agreement["readout"])
    return [name for name in _FIRST_READOUTS if name in found] + [n for n in found if n not in _FIRST_READOUTS]


def _quality(store: Store) -> list[str]:
    """The verdicts on the screen in plain words, a line a readout and figure."""
    qc = store.read_table("qc", SCREEN)
    qc = qc[(qc["plate"] == "screen") & qc["metric"].isin(_TOLD)]
    rows = zip(qc["readout"], qc["metric"], qc["value"], qc["verdict"], qc["explanation"], strict=True)
    return [f"{readout}: {metric} {value:.2f} ({verdict}). {why}" for readout, metric, value, verdict, why in rows]


def _as_json(store: Store, comparison: Comparison, seconds: float) -> dict[str, Any]:
    return {
        "screen": SCREEN,
        "scorer": comparison.scorer,
        "ranking": json.loads(comparison.ranking.to_json(orient="records")),
        "agreement": json.loads(comparison.agreement.to_json(orient="records")),
        "quality": _quality(store),
        "products": products(store, SCREEN),
        "seconds": round(seconds, 1),
    }


def _print(store: Store, comparison: Comparison) -> None:
    readouts = _readouts(comparison)
    click.echo(f"\n{SCREEN}: {comparison.scorer}, estimated and true (0: no effect; 10 and more: a hit)\n")
    width = max(len("drug"), *(len(drug) for drug in comparison.ranking["drug"]))
    _row(click.echo, width, "drug", ["truth", *readouts])
    for row in comparison.ranking.to_dict("records"):
        _row(click.echo, width, str(row["drug"]), [_number(row[name], 1) for name in ("truth", *readouts)])
    click.echo("\nAgreement with the truth of the simulation\n")
    for row in comparison.agreement.to_dict("records"):
        pearson, spearman = _number(row["viability_pearson"], 3), _number(row["score_spearman"], 3)
        click.echo(
            f"  {row['readout']:<14} viability of {row['n_wells']} drug wells: Pearson {pearson}; "
            f"scores of {row['n_drugs']} drugs: Spearman {spearman}"
        )
    click.echo("\nQuality\n")
    for line in _quality(store):
        click.echo(f"  {line}")
    click.echo("\nProducts\n")
    print_products(store, SCREEN)


def _row(echo: Callable[[str], None], width: int, name: str, cells: list[str]) -> None:
    echo(f"  {name:<{width}} " + " ".join(f"{cell:>13}" for cell in cells))


def _number(value: float, digits: int) -> str:
    return "-" if value != value else f"{value:.{digits}f}"
