"""The drug library of a store: the one that ships, with the site's own table over it.

Belongs here: where the site's table lies. Does not belong here: reading it (`phenodose.drug_library`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from phenodose.errors import InputError
from phenodose.screens.target_files import SITE_TABLES, file_of_site
from phenodose.settings.site import read_site
from phenodose.store.store import Store

if TYPE_CHECKING:
    from phenodose.drug_library.library import DrugLibrary

#: Name of the site's table in the store, without its ending.
DRUG_LIBRARY = "drug_library"


def site_library(store: Store) -> Path | None:
    """The site's own table of drugs; None without one.

    Raises:
        InputError: site.toml is faulty or names a file that is missing, or the table lies in the store in two forms.
    """
    named = read_site(store.root, {"drugs"}).drugs.library
    return file_of_site(store, named, "[drugs] library", DRUG_LIBRARY, SITE_TABLES)


def library_of(store: Store) -> DrugLibrary:
    """The drug library as the site has it.

    Raises:
        InputError: as for `site_library`, or the table is faulty: all its faults in one message.
    """
    from phenodose.drug_library.library_table import built_in, library_with

    path = site_library(store)
    return built_in() if path is None else library_with(path)


def site_library_files(root: Path) -> list[Path]:
    """Where the site's table may lie, whether it is there or not; [] of a faulty site.toml."""
    try:
        named = read_site(root, {"drugs"}).drugs.library
    except InputError:
        return []
    usual = [root / f"{DRUG_LIBRARY}{ending}" for ending in SITE_TABLES]
    if named is None:
        return usual
    own = Path(named).expanduser()
    return [own if own.is_absolute() else root / named, *usual]
