"""The class map of one image, put together from the cores of its windows."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from ..catalog.errors import ItemError
from ..catalog.records import ClassStat, Item, Output
from ..io.control import control_of
from ..io.grid import Grid
from ..io.image import Image, Window
from ..io.map_system import MapSystem
from ..io.part import Part
from ..io.raster_out import ClassRasterFile, ClassRasterSpec, ClassRasterWriter
from ..io.srs import pixel_area
from .classifier import Classifier
from .extra_maps import ExtraMaps
from .tally import counted, marked, pixels_and_confidence, pixels_by_row

_ROWS = 128
"""Rows looked at together: few enough to stay in a processor's cache."""


class ClassMap:
    """Collects cores, writes finished rows, counts classes.

    Cores may come in any order within an image; rows are written from top to bottom as
    soon as all cores of a row of windows are there, so memory holds a few such rows.
    """

    def __init__(
        self,
        image: Image,
        classifier: Classifier,
        file: ClassRasterFile,
        *,
        part: Part | None = None,
        shown_as: Image | None = None,
        map_system: MapSystem | None = None,
    ) -> None:
        """Start the map of an open image.

        Args:
            image: What the model is fed.
            classifier: The model.
            file: Where the class raster goes, and what is said in it.
            part: What of the image is asked for; default all.
            shown_as: The image that has the size of the class raster; default the part. Its
                pixels take the nearest class.
            map_system: The reference system of the class raster where it is not the image's.

        Raises:
            ItemError: The class raster cannot be brought there, or is too large for a file.
        """
        self._classes = classifier.classes
        self._gives_confidence = classifier.gives_confidence
        self.size = (image.height, image.width)
        """Height and width of the image in pixels."""
        part = part or Part.whole(image)
        self.part = part.window
        """What of the image the class raster shows."""
        self._is_masked = bool(part.limits)
        sized = shown_as or self.part
        height, width = sized.height, sized.width
        self._enlarge = (
            None
            if (height, width) == self.size
            else (
                self.part.row + _nearest(self.part.height, height),
                self.part.column + _nearest(self.part.width, width),
            )
        )
        transform = image.transform and image.transform @ Affine.translation(
            self.part.column, self.part.row
        )
        self._spec = ClassRasterSpec(
            width=width,
            height=height,
            classes=classifier.classes,
            transform=transform,
            crs=image.crs,
            control=control_of(shown_as or image),
            tags=file.tags,
            sidecars=file.sidecars,
        )
        if map_system is not None and transform is not None:
            own = Grid(transform=transform, width=width, height=height, crs=image.crs)
            self._spec = replace(self._spec, moved_to=map_system.destination(own))
        self._spec.check()
        self._path = file.path
        self._extras = ExtraMaps(classifier.extras, file.path, self._spec)
        self._writer: ClassRasterWriter | None = None
        self._strips: dict[int, NDArray[Any]] = {}
        self._missing: dict[int, int] = {}
        """Pixels still missing in each strip, by its first row."""
        self._next_row = 0
        self._counts = np.zeros(len(self._classes), np.int64)
        self._confidence = np.zeros(len(self._classes), np.float64)
        self._areas = np.zeros(len(self._classes), np.float64)
        self._pixel_area = pixel_area(transform, image.crs)

    @property
    def pixels(self) -> int:
        """How many pixels are fed to the model, those that only help their neighbours apart."""
        return self.part.height * self.part.width

    @property
    def is_complete(self) -> bool:
        """Whether every row is there."""
        return self._next_row == self._spec.height

    def add(
        self,
        core: Window,
        valid: NDArray[np.bool_],
        index: NDArray[Any] | None,
        confidence: NDArray[np.float32] | None,
        extras: tuple[NDArray[Any], ...] = (),
    ) -> None:
        """Add the answer for one core.

        Args:
            core: Where it lies.
            valid: Shape (height, width); only these pixels get a class.
            index: Class positions, None where no pixel is valid.
            confidence: 0 to 1.
            extras: One for each raster beside the class map, shape (height, width, bands).

        Raises:
            ItemError: The network gave scores that are not finite.
            OutputError: The disk refused.
        """
        core, (valid, index, confidence, *more) = self.shown(
            core, (valid, index, confidence, *extras)
        )
        if not core.height or not core.width:
            return  # a core that no pixel of the class raster falls into
        strip = self._strip(core)
        if index is not None and confidence is not None:
            confidence = self._checked(valid, confidence)
            part = strip[:, core.column : core.column + core.width]
            for top in range(0, core.height, _ROWS):
                rows = slice(top, top + _ROWS)
                marks = marked(index[rows], valid[rows], len(self._classes))
                self._count(core.row + top, marks, confidence[rows])
                part[rows] = self._values.take(marks)
            self._extras.add(core, valid, more)
        self._missing[core.row] -= core.height * core.width
        self._write_complete_rows()

    def shown(self, core: Window, arrays: tuple[NDArray[Any] | None, ...]) -> tuple[Window, Any]:
        """Return a core and its arrays (height, width, ...) in the pixels of the class raster."""
        return (core, arrays) if self._enlarge is None else _enlarged(core, self._enlarge, arrays)

    def _strip(self, core: Window) -> NDArray[Any]:
        if self._writer is None:
            self._writer = ClassRasterWriter(self._path, self._spec)
            values = [*(each.value for each in self._classes), self._writer.nodata]
            self._values = np.array(values, self._writer.dtype)
            self._extras.begin()
        if core.row not in self._strips:
            self._strips[core.row] = np.full(
                (core.height, self._spec.width), self._writer.nodata, self._writer.dtype
            )
            self._extras.add_strip(core.row, core.height)
            self._missing[core.row] = core.height * self._spec.width
        return self._strips[core.row]

    def _checked(
        self, valid: NDArray[np.bool_], confidence: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Return the confidence with 0 where there is no class: nothing of it is infinite."""
        if np.isfinite(confidence.sum()):
            return confidence
        bad = np.count_nonzero(valid & ~np.isfinite(confidence))
        if bad:
            what = "scores that are not finite" if self._gives_confidence else "unlisted classes"
            raise ItemError(f"the model gave {what} in {bad} pixels")
        return np.where(valid, confidence, np.float32(0))

    def _count(self, top: int, marks: NDArray[Any], confidence: NDArray[np.float32]) -> None:
        size = len(self._classes)
        counts, sums = pixels_and_confidence(marks, confidence, size)
        self._counts += counts
        self._confidence += sums
        if self._pixel_area is None:
            return
        areas = np.array([self._pixel_area(top + row) for row in range(len(marks))])
        if (areas == areas[0]).all():
            self._areas += areas[0] * counts
        else:
            self._areas += areas @ pixels_by_row(marks, size)

    def _write_complete_rows(self) -> None:
        while self._missing.get(self._next_row) == 0 and self._writer is not None:
            strip = self._strips.pop(self._next_row)
            del self._missing[self._next_row]
            self._writer.write_rows(strip)
            self._extras.write_strip(self._next_row)
            self._next_row += len(strip)

    def finish(self, item: Item, raster_path: str, started: float) -> Output:
        """Publish the class raster and return the output of the item.

        Args:
            item: The item, from the catalog.
            raster_path: What the catalog is to remember as the place of the raster.
            started: ``time.monotonic()`` when the image was opened.

        Raises:
            OutputError: The disk refused.
        """
        if item.id is None:
            raise ValueError("an output needs an item of the catalog")
        self._count_moved()
        total = int(self._counts.sum())
        if not total or self._writer is None:
            self.abandon()
            return Output(
                item_id=item.id,
                status="skipped",
                reason="no valid pixels: every pixel is NoData"
                + (" or outside the mask" if self._is_masked else ""),
                item_sha256=item.sha256,
            )
        extras = self._extras.finish(raster_path)
        counted = zip(self._classes, self._counts, strict=True)
        digest = self._writer.finish({each.value: int(count) for each, count in counted})
        height, width = self._spec.size
        return Output(
            item_id=item.id,
            status="done",
            item_sha256=item.sha256,
            raster_path=raster_path,
            sha256=digest,
            width=width,
            height=height,
            valid_pixels=total,
            seconds=time.monotonic() - started,
            stats=self._stats(total),
            extras=extras,
        )

    def _count_moved(self) -> None:
        """Count what is shown where the class raster is brought to another grid.

        A class is as sure there as it was where it was chosen.
        """
        if self._writer is None or self._spec.moved_to is None or not self._counts.any():
            return
        grid = self._spec.moved_to.grid
        self._pixel_area = pixel_area(grid.transform, grid.crs)
        sure = self._confidence / np.maximum(self._counts, 1)
        self._counts, self._areas = counted(
            self._writer.moved_rows(), self._values, self._pixel_area
        )
        self._confidence = sure * self._counts

    def _stats(self, total: int) -> tuple[ClassStat, ...]:
        return tuple(
            ClassStat(
                value=each.value,
                name=each.name,
                pixels=int(count),
                fraction=int(count) / total,
                area_m2=float(area) if self._pixel_area is not None else None,
                mean_confidence=float(confidence) / int(count)
                if count and self._gives_confidence
                else None,
            )
            for each, count, confidence, area in zip(
                self._classes, self._counts, self._confidence, self._areas, strict=True
            )
        )

    def abandon(self) -> None:
        """Remove what was written so far."""
        if self._writer is not None:
            self._writer.abandon()
        self._extras.abandon()


def _nearest(length: int, shown: int) -> NDArray[np.int64]:
    """Return which of ``length`` pixels each of ``shown`` pixels falls into, by its middle."""
    return ((2 * np.arange(shown) + 1) * length) // (2 * shown)


def _enlarged(
    core: Window,
    places: tuple[NDArray[np.int64], NDArray[np.int64]],
    arrays: tuple[NDArray[Any] | None, ...],
) -> tuple[Window, Any]:
    """Return a core and its arrays (height, width, ...) in the pixels of the class raster."""
    rows, columns = places
    top, bottom = np.searchsorted(rows, (core.row, core.row + core.height))
    left, right = np.searchsorted(columns, (core.column, core.column + core.width))
    taken = np.ix_(rows[top:bottom] - core.row, columns[left:right] - core.column)
    larger = tuple(None if array is None else array[taken] for array in arrays)
    return Window(int(top), int(left), int(bottom - top), int(right - left)), larger
