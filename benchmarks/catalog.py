"""How a catalog grows: adding, recording, asking what is pending; and how long questions take.

    python benchmarks/catalog.py --sizes 10000,100000,1000000 --questions 50000

See README.md in this folder.
"""

import random
import resource
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

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
    click.echo(f"{'items':>9}{'add':>9}{'pending':>9}{'commit':>9}{'status':>9}{'MB':>7}{'RSS':>7}")
    click.echo(f"{'':9}{'us/item':>9}{'us/item':>9}{'ms':>9}{'us/item':>9}{'':7}{'MB':>7}")
    for size in map(int, sizes.split(",")):
        with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
            _grow(Path(folder) / "results.gpkg", size)
    if questions:
        with TemporaryDirectory(prefix="pixelcat-benchmark-") as folder:
            _ask(Path(folder) / "results.gpkg", questions)


def _grow(path: Path, size: int) -> None:
    with Catalog(path, create=True) as catalog:
        add, dataset = _timed(lambda: catalog.add(_survey(size)))
        run = _run(catalog)
        pending, items = _timed(lambda: list(catalog.pending(run, [dataset.id])))
        outputs = [_output(item) for item in items[:_RECORDED]]
        commit, _ = _timed(lambda: [catalog.record(run, output) for output in outputs])
    status, _ = _timed(lambda: open_catalog(path).status())
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    click.echo(
        f"{size:9}{add / size * 1e6:9.1f}{pending / size * 1e6:9.1f}{commit / len(outputs) * 1e3:9.2f}"
        f"{status / size * 1e6:9.2f}{path.stat().st_size / 1e6:7.0f}{kib / 1e3:7.0f}"
    )


def _ask(path: Path, size: int) -> None:
    with Catalog(path, create=True) as catalog:
        dataset = catalog.add(_survey(size))
        run = _run(catalog)
        for item in catalog.pending(run, [dataset.id]):
            catalog.record(run, _output(item))
        catalog.finish_run(run, "finished")
        table, _ = _timed(
            lambda: catalog.write_feature_class(dataset.id, run, reprojection=reprojection)
        )
    click.echo(f"\n{size} items with {len(CLASSES)} classes; output feature class: {table:.1f} s")
    for file in sorted(QUESTIONS.glob("*.sql")):
        sql = file.read_text(encoding="utf-8")
        given = {name: value for name, value in PARAMETERS.items() if f":{name}" in sql}
        seconds, rows = _timed(lambda sql=sql, given=given: dicts(path, sql, given))
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
    for number in range(1, size + 1):
        yield Item(
            kind="attachment", source_key=str(number), name=f"photo{number}.jpg",
            content_type="image/jpeg", byte_size=3_000_000, sha256=f"{number:064x}", width=4000,
            height=3000, bands=3, dtype="uint8", feature_keys=(str(number),),
            taken_at=f"2024-{1 + number % 12:02}-01T10:00:00",
        )  # fmt: skip


def _run(catalog: Catalog) -> int:
    model = catalog.add_model(
        name="land", framework="Keras", definition_sha256="a", weights_sha256="b", definition={},
        classes=CLASSES,
    )  # fmt: skip
    return catalog.start_run(model, options={}, software={}, device="CPU", decoder="Pillow")


def _output(item: Item) -> Output:
    draw = random.Random(item.id)
    parts = [draw.random() ** 4 for _ in CLASSES]
    pixels = [int(12e6 * part / sum(parts)) for part in parts]
    return Output(
        item_id=item.id or 0, status="done", item_sha256=item.sha256, valid_pixels=sum(pixels),
        raster_path=f"results_rasters/run_1/{item.id:06}.tif", sha256=item.sha256, width=4000,
        height=3000, seconds=1.0,
        stats=tuple(
            ClassStat(
                value=each.value, name=each.name, pixels=count, fraction=count / sum(pixels),
                area_m2=None, mean_confidence=draw.random(),
            )
            for each, count in zip(CLASSES, pixels, strict=True)
        ),
    )  # fmt: skip


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = call()
    return time.perf_counter() - started, answer


if __name__ == "__main__":
    main()
