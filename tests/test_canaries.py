"""What strangers send reaches nothing: no other file, no network, no place but the outputs."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from pixelcat.catalog.query import query

Function = Callable[..., Any]
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
SECRET = "nobody-may-read-this-42"

NAMES = [
    *("../../etc/passwd", "..\\..\\boot.ini", "/etc/cron.d/MARKER", "C:\\Windows\\a.jpg"),
    *("\\\\server\\share\\a.jpg", "~/.ssh/id_rsa", "./../a.jpg", "a/b/c.jpg", "..", ".", ""),
    *("CON", "nul.jpg", "COM1.png", "aux", "a.jpg.", "a.jpg ", " leading.jpg", "-rf.jpg"),
    *("a\nb.jpg", "a\x00b.jpg", "a\tb.jpg", "\u202egpj.exe", "e\u0301.jpg", "\u00e9.jpg"),
    *("\U0001f600.jpg", "x" * 300 + ".jpg", "'; DROP TABLE items; --.jpg", "<script>.jpg"),
    *("=cmd|' /C calc'!A0.jpg", "$(touch MARKER).jpg", "`touch MARKER`.jpg", "|touch MARKER"),
    *("/vsicurl/http://ADDRESS/a.jpg", "http://ADDRESS/a.jpg", "GTIFF_DIR:1:/etc/passwd"),
]


def vrt(source: str, band: str = "") -> bytes:
    return (
        '<VRTDataset rasterXSize="32" rasterYSize="32">'
        f'<VRTRasterBand dataType="Byte" band="1"{band}>{source}</VRTRasterBand></VRTDataset>'
    ).encode()


def simple(name: str) -> str:
    return f"<SimpleSource><SourceFilename>{name}</SourceFilename></SimpleSource>"


@pytest.fixture
def hostile(tmp_path: Path, canary: str, write_raster: Function) -> dict[str, bytes]:
    """Images by name, each of which would reach something by way of GDAL."""
    secret = tmp_path / "LOCAL_SECRET.txt"
    secret.write_text(SECRET * 100)
    link = f"/vsicurl/http://{canary}/a.tif"
    raw = f'<SourceFilename relativeToVRT="0">{secret}</SourceFilename><ImageOffset>0</ImageOffset>'
    wms = f"<GDAL_WMS><Service name='TMS'><ServerUrl>http://{canary}/a</ServerUrl></Service></GDAL_WMS>"
    made = tmp_path / "made.tif"
    write_raster(made, np.full((3, 64, 64), 7, np.uint8), transform=UTM, crs="EPSG:32631")
    plain = made.read_bytes()
    with rasterio.open(made, "r+") as dataset:
        dataset.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=link)
    named = made.read_bytes()
    for path in tmp_path.glob("made.tif*"):
        path.unlink()
    return {
        "raw.jpg": vrt(raw, ' subClass="VRTRawRasterBand"'),
        "other.tif": vrt(simple(str(secret))),
        "link.tif": vrt(simple(link)),
        "hidden.jpg": b"\xff\xd8\xff\xfe\x02\x00" + vrt(simple(link)),
        "hidden.tif": b"II*\x00" + vrt(simple(link)),
        "wms.png": wms.encode(),
        "overviews.tif": named,
        "beside.tif": plain,
        "beside.tif.aux.xml": f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
        f"{link}</MDI></Metadata></PAMDataset>".encode(),
        "masked.tif": plain,
        "masked.tif.msk": vrt(simple(link)),
    }


def told(tmp_path: Path, *arguments: object) -> str:
    """Run the command line where markers would show; return everything it says."""
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "pixelcat", *map(str, arguments)]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3, 5), done.stderr
    assert list(here.iterdir()) == []
    return done.stdout + done.stderr


def check_traces(tmp_path: Path, said: str) -> None:
    """Fail where the secret is told or written, or a marker is anywhere."""
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    for text in (said.encode(), *(path.read_bytes() for path in written)):
        assert SECRET.encode() not in text
    for path in (tmp_path / "out/r_rasters").rglob("*.tif"):  # not photos that are exported
        with rasterio.open(path) as classes:
            assert SECRET.encode() not in classes.read().tobytes()
    assert not list(tmp_path.rglob("MARKER"))


def test_images_in_a_folder_reach_nothing(
    tmp_path: Path, hostile: dict[str, bytes], model_emd: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (tmp_path / "out").mkdir()
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    said = told(
        tmp_path, "classify", folder, "-m", model_emd, "-o", tmp_path / "out/r.gpkg",
        "--cell-size", "40",
    )  # fmt: skip
    rows = query(
        tmp_path / "out/r.gpkg", "SELECT source_key, status, reason FROM item_results"
    ).dicts()
    found = {row["source_key"]: row["status"] for row in rows}
    assert {name for name, status in found.items() if status == "done"} == {
        *("overviews.tif", "beside.tif")
    }
    check_traces(tmp_path, said)


def test_attachments_reach_nothing_and_their_names_are_no_paths(
    tmp_path: Path, hostile: dict[str, bytes], canary: str, model_emd: Path, make_gpkg: Function,
    photo_bytes: Function,
) -> None:  # fmt: skip
    (tmp_path / "out").mkdir()
    names = [name.replace("ADDRESS", canary) for name in NAMES]
    images = [*hostile.values(), *(photo_bytes(number) for number in range(len(names)))]
    path = make_gpkg(
        [("image/jpeg", data) for data in images], [(1, n + 1) for n in range(len(images))]
    )
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE photos ADD COLUMN name TEXT")
        for number, name in enumerate([*hostile, *names], 1):
            database.execute("UPDATE photos SET name = ? WHERE id = ?", (name, number))
    database.close()
    said = told(tmp_path, "classify", path, "-m", model_emd, "-o", tmp_path / "out/r.gpkg")
    check_traces(tmp_path, said)
    rasters = [each for each in (tmp_path / "out").rglob("*") if each.suffix == ".tif"]
    assert len(rasters) == len(names) + 3  # and three plain rasters
    assert {each.parent for each in rasters} == {tmp_path / "out/r_rasters/run_1"}
    assert all(re.fullmatch(r"\d{6}_[\w.-]*\.tif", each.name) for each in rasters)
    assert all(len(each.name.encode()) < 255 for each in rasters)
    said = told(tmp_path, "export", tmp_path / "out/r.gpkg", "--photos", tmp_path / "out/photos")
    check_traces(tmp_path, said)
    outside = {each.name for each in tmp_path.iterdir()}
    assert outside == {"LOCAL_SECRET.txt", "survey.gpkg", "out", "here"}


def test_names_in_a_table_reach_nothing(tmp_path: Path, canary: str, model_emd: Path) -> None:
    (tmp_path / "LOCAL_SECRET.txt").write_text(SECRET * 100)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    values = [
        *(f"http://{canary}/a.jpg", f"/vsicurl/http://{canary}/a.tif", "../LOCAL_SECRET.txt"),
        *(f"vrt:///vsicurl/http://{canary}/a.tif", f"{tmp_path}/LOCAL_SECRET.txt", "photo.jpg"),
    ]
    rows = "".join(f"{number},{value},4,45\n" for number, value in enumerate(values))
    (tmp_path / "in/t.csv").write_text(f"id,photo,lon,lat\n{rows}")
    said = told(
        tmp_path, "classify", tmp_path / "in/t.csv", "--xy", "lon,lat", "--photo-column", "photo",
        "-m", model_emd, "-o", tmp_path / "out/r.gpkg",
    )  # fmt: skip
    rows = query(tmp_path / "out/r.gpkg", "SELECT status FROM item_results").dicts()
    assert {row["status"] for row in rows} <= {"failed", "skipped"}
    check_traces(tmp_path, said)


@pytest.mark.parametrize(
    "name",
    ["/vsicurl/http://ADDRESS/n.keras", "http://ADDRESS/n.keras", "../../n.keras", "gs://a/n"],
)
def test_a_definition_does_not_lead_to_a_model_elsewhere(
    tmp_path: Path, canary: str, model_emd: Path, name: str
) -> None:
    from pixelcat import classify
    from pixelcat.catalog.errors import ModelError

    said = json.loads(model_emd.read_text())
    said["ModelFile"] = name.replace("ADDRESS", canary)
    (tmp_path / "m.emd").write_text(json.dumps(said))
    with pytest.raises(ModelError):
        classify(tmp_path / "m.emd", model=tmp_path / "m.emd", output=tmp_path / "r.gpkg")
    assert not (tmp_path / "r.gpkg").exists()


# mosaics: what an index of a stranger names


def index(tmp_path: Path, kind: str, location: str) -> Path:
    import geopandas
    import shapely

    folder = tmp_path / "index"
    folder.mkdir(exist_ok=True)
    box = shapely.box(500_000, 4_999_680, 500_320, 5_000_000)
    if kind == "gti":
        path = folder / "i.gti.gpkg"
        frame = geopandas.GeoDataFrame({"location": [location]}, geometry=[box], crs="EPSG:32631")
        frame.to_file(path)
        return path
    if kind == "stac":
        asset = {"href": location, "roles": ["data"], "type": "image/tiff"}
        item = {"type": "Feature", "stac_version": "1.0.0", "id": "x", "assets": {"a": asset}}
        (folder / "i.json").write_text(json.dumps(item))
        return folder / "i.json"
    relative = 0 if location.startswith("/") else 1
    source = f'<SourceFilename relativeToVRT="{relative}">{location}</SourceFilename>'
    (folder / "i.vrt").write_bytes(
        vrt(f"<SimpleSource>{source}<SourceBand>1</SourceBand></SimpleSource>")
    )
    return folder / "i.vrt"


@pytest.mark.parametrize("kind", ["gti", "stac", "vrt"])
@pytest.mark.parametrize("way", ["relative", "absolute", "link", "below"])
def test_an_index_reaches_below_its_folder_alone_unless_that_is_allowed(
    tmp_path: Path, write_raster: Function, kind: str, way: str
) -> None:
    from pixelcat.io.scan_options import ScanOptions
    from pixelcat.io.sources import scan

    (tmp_path / "index").mkdir()
    place = "index/a.tif" if way == "below" else "a.tif"
    pixels = np.full((3, 32, 32), 9, np.uint8)
    raster = write_raster(tmp_path / place, pixels, transform=UTM, crs="EPSG:32631")
    if way == "link":
        (tmp_path / "index/l.tif").symlink_to(raster)
    names = {"relative": "../a.tif", "absolute": str(raster), "link": "l.tif", "below": "a.tif"}
    path = index(tmp_path, kind, names[way])

    def item(**options: Any) -> Any:
        (found,) = scan(path, options=ScanOptions.checked(**options))
        (only,) = found.items
        return only

    found = item()
    if way == "below":
        assert found.status == "ready", found.reason
        return
    assert found.status != "ready"
    assert "--allow-outside" in found.reason
    assert item(allow_outside=True).status == "ready"
    if kind != "vrt":
        assert item(media=tmp_path).status == "ready"
