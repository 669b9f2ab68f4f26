from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixelcat.io.image import Window
from pixelcat.processors.windows import Tiling, round_up, spans

sides = st.integers(1, 400)


@st.composite
def tilings(draw: st.DrawFn) -> Tiling:
    stride = draw(st.sampled_from([1, 2, 4, 8, 16, 3]))
    padding = stride * draw(st.integers(0, 64 // stride))
    least = 2 * padding // stride + 1
    height, width = (stride * draw(st.integers(least, least + 128 // stride)) for _ in range(2))
    fixed, flexible = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    return Tiling(
        height=height, width=width, padding=padding, stride=stride, fixed=fixed, flexible=flexible
    )


@st.composite
def tilings_with_margin(draw: st.DrawFn) -> Tiling:
    """As for networks that answer for the middle of a window, or for blocks of ArcGIS."""
    margin = draw(st.integers(1, 30))
    if draw(st.booleans()):
        sides = [2 * margin + draw(st.integers(1, 90)) for _ in range(2)]
        return Tiling(
            height=sides[0], width=sides[1], padding=margin, margin=margin, fixed=True,
            anchored=True, fill="constant",
        )  # fmt: skip
    stride = draw(st.sampled_from([1, 2, 4]))
    fixed, flexible = draw(st.sampled_from([(False, False), (True, False), (False, True)]))
    padding = round_up(margin + draw(st.integers(0, 20)), stride)
    height, width = (stride * (2 * padding // stride + draw(st.integers(1, 40))) for _ in range(2))
    return Tiling(
        height=height, width=width, padding=padding, margin=margin, stride=stride, fixed=fixed,
        flexible=flexible,
    )  # fmt: skip


def inside(window: Window, core: Window) -> bool:
    return (
        window.row <= core.row
        and window.column <= core.column
        and core.row + core.height <= window.row + window.height
        and core.column + core.width <= window.column + window.width
    )


@settings(deadline=None, max_examples=300)
@given(tiling=tilings(), height=sides, width=sides)
def test_cores_cover_every_pixel_exactly_once(tiling: Tiling, height: int, width: int) -> None:
    covered = np.zeros((height, width), np.uint8)
    for _, core in tiling.windows(height, width):
        covered[core.row : core.row + core.height, core.column : core.column + core.width] += 1
        assert min(core) >= 0
        assert core.row + core.height <= height
        assert core.column + core.width <= width
    assert (covered == 1).all()


@settings(deadline=None, max_examples=300)
@given(tiling=tilings(), height=sides, width=sides, overlapping=st.booleans(), data=st.data())
def test_windows_on_which_nothing_in_an_area_depends_are_left_out(
    tiling: Tiling, height: int, width: int, overlapping: bool, data: st.DataObject
) -> None:
    tiling = replace(tiling, overlapping=overlapping)
    row, column = (data.draw(st.integers(0, side - 1)) for side in (height, width))
    area = Window(
        row,
        column,
        data.draw(st.integers(1, height - row)),
        data.draw(st.integers(1, width - column)),
    )
    wanted = np.zeros((height, width), np.bool_)
    wanted[row : row + area.height, column : column + area.width] = True
    expected = []
    for each in tiling.windows(height, width):
        reach = each.window if overlapping else each.core
        if wanted[
            reach.row : reach.row + reach.height, reach.column : reach.column + reach.width
        ].any():
            expected.append(each)
    assert list(tiling.windows(height, width, within=area)) == expected


@settings(deadline=None, max_examples=300)
@given(tiling=tilings(), height=sides, width=sides)
def test_windows_stand_on_the_stride_grid_inside_the_padded_raster(
    tiling: Tiling, height: int, width: int
) -> None:
    rows, columns = tiling.padded(height, width)
    for window, core in tiling.windows(height, width):
        assert all(number % tiling.stride == 0 for number in window)
        assert inside(Window(0, 0, rows, columns), window)
        assert inside(window, core)
        assert core.height > 0
        assert core.width > 0


@settings(deadline=None, max_examples=300)
@given(tiling=tilings(), height=sides, width=sides)
def test_every_core_pixel_has_its_halo_or_the_window_ends_on_the_border(
    tiling: Tiling, height: int, width: int
) -> None:
    rows, columns = tiling.padded(height, width)
    for window, core in tiling.windows(height, width):
        above, left = core.row - window.row, core.column - window.column
        bottom, right = window.row + window.height, window.column + window.width
        assert above >= tiling.padding or window.row == 0
        assert left >= tiling.padding or window.column == 0
        assert bottom - core.row - core.height >= tiling.padding or bottom == rows
        assert right - core.column - core.width >= tiling.padding or right == columns


@settings(deadline=None, max_examples=300)
@given(tiling=tilings(), height=sides, width=sides)
def test_windows_of_a_raster_have_one_shape_and_are_counted(
    tiling: Tiling, height: int, width: int
) -> None:
    windows = [window for window, _ in tiling.windows(height, width)]
    assert len({(window.height, window.width) for window in windows}) == 1
    assert tiling.count(height, width) == len(windows)


@settings(deadline=None, max_examples=200)
@given(tiling=tilings(), height=sides, width=sides)
def test_no_more_is_invented_than_needed(tiling: Tiling, height: int, width: int) -> None:
    for side, tile, padded in zip(
        (height, width), (tiling.height, tiling.width), tiling.padded(height, width), strict=True
    ):
        assert padded == max(round_up(side, tiling.stride), tile if tiling.fixed else 0)


@settings(deadline=None, max_examples=200)
@given(tiling=tilings(), height=sides, width=sides)
def test_windows_are_whole_tiles_or_the_whole_raster(
    tiling: Tiling, height: int, width: int
) -> None:
    rows, columns = tiling.padded(height, width)
    tall, wide = tiling.window_of(height, width)
    for window, _ in tiling.windows(height, width):
        assert window.height == min(tall, rows)
        assert window.width == min(wide, columns)
        if tiling.fixed:
            assert (window.height, window.width) == (tiling.height, tiling.width)


@settings(deadline=None, max_examples=200)
@given(tiling=tilings(), height=sides, width=sides)
def test_a_flexible_tiling_never_computes_more(tiling: Tiling, height: int, width: int) -> None:
    def computed(cut: Tiling) -> int:
        return sum(window.height * window.width for window, _ in cut.windows(height, width))

    rigid = replace(tiling, flexible=False)
    assert computed(tiling) <= computed(rigid)
    assert tiling.count(height, width) <= rigid.count(height, width)


@pytest.mark.parametrize(
    ("height", "width", "sides"),
    [
        (4096, 4096, (2080, 2080)),  # two windows across
        (3000, 3000, (1536, 1536)),
        (2500, 6000, (1296, 2048)),
        (1500, 9000, (2112, 1856)),  # one window high
        (40_000, 40_000, (1088, 2064)),  # classes of a whole row wait in memory
    ],
)
def test_windows_of_a_flexible_tiling_fit_the_raster(
    height: int, width: int, sides: tuple[int, int]
) -> None:
    tiling = Tiling(height=2112, width=2112, padding=32, stride=16, flexible=True)
    assert tiling.window_of(height, width) == sides


@settings(deadline=None, max_examples=200)
@given(tiling=tilings(), height=sides, width=sides)
def test_windows_come_row_by_row(tiling: Tiling, height: int, width: int) -> None:
    starts = [(core.row, core.column) for _, core in tiling.windows(height, width)]
    assert starts == sorted(starts)


@settings(deadline=None, max_examples=300)
@given(tiling=tilings_with_margin(), height=sides, width=sides)
def test_cores_keep_off_the_margin_and_cover_every_pixel_once(
    tiling: Tiling, height: int, width: int
) -> None:
    covered = np.zeros((height, width), np.uint8)
    windows = list(tiling.windows(height, width))
    for window, core in windows:
        assert min(core.height, core.width) > 0
        for first, size, core_first, core_size, side in (
            (window.row, window.height, core.row, core.height, height),
            (window.column, window.width, core.column, core.width, width),
        ):
            assert core_first - first >= tiling.margin
            assert first + size - core_first - core_size >= tiling.margin
            assert (first + tiling.margin) % (1 if tiling.anchored else tiling.stride) == 0
            assert first < side
        covered[core.row : core.row + core.height, core.column : core.column + core.width] += 1
    assert (covered == 1).all()
    assert len({window[2:] for window, _ in windows}) == 1
    assert tiling.count(height, width) == len(windows)


@settings(deadline=None, max_examples=100)
@given(
    block=st.integers(1, 60), padding=st.integers(0, 20), height=st.integers(1, 200),
    width=st.integers(1, 200),
)  # fmt: skip
def test_blocks_of_an_anchored_tiling_count_from_the_corner(
    block: int, padding: int, height: int, width: int
) -> None:
    side = block + 2 * padding
    tiling = Tiling(
        height=side, width=side, padding=padding, margin=padding, fixed=True, anchored=True
    )
    expected = [
        (row - padding, column - padding, side, side)
        for row in range(0, height, block)
        for column in range(0, width, block)
    ]
    assert [tuple(window) for window, _ in tiling.windows(height, width)] == expected


def test_spans_of_a_known_axis() -> None:
    assert [tuple(span) for span in spans(21, 22, 12, 2)] == [
        (0, 12, 0, 10),
        (8, 20, 10, 18),
        (10, 22, 18, 21),
    ]


def test_a_small_raster_is_one_window_of_its_own_size() -> None:
    tiling = Tiling(height=64, width=64, padding=8, stride=4)
    assert list(tiling.windows(13, 30)) == [(Window(0, 0, 16, 32), Window(0, 0, 13, 30))]


def test_a_small_raster_fills_a_fixed_window() -> None:
    tiling = Tiling(height=64, width=64, padding=8, stride=4, fixed=True)
    assert list(tiling.windows(13, 70)) == [
        (Window(0, 0, 64, 64), Window(0, 0, 13, 56)),
        (Window(0, 8, 64, 64), Window(0, 56, 13, 14)),
    ]


@pytest.mark.parametrize(
    ("tiling", "numbers"),
    [
        ({"height": 32, "width": 32, "padding": 16}, ["16", "32 x 32"]),
        ({"height": 64, "width": 20, "padding": 10}, ["10", "64 x 20"]),
        ({"height": 30, "width": 32, "padding": 8, "margin": 9}, ["padding 8", "9 pixels"]),
        ({"height": 30, "width": 32, "padding": 8, "stride": 4}, ["height 30", "stride 4"]),
        ({"height": 32, "width": 33, "padding": 8, "stride": 4}, ["width 33", "stride 4"]),
        ({"height": 32, "width": 32, "padding": 6, "stride": 4}, ["padding 6", "stride 4"]),
    ],
)
def test_an_impossible_tiling_is_refused_with_its_numbers(
    tiling: dict[str, int], numbers: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"padding|multiple") as caught:
        Tiling(**tiling)
    assert all(number in str(caught.value) for number in numbers)


@pytest.mark.parametrize(("number", "multiple", "result"), [(0, 4, 0), (1, 4, 4), (8, 4, 8)])
def test_round_up(number: int, multiple: int, result: int) -> None:
    assert round_up(number, multiple) == result
