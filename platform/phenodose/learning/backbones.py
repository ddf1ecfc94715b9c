"""The networks: one registry of backbones, one builder, one dense top that ends in two logits, or more by choice.

Belongs here: shapes of networks and where their first weights come from. `vgg19`, `vgg16` and the
small `micro` share one builder, so that tests of `micro` test the path of the paper's network. Does not
belong here: image preprocessing (`preprocess`), training and stored weights (`checkpoint`).

The two logits stand for the classes (positive control, negative control); their softmax, taken at
inference only, gives the raw viability as its second value. Logits of further classes, such as 'empty', come after
them; raw viability is p(negative) / (p(negative) + p(positive)), which is the softmax of the first two whatever the
others are.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from phenodose.errors import CheckpointError, DownloadError, InputError

#: The classes in the order of the logits.
CLASSES = ("pos", "neg")
#: Name of the last dense layer before the logits is `fc<n>`; of the output layer this.
LOGITS = "dense_logits"

Pooling = Literal["flatten", "average"]
#: Preprocessing that brings every channel of an image to mean 0 and standard deviation 1.
STANDARDISE = "standardise"


@dataclass(frozen=True)
class Advice:
    """Settings under which a backbone learned in trials where those of the paper, made for VGG, fail.

    Attributes:
        batch_size: images a training step.
        learning_rates: of Adam in phases I, II and III.
        normalisation_statistics: whose statistics batch normalisation holds (parameter of the readout `cnn`).
    """

    batch_size: int
    learning_rates: tuple[float, float, float]
    normalisation_statistics: str


@dataclass(frozen=True)
class Backbone:
    """One entry of the registry.

    Attributes:
        name: name in parameters and records.
        application: 'module.Class' within `keras.applications`; None if there are no ImageNet weights.
        preprocessing: module of `keras.applications` whose `preprocess_input` the backbone expects, or
            STANDARDISE for a network that starts random and has no natural images to be like.
        blocks: (convolutions, filters) of every VGG block; empty for networks of another shape.
        pooling: how the last feature maps enter the dense top.
        dense: units of the hidden dense layers.
        normalised: it has batch normalisation.
        advice: settings to take instead of the paper's; None where the paper's are right or none were tried.
    """

    name: str
    application: str | None
    preprocessing: str
    blocks: tuple[tuple[int, int], ...]
    pooling: Pooling
    dense: tuple[int, ...]
    normalised: bool = False
    advice: Advice | None = None


def _vgg(name: str, convolutions: tuple[int, ...]) -> Backbone:
    blocks = tuple(zip(convolutions, (64, 128, 256, 512, 512), strict=True))
    return Backbone(name, f"{name}.{name.upper()}", name, blocks, "flatten", (4096, 4096))


def _modern(name: str, application: str, normalised: bool = True, advice: Advice | None = None) -> Backbone:
    return Backbone(name, application, application.split(".")[0], (), "average", (1024, 1024), normalised, advice)


BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        _vgg("vgg19", (2, 2, 4, 4, 4)),
        _vgg("vgg16", (2, 2, 3, 3, 3)),
        _modern("mobilenet_v3", "mobilenet_v3.MobileNetV3Large", advice=Advice(8, (3e-4, 1.5e-4, 1.5e-4), "controls")),
        _modern("efficientnet_v2_b0", "efficientnet_v2.EfficientNetV2B0"),
        _modern("convnext_tiny", "convnext.ConvNeXtTiny", normalised=False),
        _modern("resnet50_v2", "resnet_v2.ResNet50V2"),
        Backbone("micro", None, STANDARDISE, ((1, 8), (1, 16), (1, 32), (1, 64)), "flatten", (64, 64)),
    )
}
# keras.applications spells MobileNetV3Large as an attribute of the package, not of its module.
_PACKAGE_LEVEL = {"mobilenet_v3.MobileNetV3Large"}
#: Name of the layer that holds a network of keras.applications.
NESTED = "backbone"


@dataclass(frozen=True)
class Architecture:
    """Everything that fixes the shapes of a network's weights; kept in the checkpoint record.

    Attributes:
        backbone: name in `BACKBONES`.
        input_shape: (y, x, channel) of the images in pixels.
        blocks: (convolutions, filters) of every VGG block; empty for networks of another shape.
        pooling: how the last feature maps enter the dense top.
        dense: units of the hidden dense layers.
        classes: logits.
    """

    backbone: str
    input_shape: tuple[int, int, int]
    blocks: tuple[tuple[int, int], ...]
    pooling: Pooling
    dense: tuple[int, ...]
    classes: int = len(CLASSES)

    @classmethod
    def of(
        cls,
        backbone: str,
        input_shape: tuple[int, int, int],
        widths: tuple[int, ...] | None = None,
        dense: tuple[int, ...] | None = None,
        pooling: Pooling | None = None,
        classes: int = len(CLASSES),
    ) -> Architecture:
        """The registered backbone at one input size.

        Args:
            backbone: name in `BACKBONES`.
            input_shape: (y, x, channel).
            widths: filters of the blocks of `micro`, one convolution each; None for the registered ones.
            dense: units of the hidden dense layers; None for the registered ones.
            pooling: how the last feature maps enter them; None for the registered way.
            classes: logits.

        Raises:
            InputError: the backbone is unknown, or the images are too small for it.
        """
        if backbone not in BACKBONES:
            raise InputError(f"backbone {backbone!r} is unknown; there are: {', '.join(BACKBONES)}.")
        entry = BACKBONES[backbone]
        blocks = tuple((1, width) for width in widths) if backbone == "micro" and widths else entry.blocks
        least = max(2 ** len(blocks), 1 if backbone == "micro" else 32)
        if min(input_shape[:2]) < least:
            raise InputError(
                f"images of {input_shape[0]} x {input_shape[1]} px are too small for {backbone}, which needs at "
                f"least {least} px; raise size_px under [tensors] in screen.toml."
            )
        return cls(backbone, input_shape, blocks, pooling or entry.pooling, dense or entry.dense, classes)

    def as_json(self) -> dict[str, Any]:
        """What JSON would give back of it; `from_json` reads it."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.classes == len(CLASSES):
            del values["classes"]  # records of before have none, and are the same
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Architecture:
        """The architecture written by `as_json`.

        Raises:
            CheckpointError: the values are no architecture.
        """
        try:
            y, x, channels = (int(size) for size in values["input_shape"])
            return cls(
                backbone=BACKBONES[values["backbone"]].name,
                input_shape=(y, x, channels),
                blocks=tuple((int(convolutions), int(width)) for convolutions, width in values["blocks"]),
                pooling={"flatten": "flatten", "average": "average"}[values["pooling"]],  # type: ignore[arg-type]
                dense=tuple(int(units) for units in values["dense"]),
                classes=int(values.get("classes", len(CLASSES))),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the checkpoint's record describes no network that this version knows ({error}); train it again."
            ) from error

    def __str__(self) -> str:
        y, x, _ = self.input_shape
        text = f"{self.backbone} at {y} x {x} px with dense layers {' and '.join(map(str, self.dense))}"
        registered = BACKBONES[self.backbone]
        if self.blocks != registered.blocks:
            text += f", blocks of {' and '.join(str(filters) for _, filters in self.blocks)} filters"
        if self.pooling != registered.pooling:
            text += f", feature maps that enter them by {self.pooling!r}"
        if self.classes != len(CLASSES):
            text += f", {self.classes} classes"
        return text


