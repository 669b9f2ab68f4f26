"""Map and image services on this machine, for tests: a process of its own.

``python map_server.py`` prints two ports and serves until its standard input ends. Everything it
serves is one picture of the world, ``sample``, so that a test knows every pixel. An address
with ``/bad/FAULT/N`` before the path answers N images well and then with a fault.
"""

import io
import json
import math
import re
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
from affine import Affine
from PIL import Image
from rasterio.io import MemoryFile

WORLD = 20037508.342789244
CELL = 2 * WORLD / (256 << 14)
"""Of a pixel of the picture: zoom 14."""
SECRET = "sEcret-T0ken"
FOLDER = "/arcgis/rest/services"


def sample(
    transform: Affine, width: int, height: int, *, degrees: bool = False, number: int = 0
) -> np.ndarray:
    """Return four bands of the picture on a grid: the nearest pixel. Another number, another one."""
    x = transform.c + transform.a * (np.arange(width) + 0.5)
    y = transform.f + transform.e * (np.arange(height) + 0.5)
    if degrees:
        x = x / 180 * WORLD
        y = np.log(np.tan((90 + y) * math.pi / 360)) / math.pi * WORLD
    columns = np.floor((x + WORLD) / CELL + 1e-6).astype(np.uint64)[np.newaxis, np.newaxis, :]
    rows = np.floor((WORLD - y) / CELL + 1e-6).astype(np.uint64)[np.newaxis, :, np.newaxis]
    bands = np.arange(4, dtype=np.uint64)[:, np.newaxis, np.newaxis]
    mixed = (columns * 73856093) ^ (rows * 19349663) ^ ((bands + 1) * 83492791) ^ (number * 51787)
    mixed = (mixed ^ (mixed >> np.uint64(13))) * np.uint64(0x9E3779B1)
    return ((mixed >> np.uint64(11)) & np.uint64(255)).astype(np.uint8)


def mercator(lon: float, lat: float) -> tuple[float, float]:
    y = math.log(math.tan((90 + lat) * math.pi / 360)) / math.pi * WORLD
    return lon / 180 * WORLD, y


def _on_grid(x: float, y: float) -> tuple[float, float]:
    return round((x + WORLD) / CELL) * CELL - WORLD, WORLD - round((WORLD - y) / CELL) * CELL


WEST, SOUTH = _on_grid(*mercator(5.0, 52.0))
EAST, NORTH = _on_grid(*mercator(5.2, 52.12))
MIDDLE = _on_grid((WEST + EAST) / 2, (SOUTH + NORTH) / 2)
SLANTED = [[WEST, SOUTH], [MIDDLE[0], NORTH], [EAST, MIDDLE[1]], [WEST, SOUTH]]
RASTERS = {
    1: ("north west", 1, [[WEST, MIDDLE[1]], [WEST, NORTH], [MIDDLE[0], NORTH], MIDDLE]),
    2: ("slanted", 1, SLANTED),
    7: ("overview", 2, [[WEST, SOUTH], [WEST, NORTH], [EAST, NORTH], [EAST, SOUTH]]),
}
MERCATOR = {"wkid": 102100, "latestWkid": 3857}
BOX = {"xmin": WEST, "ymin": SOUTH, "xmax": EAST, "ymax": NORTH, "spatialReference": MERCATOR}


