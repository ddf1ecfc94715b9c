"""The store's copy of small raw files: machines without the raw folder see what those see that have it."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from phenodose.errors import InputError, MissingInputError, StoreError
from phenodose.io.files import hash_json
from phenodose.io.places import files, sizes
from phenodose.io.privacy import private_files
from phenodose.lineage.verify_store import verify_store
from phenodose.screens.contents import layout_of_screen, readings_of
from phenodose.screens.external_inputs import CONTROLS, IMAGE_FILES, LAYOUT_FILE, READER, SAMPLE, look_at, readings
from phenodose.screens.raw_copy import keep, screen_at
from phenodose.screens.registration import register_screen
from phenodose.screens.remove_screen import remove_screen
from phenodose.screens.screen import Screen
from phenodose.store.store import Store

LOOKED_AT = (LAYOUT_FILE, readings("ctg"), SAMPLE, CONTROLS)


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """In a folder, unless a test asks for a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return Store.open(tmp_path / "store")
    request.getfixturevalue("s3")
    return Store.open("s3://bucket/lab")


ANYWHERE = pytest.mark.parametrize("store", ["folder", "bucket"], indirect=True)


def without_raw(store: Store, raw: Path) -> Store:
    """The store as a machine sees it that does not have the raw folders."""
    told = store.to_json() | {"raw_roots": f"{raw.parent}=/not/here"}
    return Store.from_json(told)


@ANYWHERE
def test_a_machine_without_the_raw_folder_reads_the_same(store: Store, small_ctg_screen: Path) -> None:
    raw = small_ctg_screen
    (raw / "screen.toml").write_text('sample = "Somebody"\n[parameters.dss_asym]\nreference = "ref/samples.csv"\n')
    (raw / "ref").mkdir()
    (raw / "ref" / "samples.csv").write_text("drug\n")
    (raw / "expression.csv").write_text("gene\n")
    (raw / "P1").mkdir()
    (raw / "P1" / "large.tif").write_bytes(b"pixels")
    mine = register_screen(store, raw)
    there = without_raw(store, raw)
    folder = there.source_of(raw.name)
    assert folder == Path("/not/here") / raw.name
    copy = screen_at(folder, there)
    assert (copy.id, copy.settings, copy.copy_of) == (mine.id, mine.settings, folder)
    assert copy.plate_folders == {"P1": folder / "P1"}
    layout = layout_of_screen(copy)
    pd.testing.assert_frame_equal(layout.frame, layout_of_screen(mine).frame)
    pd.testing.assert_frame_equal(readings_of(copy, "ctg", layout).frame, readings_of(mine, "ctg", layout).frame)
    assert (copy.folder / "ref" / "samples.csv").is_file()
    assert (copy.folder / "expression.csv").is_file()
    # The same versions, so that nothing is stale there; of images nothing is said.
    seen = look_at(folder, there, (*LOOKED_AT, IMAGE_FILES, READER))
    assert seen == look_at(raw, store, LOOKED_AT)
    assert not any("tif" in name for name in sizes(store.root))


@ANYWHERE
def test_a_copy_follows_the_folder_and_keeps_one_before(store: Store, small_ctg_screen: Path) -> None:
    raw, place = small_ctg_screen, store.screen_dir(small_ctg_screen.name) / "raw"
    register_screen(store, raw)
    assert not keep(store, Screen.load(raw))
    (raw / "P7").mkdir()
    for words in ("first", "second", "third"):
        (raw / "screen.toml").write_text(f'sample = "{words}"')
        assert keep(store, Screen.load(raw))
        there = without_raw(store, raw)
        copy = screen_at(there.source_of(raw.name), there)
        assert copy.sample == words
        # A copy is no raw folder to take another one of.
        assert not keep(store, copy)
    assert len({path.parts[-3] for path in files(place, "*/*/screen.toml")}) == 2


