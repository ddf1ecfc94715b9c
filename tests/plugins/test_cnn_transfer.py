"""The transfer study of several networks through the real commands, each from weights of its own file.

VGG19 goes through the commands in `test_cnn_vgg19`. The study itself is tested in tests/platform/learning, and its
command in tests/assets/test_image_screen.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from phenodose.simulation import simulate_screen

SIZE_PX = 32
NETWORKS = {"vgg16": "VGG16", "mobilenet_v3": "MobileNetV3Large"}


def weights_file(name: str, folder: Path) -> Path:
    """Random convolutional weights in the format of keras.applications without top."""
    import keras

    donor = getattr(keras.applications, NETWORKS[name])(
        include_top=False, weights=None, input_shape=(SIZE_PX, SIZE_PX, 3)
    )
    file = folder / f"{name}.weights.h5"
    donor.save_weights(file)
    return file


def phenodose(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "phenodose", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_networks_of_several_kinds_are_compared_each_from_its_own_file(tmp_path: Path) -> None:
    store = tmp_path / "store"
    simulate_screen(tmp_path / "CE", kind="control-experiment", control_wells=10, size_px=48, planes=2)
    simulate_screen(tmp_path / "DS", plates=1, drugs=1, size_px=48, planes=2, phase1="CE")
    for screen in ("CE", "DS"):
        select = "--select=layout,plate_images,pseudo_rgb"
        done = phenodose("run", tmp_path / screen, f"--store={store}", select, f"--set=tensors.size_px={SIZE_PX}")
        assert done.returncode == 0, done.stderr
    common = {"epochs_phase2": 1, "batch_size": 4, "inference_copies": 0, "mixup_fraction": 0}
    settings = [f"{name}={value}" for name, value in common.items()]
    settings += [f"{name}.weights_file={weights_file(name, tmp_path)}" for name in NETWORKS]
    settings += ["mobilenet_v3.normalisation_statistics=controls", "cnn.mobilenet_v3.batch_size=2"]
    asked = ["CE", "DS", "--epochs=0,1", f"--backbones={','.join(NETWORKS)}", f"--store={store}", "--json"]
    done = phenodose("transfer-study", *asked, *(f"--set={setting}" for setting in settings))
    assert done.returncode == 0, done.stderr
    assert "absl::InitializeLog" not in done.stderr
    told = json.loads(done.stdout)
    rows = pd.DataFrame(told["rows"])
    starts = [(name, start) for name in NETWORKS for start in (f"{name}.weights.h5", "none")]
    found = list(rows[["backbone", "first_weights", "phase1_epochs"]].itertuples(index=False, name=None))
    assert found == [(*start, number) for start in starts for number in (0, 1)]
    assert np.isfinite(rows["validation_loss"]).all()
    assert rows["validation_loss"].nunique() > len(NETWORKS)
    assert Path(told["picture"]).read_bytes().startswith(b"\x89PNG")
    sizes = {json.loads(record.read_text())["parameters"]["backbone"]: json.loads(record.read_text())["parameters"]
             for record in (store / "studies" / "transfer").glob("*/after_1_epochs/record.json")}  # fmt: skip
    assert {name: kept["batch_size"] for name, kept in sizes.items()} == {"vgg16": 4, "mobilenet_v3": 2}


def test_a_network_that_is_not_compared_has_no_settings() -> None:
    from phenodose.cli.transfer_study import _networks

    assert _networks("cnn", ("epochs_phase2=3", "vgg16.batch_size=2"), "vgg16,vgg19") == [
        {"epochs_phase2": 3, "batch_size": 2, "backbone": "vgg16"},
        {"epochs_phase2": 3, "backbone": "vgg19"},
    ]
    # It stays a name that the readout does not know, and is refused by it.
    assert _networks("cnn", ("vgg16.batch_size=2",), "vgg19") == [{"vgg16.batch_size": 2, "backbone": "vgg19"}]
