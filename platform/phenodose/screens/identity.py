"""Whose data is this: where everything that names a sample, a plate or an acquisition meets, and one judgement.

Belongs here: the claim (who says what of which thing), when two claims agree, when they contradict each other, and the
sentence for it. Does not belong here: collecting claims, which each reader does where it finds them
(`phenodose.screens.matrices` of plate-reader files, `claims_of_screen` of a screen's folder, readers of images).

Names are compared as people write them: `BT-40`, `bt40` and `BT-40_V1_DS1` are one sample, because the words of one
stand in the other in order. Two names contradict each other only where both clearly are names of one kind: of one
scheme with other numbers (`INF-R-153` and `INF-R-154`). Names of different schemes (`BT-40` and `INF-R-153`) may be two
names of one patient: both are told in a note. What follows no scheme (`S`, `ctg`, `plate reader 2`) claims nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from phenodose.errors import Faults
from phenodose.names import plate_key

#: What a claim can be about. Any other field is compared as it is: equal, or contradicting.
SAMPLE, PLATE, NAME, BARCODE, SHEET = "sample", "plate", "name", "barcode", "sheet"
#: What a microscope calls plate and measurement: two such names need not be alike.
IMAGED_AS = "imaged as"

#: Words of file names that name no sample; with the numbers beside them they say nothing.
_NO_NAME_TEXT = (
    "abs absorbance assay batch bmg chemi clariostar control controls ctg cytation data date day days "
    "delivery ds dss envision exp experiment export exported file final fluo fluorescence h hour hours hr hrs "
    "image imaging kill layout lum luminescence luminescenz matrix mean measurement messung min n new nm of "
    "old omega p pherastar plate plates platte raw read reader reading readout readouts rep repeat replicate "
    "report result results rlu run scan screen screening sheet softmax spark stack tabelle table tecan test "
    "time unit user v value values version viability well wells x "
)
_NO_NAME = frozenset(_NO_NAME_TEXT.split())
_WORD = re.compile(r"[^\W\d_]+|\d+")
_ENDING = re.compile(r"(?:_V\d+)?(?:_DS\d+|_CE)\Z")
_EXPLICIT_PLATE = re.compile(r"(?:p|platt?e)[ _-]?0*\d+\Z", re.IGNORECASE)
_SAMPLE_AND_PLATE = re.compile(r"(.+?)[ _-]+((?:p|platt?e)[ _-]?0*\d+)\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """One place that says what something is.

    Attributes:
        source: who says it, as a message names it: 'layout.csv', 'the name of file S_P1.txt', 'ID1 in S_P1.csv'.
        field: what is named: `SAMPLE`, `PLATE`, a free `NAME` that may hold both, `BARCODE` and `SHEET`, which hold
            them by chance and so never give a note, or any other field ('acquisition', 'pixel size', 'channels').
        value: what it says.
        subject: of what: a file or a plate; '' for the screen. Claims on different subjects never meet.
    """

    source: str
    field: str
    value: str | float
    subject: str = ""


@dataclass
class Judgement:
    """What a set of claims comes to.

    Attributes:
        contradictions: a sentence on each pair of claims that cannot both be right.
        notes: a sentence on each pair that a person should look at.
    """

    contradictions: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def raise_if_contradicting(self, where: str) -> None:
        """Raise InputError with all contradictions in one message, if there are any."""
        faults = Faults(where)
        faults.extend(self.contradictions)
        faults.raise_if_any()


def judge(claims: Iterable[Claim]) -> Judgement:
    """Compare the claims on every subject, pair by pair of sources.

    A source that names several samples (a layout of several) agrees with whoever names one of them.
    """
    found = Judgement()
    by_subject: dict[str, list[Claim]] = {}
    for claim in claims:
        by_subject.setdefault(claim.subject, []).append(claim)
    for about in by_subject.values():
        by_source: dict[tuple[str, str], list[Claim]] = {}
        for claim in about:
            by_source.setdefault((claim.source, claim.field), []).append(claim)
        for ours, theirs in combinations(by_source.values(), 2):
            if ours[0].source != theirs[0].source:
                _compare(ours, theirs, found)
    found.contradictions = list(dict.fromkeys(found.contradictions))
    found.notes = list(dict.fromkeys(found.notes))
    return found


def claims_of_screen(folder: str, said: str | None, layout: str, samples: Sequence[str]) -> list[Claim]:
    """What a screen's folder, screen.toml and layout say of the sample.

    Args:
        folder: name of the folder, the screen id.
        said: the sample of screen.toml, which is there to overrule the folder's name; None without one.
        layout: name of the layout file.
        samples: samples that the layout names.
    """
    own = [Claim("screen.toml", SAMPLE, said)] if said else claims_of_name(f"the name of folder {folder}", folder)
    return [*(Claim(layout, SAMPLE, sample) for sample in samples), *own]


def claims_of_name(source: str, name: str, subject: str = "") -> list[Claim]:
    """The claims of a name that ends in its delivery and screen, as `INF_R_153_V1_DS1` does, or not."""
    ending = _ENDING.search(name.strip())
    claims = [Claim(source, SAMPLE, name, subject)]
    if ending and ending.group().startswith("_V"):
        claims.append(Claim(source, "delivery", ending.group().strip("_"), subject))
    return claims


def claims_of_images(folder: str, named: Mapping[str, str]) -> list[Claim]:
    """What a folder of images, and the microscope's own words for the plate in it, say of plate, sample and delivery.

    Args:
        folder: name of the plate's folder.
        named: what the plate is called, by where it is said: {'the plate name of its images': 'INF_R_153_P1'}.
    """
    source = f"the name of folder {folder}"
    claims = [Claim(source, PLATE, folder)]
    for where, name in named.items():
        claims.append(Claim(f"{where} in {folder}", IMAGED_AS, name))
        of_name = claims_of_name(f"{where} in {folder}", _split_name(name)[0] or name)
        claims += [claim for claim in of_name if claim.field == "delivery"]
    return claims


def _compare(ours: Sequence[Claim], theirs: Sequence[Claim], found: Judgement) -> None:
    """Add what two sources come to, if the best of their pairs do not agree."""
    fields = {ours[0].field, theirs[0].field}
    if fields == {IMAGED_AS}:
        return
    if fields == {SAMPLE}:
        _compare_samples(ours, theirs, found, strict=False)
    elif fields == {PLATE}:
        _compare_plates(ours, theirs, found)
    elif fields == {BARCODE}:
        if not any(_same(a.value, b.value) for a in ours for b in theirs):
            found.contradictions.append(_contradiction("the barcode is", ours[0], theirs[0]))
    elif len(fields & {NAME, BARCODE, SHEET, IMAGED_AS}) == 1 and len(fields & {SAMPLE, PLATE}) == 1:
        named, free = (ours, theirs) if ours[0].field in (SAMPLE, PLATE) else (theirs, ours)
        _compare_with_free(named, free, found)
    elif len(fields) == 1 and not any(_same(a.value, b.value) for a in ours for b in theirs):
        found.contradictions.append(_contradiction(f"the {ours[0].field} is", ours[0], theirs[0]))


def _compare_with_free(named: Sequence[Claim], free: Sequence[Claim], found: Judgement) -> None:
    """Compare a sample or plate with free names, which hold one if they are written like one."""
    if named[0].field == PLATE:
        names = [(claim, *_split_name(str(claim.value))) for claim in free]
        # A microscope's program counts plates of its own, unless the name holds a sample, too.
        plates = [Claim(claim.source, PLATE, plate) for claim, of, plate in names if of or claim.field != IMAGED_AS]
        short = free[0].field == SHEET
        # Programs call a sheet 'Plate 1' whatever plate it holds.
        _compare_plates(named, [one for one in plates if not (short and str(one.value)[1:2].isalpha())], found)
        return
    samples = [Claim(claim.source, SAMPLE, _split_name(str(claim.value))[0]) for claim in free]
    like_samples = [claim for claim in samples if re.search(r"[^\W\d_]{2}", str(claim.value)) and _has_digit(claim)]
    _compare_samples(named, like_samples, found, strict=free[0].field != NAME)


def _has_digit(claim: Claim) -> bool:
    return any(sign.isdigit() for sign in str(claim.value))


def _compare_samples(ours: Sequence[Claim], theirs: Sequence[Claim], found: Judgement, strict: bool) -> None:
    """Compare names of samples; a strict comparison finds contradictions alone and writes no note."""
    pairs = [(a, b, relation(str(a.value), str(b.value))) for a in ours for b in theirs]
    if any(how == "agree" for _, _, how in pairs):
        return
    for wanted, into in (("contradict", found.contradictions), ("differ", found.notes)):
        for a, b, how in pairs:
            if how == wanted and not (strict and wanted == "differ"):
                compare = _contradiction if wanted == "contradict" else _difference
                into.append(compare("the sample is", a, b))
                return


def is_plate(name: str) -> bool:
    """Whether a name says that it is a plate's: 'P2', 'Plate 2'; '2' may be anything."""
    return bool(_EXPLICIT_PLATE.match(name.strip()))


