"""An export of a form tool: submissions as features, the photos that they name as items.

ODK Central and Collect, KoboToolbox, Epicollect5, Fulcrum and Survey123, as a folder, a ZIP
archive, or a table beside its media. A submission is one feature; photos of its repeats are
its own. Nothing is unpacked to disk.
"""

import posixpath
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ...catalog.errors import ItemError, SourceError
from ...catalog.lock import belongs_to_live
from ...catalog.records import Dataset, Feature, Item, Scan
from .. import srs
from ..fingerprint import fingerprint
from ..probe import probe_all
from ..scan_options import ScanOptions
from .forms.archive import is_archive
from .forms.export import Export, open_export
from .forms.instances import find_instances, instance_ids, is_metadata, without_forms
from .forms.media import Media
from .forms.names import is_image_name
from .forms.photos import Absent
from .forms.surveys import Survey, read_surveys
from .forms.tables import Table, find_tables, is_form_export, related_tables

KIND = "form_export"
IS_WHOLE = False

_MEDIA = "media"


class _Rest(NamedTuple):
    """Files beside those that a survey names."""

    unnamed: Sequence[str]
    """Nobody's; they go with this survey."""
    taken: Collection[str]
    """All that there are."""


def matches(path: Path) -> bool:
    """Return whether a form tool wrote the folder, the archive or the table."""
    try:
        with open_export(path) as export:
            keys = _table_keys(path, export)
            return is_form_export(export, keys) if path.is_file() else _is_folder(export, keys)
    except (SourceError, ItemError, OSError):
        return False


def scan(path: Path, options: ScanOptions) -> Iterator[Scan]:
    """Yield one dataset per table of submissions, or per form where submissions are folders.

    Files that no submission of any table names are items of the first.
    """
    with open_export(path) as export:
        elsewhere = () if options.media is None else (options.media.resolve(),)
        known = fingerprint((export.root, *elsewhere), KIND, options)
        surveys, media = _read(path, export, options)
    named = {key for survey in surveys for key in survey.links}
    unnamed = [key for key in media.keys if key not in named]
    if not (named or unnamed or any(survey.absent for survey in surveys)):
        raise SourceError(f"{path}: no submission names a photo, and there are none")
    for survey in _chosen(path, options.layer, surveys):
        rest = _Rest(unnamed if survey is surveys[0] else [], frozenset(media.keys))
        found = _scan_survey(path, survey, rest, options)
        yield replace(found, dataset=replace(found.dataset, fingerprint=known))


@contextmanager
def reader(dataset: Dataset) -> Iterator[Callable[[Item], Path | bytes]]:
    """Fetch files by their path in the export."""
    root = dataset.options.get(_MEDIA)
    with open_export(Path(root or dataset.uri)) as export:
        yield lambda item: export.fetch(item.source_key)


def _is_folder(export: Export, keys: Sequence[str]) -> bool:
    """Return whether a folder is an export itself and not one that has an export in it.

    Its tables lie in it, or in the one folder that it holds, and not below; or every folder in
    it that has images has submissions. Pictures of blank forms are no images.
    """
    shared = posixpath.commonpath([posixpath.dirname(key) for key in keys]) if keys else ""
    below = len(shared) + 1 if shared else 0
    tops = [key for key in keys if "/" not in key[below:] or _top(key[below:]).endswith(".zip")]
    if is_form_export(export, tops):
        return True
    instances = find_instances(keys, export.root.name)
    with_images = {_top(key) for key in without_forms(keys, instances) if is_image_name(key)}
    return bool(instances) and with_images <= {_top(f"{each.folder}/") for each in instances}


def _top(key: str) -> str:
    return key.partition("/")[0] if "/" in key else ""


def _table_keys(path: Path, export: Export) -> list[str]:
    """Return the files in which tables are looked for: all, or the one that the user gave."""
    return [path.name] if _is_table(path) else list(export.keys())


