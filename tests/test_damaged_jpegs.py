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