def _compare_plates(ours: Sequence[Claim], theirs: Sequence[Claim], found: Judgement) -> None:
    explicit = [(a, b) for a in ours for b in theirs if is_plate(str(a.value)) and is_plate(str(b.value))]
    if explicit and not any(plate_key(str(a.value)) == plate_key(str(b.value)) for a, b in explicit):
        found.contradictions.append(_contradiction("the plate is", *explicit[0]))


def relation(one: str, other: str) -> str:
    """How two names of samples stand to each other: 'agree', 'contradict', 'differ', or '' if one claims nothing.

    >>> relation("BT-40", "bt40_V1_DS1"), relation("INF-R-153", "INF-R-154"), relation("BT-40", "INF-R-153")
    ('agree', 'contradict', 'differ')
    >>> relation("BT-40", "S"), relation("BT-40", "ctg_72h")
    ('', '')
    """
    first, second = _words(one), _words(other)
    short, long = sorted((first, second), key=len)
    if not short:
        return ""
    if any(long[at : at + len(short)] == short for at in range(len(long) - len(short) + 1)):
        return "agree"
    if not (_claims_something(short) and _claims_something(long)):
        return ""
    start = list(zip(short, long, strict=False))
    alike = all(a.isdigit() == b.isdigit() and (a.isdigit() or a == b) for a, b in start)
    if alike and any(a.isdigit() for a, _ in start):
        return "contradict"
    return "differ"


