"""Columns that several tables have, and the short way to declare one.

Belongs here: what more than one table declares. Does not belong here: what a column is (`phenodose.table`).
"""

from __future__ import annotations

from phenodose.table import Column


def text(name: str, description: str, required: bool = True) -> Column:
    """A column of words."""
    return Column(name, "text", description, required=required)


def number(name: str, description: str, unit: str = "", required: bool = False) -> Column:
    """A column of float64 numbers in a unit; empty cells are NaN."""
    return Column(name, "number", description, unit, required)


SCREEN = text("screen", "Screen id: folder name and partition key")
PLATE = text("plate", "Plate name within the screen, such as P1")
ROW = text("row", "Row letter(s), A to AF")
COLUMN = Column("column", "integer", "Column number from 1")
WELL = text("well", "Row letter and two-digit column, such as B07")
READOUT = text("readout", "Readout the values come from: ctg, mean_of_stack, cnn_phase2, ...")
REPLICATE = text("replicate", "'pooled' for all replicates together, else the replicate number")
DRUG = text("drug", "Treatment name as in the layout")
SAMPLE = text("sample", "Cell line or patient sample (pseudonym)")
PROVENANCE: tuple[Column, ...] = (
    text("run_id", "Run that wrote the row"),
    text("plugin", "Plugin that computed the row"),
    text("plugin_version", "Version of that plugin"),
    text("parameters", "Parameters of the plugin in that run, as JSON"),
    text("checkpoint", "Hash of the network weights the row comes from; empty without a network", required=False),
)
