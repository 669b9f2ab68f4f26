"""Raster datasets of file geodatabases.

GDAL writes none, so the tests write the tables of rasters themselves, column by column as ArcGIS
10.7 has them. Real ones were compared by hand; see docs/mosaics.md.
"""

import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import fiona
import numpy as np
import pytest
from affine import Affine
from click.testing import CliRunner

from pixelcat import classify
from pixelcat.catalog.errors import ItemError, SourceError, UsageError
from pixelcat.cli import cli
from pixelcat.io import geodatabase_raster
from pixelcat.io.image import RasterArray, Window, open_image
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import reader, scan

Function = Callable[..., Any]
UTM = 2
"""The number of the reference system of :func:`write_layer`; GDAL makes 1 for WGS 84."""
BLOCK = 16
CELL, LEFT, TOP = 10.0, 500_000.0, 5_000_000.0
PLAIN, DEFLATED = 0, 4
BANDS = {
    "sequence_nbr": "int32", "raster_id": "int32", "name": "str:65", "band_flags": "int32",
    "band_width": "int32", "band_height": "int32", "band_types": "int32",
    "block_width": "int32", "block_height": "int32", "block_origin_x": "float",
    "block_origin_y": "float", "eminx": "float", "eminy": "float", "emaxx": "float",
    "emaxy": "float", "cdate": "int32", "mdate": "int32", "srid": "int32",
}  # fmt: skip
BLOCKS = {
    "rasterband_id": "int32", "rrd_factor": "int32", "row_nbr": "int32", "col_nbr": "int32",
    "block_data": "bytes", "block_key": "str:50",
}  # fmt: skip
TYPES = {
    "uint8": (8, 0), "int8": (8, 1), "uint16": (16, 0), "int16": (16, 1), "uint32": (32, 0),
    "int32": (32, 1), "float32": (32, 2), "float64": (64, 0),
}  # fmt: skip


def write_table(path: Path, layer: str, columns: dict[str, str], rows: Iterable[Any]) -> None:
    schema = {"geometry": "None", "properties": columns}
    with fiona.open(path, "w", driver="OpenFileGDB", layer=layer, schema=schema) as table:
        table.writerecords({"geometry": None, "properties": row} for row in rows)


def write_layer(path: Path) -> None:
    """Write a feature class; the reference systems of a geodatabase are those of its layers."""
    schema = {"geometry": "Point", "properties": {"plot_id": "str:10"}}
    with fiona.open(
        path, "w", driver="OpenFileGDB", layer="plots", schema=schema, crs="EPSG:32631"
    ) as layer:
        place = {"type": "Point", "coordinates": (LEFT, TOP)}
        layer.write({"geometry": place, "properties": {"plot_id": "P1"}})


def packed(values: np.ndarray, bits: int) -> bytes:
    """Return pixels as they are stored: big-endian, or so many bits each."""
    if bits >= 8:
        return values.astype(values.dtype.newbyteorder(">")).tobytes()
    digits = np.unpackbits(values.reshape(-1, 1), axis=1)[:, -bits:]
    return np.packbits(digits).tobytes()


def key(band: int, row: int, column: int, level: int = 0) -> str:
    places = "".join(f"{'-' if n < 0 else ''}{abs(n):04X}" for n in (row, column))
    return f"0000{band:04X}{level:02X}{places}"


def write_raster_dataset(
    path: Path,
    name: str,
    pixels: np.ndarray,
    valid: np.ndarray | None = None,
    *,
    bits: int | None = None,
    compression: int = DEFLATED,
    shift: tuple[int, int] = (0, 0),
    srid: int = 0,
    **facts: Any,
) -> Path:
    """Write a raster of shape (bands, height, width) as ArcGIS has it.

    Args:
        valid: Shape (height, width); None stores no mask.
        shift: Row and column of the first pixel, counted from the origin of the blocks.
        facts: Columns of the table of bands that are to say something else.
    """
    width_bits, kind = TYPES[pixels.dtype.name]
    bits = bits or width_bits
    count, height, width = pixels.shape
    common = {
        "raster_id": 1, "name": "", "band_flags": 0, "band_width": width, "band_height": height,
        "band_types": bits << 19 | kind << 16 | compression << 8, "block_width": BLOCK,
        "block_height": BLOCK, "block_origin_x": LEFT - shift[1] * CELL,
        "block_origin_y": TOP + shift[0] * CELL, "eminx": LEFT, "emaxy": TOP,
        "emaxx": LEFT + (width - 1) * CELL, "eminy": TOP - (height - 1) * CELL,
        "cdate": 0, "mdate": 0, "srid": srid, **facts,
    }  # fmt: skip
    write_table(
        path, f"fras_bnd_{name}", BANDS, ({"sequence_nbr": n + 1, **common} for n in range(count))
    )
    write_table(
        path,
        f"fras_blk_{name}",
        BLOCKS,
        blocks_of(pixels, valid, bits=bits, compression=compression, shift=shift),
    )
    return path


