"""`phenodose view`: what is refused, and a server that is told its address and ends with Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from phenodose.cli import main
from phenodose.store.store import Store

IMAGED = "IMG_V1_DS1"


@pytest.fixture
def imaged_store(made_up_store: Store, tmp_path: Path) -> Store:
    """The made-up store and a screen with one plate of two wells."""
    from phenodose.plates.ingest import ingest_plate
    from phenodose_readers.pattern import PatternReader

    raw = tmp_path / "raw" / "P1"
    raw.mkdir(parents=True)
    for number, well in enumerate(("B02", "C03")):
        tifffile.imwrite(raw / f"{well}_z1.tif", np.full((32, 32), 1000 * (number + 1), np.uint16))
    made_up_store.register(IMAGED, raw.parent)
    reader = PatternReader({"expression": r"(?P<well>[A-P][0-9]{2})_z(?P<z>[0-9]+)"})
    ingest_plate(raw, made_up_store.plate_path(IMAGED, "P1"), reader, "P1")
    return made_up_store


@pytest.fixture
def view(imaged_store: Store, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["view", *arguments, "--no-open", "--store", str(imaged_store.root)])
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["NOPE"], "it holds: BT-40_V1_DS1, IMG_V1_DS1, INF_R_153_V1_DS1"),
        (["BT-40_V1_DS1"], "has no images in the store"),
        (["BT-40_V1_DS1"], "Screens with images: IMG_V1_DS1"),
        (["../evil"], "screen id"),
        ([IMAGED, "--plate", "P7"], "has no plate 'P7' with images; it has P1"),
        ([IMAGED, "--drug", "Lorlatinib"], "no well of the screen holds the drug 'Lorlatinib'; its drugs: none."),
        ([IMAGED, "--port", "70000"], "--port"),
    ],
)
def test_what_cannot_be_shown_is_exit_code_2(view, arguments: list[str], said: str) -> None:
    code, err = view(*arguments)
    assert code == 2
    assert said in err


def test_the_address_is_printed_and_ctrl_c_ends_it(imaged_store: Store) -> None:
    started = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    started += "from phenodose.cli import main; main()"
    arguments = ["view", IMAGED, "--plate", "P1", "--no-open", "--store", str(imaged_store.root)]
    with subprocess.Popen(
        [sys.executable, "-u", "-c", started, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    ) as process:
        assert process.stdout is not None
        told = process.stdout.readline()
        found = re.search(r"(http://127\.0\.0\.1:\d+/[\w-]{20,}/)#plate=P1$", told.strip())
        assert found, told
        with urllib.request.urlopen(found[1]) as answer:
            assert b"<title>Plates" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "ended."
