"""The command that asks a catalog questions in SQL."""

import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from .catalog.errors import SourceError, UsageError
from .catalog.query import TIME_LIMIT_S
from .catalog.statement import parameters as parameters_of
from .cli_exit_codes import HELD, exit_codes
from .cli_options import pairs
from .cli_rows import FORMATS, as_rows, print_rows
from .cli_text import print_lines, say

if TYPE_CHECKING:
    from .processors.questions import Asked

_LONGEST_S = 1_000_000.0
_BINARY = ("gpkg", "parquet")
_OPTION = re.compile(r"--([A-Za-z][\w-]*(=|\Z)|\Z)")
_NUMBER = re.compile(r"-?(0|[1-9]\d*|(0|[1-9]\d*)?\.\d+|\d\.?\d*[eE][-+]?\d{1,3})", re.ASCII)


class _Sql(click.Command):
    """A command that takes a statement that begins with a remark for what it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put such a statement where nothing is taken for an option."""
        remarks = [arg for arg in args if arg[:2] == "--" and not _OPTION.match(arg)]
        if remarks and "--" not in args:
            args = [arg for arg in args if arg not in remarks]
            args += ["--", *remarks]
        return super().parse_args(ctx, args)


def _seconds(_context: object, _option: object, value: float) -> float:
    if not 0 < value <= _LONGEST_S:
        raise click.BadParameter(f"give seconds, more than 0 and up to {_LONGEST_S:,.0f}")
    return value


@click.command(
    cls=_Sql,
    epilog=exit_codes(
        {
            0: "the question is answered, kept or forgotten",
            2: "the statement or the command is wrong, or it took too long or too much memory",
            5: "there is no such catalog or file with a statement",
            75: f"{HELD} (--save, --forget)",
        }
    ),
)
@click.argument("catalog", type=click.Path())
@click.argument("statement", required=False)
@click.option(
    "--param", "-p", "parameters", multiple=True, callback=pairs, metavar="NAME=VALUE",
    help="A value for :NAME in the statement; repeatable. 0.2 is a number, 007 is text,"
    " and so is what stands in single quotes.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice([*FORMATS, "geojson", *_BINARY]), metavar="FORMAT",
    help=f"{', '.join(FORMATS)}, geojson, gpkg or parquet. Default: what the name of -o ends in,"
    " else table.",
)  # fmt: skip
@click.option(
    "--output", "-o", type=click.Path(dir_okay=False),
    help="Write the answer to this new file; gpkg and parquet need one.",
)  # fmt: skip
@click.option(
    "--spatial", is_flag=True,
    help="With all ST_* functions of SpatiaLite, on a copy of the catalog.",
)  # fmt: skip
@click.option(
    "--timeout", type=float, default=TIME_LIMIT_S, show_default=True, metavar="SECONDS",
    callback=_seconds, help="Stop a statement that takes longer.",
)  # fmt: skip
@click.option("--save", metavar="NAME", help="Keep the statement in the catalog, as a view.")
@click.option("--saved", is_flag=True, help="List what --save has kept.")
@click.option("--forget", metavar="NAME", help="Remove what --save has kept.")
def sql(
    catalog: str,
    statement: str | None,
    parameters: Mapping[str, str],
    format_: str | None,
    output: str | None,
    spatial: bool,
    timeout: float,
    save: str | None,
    saved: bool,
    forget: str | None,
) -> None:
    """Ask a catalog a question in SQL; nothing can be changed.

    STATEMENT is one SELECT, @FILE that holds one, - for standard input, or the name of a table,
    view or saved query. docs/questions.md has questions to begin with.

    \b
    Example:
      pixelcat sql results.gpkg "select image_name, dominant_class from plots_classified"
      pixelcat sql results.gpkg "select * from item_results where status = :s" -p s=failed
      pixelcat sql results.gpkg @question.sql --format csv
      pixelcat sql results.gpkg "select plot_id, geom from plots_classified" -o plots.geojson
      pixelcat sql results.gpkg --spatial "select ST_Buffer(geom, 10) from plots_classified"
    """
    from .processors import questions

    _check_together(statement, save, saved, forget)
    if forget:
        return questions.forget(catalog, forget)
    if saved:
        return print_rows(as_rows(questions.saved(catalog)), _format(format_, output))
    question = _read(statement or "")
    _check_parameters(question, parameters)
    if save:
        if note := questions.save(catalog, save, question):
            say(f"note: saved, but not listed for other programs: {note}")
        return None
    kind = _format(format_, output)
    with questions.ask(
        catalog,
        question,
        {name: _number_or_text(text) for name, text in parameters.items()},
        spatial=spatial,
        time_limit_s=timeout,
        apart=True,
    ) as asked:
        _write(asked, kind, output)
    return None