def blocks_of(
    pixels: np.ndarray, valid: np.ndarray | None, *, bits: int, compression: int, shift: Any
) -> Iterable[dict[str, Any]]:
    """Yield rows of blocks, the last one first; those without a valid pixel are left out."""
    _, height, width = pixels.shape
    top, left = (number // BLOCK for number in shift)
    bottom, right = (
        (n + size - 1) // BLOCK for n, size in zip(shift, (height, width), strict=True)
    )
    before = shift[0] - top * BLOCK, shift[1] - left * BLOCK
    whole = np.zeros(((bottom - top + 1) * BLOCK, (right - left + 1) * BLOCK), pixels.dtype)
    mask = np.zeros(whole.shape, np.bool_)
    here = np.s_[before[0] : before[0] + height, before[1] : before[1] + width]
    mask[here] = True if valid is None else valid
    rows = []
    for band, values in enumerate(pixels, 1):
        whole[here] = values
        for row, column in np.ndindex(bottom - top + 1, right - left + 1):
            area = np.s_[row * BLOCK : (row + 1) * BLOCK, column * BLOCK : (column + 1) * BLOCK]
            if not mask[area].any():
                continue
            data = packed(whole[area], bits)
            data += b"" if valid is None else np.packbits(mask[area]).tobytes()
            place = row + top, column + left
            rows.append(
                {
                    "rasterband_id": band,
                    "rrd_factor": 0,
                    "row_nbr": place[0],
                    "col_nbr": place[1],
                    "block_data": zlib.compress(data) if compression == DEFLATED else data,
                    "block_key": key(band, *place),
                }
            )
            pyramid = {**rows[-1], "rrd_factor": 1, "block_key": key(band, *place, level=1)}
            rows.append({**pyramid, "block_data": b"not to be read"})
    return rows[::-1]


def noise(dtype: str, bands: int = 1, size: tuple[int, int] = (41, 37), most: int = 0) -> Any:
    """Return random pixels over the whole range of a type."""
    numbers = np.random.default_rng(3)
    shape = (bands, *size)
    if np.dtype(dtype).kind == "f":
        return numbers.normal(0, 1e6, shape).astype(dtype)
    limits = np.iinfo(dtype)
    return numbers.integers(limits.min, most or limits.max, shape, dtype, endpoint=True)


def read(path: Path, window: Window | None = None, **options: Any) -> RasterArray:
    """Return pixels of the only raster of a geodatabase, or of ``layer``."""
    (found,) = scan(path, options=ScanOptions.checked(**options))
    (item,) = found.items
    assert item.status == "ready", item.reason
    with reader(found.dataset) as fetch, open_image(fetch(item)) as image:
        window = window or Window(0, 0, image.height, image.width)
        return image.read(window, tuple(range(image.bands)))


@pytest.mark.parametrize("compression", [PLAIN, DEFLATED])
@pytest.mark.parametrize("dtype", TYPES)
def test_pixels_of_every_type_are_read(tmp_path: Path, dtype: str, compression: int) -> None:
    pixels = noise(dtype, bands=2)
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", pixels, compression=compression)
    found = read(path)
    kept = dtype in ("uint8", "uint16", "int16", "float32")
    assert found.data.dtype == (dtype if kept else "float32")
    assert (found.data == pixels.astype(found.data.dtype)).all()
    assert found.valid.all()


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_pixels_of_few_bits_are_unpacked(tmp_path: Path, bits: int) -> None:
    pixels = noise("uint8", most=2**bits - 1)
    valid = noise("uint8", most=1)[0] == 1
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", pixels, valid, bits=bits)
    found = read(path)
    assert (found.valid == valid).all()
    assert (found.data == pixels * valid).all()


def test_masks_and_missing_blocks_are_no_data(tmp_path: Path) -> None:
    pixels = noise("float32", bands=3)
    pixels[:, 5, 5] = 3.4e38
    valid = noise("uint8", most=2)[0] > 0
    valid[5, 5] = False
    valid[:16, 16:32] = False
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", pixels, valid)
    found = read(path)
    assert (found.valid == valid).all()
    assert (found.data == np.where(valid, pixels, 0)).all()


@pytest.mark.parametrize("shift", [(0, 0), (5, 3), (-7, -20), (40, -1), (-16, 32)])
def test_windows_of_rasters_whose_blocks_begin_elsewhere(
    tmp_path: Path, shift: tuple[int, int]
) -> None:
    pixels = noise("int16", bands=2)
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", pixels, shift=shift)
    for window in (Window(0, 0, 41, 37), Window(13, 9, 20, 25), Window(40, 36, 1, 1)):
        found = read(path, window)
        rows = slice(window.row, window.row + window.height)
        columns = slice(window.column, window.column + window.width)
        assert (found.data == pixels[:, rows, columns]).all()
        corner = LEFT - CELL / 2, TOP + CELL / 2
        whole = Affine(CELL, 0, corner[0], 0, -CELL, corner[1])
        expected = whole @ Affine.translation(window.column, window.row)
        assert found.transform is not None
        assert found.transform.almost_equals(expected)


def test_only_the_blocks_of_a_window_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", noise("uint8", size=(160, 160)))
    rows: list[int] = []
    original = geodatabase_raster.read_rows

    def counted(*args: Any) -> Any:
        found = original(*args)
        rows.append(len(found[0]))
        return found

    monkeypatch.setattr(geodatabase_raster, "read_rows", counted)
    read(path, Window(20, 20, 20, 20))
    assert sum(rows) == 4


def test_the_reference_system_is_that_of_its_number(tmp_path: Path) -> None:
    path = tmp_path / "a.gdb"
    write_layer(path)
    write_raster_dataset(path, "dem", noise("uint8"), srid=UTM)
    (found,) = scan(path, layer="DEM")
    (item,) = found.items
    assert (found.dataset.kind, found.dataset.layer) == ("filegdb_rasters", "dem")
    assert item.srs is not None
    assert (item.srs.organization, item.srs.code) == ("EPSG", 32631)
    assert item.footprint is not None


def test_each_raster_of_a_geodatabase_is_an_item(tmp_path: Path) -> None:
    path = tmp_path / "a.gdb"
    for name, bands in (("ortho", 3), ("Höhe", 1)):
        write_raster_dataset(path, name, noise("uint8", bands))
    scans = list(scan(path))
    assert [each.dataset.layer for each in scans] == ["ortho", "Höhe"]
    items = [item for each in scans for item in each.items]
    assert [(item.name, item.status, item.bands) for item in items] == [
        ("ortho", "ready", 3), ("Höhe", "ready", 1),
    ]  # fmt: skip
    assert items[0].sha256 != items[1].sha256
    with pytest.raises(SourceError, match="no raster dataset none; there are ortho, Höhe"):
        list(scan(path, layer="none"))
    with pytest.raises(UsageError, match="is no mosaic; leave out --mode mosaic"):
        list(scan(path, options=ScanOptions.checked(mode="mosaic")))


def test_rasters_beside_layers_without_photos_are_items(tmp_path: Path) -> None:
    path = tmp_path / "a.gdb"
    write_layer(path)
    write_raster_dataset(path, "dem", noise("uint8"))
    assert [each.dataset.layer for each in scan(path)] == ["dem"]
    with pytest.raises(SourceError, match="layer plots has no related media"):
        list(scan(path, layer="plots"))
    with pytest.raises(SourceError, match="the layers plots, and the raster datasets dem"):
        list(scan(path, layer="none"))


def test_rasters_beside_attachments_are_left_out_with_a_note(
    make_gdb: Function, photo_bytes: Function
) -> None:
    path = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes())])
    before = [(each.dataset, list(each.items)) for each in scan(path)]
    write_raster_dataset(path, "dem", noise("uint8"))
    ((dataset, items),) = [(each.dataset, list(each.items)) for each in scan(path)]
    assert (dataset.kind, dataset.layer, items) == ("filegdb", "plots", before[0][1])
    assert "the raster datasets dem: --layer NAME takes one" in dataset.options["note"]
    assert [each.dataset.layer for each in scan(path, layer="dem")] == ["dem"]
    rasters = scan(path, options=ScanOptions.checked(source_kind="filegdb_rasters"))
    assert [each.dataset.layer for each in rasters] == ["dem"]
    assert [each.dataset.layer for each in scan(path, layer="plots")] == ["plots"]


