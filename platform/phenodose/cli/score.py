"""`phenodose score`: a layout with readouts in, scores, curves and quality metrics out.

Belongs here: options, files written together, the summary. Does not belong here: the steps
(`phenodose.pipeline.score_layout`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, plugins_at, print_json, progress_display
from phenodose.cli.plugin_options import given_parameters, plugin_options

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.pipeline.score_layout import Scored
    from phenodose.plugins import Registry, Scorer
    from phenodose.screens.matrices import Readings


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


_NO_TIMES = (
    "--courses: no readout was read several times; put the files of each time into a folder of its hours, such as "
    "ctg/0h and ctg/24h, or leave the option out."
)
_FILE = click.Path(path_type=Path)
_READOUT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@click.command()
@click.option("--layout", required=True, type=_FILE, help="Layout: xlsx, csv, tsv or txt.")
@click.option(
    "--readouts",
    "readouts",
    multiple=True,
    metavar="[NAME=]PATH",
    help="Plate-reader files: file, folder or zip of <sample>_<plate>.xlsx|csv|txt. NAME=PATH names the readout and "
    "may be repeated for several (column readout at the end).",
)
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook that holds several layouts.")
@click.option(
    "--block",
    metavar="NAME",
    help="Plate or sheet that counts in plate-reader files that hold several; #2 for the second.",
)
@click.option(
    "--scorer",
    "scorer_names",
    multiple=True,
    metavar="NAME",
    help="Scorer; may be repeated; default the first, such as dss_asym.",
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
    "--negative",
    multiple=True,
    metavar="NAME",
    help="Control of viability 1, by well type or treatment; may be repeated, most wanted first; default neg.",
)
@click.option(
    "--positive", multiple=True, metavar="NAME", help="Control of viability 0, likewise (STS, BzCl); default pos."
)
@click.option(
    "--lower-anchor",
    metavar="NUMBER|NAME",
    help="What stands for viability 0 where no cells were killed: a raw value such as 0, 'percent of control' (the "
    "same, and says so), 'blank' for the blank wells, or the well type or treatment of others.",
)
@click.option(
    "--rises-with",
    type=click.Choice(["viability", "death"]),
    help="What a larger raw value means; refused where the controls contradict. Default: what the controls say.",
)
@click.option(
    "--mask-uncontrolled",
    is_flag=True,
    help="Leave out the drug wells of plates (or treatments) without usable controls, instead of refusing.",
)
@click.option(
    "--correction",
    type=click.Choice(["none", "b_score", "loess", "residuals"]),
    default="none",
    show_default=True,
    help="Adds each readout without the effects of place on the plate, as <readout>_corrected; residuals (of the "
    "fitted curves) suits dose-response plates.",
)
@click.option(
    "--amin",
    metavar="auto|NUMBER",
    callback=_amin,
    help="Least inhibition that counts [percent], for scorers that know it.",
)
@plugin_options
@click.option("--reference", type=_FILE, help="Table of reference samples: adds the selective scores.")
@click.option(
    "--doublings",
    type=click.FloatRange(0, 50, min_open=True),
    help="Doublings of untreated cells during the treatment, for growth-rate scorers without time-zero wells.",
)
@click.option(
    "--per-replicate", is_flag=True, help="Add rows for each replicate by itself (column replicate at the end)."
)
@click.option(
    "--draws",
    "--bootstrap",
    "bootstrap",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Draws of each curve, for intervals; 0 for none.",
)
@click.option(
    "--intervals",
    type=click.Choice(["posterior", "bootstrap"]),
    default="posterior",
    show_default=True,
    help="What is drawn: curves as probable as the wells make them, or refits of wells drawn again.",
)
@click.option(
    "--workers", type=click.IntRange(1), help="Processes; default all cores. The result does not depend on it."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws.")
@click.option("--out", required=True, type=_FILE, help="Scores, CSV.")
@click.option("--curves", "curves_out", type=_FILE, help="Fitted curves, CSV.")
@click.option("--qc", "qc_out", type=_FILE, help="Quality figures, CSV.")
@click.option(
    "--combinations", type=_FILE, help="Dose matrices of two drugs: mean excess over the models, one row each, CSV."
)
@click.option("--dose-pairs", type=_FILE, help="The same for every pair of doses, CSV.")
@click.option(
    "--courses",
    "courses_out",
    type=_FILE,
    help="Kill, slow, regrow or none by drug and dose, CSV, of readouts in folders of several times (0h, 24h, ...).",
)
@click.option(
    "--reachable",
    "reachable_out",
    type=_FILE,
    help="Effect of each drug at the concentration that patients' plasma reaches (C max of the drug library), CSV.",
)
@click.option(
    "--drug-library", type=_FILE, help="With --reachable: table laid over the drug library; default the store's own."
)
@click.option("--wells", "wells_out", type=_FILE, help="Every well: reading, viability, robust z, B-score, flags; CSV.")
@json_option
def command(
    layout: Path,
    readouts: tuple[str, ...],
    sheet: str | None,
    block: str | None,
    scorer_names: tuple[str, ...],
    fit: Any,
    by: Any,
    negative: tuple[str, ...],
    positive: tuple[str, ...],
    lower_anchor: str | None,
    rises_with: Any,
    mask_uncontrolled: bool,
    correction: Any,
    amin: str | float | None,
    given: tuple[str, ...],
    reference: Path | None,
    doublings: float | None,
    per_replicate: bool,
    bootstrap: int,
    intervals: Any,
    workers: int | None,
    seed: int,
    out: Path,
    curves_out: Path | None,
    qc_out: Path | None,
    combinations: Path | None,
    dose_pairs: Path | None,
    courses_out: Path | None,
    reachable_out: Path | None,
    drug_library: Path | None,
    wells_out: Path | None,
    as_json: bool,
) -> None:
    """Score a layout with readouts, without a store.

    Controls are the wells of type neg (viability 1) and pos (viability 0), unless named otherwise. Wells with an
    add-on are relative to the add-on alone; the scorers dc<scorer> tell what it changes. Two drugs in several doses
    each, together and alone, are a dose matrix: --combinations tells whether they do more than models expect.

    \b
    Examples: phenodose score --layout layout.xlsx --readouts ctg/ --out scores.csv --qc qc.csv
      phenodose score --layout layout.xlsx --readouts ctg=ctg.zip --readouts cnn=cnn.zip --out scores.csv
    """
    from phenodose.cli.drug_library import wanted_library
    from phenodose.cli.written import places_of, write_together
    from phenodose.errors import InputError, PluginError
    from phenodose.pipeline.score_layout import score_layout
    from phenodose.plugins.preferences import default_scorers
    from phenodose.screens.layout import read_layout
    from phenodose.settings.environment import read_environment

    places = places_of(
        {
            "scores": ("--out", out),
            "curves": ("--curves", curves_out),
            "qc": ("--qc", qc_out),
            "wells": ("--wells", wells_out),
            "combination_scores": ("--combinations", combinations),
            "courses": ("--courses", courses_out),
            "reachable": ("--reachable", reachable_out),
            "dose_pairs": ("--dose-pairs", dose_pairs),
        },
        [layout, reference, drug_library, *(_named_path(text)[1] for text in readouts)],
    )
    place = None if reference is None else str(reference)
    plugins = plugins_at()
    names = scorer_names or default_scorers(plugins, read_environment().site().preferences)
    scorers, selective = _scorers(plugins, names, {"amin": amin, "reference": place, "doublings": doublings}, given)
    readings = _matrices(readouts, block)
    if courses_out is not None and not _has_times(readings):
        raise InputError(_NO_TIMES)
    library = wanted_library(reachable_out, drug_library)
    with progress_display("samples scored") as listener:
        scored = score_layout(
            read_layout(layout, sheet, needs_positive=lower_anchor is None),
            readings,
            scorers,
            fit=fit,
            by=by,
            negative=negative,
            positive=positive,
            rises_with=rises_with,
            mask_uncontrolled=mask_uncontrolled or None,
            lower_anchor=lower_anchor,
            correction=correction,
            per_replicate=per_replicate,
            well_rows=wells_out is not None,
            bootstrap=bootstrap,
            intervals=intervals,
            seed=seed,
            optional=selective,
            workers=workers,
            listener=listener,
            plugins=plugins,
            library=library,
        )
    if courses_out is not None and scored.courses is None:
        raise InputError(_NO_TIMES)
    write_together({place: getattr(scored, table) for table, place in places.items()})
    _tell(scored, list(places.values()), as_json)
    if scored.faults:
        raise PluginError("\n".join([*scored.faults, "The other scorers' scores are written."]))


def _matrices(given: tuple[str, ...], block: str | None) -> Readings | dict[str, Readings] | None:
    """The plate-reader files; by name of the readout if it is given."""
    from phenodose.errors import InputError
    from phenodose.screens.matrices import read_readings

    named: dict[str, Path] = {}
    for text in given:
        name, path = _named_path(text)
        if name is None:
            if len(given) > 1:
                raise InputError(f"--readouts {text}: of several readouts each needs its name; write NAME={text}.")
            return read_readings(path, block)
        if not _READOUT_NAME.fullmatch(name):
            raise InputError(
                f"--readouts {text}: {name!r} cannot name a readout; take letters, digits, dots, hyphens, underscores."
            )
        if name in named:
            raise InputError(f"--readouts {text}: {name} is named twice ({named[name]} before); name each once.")
        named[name] = path
    return {name: read_readings(path, block) for name, path in named.items()} or None


def _has_times(readings: Readings | dict[str, Readings] | None) -> bool:
    """Whether a readout was read at several times, before anything is computed."""
    several = readings.values() if isinstance(readings, dict) else [readings]
    return any(one is not None and bool(one.course) for one in several)


def _named_path(text: str) -> tuple[str | None, Path]:
    """Name and path of [NAME=]PATH."""
    name, equals, path = text.partition("=")
    return (None, Path(text)) if not equals or Path(text).exists() else (name, Path(path))


def _scorers(
    plugins: Registry, names: tuple[str, ...], given: dict[str, Any], parameters: tuple[str, ...]
) -> tuple[list[Scorer], list[Scorer]]:
    """The scorers of these names, and those that reference samples make possible.

    What is given goes to the scorers that have such a parameter; of `parameters` ([PLUGIN.]NAME=VALUE) likewise, and
    they win.
    """
    from phenodose.dose_response.reference_samples import read_reference
    from phenodose.errors import InputError
    from phenodose.plugins import REFERENCE
    from phenodose.plugins.isolation import shared_sandbox

    named = {name: plugins.get("scorer", name) for name in dict.fromkeys(names)}
    added = {}
    if given[REFERENCE] is not None:
        read_reference(given[REFERENCE])  # a faulty table is told before anything is computed
        usable = plugins.usable("scorer")
        added = {n: s for n, s in usable.items() if REFERENCE in s.Parameters.model_fields and n not in named}
    fields = {name: scorer.Parameters.model_fields for name, scorer in (named | added).items()}
    for option, value in given.items():
        if value is not None and not any(option in known for known in fields.values()):
            raise InputError(f"--{option} {value}: none of the scorers ({', '.join(fields)}) has it; leave it out.")
    values = {
        name: {option: value for option, value in given.items() if value is not None and option in known}
        for name, known in fields.items()
    }
    own = given_parameters(parameters, named | added)
    made = {
        name: shared_sandbox(scorer, values[name] | own.get(name, {}), plugins)
        for name, scorer in (named | added).items()
    }
    return [made[name] for name in named], [made[name] for name in added]


def _tell(scored: Scored, paths: list[Path], as_json: bool) -> None:
    from phenodose.cli.dose_matrices import matrix_lines, matrix_records
    from phenodose.cli.drug_library import beyond_c_max
    from phenodose.cli.steps import print_failed_quality
    from phenodose.dose_response.hits import BORDERLINE
    from phenodose.pipeline.hits import is_hit, not_judged, standing_calls
    from phenodose.quality.failures import failed_figures

    scores, failed = scored.scores, failed_figures(scored.qc)
    if "replicate" in scores:
        scores = scores[scores["replicate"] == "pooled"]
    samples = sorted({*scores["sample"], *scored.combination_scores["sample"]})
    standing = standing_calls(scores, scored.qc)
    hits = _drugs(standing, is_hit(standing))
    borderline = [drug for drug in _drugs(standing, standing["call"].eq(BORDERLINE)) if drug not in hits]
    not_counted = [drug for drug in _drugs(scores, is_hit(scores)) if drug not in hits]
    beyond = beyond_c_max(scored.reachable, hits)
    summary = {
        "samples": samples,
        "drugs": int(scores["drug"].nunique()),
        "hits": hits,
        "borderline": borderline,
        "hits_that_do_not_count": not_counted,
        "failed_curves": sorted(scored.curves.loc[scored.curves["status"] == "failed", "drug"].unique()),
        "notes": scored.notes,
        "faults": scored.faults,
        "failed_quality": failed,
        "needs_more_than_c_max": beyond,
        "combinations": matrix_records(scored.combination_scores),
        "written": [str(path) for path in paths],
    }
    if as_json:
        print_json(summary)
        return
    for note in scored.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    print_failed_quality(failed)
    named = "not judged (no draws)" if not_judged(scores) else ", ".join(hits) or "none"
    line = f"{summary['drugs']} drugs of {', '.join(samples)}; hits: {named}"
    line += f"; borderline: {', '.join(borderline)}" if borderline else ""
    line += f"; interpret with great care, quality failed: {_names(failed)}" if failed else ""
    line += f"; hits that do not count by that: {', '.join(not_counted)}" if not_counted else ""
    click.echo(line)
    if beyond:
        click.echo(f"hits that need more than patients' plasma reaches (C max): {', '.join(beyond)}")
    for text in matrix_lines(scored.combination_scores):
        click.echo(text)
    click.echo(f"wrote {', '.join(str(path) for path in paths)}")


def _drugs(scores: pd.DataFrame, chosen: pd.Series[bool]) -> list[str]:
    """Names of the drugs of these rows, each once."""
    return sorted(scores.loc[chosen, "drug"].unique())


def _names(failed: list[dict[str, Any]]) -> str:
    """The figures that failed, each once."""
    return ", ".join(dict.fromkeys(str(one["metric"]) for one in failed))
