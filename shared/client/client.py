"""A small client of Lamina's API. Each method is one request; errors are told in words."""

import json
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from types import TracebackType
from typing import Any, BinaryIO, Self, cast
from urllib.parse import quote

import httpx

from .errors import Refused, Unreachable
from .replies import (
    AuditReply,
    Body,
    BulkReply,
    CancelledReply,
    ClaimReply,
    CollectionDetailReply,
    CollectionReply,
    DeadLetterReply,
    DeadLettersReply,
    DeletedCollectionReply,
    DeliveryReply,
    DiffReply,
    DismissedReply,
    DocumentReply,
    DocumentsReply,
    EventsReply,
    FilesAcceptedReply,
    FilesPreviewReply,
    FilesReply,
    GarbageReply,
    JobReply,
    MadeWebhookReply,
    MapReply,
    PreviewReply,
    RankingReply,
    ReasonReply,
    RebuildAnswerReply,
    RebuildDetailReply,
    RebuildReply,
    ReceiptsReply,
    ReplayReply,
    ReplaysReply,
    RestoreReply,
    RetriedReply,
    SampleReply,
    SearchReply,
    StatusReply,
    VersionDetailReply,
    VersionReply,
    WebhookReply,
    WhoAmIReply,
)

_LOOK_SECONDS = 0.1
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_LONG_WORK = httpx.Timeout(None, connect=5.0)
"""For work on files, which takes as long as there are many."""


