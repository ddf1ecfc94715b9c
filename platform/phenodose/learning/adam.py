"""Adam: its rates, and the kernel of each of Keras' engines that updates a weight in one pass.

Belongs here: the optimiser. Does not belong here: gradients and the loop over steps (`steps`).

At batch 1 a step of VGG19 spends more on its 140 million weights than on their gradients if Adam is written out in
single operations, each of which passes over all of them. TensorFlow and PyTorch have a kernel that does all of it in
one pass; XLA makes one for JAX. The arithmetic is that of Keras' Adam, with epsilon outside of the bias correction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from phenodose.errors import InputError

#: Above it nothing is left of Adam's memory of the mean gradient.
MOST_AS_BATCH_1 = 8


@dataclass(frozen=True)
class Rates:
    """What Adam is told; the defaults are Keras'.

    Attributes:
        learning_rate: size of a step.
        beta_1: decay of the mean gradient from step to step.
        beta_2: decay of the mean squared gradient.
        epsilon: added to the root of the mean squared gradient.
    """

    learning_rate: float
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def as_batch_1(self, batch_size: int) -> Rates:
        """Rates with which a batch does about what its images would do one after the other at these rates.

        A batch takes one step for B, so the memory of gradients shall fade in 1 / B of the steps: 1 - beta becomes
        B (1 - beta). The mean of B gradients is less noisy by sqrt(B), and so is what Adam divides by: the learning
        rate grows and epsilon shrinks by sqrt(B). Source of the root: Malladi et al. 2022, On the SDEs and scaling
        rules for adaptive gradient algorithms.

        Raises:
            InputError: the batch is larger than `MOST_AS_BATCH_1`.
        """
        if batch_size > MOST_AS_BATCH_1:
            raise InputError(
                f"batches of {batch_size} images cannot train as single images do: Adam forgets the mean gradient in "
                f"one step from 10 on; take a batch_size of at most {MOST_AS_BATCH_1}, or set adam_as_batch_1 to false."
            )
        root = batch_size**0.5
        return Rates(
            self.learning_rate * root,
            1 - batch_size * (1 - self.beta_1),
            1 - batch_size * (1 - self.beta_2),
            self.epsilon / root,
        )


def adam(rates: Rates) -> Any:
    """A Keras optimiser with the state and the arithmetic of `keras.optimizers.Adam`, in one pass."""
    import keras

    kind = _KINDS[keras.backend.backend()]()
    return kind(rates.learning_rate, rates.beta_1, rates.beta_2, rates.epsilon, name="adam")


def _of_keras() -> Any:
    import keras

    return keras.optimizers.Adam


def _of_tensorflow() -> Any:
    import keras
    import tensorflow as tf

    class OnePassAdam(keras.optimizers.Adam):  # type: ignore[misc]
        def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
            step = tf.cast(self.iterations + 1, tf.float32)
            beta_1_power, beta_2_power = self.beta_1**step, self.beta_2**step
            for gradient, variable in zip(grads, trainable_variables, strict=True):
                place = self._get_variable_index(variable)
                tf.raw_ops.ResourceApplyAdam(
                    var=variable.value.handle,
                    m=self._momentums[place].value.handle,
                    v=self._velocities[place].value.handle,
                    beta1_power=beta_1_power,
                    beta2_power=beta_2_power,
                    lr=learning_rate,
                    beta1=self.beta_1,
                    beta2=self.beta_2,
                    epsilon=self.epsilon,
                    grad=gradient,
                )

    return OnePassAdam


def _of_torch() -> Any:
    import keras
    import torch

    class OnePassAdam(keras.optimizers.Adam):  # type: ignore[misc]
        def _parallel_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
            places = [self._get_variable_index(variable) for variable in variables]
            step = (self.iterations + 1).to(torch.float32)
            # The kernel adds epsilon within the bias correction, Keras outside. So the correction goes into the
            # learning rate, and the kernel is told of a step so late that it has none left to make.
            corrected = learning_rate * torch.sqrt(1 - self.beta_2**step) / (1 - self.beta_1**step)
            late = torch.full((), 1e9, device=variables[0].value.device)
            torch._fused_adam_(
                [variable.value for variable in variables],
                list(grads),
                [self._momentums[place].value for place in places],
                [self._velocities[place].value for place in places],
                [],
                [late] * len(places),
                lr=corrected,
                beta1=self.beta_1,
                beta2=self.beta_2,
                weight_decay=0.0,
                eps=self.epsilon,
                amsgrad=False,
                maximize=False,
            )

    return OnePassAdam


_KINDS: dict[str, Callable[[], Any]] = {"tensorflow": _of_tensorflow, "jax": _of_keras, "torch": _of_torch}
