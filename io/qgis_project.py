"""QGIS projects beside a data source: which columns hold photos, where, and relations."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from ..catalog.lock import assert_not_live
from .safe_xml import parse_xml
from .zip_members import BROKEN, too_many, unbounded

_LARGEST = 64 << 20
_MOST_PROJECTS = 20
_IN_PROJECT = re.compile(
    r"\s*(?:@project_(?:folder|home|path)\s*(?:\|\||\+)\s*)?'([^']*)'\s*|\s*@project_(?:folder|home)\s*"
)
"""The expressions for a folder that we understand: a text, alone or below the project."""


class PhotoWidget(NamedTuple):
    """A column with the widget *Attachment*."""

    layer: str
    """Table name; empty where the data source has only one."""
    column: str
    shows_images: bool
    default_path: Path | None
    """The folder that paths are relative to, if neither the project's nor absolute."""


class Relation(NamedTuple):
    """Rows of a child table belong to rows of a parent."""

    child: str
    child_column: str
    parent: str
    parent_column: str


class Project(NamedTuple):
    """What a project says of one data source."""

    folder: Path
    widgets: tuple[PhotoWidget, ...]
    relations: tuple[Relation, ...]


def projects_of(source: Path) -> list[Project]:
    """Return the projects beside a data source, or one folder up, that use it.

    A project that cannot be read says nothing.
    """
    found = []
    for folder in (source.parent, source.parent.parent):
        files = sorted(p for p in folder.glob("*.qg[sz]") if p.is_file())
        for file in files[:_MOST_PROJECTS]:
            try:
                project = _project(parse_xml(_document(file)), file.parent, source)
            except (*BROKEN, OSError):
                continue
            if project is not None:
                found.append(project)
    return found


def _document(file: Path) -> bytes:
    """Return the XML of a project.

    Raises:
        ValueError: Too large, or a package without a project.
    """
    assert_not_live(file)
    if file.suffix.lower() == ".qgs":
        with open(file, "rb") as plain:
            return _bounded(plain.read(_LARGEST + 1))
    with zipfile.ZipFile(file) as package:
        name = next((n for n in package.namelist() if n.lower().endswith(".qgs")), None)
        if name is None:
            raise ValueError("no project in the package")
        if reason := too_many(package.infolist()) or unbounded(package.getinfo(name)):
            raise ValueError(reason)
        with package.open(name) as packed:
            return _bounded(packed.read(_LARGEST + 1))


def _bounded(data: bytes) -> bytes:
    if len(data) > _LARGEST:
        raise ValueError("too large")
    return data


def _project(root: Element, folder: Path, source: Path) -> Project | None:
    layers = {
        layer.findtext("id") or "": table
        for layer in root.iterfind("projectlayers/maplayer")
        if (table := _table(layer.findtext("datasource") or "", folder, source)) is not None
    }
    if not layers:
        return None
    widgets = [
        widget
        for layer in root.iterfind("projectlayers/maplayer")
        if (table := layers.get(layer.findtext("id") or "")) is not None
        for widget in _widgets(layer, table, folder)
    ]
    return Project(folder, tuple(widgets), tuple(_relations(root, layers)))


def _table(datasource: str, folder: Path, source: Path) -> str | None:
    """Return which table of the source a layer shows; None where it shows another source.

    Beside the source its name is enough: where the project was made, paths were others.
    """
    name, *settings = datasource.split("|")
    if name.lower().startswith("file:"):
        name = unquote(name[5:])
    path = folder / name.partition("?")[0].replace("\\", "/")
    same_name = path.name.lower() == source.name.lower()
    if not same_name or (folder != source.parent and path.resolve() != source):
        return None
    names = [s.partition("=")[2] for s in settings if s.lower().startswith("layername=")]
    return names[0] if names else ""


def _widgets(layer: Element, table: str, folder: Path) -> Iterator[PhotoWidget]:
    for field in layer.iterfind("fieldConfiguration/field"):
        widget = field.find("editWidget[@type='ExternalResource']")
        if widget is None:
            continue
        options = {o.get("name"): o for o in widget.iterfind("config/Option/Option")}
        values = {name: option.get("value") or "" for name, option in options.items()}
        if values.get("StorageMode") == "1":  # folders, not files
            continue
        yield PhotoWidget(
            layer=table,
            column=field.get("name") or "",
            shows_images=values.get("DocumentViewer") == "1",
            default_path=_default_path(values, options.get("PropertyCollection"), folder)
            if values.get("RelativeStorage") == "2"
            else None,
        )


def _default_path(
    values: dict[str | None, str], properties: Element | None, folder: Path
) -> Path | None:
    """Return the default path of a widget, as far as it can be told without running QGIS."""
    text = values.get("DefaultRoot", "")
    if properties is not None:
        where = "Option[@name='properties']/Option[@name='propertyRootPath']/Option"
        found = {o.get("name"): o.get("value") or "" for o in properties.iterfind(where)}
        known = _IN_PROJECT.fullmatch(found.get("expression", ""))
        if known and found.get("active") == "true":
            inside = "@project" in known[0]
            text = f"./{known[1] or ''}" if inside else known[1]
    return folder / text.replace("\\", "/") if text else None


def _relations(root: Element, layers: dict[str, str]) -> Iterator[Relation]:
    for relation in root.iterfind("relations/relation"):
        child = layers.get(relation.get("referencingLayer") or "")
        parent = layers.get(relation.get("referencedLayer") or "")
        pairs = relation.findall("fieldRef")
        if child is None or parent is None or len(pairs) != 1:
            continue
        child_column = pairs[0].get("referencingField") or ""
        parent_column = pairs[0].get("referencedField") or ""
        yield Relation(child, child_column, parent, parent_column)
