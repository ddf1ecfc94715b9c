"""The environment's variables, read here and nowhere else: the faces ask, and pass on what they found.

Faces are the commands (`phenodose.cli`), Python (`phenodose.api`) and the code location
(`phenodose_assets.definitions`). What they call takes a `Store`, `SiteSettings` or a `Registry`, so that two stores of
one process cannot be mistaken for each other.

Belongs here: the variables and what holds without them. Does not belong here: variables of libraries, which read their
own (AWS_*, DAGSTER_HOME, TF_CPP_MIN_LOG_LEVEL; docs/settings.md).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from phenodose.settings.site import SiteSettings
    from phenodose.store.store import Store

STORE = "PHENODOSE_STORE"
INBOX = "PHENODOSE_INBOX"
PLATES = "PHENODOSE_PLATES"
CACHE = "PHENODOSE_CACHE"
TRAINING = "PHENODOSE_TRAINING"
EXECUTOR = "PHENODOSE_EXECUTOR"
RAW_ROOTS = "PHENODOSE_RAW_ROOTS"
CHROMIUM = "PHENODOSE_CHROMIUM"

#: Every variable, with what it says.
VARIABLES = {
    STORE: "The store where a command is given no --store: a folder or s3://bucket/prefix; else ./store",
    INBOX: "The folder in which the code location looks for new screens; else ./inbox",
    PLATES: "Another place for the plates of the store: a folder or s3://bucket/prefix; else inside the store",
    CACHE: "The folder for what a store in a bucket keeps on this machine; else phenodose in the user's cache",
    TRAINING: "Where networks are trained: process (a process of their own) or inline (that of the step); else process",
    EXECUTOR: "Where steps run: local, slurm or kubernetes; else as [cluster] in the store's site.toml says",
    RAW_ROOTS: "Where raw folders lie on this machine, if elsewhere than where they were registered: OLD=NEW, several "
    "with a colon between them",
    CHROMIUM: "The browser that prints reports as PDF: a program on the path, or its full path; else the one found",
}


@dataclass(frozen=True)
class Environment:
    """What the variables say; None where one is not set or empty.

    Attributes:
        store: where the store is.
        inbox: the folder in which raw screen folders arrive.
        plates: another place for the store's plates.
        cache: the folder for what a store in a bucket keeps on this machine.
        training: where networks are trained.
        executor: where steps run.
        raw_roots: where raw folders lie on this machine.
        chromium: the browser that prints reports.
    """

    store: str | None = None
    inbox: str | None = None
    plates: str | None = None
    cache: str | None = None
    training: str | None = None
    executor: str | None = None
    raw_roots: str | None = None
    chromium: str | None = None

    def open_store(self, location: str | None = None) -> Store:
        """The store at `location`, else the one that the environment names, else ./store; nothing is created yet.

        Raises:
            InputError: the address is of no object store.
            StoreError: the bucket of an address is not there, or cannot be read.
        """
        from phenodose.store.store import DEFAULT_STORE, Store

        return Store.open(
            location or self.store or DEFAULT_STORE, plates=self.plates, cache=self.cache, raw_roots=self.raw_roots
        )

    def site(self, location: str | None = None) -> SiteSettings:
        """The settings of the site whose store that is; all defaults without a site.toml, or without a store.

        Raises:
            InputError: the address is of no object store, or site.toml is faulty.
            StoreError: the bucket of an address is not there, or cannot be read.
        """
        from phenodose.settings.site import read_site

        return read_site(self.open_store(location).root)


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """What the environment says now.

    Args:
        variables: read instead of those of this process.
    """
    said = os.environ if variables is None else variables
    return Environment(*(said.get(name) or None for name in VARIABLES))
