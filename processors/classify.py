"""The driver: it holds the catalog and hands out images; a worker does the rest."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ..catalog.geopackage import WGS84
from ..catalog.records import Dataset, Item, Scan
from ..catalog.store import Catalog
from ..io import sources
from ..io.image import decoder
from ..io.names import safe_stem
from ..io.publish import make_folder, sweep
from ..io.sources.options import ScanOptions
from ..io.srs import reprojection
from .argument_texts import as_text
from .classifier import Prepared
from .definition import ModelDefinition
from .inputs import check_name, check_paths
from .messages import Task
from .options import RunOptions, options_of
from .outcome import report, write_layers
from .prepare import prepare
from .results import Run
from .tensorflow_setup import software
from .trust import ModelCode, load_model
from .worker import Worker

Progress = Callable[[int, int], None]
"""Called with (items finished, items in all) after each item."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Request:
    """A call of :func:`classify`, checked."""

    definition: ModelDefinition
    hashes: tuple[str, str]
    """Of definition and weights."""
    options: RunOptions
    out_features: str | None
    embed: bool
    force: bool


def classify(  # noqa: PLR0913  all but the first by keyword, as on the command line
    inputs: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    model: str | os.PathLike[str],
    output: str | os.PathLike[str],
    layer: str | None = None,
    photo_columns: str | Sequence[str] = (),
    media: str | os.PathLike[str] | None = None,
    xy: Sequence[str] | None = None,
    arguments: Mapping[str, Any] | None = None,
    classes: str | os.PathLike[str] | None = None,
    out_features: str | None = None,
    embed: bool = False,
    force: bool = False,
    model_code: ModelCode = "refuse",
    progress: Progress | None = None,
) -> Run:
    """Classify images and keep the results in a catalog.

    Calling it again with the same model and arguments goes on where the last call
    stopped; what is done already is not done again.

    Args:
        inputs: Image files, folders, geodatabases, layers or tables with photos.
        model: An ``.emd`` file or its text, a ``.dlpk`` package, or a model file.
        output: The catalog, a GeoPackage; made where it does not exist. Class rasters go
            to ``<its stem>_rasters`` beside it.
        layer: Only this feature class of the inputs.
        photo_columns: Columns that name or hold photos, where they are not found.
        media: Folder that paths in such columns are relative to, and may not lead out of.
        xy: Columns of longitude and latitude of a table without geometry.
        arguments: Model arguments by name, as text or as Python values; see
            :data:`pixelcat.processors.options.ARGUMENTS`.
        classes: A CSV or JSON file with value, name and color of each class, for a model that
            does not name them.
        out_features: Name of the output feature class of all inputs, which may have one feature
            class each; default ``<layer>_classified`` for each. That of another input by the
            same model: its rows stay and those of these inputs are added.
        embed: Put the class maps into the catalog too, as related media of the output
            feature class. May be asked for later: nothing is classified again for it.
        force: Start a new run even where an earlier one can go on.
        model_code: What to do with the Python raster function of a model that has one:
            ``refuse`` the model, ``run`` the code, which may do whatever you may do, or
            ``ignore`` the code and take the network alone.
        progress: Called after each item.

    Returns:
        The run. Images that could not be classified are counted and listed there.

    Raises:
        UsageError: An argument is wrong.
        ModelError: The model cannot be used.
        SourceError: An input is missing or unreadable.
        CatalogError: The catalog cannot be used; CatalogBusyError where another run has it.
        OutputError: The disk refused.
    """
    paths = [Path(p) for p in ([inputs] if isinstance(inputs, str | os.PathLike) else inputs)]
    check_paths(paths, Path(output))
    look = ScanOptions.checked(layer=layer, photo_columns=photo_columns, media=media, xy=xy)
    named = None if classes is None else Path(classes)
    definition = load_model(model if isinstance(model, str) else Path(model), model_code, named)
    given = {name: as_text(value) for name, value in (arguments or {}).items()}
    request = _Request(
        definition=definition,
        hashes=(definition.sha256, definition.weights_sha256()),
        options=options_of(definition, given),
        out_features=out_features,
        embed=embed,
        force=force,
    )
    scans = [scan for path in paths for scan in sources.scan(path, options=look)]
    check_name(out_features, [scan.dataset for scan in scans])
    with _Model(definition, request.options) as loaded:
        if not Path(output).exists():
            loaded.prepared()  # a model that cannot be used leaves no catalog behind
        with Catalog(output, create=True) as catalog:
            _check_table(catalog, request, scans)
            datasets = [catalog.add(scan) for scan in scans]
            return _Driver(catalog, request, datasets, progress).run(loaded)


