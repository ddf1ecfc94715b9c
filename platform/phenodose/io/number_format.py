"""How the numbers of one file are written: decimal point or comma, and what stands between thousands.

Belongs here: inferring that once from all numbers of a file, and reading them by it. Does not belong here: where the
numbers stand (`phenodose.screens`).

One cell says little: `39.123` is 39 thousand in a German file and 39 elsewhere. All cells of a file say more:

- `12.5`, `0.123` and `1.5e3` can only have a decimal point, `12,5` a decimal comma, `1.234.567` and `1.234,5` points
  between thousands, and what one cell says holds for the whole file. Cells that contradict each other are refused
  where a third depends on it.
- A writer that cuts zeros off never writes `8.670`, and one that keeps three decimals never writes `784`. Both in one
  file are thousands, if there are enough of them; they are read as such with a note. Too few are refused.
- Where nothing tells, a point is decimal (all numbers of the file have one then, or none ends with a zero), and
  `1,234` is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from phenodose.io.spreadsheet import NUMBER, Cell

#: So many numbers such as '8.670' and '39.123' make a habit; from fewer nothing is inferred.
ENOUGH = 10

_SIGN = r"[+-]?"
_BLANKS = " '’\u00a0\u202f"
_ONE_GROUP = re.compile(_SIGN + r"[1-9]\d{0,2}([.,])\d{3}\Z")
_GROUPS = re.compile(_SIGN + r"[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})+(?:(?!\1)([.,])\d*)?\Z")
_GROUP_AND_FRACTION = re.compile(_SIGN + r"[1-9]\d{0,2}([.,])\d{3}(?!\1)([.,])\d*\Z")
_BLANK_GROUPS = re.compile(_SIGN + rf"[1-9]\d{{0,2}}(?:[{_BLANKS}]\d{{3}})+(?:([.,])\d*)?\Z")
_DECIMAL = re.compile(_SIGN + r"(?:\d+([.,])\d*|([.,])\d+)(?:[eE][+-]?\d+)?\Z")
_WHOLE = re.compile(_SIGN + r"\d+\Z")


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a file are written.

    Attributes:
        decimal: '.' or ','; '' where every cell tells by itself.
        thousands: what stands between thousands: '.', ',' or '' for nothing (blanks and apostrophes are always read).
        note: a sentence without place if this is not the plain way, with an example; else ''.
    """

    decimal: str = ""
    thousands: str = ""
    note: str = ""

    def number(self, cell: Cell) -> float | None:
        """The number a cell holds; None if it is empty.

        Raises:
            ValueError: the cell holds something else, or a number that may be a thousand or a decimal.
        """
        if cell is None:
            return None
        if isinstance(cell, str):
            cell = float(self._plain(cell))
        if not math.isfinite(cell):
            raise ValueError(cell)
        return cell

    def _plain(self, text: str) -> str:
        """The number as Python writes it."""
        plain = text
        if _BLANK_GROUPS.match(plain):
            plain = re.sub(f"[{_BLANKS}]", "", plain)
        grouped = _ONE_GROUP.match(plain) or _GROUPS.match(plain) or _GROUP_AND_FRACTION.match(plain)
        if self.thousands and grouped and grouped.group(1) == self.thousands:
            plain = plain.replace(self.thousands, "")
        elif not self.decimal and (one := _ONE_GROUP.match(plain)) and one.group(1) == ",":
            raise ValueError(text)
        if plain.count(",") == 1 and "." not in plain and self.decimal != ".":
            plain = plain.replace(",", ".")
        if not NUMBER.match(plain):
            raise ValueError(text)
        return plain


class AmbiguousNumbersError(ValueError):
    """The numbers of a file may be read in two ways; the message is a sentence without place."""


@dataclass
class _Evidence:
    """What the cells of one column or plate say.

    Attributes:
        decimal: sign that can only be decimal -> an example.
        thousands: sign that can only stand between thousands -> an example.
        open: sign that may be either -> all such cells.
        whole: numbers without any sign.
        values: all numbers, signs taken as decimal.
        has_fixed: whether a number keeps three decimals that can only be decimals ('0.100').
    """

    decimal: dict[str, str] = field(default_factory=dict)
    thousands: dict[str, str] = field(default_factory=dict)
    open: dict[str, list[str]] = field(default_factory=dict)
    whole: list[float] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    has_fixed: bool = False


