"""What Keras' engines do each in their own way: gradients, and what they compute on.

Belongs here: one function for every such thing, with a branch for each engine (TensorFlow, JAX, PyTorch).
Does not belong here: anything that `keras.ops` does on all of them, and training (`steps`, `adam`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def gradient(function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    """Gradient of a number with respect to an array.

    Args:
        function: takes a float32 tensor of the engine, gives a scalar tensor.
        x: float32 array, where the gradient is taken.

    Returns:
        float32 array of the shape of `x`.
    """
    import keras

    found = _GRADIENTS[keras.backend.backend()](function, np.asarray(x, dtype=np.float32))
    return np.asarray(keras.ops.convert_to_numpy(found), dtype=np.float32)


def has_gpu() -> bool:
    """Whether the engine at hand computes on a graphics card."""
    import keras

    return _HAS_GPU[keras.backend.backend()]()


def _tensorflow_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


def _jax_gpu() -> bool:
    import jax

    return bool(jax.default_backend() == "gpu")


def _torch_gpu() -> bool:
    import torch

    return bool(torch.cuda.is_available())


_HAS_GPU: dict[str, Callable[[], bool]] = {"tensorflow": _tensorflow_gpu, "jax": _jax_gpu, "torch": _torch_gpu}


def _tensorflow(function: Callable[[Any], Any], x: np.ndarray) -> Any:
    import tensorflow as tf

    place = tf.convert_to_tensor(x)
    with tf.GradientTape() as tape:
        tape.watch(place)
        value = function(place)
    return tape.gradient(value, place, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _jax(function: Callable[[Any], Any], x: np.ndarray) -> Any:
    import jax

    return jax.grad(function)(x)


def _torch(function: Callable[[Any], Any], x: np.ndarray) -> Any:
    import torch
    from keras import ops

    place = ops.convert_to_tensor(x).clone().requires_grad_(True)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(function(place), place, allow_unused=True)
    return torch.zeros_like(place) if found is None else found


_GRADIENTS: dict[str, Callable[[Callable[[Any], Any], np.ndarray], Any]] = {
    "tensorflow": _tensorflow,
    "jax": _jax,
    "torch": _torch,
}
