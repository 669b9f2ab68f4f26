"""Submissions that are a folder each, with an XForms instance in it.

ODK Collect: ``instances/<form>_<date>/<form>_<date>.xml``. Media of KoboToolbox:
``.../<submission>/submission.xml``, or ``.../attachments/<form>/<submission>/`` without one.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from itertools import pairwise
from pathlib import PurePosixPath
from typing import NamedTuple
from xml.parsers import expat

from ....catalog.errors import ItemError, first_line
from .archive import DAMAGED
from .export import Export
from .names import is_audit_log, is_id

_MAX_XML = 16 << 20
_FORM_FILES = ("submission.xml", "meta.json")
_NOT_OF_SURVEYS = ("forms", "metadata")
_FOLDER = "submission_folder"
_PROBLEM = "submission_problem"
_FILES = "submission_files"


class Instance(NamedTuple):
    """The folder of one submission."""

    folder: str
    xml: str | None
    files: tuple[str, ...]
    """Names of everything else in it."""


class Answers(NamedTuple):
    """What an instance says."""

    form: str
    values: dict[str, str]
    """Path of each leaf, without the root, to its text; repeats are joined by ``; ``."""


def find_instances(keys: Iterable[str], root_name: str) -> list[Instance]:
    """Return the folders that are submissions.

    Args:
        keys: Files of an export.
        root_name: Name of the export's own folder, which may be ``instances`` itself.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        folder, _, name = key.rpartition("/")
        folders[folder].append(name)
    found = []
    for folder, names in folders.items():
        xml = _xml_of(folder, names, root_name)
        if xml or _is_kobo_media(folder):
            files = tuple(name for name in names if name != xml and name not in _FORM_FILES)
            found.append(Instance(folder, f"{folder}/{xml}".lstrip("/") if xml else None, files))
    return found


def is_metadata(key: str) -> bool:
    """Return whether a file is what a tool itself writes beside the media of a submission."""
    name = PurePosixPath(key).name
    return name in _FORM_FILES or is_audit_log(name)


def without_forms(keys: Iterable[str], instances: Iterable[Instance]) -> list[str]:
    """Return the files of a survey, without those of the blank forms of ODK Collect.

    ``forms`` and ``metadata`` beside ``instances``, and the pictures of any form in
    ``forms/<form>-media``: nobody took them in the survey.
    """
    homes = {PurePosixPath(each.folder).parent for each in instances}
    beside = {str(home.parent).lower() for home in homes if home.name.lower() == "instances"}
    return [key for key in keys if not (beside and _is_of_forms(key, beside))]


def _is_of_forms(key: str, beside: Collection[str]) -> bool:
    parts = [part.lower() for part in key.split("/")[:-1]]
    pairs = pairwise(parts)
    return any(above == "forms" and folder.endswith("-media") for above, folder in pairs) or any(
        part in _NOT_OF_SURVEYS and ("/".join(parts[:depth]) or ".") in beside
        for depth, part in enumerate(parts)
    )


def _xml_of(folder: str, names: list[str], root_name: str) -> str | None:
    if "submission.xml" in names:
        return "submission.xml"
    path = PurePosixPath(root_name, folder)
    in_place = len(path.parts) > 1 and path.parts[-2].lower() == "instances"
    own = f"{path.name}.xml"
    return own if in_place and own in names else None


def _is_kobo_media(folder: str) -> bool:
    parts = PurePosixPath(folder).parts
    return len(parts) > 2 and parts[-3].lower() == "attachments" and is_id(parts[-1])


def read_instance(export: Export, instance: Instance) -> Answers:
    """Return the answers of a submission; one that cannot be read says why and keeps its files.

    Then every file in its folder is taken for its own, since nothing else can tell.
    """
    own = {_FOLDER: instance.folder or "."}
    names = "\n".join(instance.files)
    if instance.xml is None:
        return Answers("attachments", {**own, _FILES: names})
    try:
        form, values = parse(_read(export, instance.xml))
    except ItemError as error:
        return Answers("", {**own, _PROBLEM: str(error), _FILES: names})
    return Answers(form, {**own, **values, **own})


def _read(export: Export, key: str) -> bytes:
    with export.open(key) as file:
        try:
            data = file.read(_MAX_XML + 1)
        except DAMAGED as error:
            raise ItemError(f"cannot be read: {first_line(error)}") from error
    if len(data) > _MAX_XML:
        raise ItemError(f"is larger than {_MAX_XML >> 20} MiB")
    return data


def parse(data: bytes) -> Answers:
    """Return the form and the leaves of an instance.

    Raises:
        ItemError: No XML, or one with a document type, which no form tool writes.
    """
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ItemError(f"is no readable XML: {error}") from error
    return Answers(reader.form, {path: "; ".join(v) for path, v in reader.values.items()})


def _refuse(*_: object) -> None:
    raise ItemError("has a document type, which is refused")


class _Reader:
    """Gathers leaves as the parser meets them."""

    def __init__(self) -> None:
        self.form = ""
        self.values: dict[str, list[str]] = defaultdict(list)
        self._path: list[str] = []
        self._text: list[str] = []
        self._is_leaf = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition("}")[2]
        if not self._path:
            self.form = attributes.get("id") or local
        self._path.append(local)
        self._text.clear()
        self._is_leaf = True

    def text(self, text: str) -> None:
        self._text.append(text)

    def end(self, _: str) -> None:
        value = "".join(self._text).strip()
        path = "/".join(self._path[1:])
        if self._is_leaf and path:
            if value:
                self.values[path].append(value)
            else:
                self.values.setdefault(path, [])
        self._path.pop()
        self._is_leaf = False


def instance_ids(export: Export, instances: Iterable[Instance]) -> Iterator[tuple[str, str]]:
    """Yield (id, folder) of submissions whose folder's name is not their id."""
    for instance in instances:
        if not is_id(PurePosixPath(instance.folder).name):
            values = read_instance(export, instance).values
            for name in ("meta/instanceID", "meta/rootUuid"):
                if values.get(name):
                    yield values[name].removeprefix("uuid:"), instance.folder
