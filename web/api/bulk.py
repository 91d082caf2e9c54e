"""`/collections/{name}/documents/bulk`: lines of JSON in as a stream, a result for each out.

All of the body is read before the first result is sent, since many clients read nothing until
they have written everything; results wait in a file meanwhile, so memory does not grow.
"""

import json
from collections.abc import Iterator
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO

from flask import Response, request
from flask_openapi3.models import RawModel
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge, UnsupportedMediaType

from shared.bulk import Load, gunzip, load
from shared.errors import InvalidRequest, LaminaError, TooLarge
from shared.ingest import find_key_faults
from shared.services import bulk_limits
from web.api.models.base import CollectionPath
from web.api.models.bulk import BulkQuery, LineShape, SummaryLine, SummaryShape
from web.api.models.documents import LANES, SubmissionHeader
from web.api.routing import make_blueprint, problem_responses
from web.context import services
from web.problems import STATUS, slug

NDJSON = "application/x-ndjson"
SOURCE = "api"

blueprint = make_blueprint(
    "bulk", "Hand many documents in, or delete them, line by line.", json_bodies=False
)

_MEDIA_TYPES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
_CHUNK_BYTES = 64 * 1024
_HELD_BYTES = 1024 * 1024
"""Results held in memory before they go to a file."""


class Lines(RawModel):
    """Documents as `POST …/documents` takes them, one a line; `{"delete": "id"}` deletes."""

    mimetypes = [NDJSON]  # noqa: RUF012 - the framework reads this attribute


@blueprint.post(
    "/collections/<name>/documents/bulk",
    responses={
        200: {
            "description": "A result a line, in order, and a summary in the last line.",
            "content": {NDJSON: {"schema": {"type": "string"}}},
        },
        **problem_responses(400, 404, 413, 415),
    },
)
def post_bulk(
    path: CollectionPath,
    query: BulkQuery,
    header: SubmissionHeader,
    raw: Lines,  # noqa: ARG001 - read as a stream
) -> Response:
    """Add, replace or delete documents, one a line (NDJSON, also gzip); a bad line fails alone.

    The answer has a line for each: `line`, `id`, `status` as of a request of its own, `job_id` or
    `error`. Nothing is answered before all was read. With an `Idempotency-Key`, a request that
    was cut off can be sent again as it was: what was stored is recognised.
    """
    _check_media_type()
    services().collections.get(path.name)
    if faults := find_key_faults(header.idempotency_key, services().limits):
        raise InvalidRequest(f"An Idempotency-Key {faults[0].detail}.", faults)
    request.max_content_length = services().settings.limits.bulk_bytes
    order = Load(
        collection=path.name,
        source=SOURCE,
        producer=header.producer or "",
        key=header.idempotency_key,
        lane=LANES[query.lane],
    )
    spool = SpooledTemporaryFile(_HELD_BYTES, dir=str(services().settings.data_dir))  # noqa: SIM115 - closed with the answer
    try:
        _load(order, spool)
    except BaseException:
        spool.close()
        raise
    spool.seek(0)
    response = Response(_read(spool), HTTPStatus.OK, mimetype=NDJSON)
    response.call_on_close(spool.close)
    return response


def _load(order: Load, spool: IO[bytes]) -> None:
    """Store the body's lines; write their results, and at last what became of it all.

    Raises:
        InvalidRequest, TooLarge: of the whole body, before any line was stored.
    """
    limits = bulk_limits(services().settings)
    summary = SummaryShape()
    try:
        for result in load(services().inbox, services().bell, _body(), order, limits):
            status = HTTPStatus.ACCEPTED if result.error is None else STATUS[type(result.error)]
            _write(spool, LineShape.of(result, status, _type_of(result.error)).shown())
            summary.count(result, status)
    except InvalidRequest as error:
        if not summary.lines:
            raise
        summary.end(error, STATUS[type(error)], _type_of(error))
    _write(spool, SummaryLine(summary=summary).model_dump(mode="json"))


def _body() -> Iterator[bytes]:
    """Yield the body as it comes, unpacked.

    Raises:
        InvalidRequest: it broke off, or is no gzip.
        TooLarge: it is longer than it may be.
    """
    limits = services().settings.limits
    if _encoding() != "gzip":
        return _received(limits.bulk_bytes)
    return gunzip(
        _received(limits.bulk_bytes), most_bytes=limits.bulk_bytes, most_ratio=limits.bulk_ratio
    )


def _received(most: int) -> Iterator[bytes]:
    try:
        while chunk := request.stream.read(_CHUNK_BYTES):
            yield chunk
    except RequestEntityTooLarge as error:
        raise TooLarge(f"The body is larger than {most} bytes (LAMINA_LIMITS_BULK_BYTES).") from (
            error
        )
    except (ClientDisconnected, ParseException) as error:
        raise InvalidRequest(
            "The body broke off, or came too slowly. Lines without a result were not taken."
        ) from error


def _check_media_type() -> None:
    if request.mimetype not in _MEDIA_TYPES:
        raise UnsupportedMediaType(f"Send lines of JSON: `Content-Type: {NDJSON}`.")
    if _encoding() not in ("identity", "gzip"):
        raise UnsupportedMediaType("Send the body as it is, or with `Content-Encoding: gzip`.")


def _encoding() -> str:
    return request.headers.get("Content-Encoding", "identity").strip().lower()


def _type_of(error: LaminaError | None) -> str | None:
    return None if error is None else f"/problems/{slug(type(error).__name__)}"


def _write(spool: IO[bytes], line: dict[str, object]) -> None:
    spool.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")


def _read(spool: IO[bytes]) -> Iterator[bytes]:
    while piece := spool.read(_CHUNK_BYTES):
        yield piece
