"""One screen at a glance: its inputs, and what the store holds of it.

Belongs here: the summary behind `phenodose screen show`. Does not belong here: the patient report.
"""

from __future__ import annotations

from typing import Any

from phenodose.errors import PhenodoseError
from phenodose.plugins import plugins_of
from phenodose.screens.screen import Screen
from phenodose.store.store import Store
from phenodose.tables import TABLES


def screen_overview(store: Store, screen_id: str) -> dict[str, Any]:
    """Inputs and products of a screen, as JSON-able values.

    Raises:
        StoreError: the screen is not registered in the store.
    """
    source = store.source_of(screen_id)
    overview: dict[str, Any] = {"screen": screen_id, "source": str(source)}
    try:
        screen = Screen.load(source, plugins_of(store).plate_reader_folders())
    except PhenodoseError as error:
        overview["source_fault"] = str(error)
    else:
        overview |= {
            "sample": screen.sample,
            "kind": screen.kind,
            "layout": screen.layout_path.name if screen.layout_path else "none",
            "image_folders": ", ".join(screen.plate_folders) or "none",
            "readout_folders": ", ".join(screen.readout_folders) or "none",
        }
    overview["plates"] = [path.name for path in store.plates(screen_id)]
    overview["rows"] = {name: count for name in TABLES if (count := len(store.read_table(name, screen_id)))}
    report = store.report_path(screen_id)
    overview["report"] = str(report) if report.is_file() else "none"
    return overview
