"""Decoding: right pixels, upright, with a mask; what cannot be decoded says why."""

import importlib.util
import io
import shutil
import struct
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning

from pixelcat.catalog.errors import ItemError
from pixelcat.catalog.records import Item
from pixelcat.io.image import Window, open_image
from pixelcat.io.limits import MAX_PIXELS
from pixelcat.io.probe import probe

UTM = Affine(10, 0, 500_000, 0, -10, 4_000_000)
RNG = np.random.default_rng(5)
SCENE = RNG.integers(1, 256, (3, 45, 70), np.uint8)
"""Noise without zeros: bands, height, width."""


def read(where, bands=None, window=None):
    """Return pixels and mask of a whole image, or of a window of it."""
    with open_image(where) as image:
        window = window or Window(0, 0, image.height, image.width)
        array = image.read(window, tuple(range(image.bands)) if bands is None else bands)
        assert array.data.dtype == image.dtype
        assert array.data.shape[1:] == array.valid.shape == window[2:]
        assert array.valid.dtype == bool
        assert not array.data[:, ~array.valid].any()
    return array.data, array.valid


def encoded(array, kind, **options):
    """Encode an array (height, width[, bands]) or a Pillow image."""
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_raster(path, data, *, colors=None, mask=None, transform=UTM, **profile):
    """Write bands, height, width with GDAL."""
    count, height, width = data.shape
    placed = {"transform": transform, "crs": "EPSG:32631"} if transform else {}
    profile = {"driver": "GTiff", "dtype": data.dtype, **placed, **profile}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as file:
            file.write(data)
            if colors:
                file.colorinterp = colors
            if mask is not None:
                file.write_mask(mask)
    return path


def both_ways(path):
    """The same image as a file and as an attachment."""
    return [path, path.read_bytes()]


# --- formats -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "BMP", "WEBP", "TIFF", "GIF"])
def test_lossless_formats_give_the_exact_pixels(tmp_path, kind):
    pixels = np.moveaxis(SCENE, 0, -1)
    image = Image.fromarray(pixels)
    if kind == "GIF":
        image = image.quantize(64)
        pixels = np.asarray(image.convert("RGB"))
    path = tmp_path / "image.dat"
    path.write_bytes(encoded(image, kind, **({"lossless": True} if kind == "WEBP" else {})))
    for where in both_ways(path):
        data, valid = read(where)
        assert (np.moveaxis(data, 0, -1) == pixels).all()
        assert valid.all()


def test_jpeg_is_decoded_as_everybody_else_does():
    data = encoded(np.moveaxis(SCENE, 0, -1), "JPEG")
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert (np.moveaxis(read(data)[0], 0, -1) == expected).all()


def test_a_jpeg_2000_is_decoded(tmp_path):
    path = write_raster(
        tmp_path / "a.jp2", SCENE, driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES"
    )
    for where in both_ways(path):
        assert (read(where)[0] == SCENE).all()


def test_gray_stays_one_band_and_bilevel_becomes_0_and_255():
    gray = SCENE[0]
    assert (read(encoded(gray, "PNG"))[0] == gray).all()
    (bilevel,), _ = read(encoded(gray > 127, "PNG"))
    assert (bilevel == np.where(gray > 127, 255, 0)).all()


def test_a_palette_becomes_its_colours():
    image = Image.fromarray(np.moveaxis(SCENE, 0, -1)).quantize(32)
    data, _ = read(encoded(image, "PNG"))
    assert (np.moveaxis(data, 0, -1) == np.asarray(image.convert("RGB"))).all()


