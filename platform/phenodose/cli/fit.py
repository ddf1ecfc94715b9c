"""`phenodose fit`: dose-response points in, one fitted curve a row out.

Belongs here: options, the file, the summary. Does not belong here: reading points and fitting
(`phenodose.dose_response`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from phenodose.cli.output import json_option, print_json

_FILE = click.Path(path_type=Path)


@click.command()
@click.argument("curves", type=_FILE)
@click.option("--out", required=True, type=_FILE, help="Fitted curves, CSV.")
@click.option("--fit", type=click.Choice(["robust", "nplr"]), default="robust", show_default=True, help="Curve fit.")
@click.option(
    "--draws",
    type=click.IntRange(0),
    default=200,
    show_default=True,
    help="Draws of each curve, for the intervals of its IC50 and whether it is identifiable; 0 for none, far faster.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws.")
@click.option("--percent", is_flag=True, help="The column inhibition is in percent, not a fraction.")
@json_option
def command(curves: Path, out: Path, fit: Any, draws: int, seed: int, percent: bool, as_json: bool) -> None:
    """Fit dose-response curves from a table.

    CURVES has one row a point: curve_id (or set_id), dose in nM, inhibition as a fraction (0 no effect, 1 all
    dead). A column inhibition_percent or inhibition_fraction in its place says its unit by itself. Every other
    column is kept. Each curve gets its IC50 at 50 % inhibition (abs_ic50) and half way between its asymptotes
    (rel_ic50) with 95 % intervals; a bound of > or < says that the tested doses do not reach it.

    \b
    Example: phenodose fit curves.csv --out fits.csv
    """
    from phenodose.cli.written import places_of
    from phenodose.dose_response.curve_file import fits_frame, read_curve_file
    from phenodose.dose_response.fit import fit_curves
    from phenodose.errors import InputError
    from phenodose.io.files import written_aside
    from phenodose.io.spreadsheet_text import harmless_frame

    places_of({"fits": ("--out", out)}, [curves])
    content = read_curve_file(curves, percent)
    fitted = fit_curves(content.points, fit=fit, bootstrap=draws, seed=seed, noise="batch")
    table = fits_frame(fitted, content.kept)
    try:
        with written_aside(out) as aside:
            harmless_frame(table).to_csv(aside, index=False)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another place.") from error
    counts = {str(status): int(n) for status, n in table["status"].value_counts().items()}
    if as_json:
        print_json({"curves": len(table), "status": counts, "notes": content.notes, "written": str(out)})
        return
    for note in content.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    text = ", ".join(f"{n} {status}" for status, n in counts.items())
    click.echo(f"{len(table)} curves: {text}\nwrote {out}")
