"""What GDAL says of a damaged source, in words for people who do not know GDAL."""

import re

from ..catalog.errors import first_line

_WORDS = (
    (r"SHAPE_RESTORE_SHX", "its .shx file is missing; copy all files of the Shapefile"),
    (r"not recognized as being in a supported file format", "damaged, or not what its name says"),
    (r"\.(c|cc|cpp|h)\b,? at line \d", "damaged, or not complete; copy it again"),
    (r"No such file or directory", "not complete; copy it again"),
)


def in_plain_words(error: BaseException) -> str:
    """Return what went wrong in one line, without where in GDAL's own source that was."""
    text = first_line(error)
    return next((words for pattern, words in _WORDS if re.search(pattern, text)), text)
