"""Addresses at the server of the Dagster UI (`phenodose ui`), as assets link to them.

Belongs here: the addresses. Does not belong here: what the server answers there (`ui_reports`).
"""

from __future__ import annotations

#: Below it lie the reports, under the names that their files have.
REPORTS = "/phenodose/reports/"
#: Name of the cohort report's file; no screen can have it.
COHORT_NAME = "_cohort"


def report_address(screen: str | None) -> str:
    """Where the server shows the report of a screen, or with None that of the cohort; without the server's own name."""
    return f"{REPORTS}{COHORT_NAME if screen is None else screen}.html"
