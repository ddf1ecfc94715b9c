"""The drug library: drugs by any of their names, and a site's rows laid over those that ship.

Belongs here: what is known of a drug, and finding it without ever guessing. Does not belong here: reading a table
(`library_table`), spelling (`names`).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, Self

from phenodose.drug_library.names import bracketed, drug_key, is_form, without_form
from phenodose.errors import Faults

#: How a name was found; see the table `drugs`.
MatchedBy = Literal["exact", "synonym", "site", "none"]
LIBRARY, SITE = "library", "site"
#: Names that are so alike are proposed.
_ALIKE = 0.8


@dataclass(frozen=True)
class LibraryDrug:
    """What is known of a drug; '' , () and None where it is not.

    Attributes:
        name: its name in the library, mostly the international nonproprietary one.
        synonyms: further names: codes, brands, spellings.
        drug_class: class, such as MEK inhibitor.
        targets: genes of its molecular targets (HGNC symbols).
        molecular_weight_g_per_mol: of the free form that `c_max_ng_per_mL` is of.
        c_max_ng_per_mL: highest concentration in patients' plasma, bound and unbound together, as its source gives it.
        c_max_nM: the same.
        fraction_unbound: part in plasma that is not bound to protein.
        c_max_dose: dose and schedule, and what else to know of the value.
        c_max_source: who measured it.
        of_site: names of these fields that the site's table says.
    """

    name: str
    synonyms: tuple[str, ...] = ()
    drug_class: str = ""
    targets: tuple[str, ...] = ()
    molecular_weight_g_per_mol: float | None = None
    c_max_ng_per_mL: float | None = None
    c_max_nM: float | None = None
    fraction_unbound: float | None = None
    c_max_dose: str = ""
    c_max_source: str = ""
    of_site: frozenset[str] = frozenset()

    def comes_from(self, field_name: str) -> str:
        """'site' or 'library', whichever says a field."""
        return SITE if field_name in self.of_site else LIBRARY


#: Place of a table's row (as 'row 3'), what it says, and the fields that it says: empty ones too, of cells such as
#: 'none', which take a value away.
Row = tuple[str, LibraryDrug, frozenset[str]]


@dataclass(frozen=True)
class Match:
    """What a name was found to be.

    Attributes:
        drug: the drug; None if it is not in the library.
        by: how it was found.
        doubt: why it is not found though parts of the name are; '' else.
        of_several: whether these parts are of more than one drug.
    """

    drug: LibraryDrug | None
    by: MatchedBy
    doubt: str = ""
    of_several: bool = False


@dataclass(frozen=True)
class DrugLibrary:
    """Drugs, each with names that no other one has.

    Attributes:
        drugs: in the order of their tables, the site's own after those that ship.
        site_names: keys of names that the site's table alone gives.
        notes: what was passed over in the site's table, a sentence each.
    """

    drugs: tuple[LibraryDrug, ...]
    site_names: frozenset[str] = frozenset()
    notes: Sequence[str] = field(default_factory=tuple)

    @cached_property
    def _by_key(self) -> Mapping[str, LibraryDrug]:
        return {drug_key(name): drug for drug in self.drugs for name in (drug.name, *drug.synonyms)}

    def find(self, name: str) -> Match:
        """The drug of a name, in any case, with or without hyphens, blanks and a salt.

        Of 'Rapamycin (Sirolimus)' both names must be of one drug, or what stands in brackets a salt: a formulation
        ('(liposomal)') has another C max, and is not found.
        """
        found = self._plain(name)
        if found.drug is not None:
            return found
        parts = bracketed(name)
        if parts is None:
            return found
        outside, within = self._plain(parts[0]), [text for text in parts[1] if not is_form(text)]
        others = [self._plain(text) for text in within]
        known = [match.drug for match in (outside, *others) if match.drug is not None]
        if not known:
            return found
        if len({drug.name for drug in known}) > 1:
            names = " and of ".join(dict.fromkeys(drug.name for drug in known))
            return Match(None, "none", f"{name} has names of {names}", of_several=True)
        if len(known) < 1 + len(others):
            return Match(None, "none", f"{name} may be a form of {known[0].name} with another C max")
        by: MatchedBy = "site" if any(match.by == "site" for match in (outside, *others)) else "synonym"
        return Match(known[0], by)

    def _plain(self, name: str) -> Match:
        key = drug_key(name)
        drug = self._by_key.get(key)
        salted = drug is None
        if salted:
            key = drug_key(without_form(name))
            drug = self._by_key.get(key)
        if drug is None or not key:
            return Match(None, "none")
        if key in self.site_names:
            return Match(drug, "site")
        return Match(drug, "exact" if key == drug_key(drug.name) and not salted else "synonym")

    def alike(self, name: str) -> str:
        """Name of the library that is most like an unknown one; '' if none is. Codes of other numbers are not alike."""
        key = drug_key(name)
        others = [one for one in self._by_key if len(one) > 2 and _digits(one) == _digits(key)]
        near = difflib.get_close_matches(key, others, 1, _ALIKE)
        return self._by_key[near[0]].name if near else ""

    def overlaid(self, rows: Iterable[Row], settle: Callable[[LibraryDrug, Row], LibraryDrug], faults: Faults) -> Self:
        """The library with a site's rows over it, cell by cell.

        A row counts for the drug that its name names; where there is none, it is a further drug. Synonyms are added.

        Args:
            rows: the site's rows.
            settle: gives a drug, on which a row was laid, what follows from the row.
            faults: gets a sentence on every name that two drugs claim, and on a drug that stands there twice.
        """
        drugs = {drug.name: drug for drug in self.drugs}
        said: dict[str, str] = {}
        for one in rows:
            place, row, fields = one
            match = self.find(row.name)
            if match.of_several:
                faults.add(f"{place}: {match.doubt}; write one name into the column drug.")
                continue
            known = match.drug or LibraryDrug(row.name)
            if known.name in said:
                faults.add(f"{place}: {row.name} stands in {said[known.name]} already; keep one row a drug.")
                continue
            said[known.name] = place
            names = {drug_key(known.name): known.name} | {drug_key(name): name for name in known.synonyms}
            own = [name for name in (row.name, *row.synonyms) if drug_key(name) not in names]
            values = {name: getattr(row, name) for name in fields}
            laid = replace(known, **values, of_site=fields, synonyms=(*known.synonyms, *own))
            drugs[known.name] = settle(laid, one)
        before = self._by_key
        found = replace(self, drugs=tuple(drugs.values()))
        faults.extend(found.name_faults(said))
        keys = (drug_key(name) for drug in found.drugs for name in (drug.name, *drug.synonyms))
        return replace(found, site_names=frozenset(key for key in keys if key not in before))

    def name_faults(self, places: Mapping[str, str] | None = None) -> list[str]:
        """A sentence on every name that two drugs claim.

        Args:
            places: where a drug stands in the site's table, by its name.
        """
        claimed: dict[str, tuple[str, str]] = {}
        faults = []
        for drug in self.drugs:
            place = (places or {}).get(drug.name, "")
            for name in dict.fromkeys((drug.name, *drug.synonyms)):
                key = drug_key(name)
                if not key:
                    faults.append(f"{place}: {name!r} has no letter and no digit; write a name.".removeprefix(": "))
                    continue
                other, where = claimed.setdefault(key, (drug.name, place))
                if other != drug.name:
                    at = " and ".join(dict.fromkeys(one for one in (where, place) if one))
                    said = f"{name} is a name of {other} and of {drug.name}; keep it with one of them."
                    faults.append(f"{at}: {said}" if at else said)
        return faults


def _digits(key: str) -> str:
    return "".join(sign for sign in key if sign.isdigit())
