"""What waits, what does not get on, what was given up."""

from collections.abc import Iterator

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.domain import Lane, Rebuild, RebuildState
from shared.rebuilding.standing import under_way
from shared.services import Services
from shared.waiting.forecast import ALIVE_SECONDS
from shared.words import counted, size

_LONG_SECONDS = 600.0
"""What waited for so long is worth a look."""
_MOST_COUNTED = 10_000
_LOOKED_AT = 100
"""Claims among which one of a rebuild must be, while any is under way: it has one in nine."""
_REMAINS_SECONDS = 3600.0
"""Within which upkeep has cleared away what an ended rebuild left, however large it was."""


def check_work(services: Services) -> Iterator[Finding]:
    """Look at what waits and what was given up."""
    backlog = services.roster.backlog()
    waits = f"{counted(int(backlog['pending']), 'document')} waiting"
    if backlog["oldest"] > _LONG_SECONDS:
        minutes = backlog["oldest"] / 60
        advice = "lamina why JOB says what it waits for; lamina jobs lists them."
        yield warning("backlog", f"{waits}, the oldest for {minutes:,.0f} minutes.", advice)
    else:
        yield ok("backlog", waits)
    if dead := services.dead_letters.count(most=_MOST_COUNTED):
        yield warning(
            "dead letters",
            f"{counted(dead, 'document or message', 'documents or messages')} failed or refused.",
            "lamina dead list says why; replay or dismiss them.",
        )
    else:
        yield ok("dead letters", "none")


def check_files(services: Services) -> Iterator[Finding]:
    """Look at the files that wait to be read, and whether anybody reads them."""
    queue = services.waiting.files()
    waits = f"{counted(queue.waiting, 'file')} waiting ({size(queue.bytes)})"
    alive = services.roster.processes(within_seconds=ALIVE_SECONDS)
    if queue.waiting and not any(one.kind == "parser" for one in alive):
        yield wrong(
            "files",
            f"{waits}, and no parser process is alive to read them.",
            "Start one: ./run does, or `python -m workers parser`, or the container `parser`.",
        )
    elif queue.oldest_seconds > _LONG_SECONDS:
        minutes = queue.oldest_seconds / 60
        yield warning(
            "files",
            f"{waits}, the oldest for {minutes:,.0f} minutes.",
            "The parser's log says what it reads; several parsers read as many files at once.",
        )
    else:
        yield ok("files", waits)


def check_rebuilds(services: Services) -> Iterator[Finding]:
    """Look at rebuilds: whether those under way get on, and whether the ended are cleared away."""
    running = under_way(services.renditions, services.rebuilds)
    yield from (_rebuild(services, one) for one in running)
    for collection_id in services.rebuilds.remains(older_than_seconds=_REMAINS_SECONDS):
        yield warning(
            "rebuilds",
            f"What an ended rebuild of {services.collections.by_id(collection_id).name!r} left is "
            "still there.",
            "Upkeep clears it away; its log says why it does not.",
        )
    if not running:
        yield ok("rebuilds", "none under way")


def _rebuild(services: Services, one: Rebuild) -> Finding:
    name = services.collections.by_id(one.collection_id).name
    if one.trouble:
        return wrong(
            "rebuilds",
            f"That of {name!r} cannot go on: {one.trouble}",
            f"lamina fsck {name} --repair, then lamina collections rebuild {name} again.",
        )
    progress = one.progress
    if one.state is RebuildState.BLOCKED:
        return wrong(
            "rebuilds",
            f"That of {name!r} is blocked: {counted(progress.failed, 'document')} cannot be "
            "brought into the new space.",
            f"lamina collections rebuild {name} names and tries them again; --force leaves them "
            "out, --cancel gives it up.",
        )
    idle = services.roster.now() - max(one.started_at, _last_rebuild_claim(services))
    if progress.waiting and idle > _LONG_SECONDS:
        return warning(
            "rebuilds",
            f"No worker took up any of that of {name!r} for {idle / 60:,.0f} minutes.",
            f"lamina why {one.id} says what it waits for.",
        )
    return ok("rebuilds", f"{name!r}: {progress.done:,} of {progress.documents:,} documents")


def _last_rebuild_claim(services: Services) -> float:
    """Return when a worker last took up documents of any rebuild; 0 if that was long ago."""
    claims = services.records.claims(limit=_LOOKED_AT)
    times = (one["claimed_at"] for one in claims if one["lane"] == Lane.REBUILD)
    return max((one for one in times if isinstance(one, float)), default=0.0)
