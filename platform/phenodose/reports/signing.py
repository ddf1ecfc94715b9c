"""Signing the report of a screen: what was looked at is frozen with everything that it rests on.

What is signed are the bytes of the report in the store, for these were looked at. They are signed only if they are what
the store's tables give now, and if nothing of the screen is older than its inputs; who signs all the same says so, and
the record does. At once the report is made again from what is kept of it, and the record says whether that gave the
same bytes.

Belongs here: the order of signing, and making a signed report again. Does not belong here: what is kept
(`phenodose.signing.snapshot`), records and their chain (`phenodose.store.signed`).
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import phenodose
from phenodose.errors import InputError, MissingInputError, PhenodoseError, StoreError
from phenodose.io.files import written_aside
from phenodose.io.places import read_bytes, sizes
from phenodose.io.typed_text import one_line, plain
from phenodose.lineage.freshness import changes_since
from phenodose.plates.kept_pictures import noted_pictures
from phenodose.reports.amendment import compared_once, freeze_amendment, since_newest
from phenodose.reports.of_sample import samples_of
from phenodose.reports.pages import page_files, report_pages
from phenodose.signing.rests_on import rests_on
from phenodose.signing.snapshot import write_snapshot
from phenodose.signing.state import ScreenState
from phenodose.store.signed import (
    PDF,
    RECORD,
    REPORT,
    SNAPSHOT,
    SignedReport,
    frozen_store,
    record_text,
    sealed_record,
    sha256,
    signed_faults,
    signed_report,
    signed_versions,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phenodose.plates.kept_pictures import PictureLog
    from phenodose.signing.differences import Differences
    from phenodose.store.store import Store

_FORMAT = 1
#: On a page without activation maps: why there are none, which only the run that tried can say.
_NO_MAPS = re.compile(r"No maps of what the network looks at: (.*?)</p>", re.DOTALL)


@dataclass(frozen=True)
class _Page:
    """The report in the store, and what the store gives now.

    Attributes:
        files: the bytes of its pages in the store by the names under which they are signed, the first page first.
        pdfs: the bytes of their PDFs, as far as there are any, likewise.
        no_maps: why it has no activation maps, as it says.
        pictures: what it asked of the plates.
        is_current: whether the tables give the same bytes now.
    """

    files: dict[str, bytes]
    pdfs: dict[str, bytes]
    no_maps: str
    pictures: PictureLog
    is_current: bool


def sign_report(store: Store, screen: str, by: str, because: str = "", anyway: bool = False) -> SignedReport:
    """Freeze the report of a screen as its next signed version.

    Args:
        store: the store.
        screen: screen id.
        by: who signs.
        because: a note to keep with the signature.
        anyway: sign although the report or the results are older than what they were made from.

    Raises:
        InputError: nobody signs; nothing has changed since the newest version, which the same person signed.
        MissingInputError: the screen has no report yet.
        StoreError: the report is not what the store gives now, results are older than their inputs, or the PDF is older
            than the page, and `anyway` is not given; or a file is damaged.
        BusyError: somebody else is signing the screen.
    """
    by, because = one_line(by), plain(because).strip()
    if not by:
        raise InputError("say who signs: --by NAME.")
    ScreenState.named(store, screen)  # tells of a screen that is not there

    def busy(who: str) -> str:
        return f"{store.signed_dir(screen)}: {who} is signing a report of {screen}; run this again when that is done."

    with store.locked(store.signed_dir(screen) / ".lock", busy, wait_seconds=30), compared_once():
        newest, found = since_newest(store, screen) if signed_versions(store, screen) else (None, None)
        page = _page(store, screen)
        doubts = _doubts(store, screen, page)
        if doubts and not anyway:
            raise StoreError(
                f"{screen} is not signed: {' '.join(doubts)} To sign it as it is, and have the record say so, add "
                "--anyway."
            )
        if newest is not None and not found and newest.by == by and page.files == _signed_pages(newest):
            raise InputError(
                f"nothing of {screen} has changed since {newest.name}, which {newest.by} signed on "
                f"{newest.signed_at[:10]}; there is nothing to amend. Another person may sign the same report again."
            )
        version = max(signed_versions(store, screen), default=0) + 1
        folder = store.signed_dir(screen) / str(version)
        with written_aside(folder) as aside:
            aside.mkdir()
            record = {"format": _FORMAT, "screen": screen, "version": version, "by": by, "because": because}
            record |= _frozen(store, screen, page, aside)
            record |= _of_before(newest, found)
            record |= {"signed_anyway": doubts, "signed_at": datetime.now(UTC).isoformat()}
            record["files"] = {
                name: sha256((aside / name).read_bytes()) for name in sorted(sizes(aside)) if name != RECORD
            }
            (aside / RECORD).write_text(record_text(sealed_record(record)), encoding="utf-8")
        return signed_report(store, screen, version)


def made_again(store: Store, report: SignedReport) -> dict[str, bytes]:
    """The pages of a signed report made anew from what was kept of its store, by their names in its folder.

    Nothing else of the store is read.

    Raises:
        StoreError: a file that was kept has changed since.
    """
    for name in report.record["files"]:
        report.file(name)
    return _signed_names(report_pages(frozen_store(store, report), report.screen, report.record["no_maps"]))


def _signed_names(pages: Mapping[str, bytes]) -> dict[str, bytes]:
    """Pages by the names under which they are signed: the first as `REPORT`, those of samples by their own."""
    first, *others = pages
    return {REPORT: pages[first]} | {name: pages[name] for name in others}


def _signed_pages(report: SignedReport) -> dict[str, bytes]:
    return {name: report.file(name) for name in report.pages}


def _page(store: Store, screen: str) -> _Page:
    path = store.report_path(screen)
    content = read_bytes(path)
    if content is None:
        raise MissingInputError(
            f"{path}: there is no report of {screen} yet; make it with `phenodose report {screen}`, look at it, then "
            "sign."
        )
    of_samples = [one for one in store.files_of_samples(screen) if one.suffix == ".html"]
    pages = {path.name: content} | {one.name: read_bytes(one) or b"" for one in of_samples}
    said = _NO_MAPS.search(b" ".join(pages.values()).decode("utf-8", "replace"))
    no_maps = html.unescape(said.group(1)) if said else ""
    with noted_pictures() as pictures:
        now = report_pages(store, screen, no_maps)
    printed = [one.with_suffix(".pdf") for one in (of_samples or [path])]
    pdfs = {PDF if not of_samples else one.name: pdf for one in printed if (pdf := read_bytes(one)) is not None}
    return _Page(_signed_names(pages), pdfs, no_maps, pictures, now == pages)


def _doubts(store: Store, screen: str, page: _Page) -> list[str]:
    """What speaks against signing the report as it is, a sentence each."""
    found = []
    if not page.is_current:
        found.append(
            "its report is not what the store gives now (made before something changed, by another version, or "
            f"edited): make it again with `phenodose report {screen}` and look at it."
        )
    found += [change.sentence for change in changes_since(store, screen) if not change.kept]
    found += [fault for _, faults in signed_faults(store, screen) for fault in faults]
    for name in page.pdfs:
        path = store.report_path(screen) if name == PDF else store.report_path(screen).with_name(name)
        file = path.with_suffix(".pdf")
        if file.stat().st_mtime < path.with_suffix(".html").stat().st_mtime:
            found.append(
                f"{file.name} is older than the page: make both again with `phenodose report {screen} --pdf`, or take "
                "the PDF away."
            )
    return found


def _frozen(store: Store, screen: str, page: _Page, aside: Path) -> dict[str, Any]:
    """Write the report and what it rests on into a folder; what the record says of them."""
    kept = write_snapshot(store, screen, aside / SNAPSHOT, page.pictures, changes_since(store, screen))
    freeze_amendment(store, screen, kept.root)
    for name, content in (page.files | page.pdfs).items():
        (aside / name).write_bytes(content)
    files: dict[str, Any] = {"report": _told(REPORT, page.files[REPORT])}
    if PDF in page.pdfs:
        files["pdf"] = _told(PDF, page.pdfs[PDF])
    state = ScreenState(screen, kept, screen)
    if len(page.files) > 1:
        of_samples = page_files(screen, samples_of(kept.read_table("wells", screen)))
        files["pages"] = {
            sample: _told(name, page.files[name]) for sample, name in of_samples.items() if name in page.files
        }
    return files | {
        "phenodose_version": phenodose.__version__,
        "samples": state.samples,
        "verdict": {"level": state.verdict.level, "sentences": list(state.verdict.sentences)},
        "ranked_by": state.ranked_by,
        "calls": {name: call for name, call in state.calls.items() if call},
        "older_than_inputs": [change.sentence for change in changes_since(kept, screen)],
        "no_maps": page.no_maps,
        "made_again": _made_again(kept, screen, page),
        "rests_on": rests_on(store, screen, kept),
    }


def _made_again(kept: Store, screen: str, page: _Page) -> dict[str, Any]:
    """Whether what is kept gives the same bytes, and if not, why not."""
    if not page.is_current:
        return {"same": False, "why": "the report was not what the store's tables gave when it was signed"}
    try:
        again = _signed_names(report_pages(kept, screen, page.no_maps))
    except PhenodoseError as error:
        return {"same": False, "why": str(error)}
    why = page_difference(page.files, again)
    return {"same": not why, "why": why}


def page_difference(signed: Mapping[str, bytes], again: Mapping[str, bytes]) -> str:
    """Where pages differ first, in words; '' where they are the same."""
    for name, content in signed.items():
        if content != again.get(name):
            found = first_difference(content, again[name]) if name in again else "it is not made any more"
            return found if len(signed) == 1 else f"{name}: {found}"
    return ""


def _told(name: str, content: bytes) -> dict[str, Any]:
    return {"file": name, "bytes": len(content), "sha256": sha256(content)}


def first_difference(signed: bytes, again: bytes) -> str:
    """Where two pages differ first, in words."""
    at = next(
        (place for place, (one, other) in enumerate(zip(signed, again, strict=False)) if one != other),
        min(len(signed), len(again)),
    )
    around = signed[max(0, at - 40) : at + 60].decode("utf-8", "replace")
    other = again[max(0, at - 40) : at + 60].decode("utf-8", "replace")
    return f"they differ from byte {at} on: {' '.join(around.split())!r} against {' '.join(other.split())!r}"


def _of_before(newest: SignedReport | None, found: Differences | None) -> dict[str, Any]:
    """The place in the chain, and what changed since the version before."""
    if newest is None or found is None:
        return {"amends": None, "previous": None, "changes": {}, "changes_in_words": []}
    return {
        "amends": newest.version,
        "previous": newest.seal,
        "changes": found.to_json(),
        "changes_in_words": found.sentences(),
    }
