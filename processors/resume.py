"""``resume()``: a run goes on from what its catalog remembers."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError, PixelcatError, SourceError, UsageError
from ..catalog.remembered import commands_of
from ..catalog.resumable import RunRow, runs_of, without_run
from ..io.vrt_words import is_vrt_text
from .classify import classify
from .command import is_text
from .progress import Show
from .results import Run
from .trust import ModelCode, load_model


def resume(
    catalog: str | os.PathLike[str],
    run: int | None = None,
    *,
    retry_failed: bool = False,
    model_code: ModelCode = "refuse",
    progress: Show | None = None,
) -> Run:
    """Go on with a run that was stopped or killed, as its commands have it.

    Model, inputs and options are those that the catalog remembers. Credentials are not: services
    find them in the environment, as before. Nor is that code of a model may run.

    Args:
        catalog: The catalog.
        run: The number of the run; None for the one that is not finished.
        retry_failed: Try again what failed, too; a finished run goes on for it.
        model_code: As for :func:`.classify.classify`.
        progress: As for :func:`.classify.classify`.

    Raises:
        UsageError: There is no such run, nothing to go on with, or several to choose from.
        ModelError: The model is gone, has changed, or cannot be used.
        SourceError: No such catalog, or an input is gone; other inputs went on.
        CatalogError: The catalog cannot be used; CatalogBusyError where another run has it.
        OutputError: The disk refused.
    """
    path = Path(catalog)
    runs = runs_of(path)
    try:
        chosen = _chosen(path.name, runs, run, retry_failed)
    except UsageError as error:
        left = without_run(path, runs)
        if run is not None or not left:
            raise
        raise UsageError(
            f"{error}; {left[0][0]} has {left[0][1]} images that no run was asked for: give the"
            " classify command itself, it may have been killed before its model was loaded"
        ) from error
    if chosen.command is None:
        raise UsageError(
            f"run {chosen.id} was made by an older pixelcat, which did not note its command; give"
            " the classify command again, it goes on"
        )
    ended: list[Run] = []
    problems: list[PixelcatError] = []
    for command in commands_of(chosen.command):
        try:
            ended.append(_go_on(path, chosen, command, retry_failed, model_code, progress))
        except (SourceError, UsageError) as error:  # an input is gone: the others go on
            problems.append(error)
        if ended and ended[-1].status == "stopped":
            break
    if problems:
        raise problems[0]
    return _together(ended, chosen)


def _go_on(
    path: Path,
    chosen: RunRow,
    command: dict[str, Any],
    retry_failed: bool,
    model_code: ModelCode,
    progress: Show | None,
) -> Run:
    """Go on with one command of a run."""
    _check_place(chosen, command)
    options: dict[str, Any] = {"model_code": model_code, **command["options"]}
    _check_model(chosen, command, options)
    return classify(
        command["inputs"],
        model=_model(command),
        output=path,
        retry_failed=retry_failed,
        progress=progress,
        **options,
    )


def _together(ended: Sequence[Run], chosen: RunRow) -> Run:
    """Return what several commands of a run gave as one."""
    last = ended[-1]
    notes = list(dict.fromkeys(note for each in ended for note in each.notes))
    if last.id != chosen.id:
        notes.append(
            f"this is run {last.id}: to this version of pixelcat run {chosen.id} is another one"
        )
    return replace(
        last,
        done=sum(each.done for each in ended),
        failed=sum(each.failed for each in ended),
        skipped=sum(each.skipped for each in ended),
        classified_now=sum(each.classified_now for each in ended),
        layers=tuple(dict.fromkeys(layer for each in ended for layer in each.layers)),
        failures=tuple(failure for each in ended for failure in each.failures),
        notes=tuple(notes),
    )


def _chosen(name: str, runs: Sequence[RunRow], run: int | None, retry_failed: bool) -> RunRow:
    if run is not None:
        return _numbered(name, runs, run)
    open_runs = [each for each in runs if each.can_go_on]
    if not open_runs and retry_failed:
        open_runs = [each for each in runs if each.failed and each.newest == each.id]
    if len(open_runs) == 1:
        return open_runs[0]
    if open_runs:
        listed = ", ".join(f"{each.id} ({each.model})" for each in open_runs)
        raise UsageError(f"runs {listed} can go on; say which: pixelcat resume {name} N")
    if retry_failed:
        raise UsageError(f"no image failed in {name}: there is nothing to try again")
    raise UsageError(f"every run of {name} is finished: there is nothing to go on with")


def _numbered(name: str, runs: Sequence[RunRow], run: int) -> RunRow:
    found = next((each for each in runs if each.id == run), None)
    if found is None:
        listed = ", ".join(str(each.id) for each in runs) or "none"
        raise UsageError(f"{name} has no run {run}; there are {listed}")
    if found.newest != found.id:
        raise UsageError(f"run {run} was started anew as run {found.newest}; go on with that one")
    return found


def _check_place(run: RunRow, command: dict[str, Any]) -> None:
    """Refuse texts that name files by their place in another folder."""
    is_relative = is_text(command["model"]) or any(map(is_vrt_text, command["inputs"]))
    if is_relative and Path.cwd() != Path(command["folder"]):
        raise UsageError(
            f"run {run.id} was given a text that names files from {command['folder']}; resume it"
            " in that folder"
        )


def _model(command: dict[str, Any]) -> str | Path:
    text: str = command["model"]
    return text if is_text(text) else Path(text)


def _check_model(run: RunRow, command: dict[str, Any], options: dict[str, Any]) -> None:
    """Refuse a model that is another one now: its results would be those of a new run."""
    definition = load_model(_model(command), options["model_code"], options.get("classes"))
    if (definition.sha256, definition.weights_sha256()) != run.hashes:
        raise ModelError(
            f"model {definition.name} has changed since run {run.id}; put back what it was, or"
            " start a new run with classify"
        )
