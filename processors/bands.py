"""Which bands of an image a model takes."""

import re

from ..catalog.errors import ItemError
from ..io.image import Image

_SAME = (
    ("nir", "nearinfrared", "infrared", "nearir", "nearinfrared1"),
    ("swir", "shortwaveinfrared", "shortwaveir", "swir1", "shortwaveinfrared1"),
    ("swir2", "shortwaveinfrared2"),
    ("pan", "panchromatic"),
    ("coastal", "coastalblue", "coastalaerosol"),
    ("gray", "grey"),
)
"""Names of one band, as Esri, GDAL and sensors' handbooks spell them, letters and digits only."""


def is_band(band: object) -> bool:
    """Return whether a value of a definition names a band: an index from 0, or a name."""
    if isinstance(band, str):
        return bool(band.strip())
    return isinstance(band, int) and not isinstance(band, bool) and band >= 0


def band_indexes(image: Image, bands: tuple[int | str, ...]) -> tuple[int, ...]:
    """Return the 0-based indexes of the bands that a model takes of an image.

    Args:
        image: An open image.
        bands: Indexes, or names; case, spaces and signs in names do not matter.

    Raises:
        ItemError: The image lacks one.
    """
    return tuple(_index(image, band) for band in bands)


def _index(image: Image, band: int | str) -> int:
    index = band if isinstance(band, int) else _named(image, band)
    if index >= image.bands:
        raise ItemError(
            f"has {image.bands} band(s), the model takes band {index + 1};"
            " --arg bands=... says which to take, one may be repeated"
        )
    return index


def _named(image: Image, name: str) -> int:
    """Prefer the very name over another word for the band."""
    for known in (_plain, _common):
        names = [known(each) if each else None for each in image.band_names]
        if known(name) in names:
            return names.index(known(name))
    listed = ", ".join(each for each in image.band_names if each) or "without names"
    raise ItemError(f"has no band {name}; its bands are {listed}")


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower()) or name.lower()


def _common(name: str) -> str:
    plain = _plain(name)
    return next((names[0] for names in _SAME if plain in names), plain)
