"""What a screen is made from that no step makes: its raw files and its settings, as they are now.

Each has a version, a hash of what is looked at. A product that was made from another version is older than its inputs
(`phenodose.lineage.freshness`, and Dagster's own staleness in `phenodose_assets.external`).

Belongs here: `ExternalInput`, and looking at one. Does not belong here: which step reads what (the module of the
asset), and what was there when a product was made (`phenodose.lineage.record`).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from phenodose.dose_response.reference_samples import REFERENCE_NAMES
from phenodose.drug_library.library_table import built_in_hash
from phenodose.errors import MissingInputError, NotMade, PhenodoseError
from phenodose.io.files import hash_as_it_is, hash_json
from phenodose.plugins import REFERENCE, choose_reader, plugins_of
from phenodose.screens.curations import in_force
from phenodose.screens.drug_files import site_library
from phenodose.screens.inside import named_file
from phenodose.screens.raw_copy import screen_at
from phenodose.screens.screen import Screen
from phenodose.screens.target_files import target_files
from phenodose.settings.site import read_site
from phenodose.store.store import Store
from phenodose.training_records import DEFAULT_INPUTS

log = logging.getLogger("phenodose_assets")


@dataclass(frozen=True)
class ExternalInput:
    """One thing outside the pipeline that products are made from.

    Attributes:
        key: its key as text, such as `raw/layout`.
        description: one sentence for the UI.
        look: what a screen has of it now, a JSON value; None if it has none.
    """

    key: str
    description: str
    look: Callable[[Screen, Store], Any]


AnyInput = TypeVar("AnyInput", bound=ExternalInput)


def is_watched(key: str) -> bool:
    """Whether an input can be looked at again at any time, cheaply and by its key alone (`input_of`).

    Raw images are compared by `ingest`, which alone can say whether they changed; which reader fits them, and what
    other screens have, are looked at by the graph.
    """
    return key.startswith(("raw/layout", "raw/readings/", "settings/")) and key != READER.key


def is_external(key: str) -> bool:
    """Whether a key is that of an input, and not of an asset."""
    return key.startswith(("raw/", "settings/"))


def input_of(key: str, compares: bool) -> ExternalInput:
    """The watched input of a key.

    Args:
        key: of an input that is watched.
        compares: whether the table of parameters is of a scorer that compares with reference samples.
    """
    every = (
        *(LAYOUT_FILE, SAMPLE, TENSOR_SETTINGS, IMAGE_SETTINGS, CONTROLS, QUALITY, CURATIONS, TARGET_TABLES),
        DRUG_LIBRARY,
    )
    known = {one.key: one for one in every}
    if key in known:
        return known[key]
    group, _, name = key.rpartition("/")
    return readings(name) if group == "raw/readings" else settings_of(name, (REFERENCE,) if compares else ())


def name_of(thing: ExternalInput, contents: Any) -> str:
    """An input in words, as the start or the middle of a sentence."""
    if thing.key == LAYOUT_FILE.key:
        return f"the layout file {next(iter(contents), '')}".rstrip()
    if thing.key.startswith("raw/readings/"):
        return f"the plate-reader files of {thing.key.rpartition('/')[2]}"
    return thing.description.rstrip(".").split(":")[0]


def look_at(folder: Path, store: Store, external: Iterable[AnyInput]) -> dict[AnyInput, tuple[str, Any]]:
    """What a raw screen folder holds now; on a machine that has no such folder, what the store's copy of it holds.

    What is not there any more (raw images are archived) or cannot be read is left out: products made from it stay.

    Args:
        folder: the raw screen folder.
        store: holds the reference samples and settings of all screens.
        external: what is looked at.
    """
    look = looked_at(folder, store, external)
    for fault in look.faults:
        log.warning("%s is not looked at: %s", folder, fault)
    return look.found


@dataclass(frozen=True)
class Look(Generic[AnyInput]):
    """What was seen of a raw folder.

    Attributes:
        found: version and contents of inputs that are there.
        gone: inputs that are not, though the folder itself is on this machine.
        faults: what cannot be looked at, and why, a sentence each.
    """

    found: dict[AnyInput, tuple[str, Any]]
    gone: tuple[AnyInput, ...] = ()
    faults: tuple[str, ...] = ()


def looked_at(folder: Path, store: Store, external: Iterable[AnyInput]) -> Look[AnyInput]:
    """As `look_at`, which leaves out what is gone or cannot be read."""
    try:
        screen = screen_at(folder, store)
    except MissingInputError:
        return Look({})
    except (PhenodoseError, OSError) as error:
        return Look({}, faults=(str(error),))
    wanted = list(external)
    found, faults = _looked_into(screen, store, wanted)
    gone = () if screen.copy_of is not None or faults else tuple(thing for thing in wanted if thing not in found)
    return Look(found, gone, tuple(faults))


def look_into(screen: Screen, store: Store, external: Iterable[AnyInput]) -> dict[AnyInput, tuple[str, Any]]:
    """Version and contents of inputs of a screen that is loaded; see `look_at`."""
    found, faults = _looked_into(screen, store, external)
    for fault in faults:
        log.warning("%s is not looked at: %s", screen.id, fault)
    return found


def _looked_into(
    screen: Screen, store: Store, external: Iterable[AnyInput]
) -> tuple[dict[AnyInput, tuple[str, Any]], list[str]]:
    found: dict[AnyInput, tuple[str, Any]] = {}
    faults = []
    for asset in external:
        try:
            contents = asset.look(screen, store)
        except NotMade:
            continue
        except (PhenodoseError, OSError) as error:
            faults.append(f"{asset.key}: {error}")
            continue
        if contents is not None:
            found[asset] = hash_json(contents), contents
    return found, faults


# --- raw files ------------------------------------------------------------------------------------


def readings(readout: str) -> ExternalInput:
    """The plate-reader files of a readout."""

    def look(screen: Screen, store: Store) -> Any:
        folder = screen.readout_folders.get(readout)
        if folder is None:
            return None
        times = screen.course_folders.get(readout, {})
        places = {f"{hours:g} h/": place for hours, place in times.items()} or {"": folder}
        files = {
            before + path.name: hash_as_it_is(path)
            for before, place in places.items()
            for path in sorted(place.iterdir())
            if path.is_file()
        }
        return files | ({"block": block} if (block := screen.block_of(readout)) else {})

    return ExternalInput(f"raw/readings/{readout}", f"Plate-reader files of {readout}, each byte hashed.", look)


def _layout(screen: Screen, store: Store) -> Any:
    if screen.layout_path is None:
        return None
    sheet = screen.settings.layout.sheet
    curated = screen.well_classes_path
    classes = {curated.name: hash_as_it_is(curated)} if curated and curated.is_file() else {}
    return {screen.layout_path.name: hash_as_it_is(screen.layout_path)} | ({"sheet": sheet} if sheet else {}) | classes


def _images(screen: Screen, store: Store) -> Any:
    if screen.copy_of is not None:
        return None  # they lie elsewhere
    # Names, sizes and times: hashing 100 GB each minute is out of the question.
    return {plate: hash_json(list(_files(folder))) for plate, folder in screen.plate_folders.items()} or None


def _files(folder: Path) -> Iterable[tuple[str, int, int]]:
    """Place, size in bytes and time of change of every file below a folder, in order."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for path in (Path(place, name) for name in sorted(names)):
            about = path.stat()
            yield path.relative_to(folder).as_posix(), about.st_size, about.st_mtime_ns


