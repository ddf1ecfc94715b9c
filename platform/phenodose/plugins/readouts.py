"""The readout contract: a number for every well, from a plate reader, from images, or from a network.

Belongs here: the three bases (`PlateReaderReadout`, `ImageReadout`, `StagedReadout`) and how a staged
readout declares its phases as data. Does not belong here: normalisation to viability, which is the
same for all readouts (`phenodose.viability.normalise`), and the built-in readouts (plugins).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

from phenodose.plugins.base import Plugin

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr

    from phenodose.storage.plate import Plate

#: Told after every finished unit of long work: (done, total, message).
Progress = Callable[[int, int, str], None]


def no_progress(done: int, total: int, message: str) -> None:
    """A progress listener that does nothing."""


@runtime_checkable
class EpochListener(Protocol):
    """A progress listener that also hears the figures of every epoch of a training."""

    def __call__(self, done: int, total: int, message: str) -> None:
        """Hear of a finished unit of work, as any `Progress`."""

    def epoch(self, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
        """Hear of a finished epoch; called instead of the listener itself.

        Args:
            done: epochs done, counted from the start of the phase; a resumed training goes on counting.
            total: epochs of the phase.
            message: the epoch in words.
            figures: such as loss, accuracy, validation_loss, validation_accuracy and learning_rate.
        """


def tell_epoch(progress: Progress, done: int, total: int, message: str, figures: Mapping[str, float]) -> None:
    """Tell a listener of an epoch, with its figures if it hears them; `StagedReadout.train` does after each.

    Whoever hears the figures keeps them as TensorBoard logs and shows them while the training goes on.
    """
    if isinstance(progress, EpochListener):
        progress.epoch(done, total, message, figures)
    else:
        progress(done, total, message)


class Readout(Plugin):
    """Base of all readouts.

    The controls are named by well type or by treatment, most wanted first; the first name that the
    layout holds is used, and `pos` / `neg` are the last resort.
    """

    #: Unit of the raw number.
    unit: ClassVar[str] = ""
    #: Wells that stand for viability 1.
    negative_controls: ClassVar[tuple[str, ...]] = ("neg",)
    #: Wells that stand for viability 0.
    positive_controls: ClassVar[tuple[str, ...]] = ("pos",)
    #: What a larger raw number means; None if that differs between assays: then the controls say it.
    #: Viability is the same either way; plates whose controls contradict are masked.
    rises_with: ClassVar[Literal["viability", "death"] | None] = None


class PlateReaderReadout(Readout):
    """A number a well from plate-reader files: `<screen>/<folder>/<screen>_<plate>.xlsx|csv|txt`."""

    #: Sub-folder of the screen that holds the files.
    folder: ClassVar[str]
    #: Whether readings in the layout's own column Readout are of this readout, where there is no such file.
    reads_layout: ClassVar[bool] = False
    #: The killing control of metabolic assays.
    positive_controls: ClassVar[tuple[str, ...]] = ("BzCl", "Benzethonium chloride", "pos")

    def measure(self, matrices: pd.DataFrame) -> pd.DataFrame:
        """Turn the files' numbers into the readout's.

        Args:
            matrices: columns plate, row, column, value; one row a well of the files.

        Returns:
            Columns plate, row, column, raw.
        """
        return matrices.rename(columns={"value": "raw"})[["plate", "row", "column", "raw"]]


class ImageReadout(Readout):
    """A number a well computed from the OME-Zarr plates by classical means."""

    positive_controls: ClassVar[tuple[str, ...]] = ("STS", "Staurosporine", "pos")

    @abstractmethod
    def measure(self, plate: Plate) -> pd.DataFrame:
        """Measure every imaged well of one plate.

        Returns:
            Columns well, raw.
        """


@dataclass(frozen=True)
class Phase:
    """One training phase of a staged readout, declared as data: the graph makes an asset of it.

    Attributes:
        name: last part of the asset key `checkpoint/<readout>/<name>`.
        scope: whose wells it trains on. 'control-experiment' phases are trained once, in the partition
            of the control experiment; a drug screen adopts the checkpoint. 'screen' phases are trained
            in every drug screen.
        parent: phase whose weights it starts from; None starts from the backbone's weights.
        labels: 'controls' trains on negative and positive controls; 'duplicates' adds the drug wells,
            each labelled with the parent phase's output of its duplicate.
        validation_wells_per_class: wells of each class held out, spread over the plates.
        reads_out: whether `viability/<readout>_<name>` is made from it.
        description: one sentence for the asset.
    """

    name: str
    scope: Literal["control-experiment", "screen"]
    parent: str | None
    labels: Literal["controls", "duplicates"]
    validation_wells_per_class: int
    reads_out: bool
    description: str


@dataclass(frozen=True)
class TrainingSet:
    """What a phase trains on, all wells in the order of `wells`.

    Attributes:
        images: float32 array (well, y, x, channel), signal in [0, 1] (uint16 / 65535), unshifted.
        labels: float32 array (well,): wanted viability, 1 negative control, 0 positive control, or the
            duplicate's network output for drug wells. NaN never occurs.
        is_control: bool array (well,): True where the label is a class to be smoothed.
        validation: bool array (well,): True for held-out wells.
        wells: names such as 'P1/B07'.
    """

    images: np.ndarray
    labels: np.ndarray
    is_control: np.ndarray
    validation: np.ndarray
    wells: tuple[str, ...]


@dataclass(frozen=True)
class TrainingRecord:
    """What is stored beside the weights of a phase.

    Attributes:
        phase: phase name.
        weights_hash: hash of the weights file.
        parent_hash: hash of the weights it started from; None for the backbone's own.
        inputs_hash: hash of images, labels and split.
        parameters: plugin parameters as JSON-able values.
        history: one entry an epoch: loss, accuracy, validation_loss, validation_accuracy.
        validation_auroc: area under the ROC curve of the held-out controls; None without any.
        seconds: training time.
        n_train: training wells.
        n_validation: held-out wells.
        extra: whatever else the plugin wants kept (input shape, library versions).
    """

    phase: str
    weights_hash: str
    parent_hash: str | None
    inputs_hash: str
    parameters: dict[str, Any]
    history: list[dict[str, float]]
    validation_auroc: float | None
    seconds: float
    n_train: int
    n_validation: int
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Inference:
    """What a trained phase says of every well.

    Attributes:
        raw: float64 array (well,): network output of the negative-control class.
        features: float32 array (well, feature): activations of the last dense layer before the output.
        raw_sd: float64 array (well,): standard deviation of the output over augmented copies of the image and over
            several networks; None if one network was asked once.
    """

    raw: np.ndarray
    features: np.ndarray
    raw_sd: np.ndarray | None = None


class StagedReadout(Readout):
    """A network trained in phases; every phase with `reads_out` gives the readout `<name>_<phase>`."""

    positive_controls: ClassVar[tuple[str, ...]] = ("STS", "Staurosporine", "pos")
    rises_with = "viability"
    #: The phases in order of training.
    phases: ClassVar[tuple[Phase, ...]]

    @abstractmethod
    def train(
        self,
        phase: Phase,
        data: TrainingSet,
        parent: Path | None,
        out: Path,
        progress: Progress = no_progress,
    ) -> TrainingRecord:
        """Train one phase and write weights and record into the new folder `out`.

        Args:
            phase: one of `phases`.
            data: images and labels.
            parent: checkpoint folder of the parent phase; None to start from the backbone's weights.
            out: folder to fill; the caller moves it into place.
            progress: told after each epoch, best through `tell_epoch`.

        Raises:
            CheckpointError: the parent is damaged or does not fit the network or the images.
        """

    @abstractmethod
    def infer(self, checkpoint: Path, tensors: xr.DataArray, progress: Progress = no_progress) -> Inference:
        """Run a trained phase over all wells.

        Args:
            checkpoint: checkpoint folder of the phase.
            tensors: dims well, y, x, channel; uint16.
            progress: told after each batch.

        Raises:
            CheckpointError: the checkpoint is damaged or does not fit the tensors.
        """

    @classmethod
    def phase(cls, name: str) -> Phase:
        """The declared phase of that name."""
        return next(phase for phase in cls.phases if phase.name == name)

    @classmethod
    def readout_names(cls) -> Sequence[str]:
        """The readouts that the phases give, in order of training."""
        return [f"{cls.name}_{phase.name}" for phase in cls.phases if phase.reads_out]
