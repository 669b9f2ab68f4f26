"""Mosaics: what is seen of overlapping rasters, and what becomes of those unlike the others."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine

from pixelcat import classify
from pixelcat.catalog.errors import ItemError, SourceError, UsageError
from pixelcat.io.image import Window, open_image
from pixelcat.io.nodata import with_nodata
from pixelcat.io.scan_options import ScanOptions
from pixelcat.io.sources import reader, scan

Function = Callable[..., Any]
UTM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
CRS = "EPSG:32631"
PLACES = [(0, 0, 60, 70), (0, 50, 50, 70), (40, 0, 60, 70), (45, 50, 55, 70)]
"""Row, column, height and width of four tiles that overlap; their row counts differ."""


@pytest.fixture(scope="module")
def net(exact_net: Function) -> Any:
    """A network of three bands with stride 2."""
    return exact_net()


@pytest.fixture(scope="module")
def model(net: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a file."""
    path = tmp_path_factory.mktemp("net") / "net.keras"
    net.save(path)
    return path


@pytest.fixture
def tiles(tmp_path: Path, write_raster: Function) -> list[tuple[Path, np.ndarray]]:
    """Four tiles, each of noise of its own, with pixels."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    made = []
    for number, (row, column, height, width) in enumerate(PLACES):
        pixels = np.random.default_rng(number).integers(1, 256, (3, height, width), np.uint8)
        place = UTM @ Affine.translation(column, row)
        path = write_raster(folder / f"t{number}.tif", pixels, transform=place, crs=CRS)
        made.append((path, pixels))
    return made


@pytest.fixture
def index(tmp_path: Path, tiles: Any) -> Path:
    """A tile index of them."""
    rows = []
    for number, (path, _) in enumerate(tiles):
        with rasterio.open(path) as dataset:
            box = shapely.box(*dataset.bounds)
        location = path.relative_to(tmp_path).as_posix()
        rows.append({"location": location, "cloud": [30, 5, 8, None][number], "year": 2023 + number % 2,
                     "geometry": box})  # fmt: skip
    path = tmp_path / "tiles.gti.gpkg"
    geopandas.GeoDataFrame(rows, crs=CRS).to_file(path, layer="tiles", driver="GPKG")
    return path


def composed(tiles: Any, order: list[int], empty: int | None = None) -> np.ndarray:
    """Return the tiles put over each other by NumPy, the first of the order on top."""
    whole = np.zeros((3, 100, 120), np.uint8)
    for number in reversed(order):
        row, column, height, width = PLACES[number]
        part = whole[:, row : row + height, column : column + width]
        pixels = tiles[number][1]
        has_data = (pixels != empty).any(0) if empty is not None else np.True_
        np.copyto(part, pixels, where=has_data)
    return whole


def item_of(path: Path, **options: Any) -> Any:
    (found,) = scan(path, options=ScanOptions.checked(**options))
    (item,) = found.items
    return item, found.dataset


def mosaic_of(path: Path, nodata: tuple[float, ...] = (), **options: Any) -> Any:
    """Return all pixels of a mosaic, and what it is."""
    item, dataset = item_of(path, **options)
    assert (item.kind, item.status) == ("mosaic", "ready"), item.reason
    with (
        reader(dataset) as fetch,
        open_image(fetch(item)) as stored,
        with_nodata(stored, nodata) as image,
    ):
        assert (item.width, item.height) == (image.width, image.height)
        raster = image.read(Window(0, 0, image.height, image.width), tuple(range(image.bands)))
    return raster, item


# what is seen


@pytest.mark.parametrize(
    ("order", "numbers"),
    [
        (None, [3, 2, 1, 0]),  # as GDAL has it: the last is on top
        ("first", [0, 1, 2, 3]),
        ("last", [3, 2, 1, 0]),
        ("cloud", [1, 2, 0, 3]),
        ("CLOUD desc", [0, 2, 1, 3]),
        ("year desc", [1, 3, 0, 2]),
    ],
)
def test_the_first_member_in_the_order_is_seen(
    index: Path, tiles: Any, order: str | None, numbers: list[int]
) -> None:
    raster, _ = mosaic_of(index, mosaic_order=order)
    assert (raster.data == composed(tiles, numbers)).all()
    assert raster.valid.all()
    assert raster.transform == UTM
    assert raster.crs and rasterio.crs.CRS.from_wkt(raster.crs) == rasterio.crs.CRS.from_epsg(32631)


def test_windows_are_parts_of_the_whole(index: Path, tiles: Any) -> None:
    expected = composed(tiles, [0, 1, 2, 3])
    item, dataset = item_of(index, mosaic_order="first")
    with reader(dataset) as fetch, open_image(fetch(item)) as image:
        for row, column, height, width in [(0, 0, 10, 10), (35, 45, 30, 40), (90, 110, 10, 10)]:
            part = image.read(Window(row, column, height, width), (2, 0))
            window = (slice(row, row + height), slice(column, column + width))
            assert (part.data == expected[[2, 0]][(slice(None), *window)]).all()


def test_the_class_map_is_that_of_the_same_raster_in_one_file(
    index: Path,
    tiles: Any,
    model: Path,
    tmp_path: Path,
    write_raster: Function,
    read_raster: Function,
) -> None:
    whole = write_raster(
        tmp_path / "whole.tif", composed(tiles, [3, 2, 1, 0]), transform=UTM, crs=CRS
    )
    run = classify([whole, index], model=model, output=tmp_path / "r.gpkg")
    assert (run.done, run.failed) == (2, 0)
    one, other = sorted(run.rasters.glob("*.tif"))
    assert (read_raster(one) == read_raster(other)).all()
    assert len(np.unique(read_raster(one))) > 1
    with rasterio.open(one) as first, rasterio.open(other) as second:
        assert (first.transform, first.crs) == (second.transform, second.crs)
    again = classify([whole, index], model=model, output=tmp_path / "r.gpkg", verify=4)
    assert (again.classified_now, again.verification.differ) == (0, 0)


def test_only_members_that_a_window_touches_are_opened(index: Path, tiles: Any) -> None:
    item, dataset = item_of(index)
    with reader(dataset) as fetch, open_image(fetch(item)) as image:
        image.read(Window(0, 0, 20, 20), (0,))
        assert image.times_opened == 1
        image.read(Window(10, 10, 20, 20), (0,))
        assert image.times_opened == 1
        image.read(Window(60, 30, 20, 40), (0,))
        assert image.times_opened == 3


def test_where_no_member_lies_is_nodata(index: Path, tiles: Any) -> None:
    raster, item = mosaic_of(index, where="location like '%t0.tif' or location like '%t3.tif'")
    assert (item.width, item.height) == (120, 100)
    expected = np.zeros((100, 120), bool)
    expected[:60, :70] = expected[45:, 50:] = True
    assert (raster.valid == expected).all()
    assert not raster.data[:, ~expected].any()


# NoData before overlaps


def test_nodata_that_no_member_declares_counts_before_they_overlap(
    index: Path,
    tiles: Any,
    model: Path,
    tmp_path: Path,
    write_raster: Function,
    read_raster: Function,
) -> None:
    for number, (path, pixels) in enumerate(tiles):
        pixels[:, ::3, number::4] = 0
        write_raster(path, pixels, transform=_place(path), crs=CRS)
    raster, _ = mosaic_of(index, nodata=(0,))
    expected = composed(tiles, [3, 2, 1, 0], empty=0)
    assert (raster.data == expected).all()
    assert (raster.valid == (expected != 0).any(0)).all()
    whole = write_raster(tmp_path / "whole.tif", expected, transform=UTM, crs=CRS)
    run = classify(
        [whole, index], model=model, output=tmp_path / "r.gpkg", environment={"nodata": 0}
    )
    one, other = sorted(run.rasters.glob("*.tif"))
    assert (read_raster(one) == read_raster(other)).all()
    assert (read_raster(one) == 255).any()


def _place(path: Path) -> Affine:
    with rasterio.open(path) as dataset:
        place: Affine = dataset.transform
    return place


def test_declared_nodata_and_masks_of_members_count(
    index: Path, tiles: Any, write_raster: Function
) -> None:
    for number, (path, pixels) in enumerate(tiles):
        pixels[:, 10:50] = 7
        mask = np.where((pixels == 7).all(0), 0, 255).astype(np.uint8)
        declared = {"nodata": 7} if number % 2 else {}
        write_raster(
            path, pixels, None if number % 2 else mask, transform=_place(path), crs=CRS, **declared
        )
    raster, _ = mosaic_of(index)
    expected = composed(tiles, [3, 2, 1, 0], empty=7)
    seen = np.zeros((100, 120), bool)
    for number, (row, column, height, width) in enumerate(PLACES):
        seen[row : row + height, column : column + width] |= (tiles[number][1] != 7).any(0)
    assert (raster.valid == seen).all()
    assert (raster.data[:, seen] == expected[:, seen]).all()
    assert not seen.all()


def test_values_for_other_bands_than_it_has_fail_the_mosaic(index: Path, tiles: Any) -> None:
    with pytest.raises(ItemError, match="has 3 band"):
        mosaic_of(index, nodata=(0, 0))


# members unlike the others


def test_members_in_another_reference_system_are_brought_to_that_of_the_first(
    tmp_path: Path, tiles: Any, write_raster: Function
) -> None:
    from rasterio.warp import Resampling, calculate_default_transform, reproject

    path, pixels = tiles[3]
    smooth = np.broadcast_to(np.add.outer(np.arange(55), np.arange(70)), (3, 55, 70)).astype(
        np.uint8
    )
    with rasterio.open(path) as dataset:
        bounds = dataset.bounds
    place, width, height = calculate_default_transform(CRS, "EPSG:32632", 70, 55, *bounds)
    moved = np.zeros((3, height, width), np.uint8)
    reproject(
        smooth, moved, src_transform=_place(path), src_crs=CRS, dst_transform=place,
        dst_crs="EPSG:32632", resampling=Resampling.bilinear, src_nodata=None, dst_nodata=0,
    )  # fmt: skip
    write_raster(path, moved, transform=place, crs="EPSG:32632", nodata=0)
    raster, item = mosaic_of(path.parent, mode="mosaic", mosaic_order="name")
    assert item.reason == "1 of 4 members are resampled onto the grid of t0.tif (EPSG:32631)"
    lower = composed(tiles, [0, 1, 2, 3])
    assert (raster.data[:, :60, :70] == tiles[0][1]).all()
    inner = (slice(None), slice(62, 98), slice(72, 118))
    row, column = 45, 50
    expected = smooth[:, 62 - row : 98 - row, 72 - column : 118 - column].astype(int)
    assert np.abs(raster.data[inner] - expected).max() <= 2
    assert lower.shape[1] <= raster.data.shape[1] <= lower.shape[1] + 10
    assert pixels.shape == (3, 55, 70)


def test_members_of_another_cell_size_are_averaged(
    tmp_path: Path, tiles: Any, write_raster: Function
) -> None:
    path, pixels = tiles[2]
    fine = pixels.repeat(2, 1).repeat(2, 2)
    write_raster(path, fine, transform=_place(path) @ Affine.scale(0.5), crs=CRS)
    raster, item = mosaic_of(path.parent, mode="mosaic")
    assert "1 of 4 members are resampled" in item.reason
    assert (raster.data == composed(tiles, [0, 1, 2, 3])).all()


def test_another_number_of_bands_fails_the_mosaic_and_says_which(
    index: Path, tiles: Any, model: Path, tmp_path: Path, write_raster: Function
) -> None:
    path, pixels = tiles[2]
    write_raster(path, np.concatenate([pixels, pixels[:1]]), transform=_place(path), crs=CRS,
                 photometric="minisblack")  # fmt: skip
    run = classify(index, model=model, output=tmp_path / "r.gpkg", mosaic_order="first")
    assert [each.reason for each in run.failures] == [
        "member scenes/t2.tif has 4 band(s), scenes/t0.tif has 3; --where chooses members"
    ]
    item, _ = item_of(path.parent, mode="mosaic")
    assert (item.status, item.reason) == (
        "unreadable",
        "member t2.tif has 4 band(s), t0.tif has 3; --where chooses members",
    )


def test_a_smaller_data_type_is_promoted_and_a_larger_one_refused(
    index: Path, tiles: Any, write_raster: Function
) -> None:
    path, pixels = tiles[3]
    write_raster(path, pixels.astype(np.uint16) * 200, transform=_place(path), crs=CRS)
    raster, _ = mosaic_of(index, mosaic_order="last")
    assert raster.data.dtype == np.uint16
    assert (raster.data[:, 50, 60] == pixels[:, 5, 10].astype(np.uint16) * 200).all()
    assert (raster.data[:, 0, 0] == tiles[0][1][:, 0, 0]).all()
    with pytest.raises(ItemError, match=r"member scenes/t3.tif has uint16 pixels, the mosaic has"):
        mosaic_of(index, mosaic_order="first")


def test_a_member_without_a_place_or_system_is_named(
    index: Path, tiles: Any, write_raster: Function
) -> None:
    write_raster(tiles[1][0], tiles[1][1])
    with pytest.raises(ItemError, match=r"member scenes/t1.tif: has no place on the ground"):
        mosaic_of(index, mosaic_order="first")


# missing and damaged members


def test_a_missing_member_is_never_silently_nodata(
    index: Path, tiles: Any, model: Path, tmp_path: Path
) -> None:
    tiles[1][0].unlink()
    run = classify(index, model=model, output=tmp_path / "r.gpkg")
    (failure,) = run.failures
    assert failure.reason.startswith("1 of 4 members is missing (scenes/t1.tif: no such file")
    assert failure.reason.endswith("; --skip-missing classifies the rest")
    run = classify(index, model=model, output=tmp_path / "r.gpkg", skip_missing=True)
    assert (run.done, run.failed) == (1, 0)
    assert any("1 of 4 members is missing (scenes/t1.tif" in note for note in run.notes)
    again = classify(index, model=model, output=tmp_path / "r.gpkg", skip_missing=True)
    assert (again.done, again.classified_now) == (1, 0)


def test_a_damaged_member_fails_the_mosaic(
    index: Path, tiles: Any, model: Path, tmp_path: Path
) -> None:
    tiles[2][0].write_bytes(tiles[2][0].read_bytes()[:9_000])
    run = classify(index, model=model, output=tmp_path / "r.gpkg")
    (failure,) = run.failures
    assert failure.reason.startswith("member scenes/t2.tif: ")


def test_a_changed_member_makes_the_mosaic_pending(
    index: Path, tiles: Any, model: Path, tmp_path: Path, write_raster: Function
) -> None:
    output = tmp_path / "r.gpkg"
    assert classify(index, model=model, output=output).classified_now == 1
    assert classify(index, model=model, output=output).classified_now == 0
    path, pixels = tiles[3]
    write_raster(path, pixels[:, ::-1], transform=_place(path), crs=CRS)
    assert classify(index, model=model, output=output).classified_now == 1
    assert classify(index, model=model, output=output, mosaic_order="first").classified_now == 1


# modes


def test_modes_and_selections_of_one_input_live_side_by_side(
    index: Path, tiles: Any, model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "r.gpkg"
    for mode, where, count in [
        ("mosaic", None, 1),
        ("PROCESS_ITEMS_SEPARATELY", None, 4),
        ("Process_As_Mosaicked_Image", "Year = 2024", 1),
        ("separate", "cloud < 10 AND year = 2024", 1),
    ]:
        run = classify(index, model=model, output=output, mode=mode, where=where)
        assert (run.done, run.classified_now) == (count, count)
        again = classify(index, model=model, output=output, mode=mode, where=where)
        assert (again.done, again.classified_now) == (count, 0)
    rows = again.sql("select layer, count(*) as n from item_results group by layer order by layer")
    assert {row["layer"]: row["n"] for row in rows} == {
        "mosaic": 1,
        "mosaic, where Year = 2024": 1,
        "separate": 4,
        "separate, where cloud < 10 AND year = 2024": 1,
    }
    assert len(again.sql("select * from classified_footprints")) == 7
    assert again.layers == ()


def test_candidate_items_are_those_of_arcgis(index: Path, tiles: Any) -> None:
    with pytest.raises(UsageError, match="no column candidate; the items have cloud, location"):
        list(scan(index, options=ScanOptions.checked(mode="PROCESS_CANDIDATE_ITEMS_ONLY")))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"where": "clouds < 10"},
            "--where: no column clouds; the items have cloud, location, year",
        ),
        ({"where": '"clouds" < 10'}, "--where: no column clouds; the items have"),
        ({"where": "cloud <"}, "--where cloud <: "),
        ({"where": "1); drop table items; --"}, "--where 1"),
        ({"where": "load_extension('x')"}, "--where load_extension"),
        ({"mosaic_order": "clouds desc"}, "--mosaic-order: no column clouds; the items have"),
        ({"mosaic_order": " "}, "--mosaic-order is first, last or a column"),
        ({"mode": "both"}, "--mode both: expected mosaic or separate"),
        ({"source_kind": "gtx"}, "--source-kind gtx is unknown; known: vrt, gti"),
        ({"source_kind": "xyz"}, "--source-kind xyz is for an address of http or https; /"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    index: Path, tiles: Any, options: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as raised:
        list(scan(index, options=ScanOptions.checked(**options)))
    assert str(raised.value).startswith(message)


def test_an_unknown_kind_is_told_those_of_addresses_too(index: Path) -> None:
    with pytest.raises(UsageError, match=r"known: .*, file; for addresses image_service, .*xyz"):
        list(scan(index, options=ScanOptions.checked(source_kind="gtx")))


def test_a_condition_that_holds_for_nothing(index: Path, tiles: Any) -> None:
    with pytest.raises(SourceError, match="no item of 4 has cloud > 90"):
        list(scan(index, options=ScanOptions.checked(where="cloud > 90")))


def test_options_of_mosaics_on_what_is_none(tiles: Any, tmp_path: Path) -> None:
    for options in ({"mode": "mosaic"}, {"where": "a = 1"}, {"asset": "data"}):
        with pytest.raises(UsageError, match=r"t0.tif is no mosaic; leave out --"):
            list(scan(tiles[0][0], options=ScanOptions.checked(**options)))
    (found,) = scan(tiles[0][0], options=ScanOptions.checked(mode="separate"))
    assert [item.kind for item in found.items] == ["file"]


def test_the_environment_applies_to_a_mosaic(
    index: Path,
    tiles: Any,
    model: Path,
    tmp_path: Path,
    write_raster: Function,
    read_raster: Function,
) -> None:
    whole = write_raster(
        tmp_path / "whole.tif", composed(tiles, [3, 2, 1, 0]), transform=UTM, crs=CRS
    )
    run = classify(
        [whole, index], model=model, output=tmp_path / "r.gpkg",
        environment={"cell_size": 15, "extent": "500105,4999305,500905,4999905", "nodata": 0},
    )  # fmt: skip
    one, other = map(read_raster, sorted(run.rasters.glob("*.tif")))
    assert one.shape == (40, 53)
    assert (one == other).all()


# folders


def test_a_folder_is_one_mosaic_where_that_is_asked_for(tiles: Any, tmp_path: Path) -> None:
    folder = tiles[0][0].parent
    raster, _ = mosaic_of(folder, mode="mosaic")
    assert (raster.data == composed(tiles, [0, 1, 2, 3])).all()
    raster, _ = mosaic_of(folder, mode="mosaic", where="name != 't0.tif'", mosaic_order="name desc")
    assert (raster.data[:, :, 50:] == composed(tiles, [3, 2, 1])[:, :, 50:]).all()
    (found,) = scan(folder)
    assert [item.kind for item in found.items] == ["file"] * 4


def test_what_else_lies_in_a_folder(tiles: Any, photo_bytes: Function) -> None:
    folder = tiles[0][0].parent
    (folder / "photo.jpg").write_bytes(photo_bytes())
    (folder / "notes.txt").write_text("none")
    (folder / "all.vrt").write_text("<VRTDataset></VRTDataset>")
    _, item = mosaic_of(folder, mode="mosaic")
    assert item.reason == "1 image without a place on the ground left out (photo.jpg)"
    (folder / "broken.tif").write_bytes(b"II*\x00broken")
    item, _ = item_of(folder, mode="mosaic")
    assert item.status == "unreadable"
    assert item.reason.startswith("1 of 5 members is missing (broken.tif: ")
    assert item_of(folder, mode="mosaic", skip_missing=True)[0].status == "ready"


def test_a_folder_without_rasters_on_the_ground(tmp_path: Path, photo_bytes: Function) -> None:
    (tmp_path / "a.jpg").write_bytes(photo_bytes())
    with pytest.raises(SourceError, match="no rasters with a place on the ground"):
        list(scan(tmp_path, options=ScanOptions.checked(mode="mosaic")))


# more members than may be open


def test_a_row_of_many_members(tmp_path: Path, write_raster: Function) -> None:
    whole = np.random.default_rng(1).integers(0, 256, (1, 40, 400), np.uint8)
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(40):
        part = whole[:, :, number * 10 : number * 10 + 10]
        place = UTM @ Affine.translation(number * 10, 0)
        write_raster(folder / f"{number:02}.tif", part, transform=place, crs=CRS)
    item, dataset = item_of(folder, mode="mosaic")
    with reader(dataset) as fetch, open_image(fetch(item)) as image:
        for row in (0, 20):
            part = image.read(Window(row, 0, 20, 400), (0,))
            assert (part.data == whole[:, row : row + 20]).all()
        assert image.times_opened == 80


def test_moving_all_of_it_elsewhere_keeps_it_readable(
    index: Path, tiles: Any, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.mkdir()
    shutil.move(tiles[0][0].parent, there / "scenes")
    shutil.move(index, there / index.name)
    raster, _ = mosaic_of(there / index.name)
    assert (raster.data == composed(tiles, [3, 2, 1, 0])).all()
    far = tmp_path / "far"
    far.mkdir()
    (there / "scenes").rename(far / "scenes")
    assert item_of(there / index.name)[0].status == "unreadable"
    raster, _ = mosaic_of(there / index.name, media=far)
    assert raster.valid.all()
