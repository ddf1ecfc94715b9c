"""What a table is: its columns, the key of its rows, and how rows are checked against both.

Belongs here: the forms that a declaration takes in Parquet and DuckDB, and what is wrong with rows. Does not belong
here: which tables there are (`phenodose.tables`), reading and writing (`phenodose.store.store`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from phenodose.errors import Faults, TableError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

ColumnType = Literal["text", "integer", "number", "boolean", "timestamp"]

_DUCKDB_TYPES: dict[str, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
}


@dataclass(frozen=True)
class Column:
    """One column: its name (unit as suffix), type, unit, meaning, and whether it may be empty."""

    name: str
    type: ColumnType
    description: str
    unit: str = ""
    required: bool = True


@dataclass(frozen=True)
class Table:
    """One table: what a row is, its columns, and the key that is unique within a screen."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns in their declared order."""
        return [column.name for column in self.columns]

    @cache  # noqa: B019  (declarations stay)
    def arrow_schema(self) -> pa.Schema:
        """The Parquet schema; descriptions and units travel as field metadata."""
        import pyarrow as pa

        types = {
            "text": pa.string(),
            "integer": pa.int64(),
            "number": pa.float64(),
            "boolean": pa.bool_(),
            "timestamp": pa.timestamp("us", tz="UTC"),
        }
        return pa.schema(
            [
                pa.field(c.name, types[c.type], metadata={"description": c.description, "unit": c.unit})
                for c in self.columns
            ],
            metadata={"phenodose.table": self.name},
        )

    def duckdb_ddl(self) -> str:
        """The CREATE TABLE statement, comments included."""
        lines = [f'  "{c.name}" {_DUCKDB_TYPES[c.type]}{" NOT NULL" if c.required else ""}' for c in self.columns]
        body = ",\n".join(lines)
        return f'CREATE TABLE "{self.name}" (\n{body}\n)'

    def faults(self, frame: pd.DataFrame) -> list[str]:
        """Everything in which `frame` departs from the declaration, a sentence each; empty if it fits."""
        found: list[str] = []
        missing = [name for name in self.column_names if name not in frame.columns]
        surplus = [str(name) for name in frame.columns if name not in self.column_names]
        if missing:
            found.append(f"columns missing: {', '.join(missing)}.")
        if surplus:
            found.append(f"columns not declared: {', '.join(surplus)}.")
        if missing:
            return found
        for column in self.columns:
            empty = int(frame[column.name].isna().sum())
            if column.required and empty:
                found.append(f"column {column.name}: {empty} of {len(frame)} values are empty, none may be.")
        if not found and len(frame):
            double = frame.duplicated(list(self.key), keep=False)
            if bool(double.any()):
                example = frame.loc[double, list(self.key)].iloc[0].to_dict()
                found.append(f"key ({', '.join(self.key)}) is not unique: {int(double.sum())} rows, such as {example}.")
        return found

    def conform(self, frame: pd.DataFrame) -> pa.Table:
        """The rows of `frame` in declared order and types.

        Raises:
            TableError: columns are missing, undeclared, of another type, empty though required, or the
                key is not unique; all faults in one message.
        """
        import pyarrow as pa

        faults = Faults(f"table {self.name}")
        faults.extend(self.faults(frame))
        faults.raise_if_any(TableError)
        arrays = []
        for field in self.arrow_schema():
            try:
                arrays.append(pa.Array.from_pandas(frame[field.name], type=field.type))
            except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
                faults.add(f"column {field.name} cannot become {field.type}: {error}.")
        faults.raise_if_any(TableError)
        return pa.Table.from_arrays(arrays, schema=self.arrow_schema())

    def empty(self) -> pd.DataFrame:
        """A frame with the declared columns and no row."""
        return self._empty().copy(deep=False)  # whoever writes into it writes into a copy

    @cache  # noqa: B019  (declarations stay)
    def _empty(self) -> pd.DataFrame:
        return of_arrow(self.arrow_schema().empty_table())

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
        """A frame of `rows` with every declared column; what a row leaves out is empty."""
        import pandas as pd

        if not rows:
            return self.empty()
        return pd.DataFrame({name: [row.get(name) for row in rows] for name in self.column_names})


def of_arrow(rows: pa.Table, use_threads: bool = True) -> pd.DataFrame:
    """Rows as a frame whose texts are Python's objects.

    pandas would keep them as Arrow's, and to compare or take a few hundred of those costs many times as much.
    """
    frame: pd.DataFrame = rows.to_pandas(use_threads=use_threads, types_mapper=_types().get)
    return frame


@cache
def _types() -> dict[pa.DataType, Any]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    return {pa.string(): pd.StringDtype("python", na_value=np.nan)}
