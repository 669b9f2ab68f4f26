"""Words of strangers in XML of ours."""

import re

_FORBIDDEN = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def xml_text(text: str) -> str:
    """Return a text with ``?`` for each character that XML 1.0 cannot hold, escaped or not."""
    return _FORBIDDEN.sub("?", text)
