"""The drug library of the command `score`, and what its summary says of it.

Does not belong here: the command `drugs`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from phenodose.drug_library.library import DrugLibrary


def wanted_library(reachable: Path | None, own: Path | None) -> DrugLibrary | None:
    """The drug library, with the named table over it or else the store's; None where no C max is asked for.

    Args:
        reachable: where the effects at C max are written; None if nowhere.
        own: a table that is laid over the library.

    Raises:
        InputError: a table is named and nothing rests on it, or it is missing or faulty.
    """
    from phenodose.drug_library.library_table import library_with
    from phenodose.errors import InputError, MissingInputError
    from phenodose.screens.drug_files import library_of
    from phenodose.settings.environment import read_environment

    if reachable is None:
        if own is not None:
            raise InputError(f"--drug-library {own}: says what --reachable rests on; name a file with --reachable too.")
        return None
    if own is None:
        return library_of(read_environment().open_store())
    if not own.is_file():
        raise MissingInputError(f"--drug-library {own}: there is no such file; check the path.")
    return library_with(own)


def beyond_c_max(reachable: pd.DataFrame, hits: list[str]) -> list[str]:
    """The hits of which half the effect needs more than C max, by the rows of `reachable_effects`."""
    if reachable.empty:
        return []
    beyond = set(reachable.loc[reachable["needs_more_than_c_max"].eq(True), "drug"])
    return [drug for drug in hits if drug in beyond]
