"""``classify()``: what is asked for, checked, and then run."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from ..catalog import care
from ..catalog.geopackage import WGS84
from ..catalog.records import Scan
from ..catalog.store import Catalog
from ..io.scan_options import ScanOptions, SourceOptions
from ..io.sidecars import checked_choice
from ..io.srs import reprojection
from .also import checked_kinds
from .argument_texts import as_text
from .command import remembered
from .device import choose_device
from .driver import Driver, Request
from .inputs import as_inputs, check_name, check_paths, in_degrees, options_for
from .numbers import parse_bytes
from .options import options_of
from .progress import Show
from .results import Run
from .trust import ModelCode, load_model
from .verifiable import check_asked
from .workers import Setup
from .workers.reading import PATIENCE_S
from .workers.start import start


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
    environment: Mapping[str, Any] | None = None,
    classes: str | os.PathLike[str] | None = None,
    also: str | Sequence[str] = (),
    also_type: str = "uint8",
    out_features: str | None = None,
    embed: bool = False,
    sidecars: str = "auto",
    force: bool = False,
    retry_failed: bool = False,
    verify: int = 0,
    model_code: ModelCode = "refuse",
    device: str = "auto",
    max_memory: str | int | None = None,
    workers: int | None = None,
    item_timeout: float = PATIENCE_S,
    progress: Show | None = None,
    **source: Unpack[SourceOptions],
) -> Run:
    """Classify images and keep the results in a catalog.

    Calling it again with the same model and arguments goes on where the last call
    stopped; what is done already is not done again.

    Args:
        inputs: Image files, folders, geodatabases, layers or tables with photos; addresses of
            services.
        model: An ``.emd`` file or its text, a ``.dlpk`` package, or a model file.
        output: The catalog, a GeoPackage; made where it does not exist. Class rasters go
            to ``<its stem>_rasters`` beside it.
        layer: Only this feature class of the inputs.
        photo_columns: Columns that name or hold photos, where they are not found.
        media: Folder that paths in such columns are relative to, and may not lead out of.
        xy: Columns of longitude and latitude of a table without geometry.
        arguments: Model arguments by name, as text or as Python values; see
            :data:`pixelcat.processors.options.ARGUMENTS`.
        environment: What of the ground is classified, and on which grid, by the names of the
            options (``extent``, ``extent_crs``, ``cell_size``, ``snap``, ``mask``, ``crs``,
            ``nodata``, ``map_crs``, ``map_resampling``) or as ArcGIS calls them; as text or as Python
            values.
        classes: A CSV or JSON file with value, name and color of each class, for a model that
            does not name them.
        also: Rasters to write beside each class raster: ``confidence``, ``probabilities`` (a band
            for each class), ``entropy``. They are part of what a run is: with others it is
            another run.
        also_type: ``uint8``, fractions in steps of 1/254 with that scale in the file, or
            ``float32``.
        out_features: Name of the output feature class of all inputs, which may have one feature
            class each; default ``<layer>_classified`` for each. That of another input by the
            same model: its rows stay and those of these inputs are added.
        embed: Put the class maps into the catalog too, as related media of the output
            feature class. May be asked for later: nothing is classified again for it.
        sidecars: Files beside class rasters, for programs that do not read class names in them:
            ``auto``, ``all`` or ``none``; see docs/catalog.md. Rasters that are there stay as
            they are.
        force: Start a new run even where an earlier one can go on.
        retry_failed: Try images again that failed in the run that goes on, and look again at
            those that could not be read when they were scanned.
        verify: Classify so many windows anew, with twice the halo, and compare them with the
            finished class rasters of these inputs; see :attr:`.results.Run.verification`.
        model_code: What to do with the Python raster function of a model that has one:
            ``refuse`` the model, ``run`` the code, which may do whatever you may do, or
            ``ignore`` the code and take the network alone.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:1``; the first call that loads TensorFlow
            decides for its process.
        max_memory: What a process that classifies should stay below, ``"4G"`` or bytes; smaller
            windows and queues are taken for it, with the same result.
        workers: Processes that classify, the first of which reads the inputs, too; one that
            crashes, hangs or runs out of memory fails the image that did it, alone. 0 for this
            process, which starts sooner and may be taken down. Default is the environment variable ``PIXELCAT_WORKERS``, or 1.
        item_timeout: Seconds without any progress after which a process is ended.
        progress: Called as windows and images are finished, and compared where ``verify`` asks for
            it, with a :class:`.progress.Progress`.
        source: What of a mosaic or service, and how: ``mode``, ``where``, ``zoom`` and the others of
            :class:`~pixelcat.io.scan_options.SourceOptions`.

    Returns:
        The run. Images that could not be classified are counted and listed there.

    Raises:
        UsageError: An argument is wrong.
        ModelError: The model cannot be used.
        SourceError: An input is missing or unreadable.
        CatalogError: The catalog cannot be used; CatalogBusyError where another run has it.
        OutputError: The disk refused.
    """
    sought = as_inputs(inputs)
    check_paths(sought, Path(output))
    choose_device(device)
    limit = None if max_memory is None else parse_bytes(str(max_memory))
    look = ScanOptions.checked(
        layer=layer, photo_columns=photo_columns, media=media, xy=xy, **source
    )
    named = None if classes is None else Path(classes)
    given = {name: as_text(value) for name, value in (arguments or {}).items()}
    with start(workers, item_timeout) as hands:
        place = in_degrees(hands.environment(environment or {}), sought)
        definition = load_model(model if isinstance(model, str) else Path(model), model_code, named)
        options = replace(
            options_of(definition, given),
            environment=place,
            also=checked_kinds(also, also_type),
            also_type=also_type,
        )
        check_asked(verify, options)
        request = Request(
            definition=definition,
            hashes=(definition.sha256, definition.weights_sha256()),
            options=options,
            out_features=out_features,
            embed=embed,
            force=force,
            verify=verify,
            command=remembered(
                sought,
                model,
                layer=layer,
                photo_columns=photo_columns,
                media=media,
                xy=xy,
                arguments=given,
                environment=environment,
                classes=classes,
                also=also,
                also_type=also_type,
                out_features=out_features,
                embed=embed,
                sidecars=sidecars,
                verify=verify,
                model_code=model_code,
                device=device,
                max_memory=max_memory,
                workers=workers,
                **source,
            ),
        )
        hands.set_up(
            Setup(
                definition=definition,
                weights_sha256=request.hashes[1],
                options=options,
                device=device,
                limit=limit,
                sidecars=checked_choice(sidecars),
            )
        )
        scans = hands.scan([(each, options_for(each, look, place)) for each in sought])
        check_name(out_features, [scan.dataset for scan in scans])
        if not Path(output).exists():
            hands.facts()  # a model that cannot be used leaves no catalog behind
        with Catalog(output, create=True) as catalog:
            _check_table(catalog, request, scans)
            if retry_failed and not force:
                care.forget_failures(
                    catalog, request.hashes, options.as_json(), [scan.dataset for scan in scans]
                )
            datasets = [catalog.add(scan) for scan in scans]
            run = Driver(catalog, request, datasets, progress).run(hands)
            return replace(run, notes=(*run.notes, *care.remarks(catalog)))


def _check_table(catalog: Catalog, request: Request, scans: Sequence[Scan]) -> None:
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
