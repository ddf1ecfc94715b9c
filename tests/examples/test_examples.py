"""The four examples install with pip into a fresh environment, and a screen goes through all of them.

The examples' code comes from pip alone (`fresh_environment.py`).
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from phenodose.cohort.query import query
from phenodose.store.store import Store
from phenodose.testing import ReaderConformance

ROOT = Path(__file__).parents[2]
EXAMPLES = (
    *("phenodose-cellvoyager", "phenodose-gr-nauc"),
    *("phenodose-response-additivity", "phenodose-spheroid-shape"),
)
DOSES_NM = (1, 10, 100, 1000, 10000)
SIDE = 96
SPACE = 'xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0"'


@pytest.fixture(scope="module")
def site(fresh_environment: Any) -> Any:
    """A fresh environment with the four examples in it."""
    place = fresh_environment.folder
    for name in EXAMPLES:
        shutil.copytree(ROOT / "examples" / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    fresh_environment.run("pip", "install", *(f"./{name}" for name in EXAMPLES))
    return fresh_environment


def test_their_own_tests_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_process: Any) -> None:
    own = []
    for name in EXAMPLES:
        monkeypatch.syspath_prepend(str(ROOT / "examples" / name))
        own.append(shutil.copytree(ROOT / "examples" / name / "tests", tmp_path / name))
    found = one_process.outcomes(own, tmp_path, monkeypatch)
    assert {name: told for name, told in found.items() if told != "passed"} == {}
    assert all(any(test.startswith(f"{name}/") for test in found) for name in EXAMPLES)


@pytest.mark.slow
def test_their_own_tests_pass_where_pip_installed_them(site: Any, tmp_path: Path) -> None:
    """Above they pass in the process of the tests; below the rules of the contract are tried where pip installed."""
    own = [shutil.copytree(ROOT / "examples" / name / "tests", tmp_path / name) for name in EXAMPLES]
    told = site.run(
        *("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode=importlib", "-rA", *own), cwd=tmp_path
    )
    assert " passed" in told
    assert all(f"PASSED {name}/" in told for name in EXAMPLES)


def test_each_is_listed_with_its_distribution_and_checked(site: Any, plate: Path) -> None:
    wanted = {
        "cellvoyager": "phenodose-cellvoyager 1.0",
        "gr_nauc": "phenodose-gr-nauc 1.0",
        "additivity": "phenodose-response-additivity 1.0",
        "spheroid_roundness": "phenodose-spheroid-shape 1.0",
    }
    full = ("check", "cellvoyager", "--full", "--raw", plate, "--json")
    commands = [("list", "--json"), *(("check", name) for name in wanted), full]
    listed, *checked, told = site.together([("phenodose", "plugins", *words) for words in commands])
    distributions = {one["name"]: one["distribution"] for one in json.loads(listed)}
    assert {name: distributions[name] for name in wanted} == wanted
    assert all("all kept; others are tried with --full" in said for said in checked)
    rules = {
        name.removeprefix("test_").replace("_", " ") for name in dir(ReaderConformance) if name.startswith("test_")
    }
    assert set(json.loads(told)["rules"]) == rules
    assert set(json.loads(told)["rules"].values()) == {"kept"}


def spheroid(viability: float, rng: np.random.Generator) -> np.ndarray:
    """A disc that is drawn out to an ellipse, four times as long as wide, as its cells die."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    stretch = 2 - viability
    inside = (x / stretch) ** 2 + (y * stretch) ** 2 < 22**2
    return (rng.normal(400, 20, (SIDE, SIDE)) + 6000 * inside).clip(0, 65535).astype(np.uint16)


#: Row, column, type, treatment, dose and viability of wells.
Wells = list[tuple[str, int, str, str, str, float]]


