"""What an ingest says while it works and when it is done: its speed, the plate's display windows, images cut off.

Belongs here: summaries over wells. Does not belong here: the wells themselves (`plate_ingest`, `well_writer`).
"""

from __future__ import annotations

import time

from phenodose.plates.plan import PlatePlan, WellPlan

_NAMED = 4


class Speed:
    """How far the ingest is, how fast, and how long it will take."""

    def __init__(self, plan: PlatePlan) -> None:
        self._total = len(plan.wells)
        self._plane_bytes = plan.shape.plane_bytes
        self._start = time.monotonic()
        self._wells = self._written = 0
        self._pixels = 0

    def done(self, well: WellPlan | None = None) -> tuple[int, int]:
        """Count a well, with its pixels if they were written; returns the number of wells done and of all."""
        self._wells += 1
        if well is not None:
            self._written += 1
            self._pixels += well.n_planes * self._plane_bytes
        return self._wells, self._total

    def __str__(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-9)
        left = seconds / self._written * (self._total - self._wells) if self._written else 0.0
        clock = f"{left:.0f} s" if left < 90 else f"{left / 60:.0f} min"
        return f"{self._pixels / 1e6 / seconds:.0f} MB/s, {clock} left"


def images_cut_off(planes: list[str]) -> list[str]:
    """A sentence on images that end in rows of zeros; [] if there are none."""
    if not planes:
        return []
    more = f" and {len(planes) - _NAMED} more" if len(planes) > _NAMED else ""
    return [
        f"{len(planes)} images end in rows of zeros, as a copy that was interrupted does: {', '.join(planes[:_NAMED])}"
        f"{more}. Compare them with the originals; a file that is copied again is read by the next ingest."
    ]


def plate_windows(wells: list[list[list[int]]]) -> list[list[int]]:
    """Display window of every channel over the plate: the median start and the 95th percentile of the ends."""
    windows = []
    for channel in zip(*wells, strict=True):
        starts = sorted(start for start, _ in channel)
        ends = sorted(end for _, end in channel)
        start, end = starts[(len(starts) - 1) // 2], ends[round(0.95 * (len(ends) - 1))]
        windows.append([start, max(end, start + 1)])
    return windows
