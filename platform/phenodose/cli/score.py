"""`phenodose score`: a layout with readouts in, scores, curves and quality figures out.

Belongs here: options, files written together, the summary. Does not belong here: the steps
(`phenodose.scoring_pipeline`).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, print_json

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plugins import Scorer
    from phenodose.scoring_pipeline import Scored


def _amin(ctx: click.Context, param: click.Parameter, value: str | None) -> str | float | None:
    """'auto', or a number from 0 up to 100."""
    if value is None or value == "auto":
        return value
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is neither 'auto' nor a number.", ctx, param) from None
    if not 0 <= number < 100:
        raise click.BadParameter(f"{value} is not from 0 up to 100 (percent inhibition).", ctx, param)
    return number


_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--layout", required=True, type=_FILE, help="Layout: xlsx, csv, tsv or txt.")
@click.option(
    "--readouts", type=_FILE, help="Plate-reader files: file, folder or zip of <sample>_<plate>.xlsx|csv|txt."
)
@click.option(
    "--scorer", "scorer_names", multiple=True, metavar="NAME", help="Scorer; may be repeated; default dss_asym."
)
@click.option("--fit", type=click.Choice(["robust", "nplr"]), default="robust", show_default=True, help="Curve fit.")
@click.option(
    "--normalise",
    "by",
    type=click.Choice(["plate", "treatment", "both"]),
    default="plate",
    show_default=True,
    help="Group whose controls viability is relative to.",
)
@click.option(
    "--amin",
    metavar="auto|NUMBER",
    callback=_amin,
    help="Least inhibition that counts [percent], for scorers that know it.",
)
@click.option("--reference", type=_FILE, help="Table with Drug.Name and mean_DSS: adds the scores sdss_asym.")
@click.option(
    "--per-replicate", is_flag=True, help="Add rows for each replicate by itself (column replicate at the end)."
)
@click.option(
    "--bootstrap", type=click.IntRange(0), default=200, show_default=True, help="Draws for intervals; 0 for none."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws.")
@click.option("--out", required=True, type=_FILE, help="Scores, CSV.")
@click.option("--curves", "curves_out", type=_FILE, help="Fitted curves, CSV.")
@click.option("--qc", "qc_out", type=_FILE, help="Quality figures, CSV.")
@json_option
def command(
    layout: Path,
    readouts: Path | None,
    scorer_names: tuple[str, ...],
    fit: Any,
    by: Any,
    amin: str | float | None,
    reference: Path | None,
    per_replicate: bool,
    bootstrap: int,
    seed: int,
    out: Path,
    curves_out: Path | None,
    qc_out: Path | None,
    as_json: bool,
) -> None:
    """Score a layout with readouts, without a store.

    Controls are the wells of type neg (viability 1) and pos (viability 0).

    \b
    Example: phenodose score --layout layout.xlsx --readouts ctg/ --out scores.csv --qc qc.csv
    """
    from phenodose.scoring_pipeline import read_reference, score_layout
    from phenodose.screens.layout import read_layout
    from phenodose.screens.matrices import read_matrices

    places = _places(out, curves_out, qc_out)
    scorers = _scorers(scorer_names or ("dss_asym",), amin)
    scored = score_layout(
        read_layout(layout),
        None if readouts is None else read_matrices(readouts),
        scorers,
        fit=fit,
        by=by,
        per_replicate=per_replicate,
        bootstrap=bootstrap,
        seed=seed,
        reference=None if reference is None else read_reference(reference),
    )
    _write_together({place: getattr(scored, table) for table, place in places.items()})
    _tell(scored, list(places.values()), as_json)


def _places(out: Path, curves: Path | None, qc: Path | None) -> dict[str, Path]:
    """Where each table goes, checked before anything is computed."""
    from phenodose.errors import InputError

    wanted = {"scores": out, "curves": curves, "qc": qc}
    places = {table: path for table, path in wanted.items() if path is not None}
    if len({path.resolve() for path in places.values()}) < len(places):
        raise InputError("--out, --curves and --qc name the same file; give each its own.")
    for path in places.values():
        if path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a CSV file in it.")
    return places


def _scorers(names: tuple[str, ...], amin: str | float | None) -> list[Scorer]:
    """The scorers of these names; `amin` goes to those that have such a parameter."""
    from phenodose.errors import InputError
    from phenodose.plugins import registry

    found = {name: registry().get("scorer", name) for name in dict.fromkeys(names)}
    knowing = [name for name, scorer in found.items() if "amin" in scorer.Parameters.model_fields]
    if amin is not None and not knowing:
        raise InputError(f"--amin {amin}: none of the scorers ({', '.join(found)}) has it; leave it out.")
    return [
        registry().create("scorer", name, {"amin": amin} if amin is not None and name in knowing else None)
        for name in found
    ]


def _write_together(tables: dict[Path, pd.DataFrame]) -> None:
    """Write all tables aside, then move all into place."""
    from phenodose.errors import InputError
    from phenodose.files import written_aside

    try:
        with ExitStack() as stack:
            for path, table in tables.items():
                aside = stack.enter_context(written_aside(path))
                table.to_csv(aside, index=False)
    except OSError as error:
        raise InputError(f"{error.filename or 'the results'}: cannot be written ({error.strerror}).") from error


def _tell(scored: Scored, paths: list[Path], as_json: bool) -> None:
    scores = scored.scores
    if "replicate" in scores:
        scores = scores[scores["replicate"] == "pooled"]
    samples = sorted(scores["sample"].unique())
    hits = sorted(scores.loc[scores["hit"].eq(True), "drug"].unique())
    summary = {
        "samples": samples,
        "drugs": int(scores["drug"].nunique()),
        "hits": hits,
        "failed_curves": sorted(scored.curves.loc[scored.curves["status"] == "failed", "drug"].unique()),
        "notes": scored.notes,
        "written": [str(path) for path in paths],
    }
    if as_json:
        print_json(summary)
        return
    for note in scored.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    click.echo(f"{summary['drugs']} drugs of {', '.join(samples)}; hits: {', '.join(hits) or 'none'}")
    click.echo(f"wrote {', '.join(str(path) for path in paths)}")
