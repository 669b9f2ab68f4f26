"""The driver: it holds the catalog and hands out images; a worker does the rest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from ..catalog import care
from ..catalog.records import Dataset, Item, Verification
from ..catalog.store import Catalog
from ..io.image import decoder
from ..io.names import safe_stem
from ..io.publish import make_folder, sweep
from .cell_size import cell_size_notes
from .class_mosaic import write_class_mosaic
from .definition import ModelDefinition
from .messages import Task
from .options import RunOptions
from .outcome import report, write_layers
from .progress import Meter, Show
from .results import Run
from .stop import PutOff
from .tensorflow_setup import software
from .unlisted import remove_unlisted
from .verifiable import to_verify, verified
from .work import Work, work_of
from .workers import Facts, Workers


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A call of :func:`.classify.classify`, checked."""

    definition: ModelDefinition
    hashes: tuple[str, str]
    """Of definition and weights."""
    options: RunOptions
    out_features: str | None
    embed: bool
    force: bool
    verify: int
    command: Mapping[str, Any]
    """The call as the catalog remembers it, for ``resume``."""


class Driver:
    """One run over some datasets of a catalog."""

    def __init__(
        self,
        catalog: Catalog,
        request: Request,
        datasets: Sequence[Dataset],
        progress: Show | None,
    ) -> None:
        """Take an open catalog that knows the datasets."""
        self._catalog = catalog
        self._request = request
        self._datasets = {dataset.id: dataset for dataset in datasets if dataset.id is not None}
        self._show = progress or (lambda _: None)

    def run(self, workers: Workers) -> Run:
        """Classify what is pending; the model is prepared only where something is."""
        ids = list(self._datasets)
        outdated = care.outdated_rasters(self._catalog, ids)
        run_id = None if self._request.force else self._known_run()
        notes: tuple[str, ...] = ()
        verification = None
        classified = 0
        status = "finished"
        if run_id is None or next(self._pending(run_id), None):
            facts = workers.facts(self._work())
            run_id = self._start(facts)
            self._catalog.settle_unusable(run_id, ids)
            classified, status = self._classify(run_id, workers)
            notes = (*facts.notes, *workers.remarks())
            self._catalog.share_outputs(run_id, ids)
        else:
            self._catalog.settle_unusable(run_id, ids)
        left = self._catalog.finish_run(run_id, status)
        if left:
            resume = f"pixelcat resume {self._catalog.path.name}"
            notes += (f"of other inputs of run {run_id} {left} are pending: {resume} goes on",)
        if self._request.verify and status == "finished":
            verification, more, status = self._verify(run_id, workers)
            notes += more
        run = {
            "id": run_id,
            "status": status,
            "classified_now": classified,
            "rasters": self._rasters(run_id),
            "verification": verification,
        }
        reported = self._report(run, notes, workers)
        remove_unlisted(self._catalog, outdated)  # now that no layer and no mosaic shows them
        return reported

    def _work(self) -> Work:
        return work_of(
            self._catalog,
            list(self._datasets),
            self._request.options,
            is_verified=bool(self._request.verify),
        )

    def _known_run(self) -> int | None:
        run_id = self._catalog.find_run(*self._request.hashes, self._request.options.as_json())
        if run_id is not None:
            self._catalog.adopt_outputs(run_id, list(self._datasets))
            self._catalog.forget_lost_outputs(run_id)
            self._catalog.share_outputs(run_id, list(self._datasets))
        return run_id

    def _pending(self, run_id: int) -> Iterator[Item]:
        return self._catalog.pending(run_id, list(self._datasets))

    def _start(self, facts: Facts) -> int:
        definition = self._request.definition
        model_id = self._catalog.add_model(
            name=definition.name,
            framework=definition.framework,
            definition_sha256=self._request.hashes[0],
            weights_sha256=self._request.hashes[1],
            definition=definition.properties,
            classes=facts.classes,
        )
        return self._catalog.start_run(
            model_id,
            options=self._request.options.as_json(),
            software=software(),
            device=facts.device,
            decoder=decoder(),
            command={**self._request.command, "datasets": sorted(self._datasets)},
            force=self._request.force,
        )

    def _classify(self, run_id: int, workers: Workers) -> tuple[int, str]:
        """Classify what is pending; how many class maps were made, and how it ended."""
        folder = self._rasters(run_id)
        make_folder(folder)
        sweep(folder)
        care.forget_outdated(self._catalog, run_id, list(self._datasets))
        size = self._catalog.pending_size(run_id, list(self._datasets))
        done = 0
        try:
            meter = Meter(*size, self._show)
            tags, lent = self._tags(run_id), self._lent()
            with PutOff() as stop:
                tasks = self._tasks(run_id, folder, lent, meter, stop)
                with closing(workers.run(tasks, tags, meter.window, stop)) as outputs:
                    for output in outputs:
                        self._catalog.record(run_id, output)
                        done += output.status == "done"
                        meter.image(output.item_id)
        except KeyboardInterrupt:
            return done, "stopped"
        except BaseException:
            self._catalog.finish_run(run_id, "stopped")
            raise
        finally:
            sweep(folder)  # a signal may come between making a file and noting that it is there
        return done, "finished"

    def _rasters(self, run_id: int) -> Path:
        return self._catalog.rasters / f"run_{run_id}"

    def _lent(self) -> set[str]:
        """Return the class maps that copies of a photo have: who changes leaves them alone."""
        rows = self._catalog.query(
            "SELECT raster_path AS path FROM outputs WHERE raster_path NOT NULL"
            " AND NOT instr(raster_path, printf('/%06d_', item_id))"
        )
        return {row["path"] for row in rows}

    def _tasks(
        self, run_id: int, folder: Path, lent: set[str], meter: Meter, stop: Event
    ) -> Iterator[Task]:
        for item in self._pending(run_id):
            if stop.is_set():
                return
            meter.begin(item)
            raster = folder / f"{item.id:06d}_{safe_stem(item.name)}.tif"
            if raster.relative_to(self._catalog.path.parent).as_posix() in lent:
                raster = raster.with_stem(f"{raster.stem}_{(item.sha256 or '')[:8]}")
            yield Task(
                item=item,
                dataset=self._datasets[item.dataset_id or 0],
                raster=raster,
                raster_path=raster.relative_to(self._catalog.path.parent).as_posix(),
            )

    def _tags(self, run_id: int) -> dict[str, str]:
        return {
            "PIXELCAT_MODEL": self._request.definition.name,
            "PIXELCAT_MODEL_SHA256": self._request.hashes[1],
            "PIXELCAT_RUN": str(run_id),
        }

    def _verify(
        self, run_id: int, workers: Workers
    ) -> tuple[Verification | None, tuple[str, ...], str]:
        """Compare class rasters; what was found, what to say of it, and how it ended."""
        done = to_verify(self._catalog, self._datasets, run_id, self._request.options.photo_scale)
        try:
            found, failures = workers.verify(done, self._request.verify, run_id, self._show)
        except KeyboardInterrupt:
            return None, (), "stopped"
        self._catalog.record_verification(run_id, found)
        return found, verified(found, failures, done), "finished"

    def _report(self, run: Mapping[str, Any], notes: tuple[str, ...], workers: Workers) -> Run:
        shown = write_class_mosaic(self._catalog, run["id"], workers.tiles)
        layers, remarks = write_layers(
            self._catalog,
            list(self._datasets.values()),
            run["id"],
            name=self._request.out_features,
            embed=self._request.embed,
        )
        cells = cell_size_notes(
            self._catalog,
            run["id"],
            list(self._datasets),
            self._request.definition.properties,
            self._request.options.environment.grid,
        )
        return report(
            self._catalog, self._datasets, run, layers, (*notes, *cells, *shown, *remarks)
        )
