"""A staged training that is killed in every phase ends with the bits of one that was not.

Its small sisters interrupt a training in its own process: test_training.py and tests/plugins/test_cnn_readout.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

PHASES = ("phase1", "phase2", "phase3")
EPOCHS = 5
PARAMETERS: dict[str, Any] = {
    **CnnReadout.small_parameters(),
    "micro_widths": [4, 4],
    "micro_dense": [4],
    **{f"epochs_{phase}": EPOCHS for phase in PHASES},
    "batch_size": 4,
    "inference_copies": 2,
    "resume_every_s": 0.0,
}
#: Trains all phases of the folder it is given; tells every epoch, and waits for a line before it goes on.
CHILD = """
import json, sys
from pathlib import Path
import numpy as np
from phenodose.plugins import TrainingSet
from phenodose_readouts.cnn import CnnReadout

folder = Path(sys.argv[1])
readout = CnnReadout(json.loads((folder / "parameters.json").read_text()))
parent = None
for phase in readout.phases:
    with np.load(folder / f"{phase.name}.npz") as held:
        arrays = dict(held)
    data = TrainingSet(**arrays, wells=tuple(f"P1/B{n:02d}" for n in range(len(arrays["labels"]))))
    tell = lambda done, total, message: (print(phase.name, done, flush=True), sys.stdin.readline())
    out = folder / phase.name
    readout.train(phase, data, parent, out, tell)
    parent = out
"""


def arrays(phase: str, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    n = 14
    labels = (np.arange(n) % 2).astype(np.float32)
    is_control, validation = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    if phase == "phase3":
        is_control[8:] = False
        labels[8:] = rng.uniform(0.2, 0.8, n - 8)
    else:
        validation[:2] = True
    images = rng.random((n, 16, 16, 3), dtype=np.float32) * (0.2 + 0.2 * labels[:, None, None, None])
    return {"images": images, "labels": labels, "is_control": is_control, "validation": validation}


def uninterrupted(folder: Path) -> list[bytes]:
    readout = CnnReadout(PARAMETERS)
    parent = None
    weights = []
    for number, phase in enumerate(readout.phases):
        held = arrays(phase.name, number)
        data = TrainingSet(**held, wells=tuple(f"P1/B{n:02d}" for n in range(len(held["labels"]))))
        readout.train(phase, data, parent, folder / phase.name)
        parent = folder / phase.name
        weights.append((parent / "network.weights.h5").read_bytes())
    return weights


def start(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_sigkill_in_every_phase_costs_no_bit(tmp_path: Path) -> None:
    (tmp_path / "parameters.json").write_text(json.dumps(PARAMETERS))
    for number, phase in enumerate(PHASES):
        np.savez(tmp_path / f"{phase}.npz", **arrays(phase, number))
    rng = np.random.default_rng(11)
    told = (0, 0)
    for phase in (*PHASES, None):
        kill_at, first = int(rng.integers(1, EPOCHS)), True
        with start(tmp_path) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            for line in child.stdout:
                name, epoch = line.split()
                # It goes on where it was killed: what was told of is not trained again.
                assert not first or (PHASES.index(name), int(epoch)) > told
                first, told = False, (PHASES.index(name), int(epoch))
                child.stdin.write("\n")
                child.stdin.flush()
                if name == phase and int(epoch) == kill_at:
                    time.sleep(rng.uniform(0, 0.05))
                    child.kill()
                    break
        assert child.returncode == (-9 if phase else 0)
    found = [(tmp_path / phase / "network.weights.h5").read_bytes() for phase in PHASES]
    assert found == uninterrupted(tmp_path / "whole")
    for phase in PHASES:
        assert sorted(path.name for path in (tmp_path / phase).iterdir()) == ["network.weights.h5", "record.json"]
        record = json.loads((tmp_path / phase / "record.json").read_text())
        whole = json.loads((tmp_path / "whole" / phase / "record.json").read_text())
        of_the_run: dict[str, object] = {"seconds": 0, "seal": ""}  # the seal is of the seconds, too
        assert record | of_the_run == whole | of_the_run
