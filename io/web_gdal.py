"""What GDAL was answered where it could not read a part of a file in the web."""

import http.client
import re

from .web import HOW_TO_GIVE, setting

_STATUS = re.compile(r"HTTP (?:status|response) code: (\d+)(?:, error: (.*?)\.?$)?", re.MULTILINE)


def status_in(error: BaseException | None) -> str | None:
    """Return what the server answered, in words; None where GDAL does not say it."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__
    found = _STATUS.search("\n".join(texts))
    return None if found is None else _status(int(found[1]), found[2] or "")


def _status(code: int, words: str) -> str:
    if "timed out" in words or "timeout" in words.lower():
        return f"did not answer within {setting('GDAL_HTTP_TIMEOUT')} s (GDAL_HTTP_TIMEOUT)"
    if code == 0:
        return f"cannot be reached: {words}"
    if code in (401, 403):
        return f"answered with HTTP {code}; {HOW_TO_GIVE}"
    reason = http.client.responses.get(code, "")
    return f"answered with HTTP {code} {reason}".rstrip()
