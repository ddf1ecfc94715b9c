"""Raw folders that lie elsewhere on this machine than where they were registered."""

from __future__ import annotations

from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.settings.environment import read_environment
from phenodose.store.store import Store

_SCREEN = "SIM_A_V1_DS1"


def _registered(root: Path, there: str) -> Path:
    Store.open(root).register(_SCREEN, Path(there))
    return root


def test_a_raw_folder_is_found_where_this_machine_has_it(tmp_path: Path) -> None:
    root = _registered(tmp_path, f"/mnt/microscope/inbox/{_SCREEN}")
    said = {"PHENODOSE_STORE": str(root), "PHENODOSE_RAW_ROOTS": "/mnt=/other:/mnt/microscope=/data/raw"}
    store = read_environment(said).open_store()
    assert store.source_of(_SCREEN) == Path(f"/data/raw/inbox/{_SCREEN}")
    assert Store.from_json(store.to_json()) == store


def test_what_lies_elsewhere_stays_where_it_was_registered(tmp_path: Path) -> None:
    root = _registered(tmp_path, f"/mnt/microscope2/{_SCREEN}")
    store = Store.open(root, raw_roots="/mnt/microscope=/data/raw")
    assert store.source_of(_SCREEN) == Path(f"/mnt/microscope2/{_SCREEN}")


@pytest.mark.parametrize("text", ["/mnt", "mnt=/data", "/mnt=data", "/a=/b:"])
def test_a_fault_is_told_with_an_example(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"PHENODOSE_RAW_ROOTS=.* is no pair of folders; write OLD=NEW"):
        Store.open(tmp_path, raw_roots=text)
