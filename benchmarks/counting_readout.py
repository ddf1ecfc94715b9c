"""A staged readout that learns nothing and takes its time: for trials of what becomes of a training that is killed.

It counts to the number of its epochs, sleeps in each, and keeps a point from which it goes on, as networks do; what it
leaves depends on the images alone. So a machine of two processors can be a cluster of several trainings. `install`
writes it as a distribution of its own, as somebody else's plugin would be.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from phenodose.io.files import hash_file, write_json
from phenodose.plugins import Inference, Parameters, Phase, StagedReadout, TrainingRecord, tell_epoch

NAME = "counting"


class CountingParameters(Parameters):
    """How long it takes."""

    epochs: int = 30
    seconds: float = 1.0


class CountingReadout(StagedReadout):
    """Counts."""

    name: ClassVar[str] = NAME
    version: ClassVar[str] = "1"
    description: ClassVar[str] = "Counts, and keeps a point to go on from"
    Parameters: ClassVar[type[Parameters]] = CountingParameters
    phases: ClassVar[tuple[Phase, ...]] = (
        Phase("phase1", "control-experiment", None, "controls", 2, True, "Counts to the number of its epochs."),
    )

    def train(self, phase: Phase, data: Any, parent: Path | None, out: Path, progress: Any) -> TrainingRecord:
        """Count, from where an earlier process came to."""
        epochs = self.parameters.epochs
        point = out / "point.json"
        history = json.loads(point.read_text()) if point.is_file() else []
        for epoch in range(len(history), epochs):
            time.sleep(self.parameters.seconds)
            history.append({"loss": 1 / (epoch + 1), "accuracy": 0.5})
            write_json(point, history)
            tell_epoch(progress, epoch + 1, epochs, "counts", history[-1])
        write_json(out / "weights.json", [float(data.images.mean()), history])
        record = TrainingRecord(
            phase.name,
            hash_file(out / "weights.json"),
            None,
            "",
            self.parameters.model_dump(),
            history,
            None,
            epochs * self.parameters.seconds,
            len(data.wells),
            0,
            {},
        )
        write_json(out / "record.json", {"format": 1, **record.__dict__})
        return record

    def infer(self, checkpoint: Path, tensors: Any, progress: Any = lambda *_: None) -> Inference:
        """How bright wells are among the others: 0.2 the darkest to 0.8 the brightest."""
        wells = tensors.sizes["well"]
        bright = np.asarray(tensors.mean(("y", "x", "channel"), dtype=np.float64))
        places = np.argsort(np.argsort(bright, kind="stable"), kind="stable")
        return Inference(0.2 + 0.6 * places / max(wells - 1, 1), np.zeros((wells, 2), np.float32))


def install(folder: Path) -> None:
    """Write the distribution into a folder for PYTHONPATH."""
    info = folder / "counting_readout-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "counting_readout.py").write_text(Path(__file__).read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting-readout\nVersion: 1.0\n")
    entry = f"[phenodose.readouts]\n{NAME} = counting_readout:CountingReadout\n"
    (info / "entry_points.txt").write_text(entry)
