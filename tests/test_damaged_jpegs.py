"""JPEGs with their beginning and end that are damaged between: never a class map of what is left."""

import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pixelcat import classify
from pixelcat.catalog.errors import ItemError
from pixelcat.io.container import check_container
from pixelcat.io.jpeg_frame import Frame
from pixelcat.io.jpeg_whole import check_whole
from pixelcat.io.limits import Limits
from pixelcat.io.photo import Photo

Function = Callable[..., Any]
NOISE = np.random.default_rng(3).integers(0, 256, (240, 320, 3), np.uint8)


def encoded(pixels: np.ndarray = NOISE, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", **options)
    return buffer.getvalue()


def data_of(photo: bytes) -> int:
    """Where the coded pixels of the last scan begin, or soon after."""
    return photo.rindex(b"\xff\xda") + 14


def third_missing(photo: bytes) -> bytes:
    start = data_of(photo)
    third = (len(photo) - start) // 3
    return photo[: start + third] + photo[start + 2 * third :]


def most_missing(photo: bytes) -> bytes:
    start = data_of(photo)
    return photo[: start + (len(photo) - start) // 10] + photo[-2:]


def half_noise(photo: bytes) -> bytes:
    start = data_of(photo)
    half = (len(photo) - start) // 2
    noise = (bytes(range(1, 250)) * half)[:half]
    return photo[: start + half // 2] + noise + photo[start + half // 2 + half :]


def third_twice(photo: bytes) -> bytes:
    start = data_of(photo)
    third = (len(photo) - start) // 3
    return photo[: start + 2 * third] + photo[start + third :]


PHOTOS = {
    "444": encoded(subsampling="4:4:4"),
    "420": encoded(subsampling="4:2:0"),
    "small": encoded(NOISE[:120, :140], subsampling="4:2:0"),
    "large": encoded(np.tile(NOISE, (3, 4, 1)), quality=90),
    "gray": encoded(NOISE[..., 0]),
    "restarts": encoded(restart_marker_rows=1),
    "progressive": encoded(progressive=True),
}


@pytest.mark.parametrize("damage", [third_missing, most_missing, half_noise, third_twice])
@pytest.mark.parametrize("kind", PHOTOS)
def test_a_jpeg_that_is_damaged_inside_is_refused(kind: str, damage: Function) -> None:
    broken = damage(PHOTOS[kind])
    check_container(broken, "image/jpeg")
    with Photo(broken, ("JPEG",)) as photo:
        for _ in range(2):
            with pytest.raises(ItemError, match=r"damaged inside: [^;]*; --allow-truncated"):
                photo.decode()
    with Photo(broken, ("JPEG",), Limits(cut_off=True)) as photo:
        assert photo.decode()[0].any()


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0", "4:1:1"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}])
def test_whole_jpegs_of_any_size_pass(subsampling: str, options: dict[str, Any]) -> None:
    for width, height in ((1, 1), (7, 33), (64, 16), (255, 257), (256, 8), (513, 20), (40, 1030)):
        for pixels in (np.tile(NOISE, (5, 2, 1))[:height, :width], np.zeros((height, width, 3))):
            data = encoded(pixels.astype(np.uint8), subsampling=subsampling, **options)
            check_whole(data, width, height)
            check_whole(data + b"a second picture" * 99, width, height)


def test_bytes_that_fill_up_and_oddities_of_headers_are_no_damage() -> None:
    data = PHOTOS["large"]
    check_whole(data[:-2] + bytes(200) + data[-2:], 1280, 720)
    check_whole(data[:2] + b"\0" * 16 + data[2:], 1280, 720)
    progressive = PHOTOS["progressive"]
    check_whole(progressive[:-2] + bytes(16) + progressive[-2:], 320, 240)
    with pytest.raises(ItemError, match="200 extraneous bytes"):
        check_whole(progressive[:-2] + bytes(200) + progressive[-2:], 320, 240)


def exif_with_thumbnail(small: bytes) -> bytes:
    """EXIF of two directories: the size is that of a thumbnail behind them."""
    first = struct.pack("<HHHIII", 1, 0x0112, 3, 1, 1, 26)
    second = struct.pack(
        "<HHHIIHHIIHHIII", 3, 0x0103, 3, 1, 6, 0x0201, 4, 1, 68, 0x0202, 4, 1, len(small), 0
    )
    return b"Exif\0\0II*\0\x08\0\0\0" + first + second + small


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_thumbnail_does_not_stand_for_its_photo() -> None:
    from rasterio.io import MemoryFile

    large = np.tile(NOISE, (3, 4, 1))
    small = encoded(np.zeros((90, 160, 3), np.uint8))
    data = encoded(large, exif=exif_with_thumbnail(small))
    with MemoryFile(data) as file, file.open(driver="JPEG", OVERVIEW_LEVEL=2) as dataset:
        assert not dataset.read().any()  # GDAL does take it for the photo
    check_whole(data, 1280, 720)
    with pytest.raises(ItemError, match="damaged inside"):
        check_whole(third_missing(data), 1280, 720)


def progressive(bands: int, side: int) -> bytes:
    """Gray in one progressive scan of means, in which a zero bit stands for a block of 64 pixels."""
    frame = struct.pack(">BHHB", 8, side, side, bands)
    tables, of_scan = b"", b""
    for band in range(bands):
        frame += bytes((band, 0x11, 0))
        of_scan += bytes((band, 0))
    for kind, body in (
        (0xDB, bytes([0, *[1] * 64])),
        (0xC2, frame),
        (0xC4, bytes([0, 1, *[0] * 16])),
        (0xDA, bytes([bands]) + of_scan + bytes(3)),
    ):
        tables += struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body
    return b"\xff\xd8" + tables + bytes((-(-side // 8)) ** 2 * bands // 8 + 1) + b"\xff\xd9"


def test_a_jpeg_of_much_memory_is_looked_at_too() -> None:
    data = progressive(4, 8128)  # GDAL refuses above 500 MiB: two bytes for each pixel of a band
    check_whole(data, 8128, 8128)
    with pytest.raises(ItemError, match="damaged inside: premature end"):
        check_whole(third_missing(data), 8128, 8128)


def test_a_jpeg_that_no_memory_is_left_for_is_not_taken_for_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JPEGMEM", "1M")
    with pytest.raises(ItemError, match=r"not be looked at .* memory .*--allow-truncated"):
        check_whole(progressive(3, 800), 800, 800)
    check_whole(PHOTOS["large"], 1280, 720)


def in_scans(scans: int) -> bytes:
    """A photo with its only scan so many times."""
    data = progressive(1, 320)
    at = data.index(b"\xff\xda")
    return data[:at] + data[at:-2] * scans + data[-2:]


def test_a_jpeg_in_more_scans_than_a_decoder_gets_through_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(in_scans(101))
    for where in (path, in_scans(101), in_scans(5000)[:-2]):
        for limits in (Limits(), Limits(cut_off=True)):
            with (
                Photo(where, ("JPEG",), limits) as photo,
                pytest.raises(ItemError, match="more than 100 scans, which no photo needs"),
            ):
                photo.decode()


def test_scans_are_counted_where_a_decoder_meets_them() -> None:
    data = PHOTOS["progressive"]
    note = b"\xff\xfe" + struct.pack(">H", 2 + 4 * 200) + b"\xff\xda\0\0" * 200
    for whole in (in_scans(100), data[:2] + note + data[2:], data + in_scans(5000)):
        with Photo(whole, ("JPEG",)) as photo:
            assert photo.decode()[0].any()


def test_a_jpeg_in_many_scans_is_looked_at_to_the_last() -> None:
    check_whole(in_scans(100), 320, 320)
    with pytest.raises(ItemError, match="damaged inside"):
        check_whole(third_missing(in_scans(100)), 320, 320)


@pytest.mark.parametrize("kind", ["420", "progressive"])
@pytest.mark.parametrize(
    ("ballast", "what"),
    [
        (b"\xff" * 2_000_000, "1,048,576 bytes between"),
        (bytes(2_000_000), "1,048,576 bytes between"),
        (b"\xff\xd0" * 1_000_000, "1,048,576 bytes between"),
        (b"\xff\xe0\0\2" * 10_001, "10,000 segments"),
        (b"\xff\x01" * 10_001, "10,000 segments"),
    ],
)
def test_a_header_that_takes_minutes_to_read_is_refused(
    kind: str, ballast: bytes, what: str
) -> None:
    data = PHOTOS[kind]
    for behind in (b"", b"a second picture"):
        with pytest.raises(ItemError, match=f"more than {what}"):
            check_container(data[:2] + ballast + data[2:] + behind, "image/jpeg", cut_off=True)
    if "segments" in what:
        with pytest.raises(ItemError, match=f"more than {what}"):
            Frame.of(data[:2] + ballast + data[2:])
    few = ballast[: len(ballast) // 4]
    check_container(data[:2] + few + data[2:], "image/jpeg")
    assert (Frame.of(data[:2] + few + data[2:]) is None) == (kind == "progressive")


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_damaged_jpeg_fails_alone_until_it_is_allowed(model_emd: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "photos", tmp_path / "r.gpkg"
    folder.mkdir()
    (folder / "good.jpg").write_bytes(PHOTOS["420"])
    (folder / "hole.jpg").write_bytes(third_missing(PHOTOS["420"]))
    done = classify(folder, model=model_emd, output=output)
    assert (done.done, done.failed, done.exit_code) == (1, 1, 3)
    assert "damaged inside: premature end" in done.failures[0].reason
    done = classify(folder, model=model_emd, output=output, allow_truncated=True, retry_failed=True)
    assert (done.done, done.failed, done.classified_now) == (2, 0, 1)


@pytest.mark.shared_data
def test_no_photo_of_a_camera_fails(shared_data: Path) -> None:
    found = [
        *(shared_data / "attachments").rglob("*.jpg"),
        *(shared_data / "photos").rglob("*.jpg"),
    ]
    assert len(found) > 30
    for path in found:
        data = path.read_bytes()
        if data.startswith(b"\xff\xd8\xff") and path.name != "truncated.jpg":
            with Image.open(path) as image:
                check_whole(data, *image.size)
