"""How far jobs are, read from the revisions they made."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select, text, tuple_

from shared.catalog.collections.naming import IS_THERE
from shared.catalog.engine.dialect import AnyRow, AnySelect
from shared.catalog.rebuilds.claims import RUNNING
from shared.catalog.rebuilds.jobs import REBUILD_SOURCE, read_rebuild_jobs
from shared.catalog.tables import (
    PENDING,
    WAITING_STATES,
    CollectionRow,
    DeletionRow,
    DocumentRow,
    JobRow,
    RebuildRow,
    RevisionRow,
    UploadRow,
    VersionRow,
)
from shared.domain import (
    FileCounts,
    JobFilter,
    JobIssue,
    JobKind,
    JobReport,
    State,
    UploadState,
)

_Place: TypeAlias = tuple[int, int | None]  # collection id, version

FORGOTTEN_AT = 0.0
"""When the job that stands for forgotten ones was accepted; see `expiring.py`."""

_FORGOTTEN = "forgotten-"


def forgotten_job(collection_id: int) -> str:
    """Return the id of the job that stands for all forgotten ones of a collection."""
    return f"{_FORGOTTEN}{collection_id}"


def is_forgotten(job_id: str) -> bool:
    """Whether the id is of a job that stands for forgotten ones."""
    return job_id.startswith(_FORGOTTEN)


_growing = or_(
    exists().where(
        DeletionRow.job_id == JobRow.id,
        text("deletions.done_at IS NULL"),  # word by word as its index says
    ),
    exists().where(RebuildRow.id == JobRow.id, RUNNING),
)
JOBS = select(
    JobRow.id,
    JobRow.collection_id,
    CollectionRow.name.label("collection"),
    JobRow.source,
    JobRow.producer,
    JobRow.key,
    JobRow.accepted_at,
    JobRow.cancelled_at,
    JobRow.extra,
    _growing.label("growing"),
).join(
    CollectionRow,
    (CollectionRow.id == JobRow.collection_id) & (JobRow.accepted_at > FORGOTTEN_AT) & IS_THERE,
)


_of_it = RevisionRow.job_id == JobRow.id
_its_file = UploadRow.job_id == JobRow.id
_UNPARSED = (UploadState.PENDING.value, UploadState.CLAIMED.value)
UNFINISHED = or_(
    exists().where(_of_it, RevisionRow.state.in_(WAITING_STATES)),
    _growing,
    exists().where(_its_file, UploadRow.state.in_(_UNPARSED)),
)
"""Of a job: some of it waits, or will be added to it."""
_begun = or_(
    exists().where(_of_it, or_(RevisionRow.state != PENDING, RevisionRow.claimed_at.is_not(None))),
    exists().where(_its_file, UploadRow.claimed_at.is_not(None)),
)
_failed = select(RevisionRow.job_id).where(RevisionRow.state == State.FAILED.value)
_file_failed = exists().where(_its_file, UploadRow.state == UploadState.FAILED.value)
_OF_KIND: Mapping[JobKind, tuple[ColumnElement[bool], ...]] = {
    JobKind.WAITING: (UNFINISHED, ~_begun),
    JobKind.RUNNING: (UNFINISHED, _begun),
    JobKind.DONE: (~UNFINISHED,),
    JobKind.CANCELLED: (JobRow.cancelled_at.is_not(None),),
    JobKind.FAILED: (or_(JobRow.id.in_(_failed), _file_failed),),
}
"""The conditions under which a job is of a kind."""


def conditions_of(which: JobFilter) -> Iterator[ColumnElement[bool]]:
    """Yield what a job must be that *which* asks for."""
    if which.kind is not None:
        yield from _OF_KIND[which.kind]
    if which.since is not None:
        yield JobRow.accepted_at >= which.since
    if which.until is not None:
        yield JobRow.accepted_at < which.until
    if which.behind is not None:
        yield tuple_(JobRow.accepted_at, JobRow.id) < which.behind


def read_jobs(tx: Connection, wanted: AnySelect) -> list[JobReport]:
    """Return the jobs that *wanted* (a selection from `JOBS`) finds, without their issues."""
    jobs = tx.execute(wanted).all()
    states: dict[str, list[AnyRow]] = {job.id: [] for job in jobs}
    for row in tx.execute(_STATES.where(RevisionRow.job_id.in_(states))):
        states[row.job_id].append(row)
    newest = {job.id: _newest(states[job.id]) for job in jobs}
    loaded = _loaded(tx, {(job.collection_id, newest[job.id]) for job in jobs})
    files = _files(tx, list(states))
    reports = [
        replace(
            _job(job, states[job.id], newest[job.id], loaded),
            files=files.get(job.id, FileCounts()),
        )
        for job in jobs
    ]
    rebuilds = read_rebuild_jobs(tx, [job.id for job in jobs if job.source == REBUILD_SOURCE])
    return [rebuilds[one.id].of(one) if one.id in rebuilds else one for one in reports]


def _job(
    job: AnyRow, states: Sequence[AnyRow], version: int | None, loaded: Mapping[_Place, float]
) -> JobReport:
    return JobReport(
        id=job.id,
        collection=job.collection,
        source=job.source,
        key=job.key,
        accepted_at=job.accepted_at,
        counts={State(row.state): row.revisions for row in states},
        version=version,
        claimed_at=min((row.claimed_at for row in states if row.claimed_at), default=None),
        encoded_at=max((row.encoded_at for row in states if row.encoded_at), default=None),
        published_at=max((row.published_at for row in states if row.published_at), default=None),
        first_loaded_at=loaded.get((job.collection_id, version)),
        producer=job.producer,
        extra=json.loads(job.extra or "{}"),
        cancelled_at=job.cancelled_at,
        growing=bool(job.growing),
    )


def _files(tx: Connection, job_ids: Sequence[str]) -> Mapping[str, FileCounts]:
    """Return how the files of jobs stand; jobs without files are left out."""
    states: dict[str, dict[UploadState, int]] = {}
    for row in tx.execute(_FILE_STATES.where(UploadRow.job_id.in_(job_ids))):
        states.setdefault(row.job_id, {})[UploadState(row.state)] = row.files
    return {job_id: FileCounts(states=counts) for job_id, counts in states.items()}


def read_errors(tx: Connection, job_id: str, limit: int) -> tuple[JobIssue, ...]:
    """Return the first errors of a job, of its files first, by file or document."""
    files = tx.execute(
        select(UploadRow.name, UploadRow.error)
        .where(UploadRow.job_id == job_id, UploadRow.error.is_not(None))
        .order_by(UploadRow.ordinal)
        .limit(limit)
    )
    of_files = [JobIssue(document=row.name, message=str(row.error), of_file=True) for row in files]
    return (*of_files, *_document_errors(tx, job_id, limit))[:limit]


def _document_errors(tx: Connection, job_id: str, limit: int) -> tuple[JobIssue, ...]:
    rows = tx.execute(
        select(DocumentRow.external_id, RevisionRow.error)
        .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
        .where(RevisionRow.job_id == job_id, RevisionRow.error.is_not(None))
        .order_by(RevisionRow.id)
        .limit(limit)
    )
    return tuple(JobIssue(document=row.external_id, message=str(row.error)) for row in rows)


def read_warnings(tx: Connection, job_id: str, limit: int) -> tuple[JobIssue, ...]:
    """Return the first warnings of a job, by document."""
    rows = tx.execute(
        select(DocumentRow.external_id, RevisionRow.warnings)
        .join(DocumentRow, DocumentRow.id == RevisionRow.document_id)
        .where(RevisionRow.job_id == job_id, RevisionRow.warnings.is_not(None))
        .order_by(RevisionRow.id)
        .limit(limit)
    )
    found = _file_warnings(tx, job_id, limit)
    found += [
        JobIssue(document=row.external_id, message=message)
        for row in rows
        for message in json.loads(str(row.warnings))
    ]
    return tuple(found[:limit])


def _file_warnings(tx: Connection, job_id: str, limit: int) -> list[JobIssue]:
    """Return what was left out of the files of a job, and what else was noticed."""
    rows = tx.execute(
        select(UploadRow.name, UploadRow.issues, UploadRow.warnings)
        .where(
            UploadRow.job_id == job_id,
            or_(UploadRow.issues.is_not(None), UploadRow.warnings.is_not(None)),
        )
        .order_by(UploadRow.ordinal)
        .limit(limit)
    )
    return [
        JobIssue(document=row.name, message=message, of_file=True)
        for row in rows
        for message in (
            *json.loads(row.warnings or "[]"),
            *(f"Left out {where}: {why}" for where, why in json.loads(row.issues or "[]")),
        )
    ]


_FILE_STATES = select(UploadRow.job_id, UploadRow.state, func.count().label("files")).group_by(
    UploadRow.job_id, UploadRow.state
)
_STATES = select(
    RevisionRow.job_id,
    RevisionRow.state,
    func.count().label("revisions"),
    func.max(RevisionRow.version).label("version"),
    func.min(RevisionRow.claimed_at).label("claimed_at"),
    func.max(RevisionRow.encoded_at).label("encoded_at"),
    func.max(RevisionRow.published_at).label("published_at"),
).group_by(RevisionRow.job_id, RevisionRow.state)


def _newest(rows: Sequence[AnyRow]) -> int | None:
    return max((row.version for row in rows if row.version is not None), default=None)


def _loaded(tx: Connection, wanted: set[_Place]) -> Mapping[_Place, float]:
    rows = tx.execute(
        select(VersionRow.collection_id, VersionRow.version, VersionRow.first_loaded_at).where(
            VersionRow.collection_id.in_({collection for collection, _ in wanted}),
            VersionRow.version.in_({version for _, version in wanted if version is not None}),
            VersionRow.first_loaded_at.is_not(None),
        )
    )
    return {(row.collection_id, row.version): row.first_loaded_at for row in rows}
