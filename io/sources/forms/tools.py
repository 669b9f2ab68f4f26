"""Form tools: by which columns their tables are known and tied together."""

from collections.abc import Collection
from typing import NamedTuple


class Tool(NamedTuple):
    """How the tables of one tool look. Column names are compared in lower case."""

    name: str
    marks: tuple[frozenset[str], ...]
    """A table that has all columns of one of these sets is the tool's."""
    keys: tuple[str, ...]
    """Columns that name a submission; the first is the key of the table."""
    parents: tuple[tuple[str, str], ...] = ()
    """(column of a child table, column of the table above) that say whose child a row is."""
    folders: tuple[str, ...] = ()
    """Columns that name the folder of a submission's files."""
    only_own_files: bool = False
    """A name means a file in the submission's own folder and nothing else."""
    children_with_place_stand_alone: bool = False
    """A child table with coordinates of its own is a feature class of its own."""

    def parent(self, columns: Collection[str]) -> list[tuple[str, str]]:
        """Return those links to a table above that a table with these columns has."""
        return [pair for pair in self.parents if pair[0] in columns]


ODK_CENTRAL = Tool(
    name="ODK Central",
    marks=(
        frozenset(["submissiondate", "key"]),
        frozenset(["parent_key", "key"]),
        frozenset(["key", "meta-instanceid"]),
    ),
    keys=("key", "instanceid", "meta-instanceid"),
    parents=(("parent_key", "key"),),
)
"""Briefcase and SurveyCTO write the same."""

KOBO = Tool(
    name="KoboToolbox",
    marks=(
        frozenset(["_uuid", "_submission_time"]),
        frozenset(["_id", "_submission_time"]),
        frozenset(["_submission__id", "_parent_index"]),
        frozenset(["_submission__uuid", "_parent_index"]),
    ),
    keys=("_uuid", "_id", "_index", "meta/rootuuid", "meta/instanceid"),
    parents=(
        ("_submission__uuid", "_uuid"),
        ("_submission__id", "_id"),
        ("_parent_index", "_index"),
    ),
    folders=("_uuid", "_id", "meta/rootuuid", "meta/instanceid"),
)

EPICOLLECT5 = Tool(
    name="Epicollect5",
    marks=(frozenset(["ec5_uuid"]), frozenset(["ec5_branch_uuid"])),
    keys=("ec5_uuid", "ec5_branch_uuid"),
    parents=(("ec5_branch_owner_uuid", "ec5_uuid"), ("ec5_parent_uuid", "ec5_uuid")),
    children_with_place_stand_alone=True,
)

FULCRUM = Tool(
    name="Fulcrum",
    marks=(frozenset(["fulcrum_id"]),),
    keys=("fulcrum_id",),
    parents=(("fulcrum_record_id", "fulcrum_id"), ("fulcrum_parent_id", "fulcrum_id")),
)

SURVEY123 = Tool(
    name="Survey123",
    marks=(
        frozenset(["objectid", "globalid", "creationdate"]),
        frozenset(["objectid", "globalid", "x", "y"]),
        frozenset(["objectid", "globalid", "parentglobalid"]),
    ),
    keys=("globalid", "objectid"),
    parents=(("parentglobalid", "globalid"),),
)

INSTANCES = Tool(
    name="form instances",
    marks=(),
    keys=("meta/instanceid", "submission_folder"),
    folders=("submission_folder",),
    only_own_files=True,
)
"""Submissions that are a folder each: ODK Collect, media of KoboToolbox."""

TOOLS = (ODK_CENTRAL, KOBO, EPICOLLECT5, FULCRUM, SURVEY123)
"""Tools that write tables, in the order in which they are asked whether a table is theirs."""


def tool_of(header: Collection[str]) -> Tool | None:
    """Return the tool that writes tables with such a header; None for any other table."""
    columns = {name.strip().lower() for name in header}
    for tool in TOOLS:
        if any(mark <= columns for mark in tool.marks):
            return tool
    return None


def may_be_tools(head: bytes) -> bool:
    """Return whether the first bytes of a JSON text have the columns of some tool."""
    text = head.decode("utf-8", "replace").lower()
    marks = (mark for tool in TOOLS for mark in tool.marks)
    return any(all(f'"{name}"' in text for name in mark) for mark in marks)
