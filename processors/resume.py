"""``resume()``: a run goes on from what its catalog remembers."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..catalog.errors import ModelError, UsageError
from ..catalog.resumable import RunRow, runs_of
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
    """Go on with a run that was stopped or killed, as its last command has it.

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
        SourceError: No such catalog, or an input is gone.
        CatalogError: The catalog cannot be used; CatalogBusyError where another run has it.
        OutputError: The disk refused.
    """
    path = Path(catalog)
    chosen = _chosen(path.name, runs_of(path), run, retry_failed)
    command = _checked(chosen)
    options: dict[str, Any] = {"model_code": model_code, **command["options"]}
    _check_model(chosen, command, options)
    gone_on = classify(
        command["inputs"],
        model=_model(command),
        output=path,
        retry_failed=retry_failed,
        progress=progress,
        **options,
    )
    if gone_on.id == chosen.id:
        return gone_on
    note = f"this is run {gone_on.id}: to this version of pixelcat run {chosen.id} is another one"
    return replace(gone_on, notes=(*gone_on.notes, note))


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


def _checked(run: RunRow) -> dict[str, Any]:
    """Return what a run was asked for, where that means the same here."""
    command = run.command
    if command is None:
        raise UsageError(
            f"run {run.id} was made by an older pixelcat, which did not note its command; give the"
            " classify command again, it goes on"
        )
    is_relative = is_text(command["model"]) or any(map(is_vrt_text, command["inputs"]))
    if is_relative and Path.cwd() != Path(command["folder"]):
        raise UsageError(
            f"run {run.id} was given a text that names files from {command['folder']}; resume it"
            " in that folder"
        )
    return command


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
