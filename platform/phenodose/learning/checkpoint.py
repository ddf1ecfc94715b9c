"""Checkpoints: one folder with the weights of a phase and a record of where they come from.

Belongs here: writing and reading that folder. A checkpoint holds numbers and text only; the network is
rebuilt from the registry of backbones, so that loading runs no code from the file. Does not belong
here: training (`training`) and resume points.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import CheckpointError
from phenodose.io.files import hash_file, hash_json, written_aside
from phenodose.io.places import read_bytes
from phenodose.io.seals import OPEN_SEAL, is_changed, sealed
from phenodose.learning.backbones import Architecture, build
from phenodose.learning.well_classes import KILLED, LIVING
from phenodose.training_records import DEFAULT_INPUTS, TrainingRecord, TrainingSet

if TYPE_CHECKING:
    import xarray as xr

WEIGHTS = "network.weights.h5"
RECORD = "record.json"
FORMAT = 1
#: What a record of several networks names beside: the other networks' weights, and the first one's own.
MEMBERS, _OWN_HASH = "members", "own_weights_hash"
#: What a record says of the images, where they show something else than by default.
INPUTS = "inputs"
#: What a record says of a network of more classes than the two controls: their names, and the wells that taught it.
CLASSES, TAUGHT_BY = "classes", "taught_by"
TWO_CLASSES = (KILLED, LIVING)


def inputs_of(data: TrainingSet) -> dict[str, list[str]]:
    """What the record of a training keeps of its images' channels: {} where they show what they do by default."""
    return {} if data.inputs in ((), DEFAULT_INPUTS) else {INPUTS: list(data.inputs)}


def classes_of(data: TrainingSet) -> dict[str, list[str]]:
    """What the record of a training keeps of its classes: {} where there are only the two controls."""
    if not data.class_names:
        return {}
    taught = [well for well, held_out in zip(data.wells, data.validation, strict=True) if not held_out]
    return {CLASSES: list(data.class_names), TAUGHT_BY: taught}


def class_names_in(record: TrainingRecord) -> tuple[str, ...]:
    """Names of a network's classes in the order of its logits."""
    return tuple(record.extra.get(CLASSES, TWO_CLASSES))


def save(folder: Path, network: Any, architecture: Architecture, record: TrainingRecord) -> TrainingRecord:
    """Write weights and record into `folder`.

    Args:
        folder: created if need be; the caller moves it into place when it is complete.
        network: trained model; its optimiser state is left out.
        architecture: its shapes, kept in the record.
        record: what to keep beside; `weights_hash` is filled in here.

    Returns:
        The record as stored. Where it names further networks its hash stands for the weights of all.
    """
    import keras

    folder.mkdir(parents=True, exist_ok=True)
    # A compiled model would write its optimiser state too, three times the size; this wrapper has none. It is named
    # because Keras would number it, and the file would differ from run to run.
    keras.Model(network.inputs, network.outputs, name=network.name).save_weights(folder / WEIGHTS)
    own = hash_file(folder / WEIGHTS)
    extra = {**record.extra, "architecture": architecture.as_json(), "versions": versions()}
    if members := record.extra.get(MEMBERS):
        extra[_OWN_HASH] = own
    stored = replace(record, weights_hash=hash_json([own, members]) if members else own, extra=extra)
    _write_record(folder / RECORD, {"format": FORMAT, **asdict(stored), "seal": OPEN_SEAL})
    return stored


def read_record(folder: Path) -> TrainingRecord:
    """The record of a checkpoint, without reading its weights.

    Raises:
        CheckpointError: there is none, it is not readable, or it has changed since it was written.
    """
    path = folder / RECORD
    content = read_bytes(path)
    if content is None:
        raise CheckpointError(f"there is no checkpoint in {folder} ({RECORD} is missing); train that phase first.")
    if is_changed(content):
        raise CheckpointError(
            f"{path}: its bytes have changed since phenodose wrote it (damaged, or edited elsewhere); restore it from "
            "a backup or train that phase again."
        )
    try:
        values = json.loads(content)
        if values.pop("format") != FORMAT:
            raise CheckpointError(f"{path} was written by another version of phenodose; train that phase again.")
        return TrainingRecord(**{field.name: values[field.name] for field in fields(TrainingRecord)})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error}); train that phase again.") from error


def finished(folder: Path, wanted: TrainingRecord) -> TrainingRecord | None:
    """The record in `folder` if it holds a complete checkpoint of the same training; None if there is none.

    Args:
        folder: where a training killed at its very end may have left its checkpoint.
        wanted: record of the training to be done; its phase, parent, inputs, parameters and `extra` count.
    """
    try:
        record = read_record(folder)
    except CheckpointError:
        return None
    same = all(
        getattr(record, name) == getattr(wanted, name) for name in ("phase", "parent_hash", "inputs_hash", "parameters")
    )
    known = all(record.extra.get(name) == value for name, value in (wanted.extra | {"versions": versions()}).items())
    weights = folder / WEIGHTS
    return record if same and known and weights.is_file() and hash_file(weights) == _own_hash(record) else None


