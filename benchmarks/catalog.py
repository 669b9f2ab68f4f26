"""How a catalog grows: adding, recording, asking what is pending; and how long questions take.

    python benchmarks/catalog.py --sizes 10000,100000,1000000 --questions 50000

See README.md in this folder.
"""

import random
import resource
import struct
import time
from collections.abc import Callable, Iterator
from itertools import islice
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from pixelcat.catalog import runs
from pixelcat.catalog.geopackage import WGS84
from pixelcat.catalog.records import (
    ClassDefinition,
    ClassStat,
    Column,
    Dataset,
    Feature,
    Item,
    Output,
    Scan,
)
from pixelcat.catalog.store import Catalog
from pixelcat.io.srs import reprojection
from pixelcat.processors.questions import dicts
from pixelcat.processors.results import open_catalog

NAMES = ("Water", "Crop", "Built Up", *(f"class {n}" for n in range(3, 12)))
CLASSES = tuple(
    ClassDefinition(value=n, name=name, color=(20 * n, 0, 255 - 20 * n))
    for n, name in enumerate(NAMES)
)
QUESTIONS = Path(__file__).resolve().parents[1] / "docs" / "questions"
PARAMETERS = {
    "run": 1, "class": "Crop", "share": 0.2, "lon": 9.5, "lat": 45.5, "one": 1, "other": 2, "below": 0.5,
}  # fmt: skip
_RECORDED = 500
"""Outputs whose commit is timed."""


@click.command(context_settings={"show_default": True})
@click.option("--sizes", default="10000,100000,1000000", help="Items of growing catalogs.")
@click.option("--questions", default=50_000, help="Items of the catalog that questions are asked.")
def main(sizes: str, questions: int) -> None:
    """Time a catalog by its size, and the questions of docs/questions.md."""
    click.echo(
        f"{'items':>9}{'make':>8}{'add':>8}{'again':>8}{'pending':>8}{'status':>8}"
        f"{'record':>9}{'CPU':>7}{'MB':>7}{'RSS':>6}"
    )
    click.echo(f"{'':9}{'us/item':>8}" + f"{'us':>8}" * 4 + f"{'ms':>9}{'ms':>7}{'':7}{'MB':>6}")
    for size in map(int, sizes.split(",")):
        with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
            _grow(Path(folder) / "results.gpkg", size)
    if questions:
        with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
            _ask(Path(folder) / "results.gpkg", questions)


def _grow(path: Path, size: int) -> None:
    make, _ = _timed(lambda: [sum(1 for _ in rows(size)) for rows in (_features, _items)])
    with Catalog(path, create=True) as catalog:
        add, dataset = _timed(lambda: catalog.add(_survey(size)))
        again, _ = _timed(lambda: catalog.add(_survey(size)))
        run = _run(catalog)
        pending, _ = _timed(lambda: sum(1 for _ in catalog.pending(run, [dataset.id])))
        _record_all(catalog, run, dataset.id, but=_RECORDED)
        outputs = [_output(item) for item in catalog.pending(run, [dataset.id])]
        began = time.perf_counter()
        cpu, _ = _timed(lambda: [catalog.record(run, output) for output in outputs])
        record = time.perf_counter() - began
        catalog.finish_run(run, "finished")
    status, _ = _timed(lambda: open_catalog(path).status())
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    us = "".join(f"{each / size * 1e6:8.1f}" for each in (make, add, again, pending, status))
    ms = "".join(
        f"{each / len(outputs) * 1e3:{width}.2f}" for each, width in ((record, 9), (cpu, 7))
    )
    click.echo(f"{size:9}{us}{ms}{path.stat().st_size / 1e6:7.0f}{kib / 1e3:6.0f}")


def _record_all(
    catalog: Catalog, run: int, dataset: int | None, *, draw: int = 0, but: int = 0
) -> None:
    """Record what is pending, but for some, as no run does it: in few transactions."""
    left = catalog.pending_size(run, [dataset or 0])[0] - but
    while left > 0:
        items = list(islice(catalog.pending(run, [dataset or 0]), min(left, 20_000)))
        left -= len(items)
        with catalog.transaction() as connection:
            for item in items:
                runs.record(connection, run, _output(item, draw))