def number_format(readings: Iterable[Cell], doses: Iterable[Cell] = ()) -> NumberFormat:
    """How the numbers of a file are written.

    Args:
        readings: all measured values of the file.
        doses: all concentrations of the file. These are few, chosen and often rounded (1, 3.162, 10), so that their
            look proves nothing by numbers: doubtful ones are refused.

    Raises:
        AmbiguousNumbersError: the cells contradict each other, or may be thousands as well as decimals.
    """
    columns = [_evidence(readings), _evidence(doses)]
    decimal = {sign: text for column in columns for sign, text in column.decimal.items()}
    thousands = {sign: text for column in columns for sign, text in column.thousands.items()}
    open_signs = {sign for column in columns for sign in column.open}
    for sign, text in thousands.items():
        other = decimal.get(sign) or thousands.get("," if sign == "." else ".")
        if other:
            raise AmbiguousNumbersError(
                f"{text!r} has {_named(sign)} between thousands and {other!r} has not; write all numbers in one way."
            )
    if "." in decimal or not columns[0].open:
        _refuse_mangled(columns[0])
    if not open_signs:
        return NumberFormat("", "".join(thousands), _note_of(next(iter(thousands.items()), None)))
    said = _said(decimal, thousands, open_signs, columns)
    if said is not None:
        if _is_habit(columns[0], said) and not columns[0].has_fixed:
            raise _doubtful(columns[0], said)
        if said == "." and not thousands:
            _refuse_uneven_doses(columns[1])
            # Commas left open are thousands then.
            comma = columns[0].open.get(",") or columns[1].open.get(",")
            return NumberFormat(".", ",", _note_of((",", comma[0]))) if comma else NumberFormat(".")
        other = "," if said == "." else "."
        example = next((column.open[other][0] for column in columns if other in column.open), None)
        note = _note_of((other, example) if example else next(iter(thousands.items()), None))
        if not note and said == ",":
            shown = next(column.open[said][0] for column in columns if said in column.open)
            note = f"numbers are written with a decimal comma: {shown} is read as {shown.replace(',', '.')}."
        return NumberFormat(said, other, note)
    return _inferred(columns)


def _said(
    decimal: dict[str, str], thousands: dict[str, str], open_signs: set[str], columns: Sequence[_Evidence]
) -> str | None:
    """The decimal sign that cells without doubt tell; None if they tell nothing."""
    signs = set(decimal) | {"," if sign == "." else "." for sign in thousands}
    if len(signs) == 2:
        doubtful = next(column.open[sign][0] for column in columns for sign in open_signs if sign in column.open)
        raise AmbiguousNumbersError(
            f"{decimal.get('.', thousands.get(','))!r} has a decimal point and "
            f"{decimal.get(',', thousands.get('.'))!r} a decimal comma, so that {doubtful!r} may be a thousand or not; "
            "write all numbers in one way."
        )
    return next(iter(signs), None)


