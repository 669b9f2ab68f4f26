"""Reference systems in text that strangers wrote: PROJ opens any file that some of them name.

So only what is known to be harmless is taken. Grids by a bare name are: PROJ looks for them
among its own.
"""

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

_NAMED = re.compile(
    r"(?:(?:urn:ogc:def:crs:|urn:x-ogc:def:crs:)?(?:EPSG|ESRI|OGC|IGNF|NKG|IAU(?:_\d+)?)[:\w.]*:[\w.]+"
    r"(?:\+\d+)?|https?://www\.opengis\.net/(?:def/crs|gml/srs)/[\w/.]+(?:#\d+)?"
    r"|urn:ogc:def:crs(?:,crs:EPSG:[\w.]*:\d+)+|AUTO2?:[\d.,-]+|WGS84|NAD27|NAD83|CRS84|CRS27|CRS83)?",
    re.IGNORECASE,
)
"""Systems by number or name; ``EPSG:n+m`` has a vertical one, too."""
_WKT = re.compile(
    r"(?:PROJCS|GEOGCS|GEOCCS|COMPD_CS|LOCAL_CS|VERT_CS|VERTCS|BOUNDCRS|COMPOUNDCRS|ENGCRS"
    r"|ENGINEERINGCRS|GEOD(?:ETIC)?CRS|GEOG(?:RAPHIC)?CRS|PROJ(?:ECTED)?CRS|VERT(?:ICAL)?CRS"
    r"|DERIVEDPROJCRS)\s*[\[(]",
    re.IGNORECASE,
)
_NODES = re.compile(r"\b(EXTENSION|PARAMETERFILE)\s*[\[(]", re.IGNORECASE)
_PAIRS = re.compile(
    r"\b(EXTENSION|PARAMETERFILE)\s*[\[(]\s*\"([^\"]*)\"\s*,\s*\"([^\"]*)\"", re.IGNORECASE
)
"""Nodes of WKT with a name and a text, of which PROJ makes parameters or files."""
_PROJ_METHODS = re.compile(r"\b(?:METHOD|PROJECTION)\s*[\[(]\W*PROJ\s([^\"]*)\"", re.IGNORECASE)
_ANY_PROJ_METHODS = re.compile(r"\b(?:METHOD|PROJECTION)\s*[\[(]\W*PROJ\s", re.IGNORECASE)
_PARAMETER = re.compile(r"\s*\+?(\w+)(?:\s*=\s*((?:[\w.,:'@-]|(?<=[eE])\+)+))?(?=[\s+]|$)")
_PARAMETERS = re.compile(
    r"proj|type|datum|ellps|a|b|r|rf|f|es|e|R|units|to_meter|vunits|vto_meter|axis|pm"
    r"|towgs84|title|lat_0|lat_1|lat_2|lat_3|lat_b|lat_t|lat_ts|lon_0|lon_1|lon_2|lon_3"
    r"|lonc|lon_wrap|x_0|y_0|z_0|h_0|k|k_0|alpha|azi|gamma|tilt|h|sweep|zone|south|over"
    r"|geoc|wktext|no_defs|no_off|no_rot|no_uoff|no_cut|guam|rot|theta|approx|algo|ns|bns"
    r"|czech|variant|path|lsat|m|n|q|s|W|M|o_proj|o_lat_p|o_lon_p|o_alpha|o_lon_c|o_lat_c"
    r"|o_lon_1|o_lat_1|o_lon_2|o_lat_2|orient|resolution|aperture|mode|hyperbolic|shape|R_A"
    r"|R_C|R_V|R_a|R_g|R_h|R_lat_a|R_lat_g|UVtoST"
)
"""Parameters of projections and datums that are numbers or words."""
_SUSPECT = re.compile(r"(?:proj|init|grids|file|model)\s*=|\{", re.IGNORECASE)
"""What PROJ strings and JSON have."""
_GRIDS = ("nadgrids", "geoidgrids", "PROJ4_GRIDS")
_BARE = re.compile(r"@?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9]{1,4})?", re.IGNORECASE)
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
    """Return whether a reference system may make PROJ open a file that it names.

    Args:
        text: A name, a PROJ string or WKT; JSON is not taken, it can spell names in too many ways.
    """
    text = text.strip()
    if _NAMED.fullmatch(text):
        return False
    return not (_is_harmless_wkt(text) if _WKT.match(text) else _is_harmless_proj(text))


def suspects(text: str) -> list[str]:
    """Return a text, alone in a list, where it may be a reference system that names files.

    Those of the old kind of ``.prj`` are words and numbers line by line, which name none.
    """
    text = text.lstrip("\ufeff\xef\xbb\xbf \t\r\n")
    return [text] if _WKT.search(text) or _SUSPECT.search(text) else []


def _is_harmless_wkt(text: str) -> bool:
    pairs, methods = _PAIRS.findall(text), _PROJ_METHODS.findall(text)
    return (
        len(pairs) == len(_NODES.findall(text))
        and len(methods) == len(_ANY_PROJ_METHODS.findall(text))
        and all(_is_harmless_pair(*pair) for pair in pairs)
        and all(_is_harmless_proj(f"proj={method}") for method in methods)
    )


def _is_harmless_pair(node: str, name: str, text: str) -> bool:
    if node.upper() == "PARAMETERFILE" or name.upper() == "PROJ4_GRIDS":
        return _are_bare(text)
    return name.upper() == "PROJ4" and _is_harmless_proj(text)


def _is_harmless_proj(text: str) -> bool:
    end = 0
    while end < len(text) and (found := _PARAMETER.match(text, end)):
        if not _is_harmless_parameter(*found.groups("")):
            return False
        end = found.end()
    return not text[end:].strip()


def _is_harmless_parameter(name: str, value: str) -> bool:
    if name in _GRIDS:
        return _are_bare(value)
    if name == "init":
        return bool(re.fullmatch(r"epsg:\d+", value, re.IGNORECASE))
    return _PARAMETERS.fullmatch(name) is not None


def _are_bare(names: str) -> bool:
    return all(_BARE.fullmatch(name) for name in names.split(","))