def write_measurement(raw: Path, wells: Wells) -> None:
    """A CellVoyager measurement of these wells."""
    rng = np.random.default_rng(11)
    raw.mkdir(parents=True)
    records = []
    for row, column, *_, viability in wells:
        for z in (1, 2):
            name = f"CV_{row}{column:02}_T0001F001L01A01Z{z:02}C01.tif"
            tifffile.imwrite(raw / name, spheroid(viability, rng))
            records.append(
                f'<bts:MeasurementRecord bts:Type="IMG" bts:Time="2026-03-02T10:00:00+01:00" bts:Column="{column}" '
                f'bts:Row="{ord(row) - 64}" bts:TimePoint="1" bts:FieldIndex="1" bts:ZIndex="{z}" bts:X="0" bts:Y="0" '
                f'bts:Z="{10 * z}" bts:Ch="1">{name}</bts:MeasurementRecord>'
            )
    (raw / "MeasurementData.mlf").write_text(
        f"<bts:MeasurementData {SPACE}>{''.join(records)}</bts:MeasurementData>", encoding="utf-8"
    )
    (raw / "MeasurementDetail.mrf").write_text(
        f'<bts:MeasurementDetail {SPACE} bts:RowCount="16" bts:ColumnCount="24"><bts:MeasurementChannel bts:Ch="1" '
        'bts:HorizontalPixelDimension="2.0" bts:VerticalPixelDimension="2.0"/></bts:MeasurementDetail>',
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CellVoyager measurement of two wells."""
    raw = tmp_path_factory.mktemp("raw") / "P1"
    write_measurement(raw, [("B", 2, "neg", "DMSO", "", 1.0), ("C", 11, "pos", "STS", "250", 0.0)])
    return raw


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A screen of a plate: controls, a drug that kills at 30 nM, one that does nothing."""
    folder = tmp_path_factory.mktemp("raw") / "CV_V1_DS1"
    wells: Wells = []
    for row in "BCDEFG":
        wells.append((row, 2, "neg", "DMSO", "", 1.0))
        wells.append((row, 3, "pos", "STS", "250", 0.0))
    for row in "BC":
        for place, dose in enumerate(DOSES_NM):
            wells.append((row, 4 + place, "therapy", "Killer", str(dose), 1 / (1 + dose / 30)))
            wells.append((row, 10 + place, "therapy", "Inert", str(dose), 1.0))
    write_measurement(folder / "P1", wells)
    layout = ["Plate,Row,Column,Sample,WellType,Treatment,Concentration"]
    layout += [f"P1,{row},{column},CV,{kind},{treatment},{dose}" for row, column, kind, treatment, dose, _ in wells]
    (folder / "layout.csv").write_text("\n".join(layout) + "\n", encoding="utf-8")
    (folder / "screen.toml").write_text(
        "[tensors]\nsize_px = 32\n[parameters.gr_nauc]\ndoublings = 2.0\n", encoding="utf-8"
    )
    (folder / "_DONE").touch()
    return folder


@pytest.mark.slow
def test_a_screen_goes_through_all_of_them(site: Any, screen: Path) -> None:
    """The values are known to each example's own tests; the tutorials' tests take such plugins through the graph.

    (tests/docs/test_demo_and_tutorials.py for a readout, a scorer and a reader that pip installed.)
    """
    of_readout = [f"{made}/spheroid_roundness" for made in ("viability", "curves")]
    assets = ["layout", "plate_images", *of_readout, "scores/gr_nauc", "scores/dss_asym", "patient_report"]
    report = screen.parent / "report.html"
    make = ("phenodose", "run", screen, "--select", ",".join(assets))
    site.together([make, ("phenodose", "report", screen.name, "--out", report)])

    def asked(sql: str) -> list[dict[str, object]]:
        return query(Store.open(site.folder / "store"), sql).table.to_pylist()

    assert asked("SELECT DISTINCT plugin, plugin_version FROM plates") == [
        {"plugin": "cellvoyager", "plugin_version": "1.0"}
    ]
    alive, dead = asked(
        "SELECT well_type, median(raw) AS raw FROM viability JOIN wells USING (screen, plate, well) "
        "WHERE readout = 'spheroid_roundness' AND well_type IN ('neg', 'pos') GROUP BY well_type ORDER BY well_type"
    )
    assert alive["raw"] == pytest.approx(1.0, abs=0.08)
    assert dead["raw"] == pytest.approx(0.54, abs=0.08), "an ellipse of axes 4 to 1"
    scores = {
        (row["scorer"], row["drug"]): row
        for row in asked("SELECT scorer, drug, score, plugin_version FROM scores WHERE replicate = 'pooled'")
    }
    assert scores["dss_asym", "Killer"]["score"] > 10 > scores["dss_asym", "Inert"]["score"]
    assert scores["gr_nauc", "Killer"]["score"] < 60 < 90 < scores["gr_nauc", "Inert"]["score"] < 105
    text = report.read_text(encoding="utf-8")
    assert "spheroid_roundness" in text
    assert "gr_nauc" in text