def test_columns_of_rasters_and_mosaic_datasets_are_no_raster_datasets(
    make_gdb: Function, photo_bytes: Function
) -> None:
    path = make_gdb([(1, "a.jpg", "image/jpeg", photo_bytes())])
    write_raster_dataset(path, "plots", noise("uint8"))
    write_raster_dataset(path, "AMD_years_CAT", noise("uint8"))
    (found,) = scan(path, layer="plots")
    assert (found.dataset.kind, dict(found.dataset.options)) == ("filegdb", {})
    assert [item.name for item in found.items] == ["a.jpg"]


def test_zipped_geodatabases_have_rasters_too(tmp_path: Path) -> None:
    pixels = noise("uint16", bands=2)
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", pixels)
    with zipfile.ZipFile(tmp_path / "a.gdb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in path.iterdir():
            archive.write(file, f"a.gdb/{file.name}")
    shutil.rmtree(path)
    assert (read(tmp_path / "a.gdb.zip").data == pixels).all()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"compression": 8}, "compressed as JPEG, which is not read"),
        ({"compression": 12}, "compressed as JPEG 2000, which is not read"),
        ({"compression": 77}, "unknown compression 77"),
        ({"band_types": 12 << 19}, "pixels of 12 bits"),
        ({"band_width": 0}, "declares 0 x 41 pixels"),
        ({"band_height": -4}, "declares 37 x -4 pixels"),
        ({"block_width": 0}, "declares blocks of 0 x 16 pixels"),
        ({"block_height": 1 << 30}, "declares blocks of 16 x 1073741824"),
        ({"emaxx": LEFT - 1}, "bounds without an area"),
        ({"emaxx": float("nan")}, "bounds that are no numbers"),
        ({"block_origin_x": 1e300}, "blocks far away from its bounds"),
    ],
)
def test_rasters_that_cannot_be_read_say_why(
    tmp_path: Path, facts: dict[str, Any], reason: str
) -> None:
    path = write_raster_dataset(tmp_path / "a.gdb", "dem", noise("uint8"), **facts)
    ((item,),) = [list(each.items) for each in scan(path)]
    assert (item.name, item.status) == ("dem", "unreadable")
    assert reason in (item.reason or "")


