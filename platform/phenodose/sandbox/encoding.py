"""Values as bytes that can be read from anybody: reading them makes plain values, arrays and tables, and runs no code.

A document of JSON says what there is, the numbers of arrays follow it as they lie in memory. What is no value of the
kind (an object of a plugin's own class) crosses as its class's name; the reader finds an `Opaque` in its place.

Belongs here: writing and reading values. Does not belong here: what values are meant (`phenodose.plugins.results`).
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from phenodose.io.places import is_remote, place

_LENGTH = struct.Struct("<Q")
#: Kinds of arrays whose numbers mean something by themselves: no objects, no records.
_KINDS = "biufcmMSU"


class Carried(NamedTuple):
    """A class whose instances cross by what they hold.

    Attributes:
        cls: the class; what crosses is its name.
        held: the value to write for an instance.
        made: an instance of that value; raises for one that does not fit.
    """

    cls: type[Any]
    held: Callable[[Any], Any]
    made: Callable[[Any], Any]


@dataclass(frozen=True)
class Opaque:
    """Stands for an object that cannot cross; `type_name` is the name of its class."""

    type_name: str


class Decoded(NamedTuple):
    """A value that was read, and the class's name of something in it that could not cross; '' if nothing was."""

    value: Any
    opaque: str


def encode(value: Any, carried: Sequence[Carried] = (), strict: bool = False) -> bytes:
    """Write a value.

    Args:
        value: None, numbers, texts, paths, lists and tuples (read as lists), dicts, NumPy's arrays and pandas' tables;
            anything else crosses as the name of its class.
        carried: further classes.
        strict: whether something that can only cross as a name is an error.

    Raises:
        TypeError: the value, or something in it, is of another class, with `strict`.
    """
    writer = _Writer({one.cls: one for one in carried}, strict)
    document = json.dumps(writer.plain(value)).encode()
    return b"".join([_LENGTH.pack(len(document)), document, *writer.buffers])


def decode(content: bytes, carried: Sequence[Carried] = ()) -> Decoded:
    """Read what `encode` wrote with the same classes.

    Raises:
        ValueError: it is nothing of the kind.
    """
    try:
        (length,) = _LENGTH.unpack_from(content)
        start = _LENGTH.size + length
        reader = _Reader({one.cls.__name__: one for one in carried}, memoryview(content)[start:])
        value = reader.value(json.loads(content[_LENGTH.size : start]))
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Decoded(value, reader.opaque)


class _Writer:
    """Turns values into what JSON holds; everything but JSON's own scalars is an object of one key, its kind."""

    def __init__(self, carried: dict[type[Any], Carried], strict: bool) -> None:
        self._carried = carried
        self._strict = strict
        self.buffers: list[memoryview] = []

    def plain(self, value: Any) -> Any:
        if isinstance(value, np.generic):
            value = value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if isinstance(value, (list, tuple)):
            return self._all(value)
        if isinstance(value, dict):
            return {"dict": [self._all(value.keys()), self._all(value.values())]}
        if isinstance(value, Path) or is_remote(value):
            return {"path": str(value)}
        if isinstance(value, np.ndarray):
            return self._array(value)
        pandas = sys.modules.get("pandas")
        if pandas is not None and isinstance(value, pandas.DataFrame):
            return self._table(value)
        known = self._carried.get(type(value))
        if known is not None:
            return {"carried": [known.cls.__name__, self.plain(known.held(value))]}
        return self._opaque(type(value).__name__)

    def _opaque(self, name: str) -> Any:
        if self._strict:
            raise TypeError(f"cannot be handed on: {name}")
        return {"opaque": name}

    def _all(self, values: Any) -> list[Any]:
        return [self.plain(value) for value in values]

    def _array(self, array: np.ndarray) -> Any:
        if array.dtype.kind == "O":
            return {"objects": [list(array.shape), self._all(array.ravel())]}
        if array.dtype.kind not in _KINDS:
            return self._opaque(f"array of {array.dtype}")
        content = np.ascontiguousarray(array).reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8)
        self.buffers.append(content.data)
        return {"array": [array.dtype.str, list(array.shape), content.size]}

    def _table(self, table: Any) -> Any:
        import pandas as pd

        index = None if table.index.equals(pd.RangeIndex(len(table))) else self.plain(table.index.to_numpy())
        columns = [self._column(table.iloc[:, number]) for number in range(table.shape[1])]
        return {"table": [self._all(table.columns), columns, index, len(table)]}

    def _column(self, column: Any) -> Any:
        if isinstance(column.dtype, np.dtype):
            return self.plain(column.to_numpy())
        if type(column.array) in self._carried:
            return self.plain(column.array)
        if str(column.dtype) == "category":
            kinds = column.array
            return {"category": [self.plain(kinds.codes), self.plain(kinds.categories.to_numpy()), kinds.ordered]}
        # pandas' own kinds of columns: texts, nullable numbers.
        values = column.astype(object).where(column.notna(), None).tolist()
        if not all(value is None or isinstance(value, (bool, int, float, str)) for value in values):
            return self._opaque(f"column of {column.dtype}")
        return {"column": [str(column.dtype), values]}


class _Reader:
    """Turns what `_Writer` made into values."""

    def __init__(self, carried: dict[str, Carried], buffers: memoryview) -> None:
        self._carried = carried
        self._buffers = buffers
        self.opaque = ""

    def value(self, plain: Any) -> Any:
        if not isinstance(plain, dict):
            return self._all(plain) if isinstance(plain, list) else plain
        ((kind, held),) = plain.items()
        return getattr(self, f"_{kind}_of")(held)

    def _all(self, held: Any) -> list[Any]:
        return [self.value(one) for one in held]

    def _dict_of(self, held: Any) -> dict[Any, Any]:
        return dict(zip(self._all(held[0]), self._all(held[1]), strict=True))

    def _path_of(self, held: Any) -> Path:
        return place(str(held))

    def _array_of(self, held: Any) -> np.ndarray:
        dtype, shape, length = held
        kind = np.dtype(str(dtype))
        if kind.kind not in _KINDS:
            raise ValueError(f"an array of {dtype}")
        taken, self._buffers = self._buffers[:length], self._buffers[length:]
        return np.frombuffer(taken, kind).reshape(shape).copy()

    def _objects_of(self, held: Any) -> np.ndarray:
        shape, values = held
        array = np.empty(len(values), dtype=object)
        array[:] = self._all(values)
        return array.reshape(shape)

    def _table_of(self, held: Any) -> Any:
        import pandas as pd

        names, columns, index, length = held
        labels = pd.RangeIndex(length) if index is None else pd.Index(self.value(index))
        table = pd.DataFrame({number: pd.Series(self.value(one), labels) for number, one in enumerate(columns)}, labels)
        table.columns = pd.Index(self._all(names))
        return table

    def _column_of(self, held: Any) -> Any:
        import pandas as pd

        name, values = held
        dtype: Any = str(name)
        return pd.array(self._all(values), dtype=dtype)

    def _category_of(self, held: Any) -> Any:
        import pandas as pd

        codes, categories, ordered = held
        return pd.Categorical.from_codes(self.value(codes), pd.Index(self.value(categories)), bool(ordered))

    def _carried_of(self, held: Any) -> Any:
        name, value = held
        return self._carried[name].made(self.value(value))

    def _opaque_of(self, held: Any) -> Opaque:
        self.opaque = str(held)
        # Of a class of that name, so that what is said of a wrong result names it.
        made: Opaque = type(self.opaque, (Opaque,), {})(self.opaque)
        return made
