"""A training in a bucket that one machine begins and another one ends."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phenodose.io.places import sizes
from phenodose.pipeline import network_jobs, training_copies
from phenodose.pipeline.network_jobs import forget_work
from phenodose.progress import no_progress, tell_epoch
from phenodose.store.store import Store

SCREEN = "S_V1_DS1"
PHASE: Any = SimpleNamespace(name="phase1")


class Killed(Exception):
    """The machine is gone."""


class Reader:
    """A network that only counts its epochs; its point to go on from is a file."""

    name = "cnn"

    def __init__(self, die_after: int = 100) -> None:
        self.die_after = die_after
        self.learned: list[int] = []

    def train(self, phase: Any, data: Any, parent: Any, work: Path, progress: Any) -> dict[str, Any]:
        point = work / "resume" / "epochs"
        done = int(point.read_text()) if point.is_file() else 0
        for epoch in range(done, 5):
            self.learned.append(epoch)
            point.parent.mkdir(exist_ok=True)
            point.write_text(str(epoch + 1))
            tell_epoch(progress, epoch + 1, 5, "", {"loss": 1.0})
            if len(self.learned) == self.die_after:
                raise Killed
        (work / "record.json").write_text(json.dumps({"epochs": 5}))
        return {"epochs": 5}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_copies, "EVERY_S", 0.0)
    monkeypatch.setattr(training_copies, "_MOST_SHARE", 1e9)
    monkeypatch.setattr(network_jobs, "asked_of", lambda _, plugin, method, *rest: getattr(plugin, method)(*rest))


def train(store: Store, plugin: Any) -> Any:
    log = logging.getLogger("tests")
    return network_jobs._train_into_place(store, SCREEN, plugin, PHASE, None, None, no_progress, log)  # type: ignore[arg-type]


def test_another_machine_goes_on_where_one_was_killed(s3: Any, tmp_path: Path) -> None:
    one, other = (Store.open("s3://bucket/lab", cache=tmp_path / name) for name in ("one", "other"))
    begun, ended = Reader(die_after=3), Reader()
    with pytest.raises(Killed):
        train(one, begun)
    assert begun.learned == [0, 1, 2]
    train(other, ended)
    assert ended.learned == [3, 4]
    place = one.checkpoint_dir(SCREEN, "cnn", "phase1")
    assert json.loads((place / "record.json").read_bytes()) == {"epochs": 5}
    forget_work(other, SCREEN, "cnn", "phase1")
    assert [name for name in sizes(one.root) if "training" in name or "lock" in name] == []


def test_who_comes_back_has_what_another_machine_has_learned_since(s3: Any, tmp_path: Path) -> None:
    one, other = (Store.open("s3://bucket/lab", cache=tmp_path / name) for name in ("one", "other"))
    for store, epochs in ((one, 1), (other, 2)):
        with pytest.raises(Killed):
            train(store, Reader(die_after=epochs))
    again = Reader()
    train(one, again)
    assert again.learned == [3, 4]


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_a_damaged_copy_is_told_and_nothing_of_it_is_used(
    s3: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    one, other = (Store.open("s3://bucket/lab", cache=tmp_path / name) for name in ("one", "other"))
    with pytest.raises(Killed):
        train(one, Reader(die_after=3))
    (kept,) = [one.root / name for name in sizes(one.root) if name.endswith(".training.zip")]
    content = kept.read_bytes()
    at = content.index(b"3", content.index(b"epochs"))
    kept.write_bytes(content[:at] + b"4" + content[at + 1 :] if damage == "flipped" else content[:-30])
    again = Reader()
    train(other, again)
    assert again.learned == [0, 1, 2, 3, 4]
    assert "is damaged" in caplog.text


def test_in_a_folder_nothing_is_kept_twice(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    with pytest.raises(Killed):
        train(store, Reader(die_after=3))
    assert not list(tmp_path.rglob("*.zip"))
    again = Reader()
    train(store, again)
    assert again.learned == [3, 4]