def test_cmyk_becomes_three_bands():
    image = Image.new("CMYK", (9, 7), (0, 255, 255, 0))
    data, _ = read(encoded(image, "JPEG", quality=95))
    assert data.shape == (3, 7, 9)
    assert np.abs(data[:, 3, 4].astype(int) - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("count", [1, 3])
def test_16_bit_png_keeps_all_bits(tmp_path, count):
    deep = RNG.integers(0, 65_536, (count, 45, 70), np.uint16)
    path = write_raster(tmp_path / "deep.png", deep, driver="PNG", transform=None)
    for where in both_ways(path):
        assert (read(where)[0] == deep).all()


def test_the_first_picture_of_an_animation_counts():
    frames = [Image.new("L", (8, 6), gray) for gray in (10, 200)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (read(data)[0] == 10).all()


def test_bands_may_be_chosen_in_any_order_and_twice(tmp_path):
    photo = encoded(np.moveaxis(SCENE, 0, -1), "PNG")
    for where in (photo, write_raster(tmp_path / "a.tif", SCENE)):
        data, _ = read(where, bands=(2, 0, 0))
        assert (data == SCENE[[2, 0, 0]]).all()


def test_bands_have_names(tmp_path):
    path = write_raster(tmp_path / "a.tif", SCENE)
    with rasterio.open(path, "r+") as file:
        file.set_band_description(2, "nir")
    with open_image(path) as raster, open_image(encoded(SCENE[0], "PNG")) as photo:
        assert raster.band_names == (None, "nir", None)
        assert photo.band_names == ("gray",)


@pytest.mark.parametrize(
    ("stored", "read_as"),
    [
        *(("uint8", "uint8"), ("uint16", "uint16"), ("int16", "int16"), ("float32", "float32")),
        *(("int8", "float32"), ("int32", "float32"), ("uint32", "float32"), ("float64", "float32")),
    ],
)
def test_numbers_are_read_as_one_of_four_types(tmp_path, stored, read_as):
    values = np.array([[[1, 2, 100]]], stored)
    for where in both_ways(write_raster(tmp_path / "a.tif", values)):
        data, _ = read(where)
        assert data.dtype == read_as
        assert data.tolist() == [[[1, 2, 100]]]


@pytest.mark.parametrize("dtype", ["complex64", "complex128", "complex_int16"])
def test_complex_numbers_are_refused(tmp_path, dtype):
    path = tmp_path / "radar.tif"
    profile = {"driver": "GTiff", "width": 4, "height": 3, "count": 1, "dtype": dtype}
    with rasterio.open(path, "w", transform=UTM, crs="EPSG:32631", **profile):
        pass
    with pytest.raises(ItemError, match=r"complex.* cannot be classified"):
        open_image(path)


def write_vrt(path, bands):
    """A VRT of (data type, source, nodata) bands of 2 x 2 pixels."""
    xml = "".join(
        f'<VRTRasterBand dataType="{kind}" band="{number}">'
        + ("" if nodata is None else f"<NoDataValue>{nodata}</NoDataValue>")
        + f"<SimpleSource><SourceFilename>{source}</SourceFilename></SimpleSource></VRTRasterBand>"
        for number, (kind, source, nodata) in enumerate(bands, 1)
    )
    path.write_text(f'<VRTDataset rasterXSize="2" rasterYSize="2">{xml}</VRTDataset>')
    return path


def test_bands_of_different_types_are_read_as_one_that_holds_both(tmp_path):
    small = write_raster(tmp_path / "8.tif", np.full((1, 2, 2), 7, np.uint8))
    large = write_raster(tmp_path / "16.tif", np.full((1, 2, 2), 700, np.uint16))
    path = write_vrt(tmp_path / "a.vrt", [("Byte", small, None), ("UInt16", large, None)])
    data, _ = read(path)
    assert data.dtype == np.uint16
    assert data[:, 0, 0].tolist() == [7, 700]


# --- orientation -------------------------------------------------------------------------

STORED = {
    1: lambda up: up,
    2: lambda up: up[:, ::-1],
    3: lambda up: up[::-1, ::-1],
    4: lambda up: up[::-1],
    5: lambda up: up.swapaxes(0, 1),
    6: lambda up: np.rot90(up, 1),
    7: lambda up: up[::-1, ::-1].swapaxes(0, 1),
    8: lambda up: np.rot90(up, -1),
}
"""Orientation → how a camera stores an upright picture (EXIF 2.32: which visual side
the first row and the first column are)."""


def with_orientation(value):
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG", "TIFF"])
def test_a_photo_is_turned_upright(kind, orientation):
    upright = np.moveaxis(SCENE, 0, -1)
    if kind == "JPEG":  # blocks of one colour survive it
        upright = np.kron(upright[:5, :8], np.ones((16, 16, 1), np.uint8))
    stored = np.ascontiguousarray(STORED[orientation](upright))
    options = {
        "PNG": {},
        "TIFF": {},
        "WEBP": {"lossless": True},
        "JPEG": {"quality": 95, "subsampling": 0},
    }
    data = encoded(stored, kind, exif=with_orientation(orientation), **options[kind])
    with open_image(data) as image:
        assert image.orientation == orientation
        assert (image.height, image.width) == upright.shape[:2]
    pixels = np.moveaxis(read(data)[0], 0, -1).astype(int)
    assert np.abs(pixels - upright).max() <= (8 if kind == "JPEG" else 0)


@pytest.mark.parametrize("profile", [{"BIGTIFF": "YES"}, {"ENDIANNESS": "BIG"},
                                     {"BIGTIFF": "YES", "ENDIANNESS": "BIG"}])  # fmt: skip
def test_a_tiff_of_any_kind_is_turned(tmp_path, profile):
    data = RNG.normal(size=(5, 20, 30)).astype(np.float32)
    path = write_raster(tmp_path / "a.tif", data, transform=None, **profile)
    set_orientation(path, 6)
    assert (read(path)[0] == np.rot90(data, -1, (1, 2))).all()
    found = probe(Item(kind="file", source_key="a", name="a.tif"), path)
    assert (found.orientation, found.width, found.height) == (6, 20, 30)


PLACES = {
    "transform": {"transform": UTM},
    "world file": {"transform": None},
    "control points": {
        "transform": None,
        "crs": "EPSG:32631",
        "gcps": [GroundControlPoint(row, column, column * 9.0, row * -9.0)
                 for row, column in ((0, 0), (0, 9), (9, 0), (9, 9))],
    },
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_a_map_is_not_turned(tmp_path, place):
    path = write_raster(tmp_path / "a.tif", SCENE, **PLACES[place])
    set_orientation(path, 6)
    if place == "world file":
        path.with_suffix(".tfw").write_text("10\n0\n0\n-10\n500005\n3999995\n")
    assert (read(path)[0] == SCENE).all()
    with open_image(path) as image:
        assert image.orientation is None


def set_orientation(path, value):
    """Append the first directory of a TIFF to the file again, with this tag in it."""
    data = path.read_bytes()
    order, is_big = "<" if data[:2] == b"II" else ">", 43 in data[2:4]
    header, offset, count, size = (8, "Q", "Q", 20) if is_big else (4, "I", "H", 12)
    (start,) = struct.unpack_from(order + offset, data, header)
    (length,) = struct.unpack_from(order + count, data, start)
    start += struct.calcsize(count)
    entries = [data[start + n * size : start + (n + 1) * size] for n in range(length)]
    tag = struct.pack(f"{order}HH{offset}H", 274, 3, 1, value).ljust(size, b"\0")
    entries = sorted([*entries, tag], key=lambda each: struct.unpack_from(order + "H", each))
    data += bytes(-len(data) % 8)
    last = struct.pack(order + offset, 0)
    directory = struct.pack(order + count, length + 1) + b"".join(entries) + last
    place = struct.pack(order + offset, len(data))
    path.write_bytes(data[:header] + place + data[header + len(place) :] + directory)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_an_orientation_that_does_not_exist_is_none(value):
    data = encoded(np.moveaxis(SCENE, 0, -1), "PNG", exif=with_orientation(value))
    with open_image(data) as image:
        assert image.orientation is None
    assert (read(data)[0] == SCENE).all()


def test_the_mask_is_turned_with_the_photo():
    pixels = np.full((4, 6, 4), 255, np.uint8)
    pixels[0, 5, 3] = 0  # stored top right is upright bottom right
    _, valid = read(encoded(pixels, "PNG", exif=with_orientation(6)))
    assert np.argwhere(~valid).tolist() == [[5, 3]]


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["Landscape", "Portrait"])
def test_real_photos_of_one_scene_in_every_orientation_agree(shared_data, name):
    photos = sorted((shared_data / "attachments/photos/orientation").glob(f"{name}*.jpg"))
    assert len(photos) == 4
    first, *others = (read(path)[0].astype(int) for path in photos)
    assert first.shape == ((3, 1200, 1800) if name == "Landscape" else (3, 1800, 1200))
    assert all(np.abs(other - first).mean() < 5 for other in others)


# --- masks -------------------------------------------------------------------------------

HOLE = np.zeros((45, 70), bool)
HOLE[3:9, 60:] = True


def test_transparent_pixels_of_a_photo_are_invalid():
    alpha = np.where(HOLE, 0, 128).astype(np.uint8)
    color = np.dstack([*SCENE, alpha])
    gray = np.dstack([SCENE[0], alpha])
    for data, bands in (
        (encoded(color, "PNG"), 3),
        (encoded(color, "WEBP", lossless=True, exact=True), 3),
        (encoded(gray, "PNG"), 1),
    ):
        pixels, valid = read(data)
        assert len(pixels) == bands
        assert (valid == ~HOLE).all()


def test_a_transparent_palette_entry_is_invalid():
    image = Image.fromarray(np.where(HOLE, 3, 1).astype(np.uint8)).convert("P")
    _, valid = read(encoded(image, "PNG", transparency=3))
    assert (valid == ~HOLE).all()


def test_a_transparent_colour_is_invalid():
    image = Image.fromarray(np.where(HOLE[..., np.newaxis], 0, np.moveaxis(SCENE, 0, -1)))
    _, valid = read(encoded(image, "PNG", transparency=(0, 0, 0)))
    assert (valid == ~HOLE).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("driver", ["GTiff", "PNG"])
def test_an_alpha_band_is_a_mask_and_no_band(tmp_path, driver, dtype):
    alpha = np.where(HOLE, 0, np.iinfo(dtype).max).astype(dtype)
    colors = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    placed = {"transform": UTM if driver == "GTiff" else None, "driver": driver}
    path = write_raster(
        tmp_path / "a.img", np.stack([*SCENE.astype(dtype), alpha]),
        colors=colors if driver == "GTiff" else None, **placed,
    )  # fmt: skip
    for where in both_ways(path):
        data, valid = read(where)
        assert len(data) == 3
        assert (valid == ~HOLE).all()


def test_an_internal_mask_counts(tmp_path):
    for where in both_ways(write_raster(tmp_path / "a.tif", SCENE, mask=~HOLE)):
        assert (read(where)[1] == ~HOLE).all()


def test_nodata_is_invalid_only_where_all_chosen_bands_hold_it(tmp_path):
    data = SCENE.copy()
    data[0, 1, 1] = data[1, 1, 1] = 0
    data[:, 2, 2] = 0
    path = write_raster(tmp_path / "a.tif", data, nodata=0)
    assert np.argwhere(~read(path)[1]).tolist() == [[2, 2]]
    assert np.argwhere(~read(path, bands=(0, 1))[1]).tolist() == [[1, 1], [2, 2]]
    assert np.argwhere(~read(path, bands=(2,))[1]).tolist() == [[2, 2]]


def test_each_band_may_have_a_nodata_value_of_its_own(tmp_path):
    values = np.array([[[1, 2], [3, 1]]], np.uint8)
    source = write_raster(tmp_path / "a.tif", values)
    bands = [("Byte", source, 1), ("Byte", source, 3)]
    path = write_vrt(tmp_path / "a.vrt", bands)
    assert read(path)[1].tolist() == [[True, True], [True, True]]
    assert read(path, bands=(0,))[1].tolist() == [[False, True], [True, False]]
    assert read(path, bands=(1,))[1].tolist() == [[True, True], [False, True]]
    path = write_vrt(tmp_path / "b.vrt", [*bands, ("Byte", source, None)])
    assert read(path)[1].all()


@pytest.mark.parametrize("nodata", [None, np.nan, -9999.0])
def test_what_is_not_finite_is_invalid(tmp_path, nodata):
    values = np.array([[[1, np.nan], [np.inf, 4]], [[1, 2], [3, -np.inf]]], np.float32)
    path = write_raster(tmp_path / "a.tif", values, nodata=nodata)
    assert read(path)[1].tolist() == [[True, False], [False, False]]
    assert read(path, bands=(1,))[1].tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("dtype", "nodata", "other"),
    [
        ("int16", -32_768, 5),
        ("uint16", 65_535, 5),
        ("float32", -3.4028234663852886e38, 5),
        ("float64", -1.7976931348623157e308, 5),
        ("int32", -2_147_483_648, 5),
        ("uint32", 4_294_967_295, 4_294_967_294),
    ],
)
def test_the_usual_nodata_values_are_recognised(tmp_path, dtype, nodata, other):
    values = np.array([[[nodata, other]]], dtype)
    path = write_raster(tmp_path / "a.tif", values, nodata=nodata)
    assert read(path)[1].tolist() == [[False, True]]


@pytest.mark.parametrize(("dtype", "nodata"), [("uint8", 0.5), ("uint8", 255), ("int16", -9999)])
def test_a_nodata_value_that_no_pixel_holds_hides_nothing(tmp_path, dtype, nodata):
    values = np.array([[[0, 1]]], dtype)
    source = write_raster(tmp_path / "a.tif", np.repeat(np.repeat(values, 2, 1), 1, 2))
    kind = {"uint8": "Byte", "int16": "Int16"}[dtype]
    path = write_vrt(tmp_path / "a.vrt", [(kind, source, nodata)])
    assert read(path)[1].all()


def test_a_number_too_large_for_us_is_invalid_without_a_warning(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.array([[[1e300, 2.0]]]))
    assert read(path)[1].tolist() == [[False, True]]


def test_alpha_counts_beside_nodata(tmp_path):
    alpha = np.where(HOLE, 0, 255).astype(np.uint8)
    colors = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    data = np.stack([*SCENE, alpha])
    data[:3, 20, 20] = 0
    path = write_raster(tmp_path / "a.tif", data, colors=colors, nodata=0)
    hidden = HOLE.copy()
    hidden[20, 20] = True
    assert (read(path)[1] == ~hidden).all()


def test_a_nodata_colour_of_the_whole_dataset_counts(tmp_path):
    data = SCENE.copy()
    data[:, 2, 2] = 0
    path = write_raster(tmp_path / "a.tif", data)
    with rasterio.open(path, "r+") as file:
        file.update_tags(NODATA_VALUES="0 0 0")
    assert np.argwhere(~read(path)[1]).tolist() == [[2, 2]]


@pytest.mark.parametrize(
    ("height", "width", "block"),
    [
        (3, 3, 512),
        (100, 120, 256),
        (256, 256, 256),
        (300, 300, 256),
        (511, 700, 512),
        (40, 300, 256),
    ],
)
def test_nodata_is_right_where_blocks_reach_beyond_the_raster(tmp_path, height, width, block):
    """GDAL's own mask is wrong at the edge for some of these shapes."""
    data = RNG.integers(0, 2, (1, height, width), np.uint8)
    path = write_raster(
        tmp_path / "a.tif", data, nodata=0, tiled=True, blockxsize=block, blockysize=block
    )
    for where in both_ways(path):
        pixels, valid = read(where)
        assert (valid == (data[0] != 0)).all()
        assert (pixels == data).all()
        window = Window(height - 2, width - 3, 2, 3)
        assert (read(where, window=window)[1] == (data[0, -2:, -3:] != 0)).all()


# --- windows -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Images of one scene by decoder, with holes in them."""
    folder = tmp_path_factory.mktemp("whole")
    alpha = np.where(HOLE, 0, 255).astype(np.uint8)
    stored = np.dstack([*np.where(HOLE, 0, SCENE), alpha])
    turned = np.ascontiguousarray(STORED[6](stored))
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 32}
    return {
        "Pillow": encoded(turned, "PNG", exif=with_orientation(6)),
        "GDAL": write_raster(folder / "a.tif", np.where(HOLE, 0, SCENE), nodata=0, **blocks),
        **{
            f"GDAL {value}": turned_tiff(folder / f"{value}.tif", value, nodata=0, **blocks)
            for value in STORED
        },
    }


