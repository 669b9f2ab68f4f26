"""The report of a run: one page, nothing active in it, nothing from elsewhere, every number right."""

import base64
import io
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import shapely
from affine import Affine
from click.testing import CliRunner
from PIL import Image

from pixelcat import Run, classify
from pixelcat.catalog.errors import UsageError
from pixelcat.cli import cli
from pixelcat.processors import map_sketch
from pixelcat.processors.report import report

Function = Callable[..., Any]
EVIL = "<img src=x onerror=alert(1)>&\"'"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, model_emd: Path, write_raster: Function) -> Run:
    """Points with photos of hostile names, one torn, and a map; one catalog for the module."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(5)
    names = [f"{EVIL}{number}.jpg" for number in range(4)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(folder / name, "JPEG")
    (folder / names[3]).write_bytes(b"\xff\xd8\xff\xe0 torn")
    points = [shapely.Point(4 + n / 100, 45) for n in range(4)]
    frame = geopandas.GeoDataFrame({"photo": names}, geometry=points, crs=4326)
    frame.to_file(folder / "survey.gpkg", layer="plots", driver="GPKG")
    write_raster(
        folder / "map.tif", rng.integers(0, 256, (3, 50, 70)).astype(np.uint8),
        crs="EPSG:32631", transform=Affine(10, 0, 580_000, 0, -10, 4_985_000),
    )  # fmt: skip
    inputs = [folder / "survey.gpkg", folder / "map.tif"]
    return classify(inputs, model=model_emd, output=folder / "r.gpkg")


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data}\n"


def page_of(run: Run, folder: Path, **options: Any) -> tuple[str, Page]:
    report(run.catalog, folder / "page.html", **options)
    html = (folder / "page.html").read_text(encoding="utf-8")
    return html, Page(html)


def test_nothing_is_active_and_nothing_comes_from_elsewhere(run: Run, tmp_path: Path) -> None:
    html, page = page_of(run, tmp_path)
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "div"),
        *("b", "p", "br", "span", "table", "thead", "tbody", "tr", "th", "td", "figure"),
        *("figcaption", "img", "svg", "g", "rect", "text", "path", "circle"),
    }
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("href", "srcset") for name in attributes)
        if tag == "img":
            assert re.match("data:image/(png|jpeg);base64,", attributes["src"] or "")
    assert "default-src 'none'" in html
    assert "@import" not in html and "url(" not in html
    assert EVIL in page.text


def test_numbers_are_those_of_the_catalog(run: Run, tmp_path: Path) -> None:
    _, page = page_of(run, tmp_path)
    lines = page.text.split("\n")
    for count, word in ((4, " done"), (1, " failed"), (0, " skipped")):
        assert lines[lines.index(word) - 1] == str(count)
    assert "JPEG is cut off: its end is missing" in page.text
    stats = run.class_stats()
    pixels = stats.groupby("class_name")["pixels"].sum()
    for name, count in pixels.items():
        row = lines.index(name, lines.index("hectares"))
        values = [line for line in lines[row : row + 8] if line.strip()]
        assert values[1] == f"{100 * count / pixels.sum():.1f} %"
        assert values[2] == f"{count:,}"
        hectares = stats[stats["class_name"] == name]["area_m2"].sum() / 10_000
        assert values[3] == f"{hectares:,.2f}"


def test_bars_are_as_long_as_shares(run: Run, tmp_path: Path) -> None:
    html, _ = page_of(run, tmp_path)
    bars = [float(each) for each in re.findall(r'height="18" width="([\d.]+)"', html)]
    pixels = run.class_stats().groupby("class_name")["pixels"].sum().sort_values(ascending=False)
    assert bars == pytest.approx((420 * pixels / pixels.max()).tolist(), abs=0.06)


def test_images_are_in_order_of_confidence_and_shown_once(run: Run, tmp_path: Path) -> None:
    _, page = page_of(run, tmp_path, gallery=1)
    sure = run.items().dropna(subset="mean_confidence").sort_values("mean_confidence")
    lines = page.text.split("\n")
    places = [lines.index(title) for title in ("Least sure", "Most sure", "Most mixed")]
    names = [next(line for line in lines[place + 1 :] if line.strip()) for place in places]
    assert names[:2] == [sure["image_name"].iloc[0], sure["image_name"].iloc[-1]]
    assert len(set(names)) == 3
    sizes = [
        Image.open(io.BytesIO(base64.b64decode((each["src"] or "").partition(",")[2]))).size
        for tag, each in page.tags
        if tag == "img"
    ]
    assert len(sizes) == 6
    assert set(sizes) <= {(60, 40), (70, 50)}


def test_the_sketch_shows_every_place_in_its_colour(run: Run, tmp_path: Path) -> None:
    html, page = page_of(run, tmp_path, gallery=0)
    dots = [attributes for tag, attributes in page.tags if tag == "circle"]
    assert len(dots) == 4
    across = [float(dot["cx"] or 0) for dot in dots]
    assert across == sorted(across)
    assert np.diff(across) == pytest.approx(np.diff(across).mean(), abs=0.2)
    colors = {row["name"]: row["color"] for row in run.sql("select name, color from classes")}
    items = run.items().dropna(subset="source_key")
    expected = [colors.get(name, "#b4b4b4") for name in items["dominant_class"][:4]]
    assert [dot["fill"] for dot in dots] == expected
    areas = [a for tag, a in page.tags if tag == "path" and a.get("fill-rule")]
    assert len(areas) == 1
    assert "North up" in html and "<img" not in html


def test_many_places_are_thinned_out(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_sketch, "MOST", 2)
    _, page = page_of(run, tmp_path, gallery=0)
    assert "Of 5 places 1 in 3 is drawn." in page.text
    assert len([tag for tag, _ in page.tags if tag == "circle"]) == 1


def test_the_command_writes_it_once(run: Run, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    command = ["report", str(run.catalog), "-o", str(target), "--gallery", "2"]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0, answer.output
    assert "run 1, 4 pictures" in answer.output
    assert target.stat().st_size < 100_000
    before = target.read_bytes()
    answer = CliRunner().invoke(cli, command)
    assert isinstance(answer.exception, UsageError)
    assert "exists and is left alone" in str(answer.exception)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("r.html", {"run": 7}, "r.gpkg has no run 7"),
        ("r.pdf", {}, "ends in .html"),
        ("r.html", {"gallery": 10_000}, "give 0 to 200"),
        ("r.html", {"picture_size": 1}, "give 16 to 2048"),
        ("none/r.html", {}, "does not exist"),
    ],
)
def test_what_cannot_be_is_refused(
    run: Run, tmp_path: Path, name: str, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        report(run.catalog, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_of_a_stranger_gets_no_word_through(run: Run, tmp_path: Path) -> None:
    """Whatever is text in the catalog is text in the page, geometry and JSON may be anything."""
    copy = tmp_path / "r.gpkg"
    copy.write_bytes(run.catalog.read_bytes())
    with closing(sqlite3.connect(copy)) as database, database:
        for number in (1, 2, 3, 4):
            database.execute(f"drop trigger rtree_features_geom_update{number}")
        database.execute("update classes set name = ? || id, color = ?", (EVIL, EVIL))
        database.execute("update models set name = ?", (EVIL,))
        database.execute("update runs set options = ?, software = '[1', device = ?", (EVIL, EVIL))
        database.execute("update outputs set dominant_class = ?", (EVIL + "1",))
        database.execute("update outputs set reason = ? where reason not null", (EVIL,))
        database.execute("update datasets set uri = ?", (f"/{EVIL}",))
        database.execute("update features set geom = x'4750000100000000ff'")
    report(copy, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not any(name.startswith("on") for _, each in page.tags for name in each)
    assert [tag for tag, _ in page.tags if tag in ("script", "img")] == []
    assert page.text.count(EVIL) > 8


def test_a_run_that_classified_nothing_has_a_report(
    make_gdb: Function, model_emd: Path, tmp_path: Path
) -> None:
    survey = make_gdb([(1, "torn.jpg", "image/jpeg", b"no photo at all")])
    run = classify(survey, model=model_emd, output=tmp_path / "r.gpkg")
    html, page = page_of(run, tmp_path)
    assert "nothing is classified" in page.text
    assert "<img" not in html
