"""What `run` and `demo` share: the display of running steps, and where the products lie.

Belongs here: presentation of a run of the asset graph. Does not belong here: the run (`phenodose_assets`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import click

from phenodose.cli.native_messages import filter_stderr
from phenodose.cli.terminal import harmless, harmless_stream, unfiltered
from phenodose.names import in_a_row
from phenodose.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.screens.screen import Screen
    from phenodose_assets.resources import StepEvent
    from phenodose_assets.run import RunOutcome

    Listener = Callable[[StepEvent], None]

_SIGNS = {"made": "made   ", "skipped": "skipped", "failed": "FAILED "}
#: State of a sentence that a step says while it runs.
_SAID = "said"
_QUIET_SECONDS = 5.0


@contextmanager
def steps_display(title: str) -> Iterator[Listener]:
    """A listener to steps: a line for every finished one, and how far the running one is.

    On a terminal the running step has a bar; elsewhere a plain line every few seconds.
    """
    is_terminal = sys.stderr.isatty()
    with filter_stderr() as stream:
        if not is_terminal:
            yield _PlainLines(title, harmless_stream(stream))
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        console = Console(file=unfiltered(stream), highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(
            *columns, TextColumn("{task.fields[message]}", markup=False), console=console, transient=True
        ) as bars:
            task = bars.add_task(title, total=None, message="")

            def listen(event: StepEvent) -> None:
                if event.state in (*_SIGNS, _SAID):
                    console.print(harmless(f"{title}: {_line(event)}"), soft_wrap=True, markup=False)
                else:
                    label, total = f"{title}: {event.asset}", event.total or None
                    told = harmless(event.message)
                    bars.update(task, description=label, completed=event.done, total=total, message=told)

            yield listen


class _PlainLines:
    """Prints finished steps, and how far a step is if nothing was printed for a while."""

    def __init__(self, title: str, stream: TextIO) -> None:
        self.title = title
        self.stream = stream
        self.told_at = time.monotonic()

    def __call__(self, event: StepEvent) -> None:
        now = time.monotonic()
        if event.state in (*_SIGNS, _SAID):
            self._tell(_line(event), now)
        elif event.state == "progress" and now - self.told_at > _QUIET_SECONDS:
            self._tell(f"{event.asset} {event.done}/{event.total} {event.message}".rstrip(), now)

    def _tell(self, line: str, now: float) -> None:
        click.echo(f"{self.title}: {line}", file=self.stream)
        self.told_at = now


def _line(event: StepEvent) -> str:
    if event.state == _SAID:
        return f"{event.asset}: {event.message}"
    after = f" ({event.message})" if event.message else f" {event.seconds:.1f} s"
    return f"{_SIGNS[event.state]} {event.asset}{after}"


def products(store: Store, screen: str) -> dict[str, str]:
    """Where every product of a screen lies, as far as it is there."""
    folder = store.screen_dir(screen)
    places = {
        "plates": folder / "plates",
        "tensors": store.tensor_path(screen),
        "checkpoints": folder / "checkpoints",
        "report": store.report_path(screen),
        "tables": store.root / "tables",
        "cohort": store.cohort_path,
    }
    return {name: str(place) for name, place in places.items() if place.exists()}


def answer(store: Store, screen: str) -> dict[str, Any]:
    """The verdict on a screen, and its hits by the readout that ranks the drugs, the most sensitive first.

    `hits_judged` is false where the scores have no draws, so that nobody says how sure a hit is.
    """
    from phenodose.dose_response.hits import BORDERLINE
    from phenodose.io.frames import rows_of
    from phenodose.pipeline.hits import is_hit, not_judged
    from phenodose.pipeline.verdict import ranked_drugs, verdict_of

    def told(chosen: pd.DataFrame) -> list[dict[str, Any]]:
        return [
            {"sample": row.sample, "drug": row.drug, "score": row.score, "p_hit": row.p_hit_fraction}
            | {"doubt": row.doubt if isinstance(row.doubt, str) else None}
            for row in rows_of(chosen)
        ]

    found = verdict_of(store, screen)
    rows = ranked_drugs(store, screen)
    return {
        "verdict": found.level,
        "verdict_reason": found.words,
        "ranked_by": str(rows["readout"].iloc[0]) if len(rows) else None,
        "scorer": str(rows["scorer"].iloc[0]) if len(rows) else None,
        "hits_judged": not not_judged(rows),
        "hits": told(rows[is_hit(rows)]),
        "borderline": told(rows[rows["call"].eq(BORDERLINE)]),
    }


def print_answer(found: dict[str, Any]) -> None:
    """Print the verdict in words, the hits, and the borderline drugs if there are any."""
    click.echo(f"Verdict: {found['verdict_reason']}")
    if found["ranked_by"] is None:
        return
    hits, borderline = found["hits"], found["borderline"]
    if not found["hits_judged"]:
        click.echo(f"Hits by {found['ranked_by']} ({found['scorer']}): not judged.")
        return
    several = len({drug["sample"] for drug in hits + borderline}) > 1

    def named(drugs: list[dict[str, Any]]) -> str:
        return in_a_row(
            f"{drug['drug']}{' in ' + drug['sample'] if several else ''} ({drug['score']:.1f}"
            f"{', not trusted' if drug['doubt'] else ''})"
            for drug in drugs
        )

    click.echo(f"Hits by {found['ranked_by']} ({found['scorer']}): {named(hits) or 'none'}.")
    if borderline:
        click.echo(f"Borderline: {named(borderline)}.")


def outcome_json(outcome: RunOutcome) -> dict[str, Any]:
    """A run's outcome for machines."""
    return {
        "screen": outcome.screen,
        "run_id": outcome.run_id,
        "made": outcome.made,
        "skipped": outcome.skipped,
        "failed": {asset: fault.message for asset, fault in outcome.failed.items()},
        "notes": outcome.notes,
        "seconds": round(outcome.seconds, 3),
    }


def failed_quality(store: Store, screen: Screen) -> list[dict[str, Any]]:
    """The figures of a screen that fail, as they stand in the store (`phenodose.quality.failures`)."""
    from phenodose.quality.failures import failed_figures
    from phenodose.settings.quality import resolve_limits
    from phenodose.settings.site import read_site

    limits = resolve_limits(read_site(store.root).quality, screen.settings.quality)
    return failed_figures(store.read_table("qc", screen.id), limits)


def print_failed_quality(failed: list[dict[str, Any]]) -> None:
    """Print a sentence on every figure that fails."""
    from phenodose.quality.failures import failure_sentences

    for sentence in failure_sentences(failed):
        click.echo(f"phenodose: quality failed: {sentence}", err=True)


def print_outcome(outcome: RunOutcome) -> None:
    """Print what is to be noted, what was not made and why, and the sum."""
    for note in outcome.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    by_reason: dict[str, list[str]] = {}
    for asset, reason in outcome.skipped.items():
        by_reason.setdefault(reason, []).append(asset)
    for reason, assets in by_reason.items():
        click.echo(f"  not made: {', '.join(assets)} ({reason.rstrip('.')})")
    click.echo(
        f"{outcome.screen}: {len(outcome.made)} assets made, {len(outcome.skipped)} skipped, "
        f"{len(outcome.failed)} failed in {outcome.seconds:.0f} s (run {outcome.run_id})."
    )


def print_products(store: Store, screen: str) -> None:
    """Print where every product lies."""
    for name, place in products(store, screen).items():
        click.echo(f"  {name:<12} {place}")


def how_to_see(store: Store) -> str:
    """A sentence on how to look at the runs in the UI."""
    return f"See the runs: phenodose ui --store {store.root}"