def turned_tiff(path, value, **profile):
    upright = np.moveaxis(np.where(HOLE, 0, SCENE), 0, -1)
    stored = np.moveaxis(STORED[value](upright), -1, 0)
    write_raster(path, np.ascontiguousarray(stored), transform=None, **profile)
    set_orientation(path, value)
    return path


@given(st.data())
@pytest.mark.parametrize("decoder", ["Pillow", "GDAL", *(f"GDAL {value}" for value in STORED)])
def test_a_window_is_that_part_of_the_whole(whole, decoder, data):
    row, column = data.draw(st.integers(0, 44)), data.draw(st.integers(0, 69))
    height, width = data.draw(st.integers(1, 45 - row)), data.draw(st.integers(1, 70 - column))
    pixels, valid = read(whole[decoder], window=Window(row, column, height, width))
    part = np.s_[row : row + height, column : column + width]
    assert (valid == ~HOLE[part]).all()
    assert (pixels == np.where(HOLE, 0, SCENE)[:, *part]).all()


@pytest.fixture
def placed_photo(tmp_path):
    """An ortho-photo as JPEG with a world file, and its reference system beside."""
    path = tmp_path / "ortho.jpg"
    path.write_bytes(encoded(np.moveaxis(SCENE, 0, -1), "JPEG"))
    path.with_suffix(".jgw").write_text("10\n0\n0\n-10\n500005\n3999995\n")
    Path(f"{path}.aux.xml").write_text("<PAMDataset><SRS>EPSG:32631</SRS></PAMDataset>")
    return path


