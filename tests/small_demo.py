"""`phenodose demo` in small, made once for all tests: a control experiment and a drug screen with images, all assets.

The command is the real one; its screens have fewer and smaller images, its networks train for a few epochs, its
intervals are of few draws, and its site keeps one scorer of each kind (the fixture `ctg_run` of tests/assets has them
all). Dagster keeps the runs of its screens in memory, for it takes its time over files; what it heard of assets is told
again to whoever asks. Tests work on copies of the store. The whole demo is run by `make test-slow`.

Belongs here: making it, and what it left. Does not belong here: what it should hold (each test says that).
"""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from phenodose import simulation
from phenodose.cli import demo
from phenodose.plugins import registry
from phenodose.store.store import Store
from phenodose_assets import run

SIZES: dict[str, dict[str, int]] = {
    "control-experiment": {"control_wells": 30, "size_px": 48, "planes": 2},
    "drug-screen": {"plates": 2, "drugs": 2, "size_px": 48, "planes": 2},
}
#: Parameters of the network, written into the screens' settings.
NETWORK: dict[str, Any] = {
    "epochs_phase1": 3,
    "epochs_phase2": 3,
    "epochs_phase3": 2,
    "micro_widths": [4, 8],
    "inference_copies": 2,
}
#: Further settings; intervals of so few draws are there, and mean nothing.
SETTINGS = "\n[parameters.curves]\nbootstrap = 8\n[parameters.features]\ncopies = 1\nblends = 8\n"
#: A score that ranks, one of other samples, and one of growth.
SCORERS = {"dss_asym", "zdss", "gr50"}
#: What is kept of the runs' events.
_KEPT = {
    dg.DagsterEventType.ASSET_MATERIALIZATION,
    dg.DagsterEventType.ASSET_OBSERVATION,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED,
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
}


@dataclass(frozen=True)
class SmallDemo:
    """What the demo left.

    Attributes:
        folder: holds the store, its runs, and what was told; for reading only.
    """

    folder: Path

    @property
    def told(self) -> dict[str, Any]:
        """What `phenodose demo --json` printed."""
        told: dict[str, Any] = json.loads((self.folder / "told.json").read_text(encoding="utf-8"))
        return told

    @property
    def network(self) -> dict[str, Any]:
        """Parameters of the network that are not those of every simulated screen."""
        return dict(NETWORK)

    @property
    def outcomes(self) -> dict[str, run.RunOutcome]:
        """What became of every asset, by screen."""
        outcomes: dict[str, run.RunOutcome] = pickle.loads((self.folder / "outcomes").read_bytes())
        return outcomes

    def raw(self, screen: str) -> Path:
        """The raw folder of a screen; for reading only."""
        return self.folder / "store" / "raw" / screen

    def copy_store(self, out: Path) -> Store:
        """A copy of the store. Its screens are still registered with the raw folders of the original."""
        return Store.open(shutil.copytree(self.folder / "store", out))

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """A Dagster instance in memory that has heard of the assets of both screens."""
        events: list[dg.EventLogEntry] = pickle.loads((self.folder / "events").read_bytes())
        with dg.DagsterInstance.ephemeral() as instance:
            for event in events:
                instance.event_log_storage.store_event(event)
            yield instance


def make(folder: Path) -> None:
    """Run the demo."""
    outcomes: dict[str, run.RunOutcome] = {}
    simulate, materialize = simulation.simulate_screen, run.materialize_screen

    def small(out: Path, **options: Any) -> Any:
        made = simulate(out, **options, **SIZES[options["kind"]])
        settings = out / "screen.toml"
        text = settings.read_text(encoding="utf-8")
        word = 'preset = "small"\n'
        assert text.count(word) == 1, text
        beside = "".join(f"{name} = {value}\n" for name, value in NETWORK.items())
        settings.write_text(text.replace(word, word + beside) + SETTINGS, encoding="utf-8")
        return made

    events: list[dg.EventLogEntry] = []

    def noted(store: Store, screen: str, **options: Any) -> run.RunOutcome:
        with dg.DagsterInstance.ephemeral() as instance:
            outcomes[screen] = materialize(store, screen, instance=instance, **options)
            events.extend(instance.all_logs(outcomes[screen].run_id, of_type=_KEPT))
        return outcomes[screen]

    disabled = [f"scorer:{name}" for name in registry().names("scorer") if name not in SCORERS]
    (folder / "store").mkdir()
    (folder / "store" / "site.toml").write_text(f"[plugins]\ndisable = {json.dumps(disabled)}\n", encoding="utf-8")
    (folder / "home").mkdir()
    (folder / "home" / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "simulate_screen", small)
        patch.setattr(run, "materialize_screen", noted)
        # Ten figures of which tests/platform/reports/test_cohort_report.py sees every one.
        blank = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
        patch.setattr("phenodose.plots.cohort_drawing.drawn", lambda figure, *kinds: [blank] * len(kinds))
        patch.setenv("DAGSTER_HOME", str(folder / "home"))
        patch.setenv("PHENODOSE_STORE", str(folder / "store"))
        ended = CliRunner().invoke(demo.command, ["--store", str(folder / "store"), "--json"], catch_exceptions=False)
    assert set(outcomes) == {demo.CONTROL_EXPERIMENT, demo.SCREEN}
    (folder / "told.json").write_text(ended.stdout, encoding="utf-8")
    (folder / "outcomes").write_bytes(pickle.dumps(outcomes))
    (folder / "events").write_bytes(pickle.dumps(events))
