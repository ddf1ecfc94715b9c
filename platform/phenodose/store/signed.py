"""Signed reports in a store: where they lie, the record of each, and the chain that later changes would break.

A signed report is a folder `signed/SCREEN/N` that is written once: the report as it was signed, a small store with
everything that it was made of (`store`), and `record.json`. The record holds the SHA-256 of every file beside it and of
itself, and that of the record before it; so nothing of an older version can be changed without changing every later
one. SHA-256 and not xxh3, which finds damage and not intent. What the chain proves, and what not, stands in
docs/signed_reports.md.

Belongs here: places, records, and checking them. Does not belong here: making a report and freezing what it rests on
(`phenodose.signing`).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import InputError, MissingInputError, StoreError
from phenodose.io.places import folders, read_bytes, sizes
from phenodose.names import SCREEN_ID, check_screen_id
from phenodose.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RECORD, REPORT, PDF, SNAPSHOT = "record.json", "report.html", "report.pdf", "store"
_SEAL = "seal"


@dataclass(frozen=True)
class SignedReport:
    """One signed version of a screen's report.

    Attributes:
        screen: screen id.
        version: its number, from 1.
        folder: where it lies.
        record: what was written down: by, because, signed_at, report, verdict, rests_on, files, previous, seal, ...
    """

    screen: str
    version: int
    folder: Path
    record: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Screen and version, such as 'BT-40_V1_DS1@2'."""
        return f"{self.screen}@{self.version}"

    @property
    def by(self) -> str:
        """Who signed."""
        return str(self.record["by"])

    @property
    def signed_at(self) -> str:
        """When, as ISO text in UTC."""
        return str(self.record["signed_at"])

    @property
    def when(self) -> str:
        """When, as people write it."""
        return f"{self.signed_at[:19].replace('T', ' ')} UTC"

    @property
    def seal(self) -> str:
        """SHA-256 of everything in the record, 64 hexadecimal digits."""
        return str(self.record[_SEAL])

    @property
    def pages(self) -> list[str]:
        """Its HTML files, the first page first; those of samples follow it where the screen holds several."""
        return [REPORT, *(page["file"] for page in self.record.get("pages", {}).values())]

    def page(self, sample: str | None = None) -> str:
        """The file of the page of a sample; without one of the page of the screen.

        Raises:
            InputError: there is no page of that sample; or the screen has several samples, and none is named.
        """
        pages: Mapping[str, Any] = self.record.get("pages", {})
        if sample is not None and sample in pages:
            return str(pages[sample]["file"])
        if (sample is None and not pages) or (not pages and [sample] == self.record.get("samples")):
            return REPORT
        known = ", ".join(pages or self.record.get("samples", []))
        asked = f"there is no sample {sample!r}" if sample is not None else "it has a page a sample: name one, --sample"
        raise InputError(f"{self.name}: {asked} (samples: {known}).")

    def file(self, name: str) -> bytes:
        """The bytes of one of its files, as they were signed.

        Raises:
            StoreError: the file is gone, or holds other bytes.
        """
        content = read_bytes(self.folder / name)
        if content is None or sha256(content) != self.record["files"].get(name):
            state = "is missing" if content is None else "holds other bytes than were signed"
            raise StoreError(f"{self.folder / name} {state}; restore {self.folder} from a backup.")
        return content


def sha256(content: bytes) -> str:
    """SHA-256 of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sealed_record(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A record with the seal that the rest of it gives."""
    return {**facts, _SEAL: _seal(facts)}


def _seal(facts: Mapping[str, Any]) -> str:
    rest = {name: value for name, value in facts.items() if name != _SEAL}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode())


def record_text(record: Mapping[str, Any]) -> str:
    """A record as the text of its file."""
    return json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def signed_screens(store: Store) -> list[str]:
    """Ids of the screens that have signed reports, in order of name."""
    names = [folder.name for folder in folders(store.root / "signed") if SCREEN_ID.match(folder.name)]
    return [name for name in names if signed_versions(store, name)]


def signed_versions(store: Store, screen: str) -> list[int]:
    """Numbers of a screen's signed reports, also of damaged ones, in order."""
    return sorted(int(folder.name) for folder in folders(store.signed_dir(screen)) if folder.name.isdecimal())


def signed_reports(store: Store, screen: str) -> list[SignedReport]:
    """The signed reports of a screen, the oldest first; a folder without a record was never finished and is none.

    Raises:
        StoreError: a record is damaged.
    """
    found = (_read(store, screen, version) for version in signed_versions(store, screen))
    return [report for report in found if report is not None]