def test_a_photo_with_a_world_file_has_its_place(placed_photo):
    with open_image(placed_photo) as image:
        assert image.transform == UTM
        assert 'AUTHORITY["EPSG","32631"]' in image.crs


@pytest.mark.parametrize("kind", ["JPEG", "GeoTIFF"])
def test_a_window_knows_its_own_place(tmp_path, placed_photo, kind):
    path = placed_photo if kind == "JPEG" else write_raster(tmp_path / "a.tif", SCENE)
    with open_image(path) as image:
        array = image.read(Window(20, 30, 5, 6), (0, 1, 2))
        assert array.transform == UTM @ Affine.translation(30, 20)
        assert array.crs == image.crs


def test_a_turned_photo_has_no_place(placed_photo):
    """A world file speaks of the stored pixels."""
    data = encoded(np.moveaxis(SCENE, 0, -1), "JPEG", exif=with_orientation(6))
    placed_photo.write_bytes(data)
    with open_image(placed_photo) as image:
        assert (image.transform, image.crs) == (None, None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_photo_has_no_place(tmp_path, kind):
    path = tmp_path / "photo.dat"
    path.write_bytes(encoded(np.moveaxis(SCENE, 0, -1), kind))
    for where in both_ways(path):
        with open_image(where) as image:
            assert (image.transform, image.crs) == (None, None)
            assert image.read(Window(1, 1, 2, 2), (0,)).transform is None


def test_a_georeferenced_attachment_keeps_its_place(tmp_path):
    path = write_raster(tmp_path / "a.tif", SCENE)
    for where in both_ways(path):
        with open_image(where) as image:
            assert image.transform == UTM
            assert 'AUTHORITY["EPSG","32631"]' in image.crs


# --- attachments are alone ---------------------------------------------------------------


def test_an_attachment_never_reads_what_lies_beside_a_file(tmp_path, monkeypatch):
    data = np.full((1, 4, 4), 7, np.uint8)
    path = write_raster(tmp_path / "a.tif", data, transform=None)
    Path(f"{path}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>'
    )
    monkeypatch.chdir(tmp_path)
    assert not read(path)[1].any()
    assert read(path.read_bytes())[1].all()


def test_a_vrt_is_no_attachment(tmp_path):
    source = write_raster(tmp_path / "secret.tif", np.full((1, 2, 2), 7, np.uint8))
    path = write_vrt(tmp_path / "a.vrt", [("Byte", source, None)])
    assert (read(path)[0] == 7).all()
    with pytest.raises(ItemError, match="not an image but an XML file"):
        open_image(path.read_bytes())


def test_a_vrt_that_calls_itself_a_photo_is_refused(tmp_path):
    """What somebody sent as a photo makes us read no other file."""
    source = write_raster(tmp_path / "secret.tif", np.full((1, 2, 2), 7, np.uint8))
    path = write_vrt(tmp_path / "photo.jpg", [("Byte", source, None)])
    with pytest.raises(ItemError, match="not an image"):
        open_image(path)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["overview_redirect.tif", "sidecar_redirect.tif"])
