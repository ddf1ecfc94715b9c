"""Training steps: one compiled loop over many of them, for each of Keras' engines.

Belongs here: loss, its gradients and the loop, with a branch for each engine (TensorFlow, JAX, PyTorch). Does not
belong here: the optimiser (`adam`), and which images a step sees (`training`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

#: What the inputs are made of, wanted probabilities (step, image, class), weights (step, image) and the number of steps
#: to take, to a tensor of two: the sums of loss and of right answers over all images, each times its weight.
Steps = Callable[[Any, Any, Any, int], Any]
#: Makes the inputs of all steps (step, image, y, x, channel) on the device; it is compiled with the loop.
Make = Callable[[Any], Any]
#: Outputs of a network, what is wanted of them (image, ...) and weights (image,) to a tensor of two: the sums of loss
#: and of right answers over the batch, each times its weight.
Sums = Callable[[Any, Any, Any], Any]


def steps(network: Any, make: Make, sums_of: Sums | None = None) -> Steps:
    """The function that trains `network` in place.

    Args:
        network: compiled with a built optimiser; ends in a logit for each class.
        make: from the first argument of the function, arrays and tensors alone, to the inputs.
        sums_of: the loss; None for the cross-entropy of the logits.

    Returns:
        The function. It takes no more steps than it is told, and images of weight 0 do not count, so that all calls
        can have one shape and it is compiled once.
    """
    import keras

    return _ENGINES[keras.backend.backend()](network, make, sums_of or _sums)


def _sums(logits: Any, wanted: Any, weights: Any) -> Any:
    """Weighted sums over a batch: cross-entropy in nats, right answers."""
    from keras import ops

    loss = -ops.sum(wanted * ops.log_softmax(logits, axis=-1), axis=-1)
    right = ops.cast(ops.equal(ops.argmax(logits, axis=-1), ops.argmax(wanted, axis=-1)), "float32")
    return ops.stack([ops.sum(loss * weights), ops.sum(right * weights)])


def _tensorflow(network: Any, make: Make, sums_of: Sums) -> Steps:
    import tensorflow as tf

    optimizer, variables = network.optimizer, network.trainable_variables

    def step(inputs: Any, wanted: Any, weights: Any) -> Any:
        with tf.GradientTape() as tape:
            sums = sums_of(network(inputs, training=True), wanted, weights)
            loss = optimizer.scale_loss(sums[0] / tf.reduce_sum(weights))
        optimizer.apply(tape.gradient(loss, [variable.value for variable in variables]), variables)
        return sums

    def loop(source: Any, wanted: Any, weights: Any, number: Any) -> Any:
        inputs = make(source)
        _, sums = tf.while_loop(
            lambda place, _: place < number,
            lambda place, sums: (place + 1, sums + step(inputs[place], wanted[place], weights[place])),
            (tf.constant(0), tf.zeros(2)),
            parallel_iterations=1,  # a step starts from the weights of the step before
        )
        return sums

    compiled = tf.function(loop, autograph=False)
    return lambda source, wanted, weights, number: compiled(source, wanted, weights, tf.constant(number))


def _jax(network: Any, make: Make, sums_of: Sums) -> Steps:
    import jax
    import keras

    optimizer = network.optimizer
    groups = (network.trainable_variables, network.non_trainable_variables, optimizer.variables)

    def loss_of(trainable: Any, others: Any, state: Any, inputs: Any, wanted: Any, weights: Any) -> Any:
        logits, others = network.stateless_call(trainable, others, inputs, training=True)
        sums = sums_of(logits, wanted, weights)
        with keras.StatelessScope(state_mapping=list(zip(optimizer.variables, state, strict=True))):
            loss = optimizer.scale_loss(sums[0] / weights.sum())
        return loss, (sums, others)

    def step(carried: Any, inputs: Any, wanted: Any, weights: Any) -> Any:
        (trainable, others, state), total = carried
        slopes = jax.grad(loss_of, has_aux=True)
        gradients, (sums, others) = slopes(trainable, others, state, inputs, wanted, weights)
        trainable, state = optimizer.stateless_apply(state, gradients, trainable)
        return (trainable, others, state), total + sums

    def loop(carried: Any, source: Any, wanted: Any, weights: Any, number: Any) -> Any:
        inputs, wanted, weights = make(source), jax.numpy.asarray(wanted), jax.numpy.asarray(weights)
        return jax.lax.fori_loop(0, number, lambda i, held: step(held, inputs[i], wanted[i], weights[i]), carried)

    one_by_one = jax.default_backend() == "cpu"  # where XLA runs a convolution in a loop several times slower
    compiled = jax.jit(step if one_by_one else loop, donate_argnums=0)
    made = jax.jit(make)

    def run(source: Any, wanted: Any, weights: Any, number: int) -> Any:
        carried = (tuple([variable.value for variable in group] for group in groups), jax.numpy.zeros(2))
        if one_by_one:
            inputs = made(source)
            for index in range(number):
                carried = compiled(carried, inputs[index], wanted[index], weights[index])
        else:
            carried = compiled(carried, source, wanted, weights, number)
        held, sums = carried
        for group, values in zip(groups, held, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return sums

    return run


def _torch(network: Any, make: Make, sums_of: Sums) -> Steps:
    import torch
    from keras import ops

    optimizer, variables = network.optimizer, network.trainable_variables

    def run(source: Any, wanted: Any, weights: Any, number: int) -> Any:
        with torch.no_grad():
            inputs = make(source)
        wanted, weights = ops.convert_to_tensor(wanted), ops.convert_to_tensor(weights)
        total = ops.zeros(2)
        for index in range(number):
            network.zero_grad()
            sums = sums_of(network(inputs[index], training=True), wanted[index], weights[index])
            optimizer.scale_loss(sums[0] / weights[index].sum()).backward()
            with torch.no_grad():
                optimizer.apply([variable.value.grad for variable in variables], variables)
                total += sums
        return total

    return run


_ENGINES: dict[str, Callable[[Any, Make, Sums], Steps]] = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
