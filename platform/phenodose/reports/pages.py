"""The pages of a screen's report: one page, or where the screen holds several samples a page for each and an index.

A drug is one curve a sample, and a sample is somebody's tumour: a page is of one sample, has no number of another one,
and can be handed on alone. The index says of every sample what its page says first. The pages of samples lie beside the
index, `SCREEN+SAMPLE.html`, so that links between them hold wherever the files are shown together.

Belongs here: which pages there are, and writing them. Does not belong here: what a page says (`patient`), which rows
are a sample's (`of_sample`).
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from phenodose.dose_response.hits import BORDERLINE, HIT
from phenodose.errors import InputError
from phenodose.io.files import written_aside, written_where_named
from phenodose.io.frames import rows_of
from phenodose.io.places import remove
from phenodose.names import names_for_files
from phenodose.reports import sections
from phenodose.reports.amendment import amendment, compared_once
from phenodose.reports.data import ScreenData, calls_of
from phenodose.reports.patient import MOST_FILE_BYTES, render, report_of
from phenodose.reports.sealed_page import SEAL_BYTES, sealed_page
from phenodose.reports.words import listed, page_style

if TYPE_CHECKING:
    from pathlib import Path

    from phenodose.store.store import Store

#: Hits of a sample that the index names.
_MOST_NAMED = 6


def build_report(store: Store, screen: str, out: Path | None = None, no_maps: str = "", only: str = "") -> Path:
    """Write the report of a screen and return the path of its page, or of the index of its pages.

    Args:
        store: the store.
        screen: screen id.
        out: one file to write; by default all pages, in the store.
        no_maps: why no activation maps could be made, if that was tried.
        only: with `out`, the sample whose page is written; '' where the screen holds no other.

    Raises:
        StoreError: the store holds no result of the screen, or the screen has no such sample.
        InputError: one file is wanted of a screen that holds several samples, and none of them is named; or no file can
            be written there.
    """
    if out is not None:
        data = ScreenData.load(store, screen, only)
        if not only and len(data.samples) > 1:
            raise InputError(
                f"{screen} holds {len(data.samples)} samples ({_few(data.samples)}) and has a page for each: name one "
                f"with --sample, such as --sample {shlex.quote(data.samples[0])}."
            )
        content = sample_page(data, no_maps)
        with written_where_named(out) as aside:
            aside.write_bytes(content)
        return out
    path = store.report_path(screen)
    pages = report_pages(store, screen, no_maps)
    # The index last: it leads to no page that is not there.
    for name, content in reversed(pages.items()):
        with written_aside(path.with_name(name)) as aside:
            aside.write_bytes(content)
    gone = [one for one in store.files_of_samples(screen) if one.with_suffix(".html").name not in pages]
    # The index is not printed; a PDF that is there is of the screen when it held one sample.
    for old in [*gone, *([path.with_suffix(".pdf")] if len(pages) > 1 else [])]:
        remove(old)
    return path


def report_pages(store: Store, screen: str, no_maps: str = "") -> dict[str, bytes]:
    """The bytes of every page of the report of a screen by the name of its file, that of the screen first.

    Every page is sealed, so that a change of the file shows; the same tables give the same bytes.

    Args:
        store: the store.
        screen: screen id.
        no_maps: why no activation maps could be made, if that was tried.

    Raises:
        StoreError: the store holds no result of the screen.
    """
    data = ScreenData.load(store, screen)
    name = store.report_path(screen).name
    if len(data.samples) < 2:
        return {name: sample_page(data, no_maps)}
    of_samples = {one: data.of_sample(one) for one in data.samples}
    files = page_files(screen, data.samples)
    with compared_once():
        index = sealed_page(_index(data, of_samples, files))
        return {name: index} | {files[one]: sample_page(found, no_maps) for one, found in of_samples.items()}


def page_files(screen: str, samples: list[str]) -> dict[str, str]:
    """The name of the file of the page of every sample of a screen that holds several."""
    return {sample: f"{screen}+{name}.html" for sample, name in names_for_files(samples).items()}


def page_of(store: Store, screen: str, sample: str) -> Path:
    """The file of the page of a sample in the store; of a screen that holds no other the page of the screen.

    Raises:
        StoreError: the store holds no result of the screen, or the screen has no such sample.
    """
    data = ScreenData.load(store, screen)
    data.of_sample(sample)
    path = store.report_path(screen)
    return path if len(data.samples) < 2 else path.with_name(page_files(screen, data.samples)[sample])


def sample_page(data: ScreenData, no_maps: str = "") -> bytes:
    """The page of one sample, or of a screen that holds no other, as the bytes of its file."""
    return sealed_page(report_of(data, no_maps, MOST_FILE_BYTES - SEAL_BYTES))


def _few(names: list[str]) -> str:
    return listed(names, _MOST_NAMED, ", ")


def _index(data: ScreenData, of_samples: dict[str, ScreenData], files: dict[str, str]) -> str:
    """The page that leads to those of the samples."""
    return render(
        "samples.html.j2",
        data=data,
        page_style=Markup(page_style(f"screen {data.screen}", f"{len(of_samples)} samples")),
        head=sections.header(data),
        amendment=amendment(data.store, data.screen),
        rows=[_row(one, files[sample]) for sample, one in of_samples.items()],
    )


def _row(data: ScreenData, file: str) -> dict[str, Any]:
    """What the index says of a sample."""
    head, rows = sections.header(data), data.ranking[data.ranking["score"].notna()]
    calls = dict(zip(rows["drug"], calls_of(rows), strict=True))
    named = {call: [row for row in rows_of(rows) if calls[row.drug] == call] for call in (HIT, BORDERLINE)}
    return {
        "sample": data.sample,
        "file": file,
        "level": head["level"],
        "verdict": head["verdict"],
        "readout": data.label(data.ranking_readout) if data.ranking_readout else "",
        "n_scored": len(rows),
        "judged": bool(rows["p_hit_fraction"].notna().any()),
        "n_hits": len(named[HIT]),
        "hits": listed([f"{row.drug} ({row.score:.1f})" for row in named[HIT]], _MOST_NAMED),
        "borderline": listed([row.drug for row in named[BORDERLINE]], _MOST_NAMED),
    }
