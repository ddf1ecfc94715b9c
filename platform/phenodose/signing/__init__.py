"""Signed reports: freezing what a report rests on, and telling two states of a screen, or two screens, apart.

Belongs here: the small store of a signed report, what a report rests on, differences, comparisons, the cohort as of a
date. Does not belong here: records and the chain (`phenodose.store.signed`), pages (`phenodose.reports`).
"""
