"""The document that describes a crate: `ro-crate-metadata.json`, RO-Crate 1.1 with Process Run Crate 0.5.

1.1 is the version that Process Run Crate 0.5 rests on. Every file of the crate but this one is an entity with its size
and SHA-256 (a term of the profile's vocabulary, which the context of 1.1 does not have).

Source: RO-Crate 1.1 (https://w3id.org/ro/crate/1.1), doi:10.5281/zenodo.4541002.

Belongs here: entities of files, columns and of the crate. Does not belong here: steps (`workflow`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from phenodose.crate.tables import DICTIONARY, RANKING, table_file
from phenodose.crate.workflow import AGENT, Entity, Workflow, one_or_all, reference
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.crate.parcel import Written
    from phenodose.crate.plates import PlateSource

NAME = "ro-crate-metadata.json"
CRATE = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
#: Terms that the context of RO-Crate 1.1 lacks.
_TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
_FORMATS = {
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".csv": "text/csv",
    ".html": "text/html",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
_NO_LICENCE = "No licence is given: ask the site where the screen was done before you use or pass on anything of it."


@dataclass(frozen=True)
class About:
    """What a crate says of itself.

    Attributes:
        screen: screen id.
        made_at: when it was written.
        publisher: name of the site; '' if it is not to be named.
        licence: name or address of the licence; '' if none is given.
        notes: sentences for the reader, such as where the plates are.
    """

    screen: str
    made_at: datetime
    publisher: str = ""
    licence: str = ""
    notes: tuple[str, ...] = ()


def document(
    about: About,
    files: Mapping[str, Written],
    names: Mapping[str, tuple[str, str]],
    tables: Mapping[str, pd.DataFrame],
    plates: list[PlateSource],
    plates_at: str | None,
) -> bytes:
    """The document of a crate.

    Args:
        about: what it says of itself.
        files: everything that was written, by path.
        names: name and description of files, by path; of others the path says it.
        tables: rows of the screen by table.
        plates: its plates; those in the crate have files below their folder.
        plates_at: the address below which plates lie that are not in the crate; None where it is not told.
    """
    folders = {plate.folder: plate for plate in plates}
    inside = [folder for folder in folders if any(name.startswith(f"{folder}/") for name in files)]
    parts = [name for name in files if not name.startswith(tuple(f"{folder}/" for folder in inside))]
    places = {plate.name: _place(plate, inside, plates_at) for plate in plates}
    made = [place for place in places.values() if place]
    results = {"plate_images": made, "patient_report": [name for name in parts if name.endswith(".html")]}
    steps = Workflow(tables, results)
    graph: list[Entity] = [
        {
            "@id": NAME,
            "@type": "CreativeWork",
            "about": reference("./"),
            "conformsTo": reference(CRATE),
        },
        _root(about, tables, [*(_id(name) for name in parts), *made], steps),
        {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        _licence(about),
        {"@id": AGENT, "@type": "Organization", "name": about.publisher or "Site of the screen (not named)"},
    ]
    graph += [_file(name, files[name], names) for name in parts]
    for plate in plates:
        if places[plate.name]:
            within = [name for name in files if name.startswith(f"{plate.folder}/")]
            graph.append(_plate(plate, places[plate.name], within, about))
            graph += [_file(name, files[name], names) for name in within]
    for table in tables:
        entity = next(each for each in graph if each["@id"] == table_file(table))
        columns = TABLES[table].columns
        entity["variableMeasured"] = one_or_all(_column(table, column.name) for column in columns)
        graph += [_column_entity(table, index) for index in range(len(columns))]
    graph += steps.entities.values()
    context = [f"{CRATE}/context", _TERMS]
    return (json.dumps({"@context": context, "@graph": graph}, indent=1, ensure_ascii=False) + "\n").encode()


def is_crate_of(content: bytes, screen: str) -> bool:
    """Whether a document is that of a crate of this screen."""
    try:
        graph = json.loads(content)["@graph"]
        return any(each.get("@id") == "./" and each.get("identifier") == screen for each in graph)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _root(about: About, tables: Mapping[str, pd.DataFrame], parts: list[str], steps: Workflow) -> Entity:
    screen = tables["screens"].iloc[0]
    samples = ", ".join(sorted(tables["wells"]["sample"].dropna().unique()))
    judged = screen["verdict_reason"]
    sentences = [
        f"Drug screen {about.screen} of {samples}: layout, results, report and the steps that made them, by phenodose.",
        *([f"Verdict: {judged}"] if isinstance(judged, str) and judged else []),
        *about.notes,
    ]
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Drug screen {about.screen}",
        "identifier": about.screen,
        "description": " ".join(sentences),
        "datePublished": about.made_at.isoformat(timespec="seconds"),
        "conformsTo": reference(PROFILE),
        "license": reference("#licence"),
        "author": reference(AGENT),
        "publisher": reference(AGENT),
        "hasPart": one_or_all(parts),
    }
    if steps.actions:
        root["mentions"] = one_or_all(steps.actions)
    return root


def _licence(about: About) -> Entity:
    is_address = about.licence.startswith(("http://", "https://"))
    entity = {
        "@id": "#licence",
        "@type": "CreativeWork",
        "name": about.licence or "no licence given",
        "description": about.licence or _NO_LICENCE,
    }
    return entity | ({"url": about.licence} if is_address else {})


def _file(name: str, written: Written, names: Mapping[str, tuple[str, str]]) -> Entity:
    short, description = names.get(name, (name.rpartition("/")[2], ""))
    entity = {
        "@id": _id(name),
        "@type": "File",
        "name": short,
        "contentSize": str(written.n_bytes),
        "sha256": written.sha256,
        "encodingFormat": next(
            (kind for ending, kind in _FORMATS.items() if name.endswith(ending)), "application/octet-stream"
        ),
    }
    return entity | ({"description": description} if description else {})


def _id(name: str) -> str:
    return quote(name, safe="/")


def _place(plate: PlateSource, inside: list[str], plates_at: str | None) -> str:
    """The identifier of a plate: its folder in the crate, or its address; '' if neither is told."""
    if plate.folder in inside:
        return f"{_id(plate.folder)}/"
    return f"{plates_at.rstrip('/')}/{_id(plate.folder.rpartition('/')[2])}/" if plates_at else ""


def _plate(plate: PlateSource, place: str, within: list[str], about: About) -> Entity:
    shape = plate.plate.shape
    entity: Entity = {
        "@id": place,
        "@type": "Dataset",
        "name": f"Plate {plate.name}",
        "description": f"Plate {plate.name} as OME-Zarr: {len(plate.plate.wells)} wells, {len(shape.sites)} site(s), "
        f"{len(shape.channels)} channel(s), {shape.n_planes} plane(s) of {shape.size_x_px} x {shape.size_y_px} px.",
        "identifier": plate.plate.raw_hash,
    }
    if within:
        return entity | {"hasPart": one_or_all(map(_id, within))}
    return entity | {"contentSize": str(plate.n_bytes), "sdDatePublished": about.made_at.date().isoformat()}


def _column(table: str, column: str) -> str:
    return f"#column/{table}.{quote(column)}"


def _column_entity(table: str, index: int) -> Entity:
    column = TABLES[table].columns[index]
    entity = {
        "@id": _column(table, column.name),
        "@type": "PropertyValue",
        "name": column.name,
        "description": column.description,
        "additionalType": column.type,
    }
    return entity | ({"unitText": column.unit} if column.unit else {})


def file_names(
    screen: str, tables: Mapping[str, pd.DataFrame], conditions: Mapping[str, str], pages: Iterable[str] = ()
) -> dict[str, tuple[str, str]]:
    """Name and description of the files that every crate has.

    Args:
        screen: screen id.
        tables: rows of the screen by table.
        conditions: names of plates by the file of their condition table.
        pages: files of the report.
    """
    known = {table_file(table): (f"Table {table}", TABLES[table].description) for table in tables}
    known |= {file: (f"Conditions of plate {plate}", _CONDITIONS) for file, plate in conditions.items()}
    return known | {
        DICTIONARY: ("Data dictionary", "Every column of every table: type, unit, meaning."),
        RANKING: ("Drugs as they rank", "One row a drug and sample, the most sensitive first."),
        "layout_mihcsme.xlsx": ("Layout as a MIHCSME workbook", "What every well holds, with the template's sheets."),
        **dict.fromkeys(pages, ("Report of a sample", "The report for people on one of the samples.")),
        f"{screen}.html": ("Report", "The report for people, one page that needs no network."),
    }


_CONDITIONS = (
    "What every well holds, columns row and col first: the form by which napari-ome-zarr-navigator, the plate browser "
    "of Fractal, filters wells."
)
