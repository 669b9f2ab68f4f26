"""The rows of the catalog as Python objects: frozen, keyword-only, no behaviour but naming."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

ItemStatus = Literal["ready", "skipped", "missing", "unreadable", "unsupported"]
"""``skipped``: not an image and never claimed to be one; ``missing``: the image or the
feature it belongs to is gone; ``unreadable``: claims to be an image, cannot be used;
``unsupported``: an image of a format that needs something installed."""

OutputStatus = Literal["done", "failed", "skipped"]

MOSAIC_KINDS = frozenset(
    [
        *("vrt", "gti", "stac", "web_stac", "folder_mosaic", "esri_mosaic"),
        *("tile_tables", "filegdb_rasters"),
    ]
)
"""Input kinds whose images are rasters of one place; their layer says which of them, and how."""

CodedDomains = Mapping[str, Mapping[str, str]]
"""Name of a domain → code, as text → what it means."""

SqlValue = str | int | float | bytes | None
"""What SQLite stores, and what a source attribute is turned into."""

Reprojection = Callable[[str, str], Callable[[bytes], bytes]]
"""WKT of two reference systems → what brings WKB from the first to the second; both raise
ValueError where there is no way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Srs:
    """A spatial reference system as a GeoPackage describes it."""

    organization: str
    """Who numbered it, e.g. ``EPSG``; ``NONE`` for a system without a number."""
    code: int
    """The number at that organization, e.g. 32621."""
    name: str
    definition: str
    """WKT."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One attribute column of a source feature class."""

    name: str
    sql_type: str
    """A GeoPackage column type: ``TEXT(50)``, ``MEDIUMINT``, ``DOUBLE``, ``DATE``, ..."""
    alias: str | None = None
    """The name that people know the column by; None where it says nothing more."""
    domain: str | None = None
    """The domain of its values; :attr:`Dataset.domains` has the codes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """What was given: a raster file, a folder, or a feature class with attachments."""

    kind: str
    """The input kind: the name of a module in :mod:`pixelcat.io.sources`."""
    uri: str
    """Absolute path of the file or folder. Never holds secrets."""
    layer: str = ""
    """The feature class; empty for files and folders. Of a mosaic its mode and selection."""
    attachment_table: str | None = None
    key_field: str | None = None
    """The column of the attachment table that names the feature."""
    driver: str | None = None
    srs: Srs | None = None
    geometry_type: str | None = None
    """GeoPackage geometry type name of the layer; None for a table without geometry."""
    has_z: bool = False
    columns: tuple[Column, ...] = ()
    """The source's own attribute columns, in their order."""
    domains: CodedDomains = field(default_factory=dict)
    """What the codes in these columns mean."""
    options: Mapping[str, str] = field(default_factory=dict)
    """What the source needs to know when it fetches images: folders, columns."""
    fingerprint: str | None = None
    """Changes whenever the source may have changed; None where that cannot be told cheaply."""
    id: int | None = None

    @property
    def is_feature_class(self) -> bool:
        """Whether images of this dataset belong to features."""
        if self.kind in MOSAIC_KINDS:
            return False
        return bool(self.layer) or self.geometry_type is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One feature of a source feature class."""

    source_fid: int
    """The key of the row in its source (OBJECTID, fid)."""
    global_id: str | None = None
    """Upper case, without braces."""
    geometry: bytes | None = None
    """WKB in the reference system of the dataset."""
    location: bytes | None = None
    """WKB of the same geometry in EPSG:4326; None where the dataset has no system."""
    attributes: Mapping[str, SqlValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One image: a file, an attachment, a mosaic or a member of one, whatever its state."""

    kind: Literal["file", "attachment", "member", "mosaic", "service"]
    source_key: str
    """What names the image within its dataset: a relative path, or a row key."""
    name: str
    """The name people know the image by; may repeat within a dataset."""
    status: ItemStatus = "ready"
    reason: str | None = None
    keywords: str | None = None
    """Of an attachment: what its form says of it, such as the question that it answers."""
    global_id: str | None = None
    """Of the attachment's own row, upper case, without braces."""
    declared_type: str | None = None
    content_type: str | None = None
    """Media type told from the bytes, not from the name."""
    byte_size: int | None = None
    sha256: str | None = None
    """Of the encoded bytes, lower-case hex."""
    width: int | None = None
    height: int | None = None
    """Pixels, after the EXIF orientation is applied."""
    bands: int | None = None
    dtype: str | None = None
    orientation: int | None = None
    """EXIF orientation 1 to 8 as stored; None where there is none."""
    taken_at: str | None = None
    lon: float | None = None
    lat: float | None = None
    direction: float | None = None
    """Where the camera looked, degrees clockwise from north."""
    srs: Srs | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    """Affine coefficients a, b, c, d, e, f of pixel (column, row) to map (x, y)."""
    footprint: bytes | None = None
    """WKB polygon in EPSG:4326; None for an image without georeference."""
    feature_keys: tuple[str, ...] = ()
    """Values of the dataset's key: the features this image belongs to."""
    id: int | None = None
    dataset_id: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """One dataset with its features and items, both read lazily and once."""

    dataset: Dataset
    features: Iterable[Feature] = ()
    items: Iterable[Item] = ()
    links_by: Literal["source_fid", "global_id"] = "source_fid"
    """What ``Item.feature_keys`` holds."""
    points: bool = False
    """Whether images with a position of their own become point features."""
    elsewhere: Iterable[tuple[str, str]] = ()
    """Keys of images that other layers of the source have, each with its layer; read only
    where an earlier scan found images here that this one did not."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassDefinition:
    """One class of a model: the number in the class raster and what it means."""

    value: int
    name: str
    color: tuple[int, int, int]
    """Red, green, blue, each 0 to 255."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassStat:
    """How much of one classified image is one class."""

    value: int
    name: str
    pixels: int
    fraction: float
    """Of the valid pixels, 0 to 1."""
    area_m2: float | None
    """None where the image has no ground scale."""
    mean_confidence: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtraRaster:
    """A raster of fractions beside a class raster, with the same pixels."""

    kind: str
    """``confidence``, ``probabilities`` or ``entropy``."""
    raster_path: str
    """Relative to the folder of the catalog."""
    sha256: str
    data_type: str
    """``uint8``, fractions times 254 and 255 for NoData; or ``float32``, NaN for NoData."""
    bands: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """What a run made of one item."""

    item_id: int
    status: OutputStatus
    item_sha256: str | None = None
    """Hash of the bytes that were classified: a changed image is classified anew."""
    reason: str | None = None
    raster_path: str | None = None
    """Class raster, relative to the folder of the catalog."""
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    valid_pixels: int | None = None
    seconds: float | None = None
    stats: tuple[ClassStat, ...] = ()
    extras: tuple[ExtraRaster, ...] = ()

    @property
    def dominant(self) -> ClassStat | None:
        """The class with most pixels; the lower class value wins a tie."""
        return max(self.stats, key=lambda s: (s.pixels, -s.value), default=None)

    @property
    def mean_confidence(self) -> float | None:
        """Mean over all valid pixels, 0 to 1."""
        known = [s for s in self.stats if s.mean_confidence is not None]
        if not self.valid_pixels or not known:
            return None
        return sum((s.mean_confidence or 0.0) * s.pixels for s in known) / self.valid_pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """Finished class rasters compared with classes computed anew."""

    windows: int
    pixels: int
    differ: int
    """Pixels with another class, or with a class in one of the two only."""
    close: int
    """Pixels with another class whose scores are too close to tell, not among ``differ``."""
    item_id: int | None = None
    """The image of the first difference, and where in its class raster it is, from 0."""
    pixel_row: int | None = None
    pixel_column: int | None = None