def heights(pixels: np.ndarray) -> np.ndarray:
    """Return a band of heights made of the picture, some without data."""
    return np.where(pixels[:1] < 16, np.float32(-9999), pixels[:1] * np.float32(0.25))


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    """Return (bands, height, width) pixels as PNG or TIFF."""
    bands, height, width = pixels.shape
    if kind == "tiff":
        profile = {"width": width, "height": height, "count": bands, "dtype": pixels.dtype}
        with MemoryFile() as memory:
            with memory.open(driver="GTiff", compress="DEFLATE", **profile) as dataset:
                dataset.write(pixels)
            return memory.read()
    buffer = io.BytesIO()
    Image.fromarray(np.moveaxis(pixels, 0, -1)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def scene(column: int = 0, width: int = 600, height: int = 500) -> bytes:
    """Return a tiled TIFF of the picture, as it lies in the web."""
    place = Affine(CELL, 0, WEST + column * CELL, 0, -CELL, NORTH)
    pixels = sample(place, width, height)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", width=width, height=height, count=4, dtype="uint8", crs="EPSG:3857",
            transform=place, tiled=True,
            blockxsize=128, blockysize=128, compress="DEFLATE", photometric="MINISBLACK",
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
        return memory.read()


class Failure(Exception):
    """Something else than what was asked for."""

    def __init__(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        self.body, self.kind, self.status, self.headers = body, kind, status, headers


def arcgis_error(code: int, message: str) -> Failure:
    """An error as ArcGIS Server says it: the status is 200."""
    said = {"error": {"code": code, "message": message, "details": []}}
    return Failure(json.dumps(said).encode(), "application/json;charset=UTF-8")


def ogc_error(message: str) -> Failure:
    text = f"<ServiceExceptionReport><ServiceException>{message}</ServiceException>"
    return Failure(f"{text}</ServiceExceptionReport>".encode(), "text/xml")


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    requests: list[dict] = []  # noqa: RUF012
    images: Counter = Counter()  # noqa: RUF012
    busy = 0
    most_busy = 0
    lock = threading.Lock()
    files: dict[str, bytes] = {  # noqa: RUF012
        "/scene.tif": scene(), **{f"/stac/t{n}.tif": scene(n * 160, 160, 150) for n in range(3)},
    }  # fmt: skip

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/log":
            with self.lock:
                said = json.dumps({"requests": self.requests, "most": Handler.most_busy}).encode()
                self.requests.clear()
                self.images.clear()
                Handler.most_busy = 0
            self._send(said, "application/json")
            return
        with self.lock:
            self.requests.append(
                {"path": self.path, "port": self.server.server_port, "headers": dict(self.headers)}
            )
            Handler.busy += 1
            Handler.most_busy = max(Handler.most_busy, Handler.busy)
        try:
            fault = re.match(r"/bad/(\w+)/(\d+)(/.*)", parts.path)
            path = fault[3] if fault else parts.path
            self._fault = (fault[1], int(fault[2])) if fault else ("", 0)
            query = {name.lower(): value for name, value in parse_qsl(parts.query)}
            answer, headers = self._answer(unquote(path), query), {}
        except Failure as failure:
            answer, headers = (failure.body, failure.kind, failure.status), failure.headers
        finally:
            with self.lock:
                Handler.busy -= 1
        self._send(*answer, **headers)

    def _answer(self, path: str, query: dict[str, str]) -> tuple:
        if self._fault[0] == "auth" and SECRET not in "".join(self.headers.values()):
            raise Failure(b"<html>sign in</html>", "text/html", 401)
        for pattern, method in ROUTES:
            found = re.fullmatch(pattern, path)
            if found:
                return method(self, query, *found.groups())
        raise Failure(b"<html>nothing here</html>", "text/html", 404)

    def _image(self, body: bytes, kind: str) -> tuple:  # noqa: C901  a case per fault
        """Return an image, or what goes wrong with it."""
        fault, well = self._fault
        with self.lock:
            Handler.images[fault] += 1
            number = Handler.images[fault]
        if fault in ("", "auth", "echo") or number <= well:
            return body, kind
        match fault:
            case "token":
                raise arcgis_error(498, "Invalid token.")
            case "busy" if number <= well + 2:
                raise Failure(b"<html>busy</html>", "text/html", 503)
            case "html":
                raise Failure(b"<html><body>please sign in</body></html>", "text/html")
            case "exception":
                raise ogc_error("Layer is not defined today")
            case "half":
                return encoded(np.zeros((4, 64, 64), np.uint8), kind.removeprefix("image/")), kind
            case "wider":
                return encoded(np.zeros((4, 512, 512), np.uint16), "tiff"), kind
            case "gray":
                return encoded(np.zeros((1, 512, 512), np.uint8), "tiff"), kind
            case "text":
                raise Failure(b"no such layer today", "text/plain")
            case "gone":
                raise Failure(b"<html>no tile</html>", "text/html", 404)
            case "nothing":
                raise Failure(b"", kind, 204)
            case "truncated":
                return body[: len(body) // 2], kind
            case "short":
                raise Failure(body[: len(body) // 2], kind, declared=str(len(body)))
            case "slow":
                time.sleep(3)
            case "away":
                other = OTHER[self.server.server_port]
                path = self.path.partition(f"/bad/away/{well}")[2]
                raise Failure(b"", kind, 302, Location=f"http://localhost:{other}{path}")
        return body, kind

    def _send(self, body: bytes, kind: str, status: int = 200, **headers: str) -> None:
        declared = headers.pop("declared", str(len(body)))
        try:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", declared)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass
        if declared != str(len(body)):
            self.close_connection = True

    def image_service(self, query: dict[str, str], name: str) -> tuple:
        if self._fault[0] == "describe":
            raise arcgis_error(499, "Token Required")
        said = {
            "currentVersion": 11.1, "name": "Imagery", "serviceDataType": "esriImageServiceDataTypeGeneric",
            "extent": BOX, "pixelSizeX": CELL, "pixelSizeY": CELL, "bandCount": 4, "pixelType": "U8",
            "capabilities": "Catalog,Image,Metadata", "copyrightText": "(c) Test Survey", "allowRasterFunction": True,
            "maxImageHeight": 4100, "maxImageWidth": 15000, "noDataValue": None,
        }  # fmt: skip
        if self._fault[0] == "echo":
            said["name"] = said["copyrightText"] = f"From {self.headers['X-Api-Key']} \x1b[31m"
        if name == "Heights":
            said |= {"bandCount": 1, "pixelType": "F32", "noDataValue": -9999}
        return json.dumps(said).encode(), "application/json;charset=UTF-8"

    def export_image(self, query: dict[str, str], name: str) -> tuple:
        if query.get("f") != "image" or query.get("format") != "tiff":
            raise arcgis_error(400, f"Invalid or missing input parameters: {query}")
        if json.loads(query["renderingrule"]) != {"rasterFunction": "None"}:
            raise arcgis_error(400, "a styled picture")
        rule = json.loads(query.get("mosaicrule", "{}"))
        number = rule.get("lockRasterIds", [0])[0]
        pixels = self._sampled(query, number)
        if name == "Heights":
            pixels = heights(pixels)
        return self._image(encoded(pixels, "tiff"), "image/tiff")

    def _sampled(self, query: dict[str, str], number: int = 0) -> np.ndarray:
        west, south, east, north = map(float, query["bbox"].split(","))
        width, height = map(int, query["size"].split(","))
        if query.get("bboxsr") not in ("3857", "102100") or query["imagesr"] != query["bboxsr"]:
            raise arcgis_error(400, "another reference system")
        transform = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
        return sample(transform, width, height, number=number)

    def catalog(self, query: dict[str, str]) -> tuple:
        assert query["outsr"] == "3857" and query["where"], query
        offset = int(query.get("resultoffset", 0))
        echo = f" {self.headers['X-Api-Key']}" if self._fault[0] == "echo" else ""

        def said_name(number: int) -> str:
            return f"{RASTERS[number][0]}{echo}"

        chosen = [
            n for n in RASTERS if query["where"] == "1=1" or f"OBJECTID = {n}" == query["where"]
        ]
        page = chosen[offset : offset + 2]
        features = [
            {
                "attributes": {
                    "OBJECTID": n, "Name": said_name(n), "Category": RASTERS[n][1], "LowPS": CELL
                },
                "geometry": {"rings": [RASTERS[n][2]]},
            }
            for n in page
        ]  # fmt: skip
        said = {"objectIdFieldName": "OBJECTID", "features": features}
        if offset + 2 < len(chosen):
            said["exceededTransferLimit"] = True
        return json.dumps(said).encode(), "application/json"

    def map_service(self, query: dict[str, str], name: str) -> tuple:
        said = {
            "currentVersion": 11.1, "mapName": name, "fullExtent": BOX, "capabilities": "Map,Query",
            "copyrightText": "", "singleFusedMapCache": name == "Cached", "maxImageWidth": 4096, "maxImageHeight": 4096,
        }  # fmt: skip
        if name == "Cached":
            lods = [
                {"level": z, "resolution": 2 * WORLD / (256 << z), "scale": 591657527.591555 / 2**z}
                for z in range(12, 17)
            ]
            said["tileInfo"] = {
                "rows": 256, "cols": 256, "origin": {"x": -WORLD, "y": WORLD}, "lods": lods,
                "spatialReference": MERCATOR, "format": "PNG",
            }  # fmt: skip
        return json.dumps(said).encode(), "application/json"

    def export_map(self, query: dict[str, str]) -> tuple:
        if query.get("format") != "png32" or query.get("transparent", "").lower() != "true":
            raise arcgis_error(400, f"Invalid or missing input parameters: {query}")
        pixels = self._sampled(query)
        pixels[3] = 255
        return self._image(encoded(pixels, "png"), "image/png")

    def wms(self, query: dict[str, str]) -> tuple:
        version = query.get("version", "1.3.0")
        if query["request"] == "GetCapabilities":
            return wms_capabilities(version).encode(), "text/xml"
        crs = query["crs" if version == "1.3.0" else "srs"]
        if query["layers"] != "ortho" or crs not in ("EPSG:3857", "EPSG:4326"):
            raise ogc_error(f"Layer {query['layers']} in {crs} is not defined")
        west, south, east, north = map(float, query["bbox"].split(","))
        if crs == "EPSG:4326" and version == "1.3.0":
            west, south, east, north = south, west, north, east
        width, height = int(query["width"]), int(query["height"])
        transform = Affine((east - west) / width, 0, west, 0, (south - north) / height, north)
        pixels = sample(transform, width, height, degrees=crs == "EPSG:4326")
        pixels[3] = 255
        return self._image(encoded(pixels, "png"), "image/png")

    def wmts_xml(self, query: dict[str, str]) -> tuple:
        host = self.headers["Host"]
        prefix = (
            f"http://{host}/bad/{self._fault[0]}/{self._fault[1]}"
            if self._fault[0]
            else f"http://{host}"
        )
        return wmts_capabilities(prefix).encode(), "application/xml"

    def named(self, query: dict[str, str], template: str) -> tuple:
        """Capabilities that name another address for tiles."""
        text = wmts_capabilities("http://127.0.0.1")
        text = re.sub(r'template="[^"]*"', lambda _: f'template="{template}"', text)
        return text.encode(), "application/xml"

    def said(self, query: dict[str, str], changes: str, kind: str) -> tuple:
        """What a service would say, with something else in it."""
        self._fault = ("", 0)
        method = self.image_service if kind == "ImageServer" else self.map_service
        name = "Imagery" if kind == "ImageServer" else "Cached"
        said = json.loads(method(query, name)[0]) | json.loads(changes)
        return json.dumps(said).encode(), "application/json"

    def said_xml(self, query: dict[str, str], changes: str, kind: str) -> tuple:
        """Capabilities in which texts, given as regular expressions, are something else.

        That may be a text with # for numbers, and how many of them.
        """
        text = (
            wmts_capabilities(f"http://{self.headers['Host']}")
            if kind == "WMTSCapabilities.xml"
            else wms_capabilities(query.get("version", "1.3.0"))
        )
        for pattern, other in json.loads(changes).items():
            if isinstance(other, list):
                other = "".join(other[0].replace("#", str(n)) for n in range(other[1]))
            text = re.sub(pattern, lambda _, other=other: other, text, count=0)
        return text.encode(), "application/xml"

    def said_catalog(self, query: dict[str, str], changes: str) -> tuple:
        return json.dumps(json.loads(changes)["page"]).encode(), "application/json"

    def redirect(self, query: dict[str, str], target: str) -> tuple:
        raise Failure(b"", "text/plain", 302, Location=target)

    def wmts(self, query: dict[str, str]) -> tuple:
        if query.get("request", "").lower() == "getcapabilities":
            text = re.sub(r"<ResourceURL[^>]*/>", "", self.wmts_xml(query)[0].decode())
            return text.encode(), "application/xml"
        return self.tile(query, query["tilematrix"], query["tilecol"], query["tilerow"])

    def wmts_tile(self, query: dict[str, str], matrix: str, row: str, column: str) -> tuple:
        return self.tile(query, matrix.removeprefix("m"), column, row)

    def degrees_tile(self, query: dict[str, str], z: str, row: str, column: str) -> tuple:
        tile = 180 / (1 << int(z))
        west, north = int(column) * tile - 180, 90 - int(row) * tile
        pixels = sample(Affine(tile / 256, 0, west, 0, -tile / 256, north), 256, 256, degrees=True)
        return self._image(encoded(pixels[:3], "png"), "image/png")

    def arcgis_tile(self, query: dict[str, str], z: str, row: str, column: str) -> tuple:
        return self.tile(query, z, column, row)

    def tms(self, query: dict[str, str], z: str, x: str, y: str) -> tuple:
        return self.tile(query, z, x, str((1 << int(z)) - 1 - int(y)))

    def tile(self, query: dict[str, str], z: str, x: str, y: str, size: int = 256) -> tuple:
        z = z.removeprefix("m")
        tile = 2 * WORLD / (1 << int(z))
        transform = Affine(
            tile / size, 0, int(x) * tile - WORLD, 0, -tile / size, WORLD - int(y) * tile
        )
        pixels = sample(transform, size, size)[:3]
        return self._image(encoded(pixels, "png"), "image/png")

    def large_tile(self, query: dict[str, str], z: str, x: str, y: str) -> tuple:
        return self.tile(query, z, x, y, size=512)

    def stac(self, query: dict[str, str], name: str) -> tuple:  # noqa: C901  a case per fault
        """Three items on two pages, or what a server does wrong with them."""
        page, host = int(query.get("page", 1)), self.headers["Host"]
        if name == "broken" and page == 2:
            raise Failure(
                b'{"code": "Down", "description": "no database"}', "application/json", 500
            )
        if name == "deep":
            return b'{"type":' + b"[" * 200_000, "application/json"
        items = [stac_item(n, f"http://{host}", name) for n in ([0, 1] if page == 1 else [2])]
        said = {"type": "FeatureCollection", "features": items, "links": []}
        link = {"rel": "next", "href": f"{name}?collections=x&page={page + 1}&token=next:{page}"}
        if name == "loop":
            link["href"] = f"{name}?page={2 if page == 2 else page + 1}"
        if name == "post":
            link["method"] = "POST"
        if name == "away":
            link["href"] = f"http://localhost:{OTHER[self.server.server_port]}/stac/away?page=2"
        if name == "endless":
            link["href"] = f"{name}?page={page + 1}"
            said["features"] = items * 2000
        if page == 1 or name in ("loop", "endless"):
            said["links"].append(link)
        if name == "without" and page == 1:
            items[1]["assets"] = {}
        if name == "item":
            said = items[0]
        if name == "catalog":
            said = {"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": []}
        if name == "other":
            said = {"hello": "world"}
        return json.dumps(said).encode(), "application/geo+json"

    def file(self, query: dict[str, str], path: str) -> tuple:
        if path not in self.files:
            raise Failure(b"<html>nothing here</html>", "text/html", 404)
        content = self.files[path]
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if self._fault[0] and self._fault[0] != "auth" and asked and int(asked[1]):
            self._image(b"", "image/tiff")
        if not asked:
            return content, "image/tiff", 200
        start, end = int(asked[1]), int(asked[2] or len(content) - 1)
        piece = content[start : end + 1]
        whole = f"bytes {start}-{start + len(piece) - 1}/{len(content)}"
        headers = {"Content_Range": whole, "Accept_Ranges": "bytes", "ETag": '"one"'}
        raise Failure(piece, "image/tiff", 206, **headers)

    def do_HEAD(self) -> None:
        self.send_response(200)
        path = re.sub(r"^/bad/\w+/\d+", "", urlsplit(self.path).path)
        self.send_header("Content-Length", str(len(self.files.get(path, b""))))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()


def stac_item(number: int, host: str, name: str) -> dict:
    """Return an item; the second says nothing of where its raster lies."""
    address = {
        "relative": f"t{number}.tif", "gone": "none.tif" if number == 2 else f"t{number}.tif",
        "signed": f"{host}/stac/t{number}.tif?sig=hidden-1", "bucket": "s3://bucket/a.tif",
        "there": f"http://localhost:{host.rpartition(':')[2]}/stac/t{number}.tif",
    }.get(name, f"{host}/stac/t{number}.tif?v={number}")  # fmt: skip
    place = {
        "proj:code": "EPSG:3857", "proj:shape": [150, 160],
        "proj:transform": [CELL, 0, WEST + number * 160 * CELL, 0, -CELL, NORTH],
    }  # fmt: skip
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": f"item{number}", "collection": "x",
        "geometry": None, "links": [],
        "properties": {"eo:cloud_cover": number * 10, **(place if number != 1 else {})},
        "assets": {
            "thumbnail": {"href": "t.png", "type": "image/png", "roles": ["thumbnail"]},
            "data": {"href": address, "type": "image/tiff; application=geotiff", "roles": ["data"]},
        },
    }  # fmt: skip


def wms_capabilities(version: str) -> str:
    """Return the capabilities of a WMS; the reference systems are those of the parent."""
    crs = "CRS" if version == "1.3.0" else "SRS"
    box = (
        "<EX_GeographicBoundingBox><westBoundLongitude>4</westBoundLongitude>"
        "<eastBoundLongitude>6</eastBoundLongitude><southBoundLatitude>51</southBoundLatitude>"
        "<northBoundLatitude>53</northBoundLatitude></EX_GeographicBoundingBox>"
        if version == "1.3.0"
        else '<LatLonBoundingBox minx="4" miny="51" maxx="6" maxy="53"/>'
    )
    root = "WMS_Capabilities" if version == "1.3.0" else "WMT_MS_Capabilities"
    space = ' xmlns="http://www.opengis.net/wms"' if version == "1.3.0" else ""
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<{root} version="{version}"{space}><Service><Name>WMS</Name><Title>Test</Title>
<AccessConstraints>CC BY 4.0, Test Survey</AccessConstraints></Service>
<Capability><Request><GetMap><Format>image/jpeg</Format><Format>image/png</Format></GetMap></Request>
<Layer><Title>all</Title><{crs}>EPSG:4326</{crs}><{crs}>EPSG:3857</{crs}>{box}
<Layer queryable="1"><Name>ortho</Name><Title>Orthophoto</Title></Layer>
<Layer><Name>roads</Name><Title>Roads</Title></Layer></Layer></Capability></{root}>"""


def wmts_capabilities(host: str) -> str:
    """Return the capabilities of a WMTS with tiles in EPSG:3857, and in degrees."""
    matrices = "".join(
        f"""<TileMatrix><ows:Identifier>m{z}</ows:Identifier>
<ScaleDenominator>{2 * WORLD / (256 << z) / 0.00028!r}</ScaleDenominator>
<TopLeftCorner>{-WORLD!r} {WORLD!r}</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>
<MatrixWidth>{1 << z}</MatrixWidth><MatrixHeight>{1 << z}</MatrixHeight></TileMatrix>"""
        for z in range(10, 16)
    )
    degrees = "".join(
        f"""<TileMatrix><ows:Identifier>d{z}</ows:Identifier>
<ScaleDenominator>{180 / (256 << z) * 111319.49079327358 / 0.00028!r}</ScaleDenominator>
<TopLeftCorner>90 -180</TopLeftCorner><TileWidth>256</TileWidth><TileHeight>256</TileHeight>
<MatrixWidth>{2 << z}</MatrixWidth><MatrixHeight>{1 << z}</MatrixHeight></TileMatrix>"""
        for z in range(10, 14)
    )
    return f"""<?xml version="1.0"?>
<Capabilities xmlns="http://www.opengis.net/wmts/1.0" xmlns:ows="http://www.opengis.net/ows/1.1"
 xmlns:xlink="http://www.w3.org/1999/xlink" version="1.0.0">
<ows:ServiceIdentification><ows:AccessConstraints>NONE</ows:AccessConstraints></ows:ServiceIdentification>
<ows:ServiceProvider><ows:ProviderName>Test Survey</ows:ProviderName></ows:ServiceProvider>
<ows:OperationsMetadata><ows:Operation name="GetTile"><ows:DCP><ows:HTTP>
<ows:Get xlink:href="{host}/wmts?"/></ows:HTTP></ows:DCP></ows:Operation></ows:OperationsMetadata>
<Contents><Layer><ows:Title>Orthophoto</ows:Title><ows:Identifier>ortho</ows:Identifier>
<Style isDefault="true"><ows:Identifier>default</ows:Identifier></Style><Format>image/png</Format>
<TileMatrixSetLink><TileMatrixSet>degrees</TileMatrixSet></TileMatrixSetLink>
<TileMatrixSetLink><TileMatrixSet>web</TileMatrixSet></TileMatrixSetLink>
<ResourceURL format="image/png" resourceType="tile"
 template="{host}/wmts/tile/{{Style}}/{{TileMatrixSet}}/{{TileMatrix}}/{{TileRow}}/{{TileCol}}.png"/></Layer>
<TileMatrixSet><ows:Identifier>web</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::3857</ows:SupportedCRS>{matrices}</TileMatrixSet>
<TileMatrixSet><ows:Identifier>degrees</ows:Identifier>
<ows:SupportedCRS>urn:ogc:def:crs:EPSG::4326</ows:SupportedCRS>{degrees}</TileMatrixSet></Contents></Capabilities>"""


ROUTES = (
    (rf"{FOLDER}/(Imagery|Heights)/ImageServer", Handler.image_service),
    (rf"{FOLDER}/(Imagery|Heights)/ImageServer/exportImage", Handler.export_image),
    (rf"{FOLDER}/Imagery/ImageServer/query", Handler.catalog),
    (rf"{FOLDER}/(Base|Cached)/MapServer", Handler.map_service),
    (rf"{FOLDER}/Base/MapServer/export", Handler.export_map),
    (rf"{FOLDER}/Cached/MapServer/tile/(\d+)/(\d+)/(\d+)", Handler.arcgis_tile),
    (r"/wms", Handler.wms),
    (r"/wmts/1.0.0/WMTSCapabilities.xml", Handler.wmts_xml),
    (r"/wmts", Handler.wmts),
    (r"/named/(.+)/WMTSCapabilities.xml", Handler.named),
    (r"/said/(.+)/(ImageServer|MapServer)", Handler.said),
    (r"/said/(.+)/(WMTSCapabilities.xml|wms)", Handler.said_xml),
    (r"/said/(.+)/ImageServer/query", Handler.said_catalog),
    (r"/to/(.+)/\d+/\d+/\d+.png", Handler.redirect),
    (r"/wmts/tile/default/web/(m\d+)/(\d+)/(\d+).png", Handler.wmts_tile),
    (r"/wmts/tile/default/degrees/d(\d+)/(\d+)/(\d+).png", Handler.degrees_tile),
    (r"/xyz/(\d+)/(\d+)/(\d+).png", Handler.tile),
    (r"/large/(\d+)/(\d+)/(\d+).png", Handler.large_tile),
    (r"/tms/(\d+)/(\d+)/(\d+).png", Handler.tms),
    (r"(/scene.tif|/stac/\w+.tif)", Handler.file),
    (r"/stac/(\w+)", Handler.stac),
)
OTHER: dict[int, int] = {}
"""Port of the other server, which is another host to those who look at it."""


def main() -> None:
    """Serve until standard input ends."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Handler) for _ in range(2)]
    ports = [server.server_port for server in servers]
    OTHER.update(zip(ports, reversed(ports), strict=True))
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print(*ports, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