def _ask(path: Path, size: int) -> None:
    """Ask about images on the ground, attached to a feature each, classified in two runs."""
    with Catalog(path, create=True) as catalog:
        dataset = catalog.add(_survey(size))
        for draw in (1, 0):
            run = _run(catalog, draw)
            _record_all(catalog, run, dataset.id, draw=draw)
            catalog.finish_run(run, "finished")
        table, _ = _timed(
            lambda: catalog.write_feature_class(dataset.id, run, reprojection=reprojection)
        )
    click.echo(f"\n{size} items with {len(CLASSES)} classes; output feature class: {table:.1f} s")
    for file in sorted(QUESTIONS.glob("*.sql")):
        sql = file.read_text(encoding="utf-8")
        given = {name: value for name, value in PARAMETERS.items() if f":{name}" in sql}
        times = [_timed(lambda sql=sql, given=given: dicts(path, sql, given)) for _ in range(3)]
        seconds, rows = min(times, key=itemgetter(0))
        click.echo(f"{file.stem:24}{seconds:7.3f} s {len(rows):8} rows")


def _survey(size: int) -> Scan:
    dataset = Dataset(
        kind="filegdb", uri="/survey.gdb", layer="plots", attachment_table="plots__ATTACH",
        key_field="GLOBALID", srs=WGS84, geometry_type="POINT",
        columns=(Column(name="plot_id", sql_type="TEXT"), Column(name="height", sql_type="DOUBLE")),
    )  # fmt: skip
    return Scan(dataset=dataset, features=_features(size), items=_items(size))


def _features(size: int) -> Iterator[Feature]:
    draw = random.Random(1)
    for number in range(1, size + 1):
        point = struct.pack("<BIdd", 1, 1, 9 + draw.random(), 45 + draw.random())
        yield Feature(
            source_fid=number, geometry=point, location=point,
            attributes={"plot_id": f"P{number}", "height": draw.random() * 30},
        )  # fmt: skip


def _items(size: int) -> Iterator[Item]:
    draw = random.Random(1)
    for number in range(1, size + 1):
        yield Item(
            kind="attachment", source_key=str(number), name=f"photo{number}.jpg",
            content_type="image/jpeg", byte_size=3_000_000, sha256=f"{number:064x}", width=4000,
            height=3000, bands=3, dtype="uint8", feature_keys=(str(number),),
            taken_at=f"2024-{1 + number % 12:02}-01T10:00:00", footprint=_outline(draw),
        )  # fmt: skip


def _outline(draw: random.Random) -> bytes:
    """Return a square of a hundredth of a degree somewhere in the survey."""
    west, south = 9 + draw.random(), 45 + draw.random()
    east, north = west + 0.01, south + 0.01
    ring = (west, south, east, south, east, north, west, north, west, south)
    return struct.pack("<BIIBIII10d", 1, 6, 1, 1, 3, 1, 5, *ring)


def _run(catalog: Catalog, padding: int = 0) -> int:
    model = catalog.add_model(
        name="land", framework="Keras", definition_sha256="a", weights_sha256="b", definition={},
        classes=CLASSES,
    )  # fmt: skip
    return catalog.start_run(
        model, options={"padding": padding}, software={}, device="CPU", decoder="Pillow"
    )


def _output(item: Item, seed: int = 0) -> Output:
    draw = random.Random(f"{item.id} {seed}")
    parts = [draw.random() ** 4 for _ in CLASSES]
    pixels = [int(12e6 * part / sum(parts)) for part in parts]
    return Output(
        item_id=item.id or 0, status="done", item_sha256=item.sha256, valid_pixels=sum(pixels),
        raster_path=f"results_rasters/run_1/{item.id:06}.tif", sha256=item.sha256, width=4000,
        height=3000, seconds=1.0,
        stats=tuple(
            ClassStat(
                value=each.value, name=each.name, pixels=count, fraction=count / sum(pixels),
                area_m2=count * 0.01, mean_confidence=draw.random(),
            )
            for each, count in zip(CLASSES, pixels, strict=True)
        ),
    )  # fmt: skip


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds of the processor, which others on the machine disturb less, and the answer."""
    started = time.process_time()
    answer = call()
    return time.process_time() - started, answer


if __name__ == "__main__":
    main()
