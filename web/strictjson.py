"""Read requests as strictly as `shared.strictjson`, write answers in plain UTF-8."""

from collections.abc import Callable
from typing import IO, Any, NoReturn

from flask import Request
from flask.json.provider import DefaultJSONProvider
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from shared import strictjson
from shared.domain import Json


def loads(raw: str | bytes) -> Json:
    """Parse JSON text in UTF-8.

    Raises:
        ValueError: not UTF-8, not JSON, a name twice in one object, NaN or infinity, or
            nesting too deep to read.
    """
    return strictjson.loads(raw.encode() if isinstance(raw, str) else raw)


class StrictJson(DefaultJSONProvider):
    """Reads strictly, writes compactly and in plain UTF-8."""

    ensure_ascii = False
    compact = True
    sort_keys = False

    def loads(self, s: str | bytes, **_: Any) -> Any:
        """Parse *s*; see `loads` of this module."""
        return loads(s)


class StrictRequest(Request):
    """Says what is wrong with a body that is not JSON; takes files where it is told to."""

    open_file: Callable[[], IO[bytes]] | None = None
    """Opens what a file of a form is written to; None for a temporary file."""

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        if self.open_file is not None:
            return self.open_file()
        return super()._get_file_stream(
            total_content_length, content_type, filename, content_length
        )

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Answer 415 to another media type (*e* is None) and 400 to a malformed body."""
        if e is None:
            raise UnsupportedMediaType("Send JSON: `Content-Type: application/json`.")
        raise BadRequest(self._fault(e)) from e

    def _fault(self, error: ValueError) -> str:
        if not self.get_data():
            return "The body is empty; send a JSON object, `{}` at least."
        if isinstance(error, UnicodeDecodeError):
            return f"The body is not UTF-8, as JSON is: byte {error.start + 1:,} cannot be read."
        if isinstance(error, strictjson.TooDeep):
            return f"The body {error}."
        return f"The body is not valid JSON: {error}."
