"""A screen as one folder or zip that others can read without phenodose: an RO-Crate.

Belongs here: what goes into a crate, and how it is described (`document`, `workflow`). Does not belong here: options
and printing (`phenodose.cli.export`), a single plate in another form (`phenodose.plates.export`).
"""