LAYOUT_FILE = ExternalInput(
    "raw/layout", "The layout file of the raw folder and the classes of curated wells, each byte hashed.", _layout
)
IMAGE_FILES = ExternalInput("raw/images", "The raw images: name, size and time of every file of every plate.", _images)


# --- settings -------------------------------------------------------------------------------------


def settings_of(table: str, fields: Sequence[str]) -> ExternalInput:
    """What screen.toml says of the parameters of a plugin or step.

    Args:
        table: name of the table, such as 'cnn'.
        fields: its parameters.
    """
    return ExternalInput(
        f"settings/{table}",
        f"[parameters.{table}] of screen.toml: {', '.join(fields)}.",
        partial(_parameters, table, REFERENCE in fields),
    )


def _parameters(table: str, compares: bool, screen: Screen, store: Store) -> Any:
    said = dict(screen.parameters.get(table, {}))
    if compares and (reference := reference_file(screen, store, said.get(REFERENCE))):
        said |= {f"hash of {reference.name}": hash_as_it_is(reference)}
    return said


def reference_file(screen: Screen, store: Store, named: str | None) -> Path | None:
    """The table of reference samples: the one named in screen.toml, else the store's; None without one."""
    of_store = (store.local_copy(store.root / name) for name in REFERENCE_NAMES)
    found = named_file(screen.folder, named) if named else next((path for path in of_store if path.is_file()), None)
    return found if found is not None and found.is_file() else None


