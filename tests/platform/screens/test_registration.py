"""The look at a raw folder before anything is computed: what it tells, beside what it refuses."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from phenodose.cli import cli
from phenodose.plugins import registry
from phenodose.screens.registration import check_screen


def screen(tmp_path: Path) -> Path:
    """A screen of two plates whose files hold the same numbers."""
    folder = tmp_path / "BT-40_V1_DS1"
    (folder / "ctg").mkdir(parents=True)
    lines = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration"]
    numbers = "\t" + "\t".join(map(str, range(1, 7))) + "\n"
    numbers += "".join(
        f"{row}\t" + "\t".join(str(ord(row) * column) for column in range(1, 7)) + "\n" for row in "ABCD"
    )
    for plate in ("P1", "P2"):
        (folder / "ctg" / f"BT-40_{plate}.txt").write_text(numbers)
        lines += [f"{plate},A,1,BT-40,neg,DMSO,", f"{plate},A,2,BT-40,pos,BzCl,", f"{plate},A,3,BT-40,therapy,X,1"]
    (folder / "layout.csv").write_text("\n".join(lines))
    return folder


def test_what_looks_like_a_slip_is_told_by_the_look_and_by_screen_init(tmp_path: Path) -> None:
    folder = screen(tmp_path)
    words = "BT-40_P1.txt and BT-40_P2.txt hold the same numbers in all wells"
    (note,) = check_screen(folder, registry())
    assert note.startswith(words)
    result = CliRunner().invoke(cli, ["screen", "init", str(folder)])
    assert result.exit_code == 0
    assert f"phenodose: note: {words}" in result.stderr
    assert result.stdout.strip() == str(folder / "screen.toml")
