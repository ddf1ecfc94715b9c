"""Pictures are small images that show what they were given, also when that is nothing."""

from __future__ import annotations

import ast
import base64
import io
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from phenodose import plots
from phenodose.errors import InputError
from phenodose.names import PLATE_FORMATS, row_label
from phenodose.plots import palette
from phenodose.plots.png import MOST_BYTES
from phenodose.plugins import Preferences, registry
from phenodose.tables import CURVE_FIT_COLUMNS

ROWS = "ABCDEFGHIJKLMNOP"


def pixels(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB"))


def marks(svg: bytes) -> list[str]:
    """Every text and shape of a figure; it must be XML."""
    root = ET.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return [ET.tostring(part, encoding="unicode") for part in root[3:]]


def shows(svg: bytes, something: str) -> bool:
    return any(something in mark for mark in marks(svg))


def is_drawn(picture: bytes) -> bool:
    return len(marks(picture)) > 1 if picture.startswith(b"<svg") else bool(pixels(picture).std() > 1)


@pytest.fixture
def plate() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    places = [(row, column) for row in ROWS for column in range(2, 24)]
    return pd.DataFrame(places, columns=["row", "column"]).assign(value=rng.normal(0.7, 0.3, len(places)))


@pytest.fixture
def wells() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    control = np.array(["negative"] * 30 + ["positive"] * 24 + [None] * 800, dtype=object)
    raw = rng.normal(0.5, 0.1, len(control))
    return pd.DataFrame({"raw": raw, "viability_fraction": 2 * raw - 0.4, "control": control})


@pytest.fixture
def ranking() -> pd.DataFrame:
    score = np.linspace(20, 1, 20)
    return pd.DataFrame(
        {
            "drug": [f"Drug {i:02d}" for i in range(20)],
            "score": score,
            "lower": score - 1,
            "upper": score + 1,
            "hit": score >= 10,
        }
    )


def curve_rows(drug: str = "Trametinib") -> pd.DataFrame:
    values = dict.fromkeys(CURVE_FIT_COLUMNS) | {
        "model": 3,
        "bottom": 0.0,
        "top": 1.0,
        "log10_mid": 2.0,
        "slope": 1.0,
        "asymmetry": 1.0,
        "min_dose_nM": 1.0,
        "max_dose_nM": 10000.0,
        "n_doses": 5,
        "n_points": 10,
        "fit": "robust",
        "status": "ok",
    }
    return pd.DataFrame([values | {"drug": drug, "readout": readout} for readout in ("ctg", "cnn_phase3")])


def point_rows() -> pd.DataFrame:
    doses = 10.0 ** np.arange(5)
    frames = [
        pd.DataFrame({"concentration_nM": doses, "viability_fraction": 1 / (1 + doses / 100), "readout": readout})
        for readout in ("ctg", "cnn_phase3")
    ]
    return pd.concat(frames, ignore_index=True)


def test_importing_plots_does_not_import_matplotlib() -> None:
    program = "import sys, phenodose.plots; sys.exit('matplotlib' in sys.modules or 'PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_no_picture_uses_pyplot() -> None:
    program = (
        "import sys, pandas as pd\nfrom phenodose import plots\n"
        "plots.training_curve([{'loss': 1.0}])\n"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_picture_is_small_and_repeatable(plate: pd.DataFrame, wells: pd.DataFrame, ranking: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    history = [
        {"loss": 1 / epoch, "accuracy": 1 - 0.4 / epoch, "validation_loss": 1.1 / epoch} for epoch in range(1, 200)
    ]
    places = pd.DataFrame(rng.normal(size=(200, 2)), columns=["x", "y"]).assign(
        label=[f"D{i}" for i in range(200)], colour=[f"class {i % 20}" for i in range(200)]
    )
    pairs = pd.DataFrame(rng.normal(60, 30, (375, 2)), columns=["first", "second"])
    made = {
        "mosaic": lambda: plots.plate_picture(rng_mosaic()),
        "heatmap": lambda: plots.plate_heatmap(plate, "ctg P1", "fraction", (0, 1.2)),
        "training": lambda: plots.training_curve(history, "phase2", 0.5),
        "histogram": lambda: plots.viability_histogram(wells, "cnn", limits=(0.2, 0.8)),
        "ranking": lambda: plots.ranking_bars(ranking, "BT-40", "DSS_asym", threshold=10),
        "map": lambda: plots.embedding_map(places, "map"),
        "scatter": lambda: plots.replicate_scatter(pairs, "ctg"),
        "curve": lambda: plots.dose_response_plot(point_rows(), curve_rows(), "Trametinib"),
    }
    for name, make in made.items():
        picture = make()
        assert len(picture) < MOST_BYTES, name
        assert is_drawn(picture), f"{name} is blank"
        assert make() == picture, f"{name} differs from call to call"


def rng_mosaic() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (512, 768), dtype=np.uint8)


@settings(max_examples=15)
@given(height=st.integers(1, 300), width=st.integers(1, 500), seed=st.integers(0, 9))
def test_a_mosaic_of_any_size_fits(height: int, width: int, seed: int) -> None:
    mosaic = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    png = plots.plate_picture(mosaic, most_bytes=8000)
    assert len(png) <= 8000
    assert pixels(png).shape[1] <= width


def test_a_mosaic_keeps_its_brightness() -> None:
    mosaic = np.zeros((64, 96), np.uint8)
    mosaic[:, 48:] = 200
    shown = pixels(plots.plate_picture(mosaic))
    assert shown[:, :48].max() <= 8
    assert abs(int(shown[:, 48:].mean()) - 200) <= 8


def test_a_mosaic_of_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="uint8"):
        plots.plate_picture(np.zeros((4, 4), np.uint16))


def test_a_heatmap_shows_low_and_high_and_marks_what_is_left_out(plate: pd.DataFrame) -> None:
    plate["value"] = np.where(plate["column"] < 12, 0.0, 1.0)
    full = plots.plate_heatmap(plate, "P1", limits=(0, 1))
    assert shows(full, 'fill="#440154"')
    assert shows(full, 'fill="#fde724"')
    assert not shows(full, "left out")
    plate.loc[::3, "value"] = np.nan
    assert shows(plots.plate_heatmap(plate, "P1", limits=(0, 1)), "left out")


def test_every_well_of_a_heatmap_has_its_place_and_colour() -> None:
    two = pd.DataFrame({"row": ["B", "H"], "column": [3, 12], "value": [0.0, 1.0]})
    shown = plots.plate_heatmap(two, "P1")
    assert shows(shown, 'd="M2 1h1v1h-1z" fill="#440154"')
    assert shows(shown, 'd="M11 7h1v1h-1z" fill="#fde724"')


def test_a_heatmap_of_a_large_or_empty_plate(plate: pd.DataFrame) -> None:
    large = pd.DataFrame({"row": ["A", "AF"], "column": [1, 48], "value": [0.0, 1.0]})
    assert shows(plots.plate_heatmap(large, "1536"), "M47 31h1v1h-1z")
    assert shows(plots.plate_heatmap(plate.assign(value=np.nan), "empty"), "left out")


def test_hits_stand_out(ranking: pd.DataFrame) -> None:
    hits = [mark for mark in marks(plots.ranking_bars(ranking)) if 'class="bar hit"' in mark]
    assert [f"Drug {place:02d}: " in hit for place, hit in enumerate(hits)] == [True] * int(ranking["hit"].sum())
    assert not shows(plots.ranking_bars(ranking.assign(hit=False)), "bar hit")


def test_any_name_can_stand_in_a_figure(ranking: pd.DataFrame) -> None:
    ranking.loc[0, "drug"] = '<img src=x onerror="a()">&\x00\uffff'
    assert shows(plots.ranking_bars(ranking, "<b>"), "&lt;img src=x")


def test_only_the_best_are_ranked(ranking: pd.DataFrame) -> None:
    shuffled = ranking.sample(frac=1, random_state=3)
    assert plots.ranking_bars(shuffled, top=5) == plots.ranking_bars(ranking.head(5), top=5)


def test_fitted_curves_are_drawn_and_failed_ones_are_not() -> None:
    points, curves = point_rows(), curve_rows()
    alone = plots.dose_response_plot(points, None)
    drawn = plots.dose_response_plot(points, curves)
    failed = plots.dose_response_plot(points, curves.assign(model=None, bottom=np.nan, status="failed"))
    assert drawn != alone
    assert failed == alone


@pytest.mark.parametrize(
    "make",
    [
        lambda: plots.training_curve([]),
        lambda: plots.viability_histogram(pd.DataFrame({"raw": [np.nan], "control": [None]})),
        lambda: plots.replicate_scatter(pd.DataFrame({"first": [], "second": []})),
        lambda: plots.ranking_bars(
            pd.DataFrame({"drug": ["x"], "score": [np.nan], "lower": [np.nan], "upper": [np.nan], "hit": [None]})
        ),
        lambda: plots.embedding_map(pd.DataFrame(columns=["x", "y", "label", "colour"])),
        lambda: plots.dose_response_plot(point_rows().assign(viability_fraction=np.nan)),
    ],
    ids=["training", "histogram", "replicates", "ranking", "map", "curve"],
)
def test_nothing_to_show_is_said(make) -> None:
    assert is_drawn(make())


def test_a_readout_always_looks_the_same() -> None:
    colours = Preferences.of(registry()).colours()
    alone = palette.readout_looks(["ctg"], colours)["ctg"]
    among = palette.readout_looks(["aaa", "ctg", "cnn_phase2", "mine"], colours)
    assert among["ctg"] == alone
    assert len({look.colour for look in among.values()}) == 4


def test_looks_of_many_categories_differ() -> None:
    looks = [palette.look(i) for i in range(32)]
    assert len({(look.colour, look.marker) for look in looks}) == 32


def test_embedding_in_html_and_markdown() -> None:
    png = plots.training_curve([])
    uri = plots.data_uri(png)
    assert base64.b64decode(uri.removeprefix("data:image/png;base64,")) == png
    assert plots.markdown_image(png, "plate [P1]") == f"![plate (P1)]({uri})"


@pytest.mark.parametrize("wells", [96, 384, 1536])
def test_a_thumbnail_of_any_plate_is_tiny_and_shows_what_is_missing(wells: int) -> None:
    n_rows, n_columns = PLATE_FORMATS[wells]
    rng = np.random.default_rng(0)
    places = [(row_label(row), column) for row in range(n_rows) for column in range(1, n_columns + 1)]
    frame = pd.DataFrame(places, columns=["row", "column"]).assign(value=rng.random(wells))
    frame.loc[0, "value"] = np.nan
    png = plots.plate_thumbnail(frame)
    assert len(png) <= 680
    shown = pixels(png)
    assert shown.shape[:2] == (4 * n_rows, 4 * n_columns)
    assert tuple(shown[0, 0]) == (0xF4, 0xF4, 0xF4)
    assert (shown[:4, 4:8] == shown[0, 4]).all()


def test_a_thumbnail_is_brighter_where_the_value_is_higher() -> None:
    frame = pd.DataFrame({"row": ["A", "A"], "column": [1, 2], "value": [0.1, 0.9]})
    shown = pixels(plots.plate_thumbnail(frame, limits=(0.0, 1.0))).astype(int)
    assert shown[0, 4].sum() > shown[0, 0].sum()


def test_every_legend_has_its_place() -> None:
    """Without `loc`, matplotlib tries all places against all points: seconds of work, and a warning when busy."""
    package = Path(plots.__file__).parents[1]
    calls = [
        (path.name, call.lineno, len(call.args) > 1 or any(word.arg == "loc" for word in call.keywords))
        for path in package.rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "legend"
    ]
    assert len(calls) > 5
    assert [call for call in calls if not call[2]] == []
