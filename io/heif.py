"""HEIC and AVIF, the formats of recent phones: what decodes them where it is installed."""

from functools import cache

from PIL import features

from ..catalog.errors import UnsupportedError


def pillow_formats(media_type: str) -> tuple[str, ...]:
    """Return the Pillow decoders for ``image/heic`` or ``image/avif``.

    Raises:
        UnsupportedError: There is none; says what to install.
    """
    if media_type == "image/avif":
        if not features.check("avif"):
            raise UnsupportedError("AVIF: this Pillow cannot decode it; pip install -U pillow")
        return ("AVIF",)
    _register_heic()
    return ("HEIF",)


@cache
def _register_heic() -> None:
    """Make Pillow know HEIC; it turns pictures upright itself and says so in their EXIF."""
    try:
        import pillow_heif
    except ImportError:
        raise UnsupportedError("HEIC: pip install 'pixelcat[heic]' to read it") from None
    pillow_heif.register_heif_opener()
