"""Cells of an xlsx workbook that look empty to a reader and are not: errors, and formulas without a stored result.

A program that writes formulas without computing them (scripts do) stores no result, so that the cell reads as empty;
`#REF!` reads as empty too. In a table of results that is a missing value; in a layout it would be a drug without its
add-on. `#N/A` is what people write for a missing value, and stays one.

Does not belong here: reading cells (`workbook`) and what is missing where (`phenodose.screens`).
"""

from __future__ import annotations

import html
import io
import re
import zipfile
import zlib

_SHEET = re.compile(r"<(?:\w+:)?sheet\b[^>]*>")
_RELATION = re.compile(r"<(?:\w+:)?Relationship\b[^>]*>")
_ATTRIBUTE = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_CELL = re.compile(r"<(?:\w+:)?c\b([^>]*[^/])>(.*?)</(?:\w+:)?c>", re.DOTALL)
_FORMULA = re.compile(r"<(?:\w+:)?f\b")
_VALUE = re.compile(r"<(?:\w+:)?v\b[^>]*>([^<]+)<")
_PLACE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})\Z")

NO_RESULT = "a formula without a stored result"


def broken_cells(content: bytes) -> dict[str, dict[tuple[int, int], str]]:
    """What such cells hold, by name of the sheet and by row and column from 0.

    Empty for workbooks of other formats, and where the archive is not laid out as spreadsheet programs do.
    """
    if not content.startswith(b"PK"):
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return {title: found for title, file in _files(archive) if (found := _broken(_text(archive, file)))}
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, EOFError, OSError, zlib.error):
        return {}


def _files(archive: zipfile.ZipFile) -> list[tuple[str, str]]:
    """Name of every sheet and its part of the archive."""
    relations = [_attributes(one) for one in _RELATION.findall(_text(archive, "xl/_rels/workbook.xml.rels"))]
    target = {one.get("Id", ""): one.get("Target", "") for one in relations}
    sheets = [_attributes(one) for one in _SHEET.findall(_text(archive, "xl/workbook.xml"))]
    there = set(archive.namelist())
    found = []
    for sheet in sheets:
        part = target.get(next((value for name, value in sheet.items() if name.endswith(":id")), ""), "")
        part = part.lstrip("/") if part.startswith("/") else f"xl/{part}"
        if part in there:
            found.append((sheet.get("name", ""), part))
    return found


def _broken(text: str) -> dict[tuple[int, int], str]:
    found: dict[tuple[int, int], str] = {}
    if 't="e"' not in text and "t='e'" not in text and not _FORMULA.search(text):
        return found
    for head, inside in _CELL.findall(text):
        attributes = _attributes(head)
        place = _PLACE.match(attributes.get("r", ""))
        value = _VALUE.search(inside)
        kind = attributes.get("t", "")
        if place is None:
            continue
        if kind == "e":
            held = value.group(1) if value else "an error"
        elif kind != "str" and value is None and _FORMULA.search(inside):
            held = NO_RESULT
        else:
            continue
        column = 0
        for letter in place.group(1):
            column = 26 * column + ord(letter) - 64
        if held != "#N/A":
            found[int(place.group(2)) - 1, column - 1] = held
    return found


def _attributes(text: str) -> dict[str, str]:
    return {name: html.unescape(one or other) for name, one, other in _ATTRIBUTE.findall(text)}


def _text(archive: zipfile.ZipFile, part: str) -> str:
    return archive.read(part).decode("utf-8", "replace")
