"""Damage every product of a store in every way, and count what is read as if nothing had happened.

Run: python benchmarks/corruptions.py [--tries 5000] [--seed 1] [--store STORE]

A simulated screen is made from raw images to its report (or an existing store of it is used again with `--store`).
Then, try by try, one file of one product is damaged, the product is read as the platform reads it, and the file is put
back. What can become of it:

- found: the reader refuses it with a sentence (an error of phenodose's own);
- without effect: everything that is read is the same as before, byte for byte;
- silent: something else is read, without a word. There must be none;
- a bug: an error that is none of phenodose's own. There must be none either.

A removed file of a table is told apart: a table without a part is a table whose part is not made yet, and what needs
it says so.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import numpy as np
import pandas as pd

from phenodose.errors import PhenodoseError, StoreError
from phenodose.learning import checkpoint
from phenodose.plates.plate import Plate
from phenodose.plates.tensors import open_tensors
from phenodose.plates.verify import verify_plate
from phenodose.store.checkpoints import checkpoint_of
from phenodose.store.curves import read_curves
from phenodose.store.store import Store

SCREEN = "DAMAGED_V1_DS1"
_STEPS = "layout,plate_images,pseudo_rgb,models,readouts,curves/ctg,curves/features,scores/dss_asym,embedding/pca"
#: Changes of one file, given its bytes and random numbers; None removes it.
Damage = Callable[[bytes, np.random.Generator], bytes | None]


def _flipped(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    changed[rng.integers(len(changed))] ^= 1 << rng.integers(8)
    return bytes(changed)


def _zeroed(content: bytes, rng: np.random.Generator) -> bytes:
    start = int(rng.integers(len(content)))
    end = min(len(content), start + 512)
    return content[:start] + bytes(end - start) + content[end:]


def _swapped(content: bytes, rng: np.random.Generator) -> bytes:
    """Two blocks of 64 bytes change places."""
    one, other = sorted(64 * int(place) for place in rng.integers(max(len(content) // 64, 1), size=2))
    if one == other:
        return _flipped(content, rng)
    first, second = content[one : one + 64], content[other : other + 64]
    return content[:one] + second + content[one + 64 : other] + first + content[other + 64 :]


DAMAGES: dict[str, Damage] = {
    "one bit flipped": _flipped,
    "cut short": lambda content, rng: content[: rng.integers(len(content))],
    "512 bytes zero": _zeroed,
    "two blocks exchanged": _swapped,
    "bytes added": lambda content, rng: content + rng.bytes(8),
    "removed": lambda content, rng: None,
}
#: Besides these: the file of the same name of another plate, well, table part or screen.
EXCHANGED = "another file of the kind"


@dataclass(frozen=True)
class Product:
    """Something that a run made.

    Attributes:
        name: what the table calls it.
        files: its files.
        read: reads all of it as the platform does, and gives a hash of what was read.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[], str]


