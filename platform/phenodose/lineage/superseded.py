"""What signed reports rest on that the store has no longer, or has another of: networks trained anew, plates made anew.

That is no fault: the reports and their numbers are kept. But the numbers cannot be computed anew from images.

Belongs here: telling it. Does not belong here: checking what is kept (`phenodose.store.signed`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phenodose.errors import PhenodoseError
from phenodose.store.signed import signed_reports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phenodose.store.store import Store


def superseded(store: Store, screen: str) -> dict[str, list[str]]:
    """Sentences on what every signed report of a screen rests on and the store has not, by the report's name."""
    try:
        reports = signed_reports(store, screen)
        networks = set(store.read_table("checkpoints")["weights_hash"])
        plates = store.read_table("plates", screen)
    except PhenodoseError:
        return {}  # damaged, which is told as a fault
    now = dict(zip(plates["plate"], plates["raw_hash"], strict=True))
    found = {report.name: list(_gone(report.record["rests_on"], networks, now)) for report in reports}
    return {name: sentences for name, sentences in found.items() if sentences}


def _gone(rests_on: dict[str, Any], networks: set[str], plates: dict[str, str]) -> Iterator[str]:
    for network in rests_on["networks"]:
        if network["weights"] not in networks:
            yield (
                f"rests on the network {network['name']} of {network['trained_on']}, weights {network['weights']}, "
                "which the store has no longer (trained anew, or removed); the report is kept as it was signed."
            )
    for plate, raw_hash in rests_on["plates"].items():
        if plates.get(plate) != raw_hash:
            state = "holds other images now" if plate in plates else "is not there any more"
            yield f"rests on plate {plate}, which {state}; the report is kept as it was signed."
