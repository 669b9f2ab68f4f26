"""What a service is asked for, as a dataset of the catalog."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from ..catalog.errors import ItemError, NotAskedError, SourceError, UsageError
from ..catalog.records import Dataset, Item, Scan
from . import srs
from .grid import Grid
from .probe import probe
from .scan_options import ScanOptions
from .service_grid import extent_in, inside
from .service_raster import ServiceRaster
from .web_credentials import scrubbed

_LONGEST_NAME = 200
_MANY = 10_000_000
"""Pixels that are said in millions."""


class Cut(NamedTuple):
    """One image of a service."""

    key: str
    name: str
    raster: ServiceRaster
    grid: Grid


class Service(NamedTuple):
    """Where it is, and what is said of it."""

    kind: str
    address: str
    """Without secrets; names the layer too."""
    attribution: str = ""
    """Whose the imagery is, as the service says."""


def address_of(text: str, prefixes: Sequence[str] = ()) -> tuple[str, dict[str, str]]:
    """Return the address without its query, and the query by lower-case name.

    Args:
        text: What the user gave.
        prefixes: That may stand before the address, with a colon.
    """
    for prefix in prefixes:
        text = text.removeprefix(f"{prefix}:")
    parts = urlsplit(text)
    query = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")), query


def with_query(address: str, **query: object) -> str:
    """Return an address with a query; values are escaped."""
    told = {name: value for name, value in query.items() if value is not None}
    return f"{address}?{urlencode(told, quote_via=quote)}" if told else address


@contextmanager
def asking(name: str) -> Iterator[None]:
    """Say of which input it is that a service is wrong.

    Raises:
        SourceError: It is.
    """
    try:
        yield
    except NotAskedError:
        raise SourceError(f"{name}: nothing of it lies inside --extent") from None
    except ItemError as error:
        raise SourceError(scrubbed(f"{name}: {error}")) from None


def scan_of(
    service: Service, cuts: Sequence[Cut], options: ScanOptions, *, notes: Sequence[str] = ()
) -> Scan:
    """Return the dataset of a request: one for each extent, so that earlier ones stay.

    Raises:
        UsageError: More pixels than the user allows.
    """
    _check_pixels(service.address, cuts, options)
    said = [*notes]
    attribution = words_of({"": service.attribution}, "")
    if attribution:
        said.append(f"{service.address}: {attribution}")
    facts = {"rasters": json.dumps({cut.key: cut.raster.as_json() for cut in cuts})}
    if attribution:
        facts["attribution"] = attribution
    if said:
        facts["note"] = "; ".join(said)
    dataset = Dataset(
        kind=service.kind,
        uri=f"{service.address}#{_request(cuts, options)}",
        srs=srs.describe(cuts[0].raster.crs),
        options=facts,
    )
    items = (
        probe(
            Item(kind="service", source_key=each.key, name=name_of(each.name) or each.key),
            each.raster,
            claimed=True,
        )
        for each in cuts
    )
    return Scan(dataset=dataset, items=items)


def pixels_in_words(pixels: int) -> str:
    """Return a number of pixels as it is said: to the pixel where it is small."""
    return f"{pixels:,} pixels" if pixels < _MANY else f"{pixels / 1e6:,.0f} million pixels"


def _check_pixels(name: str, cuts: Sequence[Cut], options: ScanOptions) -> None:
    """Refuse a request that nobody may have meant; the pieces that the extent touches count.

    Raises:
        UsageError: It is too large; says by how much.
    """
    requests = pixels = 0
    for each in cuts:
        bounds = extent_in(options, each.raster.crs, name)
        more, larger = each.raster.request.cost(inside(each.grid, bounds))
        requests, pixels = requests + more, pixels + larger
    if pixels > options.max_pixels:
        raise UsageError(
            f"{name}: about {pixels_in_words(pixels)} in {requests:,} request{'s' * (requests > 1)},"
            f" more than --max-pixels {options.max_pixels}; give a smaller --extent, a coarser --cell-size or"
            " --zoom, or a larger --max-pixels if the service's terms allow it"
        )


def _request(cuts: Sequence[Cut], options: ScanOptions) -> str:
    """Tell requests of one service apart, in words as short as that allows."""
    first = cuts[0].grid
    if len(cuts) > 1 or options.mode == "separate":
        asked = None if options.extent is None else options.extent.bounds
        words = [*(asked or ()), first.transform.a, options.where or ""]
    else:
        words = [*first.bounds, first.transform.a]
    return ",".join(f"{word:.10g}" if isinstance(word, float) else str(word) for word in words)


def name_of(text: str) -> str:
    """Return a name that a service gives, in one line, without control characters or secrets."""
    return _printed(scrubbed(text))[:_LONGEST_NAME]


def words_of(said: Mapping[str, object], *names: str) -> str:
    """Return what a service says of its terms, in one line and not too long."""
    texts = (str(said.get(name) or "").strip() for name in names)
    line = " ".join(next((text for text in texts if text), "").split())
    return _printed(scrubbed(re.sub(r"<[^>]+>", "", line)))[:300]


def _printed(text: str) -> str:
    return "".join(each for each in text if each.isprintable())
