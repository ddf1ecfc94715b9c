"""A screen of several samples has a page for each: no number of another one stands on it, and all faces know the pages.

The two samples of these tests got the same drugs, so that whatever is found by the name of a drug alone shows.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.lineage.pairs import samples_given
from phenodose.reports import build_report
from phenodose.reports.data import ScreenData
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.pages import page_of
from phenodose.reports.signing import made_again, sign_report
from phenodose.store.signed import frozen_store
from phenodose.store.store import Store

SCREEN, OTHER = "INF_R_153_V1_DS1", "Other/1"
#: Scores of the other sample, of those of the first.
FACTOR = 0.1
GONE, OF_ANOTHER = f"{SCREEN}+gone.html", f"{SCREEN}0+gone.html"


@pytest.fixture(scope="module")
def two_samples(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A metabolic screen with all its wells, curves and scores once more, of another sample; its pages are written.

    The other sample is on plates of its own, its scores are a tenth and its curves a decade to the right. Beside the
    pages lie two that were there before, one of a sample that is no more and one of another screen.
    """
    store = Store.open(shutil.copytree(made_up_root, tmp_path_factory.mktemp("two") / "store"))
    for table in ("wells", "viability", "curves", "scores", "reachable_effects", "qc"):
        for part in store.table_part(table, SCREEN, "x").parent.glob("*.parquet"):
            frame = store.read_table(table, SCREEN, part.stem)
            if frame.empty:
                continue
            again = frame.copy()
            if "plate" in again:
                again["plate"] = again["plate"].where(again["plate"].eq("screen"), "Q" + again["plate"].astype(str))
            if "sample" in again:
                again["sample"] = OTHER
            if table == "scores":
                again[["score", "lower", "upper"]] *= FACTOR
            if table == "curves":
                again["log10_mid"] += 1
            store.write_table(table, SCREEN, part.stem, pd.concat([frame, again], ignore_index=True))
    for name in (GONE, OF_ANOTHER):
        path = store.report_path(SCREEN).with_name(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("of before")
    build_report(store, SCREEN)
    return store


def first_of(store: Store) -> str:
    (found,) = set(store.read_table("scores", SCREEN)["sample"]) - {OTHER}
    return str(found)


def numbers_of(page: str) -> dict[tuple[str, str], float]:
    """(drug, readout) -> the score on its card."""
    cards = re.findall(r'<article class="drug.*?</article>', page, re.DOTALL)
    return {
        (html.unescape(re.search(r"<h3>(.*?)</h3>", card)[1]), readout): float(score)  # type: ignore[index]
        for card in cards
        for readout, score in re.findall(r'data-readout="(.*?)" data-score="(.+?)"', card)
    }


def test_every_number_of_a_page_is_of_its_sample(two_samples: Store) -> None:
    samples = [first_of(two_samples), OTHER]
    pages = [page_of(two_samples, SCREEN, sample).read_text(encoding="utf-8") for sample in samples]
    scores = two_samples.read_table("scores", SCREEN)
    data = ScreenData.load(two_samples, SCREEN)
    for sample, page in zip(samples, pages, strict=True):
        own = scores[(scores["sample"] == sample) & (scores["replicate"] == "pooled")]
        own = own[(own["scorer"] == data.scorer) & own["score"].notna()]
        assert numbers_of(page) == pytest.approx(dict(own.set_index(["drug", "readout"])["score"]))
        assert len(own) > 5
        for told in re.findall(r"of \S+ in (\S+) by", page):
            assert html.unescape(told) == sample, "the chain of evidence is of another sample"
        assert f"<h1>{html.escape(sample)}</h1>" in page
        rows = data.of_sample(sample)
        assert set(rows.dosed_wells["plate"].str.startswith("Q")) == {sample == OTHER}
        assert rows["curves"].set_index(["drug", "readout", "replicate"]).index.is_unique
        assert fitted_curves(rows).lines
    first, other = map(doses_on, pages)
    assert first != other


def doses_on(page: str) -> list[str]:
    return re.findall(r'<td class="number" data-sort="([^"]+)">[^<]+nM</td>', page)


def test_the_index_leads_to_the_pages_and_old_pages_go(two_samples: Store) -> None:
    path = two_samples.report_path(SCREEN)
    page = path.read_text(encoding="utf-8")
    links = re.findall(r'<a href="([^"]+)" data-page>([^<]+)</a>', page)
    assert [html.unescape(name) for _, name in links] == [first_of(two_samples), OTHER]
    assert {file for file, _ in links} == {one.name for one in two_samples.files_of_samples(SCREEN)}
    assert f"<title>{SCREEN}: 2 samples</title>" in page
    assert (path.with_name(GONE).exists(), path.with_name(OF_ANOTHER).exists()) == (False, True)


def test_one_file_is_of_one_sample(two_samples: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 2 samples .* name one with --sample"):
        build_report(two_samples, SCREEN, tmp_path / "one.html")
    alone = build_report(two_samples, SCREEN, tmp_path / "one.html", only=OTHER).read_bytes()
    assert alone == page_of(two_samples, SCREEN, OTHER).read_bytes()
    with pytest.raises(StoreError, match="there is no sample 'NOBODY'; it holds "):
        page_of(two_samples, SCREEN, "NOBODY")


def test_pages_are_signed_and_made_again_together(two_samples: Store) -> None:
    signed = sign_report(two_samples, SCREEN, "A. Pathologist")
    assert signed.record["made_again"] == {"same": True, "why": ""}
    assert set(signed.record["pages"]) == {first_of(two_samples), OTHER}
    assert {name: signed.file(name) for name in signed.pages} == made_again(two_samples, signed)
    assert any(call.endswith(f" in {OTHER}") for call in signed.record["calls"])
    assert frozen_store(two_samples, signed).read_table("scores", SCREEN)["sample"].nunique() == 2
    assert signed.file(signed.page(OTHER)) == page_of(two_samples, SCREEN, OTHER).read_bytes()
    with pytest.raises(InputError, match="it has a page a sample"):
        signed.page()


def test_why_asks_for_the_sample(two_samples: Store, capsys: pytest.CaptureFixture[str]) -> None:
    drug = str(two_samples.read_table("scores", SCREEN)["drug"].iloc[0])
    assert samples_given(two_samples, SCREEN, drug) == sorted([first_of(two_samples), OTHER])
    asked = ["why", SCREEN, drug, "--readout", "ctg", "--json", "--store", str(two_samples.root)]
    with pytest.raises(SystemExit) as ended:
        main(asked)
    assert ended.value.code == 2
    assert f"was given to 2 samples of {SCREEN} ({first_of(two_samples)}, {OTHER})" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([*asked, "--sample", OTHER])
    (chain,) = json.loads(capsys.readouterr().out)
    assert f" in {OTHER} by ctg" in chain["what"]
    assert chain["facts"].get("bound") != "="
