"""`/collections/{name}/documents`: hand documents in, look one up, delete one."""

from dataclasses import replace
from http import HTTPStatus

from flask import Response, url_for

from shared import failpoints
from shared.domain import Submission
from shared.errors import Fault, InvalidRequest
from shared.ingest import deletion, parse_submission, submit
from web.api.models.base import CollectionPath, DocumentPath
from web.api.models.documents import (
    LANES,
    Accepted,
    DocumentShape,
    NewDocuments,
    SubmissionHeader,
    SubmissionQuery,
)
from web.api.routing import answer, make_blueprint, problem_responses
from web.context import services

blueprint = make_blueprint("documents", "Hand documents in, look them up, delete them.")

SOURCE = "api"


@blueprint.post(
    "/collections/<name>/documents",
    responses={202: Accepted, **problem_responses(400, 404, 409, 413, 415, 429, 507)},
)
def post_documents(
    path: CollectionPath, query: SubmissionQuery, header: SubmissionHeader, body: NewDocuments
) -> Response:
    """Accept documents, all of them or none: committed when this answers 202.

    The same id again replaces the document; the same content again is recognised and not
    encoded. Send an `Idempotency-Key` to be able to repeat a request whose answer was lost.
    While too much waits this answers 429, and `Retry-After` says in how many seconds to try again.
    """
    submission = parse_submission(
        body.documents,  # type: ignore[arg-type]  # as sent: validation is skipped on purpose
        services().limits,
        collection=path.name,
        source=SOURCE,
        key=header.idempotency_key,
        lane=LANES[query.lane],
    )
    return _accept(replace(submission, producer=header.producer or ""))


@blueprint.get(
    "/collections/<name>/documents/<anything:document_id>",
    responses={200: DocumentShape, **problem_responses(404)},
)
def get_document(path: DocumentPath) -> Response:
    """Show the newest revision of a document and where it stands."""
    report = services().records.document(path.name, path.document_id)
    return answer(DocumentShape.of(report, url_for("jobs.get_job", job_id=report.job_id)))


@blueprint.delete(
    "/collections/<name>/documents/<anything:document_id>",
    responses={202: Accepted, **problem_responses(404, 409, 429)},
)
def delete_document(path: DocumentPath, header: SubmissionHeader) -> Response:
    """Delete a document; it leaves the next version of the collection."""
    key, most = header.idempotency_key, services().limits.key_characters
    if key is not None and not 1 <= len(key) <= most:
        raise InvalidRequest(
            f"An Idempotency-Key must have 1 to {most} characters.",
            [Fault("/key", f"must have 1 to {most} characters")],
        )
    going = deletion(path.document_id, collection=path.name, source=SOURCE, key=key)
    return _accept(replace(going, producer=header.producer or ""))


def _accept(submission: Submission) -> Response:
    receipt = submit(services().inbox, services().bell, submission)
    failpoints.reach("web.accepted")
    where = url_for("jobs.get_job", job_id=receipt.job_id)
    headers = {"Location": where}
    if receipt.repeated:
        headers["Idempotency-Replayed"] = "true"
    return answer(Accepted.of(receipt, where), HTTPStatus.ACCEPTED, headers)
