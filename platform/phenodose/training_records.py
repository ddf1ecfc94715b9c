"""What readouts that learn are given and give back: phases, wells, training sets, records, inferences, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np


#: What the channels of a tensor show unless screen.toml names others: maximum projection, middle plane, maximum
#: projection of the nuclei, as the paper has them.
DEFAULT_INPUTS = ("MIP", "MID", "MIP")


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
        precedence: place of the readout that is made from it among all readouts; None is the plugin's own.
        colour: colour of that readout; None is the plugin's own.
        label: what reports call that readout; '' is the plugin's own label with the phase's name (contract 1.4).
    """

    name: str
    scope: Literal["control-experiment", "screen"]
    parent: str | None
    labels: Literal["controls", "duplicates"]
    validation_wells_per_class: int
    reads_out: bool
    description: str
    precedence: int | None = None
    colour: str | None = None
    label: str = ""


@dataclass(frozen=True)
class UnlabelledWells:
    """All wells of a screen that have an image, for what can be learned without labels.

    Attributes:
        images: float32 array (well, y, x, channel), as of `TrainingSet`.
        alike: int array (well,): wells that hold the same share a number; -1 for a well that is like no other. Held-out
            wells are like no other: what they hold is not told.
    """

    images: np.ndarray
    alike: np.ndarray


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
        inputs: what each channel of the images shows, such as 'MIP'; () where nobody says.
        class_names: names of more than two classes, killed and living first; () for these two alone.
        classes: int array (well,): place of the well's class in `class_names`, -1 where the label is all that is known;
            None without further classes. The label of a further class is 0.5: it says nothing of viability.
        unlabelled: all wells of the screen, where a readout asks for them; None else.
    """

    images: np.ndarray
    labels: np.ndarray
    is_control: np.ndarray
    validation: np.ndarray
    wells: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()
    classes: np.ndarray | None = None
    unlabelled: UnlabelledWells | None = None


@dataclass(frozen=True)
class TensorWells:
    """The wells of a screen that have an image, as a readout of tensors is given them.

    Attributes:
        images: uint16 array (well, y, x, channel).
        channels: name of every channel; a name that stands twice is the same image twice.
        negative: bool array (well,): living controls.
        positive: bool array (well,): killed controls.
        content: int array (well,): wells of the same sample, drug and dose share a number; -1 for wells without a drug.
        treatment: int array (well,): wells of the same sample and drug share a number; -1 for wells without a drug.
        plate: array (well,) of plate names.
        features: float array (well, feature) that the readout `features_of` has stored, NaN for a well that it has not
            seen; None for readouts that name none.
        measured: float array (well,): viability as a plate reader measured it, NaN where it did not; None for readouts
            that are not `taught`.
        compounds: int array (well, 2): numbers of the drug and of its add-on, the same in every sample and in either
            place; -1 where there is none; None for readouts that are not `taught`.
        classes: array (well,) of text, what a person calls the well by its image, such as 'contaminated', and 'empty'
            for wells of that type; '' where nobody says. None if nobody names any.
    """

    images: np.ndarray
    channels: tuple[str, ...]
    negative: np.ndarray
    positive: np.ndarray
    content: np.ndarray
    treatment: np.ndarray
    plate: np.ndarray
    features: np.ndarray | None = None
    measured: np.ndarray | None = None
    compounds: np.ndarray | None = None
    classes: np.ndarray | None = None


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
class TrainingTime:
    """How long a phase will take on this machine, told before it is trained (`phenodose.progress.tell_time`).

    Attributes:
        training_s: seconds until it is trained.
        well_s: seconds to ask the trained phase about a well.
        on_gpu: whether that is on a graphics card.
        how: what the time is made of, such as '200 epochs of 48 steps of 0.90 s'.
        well_s_of: phase -> seconds of its training for each of its training wells, at the same pace.
    """

    training_s: float
    well_s: float
    on_gpu: bool
    how: str = ""
    well_s_of: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Inference:
    """What a network says of every well.

    Attributes:
        raw: float64 array (well,): network output of the negative-control class.
        features: float32 array (well, feature): activations of the last dense layer before the output.
        raw_sd: float64 array (well,): standard deviation of the output over augmented copies of the image and over
            several networks, or over resampled controls; None if one network was asked once.
        control_distance: float64 array (well,): how far the image lies from what the controls span, in units of the
            limit that counts as beyond; None where that is not known.
        class_names: names of the classes of wells, killed and living first if known; None where classes were not asked
            for.
        class_probability: float64 array (well, class), rows sum to 1; None likewise.
        class_unseen: bool array (well,): the model that read the well was not taught by it; None if that holds for all.
    """

    raw: np.ndarray
    features: np.ndarray
    raw_sd: np.ndarray | None = None
    control_distance: np.ndarray | None = None
    class_names: tuple[str, ...] | None = None
    class_probability: np.ndarray | None = None
    class_unseen: np.ndarray | None = None
