"""Signing in a bucket: the same record and the same page again, nothing half, and every change is told."""

from __future__ import annotations

from typing import Any

import pytest

from phenodose.errors import StoreError
from phenodose.io.files import write_json
from phenodose.io.places import place, sizes, upload_tree
from phenodose.reports import build_report
from phenodose.reports.signing import made_again, sign_report
from phenodose.store.signed import RECORD, REPORT, signed_faults, signed_report, signed_screens, signed_versions
from phenodose.store.store import Store

SCREEN = "INF_R_153_V1_DS1"
ADDRESS = "s3://bucket/lab/store"


def test_a_report_is_signed_in_a_bucket_as_in_a_folder(s3: Any, made_up_store: Store) -> None:
    here = made_up_store
    write_json(here.screen_dir(SCREEN) / "source.json", {"screen": SCREEN, "source": "/nowhere"})
    build_report(here, SCREEN)
    upload_tree(here.root, place(ADDRESS))
    there = Store.open(ADDRESS)
    for store in (here, there):
        store.report_path(SCREEN).with_suffix(".pdf").write_bytes(b"%PDF-1.7 made up")

    one, other = sign_report(here, SCREEN, "A. Pathologist"), sign_report(there, SCREEN, "A. Pathologist")
    assert other.record["files"] == one.record["files"]
    assert other.record["rests_on"] == one.record["rests_on"]
    assert sizes(other.folder).keys() == sizes(one.folder).keys()
    assert other.record["made_again"]["same"]
    assert [faults for _, faults in signed_faults(there, SCREEN)] == [[]]

    for name in sizes(there.root / "tables"):
        (there.root / "tables" / name).unlink()
    assert made_again(there, signed_report(there, SCREEN, 1)) == {REPORT: one.file(REPORT)}
    (other.folder / REPORT).write_bytes(one.file(REPORT).replace(b"Trametinib", b"Tramadol"))
    assert [len(faults) for _, faults in signed_faults(there, SCREEN)] == [1]
    with pytest.raises(StoreError, match="holds other bytes"):
        made_again(there, other)


def test_a_signature_that_was_cut_off_is_none_and_is_told(s3: Any) -> None:
    store = Store.open(ADDRESS)
    (store.signed_dir(SCREEN) / "1" / REPORT).write_bytes(b"the record goes last")
    assert signed_screens(store) == [SCREEN]
    assert signed_versions(store, SCREEN) == [1]
    with pytest.raises(FileNotFoundError):
        signed_report(store, SCREEN)
    ((folder, faults),) = signed_faults(store, SCREEN)
    assert RECORD in faults[0]
    assert str(folder).endswith("signed/INF_R_153_V1_DS1/1")
