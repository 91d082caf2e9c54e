"""`/collections/{name}/files`: files to be read, looked at first, had back."""

from http import HTTPStatus
from urllib.parse import quote

from flask import Response, send_file, url_for

from shared import failpoints
from shared.domain import Submission
from shared.errors import DocumentNotFound, InvalidRequest
from shared.ingest import find_key_faults
from shared.uploads.receiving import checksum, receive
from web import previews
from web.api.models.base import CollectionPath, JobLink
from web.api.models.documents import LANES, SubmissionHeader
from web.api.models.files import (
    DocumentPreviewShape,
    FileList,
    FilePreviewShape,
    FilesAccepted,
    FilesForm,
    FileShape,
    FilesOfJobQuery,
    FilesPreview,
    FilesQuery,
    OriginalPath,
    Preview,
    PreviewBody,
)
from web.api.models.jobs import JobPath
from web.api.routing import answer, make_blueprint, problem_responses
from web.arrivals import judged, refuse_all
from web.context import services

blueprint = make_blueprint(
    "files",
    "Files (PDF, Word, HTML, Markdown, text, CSV, TSV, JSON Lines, ZIP) to be read and indexed.",
    json_bodies=False,
)

preview_blueprint = make_blueprint("previews", "What a document will become.")

SOURCE = "api"


@blueprint.post(
    "/collections/<name>/files",
    responses={202: FilesAccepted, **problem_responses(400, 404, 409, 413, 415, 422, 429, 507)},
)
def post_files(
    path: CollectionPath,
    query: FilesQuery,
    header: SubmissionHeader,
    form: FilesForm,  # noqa: ARG001 - they are read as they come
) -> Response:
    """Accept files to be read and indexed: stored when this answers 202.

    Each is accepted or refused with its reason; if none can be taken, the answer is 422. What is
    wrong inside a file shows in the job, whose stage `files` they are. The same name again
    replaces the document. Send an `Idempotency-Key` to be able to repeat a request.
    """
    _check_key(header.idempotency_key)
    depot, verdicts = judged(path.name, query.columns())
    refuse_all(verdicts)
    submission = Submission(
        collection=path.name,
        source=SOURCE,
        producer=header.producer or "",
        documents=(),
        key=header.idempotency_key,
        content_sha256=checksum(verdicts),
        lane=LANES[query.lane],
    )
    receipt = receive(depot, verdicts, submission)
    failpoints.reach("web.accepted")
    where = url_for("jobs.get_job", job_id=receipt.job_id)
    headers = {"Location": where}
    if receipt.repeated:
        headers["Idempotency-Replayed"] = "true"
    shape = FilesAccepted.of(JobLink(id=receipt.job_id, url=where), verdicts)
    return answer(shape, HTTPStatus.ACCEPTED, headers)


@preview_blueprint.post(
    "/collections/<name>/preview",
    responses={200: Preview, **problem_responses(400, 404, 413, 415, 422, 429)},
)
def post_preview(path: CollectionPath, body: PreviewBody) -> Response:
    """Show the passages that a document will become, with their tokens; nothing is stored.

    Cut by the collection's own rule and its encoder's tokenizer; nothing is encoded.
    """
    it = services()
    collection = it.collections.get(path.name)
    document = previews.look_at_text(it, collection, body.title, body.text)
    shown = DocumentPreviewShape.of(document)
    return answer(Preview(document=shown, max_tokens=previews.max_tokens(it, collection)))


@blueprint.post(
    "/collections/<name>/files/preview",
    responses={200: FilesPreview, **problem_responses(400, 404, 413, 415, 422, 429)},
)
def post_files_preview(
    path: CollectionPath,
    query: FilesQuery,
    form: FilesForm,  # noqa: ARG001 - they are read as they come
) -> Response:
    """Show what files will become: their first documents, cut into passages; nothing is stored.

    At most 10 files, and only those of at most `LAMINA_FILES_PREVIEW_BYTES` are looked into.
    """
    it = services()
    depot, verdicts = judged(path.name, query.columns())
    try:
        if len(verdicts) > previews.FILES:
            raise InvalidRequest(f"A preview is of at most {previews.FILES} files.")
        collection = it.collections.get(path.name)
        with previews.looking(it, collection) as look:
            seen = [look.into(one) for one in verdicts]
    finally:
        for one in verdicts:
            if one.upload is not None:
                depot.blobs.remove(one.upload.bytes.key)
    files = [FilePreviewShape.of(verdict, preview) for verdict, preview in seen]
    return answer(FilesPreview(files=files, max_tokens=previews.max_tokens(it, collection)))


@blueprint.get("/jobs/<job_id>/files", responses={200: FileList, **problem_responses(404)})
def get_job_files(path: JobPath, query: FilesOfJobQuery) -> Response:
    """List the files of a job, and what became of each."""
    it = services()
    it.records.job(path.job_id, issues=0)
    behind = -1 if query.cursor is None else query.cursor
    found = it.uploads.of_job(path.job_id, limit=query.limit, behind=behind)
    cursor = found[-1][0] if len(found) == query.limit else None
    return answer(FileList(files=[FileShape.of(one) for _, one in found], next_cursor=cursor))


@blueprint.get(
    "/collections/<name>/originals/<anything:document_id>",
    responses={
        200: {
            "description": "The bytes of the file, to be saved.",
            "content": {"application/octet-stream": {"schema": {"type": "string"}}},
        },
        **problem_responses(404),
    },
)
def get_original(path: OriginalPath) -> Response:
    """Return the file that a document was read from, if the collection keeps them.

    Always as something to save, never to be shown: a file may hold scripts.
    """
    return send_original(path.name, path.document_id)


def send_original(name: str, document_id: str) -> Response:
    """Return the file that a document was read from, to be saved.

    Raises:
        DocumentNotFound: it is not kept, or gone.
        CollectionNotFound: there is none of that name.
    """
    it = services()
    original = it.uploads.original(name, document_id)
    if original is None:
        raise DocumentNotFound(
            f"The file of {document_id!r} is not kept. The collection's setting "
            "`keep_originals` keeps those that come after it is set."
        )
    try:
        file = it.blobs.open(original.bytes.key)
    except FileNotFoundError as error:
        raise DocumentNotFound(f"The file of {document_id!r} is gone.") from error
    response = send_file(file, mimetype="application/octet-stream", etag=original.bytes.sha256)
    response.headers["Content-Disposition"] = attachment(original.name)
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Length"] = str(original.bytes.size)
    return response


def attachment(name: str) -> str:
    """Return the header that makes a browser save a file under its own name (RFC 6266)."""
    last = name.rpartition("/")[2]
    plain = "".join(
        one if one.isascii() and (one.isalnum() or one in "-_. ") else "_" for one in last
    )
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(last, safe='')}"


def _check_key(key: str | None) -> None:
    if faults := find_key_faults(key, services().limits):
        raise InvalidRequest(f"An Idempotency-Key {faults[0].detail}.", faults)
