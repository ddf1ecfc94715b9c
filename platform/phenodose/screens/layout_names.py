"""Names of drugs and samples that a person takes for one and a computer for two.

Belongs here: which spellings are alike. Does not belong here: what is always made alike (`phenodose.io.spreadsheet`,
`to_name`) and what is refused (`layout`).

`Drug1` and `Drug 1` would be two drugs with half of the wells each. They may be two all the same, so that it is told
and not mended.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

_GREEK = {
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "κ": "kappa",
    "λ": "lambda",
    "μ": "mu",
    "τ": "tau",
    "ω": "omega",
}
_SEPARATORS = r"[\s_\-\u2010-\u2015\u2212\u00ad]"
_SIGNED = re.compile(r"\((?:[+\-\u2010-\u2015\u2212\u00b1]|\+/-)\)")


def look_alike(names: Iterable[str]) -> Iterator[list[str]]:
    """Groups of names that differ in blanks, dashes, case, Greek letters, invisible signs or the order of a pair alone.

    >>> list(look_alike(["Drug1", "Drug 1", "VX-970", "TNF-α", "TNF-alpha", "(+)-JQ1", "(-)-JQ1", "A1-1", "A11"]))
    [['Drug1', 'Drug 1'], ['TNF-α', 'TNF-alpha']]
    """
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        groups.setdefault(_likeness(name), []).append(name)
    yield from (group for group in groups.values() if len(group) > 1)


def _likeness(name: str) -> str:
    text = unicodedata.normalize("NFKC", name).casefold().replace("ss", "ß")
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf" or sign == "\u00ad")
    parts = []
    for part in re.split(r"\s\+\s", text):
        # Enantiomers differ in their sign alone, and 'ß' is what a German keyboard has for beta.
        signed = _SIGNED.sub(lambda sign: "(plus)" if "+" in sign.group() else "(minus)", part)
        spelled = "".join(_GREEK.get(sign, sign) for sign in re.sub(r"\bß(?=" + _SEPARATORS + ")", "β", signed))
        between = re.sub(rf"(?<=\d){_SEPARATORS}+(?=\d)", "|", spelled)
        parts.append(re.sub(_SEPARATORS, "", between))
    return " + ".join(sorted(parts))
