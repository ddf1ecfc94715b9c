"""A screen of several samples has a page for each: no number of another one stands on it, and all faces know the pages.

The two samples of these tests got the same drugs, so that whatever is found by the name of a drug alone shows.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest
from tests.two_samples import OTHER, SCREEN, store_of_two_samples

from phenodose.cli import main
from phenodose.errors import InputError, StoreError
from phenodose.lineage.pairs import samples_given
from phenodose.reports import build_report
from phenodose.reports.data import ScreenData
from phenodose.reports.fitted_curves import fitted_curves
from phenodose.reports.pages import page_of
from phenodose.reports.signing import made_again, sign_report
from phenodose.store.signed import frozen_store, signed_report
from phenodose.store.store import Store

GONE, OF_ANOTHER = f"{SCREEN}+gone.html", f"{SCREEN}0+gone.html"


@pytest.fixture(scope="module")
def two_samples(made_up_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The screen of two samples with its pages; beside them lie two that were there before.

    One is of a sample that is no more, and one of another screen.
    """
    store = store_of_two_samples(made_up_root, tmp_path_factory.mktemp("two") / "store")
    for name in (GONE, OF_ANOTHER):
        path = store.report_path(SCREEN).with_name(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("of before")
    build_report(store, SCREEN)
    return store


@pytest.fixture(scope="module")
def signed_pages(two_samples: Store, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The same, signed; in a store of its own."""
    store = Store.open(shutil.copytree(two_samples.root, tmp_path_factory.mktemp("signed") / "store"))
    sign_report(store, SCREEN, "A. Pathologist")
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


def test_every_link_of_every_page_leads_somewhere(two_samples: Store) -> None:
    path = two_samples.report_path(SCREEN)
    of_samples = [one for one in two_samples.files_of_samples(SCREEN) if one.suffix == ".html"]
    for page in (path, *of_samples):
        text = page.read_text(encoding="utf-8")
        held = set(re.findall(r'\bid="([^"]+)"', text))
        # Those to the plate viewer have their address only there.
        asked = set(re.findall(r'<a [^>]*\bhref="([^"]*)"', text))
        assert len(asked) >= 2
        for link in map(html.unescape, asked):
            file, _, place = link.partition("#")
            assert path.with_name(file).is_file() if file else place in held, f"{page.name} leads to {link}"
        assert {one for one in asked if not one.startswith("#")} == (
            {one.name for one in of_samples} if page == path else set()
        ), "a page of one sample can be handed on alone"


def test_one_file_is_of_one_sample(two_samples: Store, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds 2 samples .* name one with --sample"):
        build_report(two_samples, SCREEN, tmp_path / "one.html")
    alone = build_report(two_samples, SCREEN, tmp_path / "one.html", only=OTHER).read_bytes()
    assert alone == page_of(two_samples, SCREEN, OTHER).read_bytes()
    with pytest.raises(StoreError, match="there is no sample 'NOBODY'; it holds "):
        page_of(two_samples, SCREEN, "NOBODY")


def test_pages_are_signed_and_made_again_together(signed_pages: Store) -> None:
    signed = signed_report(signed_pages, SCREEN, 1)
    assert signed.record["made_again"] == {"same": True, "why": ""}
    assert set(signed.record["pages"]) == {first_of(signed_pages), OTHER}
    assert {name: signed.file(name) for name in signed.pages} == made_again(signed_pages, signed)
    assert any(call.endswith(f" in {OTHER}") for call in signed.record["calls"])
    assert frozen_store(signed_pages, signed).read_table("scores", SCREEN)["sample"].nunique() == 2
    assert signed.file(signed.page(OTHER)) == page_of(signed_pages, SCREEN, OTHER).read_bytes()
    with pytest.raises(InputError, match="it has a page a sample"):
        signed.page()


def test_a_page_amends_what_changed_of_its_sample_and_says_apart_what_is_of_the_screen(
    signed_pages: Store, tmp_path: Path
) -> None:
    store = Store.open(shutil.copytree(signed_pages.root, tmp_path / "store"))
    first, drug = first_of(store), "Trametinib"
    for part in store.table_part("scores", SCREEN, "x").parent.glob("*.parquet"):
        rows = store.read_table("scores", SCREEN, part.stem)
        rows.loc[(rows["sample"] == OTHER) & (rows["drug"] == drug), "score"] += 1.5
        store.write_table("scores", SCREEN, part.stem, rows)
    (store.root / "site.toml").write_text('[preferences]\nreadouts = ["ctg"]\n', encoding="utf-8")
    build_report(store, SCREEN)
    index, of_first, of_other = (
        path.read_text(encoding="utf-8").split('id="amendment"')[1].split("</div>")[0]
        for path in (store.report_path(SCREEN), page_of(store, SCREEN, first), page_of(store, SCREEN, OTHER))
    )
    assert f"{drug} in {OTHER}" in index
    assert "Nothing of this sample has changed since." in of_first
    assert "Other samples of the screen have changed" in of_first
    assert drug not in of_first
    own, of_screen = of_other.split("Of the whole screen:")
    assert "Changed since of this sample:" in own
    assert "scores by ctg" in own
    assert drug in own
    assert "Site.toml: changed" not in own
    assert all("Site.toml" in page for page in (of_first, of_screen))
    assert "Other samples" not in of_screen
    signed = sign_report(store, SCREEN, "A. Pathologist")
    assert signed.record["made_again"] == {"same": True, "why": ""}


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
