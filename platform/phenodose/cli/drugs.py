"""`phenodose drugs`: what the drug library knows, and whether it knows the drugs of a layout.

Does not belong here: the library (`phenodose.drug_library`) and its use in a run (`phenodose.pipeline.drugs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from phenodose.cli.output import json_option, open_store, print_json, store_option
from phenodose.errors import Faults, InputError

if TYPE_CHECKING:
    from phenodose.drug_library.library import DrugLibrary, LibraryDrug

_CHECK = "C max are values of the literature; your pharmacist checks them before anybody decides by them."


@click.command("drugs")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--layout",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Look up the drugs of a layout: as what each is taken, and which are not known.",
)
@click.option("--sheet", metavar="NAME", help="With --layout: sheet of a workbook that holds several layouts.")
@store_option
@json_option
def command(names: tuple[str, ...], layout: Path | None, sheet: str | None, store: str | None, as_json: bool) -> None:
    """Tell what the drug library knows of drugs NAME; without any, list all.

    Names may be codes, brands or salts, in any case, with or without hyphens and blanks. The store's drug_library.csv
    lies over the library that ships, see docs/drugs.md.

    \b
    Example: phenodose drugs AZD1775 "imatinib mesylate"
             phenodose drugs --layout inbox/BT-40_V1_DS1/layout.xlsx
    """
    from phenodose.screens.drug_files import library_of

    if names and layout is not None:
        raise InputError(f"drugs {' '.join(names)} --layout {layout}: name drugs, or a layout.")
    if sheet is not None and layout is None:
        raise InputError(f"--sheet {sheet}: says which sheet of a layout counts; name the layout with --layout.")
    library = library_of(open_store(store))
    if layout is not None:
        _of_layout(library, layout, sheet, as_json)
        return
    for note in library.notes if not as_json else ():
        click.echo(f"phenodose: note: {note}", err=True)
    if names:
        _named(library, names, as_json)
    else:
        _all(library, as_json)


def _all(library: DrugLibrary, as_json: bool) -> None:
    drugs = sorted(library.drugs, key=lambda drug: drug.name.casefold())
    if as_json:
        print_json([_record(drug) for drug in drugs])
        return
    _print_table([(drug.name, drug.drug_class, _amount(drug), _origin(drug)) for drug in drugs])
    known = sum(drug.c_max_nM is not None for drug in drugs)
    click.echo(f"{len(drugs)} drugs, {known} with C max. {_CHECK}")


def _named(library: DrugLibrary, names: Sequence[str], as_json: bool) -> None:
    faults, found = Faults("the drug library"), []
    for name in names:
        if not name.strip():
            faults.add("a name is empty; name a drug, or leave the name out to list all.")
            continue
        match = library.find(name)
        if match.drug is None:
            near = library.alike(name)
            why = match.doubt or f"{name} is not in it{f'; is it {near}?' if near else ''}"
            faults.add(f"{why.rstrip('.?')}{'?' if why.endswith('?') else '.'}")
        else:
            found.append((name, match.by, match.drug))
    faults.raise_if_any()
    if as_json:
        print_json([{"asked": name, "matched_by": by, **_record(drug)} for name, by, drug in found])
        return
    for name, by, drug in found:
        click.echo(drug.name if by == "exact" else f"{drug.name} (asked for as {name})")
        rows = (
            ("also called", "; ".join(drug.synonyms)),
            ("class", drug.drug_class),
            ("targets", ", ".join(drug.targets)),
            ("C max", " = ".join(text for text in (_amount(drug), _mass(drug)) if text) or "not known"),
            ("unbound in plasma", "" if drug.fraction_unbound is None else f"{100 * drug.fraction_unbound:g} %"),
            ("at", drug.c_max_dose),
            ("source", drug.c_max_source),
            ("of the site's table", ", ".join(sorted(drug.of_site))),
        )
        for title, text in rows:
            if text:
                click.echo(f"  {title}: {text}")
    click.echo(_CHECK)


def _of_layout(library: DrugLibrary, layout: Path, sheet: str | None, as_json: bool) -> None:
    from phenodose.pipeline.drugs import known_drugs
    from phenodose.screens.layout import read_layout

    found = known_drugs(read_layout(layout, sheet, needs_positive=False).drugs, library)
    if as_json:
        print_json({"drugs": found.rows, "notes": found.notes})
        return
    for note in found.notes:
        click.echo(f"phenodose: note: {note}", err=True)
    rows = [
        (row["drug"], row["library_name"] or "", row["matched_by"], _in_nanomolar(row["c_max_nM"]))
        for row in found.rows
    ]
    _print_table([("drug", "in the library", "matched by", "C max"), *rows])
    n_found = sum(row["library_name"] is not None for row in found.rows)
    n_known = sum(row["c_max_nM"] is not None for row in found.rows)
    click.echo(f"{n_found} of {len(found.rows)} drugs are in the library, {n_known} with C max. {_CHECK}")


def _record(drug: LibraryDrug) -> dict[str, Any]:
    return {
        "drug": drug.name,
        "synonyms": list(drug.synonyms),
        "class": drug.drug_class or None,
        "targets": list(drug.targets),
        "molecular_weight_g_per_mol": drug.molecular_weight_g_per_mol,
        "c_max_ng_per_mL": drug.c_max_ng_per_mL,
        "c_max_nM": drug.c_max_nM,
        "fraction_unbound": drug.fraction_unbound,
        "c_max_dose": drug.c_max_dose or None,
        "c_max_source": drug.c_max_source or None,
        "of_site": sorted(drug.of_site),
    }


def _amount(drug: LibraryDrug) -> str:
    return _in_nanomolar(drug.c_max_nM)


def _in_nanomolar(c_max: float | None) -> str:
    return "" if c_max is None else f"{float(f'{c_max:.4g}'):.10g} nM"


def _mass(drug: LibraryDrug) -> str:
    return "" if drug.c_max_ng_per_mL is None else f"{drug.c_max_ng_per_mL:.10g} ng/mL"


def _origin(drug: LibraryDrug) -> str:
    return drug.c_max_source if drug.c_max_nM is not None else ""


def _print_table(rows: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))] if rows else []
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
