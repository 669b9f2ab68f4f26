import re
from pathlib import Path

import click

from pixelcat.cli import cli
from pixelcat.cli_exit_codes import RUN_EXIT_CODES
from pixelcat.processors.arguments import ARGUMENTS

ROOT = Path(__file__).resolve().parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Return the commands by what one types, those of groups included."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= commands(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


def test_every_command_is_in_the_readme_and_has_an_example() -> None:
    for name, command in commands(cli).items():
        assert f"pixelcat {name}" in text("README.md")
        assert f"pixelcat {name}" in (command.help or "")


def test_every_command_the_readme_shows_exists() -> None:
    blocks = "\n".join(re.findall(r"```\n(.*?)```", text("README.md"), flags=re.DOTALL))
    shown = re.findall(r"^pixelcat (\w+)", blocks, flags=re.MULTILINE)
    assert shown
    assert set(shown) <= set(cli.commands)


def test_every_option_has_help() -> None:
    for command in commands(cli).values():
        for parameter in command.params:
            assert parameter.param_type_name == "argument" or getattr(parameter, "help", None)


def test_every_model_argument_is_documented() -> None:
    for name in ARGUMENTS:
        assert f"`{name}`" in text("docs/models.md")


def test_every_exit_code_is_documented() -> None:
    from pixelcat.catalog import errors

    codes = {
        value.exit_code
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.PixelcatError)
    }
    listed = {int(code) for code in re.findall(r"^ {2}(\d+)", RUN_EXIT_CODES, flags=re.MULTILINE)}
    assert codes <= listed


def test_every_module_is_in_the_architecture() -> None:
    listed = text("ARCHITECTURE.md")
    for folder in ("catalog", "io", "processors"):
        for file in (ROOT / folder).rglob("*.py"):
            if file.name != "__init__.py":
                assert f"{file.name}`" in listed, file


def test_every_table_and_view_is_documented(tmp_path: Path) -> None:
    from pixelcat import Catalog

    with Catalog(tmp_path / "c.gpkg", create=True) as catalog:
        rows = catalog.query(
            "select table_name from gpkg_contents where table_name not like '\\_%' escape '\\'"
        )
    for row in rows:
        assert f"`{row['table_name']}`" in text("docs/catalog.md"), row