def test_an_attachment_is_decoded_from_its_own_bytes(shared_data, name):
    data, _ = read((shared_data / "bad/images_hostile" / name).read_bytes())
    assert (data == 7).all()


@pytest.mark.shared_data
@pytest.mark.parametrize(
    "name",
    ["vrt_disguised_reads_local_secret.jpg", "vrt_disguised_vsicurl.tif", "wms_disguised.png"],
)
def test_a_disguised_service_or_mosaic_is_refused(shared_data, tmp_path, name):
    path = Path(shutil.copy(shared_data / "bad/images_hostile" / name, tmp_path))
    for where in both_ways(path):
        with pytest.raises(ItemError, match="not an image"):
            open_image(where)


# --- damage ------------------------------------------------------------------------------


def cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP"])
def test_an_image_that_is_cut_off_fails_with_a_reason(tmp_path, kind):
    path = tmp_path / "photo.dat"
    path.write_bytes(cut(encoded(np.moveaxis(SCENE, 0, -1), kind)))
    for where in both_ways(path):
        with pytest.raises(ItemError) as failure:
            read(where)
        assert "\n" not in str(failure.value)
        assert str(failure.value)


def test_a_16_bit_png_that_is_cut_off_fails_and_is_no_noise(tmp_path):
    deep = RNG.integers(0, 65_536, (1, 45, 70), np.uint16)
    path = write_raster(tmp_path / "deep.png", deep, driver="PNG", transform=None)
    path.write_bytes(cut(path.read_bytes()))
    for where in both_ways(path):
        with pytest.raises(ItemError, match="PNG is cut off or damaged"):
            read(where)


