"""Overviews and counts, against what they are by definition."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixelcat.io.pyramid import halved
from pixelcat.processors.tally import marked, pixels_and_confidence, pixels_by_row

NODATA = 3


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 3))
)
def test_an_overview_has_the_most_frequent_class_of_four(values: np.ndarray) -> None:
    small = halved(values, NODATA)
    assert small.shape == tuple(-(-side // 2) for side in values.shape)
    for row, column in np.ndindex(small.shape):
        four = values[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].ravel().tolist()
        counts = Counter(value for value in four if value != NODATA)
        expected = counts.most_common(1)[0][0] if counts else NODATA
        assert small[row, column] == expected


@given(st.data())
def test_counts_and_sums_by_class(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 3, 30, 300]))
    shape = data.draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    dtype = np.uint8 if size <= 256 else np.uint16
    index = data.draw(arrays(dtype, shape, elements=st.integers(0, size - 1)))
    valid = data.draw(arrays(np.bool_, shape))
    confidence = data.draw(arrays(np.float32, shape, elements=st.floats(0, 1, width=32)))
    marks = marked(index, valid, size)
    assert (marks == np.where(valid, index.astype(int), size)).all()
    by_row = pixels_by_row(marks, size)
    pixels, sums = pixels_and_confidence(marks, confidence, size)
    assert (pixels == by_row.sum(axis=0)).all()
    for position in range(size):
        chosen = valid & (index == position)
        assert (by_row[:, position] == chosen.sum(axis=1)).all()
        assert np.isclose(sums[position], confidence[chosen].sum(dtype=np.float64))
