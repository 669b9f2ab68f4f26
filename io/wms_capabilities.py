"""The capabilities of a Web Map Service: its layers and what they inherit."""

from collections.abc import Iterator
from typing import NamedTuple
from xml.etree.ElementTree import Element

from ..catalog.errors import ItemError
from .rectangles import Bounds
from .told import number, whole
from .web_errors import local_name

_SHOWN = 20
_DEEPEST = 50


class Layer(NamedTuple):
    """A layer, or several that are drawn together."""

    name: str
    title: str
    systems: tuple[str, ...]
    """Reference systems that it is drawn in, as the service calls them."""
    bounds: Bounds | None
    """In degrees."""
    formats: tuple[str, ...]
    most: int | None
    """Pixels of the longer side of what may be asked for at a time."""
    attribution: str


def version_of(root: Element) -> str:
    """Return the version that the service speaks."""
    return root.get("version", "1.3.0")


def layer_named(root: Element, names: str) -> Layer:
    """Return the layer with a name; of several with commas, what they have in common.

    Raises:
        ItemError: There is none; says which there are.
    """
    known = {text(path[-1], "Name"): path for path in _paths(root) if text(path[-1], "Name")}
    wanted = [name for name in names.split(",") if name]
    missing = [name for name in wanted if name not in known]
    if missing or not wanted:
        listed = ", ".join(list(known)[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
        what = f"has no layer {', '.join(missing)}" if missing else "needs layers=NAME"
        raise ItemError(f"{what}; it has {listed or 'none'}")
    paths = [known[name] for name in wanted]
    systems = [_systems(path) for path in paths]
    service = child(root, "Service")
    return Layer(
        name=",".join(wanted),
        title=", ".join(text(path[-1], "Title") or text(path[-1], "Name") for path in paths),
        systems=tuple(crs for crs in systems[0] if all(crs in other for other in systems)),
        bounds=_bounds(paths[0]) if len(paths) == 1 else None,
        formats=tuple(_formats(root)),
        most=_most(service),
        attribution=_attribution(paths[0], service),
    )


def child(element: Element | None, *names: str) -> Element | None:
    """Return the first descendant along a path of local names."""
    for name in names:
        if element is None:
            return None
        element = next((each for each in element if local_name(each) == name), None)
    return element


def text(element: Element | None, *names: str) -> str:
    """Return the text of such a descendant, in one line; empty where there is none."""
    found = child(element, *names)
    return "" if found is None else " ".join((found.text or "").split())


def _paths(root: Element) -> Iterator[tuple[Element, ...]]:
    """Yield each layer after those that it is in."""

    def below(element: Element, path: tuple[Element, ...]) -> Iterator[tuple[Element, ...]]:
        for each in element:
            if local_name(each) == "Layer":
                if len(path) >= _DEEPEST:
                    raise ItemError(f"has layers in layers, more than {_DEEPEST} deep")
                yield (*path, each)
                yield from below(each, (*path, each))

    capability = child(root, "Capability")
    if capability is None:
        raise ItemError(f"sends no capabilities of a WMS but {local_name(root)}")
    return below(capability, ())


def _systems(path: tuple[Element, ...]) -> list[str]:
    found = [
        name
        for layer in path
        for each in layer
        if local_name(each) in ("CRS", "SRS")
        for name in (each.text or "").split()  # WMS 1.1.0 writes several in one element
    ]
    return list(dict.fromkeys(found))


def _bounds(path: tuple[Element, ...]) -> Bounds | None:
    for layer in reversed(path):
        box = child(layer, "EX_GeographicBoundingBox")
        names = ("westBoundLongitude", "southBoundLatitude", "eastBoundLongitude")
        values = [text(box, name) for name in (*names, "northBoundLatitude")]
        old = child(layer, "LatLonBoundingBox")
        if old is not None:
            values = [old.get(name, "") for name in ("minx", "miny", "maxx", "maxy")]
        try:
            west, south, east, north = (number(value, "a side") for value in values)
        except ItemError:
            continue
        return west, south, east, north
    return None


def _formats(root: Element) -> Iterator[str]:
    request = child(root, "Capability", "Request", "GetMap")
    for each in request if request is not None else ():
        if local_name(each) == "Format":
            yield (each.text or "").strip()


def _most(service: Element | None) -> int | None:
    limits = [text(service, name) for name in ("MaxWidth", "MaxHeight")]
    return min(
        (whole(limit, "MaxWidth or MaxHeight") for limit in limits if limit.strip("0")),
        default=None,
    )


def _attribution(path: tuple[Element, ...], service: Element | None) -> str:
    owner = next((t for layer in reversed(path) if (t := text(layer, "Attribution", "Title"))), "")
    terms = text(service, "AccessConstraints")
    said = [owner, "" if terms.lower() in ("", "none") else terms]
    return "; ".join(each for each in said if each)[:300]
