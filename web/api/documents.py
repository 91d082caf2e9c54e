"""`/collections/{name}/documents`: hand documents in, list, change and delete them."""

from dataclasses import replace
from http import HTTPStatus

from flask import Response, url_for

from shared import failpoints
from shared.amending import amendment
from shared.deletions import carry_out, delete_matching, parse_deletion
from shared.domain import DocumentFilter, Json, Lane, Receipt, Submission
from shared.domain.filters import Filter
from shared.errors import InvalidRequest
from shared.filters import read_json
from shared.ingest import deletion, find_key_faults, parse_submission, submit
from shared.services import open_shelf
from shared.versions.shelf import resolve
from web.api.models.base import CollectionPath, DocumentPath, JobLink
from web.api.models.documents import (
    LANES,
    Accepted,
    Deleted,
    DeletionRequest,
    DocumentChanges,
    DocumentLineShape,
    DocumentList,
    DocumentShape,
    DocumentsQuery,
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
    "/collections/<name>/documents", responses={200: DocumentList, **problem_responses(404, 410)}
)
def get_documents(path: CollectionPath, query: DocumentsQuery) -> Response:
    """List documents in the order of their ids, without their texts.

    One page looks at 10,000 documents at most: it may be short, or empty, and not be the last.
    """
    it = services()
    version = None if query.version is None else resolve(open_shelf(it), path.name, query.version)
    which = DocumentFilter(
        version=version,
        state=query.status,
        warned=query.warnings,
        prefix=query.prefix,
        where=_filter(query.filter),
    )
    page = it.documents.page(path.name, which, limit=query.limit, cursor=query.cursor)
    lines = [DocumentLineShape.of(one, _job(one.job_id)) for one in page.documents]
    return answer(DocumentList(documents=lines, next_cursor=page.next_cursor))


@blueprint.post(
    "/collections/<name>/documents/delete",
    responses={200: Deleted, 202: Deleted, **problem_responses(400, 404, 409, 413, 415, 429)},
)
def delete_documents(
    path: CollectionPath, header: SubmissionHeader, body: DeletionRequest
) -> Response:
    """Delete documents by their ids, or all whose metadata match a filter.

    A filter is judged by the newest version: what is handed in after the request stays, and so
    does a document of which something newer waits.
    """
    condition = _filter(body.filter)
    if (body.ids is None) == (condition is None):
        raise InvalidRequest("Say which documents: either `ids` or `filter`.")
    if condition is None:
        if body.dry_run:
            raise InvalidRequest("`dry_run` goes with `filter`, not with `ids`.")
        return _delete_ids(path.name, header, body.ids)
    if body.dry_run:
        version, matched = services().documents.count(path.name, condition)
        return answer(
            Deleted(dry_run=True, job=None, documents=[], version=version, matched=matched)
        )
    return _delete_matching(path.name, header, condition)


@blueprint.get(
    "/collections/<name>/documents/<anything:document_id>",
    responses={200: DocumentShape, **problem_responses(404)},
)
def get_document(path: DocumentPath) -> Response:
    """Show the newest revision of a document and where it stands."""
    report = services().records.document(path.name, path.document_id)
    return answer(DocumentShape.of(report, _job(report.job_id)))


@blueprint.patch(
    "/collections/<name>/documents/<anything:document_id>",
    responses={202: Accepted, **problem_responses(400, 404, 409, 413, 415, 429, 507)},
)
def patch_document(path: DocumentPath, header: SubmissionHeader, body: DocumentChanges) -> Response:
    """Change some of a document: a JSON Merge Patch (RFC 7396) of its newest revision.

    Metadata that are null go, others are set, and what is not named stays. What does not change
    title or text is not encoded again. Several changes at once are applied one after the other.
    """
    _check_key(header.idempotency_key)
    change = amendment(
        path.document_id,
        {name: getattr(body, name) for name in body.model_fields_set},
        services().limits,
        collection=path.name,
        source=SOURCE,
        producer=header.producer or "",
        key=header.idempotency_key,
    )
    receipt = services().inbox.amend(change)
    if not receipt.repeated:
        services().bell.ring()
    return _accepted(receipt)


@blueprint.delete(
    "/collections/<name>/documents/<anything:document_id>",
    responses={202: Accepted, **problem_responses(404, 409, 429)},
)
def delete_document(path: DocumentPath, header: SubmissionHeader) -> Response:
    """Delete a document; it leaves the next version of the collection."""
    key = header.idempotency_key
    _check_key(key)
    going = deletion(path.document_id, collection=path.name, source=SOURCE, key=key)
    return _accept(replace(going, producer=header.producer or ""))


def _delete_ids(name: str, header: SubmissionHeader, ids: Json) -> Response:
    submission = parse_deletion(
        {"ids": ids},
        services().limits,
        collection=name,
        source=SOURCE,
        key=header.idempotency_key,
    )
    going = replace(submission, producer=header.producer or "")
    return _deleting(submit(services().inbox, services().bell, going))


def _delete_matching(name: str, header: SubmissionHeader, condition: Filter) -> Response:
    it = services()
    it.backlog.check(Lane.INTERACTIVE)
    receipt = delete_matching(
        it.documents,
        condition,
        it.limits,
        collection=name,
        source=SOURCE,
        producer=header.producer or "",
        key=header.idempotency_key,
    )
    # Upkeep does the rest; of most deletes there is none.
    carry_out(it.documents, it.bell, limit=it.limits.documents)
    return _deleting(receipt)


def _deleting(receipt: Receipt) -> Response:
    accepted = Accepted.of(receipt, url_for("jobs.get_job", job_id=receipt.job_id))
    shape = Deleted(
        dry_run=False, job=accepted.job, documents=accepted.documents, version=None, matched=None
    )
    return answer(shape, HTTPStatus.ACCEPTED, _headers(receipt))


def _filter(said: Json) -> Filter | None:
    if said is None:
        return None
    return read_json(said, services().searcher.limits.filter, pointer="/filter")


def _job(job_id: str | None) -> JobLink | None:
    return JobLink(id=job_id, url=url_for("jobs.get_job", job_id=job_id)) if job_id else None


def _check_key(key: str | None) -> None:
    if faults := find_key_faults(key, services().limits):
        raise InvalidRequest(f"An Idempotency-Key {faults[0].detail}.", faults)


def _accept(submission: Submission) -> Response:
    return _accepted(submit(services().inbox, services().bell, submission))


def _accepted(receipt: Receipt) -> Response:
    failpoints.reach("web.accepted")
    where = url_for("jobs.get_job", job_id=receipt.job_id)
    return answer(Accepted.of(receipt, where), HTTPStatus.ACCEPTED, _headers(receipt))


def _headers(receipt: Receipt) -> dict[str, str]:
    headers = {"Location": url_for("jobs.get_job", job_id=receipt.job_id)}
    return headers | {"Idempotency-Replayed": "true"} if receipt.repeated else headers
