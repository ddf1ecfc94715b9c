"""The layout as a MIHCSME workbook: Minimum Information for High Content Screening Microscopy Experiments.

Three sheets of groups, keys and values, and a sheet with a row a well, as the template of MIHCSME and its
reader MIHCSME-py (Leiden) have them: the first row of a sheet is a remark, lines that begin with # are skipped, and
the heading of the key sheets is Annotation_groups. What phenodose does not know, such as the owner, the growth protocol
or the passage number, is in the sheet with an empty value, to be filled in by those who do.

MIHCSME-py takes rows A to P only, so it does not read a layout of 1536 wells.

Belongs here: which of the template's keys phenodose knows. Does not belong here: the table for plate browsers
(`conditions`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import phenodose

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.plates.plate import Plate

FILE = "layout_mihcsme.xlsx"
Groups = Mapping[str, Mapping[str, Any]]
_REMARK = "written by phenodose; what is empty is not known to it"
_WELL_COLUMNS = {
    "Treatment": "treatment",
    "Dose": "concentration_nM",
    "DoseUnit": None,
    "CellLine": "sample",
    "ReplID": "replicate",
    "WellType": "well_type",
    "AddOn": "add_on",
    "AddOnDose": "add_on_concentration_nM",
    "AddOnDoseUnit": None,
    "NamedClass": "named_class",
}
#: Units that stand where there is a dose.
_UNITS = {"DoseUnit": "concentration_nM", "AddOnDoseUnit": "add_on_concentration_nM"}


def workbook(screen: str, tables: Mapping[str, pd.DataFrame], plates: Iterable[Plate]) -> bytes:
    """The workbook of a screen.

    Args:
        screen: screen id.
        tables: rows of the screen by table; `screens` and `wells` are needed.
        plates: its plates of images, for what the images are like; may be empty.
    """
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    about = tables["screens"].iloc[0]
    _key_sheet(book, "InvestigationInformation", _investigation(screen))
    _key_sheet(book, "StudyInformation", _study(about, tables))
    _key_sheet(book, "AssayInformation", _assay(about, list(plates)))
    _well_sheet(book, tables["wells"])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _investigation(screen: str) -> Groups:
    owner = ("First Name", "Middle Name(s)", "Last Name", "User name", "Institute", "E-Mail Address")
    return {
        "DataOwner": dict.fromkeys((*owner, "ORCID investigator")),
        "DataCollaborator": {"ORCID  Data Collaborator": None},
        "InvestigationInfo": {
            "Project ID": None,
            "Investigation Title": f"Drug sensitivity of {screen}",
            "Investigation internal ID": screen,
            "Investigation description": "Image-based and metabolic drug screen of tumour spheroids.",
        },
    }


def _study(about: pd.Series[Any], tables: Mapping[str, pd.DataFrame]) -> Groups:
    samples = sorted(tables["wells"]["sample"].dropna().unique())
    judged = about["verdict_reason"] if _there(about["verdict_reason"]) else None
    return {
        "Study": {
            "Study Title": about["screen"],
            "Study internal ID": about["screen"],
            "Study Description": f"{about['n_drugs']} drugs on {about['n_plates']} plates ({about['kind']})",
            "Study Key Words": None,
        },
        "Biosample": {
            "Biosample Taxon": None,
            "Biosample description": about["entity"] if _there(about["entity"]) else None,
            "Biosample Organism": None,
            "Number of cell lines used": str(len(samples)),
        },
        "Library": {
            "Library File Name": "tables/drugs.parquet" if "drugs" in tables else None,
            "Library File Format": "Parquet" if "drugs" in tables else None,
            "Library Type": "compound",
            "Library Manufacturer": None,
            "Library Version": None,
            "Library Experimental Conditions": None,
            "Quality Control Description": judged,
        },
        "Protocols": {
            "HCS library protocol": None,
            "growth protocol": None,
            "treatment protocol": None,
            "HCS data analysis protocol": f"phenodose {phenodose.__version__}, step by step in ro-crate-metadata.json",
        },
        "Plate": dict.fromkeys(("Plate type", "Plate type Manufacturer", "Plate type Catalog number")),
    }


def _assay(about: pd.Series[Any], plates: list[Plate]) -> Groups:
    shapes = [plate.shape for plate in plates]

    def each(values: Iterable[object]) -> str | None:
        """What the plates have; all of it where they differ."""
        return "; ".join(dict.fromkeys(str(value) for value in values)) or None

    names = list(dict.fromkeys(channel.name for plate in plates for channel in plate.channels))
    channels: dict[str, Any] = {"Channel Transmission id": None}
    for number, name in enumerate(names, start=1):
        channels[f"Channel {number} visualization method"] = name
        channels |= dict.fromkeys((f"Channel {number} entity", f"Channel {number} label"))
        channels[f"Channel {number} id"] = str(number)
    return {
        "Assay": {
            "Assay Title": about["screen"],
            "Assay internal ID": about["screen"],
            "Assay Description": None,
            "Assay number of biological replicates": None,
            "Number of plates": str(about["n_plates"]),
            "Assay Technology Type": None,
            "Assay Type": "compound screen",
            "Assay External URL": None,
            "Assay data URL": None,
        },
        "AssayComponent": dict.fromkeys(("Imaging protocol", "Sample preparation protocol")),
        "Biosample": dict.fromkeys(
            ("Cell lines storage location", "Cell lines clone number", "Cell lines Passage number")
        ),
        "ImageData": {
            "Image number of pixelsX": each(shape.size_x_px for shape in shapes),
            "Image number of pixelsY": each(shape.size_y_px for shape in shapes),
            "Image number of  z-stacks": each(shape.n_planes for shape in shapes),
            "Image number of channels": each(len(shape.channels) for shape in shapes),
            "Image number of timepoints": each(shape.n_times for shape in shapes),
            "Image sites per well": each(len(shape.sites) for shape in shapes),
        },
        "ImageAcquisition": {"Microscope id": None},
        "Specimen": channels,
    }


def _key_sheet(book: Any, title: str, groups: Groups) -> None:
    lines: list[list[Any]] = [[f"# {title}, {_REMARK}"], ["Annotation_groups", "Annotation_keys", "Annotation_values"]]
    lines += [[group, key, value] for group, pairs in groups.items() for key, value in pairs.items()]
    _fill(book.create_sheet(title), lines, (26, 38, 60))


def _well_sheet(book: Any, wells: pd.DataFrame) -> None:
    from phenodose.crate.conditions import in_order

    rows = in_order(wells)
    kept = {
        name: column
        for name, column in _WELL_COLUMNS.items()
        if name in ("Treatment", "Dose", "DoseUnit", "CellLine", "ReplID") or rows[column or _UNITS[name]].notna().any()
    }
    lines: list[list[Any]] = [[f"# AssayConditions, a row a well, {_REMARK}"], ["Plate", "Well", *kept]]
    for row in rows.to_dict("records"):
        cells = [
            row[column] if column else ("nM" if _there(row[_UNITS[name]]) else None) for name, column in kept.items()
        ]
        lines.append([row["plate"], row["well"], *(cell if _there(cell) else None for cell in cells)])
    _fill(book.create_sheet("AssayConditions"), lines, (14, 8, *[18] * len(kept)))


def _there(cell: Any) -> bool:
    import pandas as pd

    return cell is not None and not pd.isna(cell)


def _fill(sheet: Any, lines: list[list[Any]], widths: Iterable[int]) -> None:
    """Write rows of cells; texts are texts, also where they begin like a formula, and headings are bold."""
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter

    for number, line in enumerate(lines, start=1):
        for column, value in enumerate(line, start=1):
            if value is None:
                continue
            cell = sheet.cell(row=number, column=column)
            cell.value = value.item() if hasattr(value, "item") else value
            if isinstance(value, str):
                cell.data_type = "s"
            if number == 2:
                cell.font = Font(bold=True)
    for column, width in enumerate(widths, start=1):
        sheet.column_dimensions[get_column_letter(column)].width = width
