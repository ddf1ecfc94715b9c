"""Faulty readers, networks, image readouts and embedders in one screen of images: each costs its own assets only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from phenodose.screens.registration import register_screen
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store

sys.path.insert(0, str(Path(__file__).parent))
from broken_distributions import Made, hashes, install, other, run

SCREEN = "TST_BAD_CE"
SITE = """
[plugin_limits]
sniff_seconds = 10
[plugin_limits.of.net_endless]
seconds = 6
"""
#: What a faulty reader does when it is asked about a folder, and what the sentence on it says.
READERS = {
    "sniff_endless": ("while True: time.sleep(1)", "takes too long: it was ended after 10 s"),
    "sniff_dies": ("os.abort()", "ended its process (signal SIGABRT)"),
    "sniff_writes": ("(folder / 'mine.txt').write_text('mine')\nreturn 1.0", "writes where it must not"),
    "sniff_raises": ("raise KeyError('no such tag')", "raised KeyError: 'no such tag' (of_sniff_raises.py"),
}
NET = """
import json, os, time
from pathlib import Path
from typing import ClassVar
import numpy as np
from phenodose.io.files import hash_file, write_json
from phenodose.plugins import Inference, Phase, StagedReadout, TrainingRecord


class It(StagedReadout):
    name, version, description = "{name}", "1", "A network of a test"
    phases: ClassVar[tuple[Phase, ...]] = (Phase("one", "control-experiment", None, "controls", 2, True, "Counts."),)

    def train(self, phase, data, parent, out, progress):
        {train}
        write_json(out / "weights.json", float(data.images.mean()))
        record = TrainingRecord(
            phase.name, hash_file(out / "weights.json"), None, "", {{}}, [{{"loss": 1.0}}], None, 1.0, 2, 2
        )
        write_json(out / "record.json", {{"format": 1, **record.__dict__}})
        return record

    def infer(self, checkpoint, tensors, progress=None):
        n = tensors.sizes["well"]
        raw = tensors.mean(["y", "x", "channel"]).to_numpy() / 65535
        return Inference({raw}, np.stack([raw, np.arange(n) % 3], axis=1).astype(np.float32))