def _words(name: str) -> list[str]:
    """The words and numbers of a name, without ending of delivery and screen, and without what names no sample."""
    words = [word.casefold() for word in _WORD.findall(_ENDING.sub("", name.strip()))]
    kept: list[str] = []
    for word in words:
        if word.isdigit():
            kept.append(word.lstrip("0") or "0")
        elif word not in _NO_NAME:
            kept.append(word)
    says = any(not word.isdigit() for word in kept) and kept not in (["sample"], ["samples"])
    return kept if says else []


def _claims_something(words: Sequence[str]) -> bool:
    """Whether words can be a sample's name: letters, three signs at least, or letters with a number."""
    letters = "".join(word for word in words if not word.isdigit())
    return len(letters) >= 3 or (bool(letters) and any(word.isdigit() for word in words))


def _split_name(name: str) -> tuple[str, str]:
    """Sample and plate of a free name: 'BT-40_P2' -> ('BT-40', 'P2'), 'P2' -> ('', 'P2')."""
    if _EXPLICIT_PLATE.match(name.strip()):
        return "", name.strip()
    both = _SAMPLE_AND_PLATE.match(name.strip())
    return (both.group(1), both.group(2)) if both else (name, "")


def _same(one: str | float, other: str | float) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return str(one).strip().casefold() == str(other).strip().casefold()
    return math.isclose(one, other, rel_tol=1e-3)


def _contradiction(what: str, one: Claim, other: Claim) -> str:
    return (
        f"by {one.source} {what} {_told(one.value)}, by {other.source} {_told(other.value)}; take what belongs "
        "together, or mend the name that is wrong."
    )


def _difference(what: str, one: Claim, other: Claim) -> str:
    return (
        f"by {one.source} {what} {_told(one.value)}, by {other.source} {_told(other.value)}; if these are not two "
        "names of one sample, the file belongs to another."
    )


def _told(value: str | float) -> str:
    return repr(value) if isinstance(value, str) else f"{value:g}"
