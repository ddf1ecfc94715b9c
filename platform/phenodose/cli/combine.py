"""`phenodose combine`: a table of two drugs in, what they do together beyond the models out.

Belongs here: options, files written together, the summary. Does not belong here: reading the table
(`phenodose.screens.pair_table`) and what is computed of it (`phenodose.pipeline.dose_matrices`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from phenodose.cli.output import json_option, print_json

_FILE = click.Path(path_type=Path)
#: The outermost of fewer draws are no ends of an interval of 95 %.
_LEAST_DRAWS = 40


@click.command()
@click.argument("table", type=_FILE)
@click.option("--out", required=True, type=_FILE, help="What every measure tells of every dose matrix, CSV.")
@click.option("--dose-pairs", type=_FILE, help="The same for every pair of doses, CSV.")
@click.option("--sheet", metavar="NAME", help="Sheet of a workbook that holds several such tables.")
@click.option("--column", metavar="NAME", help="Column of the response, where several could be it.")
@click.option(
    "--response",
    "kind",
    type=click.Choice(["viability", "inhibition"]),
    help="What a column Response holds; a column viability_percent or inhibition_fraction says it by itself.",
)
@click.option("--scale", type=click.Choice(["percent", "fraction"]), help="Scale of the response, likewise.")
@click.option("--unit", metavar="UNIT", help="Unit of the concentrations where neither names nor a column say it.")
@click.option(
    "--draws", type=click.IntRange(0), default=200, show_default=True, help="Draws for the intervals; 0 for none."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draws.")
@json_option
def command(
    table: Path,
    out: Path,
    dose_pairs: Path | None,
    sheet: str | None,
    column: str | None,
    kind: Any,
    scale: Any,
    unit: str | None,
    draws: int,
    seed: int,
    as_json: bool,
) -> None:
    """Tell what two drugs do together, from a table with both doses.

    TABLE has one row a well, in the forms of other programs: PairIndex (or BlockId), Drug1, Drug2, Conc1, Conc2,
    ConcUnit, Response (SynergyFinder); DrugName, DrugName_2, Concentration, Concentration_2, CellLineName, Barcode,
    ReadoutValue, BackgroundValue (gDR); or drug, add_on, concentration_nM, add_on_concentration_nM,
    inhibition_percent. Or it holds grids, as SynergyFinder's matrix form: lines Drug1:, Drug2: and ConcUnit:, and below
    them a grid with the concentrations of Drug1 on its left and those of Drug2 on top. A dose of 0 is the other drug
    alone. A layout with readouts is for phenodose score.

    \b
    Example: phenodose combine pairs.csv --response viability --out combinations.csv --dose-pairs cells.csv
    """
    from phenodose.cli.dose_matrices import matrix_lines, matrix_records
    from phenodose.cli.written import places_of, write_together
    from phenodose.errors import InputError
    from phenodose.pipeline.dose_matrices import READOUT, excess_of_matrices
    from phenodose.screens.pair_table import Said, read_pair_table

    wanted = {"sums": ("--out", out), "pairs": ("--dose-pairs", dose_pairs)}
    if 0 < draws < _LEAST_DRAWS:
        raise InputError(f"--draws {draws}: intervals of 95 % need {_LEAST_DRAWS} draws or more; give 0 for none.")
    places = places_of(wanted, [table])
    content = read_pair_table(table, Said(kind, scale, unit, column), sheet)
    found = excess_of_matrices(content.matrices, READOUT, draws, seed)
    write_together({place: getattr(found, name) for name, place in places.items()})
    notes = [*content.notes, *found.notes, *found.faults]
    written = [str(place) for place in places.values()]
    if as_json:
        samples = sorted({one.sample for one in content.matrices})
        print_json(
            {
                "samples": samples,
                "dose_matrices": len(content.matrices),
                "combinations": matrix_records(found.sums),
                "notes": notes,
                "written": written,
            }
        )
        return
    for note in notes:
        click.echo(f"phenodose: note: {note}", err=True)
    for line in matrix_lines(found.sums):
        click.echo(line)
    click.echo(f"wrote {', '.join(written)}")
