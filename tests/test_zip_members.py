"""ZIP archives from strangers: what cannot be unpacked within limits, and what is damaged."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pixelcat.catalog.errors import SourceError
from pixelcat.cli import cli
from pixelcat.io import zip_members, zipped_geodatabase
from pixelcat.processors.formats import keras3

Function = Callable[..., Any]
UNBOUNDED = [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
EMD = json.dumps({"Framework": "Keras", "ModelFile": "net.keras"})


def package(path: Path, way: int, damage: Callable[[bytes], bytes] = bytes) -> Path:
    """A package whose definition is packed in some way."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net.emd", EMD + " " * 1000, way)
        archive.writestr("net.keras", b"PK", zipfile.ZIP_STORED)
    path.write_bytes(damage(path.read_bytes()))
    return path


def refusal(*arguments: str) -> str:
    answer = CliRunner().invoke(cli, arguments)
    assert answer.exception is not None
    return f"{getattr(answer.exception, 'exit_code', 70)} {answer.exception}"


@pytest.mark.parametrize("way", UNBOUNDED)
def test_a_package_is_packed_so_that_it_has_a_size(tmp_path: Path, way: int) -> None:
    said = refusal("model", "info", str(package(tmp_path / "net.dlpk", way)))
    assert said.startswith("4 ")
    assert "'net.emd' is packed so that it may take any memory; pack it with deflate" in said


def _bits(data: bytes) -> bytes:
    start = data.index(b"net.emd") + len("net.emd")
    return data[:start] + b"\xff" * 12 + data[start + 12 :]


def _name_in_no_encoding(data: bytes) -> bytes:
    return data.replace("é".encode(), b"\xff\xff")


def _from_the_future(data: bytes) -> bytes:
    place = data.index(b"PK\x01\x02") + 6
    return data[:place] + b"\xff\0" + data[place + 2 :]


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [_name_in_no_encoding, _from_the_future, _cut])
@pytest.mark.parametrize("suffix", [".keras", ".dlpk", ".gdb.zip", ".zip"])
def test_a_directory_that_nobody_can_read_is_one_line(
    tmp_path: Path, suffix: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"net{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("config.json", "metadata.json", "model.weights.h5", "é/a00000001.gdbtable"):
            archive.writestr(name, "{}")
    path.write_bytes(damage(path.read_bytes()))
    words = ("scan",) if "zip" in suffix else ("model", "info")
    assert refusal(*words, str(path)).startswith("5 " if "zip" in suffix else "4 ")


def test_an_archive_of_too_many_members_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for name in (
            "config.json",
            "metadata.json",
            "model.weights.h5",
            "a.gdb/a00000001.gdbtable",
        ):
            archive.writestr(name, "{}")
    monkeypatch.setattr(zip_members, "MOST_MEMBERS", 3)
    with pytest.raises(SourceError, match="holds 4 files, more than 3; unzip it"):
        zipped_geodatabase.gdal_path(path)


def test_a_damaged_package_is_one_line(tmp_path: Path) -> None:
    path = package(tmp_path / "net.dlpk", zipfile.ZIP_DEFLATED, _bits)
    assert refusal("model", "info", str(path)).startswith("4 model package")


@pytest.mark.parametrize("way", UNBOUNDED)
def test_a_network_is_packed_so_that_it_has_a_size(
    tmp_path: Path, keras_net: Function, way: int
) -> None:
    path, plain = tmp_path / "net.keras", tmp_path / "plain.keras"
    keras_net().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry), way)
    assert "may take any memory" in refusal("model", "check", str(path))


def with_more(source: Path, target: Path, more: Callable[[zipfile.ZipFile], None]) -> Path:
    """Copy a network with more in its archive, packed."""
    with (
        zipfile.ZipFile(source) as old,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
        more(new)
    return target


def _members(archive: zipfile.ZipFile) -> None:
    for number in range(10_000):
        archive.writestr(f"assets/{number}", b"")


def _zeros(archive: zipfile.ZipFile) -> None:
    archive.writestr("assets/words.txt", bytes(3 << 20))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (_members, "files, more than 10000"),
        (_zeros, "words.txt is packed more than 200 times"),
    ],
)
def test_a_network_is_no_larger_than_its_file_says(
    tmp_path: Path, keras_net: Function, more: Callable[[zipfile.ZipFile], None], reason: str
) -> None:
    keras_net().save(tmp_path / "plain.keras")
    path = with_more(tmp_path / "plain.keras", tmp_path / "net.keras", more)
    said = refusal("model", "check", str(path))
    assert said.startswith("4 ")
    assert reason in said


def test_weights_packed_like_nothing_but_zeros_are_not_unpacked(
    tmp_path: Path, keras_net: Function
) -> None:
    plain, path = tmp_path / "plain.keras", tmp_path / "net.keras"
    keras_net().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            rest = bytes(20 << 20) if entry.filename.endswith(".h5") else b""
            new.writestr(entry.filename, old.read(entry) + rest)
    said = refusal("model", "check", str(path))
    assert "model.weights.h5 is packed more than 200 times" in said


def test_a_configuration_has_a_size(tmp_path: Path, keras_net: Function) -> None:
    plain, path = tmp_path / "plain.keras", tmp_path / "net.keras"
    keras_net().save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            rest = b" " * (33 << 20) if entry.filename == "config.json" else b""
            new.writestr(entry.filename, old.read(entry) + rest)
    assert "its config.json is larger than 32 MB" in refusal("model", "check", str(path))


def test_a_network_that_was_packed_again_still_loads(tmp_path: Path, keras_net: Function) -> None:
    keras_net().save(tmp_path / "plain.keras")
    path = with_more(tmp_path / "plain.keras", tmp_path / "net.keras", lambda _: None)
    assert keras3.load(path, {}).channels == 3


def test_quotes_without_an_end_are_looked_at_once(tmp_path: Path) -> None:
    """Each of them was, up to the end of the text: hours for so many."""
    path = tmp_path / "net.emd"
    path.write_text('{"ModelFile": "net.h5"}' + '\\"' * 400_000)
    assert "not valid JSON" in refusal("model", "info", str(path))


def test_a_definition_has_a_size(tmp_path: Path) -> None:
    path = tmp_path / "net.emd"
    path.write_bytes(b" " * ((32 << 20) + 1))
    assert "larger than 32 MB" in refusal("model", "info", str(path))


def test_doctor_takes_no_module_from_where_it_is_started(tmp_path: Path) -> None:
    for name in ("numpy", "tensorflow", "keras", "sqlite3"):
        (tmp_path / f"{name}.py").write_text("open('canary', 'w').close()\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pixelcat", "doctor", "--format", "csv"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 3)
    assert 'library,TensorFlow,"2' in done.stdout
    assert not (tmp_path / "canary").exists()
