"""Making the views of a cohort database, and keeping the rows of those that take longer than a person waits.

A kept view is a table. Of one whose rows follow from the rows of their screen, those of the changed screens are made
again, some screens at a time, so that neither time nor memory grows with the store. One that rests on all screens is
made anew when any has changed; it is asked of kept views, which are small.

Belongs here: which rows of which kept view are made when. Does not belong here: what views mean (`views`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from phenodose.cohort.fill import in_parts
from phenodose.cohort.view import View, identifier, literal, literals
from phenodose.io.files import hash_json

if TYPE_CHECKING:
    import duckdb

#: Share of the rows of a sorted view that may lie unsorted at its end.
_MOST_UNSORTED = 0.2


def make_views(con: duckdb.DuckDBPyConnection, views: Sequence[View], changed: Sequence[str], whole: bool) -> None:
    """All views, in their order, as some are made from others; of kept ones the rows of the changed screens.

    Args:
        con: the database, with its tables as they are now.
        views: what is asked.
        changed: screens whose rows are others than before, in order.
        whole: make every row of every view.
    """
    words = _words(views)
    beneath = [view.sql for view in views if not view.kept and view.name in words]
    asked = {view.name: hash_json([view.sql, view.order, beneath]) for view in views if view.kept}
    before = dict(con.execute("SELECT name, question FROM build.kept").fetchall())
    _drop_others(con, views, before)
    # What a site prefers and which plugins it has is part of some questions, and some are made from others.
    anew = whole or asked != before
    for view in views:
        name = identifier(view.name)
        if not view.kept:
            con.execute(f"CREATE OR REPLACE VIEW {name} AS {view.sql}")
            con.execute(f"COMMENT ON VIEW {name} IS {literal(view.description)}")
        elif anew:
            con.execute(f"DROP TABLE IF EXISTS {name}")
            con.execute(f"CREATE TABLE {name} AS SELECT * FROM ({view.sql}) LIMIT 0")
        elif changed and not view.of_all:
            con.execute(f"DELETE FROM {name} WHERE screen IN ({literals(changed)})")
    if anew:
        con.execute("DELETE FROM build.kept")
        con.executemany("INSERT INTO build.kept VALUES (?, ?, 0)", [list(one) for one in asked.items()])
        changed = [row[0] for row in con.execute("SELECT DISTINCT screen FROM build.parts ORDER BY screen").fetchall()]
    for some in in_parts(changed):
        _add(con, views, some)
    for view in views:
        if view.kept and (anew or changed):
            if view.of_all:
                _replace(con, view, view.sql)
            elif view.order and (anew or _is_unsorted(con, view)):
                _replace(con, view, f"SELECT * FROM {identifier(view.name)}")
            else:
                con.execute(f"COMMENT ON TABLE {identifier(view.name)} IS {literal(view.description)}")


def _drop_others(con: duckdb.DuckDBPyConnection, views: Sequence[View], kept_before: Iterable[str]) -> None:
    """Take out what an older version had as a view and this one has not, or has as one of the other kind."""
    kept = {view.name for view in views if view.kept}
    plain = {view.name for view in views} - kept
    for name in set(kept_before) - kept:
        con.execute(f"DROP TABLE IF EXISTS {identifier(name)}")
    found = con.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal AND schema_name = 'main'").fetchall()
    for name in {name for (name,) in found} - plain:
        con.execute(f"DROP VIEW {identifier(name)}")


def _add(con: duckdb.DuckDBPyConnection, views: Sequence[View], screens: Sequence[str]) -> None:
    """Add the rows of some screens to every kept view that has rows of screens."""
    with _only(con, views, screens) as own:
        for view in views:
            if view.kept and not view.of_all:
                added: Any = con.execute(f"INSERT INTO {own}.{identifier(view.name)} {view.sql}").fetchone()
                if view.order:
                    con.execute("UPDATE build.kept SET unsorted = unsorted + ? WHERE name = ?", [added[0], view.name])


@contextmanager
def _only(con: duckdb.DuckDBPyConnection, views: Sequence[View], screens: Sequence[str]) -> Iterator[str]:
    """Meanwhile every table that kept views are asked of holds the rows of these screens alone, by its plain name.

    Yields:
        What stands before the name of a table that holds all of its rows.
    """
    found: Any = con.execute("SELECT current_database()").fetchone()
    own, listed, asked = f"{identifier(found[0])}.main", literals(screens), _words(views)
    names = [identifier(name) for (name,) in con.execute(_OF_SCREENS).fetchall() if name in asked]
    for name in names:
        con.execute(f"CREATE TEMP VIEW {name} AS SELECT * FROM {own}.{name} WHERE screen IN ({listed})")
    try:
        yield own
    finally:
        for name in names:
            con.execute(f"DROP VIEW temp.{name}")


#: Tables and kept views whose rows are each of one screen.
_OF_SCREENS = """
    SELECT t.table_name FROM duckdb_tables() t JOIN duckdb_columns() c USING (database_name, schema_name, table_name)
    WHERE t.schema_name = 'main' AND c.column_name = 'screen' ORDER BY t.table_name
"""


def _words(views: Sequence[View]) -> set[str]:
    """Every word of the questions of kept views, and of the views that they ask."""
    found: set[str] = set()
    for view in reversed(views):
        if view.kept or view.name in found:
            found.update(re.findall(r"\w+", view.sql))
    return found


def _is_unsorted(con: duckdb.DuckDBPyConnection, view: View) -> bool:
    """Whether the unsorted end of a view has become long; sorted, DuckDB skips most of it."""
    found: Any = con.execute("SELECT unsorted FROM build.kept WHERE name = ?", [view.name]).fetchone()
    rows: Any = con.execute(f"SELECT count(*) FROM {identifier(view.name)}").fetchone()
    return bool(found[0] > _MOST_UNSORTED * rows[0])


def _replace(con: duckdb.DuckDBPyConnection, view: View, sql: str) -> None:
    """Put the rows that a question has in place of those of a view, in the view's order."""
    name, order = identifier(view.name), f" ORDER BY {view.order}" if view.order else ""
    con.execute(f"CREATE OR REPLACE TABLE {name} AS {sql}{order}")
    con.execute(f"COMMENT ON TABLE {name} IS {literal(view.description)}")
    con.execute("UPDATE build.kept SET unsorted = 0 WHERE name = ?", [view.name])