"""
NETS = {
    "net_good": ("pass", "raw", ""),
    "net_endless": ("while True: time.sleep(1)", "raw", "takes too long: it was ended after 6 s"),
    "net_writes": ("Path(os.environ['TEST_STORE'], 'mine.txt').write_text('mine')", "raw", "writes where it must not"),
    "net_nan": ("pass", "np.full(n, np.nan)", "gave NaN everywhere"),
}
FRAME = "return pd.DataFrame({'well': plate.wells, 'raw': [plate.mean_of_stack(w, 0, 1) for w in plate.wells]})"
IMAGES = {
    "image_good": (FRAME, ""),
    "image_nan": ("return pd.DataFrame({'well': plate.wells, 'raw': np.nan})", "gave NaN everywhere"),
    "image_writes": (
        f"(plate.path / 'zarr.json').write_text('mine')\n{FRAME}",
        "writes where it must not",
    ),
}
MAPS = {
    "map_good": ("return features[:, :2].astype(np.float64)", ""),
    "map_random": ("return np.random.default_rng().random((len(features), 2))", "is not deterministic"),
    "map_changes": ("features[:] = 0\nreturn features[:, :2]", "changes its input"),
}


#: Left to `make test-slow`: a fault that costs a process and is seen elsewhere, by whatever notices it.
ELSEWHERE = {
    "sniff_endless": "tests/platform/sandbox/test_plugin_process.py",
    "sniff_writes": "tests/platform/sandbox/test_plugin_process.py",
    "sniff_raises": "tests/assets/test_broken_plugins.py, by a scorer that raises",
    "image_writes": "tests/assets/test_broken_plugins.py, by a scorer that writes",
    "map_random": "tests/platform/plugins/test_isolated_calls.py, by a scorer that is random",
}


@dataclass(frozen=True)
class Spoilt:
    """A screen made with all of them at once."""

    store: Store
    raw: Path
    site: Path
    before: dict[str, str]
    made: Made
    names: frozenset[str]


@pytest.fixture(
    scope="module", params=[pytest.param(ELSEWHERE, id="most"), pytest.param({}, id="all", marks=pytest.mark.slow)]
)
def spoilt(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, site_of: Callable[..., str]
) -> Spoilt:
    root = tmp_path_factory.mktemp("images")
    raw, site, store = root / "raw" / SCREEN, root / "site", Store.open(root / "store")
    site.mkdir()
    texts: dict[str, dict[str, str]] = {"readers": {}, "readouts": {}, "embedders": {}}
    for name, (body, _) in READERS.items():
        text = other("Reader", name, "sniff(self, folder)", body)
        texts["readers"][name] = f"{text}\n    def index(self, folder): ...\n"
    for name, (train, answer, _) in NETS.items():
        texts["readouts"][name] = NET.format(name=name, train=train, raw=answer)
    for name, (body, _) in IMAGES.items():
        texts["readouts"][name] = other("ImageReadout", name, "measure(self, plate)", f"import pandas as pd\n{body}")
    for name, (body, _) in MAPS.items():
        texts["embedders"][name] = other("Embedder", name, "embed(self, features)", body)
    names = frozenset(name for of_kind in texts.values() for name in of_kind) - set(request.param)
    for kind, of_kind in texts.items():
        for name in names & of_kind.keys():
            install(site, name.replace("_", "-"), {name: kind}, of_kind[name])
    simulate_screen(raw, kind="control-experiment", control_wells=12, size_px=48, planes=1)
    settings = raw / "screen.toml"
    settings.write_text(settings.read_text("utf-8").replace('reader = "imagexpress"\n', ""), "utf-8")
    before = hashes(raw)
    register_screen(store, raw)
    (store.root / "site.toml").write_text(site_of("readout:mean_of_stack") + SITE, encoding="utf-8")
    keys = [key for name in NETS for key in (f"checkpoint/{name}/one", f"viability/{name}_one")]
    keys += [f"viability/{name}" for name in IMAGES if name in names]
    keys += [f"embedding/{name}" for name in MAPS if name in names]
    select = ",".join(["ingest", "tensors", "viability/mean_of_stack", *keys])
    return Spoilt(store, raw, site, before, run(store.root, {SCREEN: select}, [site])[SCREEN], names)


def test_a_faulty_reader_is_named_and_another_reads_the_folder(spoilt: Spoilt) -> None:
    assert set(spoilt.store.read_table("plates", SCREEN)["plugin"]) == {"imagexpress"}
    assert spoilt.made.state["plate_images"] == "made"
    assert hashes(spoilt.raw) == spoilt.before
    for name in READERS.keys() & spoilt.names:
        says = READERS[name][1]
        (told,) = {line for line in spoilt.made.said.splitlines() if f"reader {name!r} of" in line and says in line}
        assert f"{name.replace('_', '-')} 1.5" in told
        assert "passed over" in told


def test_every_faulty_plugin_is_caught_and_named(spoilt: Spoilt) -> None:
    """What is said of each stands beside it; the rest of the sentence names plugin, distribution and way out."""
    keys = {name: (f"checkpoint/{name}/one", "readout", says) for name, (_, _, says) in NETS.items()}
    keys["net_nan"] = ("viability/net_nan_one", "readout", NETS["net_nan"][-1])
    keys |= {name: (f"viability/{name}", "readout", says) for name, (_, says) in IMAGES.items()}
    keys |= {name: (f"embedding/{name}", "embedder", says) for name, (_, says) in MAPS.items()}
    wanted = {name: key for name, key in keys.items() if key[-1] and name in spoilt.names}
    assert {"net_endless", "net_writes", "net_nan", "image_nan", "map_changes"} <= set(wanted)
    for name, (key, kind, says) in wanted.items():
        told = spoilt.made.message[key]
        assert spoilt.made.state[key] == "failed"
        assert spoilt.made.mendable[key]
        assert f"{kind} {name!r} of {name.replace('_', '-')} 1.5" in told
        assert says in told
        assert "ninstall" in told


def test_everything_else_is_made(spoilt: Spoilt) -> None:
    faulty = {name for group in (NETS, IMAGES, MAPS) for name, told in group.items() if told[-1]}
    others = {key: state for key, state in spoilt.made.state.items() if not any(name in key for name in faulty)}
    assert {key for key, state in others.items() if state != "made"} == set()
    good = {"checkpoint/net_good/one", "viability/net_good_one", "viability/image_good", "embedding/map_good"}
    assert good | {"plate_images", "layout", "drugs", "pseudo_rgb", "viability/mean_of_stack"} == set(others)
    # Training worked; what its network says of the wells is the fault.
    assert spoilt.made.state["checkpoint/net_nan/one"] == "made"
    assert not list(spoilt.store.root.rglob("mine.txt"))


def test_the_good_ones_give_what_they_compute(spoilt: Spoilt) -> None:
    raw = spoilt.store.read_table("viability", SCREEN, "viability/net_good_one")["raw"].dropna()
    assert len(raw) == 12
    assert raw.between(0, 1).all()
    measured = spoilt.store.read_table("viability", SCREEN, "viability/image_good")["raw"].dropna()
    assert measured.gt(0).all()
    record = json.loads((spoilt.store.checkpoint_dir(SCREEN, "net_good", "one") / "record.json").read_text())
    assert record["history"] == [{"loss": 1.0}]
    assert len(spoilt.store.read_table("embeddings", SCREEN)) == len(raw)