def signed_report(store: Store, screen: str, version: int | None = None) -> SignedReport:
    """One signed report of a screen.

    Args:
        store: the store.
        screen: screen id.
        version: its number; None for the newest.

    Raises:
        MissingInputError: there is none of that number.
        StoreError: its record is damaged.
    """
    there = signed_versions(store, screen)
    wanted = version if version is not None else max(there, default=None)
    found = _read(store, screen, wanted) if wanted is not None else None
    if found is None:
        known = ", ".join(f"{screen}@{number}" for number in there)
        others = ", ".join(signed_screens(store)) or "none"
        told = f"there are {known}" if known else f"nothing of it is signed (signed are reports of: {others})"
        raise MissingInputError(f"{screen}{'' if version is None else f'@{version}'} is not signed; {told}.")
    return found


def _read(store: Store, screen: str, version: int) -> SignedReport | None:
    folder = store.signed_dir(screen) / str(version)
    content = read_bytes(folder / RECORD)
    if content is None:
        return None
    try:
        record = json.loads(content)
        needed = {"by", "signed_at", "files", "previous", "rests_on", "report", _SEAL}
        if not needed <= record.keys():
            raise ValueError("it lacks " + ", ".join(sorted(needed - record.keys())))
    except (ValueError, AttributeError) as error:
        raise StoreError(f"{folder / RECORD} is damaged ({error}); restore {folder} from a backup.") from error
    return SignedReport(screen, version, folder, record)


def screen_and_version(text: str) -> tuple[str, int | None]:
    """What 'SCREEN' or 'SCREEN@VERSION' names; without a version None.

    Raises:
        InputError: it is neither.
    """
    screen, at, number = text.partition("@")
    if at and not (number.isascii() and number.isdecimal() and int(number) > 0):
        raise InputError(f"{text!r}: write the screen, or the screen and the number of a signed report: {screen}@1.")
    return check_screen_id(screen), int(number) if at else None


def frozen_store(store: Store, report: SignedReport) -> Store:
    """The small store of a signed report, on this machine: it answers what the store answered when it was signed."""
    return Store(store.local_copy(report.folder) / SNAPSHOT, frozen=True)


# --- checking ---------------------------------------------------------------------------------------


def signed_faults(store: Store, screen: str) -> Iterator[tuple[Path, list[str]]]:
    """Every version of a screen with what is wrong: files, record, and its place in the chain."""
    before: SignedReport | None = None
    for number, version in enumerate(signed_versions(store, screen), 1):
        folder = store.signed_dir(screen) / str(version)
        try:
            report = _read(store, screen, version)
        except StoreError as error:
            yield folder, [str(error)]
            before = None
            continue
        if report is None:
            yield folder, [f"{folder}: {RECORD} is missing (removed, or never finished); restore it, or take it away."]
            before = None
            continue
        faults = [*_record_faults(report), *_file_faults(report)]
        if version != number:
            faults.append(f"{folder}: version {number} is missing before it; restore it from a backup.")
        elif version == 1 and report.record["previous"] is not None:
            faults.append(f"{folder}: is the first version and names one before it; it has been changed.")
        elif before is not None and report.record["previous"] != before.seal:
            faults.append(
                f"{folder}: names another version {before.version} before it than the one that is there; one of the "
                "two has been changed since it was signed."
            )
        yield folder, faults
        before = report


def _record_faults(report: SignedReport) -> list[str]:
    record = report.record
    if _seal(record) != report.seal:
        return [f"{report.folder / RECORD} has been changed since it was signed; restore it from a backup."]
    if (record.get("screen"), record.get("version")) != (report.screen, report.version):
        told = f"{record.get('screen')}@{record.get('version')}"
        return [f"{report.folder} holds {told}, put into the place of {report.name}; restore it from a backup."]
    return []


def _file_faults(report: SignedReport) -> Iterator[str]:
    remedy = f"restore {report.folder} from a backup"
    signed: Mapping[str, str] = report.record["files"]
    there = set(sizes(report.folder)) - {RECORD}
    for name in sorted(signed.keys() | there):
        if name not in signed:
            yield f"{report.folder / name}: was not there when {report.name} was signed; take it away."
            continue
        content = read_bytes(report.folder / name)
        if content is None:
            yield f"{report.folder / name}: is missing; {remedy}."
        elif sha256(content) != signed[name]:
            yield f"{report.folder / name}: holds other bytes than were signed; {remedy}."
