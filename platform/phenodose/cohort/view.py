"""What a view of the cohort database is, and names and texts as SQL writes them.

Does not belong here: the views (`views`, `hit_views`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """One view: what a row is, and the query behind it.

    Attributes:
        name: its name.
        description: what a row is.
        sql: the query; a kept one has a column `screen`, and its rows follow from the tables' rows of that screen
            (but `of_all`).
        kept: the rows are stored, because making them takes longer than a person waits.
        of_all: of a kept one: its rows rest on all screens, and it may have no column `screen`.
        order: of a kept one: the columns that its rows are sorted by, so that a question for some of them is quick.
    """

    name: str
    description: str
    sql: str
    kept: bool = False
    of_all: bool = False
    order: str = ""


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as the inside of an SQL list; an empty one holds nothing."""
    return ", ".join(map(literal, texts)) or "NULL"


def identifier(text: str) -> str:
    """A name as a quoted SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


#: The worst verdict of the rows of `qc` in a group.
WORST_VERDICT = """CASE WHEN bool_or(verdict = 'fail') THEN 'fail'
                WHEN bool_or(verdict = 'warn') THEN 'warn'
                WHEN bool_or(verdict = 'pass') THEN 'pass'
                ELSE 'none' END"""

#: Drugs with an add-on and the names of their curves, as `phenodose.names.curve_names` names them: `combinations` is
#: the result, the others are steps to it.
CURVES_WITH_ADD_ON = """therapies AS (
        SELECT DISTINCT screen, sample, treatment AS drug, trim(coalesce(add_on, '')) AS add_on,
               add_on_concentration_nM
        FROM wells
        WHERE well_type = 'therapy' AND screen IN (SELECT screen FROM wells WHERE trim(coalesce(add_on, '')) <> '')
    ), doses AS (
        SELECT screen, sample, add_on, count(DISTINCT add_on_concentration_nM) AS n_doses
        FROM therapies
        GROUP BY ALL
    ), second AS (
        SELECT d.*, CASE WHEN n_doses > 1 AND d.add_on_concentration_nM IS NOT NULL
                         THEN d.add_on || format(' {:.12g} nM', d.add_on_concentration_nM) ELSE d.add_on END AS dosed
        FROM therapies d
        JOIN doses n ON n.screen = d.screen AND n.sample = d.sample AND n.add_on = d.add_on
    ), named AS (
        SELECT *, CASE WHEN add_on = '' THEN drug ELSE drug || ' + ' || dosed END AS name,
               bool_or(add_on = '') OVER (PARTITION BY screen, sample, drug) AS is_alone_too
        FROM second
    ), combinations AS (
        SELECT screen, sample, drug, add_on, add_on_concentration_nM, is_alone_too,
               CASE WHEN n > 1 THEN drug || ' with add-on ' || dosed ELSE name END AS curve
        FROM (SELECT *, count(*) OVER (PARTITION BY screen, sample, name) AS n FROM named)
        WHERE add_on <> ''
    )"""
