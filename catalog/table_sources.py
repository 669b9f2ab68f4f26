"""What an output table shows: its sources, brought to one reference system."""

import json
import sqlite3
from collections.abc import Callable, Sequence

from . import geopackage, result_layers
from .errors import UsageError
from .feature_rows import Source
from .records import Column, Dataset, Reprojection


def read_source(connection: sqlite3.Connection, dataset_id: int) -> Source:
    """Return a dataset as an output table has it, where it shows no other."""
    uri, layer, columns, options, *shape = connection.execute(
        "SELECT uri, layer, columns, options, geometry_type, has_z, srs_id, definition"
        " FROM datasets JOIN gpkg_spatial_ref_sys USING (srs_id) WHERE id = ?",
        (dataset_id,),
    ).fetchone()
    parsed = [Column(**column) for column in json.loads(columns)]
    return Source(dataset_id, uri, layer, parsed, json.loads(options).get("domains", {}), *shape)


def together(sources: Sequence[Source], reprojection: Reprojection) -> list[Source]:
    """Return sources as one table shows them: with names, in the system of the first."""
    if len(sources) < 2:
        return list(sources)
    system = next((s for s in sources if s.geometry_type), sources[0])
    names = result_layers.source_names([(source.uri, source.layer) for source in sources])
    return [
        source._replace(
            label=(name,),
            srs_id=system.srs_id,
            move=_move(source, system, reprojection),
        )
        for source, name in zip(sources, names, strict=True)
    ]


def _move(
    source: Source, system: Source, reprojection: Reprojection
) -> Callable[[bytes], bytes] | None:
    if source.geometry_type is None or source.srs_id == system.srs_id:
        return None
    refusal = UsageError(
        f"{source.uri} cannot be brought to the reference system of {system.uri},"
        " which is in the same table; choose another --out-features"
    )
    try:
        move = reprojection(source.definition, system.definition)
    except ValueError as error:
        raise refusal from error

    def checked(wkb: bytes) -> bytes:
        """Move a geometry, or refuse the whole source for it."""
        try:
            return move(wkb)
        except ValueError as error:
            raise refusal from error

    return checked


def no_reprojection(source: str, target: str) -> Callable[[bytes], bytes]:
    """Stand where no way from one reference system to another is given."""
    raise ValueError("geometries stay as they are")


def check_name(
    connection: sqlite3.Connection,
    datasets: Sequence[Dataset],
    hashes: tuple[str, str],
    name: str,
    reprojection: Reprojection,
) -> None:
    """Refuse the name of a table in whose reference system datasets cannot be shown."""
    places = {(dataset.uri, dataset.layer) for dataset in datasets}
    shown = [
        read_source(connection, each) for each in result_layers.named(connection, hashes, name)
    ]
    others = [source for source in shown if (source.uri, source.layer) not in places]
    together([*others, *map(_expected, datasets, range(len(datasets)))], reprojection)


def _expected(dataset: Dataset, number: int) -> Source:
    """Return what a dataset that is not in the catalog would be, as far as its system goes."""
    system, of_its_own = dataset.srs, geopackage.UNDEFINED_CARTESIAN - 1 - number
    return Source(
        *(0, dataset.uri, dataset.layer, (), {}, dataset.geometry_type, dataset.has_z),
        srs_id=of_its_own if system else geopackage.UNDEFINED_CARTESIAN,
        definition=system.definition if system else "undefined",
    )
