"""Reference systems in text that strangers wrote: PROJ opens any file that some of them name."""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

_NAMES_FILES = re.compile(
    r"(?:nadgrids|grids|geoidgrids|file|catalog)\s*=(?!\s*@null(?:[\s\"']|$))"
    r"|\binit\s*=(?!\s*epsg:\d)|proj\s*=\s*pipeline|PARAMETERFILE|\"BoundCRS\"",
    re.IGNORECASE,
)
"""Web Mercator has ``+nadgrids=@null``, which is no file."""
_SYSTEMS = ("srs", "sourcesrs", "targetsrs")


def systems_in(root: Element) -> Iterator[str]:
    """Yield the reference systems of a VRT or ``.aux.xml``, spelt in any case."""
    for element in root.iter():
        if str(element.tag).lower() in _SYSTEMS:
            yield "".join(element.itertext())
        for name, value in element.attrib.items():
            if name.lower() in ("projection", *_SYSTEMS):
                yield value
        for child in element:
            if str(child.tag).lower() == "projection":  # GDAL takes attributes for children
                yield "".join(child.itertext())


def names_files(text: str) -> bool:
    """Return whether a reference system may make PROJ open a file that it names."""
    return bool(_NAMES_FILES.search(text))
