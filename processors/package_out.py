"""Writing model packages (``.dlpk``)."""

import json
import zipfile
from pathlib import Path

from ..catalog.errors import OutputError
from ..io.publish import publish, temporary_name
from .definition import ModelDefinition


def write_package(definition: ModelDefinition, path: Path) -> None:
    """Write a definition, its model file or folder and its code as one ZIP archive.

    The same model always gives the same bytes: members have no time of their own.

    Raises:
        OutputError: The disk refused.
    """
    model = definition.model_file
    emd = {
        **definition.properties,
        "Framework": definition.framework,
        "ModelType": "ImageClassification",
        "ModelName": definition.name,
        "ModelFile": f".\\{model.name}",
    }
    members = {file.relative_to(model.parent).as_posix(): file for file in definition.model_files()}
    for file in definition.code_files():
        members[file.relative_to(definition.folder or file.parent).as_posix()] = file
    draft = temporary_name(path)
    try:
        with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
            text = json.dumps(emd, indent=1, ensure_ascii=False)
            archive.writestr(_member(f"{definition.name}.emd"), text)
            for name, file in members.items():
                archive.writestr(_member(name), file.read_bytes())
        publish(draft, path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def _member(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    member.compress_type = zipfile.ZIP_DEFLATED
    return member
