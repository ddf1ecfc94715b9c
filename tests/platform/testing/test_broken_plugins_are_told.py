"""The conformance kit finds what is wrong with a plugin, names the rule, and shows the smallest example."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from phenodose.plugins import Embedder, ImageReadout, Parameters, PlateReaderReadout, Scorer, Scores
from phenodose.testing import (
    Broken,
    EmbedderConformance,
    ImageReadoutConformance,
    PlateReaderReadoutConformance,
    ReaderConformance,
    ScorerConformance,
)
from phenodose.testing.operations import TooManyOperations, counted
from phenodose.testing.rules import smallest
from phenodose_readers.pattern import PatternReader


class Sound(Scorer):
    name = "sound"
    version = "1"
    description = "The fitted top"

    def score(self, curves: Any) -> Any:
        return curves.top.copy()


def suite(base: type, plugin: type, **parameters: Any) -> Any:
    return type("Suite", (base,), {"plugin": plugin, "parameters": parameters, "__test__": False})()


def scoring(function: Any) -> Any:
    return suite(ScorerConformance, type("Odd", (Sound,), {"score": function}))


RULES = [rule for rule in dir(ScorerConformance) if rule.startswith("test_")]


@pytest.mark.parametrize("rule", [rule for rule in RULES if "process" not in rule and "pickled" not in rule])
def test_a_sound_scorer_breaks_no_rule(rule: str) -> None:
    getattr(suite(ScorerConformance, Sound), rule)()


def ranked(self: Any, curves: Any) -> Any:
    return np.where(curves.fitted, np.arange(len(curves), dtype=float), np.nan)


def centred(self: Any, curves: Any) -> Any:
    return curves.top - np.nanmean(curves.top)


def drawn(self: Any, curves: Any) -> Any:
    return curves.top + np.random.default_rng().normal(size=len(curves))


def greedy(self: Any, curves: Any) -> Any:
    curves.top[:] = 0.0
    return curves.top.copy()


def endless(self: Any, curves: Any) -> Any:
    while len(curves) > 100:
        pass
    return curves.top.copy()


@pytest.mark.parametrize(
    ("function", "rule", "said"),
    [
        (lambda self, curves: [1.0], "test_it_gives_one_score_a_curve", "a float array with one value a curve"),
        (lambda self, curves: curves.top[:-1], "test_it_gives_one_score_a_curve", "returned an array .29,. of float64"),
        (lambda self, curves: curves.top / 0.0, "test_it_gives_one_score_a_curve", "a finite number or NaN"),
        (
            lambda self, curves: Scores(curves.top, np.full(len(curves), "~")),
            "test_it_gives_one_score_a_curve",
            "`bound` is '=', '<' or '>'",
        ),
        (
            lambda self, curves: np.ones(len(curves)),
            "test_a_curve_that_could_not_be_fitted_has_no_score",
            "status failed",
        ),
        (lambda self, curves: curves.top * np.nan, "test_fitted_curves_have_scores_or_a_reason", "all are NaN"),
        (
            lambda self, curves: curves.top / len(curves.top[:1]) + curves.top[0],
            "test_no_curves_give_no_scores",
            "IndexError",
        ),
        (drawn, "test_it_is_deterministic", "give a random generator a seed"),
        (ranked, "test_the_order_of_curves_does_not_matter", "turned round"),
        (centred, "test_the_other_curves_do_not_matter", "alone"),
        (greedy, "test_it_does_not_change_the_curves", "work on a copy"),
        (endless, "test_ten_thousand_curves_are_within_the_budget", "a loop that does not end"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value", "ignore:Mean of empty slice")
def test_a_broken_rule_of_scorers_is_named(
    function: Any, rule: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What does not end is not waited for so long.
    monkeypatch.setattr("phenodose.testing.scorers.LINES_A_CURVE", 10)
    with pytest.raises(Broken, match=said) as told:
        getattr(scoring(function), rule)()
    assert str(told.value).startswith("the contract says: ")


def test_the_smallest_example_is_shown() -> None:
    """Two curves are the least that have an order."""
    with pytest.raises(Broken, match="smallest example") as told:
        scoring(ranked).test_the_order_of_curves_does_not_matter()
    assert str(told.value).count("curve ") == 2


def test_places_are_left_out_until_none_can_be() -> None:
    assert smallest(range(100), lambda places: 17 in places and 60 in places) == [17, 60]


def test_an_endless_loop_is_stopped_by_its_operations() -> None:
    def endlessly() -> None:
        while True:
            pass

    with pytest.raises(TooManyOperations):
        counted(endlessly, 1000)
    assert counted(lambda: 1, 1000) == (1, counted(lambda: 1, 1000)[1])


class Untold(Sound):
    class Parameters(Parameters):
        level: int = 3


def test_a_parameter_without_meaning_is_told() -> None:
    with pytest.raises(Broken, match=r"every parameter has a description\n  found: `level` of sound has none"):
        suite(ScorerConformance, Untold).test_every_parameter_has_a_default_and_a_meaning()


def test_a_plugin_that_cannot_be_sent_to_another_process_is_told() -> None:
    local = type("Local", (Sound,), {})
    with pytest.raises(Broken, match="can be sent to another process"):
        suite(ScorerConformance, local).test_it_works_in_a_process_of_its_own_and_leaves_no_trace()


def test_a_write_where_nothing_was_given_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "left_behind.py").write_text(
        "from pathlib import Path\nfrom phenodose.plugins import Scorer\n\n\nclass Writer(Scorer):\n"
        "    name, version, description = 'writer', '1', 'Writes'\n\n"
        "    def score(self, curves):\n"
        f"        Path({str(tmp_path / 'left.txt')!r}).write_text('x')\n        return curves.top.copy()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import left_behind  # type: ignore[import-not-found]

    with pytest.raises(Broken, match=r"a plugin writes only where it is told to\n  found: open .*left\.txt"):
        suite(ScorerConformance, left_behind.Writer).test_it_works_in_a_process_of_its_own_and_leaves_no_trace()


class Backward(PlateReaderReadout):
    name, version, description, folder = "backward", "1", "Numbers by place", "odd"

    def measure(self, matrices: pd.DataFrame) -> pd.DataFrame:
        return matrices.rename(columns={"value": "raw"}).assign(raw=range(len(matrices)))


def test_a_readout_that_minds_the_order_of_wells_is_told() -> None:
    with pytest.raises(Broken, match="does not depend on the order of the wells"):
        suite(PlateReaderReadoutConformance, Backward).test_the_order_of_wells_does_not_matter()


class Missing(ImageReadout):
    name, version, description = "missing", "1", "Half of the wells"

    def measure(self, plate: Any) -> pd.DataFrame:
        return pd.DataFrame({"well": plate.wells[:1], "raw": [1.0]})


def test_a_readout_that_leaves_wells_out_is_told(tmp_path: Path) -> None:
    from phenodose.testing import synthetic

    with pytest.raises(Broken, match="every imaged well has one row"):
        suite(ImageReadoutConformance, Missing).test_every_well_has_a_row(synthetic.plate(tmp_path))


class Scattered(Embedder):
    name, version, description = "scattered", "1", "Places at random"

    def embed(self, features: np.ndarray) -> np.ndarray:
        return np.random.default_rng(len(features)).normal(size=(len(features), 2))


def test_a_map_of_nothing_is_told() -> None:
    with pytest.raises(Broken, match="wells with like features lie close"):
        suite(EmbedderConformance, Scattered).test_like_wells_lie_together()


class Nervous(PatternReader):
    def sniff(self, folder: Path) -> float:
        return float(next(iter(sorted(folder.iterdir()))).stat().st_size > 0)


class NervousSuite(ReaderConformance):
    __test__ = False
    plugin = Nervous
    parameters = {"expression": r"(?P<well>[A-P]\d\d)"}  # noqa: RUF012


def test_a_reader_that_raises_when_asked_is_told(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    tifffile.imwrite(raw / "B02.tif", np.zeros((8, 8), np.uint16))
    (tmp_path / "again").mkdir()
    with pytest.raises(Broken, match="`sniff` never raises") as told:
        NervousSuite().test_sniff_never_raises(tmp_path / "again", raw)
    assert "a folder that is not there" in str(told.value)
