"""Photos and class maps carried out of a catalog under readable names."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pixelcat import classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.processors.export_photos import export_photos

Function = Callable[..., Any]


@pytest.fixture
def catalog(make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path) -> Path:
    """Plot P1 has two photos of one name and a hostile one; P2 has a torn one; P3 none."""
    survey = make_gdb(
        [
            (1, "Photo 1.jpg", "image/jpeg", photo_bytes(1)),
            (1, "Photo 1.jpg", "image/jpeg", photo_bytes(2)),
            (1, "../../..\\evil/..:name.jpg", "image/jpeg", photo_bytes(3)),
            (2, "torn.jpg", "image/jpeg", b"no photo at all"),
        ]
    )
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    assert run.done == 3
    return run.catalog


def below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_photos_and_class_maps_lie_in_a_folder_per_feature(catalog: Path, tmp_path: Path) -> None:
    done = export_photos(catalog, tmp_path / "out")
    assert (done.photos, done.class_maps, done.missing) == (4, 3, [])
    assert below(tmp_path / "out") == [
        *("1/Photo_1.jpg", "1/Photo_1_2.jpg", "1/Photo_1_2_classes.tif", "1/Photo_1_classes.tif"),
        *("1/name.jpg", "1/name_classes.tif", "2/torn.jpg"),
    ]
    assert not list(tmp_path.rglob(".tmp*"))


def test_names_are_made_of_columns(catalog: Path, tmp_path: Path, photo_bytes: Function) -> None:
    answer = CliRunner().invoke(
        cli,
        [
            "export", str(catalog), "--photos", str(tmp_path / "out"), "--folder-name",
            "plot {plot_id}", "--name", "{plot_id}_{taken_at}_{dominant_class}_{image_name}",
        ],
    )  # fmt: skip
    assert answer.exit_code == 0, answer.output
    assert "wrote 4 photos and 3 class maps" in answer.output
    names = below(tmp_path / "out")
    assert {name.split("/")[0] for name in names} == {"plot_P1", "plot_P2"}
    assert all(name.split("/")[1].startswith(("P1_", "P2_")) for name in names)
    hashes = {
        hashlib.sha256((tmp_path / "out" / name).read_bytes()).hexdigest()
        for name in names
        if name.endswith(".jpg")
    }
    assert hashlib.sha256(photo_bytes(3)).hexdigest() in hashes


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"name": "{nothing}"}, "no column of the layer; there are .*plot_id"),
        ({"name": "{image_name.__class__}"}, "no column"),
        ({"name": "{image_name!r}"}, "no column"),
        ({"name": "{image_name"}, "expected"),
        ({"layer": "lakes"}, "no output feature class lakes in r.gpkg; there are plots_classified"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    catalog: Path, tmp_path: Path, asked: dict[str, str], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        export_photos(catalog, tmp_path / "out", **asked)


def test_a_folder_with_files_is_left_alone(catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        export_photos(catalog, tmp_path / "out")


def test_a_photo_that_is_gone_or_changed_is_told(
    model_emd: Path, tmp_path: Path, photo_bytes: Function
) -> None:
    from PIL import Image

    folder = tmp_path / "DCIM"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 0.0, 0.0), 3: "E", 4: (5.0, 0.0, 0.0)}
    for name, red in (("a.jpg", 1), ("b.jpg", 2), ("c.jpg", 3)):
        Image.new("RGB", (40, 30), (red, 0, 0)).save(folder / name, exif=exif)
    run = classify(folder, model=model_emd, output=tmp_path / "r.gpkg")
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").write_bytes(photo_bytes(9))
    answer = CliRunner().invoke(
        cli, ["export", str(run.catalog), "--photos", str(tmp_path / "out"), "--name", "{path}"]
    )
    assert answer.exit_code == 3
    assert "a.jpg is gone" in answer.output
    assert "b.jpg of feature 2: has changed" in answer.output
    assert below(tmp_path / "out") == ["3/c.jpg", "3/c_classes.tif"]


def test_layers_do_not_share_folders(
    make_gdb: Function, photo_bytes: Function, model_emd: Path, tmp_path: Path
) -> None:
    for name, seed in (("a", 1), ("b", 2)):
        survey = make_gdb([(1, "x.jpg", "image/jpeg", photo_bytes(seed))])
        target = survey.rename(tmp_path / f"{name}.gdb")
        run = classify(target, model=model_emd, output=tmp_path / "r.gpkg")
    done = export_photos(run.catalog, tmp_path / "out")
    assert (done.photos, done.class_maps) == (2, 2)
    assert [name for name in below(tmp_path / "out") if name.endswith(".jpg")] == [
        "plots_classified/1/x.jpg", "plots_classified_2/1/x.jpg",
    ]  # fmt: skip
