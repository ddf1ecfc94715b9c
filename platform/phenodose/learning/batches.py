"""The images that one compiled loop trains on: what is drawn for them, and making them on the host or the device.

Belongs here: order, augmentation and blends of the training images, chunk by chunk, and where they are made. Does not
belong here: what a step does with them (`steps`) and the loop over epochs (`training`).

All numbers are drawn in numpy. Where a phase's images are few enough for the memory of the device they are put there
once, and a chunk brings only its numbers: the compiled loop begins with making its images. Else a thread of the host
makes them while the chunk before is trained on. Both do the same operations in the same order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from phenodose.learning import augment
from phenodose.learning.backends import has_gpu
from phenodose.learning.intensity import training_input
from phenodose.learning.mixup import blend, draw_blends, draw_patches, patch

if TYPE_CHECKING:
    from phenodose.learning.training import Plan
    from phenodose.training_records import TrainingSet

#: Images made at once, and trained on in one compiled loop.
_CHUNK = 64
#: Megabytes of images that are kept on a GPU unless told otherwise: a screen of 804 wells at 224 px has 484.
GPU_IMAGES_MB = 4096


@dataclass(frozen=True)
class Chunk:
    """What `steps` takes: whole batches of one shape in every chunk, the last ones filled up with weight 0.

    Attributes:
        source: what the images are made of; see `Chunks.make`.
        wanted: float32 (step, image, class).
        weights: float32 (step, image), 1 for an image and 0 for a filling.
        steps: steps that hold an image.
    """

    source: Any
    wanted: np.ndarray
    weights: np.ndarray
    steps: int


class Chunks:
    """The chunks of one training.

    Attributes:
        on_device: the images lie on the device, and are made there.
        in_an_epoch: number of chunks.
        make: from a chunk's source to network inputs, float32 tensor (step, image, y, x, channel).
    """

    make: Callable[[Any], Any]

    def __init__(self, data: TrainingSet, plan: Plan, wanted: np.ndarray) -> None:
        self._data, self._plan, self._wanted = data, plan, wanted
        n, size = int((~data.validation).sum()), plan.batch_size
        self._length = min(max(1, _CHUNK // size), -(-n // size)) * size
        self.in_an_epoch = -(-n // self._length)
        self.on_device = kept_on_device(data, plan)
        self.make = self._made_of_numbers if self.on_device else _as_they_are

    def from_epoch(self, first: int) -> Iterator[Chunk]:
        """The chunks of this epoch and all that follow."""
        from keras import ops

        data, plan, length = self._data, self._plan, self._length
        size_px = (data.images.shape[1], data.images.shape[2])
        held = ops.convert_to_tensor(data.images) if self.on_device else None
        for epoch in range(first, plan.epochs):
            generator = np.random.default_rng([plan.seed, zlib.crc32(plan.phase.encode()), epoch, 1])
            order = generator.permutation(np.flatnonzero(~data.validation))
            drawn = augment.draw(
                plan.augmentation, len(data.images), size_px, seed=plan.seed, phase=plan.phase, epoch=epoch
            )
            for start in range(0, len(order), length):
                members = order[start : start + length]
                numbers, goals = self._numbers(members, drawn[members], generator)
                if held is None:
                    source = self._batches(_filled(self._inputs(data.images[members], numbers), length))
                else:
                    source = {"images": held, "numbers": {n: _repeated(v, length) for n, v in numbers.items()}}
                yield self._chunk(source, goals)

    def _numbers(
        self, members: np.ndarray, drawn: augment.Draw, generator: np.random.Generator
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """What is drawn for some wells, an array each with a row a well, and their wanted probabilities."""
        from keras import ops

        numbers = {"well": members.astype(np.int32), "transform": drawn.transform, "intensity": drawn.intensity}
        goals = self._wanted[members]
        if self._plan.mixup_fraction:
            controls = self._data.is_control[members]
            blends = draw_blends(goals, controls, self._plan.mixup_fraction, generator, self._plan.mixup_between)
            numbers |= {"partner": blends.partner, "share": blends.share}
            goals = ops.convert_to_numpy(blend(goals, blends.partner, blends.share))
        if self._plan.cutmix_fraction:
            height, width = self._data.images.shape[1:3]
            patches = draw_patches(len(members), self._plan.cutmix_fraction, (height, width), generator)
            numbers |= {"patch_partner": patches.partner, "patch_box": patches.box}
            goals = ops.convert_to_numpy(blend(goals, patches.partner, patches.share))
        return numbers, goals

    def _inputs(self, signal: Any, numbers: dict[str, Any]) -> Any:
        """Network inputs (image, y, x, channel) of raw signal of the same shape; runs on the host and on the device."""
        images = augment.move(signal, numbers["transform"])
        if "partner" in numbers:
            images = blend(images, numbers["partner"], numbers["share"])
        if "patch_box" in numbers:
            images = patch(images, numbers["patch_partner"], numbers["patch_box"])
        return training_input(images, numbers["intensity"], self._plan.backbone, self._plan.intensity_mode)

    def _made_of_numbers(self, source: dict[str, Any]) -> Any:
        from keras import ops

        numbers = source["numbers"]
        signal = ops.take(source["images"], ops.convert_to_tensor(numbers["well"]), axis=0)
        return self._batches(self._inputs(signal, numbers))

    def _batches(self, array: Any) -> Any:
        from keras import ops

        return ops.reshape(array, (-1, self._plan.batch_size, *array.shape[1:]))

    def _chunk(self, source: Any, goals: np.ndarray) -> Chunk:
        n, size = len(goals), self._plan.batch_size
        weights = np.zeros(self._length, dtype=np.float32)
        weights[:n] = 1
        wanted = np.pad(goals, ((0, self._length - n), (0, 0)))
        return Chunk(source, wanted.reshape(-1, size, wanted.shape[1]), weights.reshape(-1, size), -(-n // size))


def kept_on_device(data: TrainingSet, plan: Plan) -> bool:
    """Whether a phase's images are put on the device once: they fit the budget, and nothing is cut to 8 bits.

    To cut is exact on the host alone: elsewhere a number rounded otherwise becomes another grey value.
    """
    if plan.intensity_mode != "raw":
        return False
    budget_mb = plan.device_images_mb
    if budget_mb is None:
        budget_mb = GPU_IMAGES_MB if has_gpu() else 0
    return data.images.nbytes <= budget_mb * 1_000_000


def _as_they_are(source: Any) -> Any:
    from keras import ops

    return ops.convert_to_tensor(source)


def _filled(images: Any, length: int) -> Any:
    from keras import ops

    return ops.pad(images, ((0, length - len(images)), *[(0, 0)] * 3))


def _repeated(values: np.ndarray, length: int) -> np.ndarray:
    """Rows filled up with the first ones, so that fillings are images too."""
    return np.resize(values, (length, *values.shape[1:]))
