"""Names of one drug that look different: case, hyphens, blanks, salts, and a second name in brackets.

Belongs here: which spellings are one name. Does not belong here: which names are one drug (`library`).
"""

from __future__ import annotations

import re
import unicodedata

_SALTS = (
    "hydrochloride dihydrochloride trihydrochloride hcl 2hcl hydrobromide hbr mesylate mesilate dimesylate "
    "methanesulfonate tosylate tosilate ditosylate besylate besilate esylate esilate edisylate camsylate maleate "
    "dimaleate malate fumarate succinate tartrate bitartrate ditartrate citrate lactate acetate sulfate sulphate "
    "disulfate hemisulfate hydrogensulfate phosphate diphosphate nitrate oxalate sodium disodium potassium calcium"
)
_HYDRATES = "hydrate monohydrate dihydrate trihydrate hemihydrate sesquihydrate anhydrous solvate dmso"
_WORDS = "salt base freebase free"
#: Words behind a name that say in which form the drug was weighed: 'Doxorubicin hydrochloride' is doxorubicin.
_FORMS = frozenset(word for words in (_SALTS, _HYDRATES, _WORDS) for word in words.split())
#: 'l' of 'sunitinib L-malate', 's' of '(S)-malate', 'di' of 'di-hydrochloride': mean nothing but before such a word.
_BEFORE_FORMS = frozenset({"l", "d", "s", "r", "dl", "di", "mono", "hemi", "p"})
_BRACKETS = re.compile(r"\(([^()]*)\)|\[([^\[\]]*)\]")


def drug_key(name: str) -> str:
    """A name without case, blanks, hyphens and signs: 'AZD-1775', 'azd 1775' and 'AZD1775' are one; '' if none is left.

    Example:
        >>> drug_key("I-BET151")
        'ibet151'
    """
    return "".join(sign for sign in unicodedata.normalize("NFKC", name).casefold() if sign.isalnum())


def without_form(name: str) -> str:
    """A name without the salt or hydrate behind it, in words.

    Example:
        >>> without_form("Sunitinib L-malate")
        'sunitinib'
    """
    words = [word for word in re.split(r"[\s\-_,.]+", unicodedata.normalize("NFKC", name).casefold()) if word]
    while len(words) > 1 and words[-1] in _FORMS:
        words.pop()
        while len(words) > 1 and words[-1] in _BEFORE_FORMS:
            words.pop()
    return " ".join(words)


def is_form(text: str) -> bool:
    """Whether a text names a salt or hydrate and nothing else, as 'HCl salt' and 'free base' do."""
    words = [word for word in re.split(r"[\s\-_,.]+", text.casefold()) if word]
    return bool(words) and words[-1] in _FORMS and all(word in _FORMS | _BEFORE_FORMS for word in words)


def bracketed(name: str) -> tuple[str, list[str]] | None:
    """A name before and behind its brackets, and the texts within; None without brackets.

    Example:
        >>> bracketed("Rapamycin (Sirolimus)")
        ('Rapamycin', ['Sirolimus'])
    """
    within = [first or second for first, second in _BRACKETS.findall(name)]
    if not within:
        return None
    return " ".join(_BRACKETS.sub(" ", name).split()), [text.strip() for text in within]
