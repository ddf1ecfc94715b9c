"""What the cohort says of every screen beside its rows: the columns of `screens` that rest on all of its tables.

Belongs here: which screens are judged again, and the rows that a judge is given. Does not belong here: judging
(`phenodose.pipeline.verdict`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from phenodose.cohort.fill import in_parts
from phenodose.cohort.view import identifier, literals
from phenodose.errors import PhenodoseError
from phenodose.tables import TABLES

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import pandas as pd
    import pyarrow as pa

#: Columns of `screens` that only the cohort has, as they rest on all tables of a screen and on its raw folder.
JUDGED = ("stale", "verdict", "verdict_reason", "ranked_by", "n_hits")


class Judge(Protocol):
    """Tells what a screen's rows do not (`phenodose.pipeline.verdict.ScreenJudge`).

    Attributes:
        reads: columns that it needs, by table.
    """

    reads: Mapping[str, Sequence[str]]

    def state(self, screen: str) -> tuple[str, str]:
        """What a screen's own inputs look like from outside, and those of all screens; '' where that cannot be seen.

        As long as they and its rows are the same, so is `judge`.
        """

    def judge(self, screen: str, tables: Mapping[str, pd.DataFrame] | None = None) -> Mapping[str, str | int | None]:
        """Cells of the columns of `screens` in `JUDGED`.

        Args:
            screen: its id.
            tables: its rows of the tables in `reads`; None to read them from the store.
        """


def note_verdicts(con: duckdb.DuckDBPyConnection, judge: Judge, changed: set[str]) -> None:
    """Say of every screen what is to be made of it; a screen of which nothing has changed says what it said."""
    known = {screen: rest for screen, *rest in con.execute("SELECT * FROM build.inputs").fetchall()}
    faulty = {screen for (screen,) in con.execute("SELECT DISTINCT screen FROM build.faults").fetchall()}
    there = [screen for (screen,) in con.execute("SELECT screen FROM screens ORDER BY screen").fetchall()]
    states = {screen: judge.state(screen) for screen in there}
    again = [
        screen
        for screen in there
        if screen in changed or screen not in known or not says_nothing_new(states[screen], str(known[screen][0]))
    ]
    gone = sorted(known.keys() - states.keys())
    if gone or again:
        con.execute(f"DELETE FROM build.inputs WHERE screen IN ({literals([*gone, *again])})")
    for some in in_parts(again):
        tables = {name: _by_screen(con, name, columns, some) for name, columns in judge.reads.items()}
        rows = []
        for screen in some:
            # Where a file was left out, the files themselves tell what is wrong.
            own = None if screen in faulty else {name: of.get(screen, of[""]) for name, of in tables.items()}
            rows.append((screen, "\n".join(states[screen]), *_judged(judge, screen, own)))
        con.executemany(f"INSERT INTO build.inputs VALUES (?, ?, {', '.join('?' * len(JUDGED))})", rows)
    # Rows of screens that were read again have lost what was said of them.
    told_anew = sorted({*again, *(changed & states.keys())})
    if told_anew:
        cells = ", ".join(f"{column} = i.{column}" for column in JUDGED)
        con.execute(
            f"UPDATE screens SET {cells} FROM build.inputs i "
            f"WHERE i.screen = screens.screen AND screens.screen IN ({literals(told_anew)})"
        )


def says_nothing_new(state: tuple[str, str], before: str) -> bool:
    """Whether a screen's inputs look as before; a machine without its raw folder contradicts none that has it."""
    own, of_site = state
    own_before, _, of_site_before = before.partition("\n")
    return of_site == of_site_before and own in ("", own_before)


def _by_screen(
    con: duckdb.DuckDBPyConnection, table: str, columns: Sequence[str], screens: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Rows of a table as a store gives them, by screen; those of '' are none."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    names = list(dict.fromkeys(["screen", *columns]))
    relation: Any = con.sql(
        f"SELECT {', '.join(map(identifier, names))} FROM {identifier(table)} WHERE screen IN ({literals(screens)}) "
        "ORDER BY screen, rowid"
    )
    schema = pa.schema([TABLES[table].arrow_schema().field(name) for name in names])
    found = relation.to_arrow_table().cast(schema)
    # Texts as objects: a comparison of a few hundred of Arrow's costs a hundred times as much.
    rows = pd.DataFrame(
        {
            field.name: pd.Series(_texts(column), dtype=object) if field.type == pa.string() else column.to_pandas()
            for field, column in zip(schema, found.columns, strict=True)
        }
    )
    of_row = rows["screen"].to_numpy()
    begins = np.flatnonzero(of_row[1:] != of_row[:-1]) + 1 if len(rows) else np.array([], int)
    parts = zip([0, *begins], [*begins, len(rows)], strict=True) if len(rows) else ()
    by_screen = {str(of_row[begin]): rows.iloc[begin:end].reset_index(drop=True) for begin, end in parts}
    return {**by_screen, "": rows.iloc[:0]}


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    """Texts as objects, not a number where there is none; each text once in memory, as most stand in many rows."""
    import numpy as np

    encoded = column.combine_chunks().dictionary_encode()
    values = np.array([*encoded.dictionary.to_pylist(), np.nan], object)
    found: np.ndarray = values[encoded.indices.fill_null(len(values) - 1).to_numpy()]
    return found


def _judged(judge: Judge, screen: str, tables: Mapping[str, pd.DataFrame] | None) -> list[str | int | None]:
    try:
        found = judge.judge(screen, tables)
    except PhenodoseError as error:  # a damaged file of this screen
        found = {"stale": str(error), "verdict": "fail", "verdict_reason": str(error)}
    return [found.get(column) for column in JUDGED]
