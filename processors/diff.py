"""``diff()``: what another run says of the same images, pixel by pixel."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..catalog import query as catalog_query
from ..catalog.errors import ItemError, OutputError
from ..catalog.listed_rasters import listed_raster
from ..catalog.records import ClassDefinition
from ..catalog.run_numbers import check_run
from ..io.change_raster import ChangeWriter, new_folder
from ..io.class_raster_in import ClassHeader, read_classes, read_header
from ..io.image import Window
from ..io.names import safe_stem
from ..io.srs import pixel_area
from .class_mosaic import CLASSES, class_definitions

NODATA = "NoData"
_ROWS = 512
_ITEMS = """
SELECT i.id AS item_id, i.name AS image_name, i.source_key, o.status AS one, p.status AS other,
  o.raster_path AS one_path, p.raster_path AS other_path, o.reason AS one_reason,
  p.reason AS other_reason
FROM items i LEFT JOIN outputs o ON o.item_id = i.id AND o.run_id = :one
  LEFT JOIN outputs p ON p.item_id = i.id AND p.run_id = :other
WHERE o.id IS NOT NULL OR p.id IS NOT NULL ORDER BY i.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Diff:
    """How two runs differ."""

    items: list[dict[str, Any]] = field(default_factory=list)
    """A row per image: pixels that stayed and changed, or why it is not compared."""
    classes: list[dict[str, Any]] = field(default_factory=list)
    """A row per class: pixels in each run, those that stayed, came and went; and m²."""
    transitions: list[dict[str, Any]] = field(default_factory=list)
    """A row per image and pair of classes: what was, what is, pixels and m²."""
    rasters: int = 0
    """Change rasters that were written."""

    @property
    def not_compared(self) -> int:
        """How many images are not compared."""
        return sum(row["reason"] is not None for row in self.items)


def diff(
    catalog: str | os.PathLike[str],
    one: int,
    other: int,
    *,
    raster: str | os.PathLike[str] | None = None,
) -> Diff:
    """Compare two runs image by image. Classes are the same where their names are.

    Args:
        catalog: The catalog.
        one: The number of the earlier run.
        other: That of the later one; it may be of another model.
        raster: A new folder for a change raster per image; see :mod:`pixelcat.io.change_raster`.

    Raises:
        UsageError: There is no such run, or the folder is there already.
        SourceError: The catalog is not there.
        OutputError: The disk refused.
    """
    path = Path(catalog).resolve()
    runs = [_classes(path, run) for run in (one, other)]
    listed = catalog_query.query(path, _ITEMS, {"one": one, "other": other}).dicts()
    result = Diff()
    if raster is None:
        _compare_all(path.parent, listed, runs, (one, other), result, None)
        return result
    with new_folder(Path(raster)) as folder:
        done = _compare_all(path.parent, listed, runs, (one, other), result, folder)
    return Diff(
        items=result.items, classes=result.classes, transitions=result.transitions, rasters=done
    )


def _classes(catalog: Path, run: int) -> list[ClassDefinition]:
    check_run(catalog, run)
    return class_definitions(catalog_query.query(catalog, CLASSES, (run,)).dicts())


def _compare_all(
    folder: Path,
    listed: Sequence[Mapping[str, Any]],
    runs: Sequence[Sequence[ClassDefinition]],
    numbers: tuple[int, int],
    result: Diff,
    rasters: Path | None,
) -> int:
    """Fill a result, and write change rasters; return how many."""
    names = [[each.name for each in classes] + [NODATA] for classes in runs]
    total = np.zeros((2, len(names[0]), len(names[1])))
    is_metric, done = True, 0
    for row in listed:
        reason = _not_both(row, numbers)
        counted = None
        if reason is None:
            counted = _compare(folder, row, runs, rasters)
            reason = counted if isinstance(counted, str) else None
        if reason is not None or counted is None or isinstance(counted, str):
            result.items.append(_item(row, None, names, reason))
            continue
        done += 1
        pixels, area = counted
        total[0] += pixels
        total[1] += 0 if area is None else area
        is_metric &= area is not None
        result.items.append(_item(row, pixels, names, None))
        result.transitions.extend(_transitions(row, pixels, area, names))
    result.classes.extend(_class_rows(total[0], total[1] if is_metric and done else None, names))
    return done if rasters is not None else 0


def _not_both(row: Mapping[str, Any], numbers: tuple[int, int]) -> str | None:
    """Return why an image has not two class rasters; None where it has."""
    one, other = numbers
    for key, number, away in (("one", one, other), ("other", other, one)):
        if row[key] is None:
            return f"only in run {away}"
        if row[key] != "done":
            return f"{row[key]} in run {number}: {row[f'{key}_reason']}"
    return None


