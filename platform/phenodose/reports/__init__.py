"""Reports: one screen, or the whole cohort, as one HTML file that needs no network and nothing beside it.

Belongs here: choosing what a report says, its figures and its templates. Does not belong here:
computing scores and quality figures; what was not made is said to be missing, with the reason.
"""

from phenodose.reports.cohort import build_cohort_report, cohort_report_path
from phenodose.reports.pages import build_report

__all__ = ["build_cohort_report", "build_report", "cohort_report_path"]