def png_header(width, height, depth=8):
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )


@pytest.mark.parametrize("depth", [8, 16])
def test_a_bomb_is_refused_from_its_header(tmp_path, depth):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(30_000, 30_000, depth))
    for where in both_ways(path):
        with pytest.raises(ItemError, match="declares 30000 x 30000 pixels, more than the limit"):
            open_image(where)


def test_a_large_raster_is_no_bomb_unless_attached(tmp_path):
    path = tmp_path / "large.tif"
    side = int(MAX_PIXELS**0.5) + 500
    with rasterio.open(
        path, "w", driver="GTiff", width=side, height=side, count=1, dtype="uint8", tiled=True,
        sparse_ok=True, transform=UTM, crs="EPSG:32631",
    ):  # fmt: skip
        pass
    assert read(path, window=Window(0, 0, 2, 2))[0].tolist() == [[[0, 0], [0, 0]]]
    with pytest.raises(ItemError, match="more than the limit of 500 million"):
        open_image(path.read_bytes())


@pytest.mark.parametrize("where", ["missing.jpg", "."])
def test_a_path_that_cannot_be_read_says_so(tmp_path, where):
    with pytest.raises(ItemError, match=r"cannot be read: (No such file|Is a directory)"):
        open_image(tmp_path / where)


def test_what_is_no_image_is_named():
    with pytest.raises(ItemError, match="not an image but a PDF"):
        open_image(b"%PDF-1.4")
    with pytest.raises(ItemError, match="not an image but an empty file"):
        open_image(b"")


