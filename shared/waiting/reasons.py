"""Why something waits, in words: from what is known to sentences."""

from collections import Counter
from collections.abc import Iterator

from shared.domain import Estimate, Holder, Lane, Load, Queued, Reason, State
from shared.waiting.endings import endings
from shared.waiting.matter import Matter
from shared.waiting.obstacles import obstacles
from shared.words import about, counted, listed


def explain(matter: Matter) -> tuple[Reason, ...]:
    """Tell why *matter* waits, the most important first; of what is settled, how it ended."""
    if matter.finished:
        return tuple(endings(matter))
    return tuple(_under_way(matter))


def _under_way(matter: Matter) -> Iterator[Reason]:
    where = matter.whereabouts
    if matter.rebuild:
        yield _rebuilding(matter)
        if matter.counts.get(State.PENDING, 0):
            yield from obstacles(matter)
        return
    if matter.cancelled:
        yield Reason(
            code="job-cancelled",
            sentence="The job was cancelled; what a worker holds of it runs to its end.",
        )
    if matter.growing:
        yield Reason(
            code="growing",
            sentence="More documents will be added to the job: upkeep carries a delete by filter "
            "out in steps.",
        )
    if matter.files.waiting:
        yield _unread(matter)
    for holder in where.holders:
        yield _held_by(matter, holder)
    if where.queued:
        blocked = tuple(obstacles(matter))
        yield from blocked
        yield from _setbacks(matter, where.queued)
        yield _position(matter, where.queued, None if blocked else matter.estimate)
    if matter.is_job:
        yield from endings(matter)


def _rebuilding(matter: Matter) -> Reason:
    """Tell how far a rebuild is, and what keeps it if only failures are left."""
    done, failed = matter.counts.get(State.INDEXED, 0), matter.counts.get(State.FAILED, 0)
    told = f"{done:,} of the {counted(matter.total, 'document')} are in the new space"
    if failed and done + failed == matter.total:
        told += (
            f"; {failed:,} cannot be brought there. `lamina collections rebuild` names them, tries "
            "them again, or leaves them out with --force"
        )
    else:
        about_it = f", about {about(matter.estimate.seconds)}" if matter.estimate else ""
        told += f"; the others are encoded after all other work{about_it}"
    return Reason(
        code="rebuild",
        sentence=f"{told}.",
        details={"documents": matter.total, "done": done, "failed": failed},
    )


def _unread(matter: Matter) -> Reason:
    files, parsers = matter.files, matter.workforce.parsers
    told = f"{files.done:,} of its {counted(files.total, 'file')} are read"
    if not parsers:
        told += "; the others wait, since no parser process is alive"
    return Reason(
        code="files",
        sentence=f"{told}.",
        details={"files": files.total, "read": files.done, "parsers": parsers},
    )


def _held_by(matter: Matter, holder: Holder) -> Reason:
    code, sentence = _hold(holder, matter.whereabouts.now, it=_it(matter))
    return Reason(
        code=code,
        sentence=f"Worker {holder.worker} {sentence}.",
        details={
            "worker": holder.worker,
            "claim": holder.id,
            "documents": holder.load.documents,
            "claimed_at": holder.claimed_at,
            "lease_until": holder.lease_until,
        },
    )


def _it(matter: Matter) -> str:
    return "documents of it" if matter.is_job else "it"


def _hold(holder: Holder, now: float, *, it: str) -> tuple[str, str]:
    """Return how a claim is, as a code and as what its worker does."""
    left = holder.lease_until - now
    since = about(now - holder.claimed_at)
    claim = f"a claim of {counted(holder.load.documents, 'document')}"
    if left < 0:
        gone = f"{about(-left)} ago; all of its claim goes back into the queue within seconds"
        return "lease-expired", f"took {it} {since} ago, but its lease ran out {gone}"
    if holder.publishing:
        return "publishing", f"has encoded {it}, in {claim}, and is publishing"
    lease = f"its lease lasts another {about(left)} and is renewed while it lives"
    return "encoding", f"has been encoding {it} for {since}, in {claim}; {lease}"


def _setbacks(matter: Matter, queued: Queued) -> Iterator[Reason]:
    """Yield what was decided about it before: wait for a time, or be tried apart."""
    if queued.held:
        yield Reason(
            code="delayed",
            sentence=f"{matter.part(queued.held)} {_delay(matter, queued)}",
            details={"documents": queued.held, "until": queued.held_until},
        )
    if queued.suspects:
        yield Reason(
            code="suspect",
            sentence=f"{matter.part(queued.suspects)} {_suspicion(queued)}",
            details={
                "documents": queued.suspects,
                "crashes": queued.crashes,
                "group": queued.group,
            },
        )


def _delay(matter: Matter, queued: Queued) -> str:
    left = about(queued.held_until - matter.whereabouts.now)
    if queued.delayed_by is None:
        return f"will be left to the import that brings the vectors for another {left}."
    return f"will be tried again in {left}. It was given back: {queued.delayed_by}"


def _suspicion(queued: Queued) -> str:
    times = "once" if queued.crashes == 1 else f"{queued.crashes} times"
    apart = "alone" if queued.group <= 1 else f"with at most {queued.group - 1:,} others"
    return (
        f"may be what ended a worker ({times} so far), so next it is tried {apart}, to find the "
        "one that does."
    )


def _position(matter: Matter, queued: Queued, estimate: Estimate | None) -> Reason:
    before = sum((one.load for one in queued.ahead), Load())
    first = "the first of its documents" if matter.is_job and queued.documents > 1 else "it"
    words = [_before(queued, before, first)]
    if estimate:
        last = "the last in " if matter.is_job and queued.documents > 1 else ""
        words.append(f"{last}about {about(estimate.seconds)}")
    lane = Lane(queued.first.lane)
    return Reason(
        code="waiting",
        sentence=f"{'; '.join(words)}.",
        details={
            "lane": lane.name.lower(),
            "documents_waiting": queued.documents,
            "documents_before": before.documents,
            "characters_before": before.characters,
            "more_before": queued.more_ahead,
            "eta_seconds": None if estimate is None else round(estimate.seconds, 1),
        },
    )


def _before(queued: Queued, before: Load, first: str) -> str:
    if not before.documents:
        return f"Nothing is before {first}"
    most = before.documents - 1
    count = f"More than {most:,} documents are" if queued.more_ahead else _are(before.documents)
    told = f"{count} before {first}"
    whose = _whose(queued)
    return f"{told} ({listed(whose)})" if whose else told


def _are(count: int) -> str:
    return f"{counted(count, 'document')} {'is' if count == 1 else 'are'}"


def _whose(queued: Queued) -> list[str]:
    """Return of what kinds the documents before it are; empty if all are its producer's own."""
    kinds: Counter[str] = Counter()
    mine = (queued.collection, queued.source, queued.producer)
    for one in queued.ahead:
        if one.lane != queued.first.lane:
            kinds[f"of the {one.lane.name.lower()} lane, which goes first"] += one.load.documents
        elif (one.collection, one.source, one.producer) != mine:
            kinds["of other producers or collections"] += one.load.documents
        else:
            kinds["of the same producer"] += one.load.documents
    if set(kinds) <= {"of the same producer"}:
        return []
    return [f"{count:,} {kind}" for kind, count in kinds.items()]
