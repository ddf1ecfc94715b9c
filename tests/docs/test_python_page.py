"""docs/python.md is true: its blocks run one after the other, and it names exactly the public face."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import phenodose

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_names_the_whole_face() -> None:
    table = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert set(re.findall(r"`(\w+)", table)) == set(phenodose.__all__)


@pytest.mark.usefixtures("words_alone")
def test_its_blocks_run_and_both_ways_give_the_same_scores(
    small_ctg_screen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site_of: Callable[..., str]
) -> None:
    monkeypatch.chdir(small_ctg_screen.parent)
    Path("store").mkdir()
    Path("store/site.toml").write_text(site_of("readout:ctg", "scorer:dss_asym", "scorer:auc"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    found: dict[str, Any] = {}
    for block in BLOCKS:
        exec(block, found)
    assert next(iter(found["ranking"]["drug"])) == "Potent"
    both = found["ranking"].merge(found["stored"], on="drug", suffixes=("", "_stored"))
    assert len(both) == 3
    pd.testing.assert_series_equal(both["score"], both["score_stored"], check_names=False, check_exact=True)
    assert list(found["hits"]["drug"]) == ["Potent"]
    assert found["curve"]["status"] == "ok"
    taken = found["store"].read_table("curations", "TST_V1_DS1").sort_values("number")
    assert list(zip(taken["action"], taken["what"], taken["undone_by"].notna(), strict=True)) == [
        ("exclude", "P1/D05", True),
        ("restore", "P1/D05", False),
    ]


def test_the_notebook_runs_on_a_store_of_screens(made_up_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    monkeypatch.setenv("PHENODOSE_STORE", str(made_up_root))
    cells = json.loads((DOCS.parent / "examples" / "cohort.ipynb").read_text(encoding="utf-8"))["cells"]
    found: dict[str, Any] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), found)
    assert found["best"] in set(found["ranking"].index)
    assert len(found["of_drug"]) > 3


def test_importing_it_loads_nothing_heavy() -> None:
    heavy = "numpy", "pandas", "dagster", "zarr", "tensorflow", "pyarrow"
    code = f"import sys, phenodose; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
