"""Images that are damaged, too large or not what they say: failed with a reason, never garbage."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import ItemError, UsageError
from pixelcat.catalog.query import query
from pixelcat.catalog.records import Item
from pixelcat.cli import cli
from pixelcat.io.container import check_container
from pixelcat.io.image import Window, open_image
from pixelcat.io.limits import Limits
from pixelcat.io.photo import Photo
from pixelcat.io.probe import probe

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
RNG = np.random.default_rng(8)
SMOOTH = np.add.outer(np.arange(96), np.arange(128))[..., np.newaxis].repeat(3, 2).astype(np.uint8)


def encoded(kind: str, pixels: np.ndarray = SMOOTH, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(data: bytes, side: int = 16) -> bytes:
    """A gray PNG with this compressed data and right checksums."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def reasons(catalog: Path) -> dict[str, tuple[str, str | None]]:
    """What became of each image: status and reason."""
    rows = query(catalog, "SELECT source_key, status, reason FROM item_results").dicts()
    return {row["source_key"]: (row["status"], row["reason"]) for row in rows}


@pytest.fixture
def run(model_emd: Path, tmp_path: Path) -> Function:
    """Return a function that classifies the files in a folder, which it is given by name."""

    def start(files: dict[str, bytes], **options: Any) -> tuple[Any, dict[str, Any]]:
        folder = tmp_path / "photos"
        folder.mkdir(exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
        done = classify(folder, model=model_emd, output=tmp_path / "r.gpkg", **options)
        return done, reasons(tmp_path / "r.gpkg")

    return start


# damaged


def test_a_photo_that_fails_fails_however_often_it_is_decoded() -> None:
    """Photos are decoded ahead; Pillow gives noise when it is asked again."""
    with Photo(png(zlib.compress(b"\x07" * 9_000)), ("PNG",)) as photo:
        for _ in range(3):
            with pytest.raises(ItemError, match="cut off or damaged"):
                photo.decode()


@pytest.mark.parametrize(
    "data",
    [
        png(zlib.compress(b"\x07" * (16 * 49))),  # a filter that there is not
        png(b"\x78\x9c" + bytes(range(200))),
        png(zlib.compress(bytes(16 * 49))[:-8]),
        png(zlib.compress(bytes(100))),
    ],
    ids=["filter", "noise", "short stream", "few rows"],
)
def test_a_damaged_stream_leaves_no_class_map(run: Function, data: bytes) -> None:
    done, found = run({"bad.png": data, "good.png": encoded("PNG")})
    assert (done.done, done.failed, done.exit_code) == (1, 1, 3)
    assert found["bad.png"][0] == "failed"
    assert [path.name for path in done.rasters.glob("*.tif")] == ["000002_good.tif"]


def test_metadata_behind_the_pixels_of_a_png_are_read_without_decoding_them() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    broken = png(zlib.compress(b"\x07" * (16 * 49)))
    data = broken[:-12] + chunk(b"eXIf", exif.tobytes()) + broken[-12:]
    with Photo(data, ("PNG",)) as photo:
        assert photo.orientation == 6
        with pytest.raises(ItemError, match="cut off or damaged"):
            photo.decode()


@pytest.mark.parametrize("left", [0.02, 0.3, 0.6, 0.95, -1, -12])
def test_a_png_that_is_cut_off_is_told_by_its_parts(left: float) -> None:
    data = encoded("PNG", RNG.integers(0, 256, (96, 128, 3), np.uint8))
    short = data[: int(len(data) * left)] if left > 0 else data[: int(left)]
    check_container(data, "image/png")
    with pytest.raises(ItemError, match="PNG is cut off: its end is missing"):
        check_container(short, "image/png", cut_off=True)
    found = probe(Item(kind="file", source_key="a", name="a.png"), short)
    assert (found.status, found.reason) == ("unreadable", "PNG is cut off: its end is missing")


def test_every_flipped_bit_of_the_pixels_of_a_png_is_found() -> None:
    data = bytearray(encoded("PNG"))
    for at in range(45, len(data) - 16, 97):
        data[at] ^= 16
        with pytest.raises(ItemError, match=r"PNG is damaged: the checksum of its IDAT|cut off"):
            check_container(bytes(data), "image/png")
        data[at] ^= 16


def test_damaged_notes_in_a_png_do_not_matter() -> None:
    data = encoded("PNG")
    note = bytearray(chunk(b"tEXt", b"Comment\0hello"))
    note[-1] ^= 1
    check_container(data[:33] + bytes(note) + data[33:], "image/png")


def photo_with_thumbnail() -> bytes:
    """A JPEG that holds a small one, which has an end."""
    data, small = encoded("JPEG"), encoded("JPEG", SMOOTH[:16, :16])
    exif = b"Exif\0\0" + small
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return data[:2] + segment + data[2:]


JPEGS = {
    "plain": encoded("JPEG"),
    "progressive": encoded("JPEG", progressive=True),
    "thumbnail": photo_with_thumbnail(),
    "restarts": encoded("JPEG", restart_marker_rows=1),
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_is_cut_off_is_told_by_its_parts(kind: str, tmp_path: Path) -> None:
    data = JPEGS[kind]
    path = tmp_path / "a.jpg"
    for tail in (b"", b"\0\0\0", b"made by a camera" * 50):
        check_container(data + tail, "image/jpeg")
    for left in (len(data) // 2, len(data) * 9 // 10, len(data) - 1, len(data) - 2):
        path.write_bytes(data[:left])
        for where in (path, data[:left]):
            with pytest.raises(ItemError, match=r"JPEG is cut off.*--allow-truncated"):
                check_container(where, "image/jpeg")
            check_container(where, "image/jpeg", cut_off=True)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_is_left_of_a_jpeg_is_classified_where_that_is_allowed(run: Function) -> None:
    data = encoded("JPEG", RNG.integers(0, 256, (96, 128, 3), np.uint8))
    files = {"half.jpg": data[: len(data) // 2], "whole.jpg": data, "open.jpg": data[:-2]}
    done, found = run(files)
    assert (done.done, done.failed, done.exit_code) == (1, 2, 3)
    reason = "JPEG is cut off: its end is missing; --allow-truncated takes the rest"
    assert found["half.jpg"] == found["open.jpg"] == ("failed", reason)
    done, found = run({}, allow_truncated=True)
    assert (done.done, done.failed, done.classified_now) == (3, 0, 2)
    maps = {path.name[7:-4]: path for path in done.rasters.iterdir()}
    with rasterio.open(maps["half"]) as half, rasterio.open(maps["whole"]) as whole:
        classes, mask = half.read(1), half.dataset_mask() != 0
        rows = mask.all(axis=1)
        assert (rows == mask.any(axis=1)).all()
        assert 30 < rows.sum() < 60
        assert rows[: rows.sum()].all()
        inner = rows.sum() - 16  # the model looks at pixels around
        assert (classes[:inner] == whole.read(1)[:inner]).all()
        with rasterio.open(maps["open"]) as opened:
            assert (opened.read() == whole.read()).all()
    done, found = run({})
    assert found["half.jpg"] == ("failed", reason)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_rows_that_are_missing_are_missing_where_they_are_shown(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded("JPEG", RNG.integers(0, 256, (96, 128, 3), np.uint8), exif=exif)
    with Photo(data[: len(data) // 2], ("JPEG",), Limits(cut_off=True)) as photo:
        pixels, valid = photo.decode()
    with Photo(data, ("JPEG",)) as photo:
        whole, _ = photo.decode()
    assert valid.any() and not valid.all()
    assert (pixels[valid] == whole[valid]).all()


def test_a_jpeg_of_12_bits_is_called_that() -> None:
    data = bytearray(encoded("JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    found = probe(Item(kind="file", source_key="a", name="a.jpg"), bytes(data))
    assert (found.status, found.reason) == (
        "unreadable",
        "JPEG with 12 bits per band; only 8 are read",
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_header_of_noise_is_a_reason_without_a_path(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "secret name.dat"
    start = {"JPEG": b"\xff\xd8\xff\xe0", "PNG": b"\x89PNG\r\n\x1a\n"}[kind]
    path.write_bytes(start + bytes(100))
    with pytest.raises(ItemError, match=f"damaged {kind} header") as failure:
        open_image(path)
    assert "secret" not in str(failure.value)


# too large


def sparse(path: Path, side: int, *, placed: bool, count: int = 3) -> Path:
    place = {"transform": UTM, "crs": "EPSG:32631"} if placed else {}
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=count, dtype="uint8",
        tiled=True, sparse_ok=True, **place,
    ):  # fmt: skip
        return path


LIMIT = "more than the limit of 4 million; --max-image-pixels sets another"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_images_above_the_limit_are_refused_and_the_option_is_named(
    run: Function, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    sparse(tmp_path / "photos/bomb.tif", 5000, placed=False)
    sparse(tmp_path / "photos/empty.tif", 100_000, placed=True)
    flat = np.full((2100, 2100, 3), 9, np.uint8)
    done, found = run(
        {"flat.png": encoded("PNG", flat), "flat.jpg": encoded("JPEG", flat)},
        max_image_pixels=4_000_000,
    )
    assert (done.done, done.failed) == (0, 4)
    size = (tmp_path / "photos/empty.tif").stat().st_size
    assert found == {
        "bomb.tif": ("failed", f"declares 5000 x 5000 pixels, {LIMIT}"),
        "empty.tif": ("failed", f"declares 100000 x 100000 pixels in {size} bytes, {LIMIT}"),
        "flat.png": ("failed", f"declares 2100 x 2100 pixels, {LIMIT}"),
        "flat.jpg": ("failed", f"declares 2100 x 2100 pixels, {LIMIT}"),
    }
    (tmp_path / "photos/empty.tif").unlink()
    (tmp_path / "photos/bomb.tif").unlink()
    done, _ = run({}, max_image_pixels=4_410_000)
    assert (done.done, done.classified_now) == (2, 2)


def test_rasters_with_a_place_and_bytes_for_their_pixels_have_no_limit(
    run: Function, tmp_path: Path, write_raster: Function
) -> None:
    (tmp_path / "photos").mkdir()
    pixels = RNG.integers(0, 256, (3, 70, 80), np.uint8)
    write_raster(tmp_path / "photos/scene.tif", pixels, transform=UTM, crs="EPSG:32631")
    done, _ = run({}, max_image_pixels=1000)
    assert (done.done, done.failed) == (1, 0)
    large = sparse(tmp_path / "large.tif", 30_000, placed=True)
    with open_image(large, Limits()) as image:
        assert (image.width, image.height) == (30_000, 30_000)
    with pytest.raises(ItemError, match="more than the limit of 500 million"):
        open_image(large.read_bytes(), Limits())


@pytest.mark.parametrize("pixels", [0, -5])
def test_a_limit_is_above_0(run: Function, pixels: int) -> None:
    with pytest.raises(UsageError, match=r"--max-image-pixels .*: expected a number above 0"):
        run({"a.png": encoded("PNG")}, max_image_pixels=pixels)


def test_attachments_have_the_same_limits(
    tmp_path: Path, model_emd: Path, make_gpkg: Function
) -> None:
    whole = encoded("JPEG")
    media = [("image/jpeg", whole), ("image/jpeg", whole[:-40]), ("image/png", encoded("PNG"))]
    path = make_gpkg(media, [(1, 1), (2, 2), (3, 3)])
    output = tmp_path / "r.gpkg"
    done = classify(path, model=model_emd, output=output)
    assert (done.done, done.failed) == (2, 1)
    done = classify(path, model=model_emd, output=output, allow_truncated=True)
    assert (done.done, done.failed, done.classified_now) == (3, 0, 1)
    done = classify(path, model=model_emd, output=output, max_image_pixels=100)
    assert done.failed == 3
    assert all("declares 128 x 96 pixels" in failure.reason for failure in done.failures[2:])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_thousands_of_bands_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    path = tmp_path / "bands.tif"
    sparse(path, 16, placed=False, count=5001)
    with pytest.raises(ItemError, match="declares 5001 bands, more than the limit of 5000"):
        open_image(path)


# not what they say


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp", "a.heic"])
def test_bytes_of_no_format_are_tried_by_no_driver(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    for data in (b"\0", b"\x01\x02\x03" * 50, RNG.bytes(500)):
        path.write_bytes(data)
        with pytest.raises(ItemError, match=r"not an image"):
            open_image(path)


def test_a_raw_raster_is_read_by_its_header(tmp_path: Path) -> None:
    pixels = RNG.integers(1, 256, (3, 7, 9), np.uint8)
    path = tmp_path / "a.img"
    with rasterio.open(
        path, "w", driver="ENVI", width=9, height=7, count=3, dtype="uint8", transform=UTM,
        crs="EPSG:32631",
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    with open_image(path) as image:
        assert (image.read(Window(0, 0, 7, 9), (0, 1, 2)).data == pixels).all()
        assert image.transform == UTM


def test_a_photo_is_not_placed_by_a_vrt_in_its_comment(tmp_path: Path) -> None:
    """GDAL takes a file with these words in its head for a VRT, whatever else it is."""
    words = (
        b'<VRTDataset rasterXSize="9" rasterYSize="9"><GeoTransform>5, 1, 0, 5, 0, -1'
        b"</GeoTransform></VRTDataset>"
    )
    data = encoded("JPEG")
    comment = b"\xff\xfe" + struct.pack(">H", len(words) + 2) + words
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:2] + comment + data[2:])
    with open_image(path) as image:
        assert image.transform is None
        assert (image.width, image.height) == (128, 96)


def test_a_name_is_one_line_that_no_terminal_obeys(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    survey = make_gdb([(1, "a\n\x1b[2Jb.jpg", "image/jpeg", photo_bytes(1)[:300])])
    catalog = str(tmp_path / "r.gpkg")
    words = ["classify", str(survey), "-m", str(model_emd), "-o", catalog]
    answer = CliRunner().invoke(cli, words)
    (told,) = (line for line in answer.stderr.split("\n") if line.startswith("failed: "))
    assert told.startswith("failed: plots attachment 1 (a \\x1b[2Jb.jpg): ")
    for question in (["sql", catalog, "items"], ["status", catalog]):
        answer = CliRunner().invoke(cli, question)
        assert answer.exit_code == 0
        assert "\x1b" not in answer.output


SIDECARS = {
    "srs": "<PAMDataset><SRS>EPSG:999999</SRS></PAMDataset>",
    "cut": '<PAMDataset><SRS>PROJCS["WGS 84",GEOGCS["WGS 84"</SRS></PAMDataset>',
    "rpc": "<PAMDataset><Metadata domain='RPC'><MDI key='LINE_OFF'>zz</MDI></Metadata></PAMDataset>",
    "colors": "<PAMDataset><PAMRasterBand band='1'><ColorInterp>Palette</ColorInterp><ColorTable>"
    "<Entry c1='999999' c2='-5' c3='0' c4='0'/></ColorTable></PAMRasterBand></PAMDataset>",
}


@pytest.mark.parametrize("kind", SIDECARS)
def test_a_file_beside_a_raster_harms_that_raster_alone(
    run: Function, tmp_path: Path, write_raster: Function, kind: str
) -> None:
    bands = 1 if kind == "colors" else 3
    place = {} if kind == "rpc" else {"transform": UTM}
    raster = write_raster(tmp_path / "t.tif", np.full((bands, 9, 9), 5, np.uint8), **place)
    files = {"a.jpg": encoded("JPEG"), "t.tif": raster.read_bytes()}
    done, found = run({**files, "t.tif.aux.xml": SIDECARS[kind].encode()})
    assert (done.done, done.failed) == (1, 1)
    assert found["a.jpg"][0] == "done"
    assert "or a file beside it is damaged: " in found["t.tif"][1]


@pytest.mark.parametrize("suffix", [".msk", ".ovr", ".aux.xml"])
def test_what_lies_beside_a_raster_leads_nowhere_else(
    tmp_path: Path, write_raster: Function, suffix: str
) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    path = write_raster(inside / "a.tif", np.full((3, 9, 9), 5, np.uint8), transform=UTM)
    write_raster(outside / "b.tif", np.full((1, 9, 9), 255, np.uint8))
    (inside / f"a.tif{suffix}").symlink_to(outside / "b.tif")
    with pytest.raises(ItemError, match="leads out of its folder"):
        open_image(path)
    linked = outside / "linked.tif"
    linked.symlink_to(inside / "a.tif")
    (inside / f"a.tif{suffix}").unlink()
    with open_image(linked) as image:
        assert image.bands == 3


def test_pixels_that_a_raster_says_are_in_a_file_elsewhere_are_not_read(tmp_path: Path) -> None:
    profile = {"driver": "HFA", "width": 64, "height": 64, "count": 3, "dtype": "uint8"}
    with rasterio.open(tmp_path / "h.img", "w", USE_SPILL="YES", transform=UTM, **profile) as file:
        file.write(RNG.integers(0, 255, (3, 64, 64), np.uint8))
    folder = tmp_path / "in"
    folder.mkdir()
    there = (tmp_path / "h.img").read_bytes()
    (folder / "x.img").write_bytes(there.replace(b"h.ige", b"../q\0"))
    (tmp_path / "h.ige").rename(tmp_path / "q")
    with pytest.raises(ItemError, match="leads out of its folder"):
        open_image(folder / "x.img")


def declaring(data: bytes, at: int, size: bytes) -> bytes:
    """An image with another size in its header."""
    return data[:at] + size + data[at + len(size) :]


def test_images_without_bytes_for_their_pixels_are_refused(run: Function) -> None:
    jpeg, gif = encoded("JPEG", progressive=True), encoded("GIF", SMOOTH[:1, :1])
    done, found = run(
        {
            "a.jpg": declaring(jpeg, jpeg.index(b"\xff\xc2") + 5, struct.pack(">HH", 20000, 20000)),
            "b.gif": declaring(gif, 6, struct.pack("<HH", 65000, 7000)),
            "c.jpg": encoded("JPEG"),
        }
    )
    assert (done.done, done.failed) == (1, 2)
    assert f"20000 x 20000 pixels, which its {len(jpeg)} bytes cannot hold" in str(found["a.jpg"])
    assert f"65000 x 7000 pixels, which its {len(gif)} bytes cannot hold" in str(found["b.gif"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_images_of_one_colour_have_bytes_enough(kind: str) -> None:
    options = {"quality": 1, "optimize": True, "progressive": True} if kind == "JPEG" else {}
    flat = np.zeros((3200, 4000), np.uint8)
    data = encoded(kind, flat, **options)
    with Photo(data, (kind,)) as photo:
        pixels, valid = photo.decode()
    assert valid.all()
    assert (pixels == pixels[0, 0]).all()
