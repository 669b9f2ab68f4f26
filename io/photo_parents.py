"""Whose the photos of a child table are, and what is to be said about that."""

from collections.abc import Collection, Sequence

from .parent_tables import Match
from .photo_items import PhotoTable
from .tables import Table


def is_named(table: Table, layer: str | None) -> bool:
    """Return whether a table is the layer that the user asks for."""
    return layer is not None and layer.lower() == table.name.lower()


def with_parent(
    photos: PhotoTable, match: Match | None, tables: Sequence[Table], layer: str | None
) -> PhotoTable:
    """Give a table its parent, where that is sure or the user asks for that layer.

    Args:
        photos: The table.
        match: What may be its parent.
        tables: All tables of the source.
        layer: The layer that the user asks for.
    """
    child = photos.table.name
    if match is None:
        alone = not is_named(photos.table, layer) and _is_beside_layers(photos.table, tables)
        note = f"{child}: no layer has the values of a column of it, so its photos are tied to none"
        return photos._replace(note=note if alone else None)
    parent = match.parent.table.name
    if match.is_sure:
        note = f"{child}: tied to {parent} through {match.through}"
        return photos._replace(parent=match.parent, note=note if match.through else None)
    if is_named(match.parent.table, layer):
        few = "" if match.covers else "only "
        note = f"{child}: {few}{match}; its other photos are without a feature"
        return photos._replace(parent=match.parent, note=note)
    note = (
        f"{child}: {match}, {match.doubt}, so its photos are not tied to {parent};"
        f" --layer {parent} ties them"
    )
    return photos._replace(note=note)


def _is_beside_layers(table: Table, tables: Sequence[Table]) -> bool:
    others = (each for each in tables if each is not table)
    return table.geometry_type is None and any(each.geometry_type for each in others)


def told_otherwise(child: Table, columns: Collection[str], match: Match) -> str:
    """Say how photos are tied to a layer that is read by its attachments or related media."""
    layer = match.parent.table.name
    asked = " ".join(f"--photo-column {column}" for column in sorted(columns))
    return (
        f"{child.name}: {match}, which has attachments of its own, so these photos are not tied"
        f" to {layer}; --layer {layer} {asked} ties them"
    )
