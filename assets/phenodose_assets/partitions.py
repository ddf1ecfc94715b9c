"""Partitions: the one dimension of the graph is the screen.

Belongs here: the partition definition. Does not belong here: which screens there are (the store says,
the sensor and `phenodose run` register them).
"""

from __future__ import annotations

import dagster as dg

SCREEN_PARTITIONS_NAME = "screen"

#: One partition a screen; its key is the screen id.
screens = dg.DynamicPartitionsDefinition(name=SCREEN_PARTITIONS_NAME)
