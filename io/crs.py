"""Reference systems and ways between them, as PROJ has them: of no text that names files."""

from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from .srs_text import names_files, suspects


def crs_of(definition: str | CRS) -> CRS:
    """Return a reference system.

    Args:
        definition: WKT, ``EPSG:n`` or whatever else PROJ knows; one that is made already.

    Raises:
        CRSError: There is none, or PROJ would open files that it names.
    """
    if isinstance(definition, CRS):
        return definition
    if any(map(names_files, suspects(definition))):
        raise CRSError(f"{definition[:80]!r} names files, which is not taken")
    return CRS.from_user_input(definition)


def transformer(source: str | CRS, target: str | CRS) -> Transformer:
    """Return what brings coordinates, x first, from one reference system to another.

    Raises:
        CRSError: One is none, or PROJ would open files that it names.
        ProjError: There is no way.
    """
    return Transformer.from_crs(crs_of(source), crs_of(target), always_xy=True)
