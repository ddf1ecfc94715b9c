"""The readout ctg: found by its entry point, passes the plate reader's numbers on."""

from __future__ import annotations

import pandas as pd

from phenodose.plugins import PlateReaderReadout, registry


def test_it_is_installed_and_names_its_folder_and_controls() -> None:
    readout = registry().get("readout", "ctg")
    assert issubclass(readout, PlateReaderReadout)
    assert readout.folder == "ctg"
    assert readout.positive_controls[0] == "BzCl"


def test_the_numbers_are_taken_as_they_are() -> None:
    matrices = pd.DataFrame({"plate": ["1"], "row": ["B"], "column": [7], "value": [1234.5], "file": ["S_1.txt"]})
    raw = registry().create("readout", "ctg").measure(matrices)
    assert raw.to_dict("list") == {"plate": ["1"], "row": ["B"], "column": [7], "raw": [1234.5]}