def _compare(
    folder: Path,
    row: Mapping[str, Any],
    runs: Sequence[Sequence[ClassDefinition]],
    rasters: Path | None,
) -> tuple[NDArray[Any], NDArray[Any] | None] | str:
    """Return pixels and m² of each pair of classes; or why they cannot be compared."""
    try:
        paths = [listed_raster(folder, row[f"{key}_path"]) for key in ("one", "other")]
        headers = [read_header(path) for path in paths]
        different = _different(*headers)
        if different is not None:
            return different
        if rasters is None:
            return _counted(paths, headers[0], runs, None)
        target = rasters / f"{row['item_id']}_{safe_stem(row['image_name'])}.tif"
        writer = ChangeWriter(target, headers[0], runs)
    except (ItemError, OutputError) as error:
        return str(error)
    try:
        found = _counted(paths, headers[0], runs, writer)
        writer.finish()
    except OutputError as error:
        writer.abandon()
        return str(error)
    return found


def _different(one: ClassHeader, other: ClassHeader) -> str | None:
    if (one.width, one.height) != (other.width, other.height):
        return (
            f"{one.width} x {one.height} pixels in one run, {other.width} x {other.height} in the"
            " other: not compared"
        )
    if one.crs != other.crs or not np.allclose(
        [*one.transform], [*other.transform], rtol=1e-9, atol=0
    ):
        return "lies on different grids in the two runs: not compared"
    return None


def _counted(
    paths: Sequence[Path],
    header: ClassHeader,
    runs: Sequence[Sequence[ClassDefinition]],
    writer: ChangeWriter | None,
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    sizes = [len(classes) + 1 for classes in runs]
    area = pixel_area(header.transform if header.crs else None, header.crs)
    pixels = np.zeros(sizes)
    metres = np.zeros(sizes)
    for window in _strips(header):
        one, other = (
            _places(path, window, classes) for path, classes in zip(paths, runs, strict=True)
        )
        pairs = one * sizes[1] + other
        pixels += np.bincount(pairs.ravel(), minlength=pixels.size).reshape(sizes)
        if area is not None:
            rows = np.array([area(row) for row in range(window.row, window.row + window.height)])
            weights = np.repeat(rows, window.width)
            metres += np.bincount(pairs.ravel(), weights, pixels.size).reshape(sizes)
        if writer is not None:
            writer.write_rows(one, other)
    return pixels, metres if area is not None else None


def _strips(header: ClassHeader) -> Iterator[Window]:
    for top in range(0, header.height, _ROWS):
        yield Window(top, 0, min(_ROWS, header.height - top), header.width)


def _places(path: Path, window: Window, classes: Sequence[ClassDefinition]) -> NDArray[np.int64]:
    """Return the place of the class of each pixel in the list, and behind it for NoData."""
    found, nodata = read_classes(path, window)
    values = np.array([each.value for each in classes], np.int64)
    places = np.clip(np.searchsorted(values, found), 0, len(values) - 1)
    strange = (found != nodata) & (values[places] != found)
    if strange.any():
        raise OutputError(f"{path} has the value {found[strange][0]}, which is no class of its run")
    return np.where(found == nodata, len(values), places)


def _same(names: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """Return which pairs of classes have one name."""
    same: NDArray[np.bool_] = np.array([[a == b for b in names[1]] for a in names[0]])
    return same


def _item(
    row: Mapping[str, Any],
    pixels: NDArray[Any] | None,
    names: Sequence[Sequence[str]],
    reason: str | None,
) -> dict[str, Any]:
    known = {"item_id": row["item_id"], "image_name": row["image_name"]}
    if pixels is None:
        blank = dict.fromkeys(("pixels", "stayed", "changed", "changed_share"))
        return {**known, **blank, "reason": reason}
    count = int(pixels.sum() - pixels[-1, -1])
    stayed = int(pixels[_same(names)].sum() - pixels[-1, -1])
    share = (count - stayed) / count if count else 0.0
    return {
        **known, "pixels": count, "stayed": stayed, "changed": count - stayed,
        "changed_share": share, "reason": None,
    }  # fmt: skip


def _transitions(
    row: Mapping[str, Any],
    pixels: NDArray[Any],
    area: NDArray[Any] | None,
    names: Sequence[Sequence[str]],
) -> list[dict[str, Any]]:
    return [
        {
            "item_id": row["item_id"],
            "image_name": row["image_name"],
            "from_class": names[0][one],
            "to_class": names[1][other],
            "pixels": int(pixels[one, other]),
            "area_m2": None if area is None else float(area[one, other]),
        }
        for one, other in np.argwhere(pixels > 0).tolist()
        if (one, other) != (len(names[0]) - 1, len(names[1]) - 1)
    ]


def _class_rows(
    pixels: NDArray[Any], area: NDArray[Any] | None, names: Sequence[Sequence[str]]
) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys([*names[0][:-1], *names[1][:-1], NODATA]):
        one = np.array([each == name for each in names[0]])
        other = np.array([each == name for each in names[1]])
        stayed = pixels[np.ix_(one, other)].sum()
        before, after = pixels[one].sum(), pixels[:, other].sum()
        metres: list[float | None] = [None, None]
        if area is not None:
            metres = [float(area[one].sum()), float(area[:, other].sum())]
        rows.append(
            {
                "class_name": name,
                "before": int(before),
                "after": int(after),
                "stayed": int(stayed),
                "lost": int(before - stayed),
                "gained": int(after - stayed),
                "before_m2": metres[0],
                "after_m2": metres[1],
            }
        )
    return rows