def build(architecture: Architecture, precision: str = "float32") -> Any:
    """An uncompiled `keras.Model` (well, y, x, channel) -> logits (well, class) with arbitrary weights.

    Batch normalisation and dropout of the backbone always run in inference mode: batches are as small
    as one image, whose own statistics would differ between training and prediction.

    Args:
        architecture: shapes.
        precision: Keras dtype policy of the convolutional part; the dense top is always float32.
    """
    import keras

    with _dtype_policy(precision):
        inputs = keras.Input(architecture.input_shape, name="image")
        if architecture.blocks:
            x = _vgg_blocks(inputs, architecture.blocks)
        else:
            x = _in_inference_mode(_application(architecture, weights=None))(inputs)
        x = _pool(x, architecture.pooling)
        for number, units in enumerate(architecture.dense, start=1):
            # To convert these weights costs more than a few images gain by it: each is used once an image.
            x = keras.layers.Dense(units, activation="relu", dtype="float32", name=f"fc{number}")(x)
        logits = keras.layers.Dense(architecture.classes, dtype="float32", name=LOGITS)(x)
        return keras.Model(inputs, logits, name=architecture.backbone)


def initialise(network: Any, architecture: Architecture, weights: str | Path, seed: int) -> str:
    """Give a new network its first weights.

    All weights are drawn in numpy, so that they are the same with every Keras backend; then the
    convolutional part is overwritten unless `weights` is 'none'. The dense top always starts random.

    Args:
        network: made by `build`.
        architecture: its shapes.
        weights: 'imagenet' (fetched and kept by keras.applications), 'none', or a weights file in the
            format of keras.applications without top (of `save_weights` for micro).
        seed: seed of the random weights.

    Returns:
        Where the convolutional weights come from: 'none', or the source with the hash of their values.

    Raises:
        DownloadError: ImageNet's weights are not on this machine and could not be fetched.
        InputError: the weights cannot be had or do not fit.
    """
    _draw_weights(network, seed)
    if str(weights) == "none":
        return "none"
    from phenodose.io.files import hash_bytes

    donor = _donor(architecture, weights)
    values = donor.get_weights()
    _convolutional_part(network, architecture, values)
    return f"{Path(weights).name}:{hash_bytes(*(np.ascontiguousarray(v).tobytes() for v in values))}"


