"""The readout `features`: how like the living and the killed controls a well looks, by two views of its image.

Belongs here: putting the steps together. Does not belong here: the views (`phenodose.learning.frozen` and
`cell_texture`), the linear models on them (`phenodose.learning.likeness`), what lies beyond (`control_span`), and the
network that is taught (`cnn`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from phenodose.plugins import Inference, Parameters, Progress, TensorReadout, no_progress

if TYPE_CHECKING:
    import numpy as np

    from phenodose.plugins import TensorWells

#: Living controls read 0.8 and killed ones 0.2, as the labels of a network: there is room for what lies beyond.
_KILLED, _LIVING = 0.2, 0.8
#: A plain feature stands beside hundreds of maps that say nearly the same; it counts as so many.
_WEIGHT_OF_PLAIN = 4


class FeaturesParameters(Parameters):
    """Which network looks at the images, and how often."""

    network: Literal[
        "filters", "vgg19", "vgg16", "mobilenet_v3", "efficientnet_v2_b0", "convnext_tiny", "resnet50_v2"
    ] = Field(
        default="filters",
        description="Frozen network: the built-in random filters, which need no file, or one of keras.applications",
    )
    weights: Literal["imagenet", "none"] = Field(
        default="none",
        description="Weights of a network of keras.applications: imagenet (fetched by Keras) or none (random)",
    )
    weights_file: str | None = Field(default=None, description="File with its weights, used instead of `weights`")
    copies: Literal[1, 2, 4, 8] = Field(
        default=2,
        description="Copies of every image that features are averaged over: 2 with its half turn, 4 with all quarter "
        "turns, 8 with their mirror images",
    )
    blends: int = Field(
        default=48,
        ge=0,
        le=1000,
        description="Blends of controls that show how viability, and how the look of cells, goes from one to the other",
    )
    well_classes: bool = Field(
        default=False,
        description="Tell also which class a well is of: living, killed, and those that wells are named by in the "
        "layout (WellClass) or in well_classes.csv; wells of the type empty are one",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of random weights, blends and resamplings")
    threads: int | None = Field(
        default=None, ge=1, le=256, description="Processor cores, all if left out; the numbers do not depend on it"
    )


class FeaturesReadout(TensorReadout):
    """Raw viability = 0.2 for the killed and 0.8 for the living controls, by a linear model fitted on this screen."""

    name: ClassVar[str] = "features"
    label: ClassVar[str] = "image, frozen network"
    version: ClassVar[str] = "4"
    description: ClassVar[str] = (
        "Viability as likeness to the controls, by linear models of a frozen network's features and of cells' texture"
    )
    unit: ClassVar[str] = "likeness"
    precedence: ClassVar[int] = 25
    colour: ClassVar[str | None] = "#CC79A7"
    #: With it, intervals of scores hold the truth in 96 % on unseen screens of four simulators (docs/uncertainty.md).
    scale_error: ClassVar[tuple[float, float, float] | None] = (0.035, 0.08, 0.06)
    untrained: ClassVar[str] = "a frozen network, in minutes on two processor cores"
    Parameters: ClassVar[type[Parameters]] = FeaturesParameters
    parameters: FeaturesParameters

    def read(self, wells: TensorWells, progress: Progress = no_progress) -> Inference:
        """What two views of all wells say, by models fitted on the controls; see `TensorReadout.read`.

        Raises:
            NotMade: there are fewer than 3 controls of a kind, or they look the same.
            InputError: the weights cannot be had, or the images are too small for the network.
        """
        import numpy as np

        from phenodose.io.parallel import usable_cores
        from phenodose.learning import frozen
        from phenodose.learning.control_span import control_distance, looks_of
        from phenodose.learning.likeness import Blends, likeness_of_views, require_controls

        require_controls(wells.negative, wells.positive)
        p = self.parameters
        chosen = frozen.distinct_channels(wells.channels, wells.images.shape[3])
        images = wells.images[..., chosen]
        network = frozen.network_of(p.network, p.weights_file or p.weights, images.shape[1:], p.seed)
        mixed, living = frozen.blends_of(images, wells.negative, wells.positive, wells.plate, p.blends, p.seed)
        shown, light = np.concatenate([images, mixed]), frozen.typical_light(images)
        threads = p.threads or usable_cores()
        seen = frozen.features_of(shown, light, network, frozen.Turns(p.copies), threads, progress)
        features = np.concatenate([seen, _plain(shown)], axis=1)
        controls = wells.negative, wells.positive
        looks = looks_of(images, *controls, wells.plate, p.blends, p.seed, threads)
        mixtures = looks.all_mixtures()
        views = [
            (features[: len(images)], Blends(features[len(images) :], living)),
            (looks.texture, Blends(mixtures.texture, mixtures.living)),
        ]
        found = likeness_of_views(views, *controls, wells.content, p.seed)
        size = _LIVING - _KILLED
        return Inference(
            raw=np.clip(_KILLED + size * found.viability, 0.0, 1.0),
            features=np.asarray(features[: len(images)], dtype=np.float32),
            raw_sd=size * found.viability_sd,
            control_distance=control_distance(looks.texture, looks.mixtures, *controls, wells.content, wells.treatment),
            **self._classes(wells, features[: len(images)]),
        )

    def _classes(self, wells: TensorWells, features: np.ndarray) -> dict[str, Any]:
        """Classes of all wells, if they were asked for and there are more than the two controls."""
        from phenodose.learning.well_classes import class_labels, class_names, class_probabilities, with_enough_wells

        if not self.parameters.well_classes or wells.classes is None:
            return {}
        named = wells.classes.tolist()
        every = class_names(named)
        names, labels = with_enough_wells(every, class_labels(every, named, wells.negative, wells.positive))
        if len(every) == 2 or len(names) < 2:
            return {}
        return {"class_names": names, "class_probability": class_probabilities(features, labels, len(names))}


def _plain(images: np.ndarray) -> np.ndarray:
    """Brightness, extent, symmetry and detail of images (image, y, x, channel), each as often as it counts."""
    import numpy as np
    import xarray as xr

    from phenodose.quality.image_features import image_features

    few = image_features(xr.DataArray(images, dims=("well", "y", "x", "channel")))
    return np.repeat(few, _WEIGHT_OF_PLAIN, axis=1)
