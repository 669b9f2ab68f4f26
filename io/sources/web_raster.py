"""A raster file in the web, such as a COG: GDAL reads the parts of it that are needed.

GDAL, redirected to another host, takes along every header but ``Authorization`` and ``Cookie``, and
has no setting against it: other credentials are refused here.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from ...catalog.errors import ItemError, SourceError
from ...catalog.records import Dataset, Item, Scan
from ..addresses import is_address
from ..image import Image, RasterArray, Window
from ..probe import probe
from ..raster import GdalName, Raster
from ..scan_options import ScanOptions
from ..service_scan import asking
from ..sniff import GDAL_DRIVERS, HEAD_BYTES, content_type, describe
from ..view import View
from ..web import Answer, ask, check_host, gdal_options, shown
from ..web_credentials import check_for_gdal, scrubbed
from ..web_gdal import status_in

KIND = "web_raster"

_SIGNS = ("etag", "last-modified", "content-length", "content-range")
"""Headers that change with a file."""


def matches(text: str) -> bool:
    """Return True for an address that no service wants."""
    return is_address(text)


def scan(text: str, options: ScanOptions) -> Iterator[Scan]:
    """Yield the file as a dataset of one item."""
    if options.layer is not None:
        raise SourceError(f"{text} is an image and has no layers; leave out --layer")
    with asking(text):
        check_for_gdal()
        _driver(ask(text, first=HEAD_BYTES))
        name = PurePosixPath(urlsplit(text).path).name or "raster"
        item = probe(
            Item(kind="service", source_key=name, name=name), WebRaster(text, text), claimed=True
        )
        if item.status != "ready":
            raise ItemError(item.reason or "cannot be read")
        yield Scan(dataset=Dataset(kind=KIND, uri=text), items=[item])


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], "WebRaster"]]:
    """Fetch a reference to the file."""
    yield lambda _: WebRaster(dataset.uri, dataset.uri)


@dataclass(frozen=True, slots=True)
class WebRaster:
    """A reference to such a file."""

    url: str
    given: str
    """The address that the user gave: credentials are for its host."""

    def open(self) -> Image:
        """Open it by GDAL.

        Raises:
            ItemError: It cannot be had, or is no raster that can be read so.
            UsageError: There are credentials that GDAL would take elsewhere.
        """
        check_host(self.given, self.url)
        check_for_gdal()
        return _WebImage(self.url, _driver(ask(self.url, first=HEAD_BYTES)))

    def content(self) -> tuple[int | None, str]:
        """Return what changes with the file: the address, and what the server says of its age.

        Raises:
            ItemError: It cannot be had.
        """
        check_host(self.given, self.url)
        answer = ask(self.url, first=HEAD_BYTES)
        signs = [answer.headers.get(name, "") for name in _SIGNS]
        size = answer.headers.get("content-range", "").rpartition("/")[2]
        digest = hashlib.sha256("\n".join([self.url, *signs]).encode() + answer.data).hexdigest()
        return int(size) if size.isdigit() else None, digest


class _WebImage(View):
    """Such a file, open."""

    def __init__(self, url: str, driver: str) -> None:
        path = f"/vsicurl/{url}"
        # what was fetched with credentials is kept for nobody
        options = {**gdal_options(), "CPL_VSIL_CURL_NON_CACHED": path}
        self._url = url
        try:
            self._raster = Raster(GdalName(path, options), driver)
        except ItemError as error:
            raise _why(error, url) from None
        super().__init__(self._raster)

    def __exit__(self, *_: object) -> None:
        self._raster.__exit__()

    def read(self, window: Window, bands: tuple[int, ...]) -> RasterArray:
        """Return a window; see :meth:`.image.Image.read`."""
        try:
            return self._raster.read(window, bands)
        except ItemError as error:
            raise _why(error, self._url) from None


def _why(error: ItemError, url: str) -> ItemError:
    """Return why a part cannot be read: GDAL does not say it where the server refuses."""
    said = status_in(error)
    try:
        answer = ask(url, first=HEAD_BYTES, start=HEAD_BYTES)
        if describe(answer.data) == "a web page":
            said = "answered with a web page (of a sign-in?) instead of a part of the file"
    except ItemError as found:
        said = str(found)
    return ItemError(scrubbed(f"{shown(url)} {said or error}"))


def _driver(answer: Answer) -> str:
    """Return GDAL's driver for a file, by its first bytes.

    Raises:
        ItemError: It is none that can be read over the web.
    """
    kind = content_type(answer.data)
    if kind in GDAL_DRIVERS:
        return GDAL_DRIVERS[kind or ""]
    if kind is not None:
        raise ItemError(f"is {kind}, which is read whole; download it and give the file")
    raise ItemError(f"is no raster that can be read over the web but {describe(answer.data)}")