UNDECODABLE = {
    "mp4_named.jpg": "not an image but a video",
    "pdf_named.jpg": "not an image but a PDF",
    "text.jpg": "not an image but a text file",
    "truncated.jpg": "cut off|damaged",
    "truncated.png": "cut off|damaged",
    "zero.jpg": r"is empty \(0 bytes\)",
}


def try_to_read(path, where):
    """The reason why an item fails, when it is probed or at last when it is read."""
    item = probe(Item(kind="file", source_key="a", name=path.name), where)
    if item.status != "ready":
        return item.reason
    try:
        with open_image(where) as image:
            corner = Window(0, 0, min(image.height, 300), min(image.width, 300))
            array = image.read(corner, tuple(range(min(image.bands, 4))))
            assert array.data.shape[1:] == array.valid.shape == corner[2:]
    except ItemError as error:
        return str(error)
    return None


@pytest.mark.parametrize("kind", ["heif", "avif"])
def test_pictures_of_recent_phones_are_read(kind, tmp_path):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    left = Image.new("RGB", (64, 48), (200, 30, 30))
    left.paste((20, 20, 220), (32, 0, 64, 48))
    exif = Image.Exif()
    exif[0x9003] = "2026:11:28 10:00:00"
    left.save(tmp_path / f"a.{kind}", kind.upper(), quality=95, exif=exif)
    for where in both_ways(tmp_path / f"a.{kind}"):
        data, valid = read(where)
        assert valid.all()
        assert np.abs(data[:, 24, 10] - np.array([200, 30, 30])).max() < 12
        assert np.abs(data[:, 24, 54] - np.array([20, 20, 220])).max() < 12


