"""What networks are asked to do: train a phase, or look at all wells; see `networks`.

A job takes and gives JSON and finds data in the store, so that nothing large crosses between processes. It takes the
readout by the name of its class, so any staged readout that can be imported has its trainings in a process of their
own.

Belongs here: choosing wells, going on with or keeping a training, and putting the checkpoint into place. Does not
belong here: the table's row and what the UI shows (`checkpoints`, `viability`); nothing here imports Dagster.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phenodose.errors import BusyError, CheckpointError, DownloadError, NotMade, PluginError, TooLongError
from phenodose.io.files import clear_partials, written_aside
from phenodose.lineage.taught_networks import TRAINING_SET, WITHOUT
from phenodose.pipeline.training_clock import clock_of, ways_out
from phenodose.pipeline.training_copies import TrainingCopy
from phenodose.pipeline.well_classes import WELL_CLASSES, named_classes
from phenodose.plugins import (
    Inference,
    Parameters,
    Phase,
    Progress,
    Registry,
    StagedReadout,
    TrainingRecord,
    TrainingSet,
    TrainingTime,
    plugins_of,
)
from phenodose.plugins.base import PRESET
from phenodose.plugins.isolated_calls import words_of
from phenodose.plugins.isolation import fault_of, third_party
from phenodose.plugins.results import result_fault
from phenodose.sandbox.importing import job_of
from phenodose.store.checkpoints import Checkpoint, checkpoint_of, checkpoint_row
from phenodose.store.store import Store

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from phenodose.viability.controls import Controls

#: The parameter by which a readout is given all wells of a screen to learn from without labels.
CONTRASTIVE_EPOCHS = "contrastive_epochs"
#: Folder of the training's TensorBoard logs, beside the weights.
LOGS = "logs"


@dataclass(frozen=True)
class Training:
    """What `train` is asked.

    Attributes:
        store: where the store is (`Store.to_json`).
        screen: screen id.
        readout: class of the staged readout, 'module:name'.
        parameters: its parameters, JSON.
        phase: name of the phase.
        negative: rows of the screen's table `wells` that are negative controls.
        positive: rows that are positive controls.
        without: wells such as 'P1/B07' that a person has left out: they teach nothing.
        before: the same when the checkpoint that is there was trained; None if nobody knows.
        chosen: whether screen.toml or the launchpad says anything of this network; see `TrainingClock.chosen`.
    """

    store: Mapping[str, str | None]
    screen: str
    readout: str
    parameters: dict[str, Any]
    phase: str
    negative: list[int]
    positive: list[int]
    without: Sequence[str] = ()
    before: Sequence[str] | None = None
    chosen: bool = True


def train(request: Mapping[str, Any], progress: Progress, log: logging.Logger) -> dict[str, Any]:
    """Train a phase of a screen and put its checkpoint into place, unless the same training was done before.

    A checkpoint is kept, too, where nothing has changed but which wells are left out by decisions: those are taken one
    at a time, and a training takes hours. Trained again, it learns without them.

    Args:
        request: a `Training`.
        progress: told after each epoch.
        log: the step's log.

    Returns:
        record: the checkpoint's `TrainingRecord`; inputs: hashes of the training set and of the parent's weights, and
        under WITHOUT the wells that it learned without;
        estimated_training_s: how long it was said to take before it began, None if nobody said.

    Raises:
        NotMade: the wells do not allow it; or nobody chose this network, and it would take too long or lacks its
            first weights.
        TooLongError: it would take longer than the site allows.
        BusyError: another process trains the same phase.
        CheckpointError: the parent does not fit, or the training diverged.
    """
    import numpy as np

    from phenodose.io.machine_faults import fault_of_surroundings
    from phenodose.learning.training import inputs_hash
    from phenodose.learning.training_sets import sparse_controls, training_set
    from phenodose.plates.tensors import open_tensors
    from phenodose.viability.controls import Controls

    asked = Training(**request)
    store = Store.from_json(asked.store)
    plugin = plugin_of(asked.readout, asked.parameters)
    phase = plugin.phase(asked.phase)
    estimate: TrainingTime | None = None
    try:
        wells = store.read_table("wells", asked.screen)
        tensors = open_tensors(store.local_copy(store.tensor_path(asked.screen)))
        parent = checkpoint_of(store, asked.screen, plugin.name, phase.parent) if phase.parent else None
        outputs = None
        if parent is not None and phase.labels == "duplicates":
            outputs = _outputs(plugins_of(store), plugin, parent.folder, tensors)
        named = named_classes(wells) if asked.parameters.get(WELL_CLASSES) else None
        all_wells = bool(asked.parameters.get(CONTRASTIVE_EPOCHS)) and phase.labels == "controls"
        controls = _controls(asked, len(wells))

        def data_without(left_out: Sequence[str]) -> tuple[TrainingSet, dict[str, Any]]:
            kept, names = _kept_rows(wells, left_out), None if named is None else np.array(named, dtype=object)
            those = Controls(controls.negative[kept], controls.positive[kept], "", "")
            found = training_set(
                *(phase, tensors, wells[kept].reset_index(drop=True), those, outputs),
                None if names is None else names[kept].tolist(),
                unlabelled=all_wells,
            )
            own = {TRAINING_SET: inputs_hash(found), "parent": parent.weights_hash if parent else None}
            return found, own | ({WITHOUT: list(left_out)} if left_out else {})

        record = None
        if asked.before is not None and list(asked.before) != list(asked.without):
            data, inputs = data_without(asked.before)
            record = _unchanged(store, asked.screen, plugin, phase, inputs)
        if record is None:
            data, inputs = data_without(asked.without)
            record = _unchanged(store, asked.screen, plugin, phase, inputs)
        for sentence in sparse_controls(data):
            log.warning(sentence)
        if record is None:
            log.info(f"training on {int((~data.validation).sum())} wells")
            n_controls, n_seen = len(asked.negative) + len(asked.positive), int(tensors.sizes["well"])
            clock = clock_of(store, asked.screen, plugin, phase, wells, n_controls, n_seen, asked.chosen, progress, log)
            record = _train_into_place(store, asked.screen, plugin, phase, data, parent, clock, log)
            estimate = clock.estimate
        else:
            log.info("wells, labels, parameters and parent are unchanged; the checkpoint is kept")
    except DownloadError as error:
        if asked.chosen:
            raise
        ways = ways_out(plugin, plugins_of(store))
        instead = f" Or take {', or '.join(ways)}." if ways else ""
        raise NotMade(f"{phase.name} of {asked.screen} is not trained: {error}{instead}") from error
    except Exception as error:
        # What the client of an object store raises is known here, not in the process that asked.
        if fault := fault_of_surroundings(error, store.root):
            raise fault from error
        raise
    estimated_s = estimate.training_s if estimate else record.extra.get("estimated_training_s")
    return {"record": asdict(record), "inputs": inputs, "estimated_training_s": estimated_s}


def infer(request: Mapping[str, Any], progress: Progress, log: logging.Logger) -> dict[str, Any]:
    """Run a trained phase over all wells of a screen and keep what it says in a file, see `read_inference`.

    Args:
        request: store, readout and parameters as in `Training`; checkpoint, tensors: their folders.
        progress: told after each batch.
        log: the step's log.

    Returns:
        out: the file, which whoever asked removes.
    """
    import numpy as np

    from phenodose.plates.tensors import open_tensors

    plugin = plugin_of(request["readout"], request["parameters"])
    plugins = plugins_of(Store.from_json(request["store"]))
    tensors = open_tensors(Path(request["tensors"]))
    found = asked_of(plugins, plugin, "infer", Path(request["checkpoint"]), tensors, progress)
    held = {each.name: getattr(found, each.name) for each in fields(found)}
    handle, out = tempfile.mkstemp(prefix="phenodose-", suffix=".npz")
    with os.fdopen(handle, "wb") as file:
        np.savez(file, **{name: value for name, value in held.items() if value is not None})
    return {"out": out}


def read_inference(path: Path) -> Inference:
    """What `infer` wrote; the file is removed."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as held:
            values: dict[str, Any] = dict(held)
            if "class_names" in values:
                values["class_names"] = tuple(values["class_names"].tolist())
            return Inference(**values)
    finally:
        path.unlink()