class Client:
    """Speaks to one Lamina. Safe for several threads; close it."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def connect(cls, url: str, key: str | None = None, *, trust_env: bool = True) -> Self:
        """Return a client of the Lamina at *url*; it connects when it is asked something.

        Args:
            url: such as `http://127.0.0.1:8000`.
            key: an API key; None where none is needed.
            trust_env: whether a proxy that the environment names is used.
        """
        return cls(
            httpx.Client(
                base_url=url,
                timeout=_TIMEOUT,
                # Loading the certificates takes longer than the rest of a command.
                verify=url.startswith("https:"),
                headers={"Authorization": f"Bearer {key}"} if key else {},
                trust_env=trust_env,
            )
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def collections(self) -> list[CollectionReply]:
        """Return every collection."""
        return cast("list[CollectionReply]", self._get("/api/v1/collections")["collections"])

    def create_collection(self, request: Body) -> CollectionReply:
        """Create a collection."""
        return cast("CollectionReply", self._call("POST", "/api/v1/collections", json=request))

    def load_sample(self) -> SampleReply:
        """Load the sample collection."""
        return cast("SampleReply", self._call("POST", "/api/v1/sample", json={}))

    def collection(self, name: str) -> CollectionDetailReply:
        """Return one collection, with how its index is laid out."""
        return cast("CollectionDetailReply", self._get(_in(name)))

    def change_collection(self, name: str, change: Body) -> CollectionDetailReply:
        """Change the rules of a collection that *change* names."""
        return cast("CollectionDetailReply", self._call("PATCH", _in(name), json=change))

    def rebuild_collection(self, name: str, request: Body) -> RebuildAnswerReply:
        """Rebuild a collection with another `encoder`, `metric` or `chunking`."""
        return cast("RebuildAnswerReply", self._call("POST", _in(name, "rebuild"), json=request))

    def rebuild(self, name: str) -> RebuildDetailReply:
        """Return how far the last rebuild of a collection is."""
        return cast("RebuildDetailReply", self._get(_in(name, "rebuild")))

    def cancel_rebuild(self, name: str) -> RebuildReply:
        """Cancel the rebuild of a collection that is under way."""
        return cast("RebuildReply", self._call("DELETE", _in(name, "rebuild")))

    def delete_collection(self, name: str) -> DeletedCollectionReply:
        """Delete a collection, which can be recovered for a time."""
        return cast("DeletedCollectionReply", self._call("DELETE", _in(name)))

    def deleted_collections(self) -> list[DeletedCollectionReply]:
        """Return the collections that can be recovered."""
        found = self._get("/api/v1/deleted-collections")["collections"]
        return cast("list[DeletedCollectionReply]", found)

    def recover_collection(self, name: str, request: Body) -> CollectionDetailReply:
        """Undo a delete; *request* may hold `new_name`, and `id` of several of that name."""
        where = _in(name, "recover")
        return cast("CollectionDetailReply", self._call("POST", where, json=request))

    def aliases(self) -> dict[str, str]:
        """Return the collection that each alias leads to."""
        return cast("dict[str, str]", self._get("/api/v1/aliases")["aliases"])

    def set_aliases(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        """Make, move and (None) remove aliases in one step; return all."""
        done = self._call("PUT", "/api/v1/aliases", json={"aliases": dict(changes)})
        return cast("dict[str, str]", done["aliases"])

    def webhooks(self, collection: str) -> list[WebhookReply]:
        """Return the webhooks of a collection."""
        return cast("list[WebhookReply]", self._get(_in(collection, "webhooks"))["webhooks"])

    def create_webhook(self, collection: str, request: Body) -> MadeWebhookReply:
        """Make a webhook; *request* holds `url` and, when wanted, `events` and `secret`."""
        where = _in(collection, "webhooks")
        return cast("MadeWebhookReply", self._call("POST", where, json=request))

    def change_webhook(self, collection: str, webhook: str, change: Body) -> WebhookReply:
        """Change `url`, `events` or `enabled` of a webhook."""
        where = _in(collection, "webhooks", webhook)
        return cast("WebhookReply", self._call("PATCH", where, json=change))

    def delete_webhook(self, collection: str, webhook: str) -> None:
        """Remove a webhook and the log of its deliveries."""
        self._call("DELETE", _in(collection, "webhooks", webhook))

    def deliveries(self, collection: str, webhook: str, *, limit: int) -> list[DeliveryReply]:
        """Return the newest deliveries to a webhook."""
        found = self._get(_in(collection, "webhooks", webhook, "deliveries"), {"limit": limit})
        return cast("list[DeliveryReply]", found["deliveries"])

    def replay_delivery(self, collection: str, webhook: str, delivery: str) -> None:
        """Deliver something once more."""
        where = _in(collection, "webhooks", webhook, "deliveries", delivery, "replay")
        self._call("POST", where, json={})

    def events(self, *, collection: str | None = None, after: int | None = None) -> EventsReply:
        """Return what happened behind the event *after*; without it nothing but the place."""
        params: dict[str, str | int] = {"stream": "false"}
        params |= {"collection": collection} if collection else {}
        params |= {} if after is None else {"after": after}
        return cast("EventsReply", self._get("/api/v1/events", params))

    def versions(
        self,
        collection: str,
        *,
        limit: int,
        before: int | None,
        content_only: bool,
        kept_only: bool,
    ) -> list[VersionReply]:
        """Return the newest versions of a collection, those below *before* if given."""
        params: dict[str, str | int] = {"limit": limit}
        if before is not None:
            params["before"] = before
        params |= {"content_only": "true"} if content_only else {}
        params |= {"kept_only": "true"} if kept_only else {}
        found = self._get(_in(collection, "versions"), params)["versions"]
        return cast("list[VersionReply]", found)

    def version(self, collection: str, version: str) -> VersionDetailReply:
        """Return one version with its segments."""
        return cast("VersionDetailReply", self._get(_in(collection, "versions", version)))

    def tag(self, collection: str, tag: str, version: str) -> VersionReply:
        """Name a version."""
        where = _in(collection, "tags", tag)
        return cast("VersionReply", self._call("PUT", where, json={"version": version}))

    def untag(self, collection: str, tag: str) -> None:
        """Take a tag away."""
        self._call("DELETE", _in(collection, "tags", tag))

    def diff(
        self, collection: str, before: str, after: str, *, limit: int, cursor: str | None = None
    ) -> DiffReply:
        """Return a page of what changed from one version to another."""
        params: dict[str, str | int] = {"to": after, "limit": limit}
        if cursor is not None:
            params["cursor"] = cursor
        return cast("DiffReply", self._get(_in(collection, "versions", before, "diff"), params))

    def compare(self, collection: str, request: Body) -> RankingReply:
        """Return how a ranking moved; *request* holds `q`, `before`, `after` and `k`."""
        return cast("RankingReply", self._call("POST", _in(collection, "compare"), json=request))

    def restore(self, collection: str, version: str, *, dry_run: bool) -> RestoreReply:
        """Make a version the newest again, or say what that would change."""
        request = {"version": version, "dry_run": dry_run}
        where = _in(collection, "restore")
        return cast("RestoreReply", self._call("POST", where, json=request, timeout=_LONG_WORK))

    def collect_garbage(self, collection: str, *, dry_run: bool) -> GarbageReply:
        """Remove what no kept version needs, or say what that would be."""
        where, request = _in(collection, "garbage"), {"dry_run": dry_run}
        return cast("GarbageReply", self._call("POST", where, json=request, timeout=_LONG_WORK))

    def purge(self, collection: str, document: str) -> Body:
        """Erase a document from every version; return what was written anew."""
        where = _in(collection, "documents", document, "purge")
        return self._call("POST", where, json={}, timeout=_LONG_WORK)

    def submit(self, collection: str, documents: Sequence[Body], *, key: str | None = None) -> str:
        """Hand documents over, all of them or none; return the id of the job.

        With a *key*, the same call again after a lost answer is recognised.
        """
        where = _in(collection, "documents")
        headers = {"Idempotency-Key": key} if key else {}
        done = self._call("POST", where, json={"documents": list(documents)}, headers=headers)
        return cast("str", done["job"]["id"])

    def wait(self, job_id: str, *, seconds: float = 60.0) -> JobReply:
        """Wait until a job has finished, and return it.

        Raises:
            TimeoutError: it has not after *seconds*; it goes on.
        """
        end = time.monotonic() + seconds
        while not (found := self.job(job_id))["finished"]:
            if time.monotonic() > end:
                raise TimeoutError(f"Job {job_id} was not done after {seconds:g} seconds.")
            time.sleep(_LOOK_SECONDS)
        return found

    def bulk(self, collection: str, body: bytes, *, key: str, lane: str) -> BulkReply:
        """Hand over documents, UTF-8 JSON, one a line; return what became of each."""
        response = self._send(
            "POST",
            _in(collection, "documents", "bulk"),
            params={"lane": lane},
            headers={"Idempotency-Key": key, "Content-Type": "application/x-ndjson"},
            content=body,
        )
        try:
            *lines, last = (json.loads(line) for line in response.iter_lines())
            summary = last["summary"]
        except (ValueError, KeyError, TypeError) as error:
            raise Unreachable(f"The answer of {response.url} broke off.") from error
        if summary["status"] != HTTPStatus.OK:
            raise Unreachable(f"Lamina could not read the request to its end: {summary['error']}")
        return BulkReply(lines, summary)

    def send_files(
        self,
        collection: str,
        files: Sequence[tuple[str, BinaryIO]],
        *,
        key: str | None = None,
        lane: str = "interactive",
        columns: Body | None = None,
    ) -> FilesAcceptedReply:
        """Hand files over, by name; return whether each was taken.

        With a *key*, the same call again after a lost answer is recognised. *columns* may hold
        `id_column`, `title_column` and a list `text_column`, for tables.
        """
        done = self._call(
            "POST",
            _in(collection, "files"),
            params={"lane": lane, **(columns or {})},
            headers={"Idempotency-Key": key} if key else {},
            files=[("files", one) for one in files],
            timeout=_LONG_WORK,
        )
        return cast("FilesAcceptedReply", done)

    def job_files(self, job_id: str, *, cursor: int | None = None) -> FilesReply:
        """Return a page of the files of a job."""
        params = {} if cursor is None else {"cursor": cursor}
        return cast("FilesReply", self._get(f"/api/v1/jobs/{quote(job_id, safe='')}/files", params))

    def preview(self, collection: str, document: Body) -> PreviewReply:
        """Return the passages that a document (`title` and `text`) will become."""
        done = self._call("POST", _in(collection, "preview"), json=document)
        return cast("PreviewReply", done)

    def preview_files(
        self,
        collection: str,
        files: Sequence[tuple[str, BinaryIO]],
        *,
        columns: Body | None = None,
    ) -> FilesPreviewReply:
        """Return what files will become; *columns* as for `send_files`."""
        done = self._call(
            "POST",
            _in(collection, "files", "preview"),
            params=columns or {},
            files=[("files", one) for one in files],
            timeout=_LONG_WORK,
        )
        return cast("FilesPreviewReply", done)

    def original(self, collection: str, document: str) -> bytes:
        """Return the file that a document was read from, if it is kept."""
        where = _in(collection, "originals", document)
        return self._send("GET", where, timeout=_LONG_WORK).content

    def documents(self, collection: str, which: Body) -> DocumentsReply:
        """Return a page of documents; *which* holds filters, `limit` and `cursor`."""
        return cast("DocumentsReply", self._get(_in(collection, "documents"), which))

    def document(self, collection: str, document: str) -> DocumentReply:
        """Return the newest revision of a document."""
        return cast("DocumentReply", self._get(_in(collection, "documents", document)))

    def change_document(self, collection: str, document: str, changes: Body) -> Body:
        """Change what *changes* name of a document (RFC 7396); return the receipt."""
        return self._call("PATCH", _in(collection, "documents", document), json=changes)

    def delete_documents(self, collection: str, which: Body) -> Body:
        """Delete documents by `ids` or `filter`, or count them with `dry_run`."""
        where = _in(collection, "documents", "delete")
        return self._call("POST", where, json=which, timeout=_LONG_WORK)

    def job(self, job_id: str) -> JobReply:
        """Return a job with its errors and warnings."""
        return cast("JobReply", self._get(f"/api/v1/jobs/{quote(job_id, safe='')}"))

    def jobs(
        self,
        *,
        limit: int,
        collection: str | None,
        status: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> list[JobReply]:
        """Return the newest jobs; *since* and *until* are RFC 3339."""
        given = {"collection": collection, "status": status, "since": since, "until": until}
        params: dict[str, str | int] = {"limit": limit}
        params |= {name: value for name, value in given.items() if value}
        return cast("list[JobReply]", self._get("/api/v1/jobs", params)["jobs"])

    def cancel(self, job_id: str) -> CancelledReply:
        """Cancel what waits of a job."""
        where = f"/api/v1/jobs/{quote(job_id, safe='')}/cancel"
        return cast("CancelledReply", self._call("POST", where, json={}))

    def retry(
        self,
        job_id: str,
        documents: Sequence[str] | None = None,
        *,
        files: Sequence[str] | None = None,
    ) -> RetriedReply:
        """Put what failed of a job back into the queue: all of it, or what is named here.

        Args:
            job_id: the job.
            documents: ids of documents that failed.
            files: names of files that could not be read.
        """
        where = f"/api/v1/jobs/{quote(job_id, safe='')}/retry"
        named = {"documents": documents, "files": files}
        request = {kind: list(names) for kind, names in named.items() if names is not None}
        return cast("RetriedReply", self._call("POST", where, json=request))

    def draw_map(self, collection: str, request: Body) -> MapReply:
        """Have a map drawn; *request* may hold `version`, `sample` and `seed`."""
        return cast("MapReply", self._call("POST", _in(collection, "map"), json=request))

    def map(self, collection: str, which: Body) -> MapReply:
        """Return a map; *which* may hold `version`, `by` and `q`."""
        return cast("MapReply", self._get(_in(collection, "map"), which))

    def why_job(self, job_id: str) -> list[ReasonReply]:
        """Return why a job waits."""
        found = self._get(f"/api/v1/jobs/{quote(job_id, safe='')}/why")
        return cast("list[ReasonReply]", found["reasons"])

    def why(self, asked: Mapping[str, str]) -> list[ReasonReply]:
        """Return why a document (`collection` and `document`) or a message (`key`) waits."""
        return cast("list[ReasonReply]", self._get("/api/v1/why", asked)["reasons"])

    def receipts(self, key: str) -> ReceiptsReply:
        """Return what became of the messages and requests with an idempotency key."""
        return cast("ReceiptsReply", self._get(f"/api/v1/receipts/{quote(key, safe='')}"))

    def whoami(self) -> WhoAmIReply:
        """Return whose key this client brings, and what it may do."""
        return cast("WhoAmIReply", self._get("/api/v1/whoami"))

    def search(self, collection: str, request: Body) -> SearchReply:
        """Search; *request* holds `q` and, when wanted, `k`, `version`, `after`, `exact`."""
        return cast("SearchReply", self._call("POST", _in(collection, "search"), json=request))

    def dead_letters(self, which: Body, *, limit: int) -> DeadLettersReply:
        """Return a page of dead letters; *which* may hold a `cursor`."""
        params = which | {"limit": limit}
        return cast("DeadLettersReply", self._get("/api/v1/dead-letters", params))

    def dead_letter(self, letter: str) -> DeadLetterReply:
        """Return a dead letter with what was handed in."""
        return cast("DeadLetterReply", self._get(_dead(letter)))

    def replay(self, letter: str) -> ReplayReply:
        """Hand a dead letter in again."""
        return cast("ReplayReply", self._call("POST", _dead(letter, "replay"), json={}))

    def replay_some(self, which: Body) -> ReplaysReply:
        """Hand some dead letters in again; *which* holds the filter, `limit` and `cursor`."""
        where = "/api/v1/dead-letters/replay"
        return cast("ReplaysReply", self._call("POST", where, json=which, timeout=_LONG_WORK))

    def dismiss(self, letter: str) -> None:
        """Take a dead letter off the list."""
        self._call("DELETE", _dead(letter))

    def dismiss_some(self, which: Body) -> DismissedReply:
        """Take some dead letters off the list; *which* holds the filter."""
        where = "/api/v1/dead-letters"
        return cast("DismissedReply", self._call("DELETE", where, params=which))

    def audit(self, *, limit: int, before: int | None) -> list[AuditReply]:
        """Return the newest administrative acts, those with an id below *before* if given."""
        params = {"limit": limit} | ({} if before is None else {"before": before})
        return cast("list[AuditReply]", self._get("/api/v1/audit", params)["entries"])

    def status(self) -> StatusReply:
        """Return what runs and what waits."""
        return cast("StatusReply", self._get("/api/v1/status"))

    def claims(self, *, limit: int, job: str | None = None) -> list[ClaimReply]:
        """Return the newest claims, closed ones too; of a job only."""
        params: dict[str, str | int] = {"limit": limit} | ({"job": job} if job else {})
        return cast("list[ClaimReply]", self._get("/api/v1/claims", params)["claims"])

    def metrics(self) -> str:
        """Return every measure in Prometheus' text format."""
        return self._send("GET", "/metrics").text

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Body:
        return self._call("GET", path, params=params)

    def _call(self, method: str, path: str, **request: Any) -> Body:
        """Send a request; return the JSON object of a successful answer.

        Raises:
            Unreachable, Refused
        """
        response = self._send(method, path, **request)
        if response.status_code == HTTPStatus.NO_CONTENT:
            return {}
        try:
            body = response.json()
        except ValueError as error:
            raise Unreachable(f"What answers at {response.url} is not Lamina.") from error
        return cast("Body", body)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Send a request; return a successful answer.

        Raises:
            Unreachable: no answer.
            Refused: an error answer.
        """
        try:
            response = self._http.request(method, path, **request)
        except httpx.ConnectError as error:
            raise Unreachable(f"Nothing answers at {self._http.base_url} ({error})") from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"Lamina at {self._http.base_url} did not answer: {reason}"
            ) from error
        if not response.is_success:
            raise Refused(response)
        return response


def _in(collection: str, *parts: str) -> str:
    """Return an address inside a collection."""
    return "/".join(["/api/v1/collections", *(quote(one, safe="") for one in (collection, *parts))])


def _dead(letter: str, *parts: str) -> str:
    """Return the address of a dead letter."""
    return "/".join(["/api/v1/dead-letters", quote(letter, safe=""), *parts])
