"""Which checkpoint a drug screen starts from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phenodose.errors import CheckpointError, NotMade
from phenodose.store import checkpoints
from phenodose.store.checkpoints import checkpoint_key, checkpoint_of, checkpoint_to_adopt
from phenodose.store.store import Store
from phenodose.store.table_files import contents_of
from phenodose.tables import TABLES

KEY = checkpoint_key("cnn", "phase1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path)


def write(store: Store, screen: str, weights: str, trained_on: str | None = None, day: int = 1) -> None:
    """A checkpoint's row and the row of the step that made it."""
    row = dict.fromkeys(TABLES["checkpoints"].column_names) | {
        "screen": screen,
        "readout": "cnn",
        "phase": "phase1",
        "weights_hash": weights,
        "trained_on": trained_on or screen,
        **dict.fromkeys(("n_train", "n_validation", "epochs"), 1),
        **dict.fromkeys(("run_id", "plugin", "plugin_version", "parameters"), "x"),
    }
    store.write_table("checkpoints", screen, KEY, TABLES["checkpoints"].frame([row]))
    when = datetime(2026, 1, day, tzinfo=UTC)
    run = {"screen": screen, "run_id": "x", "asset": KEY, "started_at": when, "finished_at": when}
    store.write_table("runs", screen, KEY, TABLES["runs"].frame([{**run, "phenodose_version": "0"}]))


def test_the_newest_control_experiment_is_adopted(store: Store) -> None:
    write(store, "Z_CE", "old", day=1)
    write(store, "A_CE", "new", day=2)
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["weights_hash"] == "new"


def test_a_named_control_experiment_wins(store: Store) -> None:
    write(store, "A_CE", "old", day=1)
    write(store, "B_CE", "new", day=2)
    assert checkpoint_to_adopt(store, "cnn", "phase1", "A_CE")["weights_hash"] == "old"


def test_checkpoints_that_have_not_changed_are_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "_SETTLED_NS", -(10**18))  # as if they had been written long ago
    for name in ("A_CE", "B_CE"):
        write(store, name, f"of {name}")
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["screen"] == "B_CE"
    read: list[Path] = []

    def counted(parts: list[Path]) -> Iterator[tuple[Path, bytes]]:
        read.extend(parts)
        return contents_of(parts)

    monkeypatch.setattr(checkpoints, "contents_of", counted)
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["screen"] == "B_CE"
    assert read == []
    write(store, "C_CE", "new", day=2)
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["screen"] == "C_CE"
    store.drop_table_part("checkpoints", "C_CE", KEY)
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["screen"] == "B_CE"
    assert {path.parent.name for path in read} == {"screen=C_CE"}


def test_files_of_another_training_are_told(store: Store) -> None:
    write(store, "A_CE", "new")
    folder = store.checkpoint_dir("A_CE", "cnn", "phase1")
    folder.mkdir(parents=True)
    (folder / "record.json").write_text('{"weights_hash": "new"}')
    assert checkpoint_of(store, "A_CE", "cnn", "phase1").weights_hash == "new"
    (folder / "record.json").write_text('{"weights_hash": "of the backup"}')
    with pytest.raises(CheckpointError, match=r"phase1 holds the weights of the backup.*materialize `checkpoint/cnn/"):
        checkpoint_of(store, "A_CE", "cnn", "phase1")


def test_what_another_screen_adopted_is_no_control_experiment(store: Store) -> None:
    write(store, "A_CE", "a", day=1)
    write(store, "A_V1_DS1", "a", trained_on="A_CE", day=2)
    assert checkpoint_to_adopt(store, "cnn", "phase1", None)["screen"] == "A_CE"


@pytest.mark.parametrize(("wanted", "told"), [(None, "no control experiment"), ("B_CE", "B_CE.*under phase1")])
def test_without_one_the_reason_is_told(store: Store, wanted: str | None, told: str) -> None:
    if wanted is not None:
        write(store, "A_CE", "a")
    with pytest.raises(NotMade, match=told):
        checkpoint_to_adopt(store, "cnn", "phase1", wanted)


def test_an_adopted_checkpoint_lies_with_its_control_experiment(store: Store) -> None:
    write(store, "A_CE", "a")
    write(store, "A_V1_DS1", "a", trained_on="A_CE")
    found = checkpoint_of(store, "A_V1_DS1", "cnn", "phase1")
    assert found.folder == store.checkpoint_dir("A_CE", "cnn", "phase1")


def test_an_adopted_checkpoint_that_was_trained_anew_is_refused(store: Store) -> None:
    write(store, "A_CE", "b")
    write(store, "A_V1_DS1", "a", trained_on="A_CE")
    with pytest.raises(CheckpointError, match="trained anew"):
        checkpoint_of(store, "A_V1_DS1", "cnn", "phase1")


def test_a_screen_without_a_checkpoint_is_told_which_asset_to_make(store: Store) -> None:
    with pytest.raises(NotMade, match=KEY):
        checkpoint_of(store, "A_V1_DS1", "cnn", "phase1")