def _inferred(columns: Sequence[_Evidence]) -> NumberFormat:
    """The format where every sign may be either, from how the numbers look together."""
    readings, doses = columns
    _refuse_uneven_doses(doses)
    if {*readings.open, *doses.open} == {".", ","}:
        first = {sign: (readings.open.get(sign) or doses.open[sign])[0] for sign in ".,"}
        raise AmbiguousNumbersError(
            f"{first['.']!r} and {first[',']!r} cannot both be read: one of the signs stands between thousands; write "
            "the numbers without it."
        )
    for sign, texts in readings.open.items():
        if _is_habit(readings, sign):
            return NumberFormat("," if sign == "." else ".", sign, _note_of((sign, texts[0])))
        whole = sum(bool(value) for value in readings.whole)
        if sign == "." and whole and (len(texts) >= ENOUGH // 2 or whole > len(texts)):
            raise _doubtful(readings, sign)
    return NumberFormat()


def _is_habit(readings: _Evidence, sign: str) -> bool:
    """Whether a sign stands between thousands by habit: kept zeros ('8.670') beside whole numbers below a thousand."""
    texts = readings.open.get(sign, [])
    whole = [abs(value) for value in readings.whole if value]
    kept_zeros = any(text.endswith("0") for text in texts)
    return len(texts) >= ENOUGH and kept_zeros and bool(whole) and max(whole) < 1000


def _doubtful(readings: _Evidence, sign: str) -> AmbiguousNumbersError:
    text, whole = readings.open[sign][0], next(value for value in readings.whole if value)
    return AmbiguousNumbersError(
        f"{text!r} beside {whole:g} may be {text.replace(sign, '')} or {text.replace(sign, '.')}: {_named(sign)} "
        "between thousands or a decimal sign; write the numbers without signs between thousands."
    )


def _refuse_uneven_doses(doses: _Evidence) -> None:
    """Refuse '1.000' beside 1: nobody writes one dose in two ways, so that it is a thousand, or a slip."""
    for text in doses.open.get(".", []):
        if text.endswith("0") and any(doses.whole) and not doses.has_fixed:
            raise AmbiguousNumbersError(
                f"the concentration {text!r} may be {text.replace('.', '')} or {float(text):g}, as others are written "
                "without decimals; write the numbers without signs between thousands."
            )


def _refuse_mangled(readings: _Evidence) -> None:
    """Refuse thousands that a spreadsheet program took for decimals: 39.123 and 8.67 beside 784.

    Of numbers that were measured with three decimals one in a thousand is whole.
    """
    sizes = [abs(value) for value in readings.values if value]
    if not sizes or min(sizes) < 1 or max(sizes) >= 1000:
        return
    scaled = [round(1000 * size, 6) for size in sizes]
    if any(value != round(value) for value in scaled):
        return
    three = [value for value in scaled if value % 10]
    whole = {value for value in scaled if not value % 1000}
    if len(three) >= 2 * ENOUGH and len(whole) >= 3 and 50 * sum(v in whole for v in scaled) >= len(scaled):
        raise AmbiguousNumbersError(
            f"numbers such as {min(three) / 1000:g} beside {min(whole) / 1000:g} look like thousands whose point was "
            "taken for a decimal point; export the file again, without signs between thousands."
        )


def _evidence(cells: Iterable[Cell]) -> _Evidence:
    found = _Evidence()
    for cell in cells:
        if isinstance(cell, float):
            if math.isfinite(cell):
                found.values.append(cell)
                if cell.is_integer():
                    found.whole.append(cell)
        elif cell is not None:
            _add(found, cell)
    return found


def _add(found: _Evidence, text: str) -> None:
    if one := _ONE_GROUP.match(text):
        found.open.setdefault(one.group(1), []).append(text)
        found.values.append(float(text.replace(",", ".")))
        return
    if many := (_GROUPS.match(text) or _GROUP_AND_FRACTION.match(text)):
        found.thousands.setdefault(many.group(1), text)
        if many.group(2) and many.group(2) != many.group(1):
            found.decimal.setdefault(many.group(2), text)
    elif blank := _BLANK_GROUPS.match(text):
        if blank.group(1):
            found.decimal.setdefault(blank.group(1), text)
    elif _WHOLE.match(text):
        value = float(text)
        if math.isfinite(value):
            found.whole.append(value)
            found.values.append(value)
    elif plain := _DECIMAL.match(text):
        found.decimal.setdefault(plain.group(1) or plain.group(2), text)
        found.has_fixed |= text[-4:-3] == "."
        value = float(text.replace(",", "."))
        if math.isfinite(value):
            found.values.append(value)


def _note_of(example: tuple[str, str] | None) -> str:
    if example is None:
        return ""
    sign, text = example
    return f"numbers are written with {_named(sign)} between thousands: {text} is read as {text.replace(sign, '')}."


def _named(sign: str) -> str:
    return "a point" if sign == "." else "a comma"
