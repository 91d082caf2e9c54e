"""Files that come with a request: written where they will be stored, as they come.

Nothing of them is held in memory, and nothing is written twice. What the view does not keep is gone
when the request ends.
"""

from collections.abc import Sequence
from io import RawIOBase
from typing import IO, cast

from flask import Flask, g, request
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from shared.domain import Columns
from shared.errors import Fault, InvalidRequest
from shared.ports import Incoming
from shared.services import Services, open_depot
from shared.uploads.receiving import Depot, Verdict, judge, without_namesakes
from web.context import services
from web.strictjson import StrictRequest

FIELD = "files"
_ENDPOINTS = frozenset({"files.post_files", "files.post_files_preview", "add.take_files"})
_FORM_BYTES = 1024 * 1024
_FORM_FIELDS = 50


class Arriving(RawIOBase):
    """A file of a form while it comes in, as the form's parser writes it."""

    def __init__(self, incoming: Incoming) -> None:
        super().__init__()
        self.incoming = incoming

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def write(self, part: object) -> int:
        """Store the next bytes."""
        return self.incoming.write(bytes(cast("bytes", part)))

    def seek(self, place: int, whence: int = 0, /) -> int:
        """Do nothing: the parser goes back to the beginning when all is written."""
        del whence
        return place


def register(app: Flask) -> None:
    """Let the routes that take files store them; before anything reads a form."""
    app.before_request(_prepare)
    app.teardown_request(_clean)


def judged(collection: str, columns: Columns) -> tuple[Depot, list[Verdict]]:
    """Look at the files of this request; those that can be read are stored for *collection*.

    Raises:
        CollectionNotFound: there is none.
        InvalidRequest: there are no files, or too many.
    """
    it = services()
    collection_id = it.collections.get(collection).id
    given = [one for one in request.files.getlist(FIELD) if one.filename]
    if not given:
        detail = f"Send at least one file, in the field `{FIELD}`."
        raise InvalidRequest(detail, [Fault(f"/{FIELD}", "must be at least one file")])
    if len(given) > it.settings.files.count:
        raise InvalidRequest(
            f"{len(given):,} files; at most {it.settings.files.count:,} in one request "
            "(LAMINA_FILES_COUNT)."
        )
    depot = open_depot(it)
    verdicts = [
        judge(depot, collection_id, one.filename or "", _incoming(one.stream), columns)
        for one in given
    ]
    return depot, without_namesakes(depot, verdicts)


def refuse_all(verdicts: Sequence[Verdict]) -> None:
    """Refuse a request of which no file can be taken.

    Raises:
        InvalidRequest: with the reason of each.
    """
    if any(one.upload for one in verdicts):
        return
    faults = [
        Fault(f"/{FIELD}/{place}", f"{one.name!r:.200}: {one.detail}")
        for place, one in enumerate(verdicts)
    ]
    first = verdicts[0]
    detail = f"No file was taken. {first.name!r:.200}: {first.detail}"
    raise InvalidRequest(detail, faults)


def _incoming(stream: IO[bytes]) -> Incoming:
    if not isinstance(stream, Arriving):
        raise TypeError("the route is not one that takes files")
    return stream.incoming


def _prepare() -> None:
    if request.endpoint not in _ENDPOINTS:
        return
    if request.mimetype != "multipart/form-data":
        raise UnsupportedMediaType("Send files: `Content-Type: multipart/form-data`.")
    it: Services = services()
    limits = it.settings.files
    request.max_content_length = limits.request_bytes
    request.max_form_memory_size = _FORM_BYTES
    request.max_form_parts = limits.count + _FORM_FIELDS
    g.arriving = []

    def open_file() -> IO[bytes]:
        if len(g.arriving) > limits.count:
            raise RequestEntityTooLarge(f"At most {limits.count:,} files in one request.")
        it.room.check()
        arriving = Arriving(it.blobs.begin(most=limits.bytes))
        g.arriving.append(arriving)
        return cast("IO[bytes]", arriving)

    cast("StrictRequest", request).open_file = open_file


def _clean(_error: BaseException | None) -> None:
    for one in g.pop("arriving", ()):
        one.incoming.drop()
