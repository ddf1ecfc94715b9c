"""Tables that a user writes of genes: targets of drugs, mutations and expression of samples.

Belongs here: the forms of the three tables, and all faults of a file in one message. Does not belong here: databases
of interactions (`interactions`).

Genes are taken as they are written: no synonym is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phenodose.errors import Faults, InputError
from phenodose.io.spreadsheet import (
    ACCEPTED,
    SPREADSHEETS,
    TEXT_TABLES,
    Cell,
    DateText,
    Sheet,
    read_delimited,
    to_name,
    to_number,
    to_text,
)
from phenodose.io.workbook import read_sheets, the_sheet

_DRUG = ("drug", "drugname", "treatment", "compound")
_GENE = ("gene", "genename", "genesymbol", "target", "targets", "targetgene", "targetgenes", "symbol")
_SAMPLE = ("sample", "samplename", "sampleid")
_ALTERATION = ("alteration", "mutation", "variant", "event")
#: Header of a column of expression -> its unit.
_EXPRESSION = {
    "log2foldchange": "log2 fold change",
    "log2fc": "log2 fold change",
    "logfc": "log2 fold change",
    "lfc": "log2 fold change",
    "z": "z",
    "zscore": "z",
}
#: Columns of the Mutation Annotation Format (MAF) of the Genomic Data Commons.
_MAF_GENE, _MAF_SAMPLE, _MAF_KIND, _MAF_CHANGE = (
    "hugosymbol",
    "tumorsamplebarcode",
    "variantclassification",
    "hgvspshort",
)
#: Kinds of MAF that leave the protein as it is.
_NO_CHANGE = {"silent", "intron", "3'utr", "5'utr", "igr", "3'flank", "5'flank", "rna", "lincrna"}
#: What a spreadsheet program makes of SEPT2 and MARCH1.
_DATE = re.compile(r"\d{1,2}-(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*|(sep|mar|dec|oct)-\d{2,4}", re.I)
_NUMBER = re.compile(r"\d+(\.\d*)?")
#: Words in place of a gene where there is none.
_NO_GENE = {"none", "unknown", "notknown", "na", "nan", "nd", "tbd", "unclear", "undetermined"}
_SEPARATORS = re.compile(r"[,;|]")
_BY_ITSELF = "save it as a .csv of its own"


@dataclass(frozen=True)
class GeneTable:
    """What a table says of genes.

    Attributes:
        of: name (a drug or a sample) -> gene -> what is said of it; '' where nothing is said but the gene.
        notes: what was passed over, a sentence each.
        unit: unit of expression; '' in the other tables.
    """

    of: Mapping[str, Mapping[str, str | float]]
    notes: Sequence[str] = field(default_factory=list)
    unit: str = ""


def read_drug_targets(path: Path) -> GeneTable:
    """The targets of drugs: columns drug and gene, a row a target, or several genes in a cell separated by , ; or |.

    A drug without a gene, or with a word such as 'unknown', stays, with no target. Notes tell of genes that differ in
    upper and lower case alone and of names with blanks, which are one gene each.

    Raises:
        InputError: it is no such table, or a row lacks its drug, or a gene is a date or a number; all in one message.
    """
    table = _Table.read(path, "targets of drugs", (("drug", _DRUG), ("gene", _GENE)))
    found: dict[str, dict[str, str | float]] = {}
    for number, row in table.rows:
        drug, genes = to_name(row[table.at["drug"]]), table.genes(number, row)
        if drug is None:
            if genes:
                table.faults.add(f"row {number}: the drug is empty; name the drug whose target is {', '.join(genes)}.")
            continue
        found.setdefault(drug, {}).update(dict.fromkeys(genes, ""))
    table.faults.raise_if_any()
    return GeneTable(found, _odd_genes(path, {gene for genes in found.values() for gene in genes}))


def _odd_genes(path: Path, genes: Collection[str]) -> list[str]:
    """Notes on genes that are perhaps not what was meant."""
    spellings: dict[str, list[str]] = {}
    for gene in sorted(genes):
        spellings.setdefault(gene.casefold(), []).append(gene)
    notes = [
        f"{path.name}: {' and '.join(alike)} differ in upper and lower case alone and count as different genes."
        for alike in spellings.values()
        if len(alike) > 1
    ]
    if blank := sorted(gene for gene in genes if " " in gene):
        notes.append(
            f"{path.name}: read as one gene each: {listed(blank)}; several genes in a cell are separated by , ; or |."
        )
    return notes


def read_mutations(path: Path, samples: Collection[str]) -> GeneTable:
    """The altered genes of a screen's samples: columns gene, alteration (any words), and sample if there are several.

    A MAF file is read too: Hugo_Symbol with HGVSp_Short, or Variant_Classification where there is no such change.

    Args:
        path: the file.
        samples: the samples of the screen.

    Raises:
        InputError: it is no such table, it does not say whose genes these are, or none are of this screen; all faults
            in one message.
    """
    header_of = (("gene", (_MAF_GENE,)), ("kind", (_MAF_KIND,)))
    table = _Table.read(
        path, "mutations", (("gene", _GENE), ("alteration", _ALTERATION)), ("sample", _SAMPLE), header_of
    )
    silent, found = 0, _OfSamples(table, samples)
    for number, row in table.rows:
        genes, said = table.genes(number, row), ""
        if table.is_alternative:
            kind = to_text(row[table.at["kind"]]) or ""
            if kind.lower() in _NO_CHANGE:
                silent += 1
                continue
            change = table.column((_MAF_CHANGE,))
            said = (to_name(row[change]) if change is not None else None) or kind
        else:
            said = to_name(row[table.at["alteration"]]) or "altered"
        for name, gene in found.rows(number, row, genes):
            before = str(found.of[name].get(gene, ""))
            known = before.split("; ") if before else []
            found.of[name][gene] = "; ".join(dict.fromkeys([*known, said]))
    notes = [f"{path.name}: {silent} rows that leave the protein as it is are passed over."] if silent else []
    return found.table(notes)


def read_expression(path: Path, samples: Collection[str]) -> GeneTable:
    """The expression of genes: columns gene and log2_fold_change or z_score, and sample if there are several.

    Genes without a number are passed over.

    Args:
        path: the file.
        samples: the samples of the screen.

    Raises:
        InputError: as for `read_mutations`; or a cell holds no number, or a gene stands twice with different numbers.
    """
    table = _Table.read(
        path, "expression", (("gene", _GENE), ("log2_fold_change", tuple(_EXPRESSION))), ("sample", _SAMPLE)
    )
    unit = _EXPRESSION[table.header[table.at["log2_fold_change"]]]
    found = _OfSamples(table, samples)
    for number, row in table.rows:
        cell = row[table.at["log2_fold_change"]]
        try:
            value = to_number(cell)
        except ValueError:
            table.faults.add(f"row {number}: the {unit} is {cell!r}; write a number like 1.5, or nothing.")
            continue
        if value is None:
            continue
        for name, gene in found.rows(number, row, table.genes(number, row)):
            if found.of[name].setdefault(gene, value) != value:
                table.faults.add(f"row {number}: {gene} has a second {unit} of {name}; keep one row a gene.")
    return found.table([], unit)


# --- what the three share -------------------------------------------------------------------------

_Columns = tuple[tuple[str, tuple[str, ...]], ...]


@dataclass
class _Table:
    """A table with its columns found: place of the file, plain header, column by meaning, numbered rows, faults."""

    path: Path
    header: list[str]
    at: dict[str, int]
    rows: list[tuple[int, list[Cell]]]
    faults: Faults
    is_alternative: bool = False

    @classmethod
    def read(
        cls,
        path: Path,
        what: str,
        needed: _Columns,
        optional: tuple[str, tuple[str, ...]] | None = None,
        alternative: _Columns = (),
    ) -> _Table:
        """The one table of a file that has the needed columns, or those of the alternative form, which comes first."""

        def form(sheet: Sheet) -> tuple[int, list[str], _Columns] | None:
            """Where the header stands, what it says, and the form that it fits."""
            for number, row in enumerate(sheet.rows):
                if any(cell is not None for cell in row) and not str(row[0] or "").startswith("#"):
                    header = [_plain(cell) for cell in row]
                    forms = [alternative] if alternative else []
                    for columns in (*forms, needed):
                        if all(not set(names).isdisjoint(header) for _, names in columns):
                            return number, header, columns
                    return None
            return None

        sheets = _sheets(path)
        sheet, _ = the_sheet(
            sheets, str(path), lambda one: form(one) is not None, None, f"a table of {what}", _BY_ITSELF
        )
        found, faults = form(sheet), Faults(sheet.place)
        if found is None:
            first = next((row for row in sheet.rows if any(cell is not None for cell in row)), [])
            said = ", ".join(text for cell in first if (text := to_text(cell))) or "nothing"
            raise InputError(
                f"{sheet.place}: is no table of {what}: its header is {said}; write the columns "
                f"{' and '.join(meaning for meaning, _ in needed)}."
            )
        start, header, columns = found
        at = {}
        for meaning, names in (*columns, *([optional] if optional else [])):
            places = [place for place, name in enumerate(header) if name in names]
            if len(places) > 1:
                said = ", ".join(to_text(sheet.rows[start][place]) or "" for place in places)
                faults.add(f"there are {len(places)} columns that may be the {meaning} ({said}); keep one of them.")
            if places:
                at[meaning] = places[0]
        faults.raise_if_any()
        width = len(header)
        rows = [
            (number, [*row, *[None] * (width - len(row))])
            for number, row in enumerate(sheet.rows[start + 1 :], start + 2)
            if any(cell is not None for cell in row)
        ]
        named = max(place for place, name in enumerate(header) if name) + 1
        for number, row in rows if path.suffix.lower() not in SPREADSHEETS else []:
            if beyond := [text for cell in row[named:] if (text := to_text(cell))]:
                faults.add(
                    f"row {number}: {listed(beyond)} to the right of the last column; put quotes around a cell with "
                    "commas in it."
                )
        return cls(path, header, at, rows, faults, columns is not needed)

    def column(self, names: Sequence[str]) -> int | None:
        """The first column of one of these names."""
        return next((place for place, name in enumerate(self.header) if name in names), None)

    def genes(self, number: int, row: list[Cell]) -> list[str]:
        """The genes that a row names."""
        cell = row[self.at["gene"]]
        if isinstance(cell, float) or (cell is not None and _NUMBER.fullmatch(cell)):
            self.faults.add(f"row {number}: the gene is the number {to_text(cell)}; write its symbol, such as EGFR.")
            return []
        if isinstance(cell, DateText) or (isinstance(cell, str) and _DATE.fullmatch(cell)):
            self.faults.add(
                f"row {number}: the gene is the date {cell}, made by a spreadsheet program of a gene such as SEPT2 or "
                "MARCH1; format the column as text and write the symbol again."
            )
            return []
        if cell is not None and any(sign in cell.strip() for sign in "\r\n"):
            self.faults.add(
                f"row {number}: the gene {to_name(cell)!r} goes over several lines; look for a quote without its "
                "counterpart, and separate several genes by , ; or |."
            )
            return []
        names = (to_name(part.strip() or None) for part in _SEPARATORS.split(cell or ""))
        return [name for name in names if name and _plain(name) not in _NO_GENE]


class _OfSamples:
    """What the rows of a table say of the samples of a screen."""

    def __init__(self, table: _Table, samples: Collection[str]) -> None:
        self.table_read, self.samples = table, list(samples)
        self.of: dict[str, dict[str, str | float]] = {name: {} for name in self.samples}
        self._others: set[str] = set()
        self._at = table.at.get("sample")
        if self._at is None and table.is_alternative:
            barcode = table.column((_MAF_SAMPLE,))
            named = set() if barcode is None else {to_name(row[barcode]) for _, row in table.rows}
            self._at = barcode if len(named) > 1 else None
        if self._at is None and len(self.samples) > 1:
            table.faults.add(
                f"the screen has {len(self.samples)} samples ({', '.join(self.samples)}); add a column `sample` that "
                "says whose genes these are."
            )

    def rows(self, number: int, row: list[Cell], genes: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Sample and gene of a row, where the sample is of this screen."""
        if self._at is None:
            yield from ((name, gene) for name in self.samples[:1] for gene in genes)
            return
        name = to_name(row[self._at])
        if name is None:
            self.table_read.faults.add(f"row {number}: the sample is empty; say whose gene {', '.join(genes)} is.")
        elif name in self.of:
            yield from ((name, gene) for gene in genes)
        else:
            self._others.add(name)

    def table(self, notes: Sequence[str], unit: str = "") -> GeneTable:
        """All of it, if there was no fault."""
        faults = self.table_read.faults
        if self._others and not any(self.of.values()):
            faults.add(
                f"it is of the samples {listed(sorted(self._others))}, and the screen's is {', '.join(self.samples)}; "
                "write the screen's sample into the column `sample`."
            )
        faults.raise_if_any()
        others = (
            [f"{self.table_read.path.name}: rows of other samples are passed over ({listed(sorted(self._others))})."]
            if self._others
            else []
        )
        return GeneTable(self.of, [*notes, *others], unit)


def listed(names: Sequence[str], most: int = 8) -> str:
    """The names, the first eight of many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _plain(cell: Cell) -> str:
    """A header without case, blanks and signs."""
    return re.sub(r"[^a-z0-9]", "", (to_text(cell) or "").lower())


def _sheets(path: Path) -> list[Sheet]:
    suffix = path.suffix.lower()
    if suffix in SPREADSHEETS:
        return read_sheets(path.read_bytes(), str(path))
    if suffix in (*TEXT_TABLES, ".maf"):
        return [read_delimited(path.read_bytes(), str(path))]
    raise InputError(f"{path}: a table of genes is one of {', '.join((*ACCEPTED, '.maf'))}; save it as .csv.")
