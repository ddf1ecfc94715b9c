"""Steps in processes give what they give in one, in order."""

import math

import pytest

from phenodose.io.parallel import in_processes, usable_cores


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_their_inputs(workers):
    assert list(in_processes(math.factorial, list(range(12)), workers)) == [math.factorial(n) for n in range(12)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_step_is_the_error_of_all(workers):
    with pytest.raises(ValueError, match="negative"):
        list(in_processes(math.factorial, [3, -1, 4], workers))


def test_there_is_a_core():
    assert usable_cores() >= 1