def load(folder: Path, precision: str = "float32") -> tuple[Any, Architecture, TrainingRecord]:
    """The trained network of a checkpoint, uncompiled, with its shapes and record.

    Args:
        folder: written by `save`.
        precision: Keras dtype policy to rebuild the network with.

    Raises:
        CheckpointError: the folder is incomplete, its weights are not those that were recorded, they do not fit
            the recorded network, or they are no numbers.
    """
    record = read_record(folder)
    architecture = Architecture.from_json(record.extra.get("architecture", {}))
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise CheckpointError(f"the weights of the checkpoint {folder} are missing ({WEIGHTS}); train it again.")
    found = hash_file(weights)
    if found != _own_hash(record):
        raise CheckpointError(
            f"{weights} has the hash {found}, but {_own_hash(record)} was recorded when it was trained: the file "
            "was changed or damaged; restore it from a backup or train that phase again."
        )
    network = build(architecture, precision)
    _read_weights(network, weights, architecture)
    _expect_numbers(network, weights)
    return network, architecture, record


def checkpoint_fault(folder: Path) -> str:
    """In what a checkpoint is not as it was written, with the remedy; '' if in nothing."""
    try:
        record = read_record(folder)
    except CheckpointError as error:
        return str(error)
    weights = folder / WEIGHTS
    if not weights.is_file():
        return f"the weights of the checkpoint {folder} are missing ({WEIGHTS}); train it again."
    if hash_file(weights) != _own_hash(record):
        return f"{weights} is not the file that was recorded when it was trained; restore it or train that phase again."
    return ""


def expect(architecture: Architecture, wanted: Architecture, folder: Path) -> None:
    """Raise CheckpointError unless a checkpoint's network is the wanted one."""
    if architecture != wanted:
        raise CheckpointError(
            f"the checkpoint {folder} holds {architecture}, but {wanted} is wanted; train the parent phase with the "
            "same backbone parameters and image size ([parameters.<readout>] and [tensors] in screen.toml)."
        )


def expect_images(architecture: Architecture, record: TrainingRecord, tensors: xr.DataArray, folder: Path) -> None:
    """Raise CheckpointError unless tensors (dims well, y, x, channel) are such images as a network was trained on."""
    shape = tuple(tensors.sizes[dim] for dim in ("y", "x", "channel"))
    if shape != architecture.input_shape:
        raise CheckpointError(
            f"the checkpoint {folder} was trained on images of {architecture.input_shape} (y, x, channel), but "
            f"the tensors are {shape}; use the same size_px under [tensors] in screen.toml, or train again."
        )
    if "channel" in tensors.coords:
        expect_inputs(record, [str(name) for name in tensors["channel"].to_numpy()], folder)


def expect_inputs(record: TrainingRecord, inputs: Sequence[str], folder: Path) -> None:
    """Raise CheckpointError unless the channels of images show what a network was trained on."""
    known = record.extra.get(INPUTS, DEFAULT_INPUTS)
    if inputs and list(known) != list(inputs):
        raise CheckpointError(
            f"the checkpoint {folder} was trained on {', '.join(known)}, but the tensors show {', '.join(inputs)}; use "
            "the same inputs under [tensors] in screen.toml, or train again."
        )


def versions() -> dict[str, str]:
    """Versions of the libraries that decide a network's numbers."""
    from importlib.metadata import PackageNotFoundError, version

    import keras

    found = {"keras": keras.__version__, "backend": keras.backend.backend()}
    for package in ("phenodose", "numpy", keras.backend.backend()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _write_record(path: Path, record: dict[str, Any]) -> None:
    text = json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    with written_aside(path) as aside:
        aside.write_bytes(sealed(text.encode()))


def _own_hash(record: TrainingRecord) -> str:
    """Hash of the weights file beside a record."""
    return str(record.extra.get(_OWN_HASH, record.weights_hash))


def _read_weights(network: Any, weights: Path, architecture: Architecture) -> None:
    import keras

    try:
        keras.Model(network.inputs, network.outputs).load_weights(weights)
    except Exception as error:
        raise CheckpointError(f"{weights} does not fit {architecture} ({error}); train that phase again.") from error


def _expect_numbers(network: Any, weights: Path) -> None:
    import numpy as np

    broken = [
        weight.path
        for weight, value in zip(network.weights, network.get_weights(), strict=True)
        if not np.isfinite(value).all()
    ]
    if broken:
        raise CheckpointError(
            f"{weights} holds weights that are no numbers ({len(broken)} arrays, first {broken[0]}): its training "
            "diverged; train that phase again with a smaller learning rate."
        )
