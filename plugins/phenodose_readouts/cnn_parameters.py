"""The parameters of the readout `cnn`: names, ranges, meaning, and which do not go together.

Does not belong here: what they do (`phenodose.learning`, `cnn`).

Source of the defaults: Berker et al. 2022, IEEE Trans. Med. Imaging, doi 10.1109/TMI.2022.3205554.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from phenodose.plugins import Parameters
from phenodose_readouts.cnn_presets import PRESETS


class CnnParameters(Parameters):
    """Parameters of the network and its training; the defaults are the paper's."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = PRESETS

    preset: Literal["paper", "small"] | None = Field(
        default=None,
        description=(
            "Settings that belong together: paper (VGG19, 200 epochs; the defaults) or small (a small network from "
            "scratch, for processors); what is said beside it wins"
        ),
    )
    backbone: Literal[
        "vgg19", "vgg16", "mobilenet_v3", "efficientnet_v2_b0", "convnext_tiny", "resnet50_v2", "micro"
    ] = Field(
        default="vgg19",
        description="Network; micro is a small VGG for tests and demonstrations; others need settings of their own",
    )
    weights: Literal["imagenet", "none"] = Field(
        default="imagenet", description="First convolutional weights: imagenet (fetched by Keras) or none (random)"
    )
    weights_file: str | None = Field(
        default=None, description="File with the first convolutional weights, used instead of `weights`"
    )
    weights_file_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-fA-F]{64}$",
        description="SHA-256 that weights_file must have; empty takes it as it is",
    )
    normalisation_statistics: Literal["weights", "controls"] = Field(
        default="weights",
        description=(
            "Statistics of batch normalisation: those of the first weights, or taken once from the first control "
            "wells the network learns; no effect on networks without it, such as vgg19 and micro"
        ),
    )
    micro_widths: tuple[int, ...] = Field(
        default=(8, 16, 32, 64), description="Filters of the blocks of micro, one convolution each"
    )
    micro_dense: tuple[int, ...] = Field(default=(64, 64), description="Units of the hidden dense layers of micro")
    micro_pooling: Literal["flatten", "average"] = Field(
        default="flatten",
        description=(
            "How the last feature maps of micro enter its dense layers: place by place as in VGG, or averaged over "
            "the image, which few wells teach sooner"
        ),
    )
    epochs_phase1: int = Field(default=200, ge=1, le=10_000, description="Epochs of phase I")
    epochs_phase2: int = Field(default=200, ge=1, le=10_000, description="Epochs of phase II")
    epochs_phase3: int = Field(default=200, ge=1, le=10_000, description="Epochs of phase III")
    learning_rate_phase1: float = Field(default=1e-7, gt=0, le=1, description="Learning rate of Adam in phase I")
    learning_rate_phase2: float = Field(default=3e-7, gt=0, le=1, description="Learning rate of Adam in phase II")
    learning_rate_phase3: float = Field(default=3e-7, gt=0, le=1, description="Learning rate of Adam in phase III")
    learning_rate_decay: Literal["none", "cosine"] = Field(
        default="none",
        description=(
            "Learning rate from epoch to epoch of phases II and III: none keeps it, cosine lets it fall towards 0; in "
            "phase I it is kept, so that a training of fewer epochs is the beginning of a longer one"
        ),
    )
    batch_size: int = Field(default=1, ge=1, le=1024, description="Images a training step")
    adam_as_batch_1: bool = Field(
        default=False,
        description="Change Adam's rates so that batches, of at most 8 images, train about as single images would",
    )
    label_smoothing: float = Field(
        default=0.4, ge=0, lt=1, description="Controls are trained to 1 - this / 2 and this / 2"
    )
    flip: bool = Field(default=True, description="Augment by flips along both axes")
    rotation_degrees: float = Field(default=30.0, ge=0, le=180, description="Largest rotation, in degrees")
    shift_fraction: float = Field(default=0.1, ge=0, le=0.5, description="Largest shift, as a part of the image")
    zoom_min: float = Field(default=0.9, ge=0.2, le=1, description="Smallest zoom factor")
    zoom_max: float = Field(default=1.1, ge=1, le=5, description="Largest zoom factor")
    intensity_min: float = Field(default=0.5, gt=0, le=1, description="Smallest factor on the signal")
    intensity_max: float = Field(default=1.5, ge=1, le=10, description="Largest factor on the signal")
    intensity_mode: Literal["raw", "tf28", "keras29"] = Field(
        default="raw",
        description=(
            "What the factor is applied to: raw (the signal, the paper's text), tf28 or keras29 (what its program did "
            "to training images under two versions of its library)"
        ),
    )
    mixup_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Part of the controls trained on as blends with a control of the other class; the paper has none",
    )
    mixup_between: Literal["classes", "wells"] = Field(
        default="classes", description="What mixup blends: controls of different classes, or all training wells"
    )
    cutmix_fraction: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Part of the training wells that get a rectangle of another well (CutMix); the paper has none",
    )
    contrastive_epochs: int = Field(
        default=0,
        ge=0,
        le=10_000,
        description=(
            "Passes over all wells of a screen, without their labels, before the first epoch of phases I and II "
            "(SimCLR, replicates as further positives); the paper has none"
        ),
    )
    contrastive_batch_size: int = Field(
        default=32, ge=2, le=1024, description="Wells of a step of that pre-training, each of which is seen twice"
    )
    contrastive_temperature: float = Field(
        default=0.1, gt=0, le=10, description="Temperature of its softmax; the lower, the more the nearest wells count"
    )
    contrastive_learning_rate: float = Field(
        default=1e-3, gt=0, le=1, description="Learning rate of Adam in that pre-training; for large networks lower"
    )
    well_classes: bool = Field(
        default=False,
        description=(
            "Learn also which class a well is of: living, killed, and those that wells are named by in the layout "
            "(WellClass) or in well_classes.csv; wells of the type empty are one"
        ),
    )
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32", description="Arithmetic of training; weights are kept in float32"
    )
    inference_precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        default="float32", description="Arithmetic of inference, whatever the network was trained with"
    )
    inference_batch_size: int = Field(default=32, ge=1, le=4096, description="Images at once in inference")
    inference_copies: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="Augmented copies of an image over which its answer is averaged; 0 asks about the image itself",
    )
    device_images_mb: int | None = Field(
        default=None,
        ge=0,
        description=(
            "Megabytes of a phase's images that are put on the device once and augmented there, larger phases go there "
            "64 images at a time; empty takes 4096 on a GPU and 0 on processors"
        ),
    )
    resume_every_s: float = Field(
        default=300.0, ge=0, description="Least seconds between two points a killed training can go on from"
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of first weights, order and augmentation")
    ensemble_seeds: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Networks trained in each phase, with this seed and those after it; their mean is the answer",
    )

    @field_validator("micro_widths", "micro_dense")
    @classmethod
    def _some_positive_sizes(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if not sizes or min(sizes) < 1:
            raise ValueError("give at least one positive number")
        return sizes

    @model_validator(mode="after")
    def _large_batches_cannot_train_as_single_images_do(self) -> CnnParameters:
        if not self.adam_as_batch_1:
            return self
        # Late: listing parameters must not bring in what trains networks.
        from phenodose.learning.adam import MOST_AS_BATCH_1

        if self.batch_size > MOST_AS_BATCH_1:
            raise ValueError(
                f"adam_as_batch_1 is for batches of at most {MOST_AS_BATCH_1} images, batch_size is {self.batch_size}; "
                "lower it, or set adam_as_batch_1 to false"
            )
        return self

    @model_validator(mode="after")
    def _a_hash_belongs_to_a_file(self) -> CnnParameters:
        if self.weights_file_sha256 and not self.weights_file:
            raise ValueError("weights_file_sha256 is given without weights_file; name the file too")
        return self

    @model_validator(mode="after")
    def _modes_of_the_reference_program_need_its_preprocessing(self) -> CnnParameters:
        if self.backbone == "micro" and self.intensity_mode != "raw":
            raise ValueError(
                f"intensity_mode {self.intensity_mode} changes images preprocessed for networks of natural images, "
                "micro standardises its own; set intensity_mode to 'raw', or take another backbone"
            )
        return self

    @model_validator(mode="after")
    def _micro_has_no_imagenet_weights(self) -> CnnParameters:
        if self.backbone == "micro" and self.weights == "imagenet" and self.weights_file is None:
            raise ValueError("micro has no ImageNet weights; set weights to 'none'")
        return self