def test_damaged_blocks_say_which(tmp_path: Path) -> None:
    path = tmp_path / "a.gdb"
    rows = list(blocks_of(noise("uint8"), None, bits=8, compression=DEFLATED, shift=(0, 0)))
    good = write_raster_dataset(path, "dem", noise("uint8"))
    for damaged, reason in (
        (b"no zlib", "row 1, column 2: a block is damaged"),
        (zlib.compress(b"short"), "row 1, column 2: a block of 5 bytes, its pixels have 256"),
        (zlib.compress(bytes(1 << 24)), "row 1, column 2: a block of 289 bytes"),
        (b"", "row 1, column 2: a block of 0 bytes"),
    ):
        spoilt = [
            {**row, "block_data": damaged} if row["block_key"] == key(1, 1, 2) else row
            for row in rows
        ]
        write_table(path, "fras_blk_dem", BLOCKS, spoilt)
        with pytest.raises(ItemError, match=reason):
            read(good)
        assert read(good, Window(0, 0, 16, 16)).valid.all()


def test_catalogs_of_rasters_and_mixed_bands_are_refused(tmp_path: Path) -> None:
    for name, column, reason in (
        ("a", "raster_id", "a catalog of several rasters"),
        ("b", "band_width", "bands of different sizes"),
    ):
        path = write_raster_dataset(tmp_path / f"{name}.gdb", "dem", noise("uint8", bands=2))
        with fiona.open(path, layer="fras_bnd_dem") as table:
            rows = [dict(row.properties) for row in table]
        rows[1][column] += 1
        write_table(path, "fras_bnd_dem", BANDS, rows)
        ((item,),) = [list(each.items) for each in scan(path)]
        assert item.status == "unreadable"
        assert reason in (item.reason or "")


def test_a_raster_is_classified_as_the_same_tiff(
    tmp_path: Path, model_emd: Path, write_raster: Function, read_raster: Function
) -> None:
    pixels = noise("uint8", bands=3, size=(70, 90))
    valid = noise("uint8", size=(70, 90), most=9)[0] > 0
    path = tmp_path / "a.gdb"
    write_layer(path)
    write_raster_dataset(path, "dem", noise("uint8"), srid=UTM)
    write_raster_dataset(path, "ortho", pixels, valid, srid=UTM, shift=(5, 9))
    place = Affine(CELL, 0, LEFT - CELL / 2, 0, -CELL, TOP + CELL / 2)
    tif = write_raster(
        tmp_path / "a.tif", np.where(valid, pixels, 0), crs="EPSG:32631", transform=place, nodata=0
    )
    args = ["classify", str(path), "--layer", "ortho", "--model", str(model_emd), "-o"]
    result = CliRunner().invoke(cli, [*args, str(tmp_path / "one.gpkg")])
    assert result.exit_code == 0, result.output
    (one,) = (tmp_path / "one_rasters").rglob("*.tif")
    listing = CliRunner().invoke(cli, ["scan", str(path)]).output
    assert "ortho" in listing
    assert "dem" in listing
    classify(tif, model=model_emd, output=tmp_path / "other.gpkg")
    (other,) = (tmp_path / "other_rasters").rglob("*.tif")
    assert pixels[:, valid].any(axis=0).all()  # or 0 would say less than the mask
    assert (read_raster(one) == read_raster(other)).all()
