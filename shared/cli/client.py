"""A small client of Lamina's API: the address and key from the settings, errors in words."""

from collections.abc import Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote, urlsplit

import httpx

from shared.cli.replies import (
    Accepted,
    AuditReply,
    Body,
    CancelledReply,
    CollectionDetailReply,
    CollectionReply,
    DeadLetterReply,
    DeadLettersReply,
    DiffReply,
    DismissedReply,
    GarbageReply,
    JobReply,
    RankingReply,
    ReasonReply,
    ReplayReply,
    ReplaysReply,
    RestoreReply,
    SearchReply,
    StatusReply,
    VersionDetailReply,
    VersionReply,
)
from shared.cli.terminal import Exit, Failure
from shared.settings import LOOPBACK, Settings

_BUSY = frozenset(
    {
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
_TIMEOUT = httpx.Timeout(60.0, connect=5.0)
_LONG_WORK = httpx.Timeout(None, connect=5.0)
"""For work on files, which takes as long as there are many."""


class Unreachable(Failure):
    """Lamina did not answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.UNREACHABLE)


class Refused(Failure):
    """Lamina answered, and the answer was no."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.busy = self.status in _BUSY
        """Whether the same request may succeed a little later."""
        self.retry_after_seconds = _seconds(response.headers.get("Retry-After"))
        problem = _problem(response)
        self.faults: list[tuple[str, str]] = [
            (str(fault.get("pointer", "")), str(fault.get("detail", "")))
            for fault in problem.get("errors") or []
            if isinstance(fault, dict)
        ]
        super().__init__(_in_words(response, problem, self.faults), _code(self.status))


class Client:
    """Speaks to one Lamina. Safe for several threads; close it."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Connect lazily to the Lamina that *settings* name.

        Raises:
            ConfigurationError: the admin key cannot be read.
        """
        key = settings.key.get_secret_value() if settings.key else settings.read_admin_key()
        return cls(
            httpx.Client(
                base_url=settings.web_url,
                timeout=_TIMEOUT,
                # Loading the certificates takes longer than the rest of a command.
                verify=settings.web_url.startswith("https:"),
                headers={"Authorization": f"Bearer {key}"} if key else {},
                # A proxy of the environment has no business between this machine and itself.
                trust_env=urlsplit(settings.web_url).hostname not in LOOPBACK,
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
        self._http.close()

    def collections(self) -> list[CollectionReply]:
        """Return every collection."""
        return cast("list[CollectionReply]", self._get("/api/v1/collections")["collections"])

    def create_collection(self, request: Body) -> CollectionReply:
        """Create a collection."""
        return cast("CollectionReply", self._call("POST", "/api/v1/collections", json=request))

    def collection(self, name: str) -> CollectionDetailReply:
        """Return one collection, with how its index is laid out."""
        return cast("CollectionDetailReply", self._get(_in(name)))

    def change_collection(self, name: str, change: Body) -> CollectionDetailReply:
        """Change the rules of a collection that *change* names."""
        return cast("CollectionDetailReply", self._call("PATCH", _in(name), json=change))

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

    def submit(self, collection: str, body: bytes, *, key: str, lane: str) -> Accepted:
        """Hand over documents, `{"documents": […]}` as UTF-8 JSON."""
        answer = self._call(
            "POST",
            _in(collection, "documents"),
            params={"lane": lane},
            headers={"Idempotency-Key": key, "Content-Type": "application/json"},
            content=body,
        )
        return cast("Accepted", answer)

    def job(self, job_id: str) -> JobReply:
        """Return a job with its errors and warnings."""
        return cast("JobReply", self._get(f"/api/v1/jobs/{quote(job_id, safe='')}"))

    def jobs(
        self, *, limit: int, collection: str | None, status: str | None = None
    ) -> list[JobReply]:
        """Return the newest jobs."""
        params: dict[str, str | int] = {"limit": limit}
        params |= {"collection": collection} if collection else {}
        params |= {"status": status} if status else {}
        return cast("list[JobReply]", self._get("/api/v1/jobs", params)["jobs"])

    def cancel(self, job_id: str) -> CancelledReply:
        """Cancel what waits of a job."""
        where = f"/api/v1/jobs/{quote(job_id, safe='')}/cancel"
        return cast("CancelledReply", self._call("POST", where, json={}))

    def why_job(self, job_id: str) -> list[ReasonReply]:
        """Return why a job waits."""
        found = self._get(f"/api/v1/jobs/{quote(job_id, safe='')}/why")
        return cast("list[ReasonReply]", found["reasons"])

    def why(self, asked: Mapping[str, str]) -> list[ReasonReply]:
        """Return why a document (`collection` and `document`) or a message (`key`) waits."""
        return cast("list[ReasonReply]", self._get("/api/v1/why", asked)["reasons"])

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

    def _get(self, path: str, params: Mapping[str, str | int] | None = None) -> Body:
        return self._call("GET", path, params=params)

    def _call(self, method: str, path: str, **request: Any) -> Body:
        """Send a request; return the JSON object of a successful answer.

        Raises:
            Unreachable: no answer.
            Refused: an error answer.
        """
        try:
            response = self._http.request(method, path, **request)
        except httpx.ConnectError as error:
            raise Unreachable(
                f"Lamina is not running at {self._http.base_url}; start it with ./run ({error})"
            ) from error
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Unreachable(
                f"Lamina at {self._http.base_url} did not answer: {reason}"
            ) from error
        if not response.is_success:
            raise Refused(response)
        if response.status_code == HTTPStatus.NO_CONTENT:
            return {}
        try:
            body = response.json()
        except ValueError as error:
            raise Unreachable(f"What answers at {response.url} is not Lamina.") from error
        return cast("Body", body)


def _in(collection: str, *parts: str) -> str:
    """Return an address inside a collection."""
    return "/".join(["/api/v1/collections", *(quote(one, safe="") for one in (collection, *parts))])


def _dead(letter: str, *parts: str) -> str:
    """Return the address of a dead letter."""
    return "/".join(["/api/v1/dead-letters", quote(letter, safe=""), *parts])


def _problem(response: httpx.Response) -> Body:
    """Return the problem details (RFC 9457) of an error answer; empty if it has none."""
    if "json" not in response.headers.get("Content-Type", ""):
        return {}
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _in_words(response: httpx.Response, problem: Body, faults: list[tuple[str, str]]) -> str:
    title = problem.get("title") or response.reason_phrase
    detail = problem.get("detail")
    message = f"{title}: {detail}" if detail and detail != title else str(title)
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        message += " (set LAMINA_KEY, or LAMINA_ADMIN_KEY or LAMINA_ADMIN_KEY_FILE)"
    told = [f"  {pointer}: {what}" for pointer, what in faults[:20]]
    # A single fault is the detail already.
    lines = [] if len(faults) == 1 and told[0].strip() in message else told
    if len(faults) > len(told):
        lines.append(f"  and {len(faults) - len(told)} more")
    return "\n".join([f"{message} (HTTP {response.status_code})", *lines])


def _code(status: int) -> Exit:
    if status in _BUSY:
        return Exit.UNREACHABLE
    is_ours = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Exit.USAGE if is_ours else Exit.FAILED


def _seconds(retry_after: str | None) -> float | None:
    """Return a `Retry-After` given in seconds; a date is not used by Lamina."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None
