"""Three walks through one screen, as its users take them: each is told wherever somebody looks.

An image is cut off, and copied again; a scorer of the tutorial is installed; a layout is edited after scoring, and its
screen made again. People look at the report and at the cohort's in a browser, at the list of screens, ask in SQL and
`why`, and look at the asset in Dagster.

Belongs here: what is only seen by going all the way. Does not belong here: what one room does (its own tests).
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.plugins import registry
from phenodose.screens.registration import register_screen
from phenodose.simulation import simulate_screen
from phenodose.store.store import Store
from phenodose_assets.instance import open_instance
from phenodose_assets.run import materialize_cohort, materialize_screen

SCREEN = "IMG_V1_DS1"
TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial_scorer.md"
FILES = re.compile(r"^### `[\w-]+/(\w+)\.py`\n+```python\n(.*?)^```$", re.M | re.S)
ASKED = f"SELECT verdict, verdict_reason, stale FROM screens WHERE screen = '{SCREEN}'"


def told(*words: str) -> str:
    """What a command prints; it succeeds."""
    with redirect_stdout(StringIO()) as out, pytest.raises(SystemExit) as ended:
        main(list(words))
    assert not ended.value.code, words
    return out.getvalue()


@dataclass(frozen=True)
class Seen:
    """What there is to see of the screen at one time.

    Attributes:
        listed: its line in the list of screens.
        asked: its row in SQL.
        why: where a score comes from.
        asset: the verdict that Dagster shows with the report's asset.
        check: what the cohort's check of all screens holds.
        pages: folder with a copy of the reports.
    """

    listed: dict[str, Any]
    asked: dict[str, Any]
    why: str
    asset: str
    check: str
    pages: Path


@dataclass(frozen=True)
class Read:
    """What a reader finds on the pages, in a browser.

    Attributes:
        verdict: text of the box on the first page that holds the verdict.
        level: its level, which is its colour.
        warnings: texts of the other boxes there.
        report: all text of the report.
        cohort: the screen's row in the report of all screens, and the boxes above it.
    """

    verdict: str
    level: str
    warnings: list[str]
    report: str
    cohort: str


class Site:
    """A store with two readouts, and one screen of images and a plate reader."""

    def __init__(self, folder: Path, choice: str) -> None:
        self.folder = folder
        (folder / "store").mkdir()
        (folder / "store" / "site.toml").write_text(choice)
        self.raw = simulate_screen(folder / "raw" / SCREEN, plates=1, drugs=1, size_px=48, planes=1).folder
        self.layout = self.raw / "layout.csv"
        lines = pd.read_excel(self.raw / "layout.xlsx", engine="calamine")
        self.drug = str(lines.loc[lines["WellType"] == "therapy", "Treatment"].iloc[0])
        lines.to_csv(self.layout, index=False)
        (self.raw / "layout.xlsx").unlink()
        with (self.raw / "screen.toml").open("a") as settings:
            settings.write("\n[parameters.curves]\nbootstrap = 20\n")
        self.store = Store.open(folder / "store")

    def install_the_scorer_of_the_tutorial(self) -> None:
        """As an installer lays it out."""
        info = self.folder / "site-packages" / "phenodose_scorer_steepness-1.0.dist-info"
        info.mkdir(parents=True)
        for module, text in FILES.findall(TUTORIAL.read_text(encoding="utf-8")):
            (info.parent / f"{module}.py").write_text(text, encoding="utf-8")
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: phenodose-scorer-steepness\nVersion: 1.0\n")
        points = "[phenodose.scorers]\nsteepness = phenodose_scorer_steepness:SteepnessScorer\n"
        (info / "entry_points.txt").write_text(points)
        registry.cache_clear()

    def double_a_dose(self) -> None:
        lines = pd.read_csv(self.layout)
        lines.loc[lines.index[lines["Treatment"] == self.drug][0], "Concentration"] *= 2
        lines.to_csv(self.layout, index=False)

    def seen(self, name: str) -> Seen:
        """What there is to see now; `name` is of the folder of the pages."""
        (listed,) = json.loads(told("screen", "list", "--json"))
        (asked,) = json.loads(told("sql", ASKED, "--format", "json"))
        with open_instance(self.store) as instance:
            (record,) = instance.fetch_materializations(dg.AssetKey("patient_report"), limit=1).records
            check = dg.AssetCheckKey(dg.AssetKey("cohort_db"), "every_screen")
            (row,) = instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
        assert record.asset_materialization is not None
        assert row.event is not None
        judged = row.event.get_dagster_event().asset_check_evaluation_data
        asset = str(record.asset_materialization.metadata["verdict"].value)
        pages = Path(shutil.copytree(self.store.report_path(SCREEN).parent, self.folder / name))
        return Seen(listed, asked, told("why", SCREEN, self.drug), asset, str(judged.metadata), pages)


@dataclass(frozen=True)
class Walks:
    """What was seen after each step.

    Attributes:
        image: name of the image that was cut off.
        failed: assets that could not be made of it.
        broken, mended, edited, again: what was seen while it was cut off, after it was copied again, after the layout
            was edited, and after the screen was made again.
        said: what `run` printed after the image was copied again.
        made_again: assets that `run --stale` made.
    """

    image: str
    failed: list[str]
    broken: Seen
    said: str
    mended: Seen
    edited: Seen
    made_again: list[str]
    again: Seen


@pytest.fixture(scope="module")
def walks(tmp_path_factory: pytest.TempPathFactory, site_of: Callable[..., str]) -> Iterator[Walks]:
    """The three walks. No browser is open meanwhile: it would hold the event loop that Dagster needs."""
    folder = tmp_path_factory.mktemp("walks")
    blank = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("phenodose.plots.cohort_drawing.drawn", lambda figure, *kinds: [blank] * len(kinds))
        patch.syspath_prepend(str(folder / "site-packages"))
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        patch.setenv("PHENODOSE_STORE", str(folder / "store"))
        patch.delenv("DAGSTER_HOME", raising=False)
        patch.chdir(folder)
        site = Site(folder, site_of("readout:ctg", "readout:mean_of_stack", "scorer:dss_asym"))
        image = sorted(site.raw.rglob("*.tif"))[60]
        whole = image.read_bytes()
        image.write_bytes(whole[:-50])
        register_screen(site.store, site.raw)
        failed = list(materialize_screen(site.store, SCREEN).failed)
        materialize_cohort(site.store)
        broken = site.seen("broken")

        image.write_bytes(whole)
        site.install_the_scorer_of_the_tutorial()
        said = told("run", SCREEN)
        mended = site.seen("mended")

        site.double_a_dose()
        told("report", SCREEN)
        told("report", "--cohort")
        edited = site.seen("edited")
        made_again = json.loads(told("run", SCREEN, "--stale", "--json"))["made"]
        yield Walks(image.name, failed, broken, said, mended, edited, made_again, site.seen("again"))
    registry.cache_clear()
    sys.modules.pop("phenodose_scorer_steepness", None)


@pytest.fixture(scope="module")
def read(walks: Walks, browser: Any) -> Callable[[Seen], Read]:
    """Reads the pages; `walks` come first, while no browser is open."""

    def of(seen: Seen) -> Read:
        with browser.watched() as watched:
            page = watched.open_file(seen.pages / f"{SCREEN}.html")
            boxes = [
                (box.inner_text(), str(box.get_attribute("class"))) for box in page.locator(".sheet .verdict").all()
            ]
            report = page.inner_text("body")
            page = watched.open_file(seen.pages / "_cohort.html")
            lines = page.locator("tr", has=page.get_by_role("link", name=SCREEN)).all_inner_texts()
            lines += page.locator(".verdict").all_inner_texts()
            assert watched.troubles == []
        warnings = [text for text, kind in boxes if "stale" in kind or "older" in kind]
        ((verdict, kind),) = [box for box in boxes if box[0] not in warnings]
        return Read(verdict, kind.split()[-1], warnings, report, "\n".join(lines))

    return of


def test_an_image_that_is_cut_off_is_told_wherever_somebody_looks(walks: Walks, read: Callable[[Seen], Read]) -> None:
    seen, page = walks.broken, read(walks.broken)
    assert walks.failed == ["plate_images"]
    words = seen.asked["verdict_reason"]
    assert words.startswith("Incomplete: `plate_images` failed: ")
    assert f"{walks.image}: well " in words
    assert "/raw/" not in words
    assert "copy the file again" in words
    assert "The drugs are ranked by ctg, from what was made." in words
    assert (seen.asked["verdict"], seen.listed["verdict"], page.level) == ("warn", "warn", "warn")
    assert seen.listed["ranked_by"] == "ctg"
    for place in (page.verdict, page.report, page.cohort, seen.asset, seen.check):
        assert "plate_images" in place
        assert walks.image in place


def test_after_it_was_copied_again_nothing_speaks_of_it(walks: Walks, read: Callable[[Seen], Read]) -> None:
    seen, page = walks.mended, read(walks.mended)
    assert f"Verdict: {seen.asked['verdict_reason']}" in walks.said
    for place in (walks.said, page.verdict, page.report, page.cohort, seen.asset, seen.check, str(seen.asked)):
        assert "Incomplete" not in place
        assert walks.image not in place


def test_a_layout_that_is_edited_after_scoring_is_told_until_the_screen_is_made_again(
    walks: Walks, read: Callable[[Seen], Read]
) -> None:
    before, edited, again = (read(seen) for seen in (walks.mended, walks.edited, walks.again))
    change = "is older than the layout file layout.csv, changed since"
    (warning,) = edited.warnings
    for place in (warning, walks.edited.why, edited.cohort, str(walks.edited.asked["stale"])):
        assert change in place
        assert f"phenodose run {SCREEN}" in place
    assert {"layout", "viability/ctg", "curves/ctg", "scores/dss_asym", "patient_report"} <= set(walks.made_again)
    for seen, page in ((walks.mended, before), (walks.again, again)):
        assert page.warnings == []
        assert seen.asked["stale"] is None
        assert change not in seen.why + page.cohort + page.report


def test_the_scorer_of_the_tutorial_stands_in_the_report(walks: Walks, read: Callable[[Seen], Read]) -> None:
    assert "steepness" not in read(walks.broken).report
    assert "steepness" in read(walks.mended).report