def _check_table(catalog: Catalog, request: _Request, scans: Sequence[Scan]) -> None:
    """Refuse an output feature class that cannot show the inputs before they leave a trace."""
    if request.out_features:
        datasets = [
            replace(scan.dataset, geometry_type="POINT", srs=WGS84) if scan.points else scan.dataset
            for scan in scans
        ]
        catalog.check_name(
            [dataset for dataset in datasets if dataset.is_feature_class],
            request.hashes,
            request.out_features,
            reprojection=reprojection,
        )


class _Model:
    """The model of a run: prepared when it is first needed, let go of at the end."""

    def __init__(self, definition: ModelDefinition, options: RunOptions) -> None:
        self._definition = definition
        self._options = options
        self._prepared: Prepared | None = None

    def prepared(self) -> Prepared:
        if self._prepared is None:
            self._prepared = prepare(self._definition, self._options)
        return self._prepared

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._prepared is not None:
            self._prepared.classifier.close()


class _Driver:
    """One run over some datasets of a catalog."""

    def __init__(
        self,
        catalog: Catalog,
        request: _Request,
        datasets: Sequence[Dataset],
        progress: Progress | None,
    ) -> None:
        self._catalog = catalog
        self._request = request
        self._datasets = {dataset.id: dataset for dataset in datasets if dataset.id is not None}
        self._progress = progress or (lambda done, total: None)

    def run(self, model: _Model) -> Run:
        """Classify what is pending; the model is prepared only where something is."""
        ids = list(self._datasets)
        run_id = None if self._request.force else self._known_run()
        notes: tuple[str, ...] = ()
        classified = 0
        status = "finished"
        if run_id is None or self._pending(run_id):
            prepared = model.prepared()
            notes = prepared.notes
            run_id = self._start(prepared)
            self._catalog.settle_unusable(run_id, ids)
            classified, status = self._classify(run_id, prepared)
            notes += prepared.classifier.remarks()
            self._catalog.share_outputs(run_id, ids)
        else:
            self._catalog.settle_unusable(run_id, ids)
        self._catalog.finish_run(run_id, status)
        return self._report(run_id, status, classified, notes)

    def _known_run(self) -> int | None:
        run_id = self._catalog.find_run(*self._request.hashes, self._request.options.as_json())
        if run_id is not None:
            self._catalog.adopt_outputs(run_id, list(self._datasets))
            self._catalog.forget_lost_outputs(run_id)
            self._catalog.share_outputs(run_id, list(self._datasets))
        return run_id

    def _pending(self, run_id: int) -> list[Item]:
        return self._catalog.pending(run_id, list(self._datasets))

    def _start(self, prepared: Prepared) -> int:
        definition = self._request.definition
        model_id = self._catalog.add_model(
            name=definition.name,
            framework=definition.framework,
            definition_sha256=self._request.hashes[0],
            weights_sha256=self._request.hashes[1],
            definition=definition.properties,
            classes=prepared.classifier.classes,
        )
        return self._catalog.start_run(
            model_id,
            options=self._request.options.as_json(),
            software=software(),
            device=prepared.device,
            decoder=decoder(),
            force=self._request.force,
        )

    def _classify(self, run_id: int, prepared: Prepared) -> tuple[int, str]:
        """Classify what is pending; the number of class maps made, and how it ended."""
        folder = self._rasters(run_id)
        make_folder(folder)
        sweep(folder)
        pending = self._pending(run_id)
        worker = Worker(
            prepared.classifier,
            bands=prepared.bands,
            scale=self._request.options.photo_scale,
            tags=self._tags(run_id),
        )
        done = 0
        try:
            with closing(worker.run(self._tasks(pending, folder, self._lent()))) as outputs:
                for number, output in enumerate(outputs, 1):
                    self._catalog.record(run_id, output)
                    done += output.status == "done"
                    self._progress(number, len(pending))
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
            "SELECT raster_path AS path, item_id FROM outputs WHERE raster_path NOT NULL"
        )
        return {row["path"] for row in rows if f"/{row['item_id']:06d}_" not in row["path"]}

    def _tasks(self, items: Sequence[Item], folder: Path, lent: set[str]) -> Iterator[Task]:
        for item in items:
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

    def _report(self, run_id: int, status: str, classified: int, notes: tuple[str, ...]) -> Run:
        layers, remarks = write_layers(
            self._catalog,
            list(self._datasets.values()),
            run_id,
            name=self._request.out_features,
            embed=self._request.embed,
        )
        run = {
            "id": run_id,
            "status": status,
            "classified_now": classified,
            "rasters": self._rasters(run_id),
        }
        return report(self._catalog, self._datasets, run, layers, (*notes, *remarks))