def test_what_leaves_the_folder_does_not_come_into_the_store(
    store: Store, small_ctg_screen: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("of another patient")
    (small_ctg_screen / "mutations.csv").symlink_to(secret)
    (small_ctg_screen / "ctg" / "more.csv").symlink_to(secret)
    (small_ctg_screen / "screen.toml").write_text(f'[parameters.dss_asym]\nreference = "{secret}"\n')
    register_screen(store, small_ctg_screen)
    assert {Path(name).name for name in sizes(store.screen_dir(small_ctg_screen.name) / "raw")} - {".lock"} == {
        "files.json", "layout.csv", "screen.toml", "TST_V1_DS1_P1.xlsx", "TST_V1_DS1_P2.xlsx",
    }  # fmt: skip


def test_a_damaged_copy_is_told_and_not_read(store: Store, small_ctg_screen: Path) -> None:
    raw = small_ctg_screen
    register_screen(store, raw)
    found = verify_store(store)
    assert (found.faults, found.checked) == ([], {"raw files": 1})
    (layout,) = files(store.screen_dir(raw.name) / "raw", "*/*/layout.csv")
    layout.write_bytes(layout.read_bytes().replace(b"Potent", b"Patent"))
    (fault,) = verify_store(store).faults
    assert fault.startswith(f"{layout} has changed since it was written; take ")
    there = without_raw(store, raw)
    with pytest.raises(
        StoreError, match=r"the copy of the raw files of TST_V1_DS1 is damaged \(.*layout\.csv has chan"
    ):
        screen_at(there.source_of(raw.name), there)
    index = store.screen_dir(raw.name) / "raw" / "files.json"
    index.write_bytes(index.read_bytes().replace(b"layout", b"lay0ut"))
    assert "files.json: has changed since it was written" in verify_store(store).faults[0]
    # Who has the folder makes it anew.
    assert keep(store, Screen.load(raw))
    assert verify_store(store).faults == [] or layout.read_bytes() == (raw / "layout.csv").read_bytes()


@pytest.mark.parametrize("named", ["files", "plates"])
def test_an_index_that_leads_out_of_the_copy_is_not_followed(store: Store, small_ctg_screen: Path, named: str) -> None:
    register_screen(store, small_ctg_screen)
    path = store.screen_dir(small_ctg_screen.name) / "raw" / "files.json"
    facts = json.loads(path.read_bytes())
    del facts["version"]
    outside = {"files": {"../../other": [1, "hash"]}, "plates": ["../other"]}[named]
    facts[named] = outside if named == "plates" else {**facts[named], **outside}
    path.write_bytes(json.dumps({"version": hash_json(facts), **facts}).encode())
    there = without_raw(store, small_ctg_screen)
    with pytest.raises(StoreError, match="is damaged"):
        screen_at(there.source_of(small_ctg_screen.name), there)


def test_where_there_is_neither_folder_nor_copy_the_ways_out_are_named(store: Store, small_ctg_screen: Path) -> None:
    store.register(small_ctg_screen.name, small_ctg_screen)
    there = without_raw(store, small_ctg_screen)
    with pytest.raises(MissingInputError, match=r"/not/here/TST_V1_DS1: there is no such .*PHENODOSE_RAW_ROOTS"):
        screen_at(there.source_of(small_ctg_screen.name), there)
    assert look_at(there.source_of(small_ctg_screen.name), there, LOOKED_AT) == {}


def test_faults_of_a_copy_name_the_file_that_a_person_can_mend(store: Store, small_ctg_screen: Path) -> None:
    register_screen(store, small_ctg_screen)
    (small_ctg_screen / "layout.csv").write_text("Plate,Row\nP1,A\n")
    keep(store, Screen.load(small_ctg_screen))
    there = without_raw(store, small_ctg_screen)
    copy = screen_at(there.source_of(small_ctg_screen.name), there)
    with pytest.raises(InputError) as fault:
        layout_of_screen(copy)
    assert copy.told(str(fault.value)).startswith("/not/here/TST_V1_DS1/layout.csv")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")
def test_the_copy_is_its_owners_alone_and_goes_with_the_screen(tmp_path: Path, small_ctg_screen: Path) -> None:
    store = Store.open(tmp_path / "store")
    with private_files():
        register_screen(store, small_ctg_screen)
    made = [path for path in store.root.rglob("*") if path.is_file()]
    assert made
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in made)
    remove_screen(store, small_ctg_screen.name)
    assert not store.screen_dir(small_ctg_screen.name).exists()
    assert (small_ctg_screen / "layout.csv").is_file()


# --- another machine -------------------------------------------------------------------------------

SEES = """
from phenodose.screens.external_inputs import LAYOUT_FILE, look_at
from phenodose.store.store import Store
store = Store.from_json(store)
folder = store.source_of(screen)
gave = [folder.is_dir(), {thing.key: found for thing, found in look_at(folder, store, [LAYOUT_FILE]).items()}]
"""


@pytest.fixture
def other_host(tmp_path: Path, beside: Callable[[str], Any]) -> Iterator[Any]:
    host = beside("other_host").OtherHost(tmp_path)
    yield host
    host.close()


@ANYWHERE
def test_another_machine_sees_an_edit_as_soon_as_one_that_has_the_folder(
    store: Store, small_ctg_screen: Path, other_host: Any
) -> None:
    raw = small_ctg_screen
    register_screen(store, raw)
    told = without_raw(store, raw).to_json()

    def sees() -> Any:
        return other_host.do(SEES, store=told, screen=raw.name)

    def is_here() -> Any:
        return [False, {thing.key: list(found) for thing, found in look_at(raw, store, [LAYOUT_FILE]).items()}]

    assert sees() == is_here()
    text = (raw / "layout.csv").read_text()
    (raw / "layout.csv").write_text(text.replace("Potent", "Other"))
    # Nobody who has the folder has looked: what it says is what was.
    assert sees() != is_here()
    keep(store, Screen.load(raw))
    assert sees() == is_here()
    # The raw folder is archived: nothing changes.
    before = is_here()
    shutil.rmtree(raw)
    assert sees() == before