def asked_of(plugins: Registry, plugin: StagedReadout, method: str, *arguments: Any) -> Any:
    """What a method of a readout gives; whatever is wrong with one of another distribution names it.

    Raises:
        PluginError: a readout of another distribution raised what its contract does not provide for, or gave what it
            must not.
        Exception: as a readout of ours raised it.
    """
    found = third_party(type(plugin), plugins)
    if found is None:
        return getattr(plugin, method)(*arguments)
    try:
        result = getattr(plugin, method)(*arguments)
    except (NotMade, CheckpointError, BusyError, DownloadError, TooLongError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise fault_of(found, words_of(error)) from error
    if fault := result_fault(method, arguments, result, first=True):
        raise fault_of(found, fault)
    return result


def plugin_of(readout: str, parameters: Mapping[str, Any]) -> StagedReadout:
    """A readout by the name of its class.

    Raises:
        PluginError: this process cannot import the class.
    """
    try:
        cls = job_of(readout)
    except (ImportError, AttributeError) as error:
        raise PluginError(
            f"the readout {readout} cannot be imported by another process ({error}): make it a class of an installed "
            f"module, or set PHENODOSE_TRAINING=inline."
        ) from error
    plugin: StagedReadout = cls(parameters)
    return plugin


def forget_work(store: Store, screen: str, readout: str, phase: str) -> None:
    """Remove the folder of a training, and copies that a kill left half made."""
    place = store.checkpoint_dir(screen, readout, phase)
    here = store.here(place)
    # A busy one: another process trains there by now.
    with suppress(BusyError), _locked(store, screen, place):
        shutil.rmtree(_work_folder(here), ignore_errors=True)
        TrainingCopy(place, _work_folder(here), logging.getLogger(__name__)).forget()
        clear_partials(here.parent, here.name)


def _kept_rows(wells: pd.DataFrame, left_out: Sequence[str]) -> np.ndarray:
    """Rows of the table `wells` that are not left out, bool array (well,)."""
    import numpy as np

    gone = set(left_out)
    names = (f"{plate}/{well}" for plate, well in zip(wells["plate"], wells["well"], strict=True))
    return np.array([name not in gone for name in names], dtype=bool)


def _controls(asked: Training, n_wells: int) -> Controls:
    import numpy as np

    from phenodose.viability.controls import Controls

    negative, positive = np.zeros(n_wells, dtype=bool), np.zeros(n_wells, dtype=bool)
    negative[asked.negative] = True
    positive[asked.positive] = True
    return Controls(negative, positive, "", "")


def _outputs(plugins: Registry, plugin: StagedReadout, checkpoint: Path, tensors: xr.DataArray) -> pd.Series:
    """Network output of every well, by names such as 'P1/B07'; NaN for one that it takes for neither living nor killed.

    What such a well holds says nothing of the viability of its duplicate.
    """
    import numpy as np
    import pandas as pd

    found = asked_of(plugins, plugin, "infer", checkpoint, tensors)
    raw = found.raw
    if found.class_probability is not None:
        raw = np.where(found.class_probability.argmax(axis=1) > 1, np.nan, raw)
    return pd.Series(raw, index=[str(name) for name in tensors["well"].to_numpy()])


def _unchanged(
    store: Store, screen: str, plugin: StagedReadout, phase: Phase, inputs: Mapping[str, Any]
) -> TrainingRecord | None:
    """The record of the checkpoint that the same training made before; None if there is none."""
    from phenodose.learning.checkpoint import read_record

    row = checkpoint_row(store, screen, plugin.name, phase.name)
    if row is None or row["plugin_version"] != plugin.version:
        return None
    try:
        record = read_record(store.checkpoint_dir(screen, plugin.name, phase.name))
    except CheckpointError:
        return None
    same = (
        record.inputs_hash == inputs[TRAINING_SET]
        and record.parent_hash == inputs["parent"]
        and _completed(plugin, record.parameters) == _values(plugin.parameters)
    )
    return record if same else None


def _completed(plugin: StagedReadout, recorded: Mapping[str, Any]) -> dict[str, Any] | None:
    """Recorded parameters with the defaults of those that came since; None if they are no parameters any more."""
    from pydantic import ValidationError

    try:
        return _values(plugin.Parameters(**recorded))
    except ValidationError:
        return None


def _values(parameters: Parameters) -> dict[str, Any]:
    """What decides a training: the values, whether a preset gave them or a person did."""
    return parameters.model_dump(mode="json", exclude={PRESET})


def _train_into_place(
    store: Store,
    screen: str,
    plugin: StagedReadout,
    phase: Phase,
    data: TrainingSet,
    parent: Checkpoint | None,
    progress: Progress,
    log: logging.Logger,
) -> TrainingRecord:
    """Train in a folder that a later run finds again if this one is killed; then copy it into place.

    Of a store in a bucket the folder is kept there, too, for other machines.

    The folder stays until the checkpoint's row is written (`forget_work`): a kill on the way costs no training.
    """
    from phenodose.learning.epoch_logs import logged

    place = store.checkpoint_dir(screen, plugin.name, phase.name)
    work = _work_folder(store.here(place))
    work.mkdir(parents=True, exist_ok=True)
    with _locked(store, screen, place):
        copy = TrainingCopy(place, work, log)
        copy.fetch()
        with logged(work / LOGS, progress, log) as listener:
            folder, told = parent.folder if parent else None, copy.keeping(listener)
            record: TrainingRecord = asked_of(plugins_of(store), plugin, "train", phase, data, folder, work, told)
        with written_aside(place) as aside:
            shutil.copytree(work, aside)
    return record


def _work_folder(place: Path) -> Path:
    return place.with_name(f".{place.name}.training")


def _locked(store: Store, screen: str, place: Path) -> AbstractContextManager[None]:
    return store.locked(
        place.with_name(f".{place.name}.lock"),
        lambda who: f"{place.name} of {screen} is being trained by {who}; wait until it is done.",
    )
