"""Files of interactions in the forms of databases: STRING, OmniPath, SIGNOR, SignaLink, BioGRID, Pathway Commons.

Belongs here: telling the forms apart by their columns, and their rows as genes, kind, direction and score. Does not
belong here: which rows are wanted (`interactions`).

A file is text, plain or .gz, of up to many million rows, and is read in portions.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from phenodose.drug_targets.gene_tables import listed
from phenodose.drug_targets.long_text import opened_text
from phenodose.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the two genes, in the words of each database, those that hold symbols before those that may not.
_PAIRS = (
    ("sourcegenesymbol", "targetgenesymbol"),  # OmniPath, whose source and target are UniProt's
    ("officialsymbolinteractora", "officialsymbolinteractorb"),  # BioGRID
    ("entitya", "entityb"),  # SIGNOR
    ("participanta", "participantb"),  # Pathway Commons, extended SIF
    ("preferrednamea", "preferrednameb"),  # STRING's interface for programs
    ("node1", "node2"),  # STRING's page
    ("protein1", "protein2"),  # STRING's whole network
    ("sourcename", "targetname"),  # SignaLink
    ("gene1", "gene2"),
    ("genea", "geneb"),
    ("source", "target"),
    ("a", "b"),
)
#: Pairs whose order is that of cause and effect.
_DIRECTED_PAIRS = {"sourcegenesymbol", "entitya", "sourcename"}
_KINDS = ("interactiontype", "interaction", "effect", "experimentalsystemtype", "type")
_SCORES = ("combinedscore", "score", "confidence", "weight")
_DIRECTED = "isdirected"
_YES = ("1", "true")
_SIGNS = {"isstimulation": "stimulates", "isinhibition": "inhibits"}
#: Columns of SIGNOR that say what an entity is: complexes, chemicals and phenotypes are no genes.
_TYPES = ("typea", "typeb")
#: Kinds of SIF that say which gene acts on which.
_DIRECTED_KINDS = re.compile(
    r"controls-.*|catalysis-precedes|pd|activates?|inhibits?|stimulates?|.*phosphorylates?", re.I
)
_NAMES = (
    ("stringproteinid", "preferredname"),
    ("proteinexternalid", "preferredname"),
    ("protein", "gene"),
    ("id", "gene"),
)
#: What stands above the second part of an extended SIF file, which describes the genes.
_SECOND_PART = "PARTICIPANT"
_ROWS_AT_A_TIME = 500_000


@dataclass(frozen=True)
class Form:
    """How a file is read: its separator (a regular expression of blanks, or one character) and columns by number.

    Attributes:
        words: in words.
        source: column of the first gene; None for SIF.
        target: column of the second gene.
        separator: between the columns.
        kind: column of the kind of interaction; None without one.
        score: column of the score; None without one.
        directed: column that says whether it is directed; None without one.
        signs: columns that say that one gene stimulates or inhibits the other, with the word.
        types: columns that say what the two are; none where all are genes.
        always_directed: whether the order of the genes is that of cause and effect.
    """

    words: str
    source: int | None = None
    target: int = 2
    separator: str = "\t"
    kind: int | None = None
    score: int | None = None
    directed: int | None = None
    signs: Mapping[int, str] = field(default_factory=dict)
    types: Sequence[int] = ()
    always_directed: bool = False


def portions(path: Path, least_score: float | None) -> tuple[Form, Iterator[pd.DataFrame]]:
    """The form of a file, and its rows in portions.

    Args:
        path: the file.
        least_score: the score that rows will be compared with; None if they will not.

    Returns:
        The form, and frames with a row an interaction: source and target (categories of text, empty where the file has
        none), interaction (text), directed (boolean), score (float64), genes (boolean: False where the file says that
        one of the two is something else).

    Raises:
        InputError: the file is of no known form, empty, damaged, or has no score to compare.
    """
    with opened_text(path) as file:
        line = next((line for line in file if line.strip()), "")
    if not line:
        raise InputError(f"{path}: is empty; give a file with a row an interaction.")
    form = _form_of(line, path)
    if least_score is not None and form.score is None:
        raise InputError(
            f"{path}: has no column of scores ({', '.join(_SCORES)}) for least_score = {least_score:g}; take "
            "`least_score` out of [targets] of site.toml, or give a file with scores."
        )
    return form, _of_sif(path, form) if form.source is None else _of_table(path, form)


def _form_of(line: str, path: Path) -> Form:
    separator = next((sign for sign in "\t;," if sign in line), r"\s+")
    fields = _fields(line.lstrip("#"), separator)
    header = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in fields]
    for first, second in _PAIRS:
        if first in header and second in header:
            at = {name: place for place, name in reversed(list(enumerate(header)))}
            names = fields[at[first]], fields[at[second]]
            score = next((at[name] for name in _SCORES if name in at), None)
            return Form(
                f"a table of the columns {names[0]} and {names[1]}",
                at[first],
                at[second],
                separator,
                next((at[name] for name in _KINDS if name in at), None),
                score,
                at.get(_DIRECTED),
                {at[name]: word for name, word in _SIGNS.items() if name in at},
                [at[name] for name in _TYPES if name in at],
                first in _DIRECTED_PAIRS,
            )
    if len(fields) >= 3 and separator in ("\t", r"\s+") and not line.startswith("#") and not _is_number(fields[2]):
        return Form("SIF (gene, kind of interaction, gene)", separator=separator)
    raise InputError(
        f"{path}: is no file of interactions: its first row is {listed(fields)}; give SIF (gene, kind, gene; separated "
        "by tabs or blanks), or a table whose header names two genes, such as source and target or protein1, protein2."
    )


def _of_sif(path: Path, form: Form) -> Iterator[pd.DataFrame]:
    """Portions of a SIF file: a gene, a kind, and one or more genes a row; a gene by itself is no interaction."""
    import pandas as pd

    rows: list[tuple[str, str, str]] = []
    blanks = re.compile(form.separator)
    with opened_text(path) as file:
        for number, line in enumerate(file, 1):
            fields = [name.strip() for name in blanks.split(line.strip("\r\n "))]
            if len(fields) == 2:
                raise InputError(
                    f"{path}: row {number} has two columns ({listed(fields)}), and SIF has three: gene, kind of "
                    "interaction, gene; add the kind, such as pp, or write a header of two genes (gene1, gene2)."
                )
            if len(fields) > 2 and _is_number(fields[2]):
                raise InputError(
                    f"{path}: row {number} has the number {fields[2]} where SIF has a gene; write a header that names "
                    "the columns (gene1, gene2, score)."
                )
            rows.extend((fields[0], fields[1], target) for target in fields[2:] if target)
            if len(rows) >= _ROWS_AT_A_TIME:
                yield _framed(pd.DataFrame(rows, columns=["source", "interaction", "target"]))
                rows = []
    if rows:
        yield _framed(pd.DataFrame(rows, columns=["source", "interaction", "target"]))


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", text, re.I) is not None


def _framed(frame: pd.DataFrame) -> pd.DataFrame:
    directed = frame["interaction"].str.fullmatch(_DIRECTED_KINDS)
    genes = {end: frame[end].astype("category") for end in ("source", "target")}
    return frame.assign(**genes, directed=directed.astype(bool), score=float("nan"), genes=True)


def _of_table(path: Path, form: Form) -> Iterator[pd.DataFrame]:
    """Portions of a table with a header."""
    import pandas as pd

    wanted = [form.source, form.target, form.kind, form.score, form.directed, *form.signs, *form.types]
    columns = sorted({place for place in wanted if place is not None})
    width = _width(path, form.separator)
    with opened_text(path) as file:
        next((line for line in file if line.strip()), "")  # the header
        try:
            reader = pd.read_csv(
                file, sep=form.separator, header=None, names=range(width), index_col=False, usecols=columns,
                dtype="category", quoting=csv.QUOTE_MINIMAL if form.separator == "," else csv.QUOTE_NONE,
                chunksize=_ROWS_AT_A_TIME, na_values=["", "-"], keep_default_na=False,
            )  # fmt: skip
            for portion in reader:
                ends = portion.index[portion[form.source] == _SECOND_PART]
                yield _of_portion(portion.loc[: ends[0] - 1] if len(ends) else portion, form, path)
                if len(ends):
                    return
        except pd.errors.EmptyDataError:
            return
        except pd.errors.ParserError as error:
            said = str(error).strip()
            raise InputError(
                f"{path}: cannot be read as a table ({said}); look for a row with more or fewer columns than "
                "the header."
            ) from error


def _width(path: Path, separator: str) -> int:
    """Columns of the rows below the header, which may end with a separator.

    Raises:
        InputError: they have more than the header names, so that nobody knows which is which.
    """
    with opened_text(path) as file:
        lines = list(islice((line for line in file if line.strip()), 2))
    header, first = (_fields(lines[place], separator) if place < len(lines) else [] for place in (0, 1))
    if any(first[len(header) :]):
        raise InputError(
            f"{path}: the header has {len(header)} columns and the first row {len(first)}; name every column."
        )
    return max(len(header), len(first))


def _fields(line: str, separator: str) -> list[str]:
    """The cells of a line, without quotes."""
    text = line.strip("\r\n ")
    cells = next(csv.reader([text]), []) if separator == "," else re.split(separator, text)
    return [cell.strip().strip('"') for cell in cells]


def _of_portion(portion: pd.DataFrame, form: Form, path: Path) -> pd.DataFrame:
    """The rows of a portion of a table, whose columns are all categories of text: each text is looked at once."""
    import numpy as np
    import pandas as pd

    column = {place: _cleaned(portion[place]) for place in portion}
    frame = pd.DataFrame({"source": column[cast("int", form.source)], "target": column[form.target]})
    frame["interaction"] = "" if form.kind is None else column[form.kind].astype(object).fillna("")
    for place, word in form.signs.items():
        frame["interaction"] = frame["interaction"].mask(column[place].str.lower().isin(_YES), word)
    frame["directed"] = form.always_directed
    if form.directed is not None:
        frame["directed"] = column[form.directed].str.lower().isin(_YES)
    elif form.kind is not None and not form.always_directed:
        frame["directed"] = frame["interaction"].str.fullmatch(_DIRECTED_KINDS).astype(bool)
    frame["score"] = np.nan
    if form.score is not None:
        said = column[form.score].cat.categories
        numbers = pd.to_numeric(pd.Series(said), errors="coerce").to_numpy(dtype=np.float64)
        if (bad := said[np.isnan(numbers)]).size:
            raise InputError(f"{path}: the score {bad[0]!r} is no number; write numbers like 0.7 or 700.")
        frame["score"] = np.append(numbers, np.nan)[column[form.score].cat.codes]
    frame["genes"] = True
    for place in form.types:
        frame["genes"] &= column[place].str.lower().eq("protein")
    return frame


def _cleaned(column: pd.Series[Any]) -> pd.Series[Any]:
    """A column of categories without blanks and quotes around its texts."""
    import numpy as np
    import pandas as pd

    names = column.cat.categories.tolist()
    clean = [str(name).strip().strip('"') or None for name in names]
    if clean == names:
        return column
    return pd.Series(np.array([*clean, None], dtype=object)[column.cat.codes], index=column.index, dtype="category")


def read_gene_names(path: Path) -> dict[str, str]:
    """Identifier -> symbol, from a table with one of the headers `_NAMES`."""
    found: dict[str, str] = {}
    double: dict[str, str] = {}
    at: tuple[int, int] | None = None
    with opened_text(path) as file:
        for line in file:
            fields = [name.strip().strip('"') for name in line.rstrip("\r\n").split("\t")]
            if at is None:
                header = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in fields]
                pair = next((pair for pair in _NAMES if set(pair) <= set(header)), None)
                if pair is None:
                    raise InputError(
                        f"{path}: is no table of gene names: its header is {listed(fields)}; give STRING's "
                        "protein.info file, or columns protein and gene separated by tabs."
                    )
                at = header.index(pair[0]), header.index(pair[1])
            elif len(fields) > max(at) and fields[at[0]] and fields[at[1]]:
                name, symbol = fields[at[0]], fields[at[1]]
                if found.setdefault(name, symbol) != symbol:
                    double.setdefault(name, symbol)
    if double:
        name, symbol = next(iter(double.items()))
        more = f", and {len(double) - 1} more such identifiers" * (len(double) > 1)
        raise InputError(f"{path}: {name} stands for {found[name]} and for {symbol}{more}; keep one row an identifier.")
    if not found:
        raise InputError(f"{path}: holds no name of a gene; give STRING's protein.info file, or take gene_names out.")
    return found
