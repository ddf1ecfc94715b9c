"""New files are their owner's alone, unless the site says otherwise."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from phenodose.errors import InputError
from phenodose.io.files import write_text
from phenodose.io.privacy import private_files, private_folder, readable_by
from phenodose.settings.files import readable_as_site_says
from phenodose.settings.site import read_site

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such rights")


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def made(folder: Path) -> tuple[int, int]:
    write_text(folder / "deep" / "report.html", "patient")
    return rights(folder / "deep"), rights(folder / "deep" / "report.html")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, (0o700, 0o600)),
        ("", (0o700, 0o600)),
        ('[files]\nreadable_by = "owner"\n', (0o700, 0o600)),
        ('[files]\nreadable_by = "group"\n', (0o750, 0o640)),
        ('[files]\nreadable_by = "everyone"\n', (0o755, 0o644)),
        ('[files]\nreadable_by = "nobody"\n', (0o700, 0o600)),
        ("no TOML", (0o700, 0o600)),
    ],
)
def test_who_may_read_is_the_sites_word(tmp_path: Path, said: str | None, expected: tuple[int, int]) -> None:
    if said is not None:
        (tmp_path / "site.toml").write_text(said)
    with private_files():
        readable_as_site_says(tmp_path)
        assert made(tmp_path) == expected
    assert os.umask(0o022) == 0o022


def test_rights_are_only_taken_away(tmp_path: Path) -> None:
    os.umask(0o027)
    with private_files():
        readable_by("everyone")
        assert made(tmp_path) == (0o750, 0o640)


def test_nothing_changes_for_other_programs_that_use_the_package(tmp_path: Path) -> None:
    readable_by("owner")
    assert made(tmp_path) == (0o755, 0o644)


def test_a_wrong_word_is_told_to_who_reads_the_settings(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text('[files]\nreadable = "all"\n')
    with pytest.raises(InputError, match=r"files\.readable: there is no such setting here; known are readable_by"):
        read_site(tmp_path)


def test_a_private_folder_is_made_private_and_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o777)
    assert rights(private_folder(tmp_path / "open")) == 0o700
    assert rights(private_folder(tmp_path / "a" / "new")) == 0o700
    (tmp_path / "link").symlink_to(tmp_path / "open")
    with pytest.raises(PermissionError):
        private_folder(tmp_path / "link")
