"""Pyramid arithmetic against plain definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from phenodose.plates.pyramid import area_average, halve, halve_and_sum, level_shapes

planes = st.sampled_from(["uint8", "uint16"]).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9))
)


def test_levels_of_the_usual_camera():
    assert level_shapes(2048, 2048) == [(2048, 2048), (1024, 1024), (512, 512), (256, 256)]
    assert level_shapes(256, 200) == [(256, 200)]
    assert level_shapes(513, 2) == [(513, 2), (257, 1), (129, 1)]


@given(planes)
def test_halve_is_the_rounded_mean_of_2_by_2(plane):
    half = halve(plane)
    height, width = plane.shape
    for y in range(half.shape[0]):
        for x in range(half.shape[1]):
            rows, columns = (2 * y, min(2 * y + 1, height - 1)), (2 * x, min(2 * x + 1, width - 1))
            total = sum(int(plane[r, c]) for r in rows for c in columns)
            assert int(half[y, x]) == (total + 2) // 4


@given(planes, st.integers(1, 150))
def test_halving_learns_the_sum_of_the_pixels(plane, times):
    plane = np.tile(plane, (times, 1))
    assert halve_and_sum(plane)[1] == sum(map(int, plane.flat))


@given(planes, st.integers(1, 12), st.integers(1, 12))
def test_area_average_is_the_mean_over_a_common_grid(plane, size_y, size_x):
    fine = np.repeat(np.repeat(plane.astype(np.int64), size_y, axis=0), size_x, axis=1)
    blocks = fine.reshape(size_y, plane.shape[0], size_x, plane.shape[1])
    total, area = blocks.sum(axis=(1, 3)), plane.size
    np.testing.assert_array_equal(area_average(plane, size_y, size_x), (2 * total + area) // (2 * area))


@given(st.integers(0, 65535), st.integers(1, 20), st.integers(1, 20))
def test_a_flat_image_stays_flat(value, size, wanted):
    plane = np.full((size, size), value, "uint16")
    assert (area_average(plane, wanted, wanted) == value).all()
    assert (halve(plane) == value).all()
