"""Which reader reads a folder: the one named, the surest, or none without a way out."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.errors import InputError, PluginError
from phenodose.plugins import Registry, choose_reader, group_of, registry

EXPRESSION = r"_(?P<well>[A-Z]\d\d)"
READERS = """
from phenodose.plugins import Reader

class _Sure(Reader):
    version = "1"
    description = "A reader for a test."

    def index(self, folder):
        raise AssertionError("choosing a reader reads no index")

class Half(_Sure):
    name = "half"

    def sniff(self, folder):
        return 0.5

class OtherHalf(Half):
    name = "other_half"

class Little(_Sure):
    name = "little"

    def sniff(self, folder):
        return 0.2

class Broken(_Sure):
    name = "broken"

    def sniff(self, folder):
        raise RuntimeError("out of order")

class Boastful(_Sure):
    name = "boastful"

    def sniff(self, folder):
        return 2

class Nothing(_Sure):
    name = "nothing"
    remedy = "tell the reader `nothing` what they are"

    def sniff(self, folder):
        return 0
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A registry of some of the readers above."""
    (tmp_path / "readers_of_a_test.py").write_text(READERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("readers_of_a_test", None)

    def make(*names: str) -> Registry:
        targets = {name: "".join(part.capitalize() for part in name.split("_")) for name in names}
        return Registry(
            EntryPoint(name, f"readers_of_a_test:{target}", group_of("reader")) for name, target in targets.items()
        )

    return make


@pytest.fixture
def raw(tmp_path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    tifffile.imwrite(folder / "x_B02.tif", np.zeros((8, 8), np.uint16), software="MetaSeries")
    return folder


def test_the_surest_reader_is_taken(installed, raw):
    assert choose_reader(raw, installed("half", "little", "nothing")).name == "half"
    assert choose_reader(raw, installed("little", "nothing")).name == "little"


def test_a_named_reader_is_taken_whatever_the_others_say(installed, raw):
    assert choose_reader(raw, installed("half", "little"), "little").name == "little"
    with pytest.raises(PluginError, match="reader 'gone' is not installed; installed are: half"):
        choose_reader(raw, installed("half"), "gone")


def test_readers_that_are_equally_sure_are_named_with_the_way_out(installed, raw):
    with pytest.raises(InputError, match="half and other_half are equally sure") as told:
        choose_reader(raw, installed("half", "other_half", "little"))
    assert '`reader = "half"` in screen.toml or `--reader half`' in str(told.value)
    assert "little" not in str(told.value)


def test_a_reader_that_breaks_does_not_stop_the_others_but_is_named_if_none_is_left(installed, raw):
    assert choose_reader(raw, installed("broken", "boastful", "little")).name == "little"
    with pytest.raises(InputError, match="no installed reader knows these files") as told:
        choose_reader(raw, installed("broken", "boastful", "nothing"))
    assert "reader 'broken' of an unnamed distribution" in str(told.value)
    assert "raised RuntimeError: out of order" in str(told.value)
    assert "boastful said 2 where 0 to 1 is meant" in str(told.value)
    assert "of one plate's raw images, tell the reader `nothing` what they are, or install" in str(told.value)


def test_what_the_built_in_readers_advise_is_said(tmp_path):
    with pytest.raises(InputError) as told:
        choose_reader(tmp_path, registry())
    assert "describe the file names to the reader `pattern` (docs/readers.md), or install a reader" in str(told.value)


def test_the_built_in_readers_on_a_folder_that_two_of_them_know(raw):
    assert choose_reader(raw, registry()).name == "imagexpress"
    parameters = {"pattern": {"expression": EXPRESSION}}
    with pytest.raises(InputError, match="imagexpress and pattern are equally sure"):
        choose_reader(raw, registry(), None, parameters)
    chosen = choose_reader(raw, registry(), "pattern", parameters)
    assert (chosen.name, chosen.parameters.expression) == ("pattern", EXPRESSION)


def test_the_command_line_names_the_reader(raw, tmp_path):
    run = ["ingest", str(raw), str(tmp_path / "P1.ome.zarr"), "--json", "--reader", "pattern"]
    result = CliRunner().invoke(cli, [*run, "--param", f"expression={EXPRESSION}"])
    assert result.exit_code == 0, result.output
    assert '"reader": "pattern"' in result.stdout


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        choose_reader(tmp_path / "nowhere", registry())


@pytest.mark.parametrize("name", registry().names("reader"))
def test_every_built_in_reader_says_no_to_what_is_none_of_its_own(name, tmp_path):
    reader = registry().create("reader", name)
    assert reader.sniff(tmp_path) == 0
    assert reader.sniff(tmp_path / "nowhere") == 0
    (tmp_path / "letter.txt").write_text("Dear colleague,")
    (tmp_path / "zarr.json").write_text("{no json")
    (tmp_path / "picture.tif").write_bytes(b"II*\0")
    assert reader.sniff(tmp_path) == 0
