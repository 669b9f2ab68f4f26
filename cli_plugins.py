"""What other programs find of pixelcat: commands of rio and fio, hooks of sqlite-utils and Datasette.

Named in pyproject.toml as entry points. Everything heavy is imported where it is used.
"""

import base64
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import pluggy

from .catalog.errors import PixelcatError
from .catalog.listed_rasters import listed_place

Function = TypeVar("Function", bound=Callable[..., Any])

_SHOWN = {"JPEG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp"}
"""Formats that browsers show; others become PNG."""
_MAX_PIXELS = 50_000_000
_MAX_BYTES = 20_000_000
_LONGEST_SHAPE = 200


@click.command("pixelcat")
@click.argument("catalog", type=click.Path())
@click.option(
    "--where", default="1", metavar="SQL",
    help="Only those for which this holds of the view item_results.",
)  # fmt: skip
@click.option("--run", type=int, help="Those of this run; default the newest of each image.")
def rio(catalog: str, where: str, run: int | None) -> None:
    """List the class rasters of a pixelcat catalog, one path per line.

    \b
    Example:
      rio pixelcat results.gpkg --where "dominant_class = 'Water'" | xargs -n 1 rio info
    """
    sql = (
        "SELECT classified_image FROM item_results WHERE status = 'done'"
        f" AND (run_id = :run OR :run IS NULL AND is_current) AND ({where}\n) ORDER BY item_id"
    )
    from .catalog.run_numbers import check_run
    from .cli_text import say

    if run is not None:
        try:
            check_run(Path(catalog), run)
        except PixelcatError as error:
            raise _told(error) from error
    folder = Path(catalog).parent
    for row in _rows(catalog, sql, {"run": run}):
        try:
            click.echo(listed_place(folder, row["classified_image"]))
        except PixelcatError as error:
            say(f"left out: {error}")


@click.command("pixelcat")
@click.argument("catalog", type=click.Path())
@click.argument("statement")
def fio(catalog: str, statement: str) -> None:
    """Print the answer to SQL on a pixelcat catalog as GeoJSON features, one per line.

    STATEMENT is a SELECT with a geometry column, or the name of a layer.

    \b
    Example:
      fio pixelcat results.gpkg plots_classified_summary | fio collect
    """
    from .io.answer_out import features
    from .processors.questions import ask

    try:
        with ask(catalog, statement, apart=True) as asked:
            for feature in features(asked.answer.kept(), asked.systems):
                click.echo(json.dumps(feature, ensure_ascii=False))
    except PixelcatError as error:
        raise _told(error) from error


def _rows(catalog: str, sql: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    from .processors.questions import dicts

    try:
        return dicts(catalog, sql, parameters)
    except PixelcatError as error:
        raise _told(error) from error


def _told(error: PixelcatError) -> click.ClickException:
    """Return what Click prints in one line, with our exit code."""
    kind = type("Told", (click.ClickException,), {"exit_code": error.exit_code})
    told: click.ClickException = kind(str(error))
    return told


class SqliteUtils:
    """Hooks of sqlite-utils."""

    __name__ = "pixelcat"

    @pluggy.HookimplMarker("sqlite_utils")
    def prepare_connection(self, conn: sqlite3.Connection) -> None:
        """Give a connection the functions on geometries."""
        from .io.spatial_functions import register

        register(conn)


class Datasette:
    """Hooks of Datasette."""

    __name__ = "pixelcat"

    @pluggy.HookimplMarker("datasette")
    def prepare_connection(self, conn: sqlite3.Connection) -> None:
        """Give a connection the functions on geometries."""
        from .io.spatial_functions import register

        register(conn)

    @pluggy.HookimplMarker("datasette")
    def render_cell(self, value: Any) -> Any:
        """Return a geometry as text and an image as an image; None leaves it to Datasette."""
        if not isinstance(value, bytes):
            return None
        if value[:2] == b"GP":
            from .io.answer_out import as_text

            text = str(as_text(value))
            return text if len(text) <= _LONGEST_SHAPE else f"{text[:_LONGEST_SHAPE]}..."
        return _image(value) if len(value) <= _MAX_BYTES else None


sqlite_utils_hooks = SqliteUtils()
datasette_hooks = Datasette()


def _image(data: bytes) -> Any:
    """Return an image as HTML; None for what is none."""
    import markupsafe
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=[*_SHOWN, "TIFF"]) as image:
            if image.width * image.height > _MAX_PIXELS:
                return None
            kind = _SHOWN.get(image.format or "")
            if kind is None:  # a class map
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                kind, data = "image/png", buffer.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    text = base64.b64encode(data).decode()
    return markupsafe.Markup('<img src="data:{};base64,{}" style="max-width: 20em">').format(
        kind, text
    )