def _is_table(path: Path) -> bool:
    return path.is_file() and not is_archive(path)


def _read(path: Path, export: Export, options: ScanOptions) -> tuple[list[Survey], Media]:
    keys = list(export.keys())
    tables = find_tables(export, keys)
    if _is_table(path):
        tables = related_tables(tables, path.name)
    if options.media is not None:
        if not (options.media.is_dir() or is_archive(options.media)):
            raise SourceError(f"{options.media}: no folder or ZIP archive of media")
        with open_export(options.media.resolve()) as elsewhere:
            media = Media(elsewhere.keys())
    else:
        media = _media(export, keys, tables)
    return read_surveys(export, tables, media, options), media


def _media(export: Export, keys: Sequence[str], tables: Sequence[Table]) -> Media:
    """Return the files that are neither tables nor instances."""
    instances = find_instances(keys, export.root.name)
    forms = {table.key for table in tables} | {instance.xml for instance in instances}
    surveyed = without_forms(keys, instances)
    own = (key for key in surveyed if key not in forms and not is_metadata(key))
    return Media(own, instance_ids(export, instances) if any(forms - {""}) else ())


def _chosen(path: Path, layer: str | None, surveys: Sequence[Survey]) -> list[Survey]:
    if layer is None:
        return list(surveys)
    names = [survey.table.name for survey in surveys]
    chosen = [s for s in surveys if s.table.name.lower() == layer.lower()]
    if not chosen:
        raise SourceError(f"{path}: no form {layer}; there are {', '.join(names)}")
    return chosen


def _scan_survey(path: Path, survey: Survey, rest: _Rest, options: ScanOptions) -> Scan:
    place = survey.geometry_type
    root = options.media.resolve() if options.media else None
    dataset = Dataset(
        kind=KIND,
        uri=str(path),
        layer=survey.table.name,
        key_field=survey.table.tool.keys[0],
        driver=survey.table.tool.name,
        srs=srs.describe("EPSG:4326") if place else None,
        geometry_type=place,
        columns=survey.columns,
        options={_MEDIA: str(root)} if root else {},
    )
    return Scan(
        dataset=dataset,
        features=_features(path, survey),
        items=probe_all(_images(root or path, survey, rest), options.limits_of(KIND)),
    )


def _features(path: Path, survey: Survey) -> Iterator[Feature]:
    with open_export(path) as export:
        yield from survey.features(export)


def _images(root: Path, survey: Survey, rest: _Rest) -> Iterator[tuple[Item, Path | bytes | None]]:
    """Yield the files that submissions name, the names without a file, and all other files."""
    folder = _usual_folder(survey)
    with open_export(root) as export:
        for key, owners in survey.links.items():
            item, where = export.image(key)
            yield replace(item, feature_keys=tuple(owners)), where
        for absent, owners in survey.absent.items():
            missing = Item(
                kind="file" if root.is_dir() else "attachment",
                source_key=_expected(absent, folder, rest.taken),
                name=absent.name,
                status="missing",
                reason=absent.reason,
                feature_keys=tuple(owners),
            )
            yield missing, None
        for key in rest.unnamed:
            path = export.path(key)
            if path is None or not belongs_to_live(path):  # a catalog of an earlier run
                yield export.image(key)


def _usual_folder(survey: Survey) -> str:
    """Return the folder in which most of the files are."""
    folders = Counter(key.rpartition("/")[0] for key in survey.links)
    return max(folders, key=lambda each: folders[each], default="")


def _expected(absent: Absent, usual: str, taken: Collection[str]) -> str:
    """Return where a missing file would be: the same item once it is there."""
    folder = absent.folder or usual
    if absent.scope and not absent.folder:
        folder = f"{usual.rpartition('/')[0]}/{absent.scope}".lstrip("/")
    key = f"{folder}/{absent.name}".lstrip("/")
    return f"{key} (missing)" if key in taken else key
