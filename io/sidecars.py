"""Files beside a class raster that say what its classes are, for programs that look there.

``.tif.aux.xml`` is GDAL's own and read by everything built on it; ``.qml`` is a style that QGIS
takes unasked; ``.tif.vat.dbf`` is the attribute table of ArcGIS.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, tostring

from ..catalog.errors import OutputError, UsageError
from ..catalog.records import ClassDefinition
from ..catalog.xml_text import xml_text
from .class_table import add_classes
from .dbf import DbfField, dbf_bytes
from .publish import temporary_name

AUX, QML, VAT, CPG = ".tif.aux.xml", ".qml", ".tif.vat.dbf", ".tif.vat.cpg"
TAG = "PIXELCAT_BESIDE"
"""Of class rasters: what is to lie beside them."""
SUFFIXES = (AUX, QML, VAT, CPG)
"""All that may lie beside ``<name>.tif``, as ``<name><suffix>``."""
CHOICES = ("auto", "all", "none")
"""``auto``: all for a raster with a place on the ground, the first alone for a photo's."""
_LONGEST_INTEGER = 9
"""Digits of a dBASE number that programs take for an integer; longer ones become real numbers."""
_VAT_FIELDS = (
    DbfField("Count", 18),
    DbfField("Class_Name", 254, is_text=True),
    DbfField("Red", 3),
    DbfField("Green", 3),
    DbfField("Blue", 3),
)


def checked_choice(choice: str) -> str:
    """Return one of :data:`CHOICES`.

    Raises:
        UsageError: It is none.
    """
    if choice not in CHOICES:
        raise UsageError(f"sidecars {choice!r}: give one of {', '.join(CHOICES)}")
    return choice


def chosen(choice: str, classes: Sequence[ClassDefinition], *, placed: bool) -> tuple[str, ...]:
    """Return which files lie beside a class raster.

    Args:
        choice: Of :data:`CHOICES`.
        classes: Those of the raster.
        placed: Whether it has a place on the ground.
    """
    if choice == "none":
        return ()
    if not placed and choice == "auto":
        return (AUX,)
    encoding = () if all(each.name.isascii() for each in classes) else (CPG,)
    return (AUX, QML, VAT, *encoding)


def sidecar(raster: Path, suffix: str) -> Path:
    """Return where a file beside a class raster is."""
    return raster.with_name(raster.name.removesuffix(".tif") + suffix)


def beside(raster: Path) -> list[tuple[str, Path]]:
    """Return the files that lie beside a class raster, each with its suffix."""
    paths = [(suffix, sidecar(raster, suffix)) for suffix in SUFFIXES]
    return [(suffix, path) for suffix, path in paths if path.is_file()]


def lost(raster: Path, tags: Mapping[str, str]) -> list[str]:
    """Return the names of files that are to lie beside a class raster and do not.

    Args:
        raster: The class raster.
        tags: Written in it.
    """
    paths = [sidecar(raster, suffix) for suffix in tags.get(TAG, "").split()]
    return [path.name for path in paths if not path.is_file()]


def raster_of(path: Path) -> Path | None:
    """Return the class raster beside which a file lies; None for other files."""
    suffix = next((each for each in SUFFIXES if path.name.endswith(each)), None)
    return None if suffix is None else path.with_name(path.name.removesuffix(suffix) + ".tif")


class Sidecars:
    """The files of one class raster: drafts first, which are published with the raster."""

    def __init__(self, raster: Path, suffixes: Sequence[str]) -> None:
        """Write nothing yet.

        Args:
            raster: The class raster to be.
            suffixes: Which files there are to be.
        """
        self._raster = raster
        self._suffixes = suffixes
        self._drafts: dict[Path, Path] = {}

    def drafts(
        self, classes: Sequence[ClassDefinition], pixels: Mapping[int, int] | None
    ) -> Mapping[Path, Path]:
        """Write the drafts and return the names that they are to have.

        Args:
            classes: What the values mean.
            pixels: How many pixels each value has, where that is known.

        Raises:
            OutputError: The disk refused.
        """
        for suffix, content in _contents(classes, pixels, self._suffixes).items():
            final = sidecar(self._raster, suffix)
            draft = temporary_name(final)
            self._drafts[draft] = final
            try:
                draft.write_bytes(content)
            except OSError as error:
                raise OutputError(f"cannot write {final}: {error.strerror}") from error
        return self._drafts

    def remove_older(self) -> None:
        """Remove what lay beside an older raster of the name and has not been replaced."""
        for _, path in beside(self._raster):
            if path not in self._drafts.values():
                path.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove the drafts that have no other name yet."""
        for draft in self._drafts:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def _contents(
    classes: Sequence[ClassDefinition], pixels: Mapping[int, int] | None, wanted: Sequence[str]
) -> dict[str, bytes]:
    makers: dict[str, Callable[[], bytes]] = {
        AUX: lambda: _aux(classes, pixels),
        QML: lambda: qml(classes),
        VAT: lambda: _vat(classes, pixels or {}),
        CPG: lambda: b"UTF-8",
    }
    return {suffix: makers[suffix]() for suffix in wanted}


def _aux(classes: Sequence[ClassDefinition], pixels: Mapping[int, int] | None) -> bytes:
    root = Element("PAMDataset")
    add_classes(SubElement(root, "PAMRasterBand", band="1"), classes, pixels)
    return tostring(root, encoding="unicode").encode()


def qml(classes: Sequence[ClassDefinition]) -> bytes:
    """Return the style by which QGIS shows a raster of classes, with their names as legend."""
    root = Element("qgis", version="3.22.0", styleCategories="Symbology")
    pipe = SubElement(root, "pipe")
    renderer = SubElement(
        pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1",
        nodataColor="",
    )  # fmt: skip
    SubElement(renderer, "rasterTransparency")
    palette = SubElement(renderer, "colorPalette")
    for each in sorted(classes, key=lambda each: each.value):
        SubElement(
            palette, "paletteEntry", value=str(each.value), label=xml_text(each.name),
            color="#{:02x}{:02x}{:02x}".format(*each.color), alpha="255",
        )  # fmt: skip
    return tostring(root, encoding="unicode").encode()


def _vat(classes: Sequence[ClassDefinition], pixels: Mapping[int, int]) -> bytes:
    digits = max(len(str(each.value)) for each in classes)
    return dbf_bytes(
        [DbfField("Value", max(digits, _LONGEST_INTEGER)), *_VAT_FIELDS],
        [
            (each.value, pixels.get(each.value, 0), each.name, *each.color)
            for each in sorted(classes, key=lambda each: each.value)
        ],
    )