def _check_together(
    statement: str | None, save: str | None, saved: bool, forget: str | None
) -> None:
    if sum(map(bool, (save, saved, forget))) > 1:
        raise UsageError("--save, --saved and --forget exclude each other")
    if (statement is None) != bool(saved or forget):
        raise UsageError(
            "give no STATEMENT with --saved and --forget"
            if statement
            else "give a STATEMENT: a SELECT, @FILE, - or the name of a table"
        )


def _check_parameters(question: str, given: Mapping[str, str]) -> None:
    known = sorted(parameters_of(question))
    for name in given:
        if name not in known:
            there = f"there are: {', '.join(known)}" if known else "it has no parameters"
            raise UsageError(f"-p {name}: the statement has no :{name}; {there}")


def _read(statement: str) -> str:
    """Return the statement itself, from a file or standard input where it says so."""
    if statement == "-":
        return sys.stdin.read()
    if not statement.startswith("@"):
        return statement
    path = statement[1:]
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no text in UTF-8"
        raise SourceError(f"{path}: {reason}") from error


def _format(format_: str | None, output: str | None) -> str:
    """Return the format asked for.

    Raises:
        UsageError: It needs a file, or the file's name says nothing.
    """
    if format_ is None and output is not None:
        ending = Path(output).suffix.lower().lstrip(".")
        format_ = {"txt": "table", "jsonl": "ndjson"}.get(ending, ending)
        if format_ not in (*FORMATS, "geojson", *_BINARY):
            raise UsageError(f"{output}: give --format; its name does not tell which")
    if format_ in _BINARY and output is None:
        raise UsageError(f"--format {format_} needs a file: -o FILE.{format_}")
    return format_ or "table"


def _number_or_text(text: str) -> float | str:
    """Return a number where the text is written as one, without zeros in front."""
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1]
    if not _NUMBER.fullmatch(text):
        return text
    try:
        whole = int(text)
    except ValueError:
        return float(text) if math.isfinite(float(text)) else text
    return whole if abs(whole) < 2**63 else text


def _write(asked: "Asked", kind: str, output: str | None) -> None:
    if output is None:
        return _print(asked, kind, None)
    from .io.publish import new_file

    with new_file(Path(output)) as draft:
        if kind in _BINARY:
            return _write_binary(asked, kind, draft, Path(output))
        with open(draft, "w", encoding="utf-8", newline="") as file:
            _print(asked, kind, file)
    return None


def _print(asked: "Asked", kind: str, out: TextIO | None) -> None:
    if kind != "geojson":
        return print_rows(asked.answer, kind, out)
    from .io.answer_out import feature_collection

    return print_lines(feature_collection(asked.answer.kept(), asked.systems), out)


def _write_binary(asked: "Asked", kind: str, draft: Path, final: Path) -> None:
    from .io import answer_out

    answer = asked.answer.kept()
    if kind == "parquet":
        return answer_out.write_parquet(draft, answer, asked.systems)
    return answer_out.write_geopackage(draft, answer_out.layer_name(final), answer, asked.systems)