def _sample(screen: Screen, store: Store) -> Any:
    drugs = {name: drug.model_dump(mode="json") for name, drug in screen.drugs.items()}
    return {"sample": screen.sample, "kind": screen.kind, "entity": screen.entity, "drugs": drugs}


def _reader(screen: Screen, store: Store) -> Any:
    if not screen.plate_folders or screen.copy_of is not None:
        return None
    folder = next(iter(screen.plate_folders.values()))
    reader = choose_reader(folder, plugins_of(store), screen.reader, screen.parameters, log.warning)
    return {"reader": reader.name, "version": reader.version, **screen.parameters.get(reader.name, {})}


def _tensors(screen: Screen, store: Store) -> Any:
    inputs = screen.settings.tensors.inputs
    # Said where it is not the default, so that screens of before stay as they are.
    return {
        "size_px": screen.size_px,
        "nuclei": screen.channel,
        **({} if inputs == DEFAULT_INPUTS else {"inputs": list(inputs)}),
    }


def _image_choice(screen: Screen, store: Store) -> Any:
    return {"time": screen.settings.images.time, "site": screen.settings.images.site}


def _controls(screen: Screen, store: Store) -> Any:
    return {name: controls.model_dump(mode="json") for name, controls in screen.controls.items()}


def _quality(screen: Screen, store: Store) -> Any:
    found: dict[str, str] = {}
    for origin, value in (("site.toml", read_site(store.root)), ("screen.toml", screen.settings)):
        said = value.model_dump(mode="json")
        # What came later is left out where nobody says it, so that screens of before stay as they are.
        if said["wells"]["no_cell_state"] is None:
            del said["wells"]["no_cell_state"]
        found |= {f"{name} of {origin}": str(said[name]) for name in ("quality", "wells")}
    return found


def _target_tables(screen: Screen, store: Store) -> Any:
    files = target_files(screen, store)
    # A screen without any has an empty answer, so that a table that is added later is news.
    hashes = {path.name: hash_as_it_is(path) for path in files.paths() if path.is_file()}
    return hashes | ({} if files.least_score is None else {"least_score": files.least_score})


def _drug_library(screen: Screen, store: Store) -> Any:
    own = site_library(store)
    return {"built-in": built_in_hash()} | ({own.name: hash_as_it_is(own)} if own else {})


SAMPLE = ExternalInput("settings/sample", "sample, kind, entity and [drugs] of screen.toml.", _sample)
READER = ExternalInput(
    "settings/reader", "reader of screen.toml, its parameters and the version of the plugin.", _reader
)
TENSOR_SETTINGS = ExternalInput("settings/tensor_size", "[tensors] and [channels] of screen.toml.", _tensors)
IMAGE_SETTINGS = ExternalInput("settings/images", "[images] of screen.toml.", _image_choice)
CONTROLS = ExternalInput("settings/controls", "[controls] of screen.toml.", _controls)
QUALITY = ExternalInput(
    "settings/quality", "[quality] and [wells] of screen.toml and of the store's site.toml.", _quality
)
CURATIONS = ExternalInput(
    "settings/curations",
    "decisions on wells (`phenodose curate`): the exclusions that hold.",
    # Of a screen on which nothing was ever decided there is nothing, so that screens of before stay as they are.
    lambda screen, store: in_force(store, screen.id),
)
TARGET_TABLES = ExternalInput(
    "settings/target_tables",
    "tables of targets, interactions, mutations and expression: each byte hashed; [targets] of site.toml.",
    _target_tables,
)
DRUG_LIBRARY = ExternalInput(
    "settings/drug_library", "the drug library: the one that ships, and the site's own table over it.", _drug_library
)