@click.command()
@click.option("--tries", type=click.IntRange(min=1), default=5000, show_default=True, help="Files damaged in all.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of places and bits.")
@click.option("--store", "location", type=click.Path(path_type=Path), help="A store made by this command before.")
def main(tries: int, seed: int, location: Path | None) -> None:
    """Make a store, damage it, and print what was found."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        made = location or Path(folder) / "store"
        if not (made / "screens").is_dir():
            _make(made)
        store = Store.open(made)
        table = _campaign(list(_products(store)), tries, np.random.default_rng(seed))
    text = table.to_string(index=False)
    click.echo(text)
    bad = int(table["silent"].sum() + table["a bug"].sum())
    click.echo(f"{int(table['tried'].sum())} tried; {int(table['silent'].sum())} silent, {bad} faults in all")
    sys.exit(bad > 0)


def _make(store: Path) -> None:
    """A screen of one sample with images, two plates and a network of one epoch."""
    inbox = store.parent / SCREEN
    _phenodose("simulate", str(inbox), "--drugs=4", "--plates=2", "--size-px=64", "--planes=3")
    few = [f"--set=cnn.epochs_phase{phase}=1" for phase in (1, 2, 3)]
    _phenodose("run", str(inbox), f"--store={store}", f"--select={_STEPS}", *few)


def _phenodose(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "phenodose", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise click.ClickException(done.stderr)


def _products(store: Store) -> Iterator[Product]:
    """Every product of the store that holds something."""
    for folder in sorted((store.root / "tables").iterdir()):
        parts = tuple(sorted(folder.rglob("*.parquet")))
        if parts:
            yield Product(f"table {folder.name}", parts, partial(_table, store, folder.name))
    points = tuple(sorted((store.screen_dir(SCREEN) / "curves").glob("*.npz")))
    readouts = store.read_table("curves", SCREEN)["readout"].unique()
    yield Product("curve points", points, lambda: _hash_of([read_curves(store, SCREEN, name) for name in readouts]))
    tensors = store.tensor_path(SCREEN)
    yield Product("tensors", _files(tensors), lambda: _hash_of(open_tensors(tensors).to_numpy()))
    plates = store.plates(SCREEN)
    files = tuple(file for plate in plates for file in _files(plate))
    yield Product("plates, read", files, lambda: _hash_of([_pixels(plate) for plate in plates]))
    yield Product("plates, verified", files, lambda: _hash_of([_verified(plate) for plate in plates]))
    for row in store.read_table("checkpoints", SCREEN).itertuples():
        folder = store.checkpoint_dir(SCREEN, str(row.readout), str(row.phase))
        yield Product(
            f"checkpoint {row.phase} of {row.readout}",
            _files(folder),
            partial(_network, store, str(row.readout), str(row.phase)),
        )


def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in sorted(folder.rglob("*")) if path.is_file())


def _pixels(place: Path) -> list[np.ndarray]:
    plate = Plate.open(place)
    return [np.asarray(read(well)) for well in plate.wells for read in (plate.stack, plate.mip)]


def _verified(place: Path) -> str:
    """Nothing but whether `phenodose verify` finds the plate whole."""
    if faults := verify_plate(place).faults:
        raise StoreError(faults[0])
    return "whole"


def _table(store: Store, name: str) -> str:
    return _hash_of(store.read_table(name))


def _network(store: Store, readout: str, phase: str) -> str:
    folder = checkpoint_of(store, SCREEN, readout, phase).folder
    network, architecture, record = checkpoint.load(folder)
    return _hash_of([*(np.asarray(weight) for weight in network.get_weights()), str(architecture), str(record)])


def _hash_of(value: object) -> str:
    """A hash of arrays, frames and texts, however they are nested."""
    digest = hashlib.sha256()
    if isinstance(value, pd.DataFrame):
        digest.update(value.to_json(orient="split", double_precision=15).encode())
    elif isinstance(value, np.ndarray):
        digest.update(f"{value.dtype} {value.shape}".encode() + np.ascontiguousarray(value).tobytes())
    elif isinstance(value, list | tuple):
        digest.update("".join(map(_hash_of, value)).encode())
    elif hasattr(value, "__dataclass_fields__"):
        digest.update("".join(_hash_of(getattr(value, name)) for name in value.__dataclass_fields__).encode())
    else:
        digest.update(repr(value).encode())
    return digest.hexdigest()


def _campaign(products: list[Product], tries: int, rng: np.random.Generator) -> pd.DataFrame:
    """What became of every try, counted by product and damage."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    whole = {product.name: product.read() for product in products}
    kinds = [*DAMAGES, EXCHANGED]
    for number in range(tries):
        product = products[number % len(products)]
        kind = kinds[number // len(products) % len(kinds)]
        file = product.files[rng.integers(len(product.files))]
        came = _tried(product, file, kind, whole[product.name], rng)
        counts.setdefault((product.name, kind), Counter())[came] += 1
        if came in ("silent", "a bug"):
            click.echo(f"{came}: {product.name}, {kind}: {file}", err=True)
    columns = ("found", "not made", "without effect", "silent", "a bug")
    return pd.DataFrame(
        [
            {"product": name, "damage": kind, "tried": sum(found.values()), **{each: found[each] for each in columns}}
            for (name, kind), found in sorted(counts.items())
        ]
    )


def _tried(product: Product, file: Path, kind: str, whole: str, rng: np.random.Generator) -> str:
    """Damage a file, read, and put it back."""
    content = file.read_bytes()
    if kind == EXCHANGED:
        like = [other for other in product.files if other.suffix == file.suffix and other != file]
        like = [other for other in like if other.read_bytes() != content]
        if not like:
            return "without effect"
        changed: bytes | None = like[rng.integers(len(like))].read_bytes()
    else:
        changed = DAMAGES[kind](content, rng) if content else None
    stamp = file.stat()
    try:
        if changed is None:
            file.unlink()
        else:
            file.write_bytes(changed)
        seen = product.read()
    except PhenodoseError:
        return "found"
    except Exception as error:
        click.echo(f"  {type(error).__name__}: {str(error)[:200]}", err=True)
        return "a bug"
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    if seen == whole:
        return "without effect"
    return "not made" if changed is None and product.name.startswith("table") else "silent"


if __name__ == "__main__":
    main()
