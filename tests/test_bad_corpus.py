"""Every file of the corpus of bad input, in one run: a row with a reason, and nothing else."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from pixelcat import classify
from pixelcat.catalog.query import query

Function = Callable[..., Any]
SECRET = b"the secret beside the images, which is 42"
FOLDERS = ("images_fuzz", "images_odd_but_valid", "images_hostile")
BY_PILLOW = {b"\xff\xd8\xff": "JPEG", b"\x89PN": "PNG", b"GIF": "GIF", b"RIF": "WEBP", b"BM": "BMP"}
LIMIT = "more than the limit of 500 million; --max-image-pixels sets another"
HOSTILE = {
    "empty.jpg": "is empty",
    "one_byte.jpg": "not an image",
    "text.jpg": "not an image but a text file",
    "html_404.jpg": "not an image but a web page",
    "lfs_pointer.tif": "not an image but a Git LFS pointer",
    "pdf_named.jpg": "not an image but a PDF",
    "mp4_named.jpg": "not an image but a video",
    "heic_named.jpg": "HEI",
    **{f"trunc_{part}.png": "PNG is cut off" for part in (2, 30, 60, 95)},
    **{f"trunc_{part}.jpg": "JPEG is cut off" for part in (2, 30, 60, 95)},
    **{f"trunc_{part}.tif": "not an image that can be read" for part in (2, 30, 60, 95)},
    **{f"bitflip_{number}.png": "PNG is damaged" for number in range(12)},
    "bomb_30000x30000_gray.png": f"declares 30000 x 30000 pixels, {LIMIT}",
    "declares_2147483647.png": LIMIT,
    "declares_0x0.png": "damaged PNG header",
    "jpeg_declares_65535.jpg": f"declares 65535 x 65535 pixels, {LIMIT}",
    "sparse_100000x100000.tif": f"declares 100000 x 100000 pixels, {LIMIT}",
    "deflate_bomb_40000x40000.tif": f"declares 40000 x 40000 pixels, {LIMIT}",
    "vrt_disguised_reads_local_secret.jpg": "not an image but an XML file",
    "vrt_disguised_vsicurl.tif": "not an image but an XML file",
    "wms_disguised.png": "not an image but an XML file",
    "billion_laughs.vrt": "not an image but an XML file",
    "vrt_self_recursive.vrt": "not an image but an XML file",
    "all_nodata.tif": "every pixel is NoData",
    "complex.tif": "complex numbers",
    "dangling_symlink.jpg": "link points nowhere",
    "one_band.tif": "has 1 band(s)",
    "overview_redirect.tif": "has 1 band(s)",
    "sidecar_redirect.tif": "has 1 band(s)",
}
"""What is not classified, and words of the reason."""
DONE = (
    *("jpeg_named.png", "png_named.tif", "tiff_named.jpg", "animated.gif", "multipage.tif"),
    *("float_nan_inf.tif", "one_pixel.tif", "one_row.tif", "bands_13.tif", "int8.tif"),
    *("uint16_full.tif", "cmyk.jpg", "palette.png", "bilevel.tif"),
)


class Corpus(NamedTuple):
    """What became of the corpus."""

    folder: Path
    run: Any
    found: dict[str, tuple[str, str | None]]
    baseline: dict[str, dict[str, Any]]


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def found_in(catalog: Path) -> dict[str, tuple[str, str | None]]:
    rows = query(catalog, "SELECT source_key, status, reason FROM item_results").dicts()
    return {row["source_key"]: (row["status"], row["reason"]) for row in rows}


@pytest.fixture(scope="module")
def corpus(
    shared_data: Path, model_emd: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Corpus]:
    """The corpus classified as one folder, in a folder that is watched."""
    here = tmp_path_factory.mktemp("corpus")
    folder = Path(shutil.copytree(shared_data / "bad", here / "bad"))
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    images = folder / "images_hostile"
    (images / "dangling_symlink.jpg").unlink(missing_ok=True)
    (images / "dangling_symlink.jpg").symlink_to("nowhere.jpg")
    for place in (here, images):
        (place / "LOCAL_SECRET.txt").write_bytes(SECRET)
    before = digests(folder)
    lines = (folder / "baseline_decode.jsonl").read_text().splitlines()
    baseline = {each["file"]: each for each in map(json.loads, lines)}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        run = classify(folder, model=model_emd, output=here / "r.gpkg")
    assert digests(folder) == before
    assert {path.name for path in here.iterdir()} <= {
        *("bad", "LOCAL_SECRET.txt", "r.gpkg", "r.gpkg.lock", "r_rasters"),
    }
    yield Corpus(folder, run, found_in(here / "r.gpkg"), baseline)


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_file_is_a_row_with_a_reason_of_one_line(corpus: Corpus) -> None:
    files = {
        path.relative_to(corpus.folder).as_posix()
        for path in corpus.folder.rglob("*")
        if (path.is_file() or path.is_symlink()) and ".gdb/" not in path.as_posix()
    }
    folders = {key for key in corpus.found if (corpus.folder / key).is_dir()}
    assert corpus.found.keys() - folders == files
    assert len(files) > 1100
    assert corpus.run.exit_code == 3
    for key, (status, reason) in corpus.found.items():
        assert status in ("done", "failed", "skipped"), key
        assert (reason is None) == (status == "done"), key
        assert reason is None or (reason.strip() and "\n" not in reason), key


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_hostile_images_end_as_they_must(corpus: Corpus) -> None:
    for name, words in HOSTILE.items():
        status, reason = corpus.found[f"images_hostile/{name}"]
        assert status != "done" and words in (reason or ""), (name, status, reason)
    for name in DONE:
        assert corpus.found[f"images_hostile/{name}"] == ("done", None), name


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_decoders_refuse_is_never_classified(corpus: Corpus) -> None:
    """GDAL gives compressed bytes for pixels of 19 PNGs here, without an error."""
    noise = 0
    for key, measured in corpus.baseline.items():
        path = corpus.folder / key
        if not path.is_file():
            continue  # a link that points nowhere
        kind = BY_PILLOW.get(path.read_bytes()[:3]) or BY_PILLOW.get(path.read_bytes()[:2])
        decoder = measured["pillow" if kind else "rasterio"]
        if not decoder.startswith("OK"):
            assert corpus.found[key][0] != "done", (key, decoder)
            noise += kind == "PNG" and measured["rasterio"].startswith("OK")
    assert noise >= 19


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_nothing_is_left_of_what_failed_and_no_secret_is_anywhere(corpus: Corpus) -> None:
    rows = query(
        corpus.run.catalog, "SELECT DISTINCT raster_path FROM outputs WHERE status = 'done'"
    )
    assert len(list(corpus.run.rasters.glob("*.tif"))) == len(rows.rows)  # copies share theirs
    assert not list(corpus.folder.parent.rglob("MARKER*"))
    written = [corpus.run.catalog, *corpus.run.rasters.iterdir()]
    assert not any(SECRET in path.read_bytes() for path in written)


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pictures_of_a_set_are_upright_alike(corpus: Corpus) -> None:
    sizes: dict[str, set[tuple[int, int]]] = {}
    rows = query(
        corpus.run.catalog,
        "SELECT i.source_key, o.width, o.height FROM outputs o JOIN items i ON i.id = o.item_id"
        " WHERE o.status = 'done'",
    ).dicts()
    for row in rows:
        for kind in ("Landscape_", "Portrait_"):
            if kind in row["source_key"]:
                sizes.setdefault(kind, set()).add((row["width"], row["height"]))
    assert len(sizes) == 2
    assert all(len(each) == 1 for each in sizes.values())


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_same_images_as_attachments(
    corpus: Corpus, model_emd: Path, make_gpkg: Function, tmp_path: Path
) -> None:
    """What is classified of files is classified of attachments, and nothing else.

    Of the images that chance has damaged every fourth; all with ``PIXELCAT_EVERY_STEP=1``.
    """
    keys = [key for key in corpus.baseline if (corpus.folder / key).is_file()]
    by_chance = [key for key in keys if key.startswith("images_fuzz")]
    left_out = set(by_chance) - set(by_chance[::4])
    if not os.environ.get("PIXELCAT_EVERY_STEP"):
        keys = [key for key in keys if key not in left_out]
    media = [("image/jpeg", (corpus.folder / key).read_bytes()) for key in keys]
    path = make_gpkg(media, [(n, n) for n in range(1, len(media) + 1)], features=len(media))
    run = classify(path, model=model_emd, output=tmp_path / "r.gpkg")
    assert run.exit_code == 3
    found = {key: each for (key, each) in found_in(tmp_path / "r.gpkg").items()}
    assert len(found) == len(keys)
    done = {keys[int(k.rpartition("/")[2]) - 1] for k, (s, _) in found.items() if s == "done"}
    as_files = {key for key in keys if corpus.found[key][0] == "done"}
    without_name = {k for k in done - as_files if corpus.found[k][0] == "skipped"}
    assert done - without_name == as_files


# the pixels of a raster whose overviews are elsewhere


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["overview_redirect.tif", "sidecar_redirect.tif"])
def test_pixels_are_those_of_the_file_itself(shared_data: Path, name: str) -> None:
    from pixelcat.io.image import Window, open_image

    path = shared_data / "bad/images_hostile" / name
    for where in (path, path.read_bytes()):
        with open_image(where) as image:
            data = image.read(Window(0, 0, image.height, image.width), (0,)).data
            assert np.unique(data).tolist() == [7]


# databases


@pytest.mark.shared_data
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("folder", ["db_gpkg", "db_sqlite_fuzz", "filegdb"])
def test_bad_databases_are_classified_or_refused_and_never_written(
    shared_data: Path, model_emd: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    from pixelcat.catalog.errors import PixelcatError

    monkeypatch.chdir(tmp_path)
    inputs = Path(shutil.copytree(shared_data / "bad" / folder, tmp_path / folder))
    for path in [inputs, *inputs.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    before = digests(inputs)
    for number, path in enumerate(sorted(inputs.iterdir())):
        try:
            run = classify(path, model=model_emd, output=tmp_path / f"{number}.gpkg")
        except PixelcatError as error:
            assert "\n" not in str(error), path.name
            assert error.exit_code in (2, 5), (path.name, error)
        else:
            reasons = [failure.reason for failure in run.failures]
            assert all(reason and "\n" not in reason for reason in reasons), path.name
    assert before.items() <= digests(inputs).items()  # SQLite leaves -shm beside a WAL database
    assert not list(tmp_path.rglob("MARKER*"))
