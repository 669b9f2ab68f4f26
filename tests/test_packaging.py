import ast
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ["catalog", "io", "processors", "cli"]
"""Each may import itself and what stands left of it."""


def sources(folder: str) -> list[Path]:
    path = ROOT / folder
    return sorted(path.rglob("*.py")) if path.is_dir() else sorted(ROOT.glob(f"{folder}*.py"))


def imported_layers(file: Path) -> set[str]:
    """Return the layers that a module imports, wherever in the file."""
    depth = len(file.relative_to(ROOT).parts)
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level == depth and node.module:
            found.add(node.module.split(".")[0])
    return found & set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_imports_point_one_way(layer: str) -> None:
    allowed = set(LAYERS[: LAYERS.index(layer) + 1])
    for file in sources(layer):
        assert imported_layers(file) <= allowed, file


def test_imports_inside_the_package_are_relative() -> None:
    for layer in LAYERS:
        for file in sources(layer):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and not node.level:
                    names.append(node.module or "")
                assert not any(name.split(".")[0] in {"pixelcat", *LAYERS[:1], *LAYERS[2:]}
                               for name in names), file  # fmt: skip


def test_package_list_is_the_tree() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    folders = {file.parent.relative_to(ROOT) for layer in LAYERS[:-1] for file in sources(layer)}
    expected = {"pixelcat", *(".".join(("pixelcat", *folder.parts)) for folder in folders)}
    assert set(project["tool"]["setuptools"]["packages"]) == expected


def test_no_other_module_lies_in_the_root() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == {
        *("__init__.py", "__main__.py", "cli.py", "cli_answers.py"),
        *("cli_care.py", "cli_exit_codes.py", "cli_model.py", "cli_options.py", "cli_plugins.py"),
        *("cli_progress.py", "cli_report.py", "cli_rows.py", "cli_sql.py", "cli_stop.py"),
        *("cli_survey.py", "cli_text.py"),
    }


def test_io_has_no_init_that_would_shadow_the_standard_library() -> None:
    assert not (ROOT / "io" / "__init__.py").exists()


def test_no_file_outgrows_its_name() -> None:
    for layer in LAYERS:
        for file in sources(layer):
            assert len(file.read_text(encoding="utf-8").splitlines()) <= 320, file


def test_every_public_name_is_importable_and_documented() -> None:
    import pixelcat

    for name in pixelcat.__all__:
        value = getattr(pixelcat, name)
        assert isinstance(value, str) or value.__doc__, name


def test_version_is_the_same_in_code_and_metadata() -> None:
    import pixelcat

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == pixelcat.__version__


def test_importing_the_package_is_cheap() -> None:
    code = (
        "import sys, pixelcat, pixelcat.cli;"
        "print(sorted({'tensorflow','keras','rasterio','geopandas','fiona'} & set(sys.modules)))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, the wheel built from the sdist as a user's installer would."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return folder


def test_wheel_holds_the_package_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        f"pixelcat/{file.relative_to(ROOT).as_posix()}"
        for layer in LAYERS
        for file in sources(layer)
    }
    assert names == expected | {
        f"pixelcat/{name}" for name in ("__init__.py", "__main__.py", "py.typed")
    }


def test_sdist_holds_tests_examples_and_lock_files(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        *("tests/conftest.py", "benchmarks/attachments.py", "requirements.lock", "LICENSE"),
        *("README.md", "CHANGELOG.md"),
    }
    assert wanted <= names
    assert not any("shared" in name.split("/") for name in names)


def test_wheel_works_where_it_is_installed(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    target = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "-q",
         "--target", str(target), str(wheel)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()];"
        "import pixelcat, pixelcat.io.sources, pixelcat.processors.classify;"
        "print(pixelcat.__file__)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(target)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert Path(answer.stdout.strip()).is_relative_to(target)
