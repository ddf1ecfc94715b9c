"""The reader contract: a raw folder of one microplate becomes an index of planes.

Belongs here: the base class, and which reader reads a folder. Does not belong here: the columns of the index
(`plane_index`), any microscope's file names (those are plugins) and writing plates (`phenodose.plates`).
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from phenodose.errors import Faults, InputError, PluginError
from phenodose.io.places import place
from phenodose.plugins.base import Plugin
from phenodose.plugins.raw_folder import raw_files

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from phenodose.plugins.registry import Registry

log = logging.getLogger("phenodose")


class Reader(Plugin):
    """Turns a raw folder of one microplate into an index of planes, and reads a plane."""

    #: What a person can do to have this reader read a folder that no reader knows, as a part of a sentence; '' if
    #: nothing.
    remedy: ClassVar[str] = ""

    @abstractmethod
    def sniff(self, folder: Path) -> float:
        """How sure the reader is that `folder` is its own: 0 (no) to 1 (certain). Never raises.

        1 if the files say so themselves, about 0.5 if only their names look like it. Opens a few files at most.
        """

    @abstractmethod
    def index(self, folder: Path) -> pd.DataFrame:
        """All planes of the folder with the columns of `PLANES`, sorted by its key (`planes_frame` does both).

        Checks every file at the door without decoding pixels: headers, sizes, truncation. The same files give the
        same index, in whatever order the file system lists them. The checksums stay empty: the ingest makes them
        in its one pass over the pixels.

        Raises:
            InputError: all faults of the folder in one message, each naming the file, the well and the
                remedy.
        """

    def read_plane(self, folder: Path, plane: Any) -> np.ndarray:
        """The pixels of one row of the index (any object with `path`, `page`, `well`): dims y, x."""
        from phenodose.plates.tiff import read_page

        return read_page(folder / plane.path, plane.page, plane.well)

    def advice(self, folder: Path) -> str:
        """What a person can do to have this reader read a folder that no reader knows, as `remedy`; '' if nothing."""
        return self.remedy

    def in_place(self, folder: Path) -> Path | None:
        """The OME-Zarr plate in the folder that is to be used where it lies; None if the images are to be ingested."""
        return None

    def acquisition(self) -> str | None:
        """Which acquisition of a plate that is used in place counts, where it has several; None if nobody said."""
        return None

    def plate_metadata(self, folder: Path, index: pd.DataFrame) -> dict[str, Any]:
        """What the instrument says of the whole plate, as JSON-able values; empty if nothing.

        Some keys mean something to the platform: `plate_format`, the [rows, columns] of the microplate; `notes`,
        a list of sentences on what a person should know of the folder (files passed over, images promised and not
        there), which the ingest shows and keeps with the plate; `acquisition`, a name that another acquisition of
        the same plate does not have; `mean_of_stack`, the means by well where the folder holds less than the stacks
        ({} if nobody measured them).

        Args:
            folder: the raw folder.
            index: what `index` gave for it.
        """
        return {}


def choose_reader(
    folder: Path,
    plugins: Registry,
    name: str | None = None,
    parameters: Mapping[str, Mapping[str, Any]] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Reader:
    """The reader of a raw plate folder: the one named, else the one that is surest of the folder.

    A reader of another distribution works in a process of its own (`phenodose.sandbox`); one that fails to say
    how sure it is is passed over.

    Args:
        folder: the raw folder of one plate.
        plugins: what is installed, and what readers of other distributions may take.
        name: the reader to take; None to ask all.
        parameters: parameters by reader.
        tell: hears a sentence on every reader that was passed over for a fault; None for the log.

    Raises:
        PluginError: no reader of that name can be used, or its parameters are wrong.
        InputError: the folder is not there, no reader knows it, or several are equally sure of it.
    """
    # Late: the guard knows all kinds of plugins.
    from phenodose.plugins.isolation import shared_sandbox

    given = parameters or {}
    folder = place(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; give the folder that holds the plate's raw images.")
    if name is not None:
        named: Any = plugins.get("reader", name)
        reader: Reader = shared_sandbox(named, given.get(name, {}), plugins)
        return reader
    readers: list[Reader] = [
        shared_sandbox(plugin, given.get(known, {}), plugins) for known, plugin in plugins.usable("reader").items()
    ]
    failed: list[str] = []
    sure = {reader.name: _confidence(reader, folder, failed) for reader in readers}
    best = max(sure.values(), default=0.0)
    surest = [reader for reader in readers if sure[reader.name] == best]
    if best <= 0:
        raise _unknown(folder, readers, failed)
    if len(surest) > 1:
        named = " and ".join(reader.name for reader in surest)
        raise InputError(
            f"{folder}: the readers {named} are equally sure of these files ({best:g}); say which with "
            f'`reader = "{surest[0].name}"` in screen.toml or `--reader {surest[0].name}`.'
        )
    for sentence in failed:
        (tell or log.warning)(f"{folder.name}: passed over: {sentence}")
    return surest[0]


def _unknown(folder: Path, readers: Sequence[Reader], failed: Sequence[str]) -> InputError:
    """Why no reader reads a folder: links and folders that keep its files from being read, else what can be done."""
    faults = Faults(str(folder))
    if not raw_files(folder, faults) and faults:
        try:
            faults.raise_if_any()
        except InputError as error:
            return error
    known = ", ".join(reader.name for reader in readers) or "none"
    more = f"; {'; '.join(failed)}" if failed else ""
    remedies = "".join(f", {advice}" for reader in readers if (advice := _advice(reader, folder)))
    return InputError(
        f"{folder}: no installed reader knows these files (readers: {known}{more}); check that this is the folder of "
        f"one plate's raw images{remedies}, or install a reader plugin for the microscope."
    )


def _advice(reader: Reader, folder: Path) -> str:
    try:
        return reader.advice(folder)
    except Exception:  # as in `_confidence`; an error about the folder is on its way already
        return reader.remedy


def _confidence(reader: Reader, folder: Path, failed: list[str]) -> float:
    """What the reader says; 0 if it fails or says no number from 0 to 1, which is noted."""
    try:
        confidence = float(reader.sniff(folder))
    except PluginError as error:
        failed.append(str(error))
        return 0.0
    except Exception as error:  # a plugin that breaks must not stop the others
        failed.append(f"{reader.name} failed: {type(error).__name__}: {error}")
        return 0.0
    if not 0 <= confidence <= 1:
        failed.append(f"{reader.name} said {confidence:g} where 0 to 1 is meant")
        return 0.0
    return confidence
