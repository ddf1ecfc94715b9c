"""What is told of a bucket or a server that does not answer as it should; on a real S3 server."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import pytest

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.io.places import place
from phenodose.store.store import Store

ADDRESS = "s3://bucket/lab/store"


def complaint(capsys, *arguments: str) -> str:
    with pytest.raises(SystemExit) as left:
        main([*arguments])
    assert left.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


def test_a_bucket_that_is_not_there_is_told(s3, capsys):
    for arguments in (["screen", "list"], ["sql", "SHOW TABLES"], ["report", "S1"], ["run", "S1"]):
        told = complaint(capsys, *arguments, "--store", "s3://nosuchbucket/store")
        assert told.startswith("phenodose: s3://nosuchbucket/store: The specified bucket does not exist; check the ")


# Forgotten clients are collected with their sessions open; the library has no way to close them from here.
@pytest.mark.filterwarnings("ignore:Unclosed client session:ResourceWarning")
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_no_access_and_no_server_are_told(s3, capsys, monkeypatch):
    s3.denies = True
    assert "Access Denied; check the address, the credentials" in complaint(
        capsys, "screen", "list", "--store", ADDRESS
    )
    s3.denies = False
    filesystem = type(place(ADDRESS).fs)  # type: ignore[attr-defined]
    try:
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        filesystem.clear_instance_cache()
        told = complaint(capsys, "sql", "SELECT 1", "--store", ADDRESS)
        assert "Could not connect to the endpoint URL" in told
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        filesystem.clear_instance_cache()
        assert "Unable to locate credentials; check" in complaint(capsys, "sql", "SELECT 1", "--store", ADDRESS)
    finally:
        filesystem.clear_instance_cache()
        gc.collect()


def test_a_server_that_fails_later_is_told(s3, capsys):
    Store.open(ADDRESS).register("S1", Path("/raw/S1"))

    def deny(method: str, name: str) -> None:
        s3.denies = name.endswith("source.json")

    s3.before = deny
    told = complaint(capsys, "screen", "list", "--store", ADDRESS)
    assert re.match(f"phenodose: {ADDRESS}: (Access Denied|Forbidden); check the address", told)


def test_an_address_of_no_object_store_is_refused():
    with pytest.raises(InputError, match="give the path of a folder, or an address such as s3://bucket/prefix"):
        Store.open("file:///tmp/store")
    with pytest.raises(StoreError, match="nosuch://x: such addresses cannot be used"):
        Store.open("nosuch://x")