def expect_file(file: Path, sha256: str) -> None:
    """Raise InputError unless a weights file has the wanted hash."""
    _expect_there(file)
    with file.open("rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != sha256.lower():
        raise InputError(
            f"weights file {file} has the SHA-256 {found}, but {sha256.lower()} is wanted (weights_file_sha256): it is "
            "another file or a damaged one; fetch it again or correct the hash."
        )


def _expect_there(file: Path) -> None:
    if not file.is_file():
        raise InputError(f"weights file {file} is not there; give its full path, or set weights to 'none'.")


def _vgg_blocks(x: Any, blocks: tuple[tuple[int, int], ...]) -> Any:
    from keras import layers

    for block, (convolutions, filters) in enumerate(blocks, start=1):
        for convolution in range(1, convolutions + 1):
            name = f"block{block}_conv{convolution}"
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"block{block}_pool")(x)
    return x


def _in_inference_mode(model: Any) -> Any:
    """A layer that calls `model` in inference mode, also within a network that is being trained.

    An argument `training=False` at the call would not do: Keras overrides it in nested models.
    """
    import keras

    class InferenceMode(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name=NESTED)
            self.model = model

        def call(self, images: Any) -> Any:
            return self.model(images, training=False)

    return InferenceMode()


def _pool(x: Any, pooling: Pooling) -> Any:
    from keras import layers

    if pooling == "flatten":
        return layers.Flatten(name="flatten")(x)
    return layers.GlobalAveragePooling2D(name="average")(x)


def _application(architecture: Architecture, weights: str | None) -> Any:
    """The network of keras.applications without its top."""
    path = BACKBONES[architecture.backbone].application
    assert path is not None
    module, _, name = path.partition(".")
    place = "keras.applications" if path in _PACKAGE_LEVEL else f"keras.applications.{module}"
    builder = getattr(importlib.import_module(place), name)
    model = builder(include_top=False, weights=weights, input_shape=architecture.input_shape)
    # Keras numbers unnamed layers from run to run, and names go into the weights file and so into its hash.
    for number, layer in enumerate(model.layers):
        layer.name = f"layer{number}"
    return model


def _donor(architecture: Architecture, weights: str | Path) -> Any:
    """A network without dense top that holds the wanted convolutional weights."""
    name = architecture.backbone
    file = None if str(weights) == "imagenet" else Path(weights)
    if file is not None:
        _expect_there(file)
    try:
        if BACKBONES[name].application is not None:
            return _application(architecture, str(weights))
        if file is None:
            raise InputError(f"there are no ImageNet weights for {name}; set weights to 'none'.")
        import keras

        inputs = keras.Input(architecture.input_shape)
        network = keras.Model(inputs, _vgg_blocks(inputs, architecture.blocks))
        network.load_weights(file)
        return network
    except InputError:
        raise
    except Exception as error:
        if file is None:
            raise DownloadError(
                f"the ImageNet weights of {name} could not be fetched ({_first_line(error)}); connect this machine "
                "once, or give the file keras.applications would fetch as weights_file, or set weights to 'none'."
            ) from error
        raise InputError(
            f"weights file {file} does not fit {architecture} ({_first_line(error)}); it must hold the "
            f"convolutional weights of {name} without top."
        ) from error


def _convolutional_part(network: Any, architecture: Architecture, values: list[Any]) -> None:
    if architecture.blocks:
        layers = [layer for layer in network.layers if layer.name.startswith("block") and layer.weights]
        for position, layer in enumerate(layers):
            layer.set_weights(values[2 * position : 2 * position + 2])
    else:
        network.get_layer(NESTED).model.set_weights(values)


def _draw_weights(network: Any, seed: int) -> None:
    """Glorot-uniform dense kernels and He-uniform convolution kernels, one generator a variable."""
    for position, variable in enumerate(network.weights):
        if not variable.name.endswith("kernel"):
            continue  # biases, scales and moving statistics start at constants
        shape = tuple(int(size) for size in variable.shape)
        receptive = int(np.prod(shape[:-2]))
        fan_in = receptive * shape[-2]
        if len(shape) == 2:
            limit = np.sqrt(6.0 / (fan_in + shape[-1]))
        else:
            limit = np.sqrt(6.0 / (receptive if variable.name == "depthwise_kernel" else fan_in))
        generator = np.random.default_rng([seed, position])
        variable.assign((2.0 * generator.random(shape, dtype=np.float32) - 1.0) * np.float32(limit))


@contextmanager
def _dtype_policy(precision: str) -> Iterator[None]:
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