def test_heic_without_its_decoder_is_unsupported_and_says_what_to_install(monkeypatch):
    from pixelcat.io import heif

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heif._register_heic.cache_clear()
    head = b"\0\0\0\x18ftypheic\0\0\0\0" + b"\0" * 40
    found = probe(Item(kind="attachment", source_key="1", name="IMG_1.HEIC"), head)
    assert (found.status, found.content_type) == ("unsupported", "image/heic")
    assert found.reason == "HEIC: pip install 'pixelcat[heic]' to read it"
    assert found.sha256


@pytest.mark.shared_data
@pytest.mark.parametrize("name", UNDECODABLE)
def test_awkward_images_that_cannot_be_decoded_say_why(shared_data, name):
    path = shared_data / "attachments/derived/awkward_images" / name
    for where in both_ways(path):
        reason = try_to_read(path, where)
        with pytest.raises(ItemError, match=UNDECODABLE[name]):
            raise ItemError(reason or "decoded")


@pytest.mark.shared_data
def test_all_other_awkward_images_are_decoded(shared_data):
    folder = shared_data / "attachments/derived/awkward_images"
    without = set() if importlib.util.find_spec("pillow_heif") else {"real.heic"}
    paths = [path for path in sorted(folder.iterdir()) if path.name not in {*UNDECODABLE, *without}]
    assert len(paths) == 30 - len(without)
    one_band = {"bilevel.png", "gray.jpg", "gray.png", "gray16.png", "la.png"}
    deep = {"gray16.png", "rgb16.png"}
    turned = {f"exif_orient{n}.jpg" for n in (5, 6, 7, 8)} | {"gps_orient6.jpg"}
    for path in paths:
        for where in both_ways(path):
            data, valid = read(where)
            assert len(data) == (1 if path.name in one_band else 3), path.name
            assert data.dtype == ("uint16" if path.name in deep else "uint8"), path.name
            size = (80, 60) if path.name in turned else (60, 80)
            size = (461, 451) if path.name == "real.heic" else size
            assert valid.shape == size, path.name
            assert data.std() > 5, path.name


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("folder", ["images_fuzz", "images_odd_but_valid", "images_hostile"])
def test_hostile_images_are_decoded_or_fail_with_a_reason(
    shared_data, tmp_path, monkeypatch, folder
):
    monkeypatch.chdir(tmp_path)
    for path in sorted((shared_data / "bad" / folder).iterdir()):
        if not path.is_file() or "huge_raster_with_ovr_huge_block" in path.name:
            continue  # that one has 65,535 bands and takes seconds
        for where in both_ways(path):
            reason = try_to_read(path, where)
            assert reason is None or (reason and "\n" not in reason), path.name
    assert list(tmp_path.iterdir()) == []


# strips


@pytest.mark.parametrize("largest", [1 << 29, 0])
def test_strips_read_window_by_window_are_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """Rows kept between windows, or too large to be kept."""
    monkeypatch.setattr("pixelcat.io.raster._LARGEST_ROWS", largest)
    mask = RNG.random(SCENE.shape[1:]) < 0.8
    write_raster(tmp_path / "a.tif", SCENE, mask=mask, tiled=False, blockysize=3)
    whole, valid = read(tmp_path / "a.tif")
    with open_image(tmp_path / "a.tif") as image:
        for bands in ((0, 1, 2), (2, 0)):
            for row in (0, 20, 10):
                for column in (0, 30, 5):
                    part = image.read(Window(row, column, 25, 40), bands)
                    area = np.s_[row : row + 25, column : column + 40]
                    assert (part.valid == valid[area]).all()
                    assert (part.data == whole[(list(bands), *area)]).all()
                    assert part.transform == UTM @ Affine.translation(column, row)
