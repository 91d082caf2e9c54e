"""What keeps every index worker from working, in words."""

from collections.abc import Iterator

from shared.domain import Process, Reason
from shared.waiting.matter import Matter
from shared.words import about


def obstacles(matter: Matter) -> Iterator[Reason]:
    """Yield why no worker takes what waits of *matter*; nothing when one can."""
    workers = matter.workforce.workers
    if not workers:
        yield _no_worker(matter)
        return
    able = [one for one in workers if _can_encode(one, matter.whereabouts.fingerprint)]
    if not able:
        yield _no_encoder(matter)
        return
    if all(one.condition.trouble for one in able):
        yield from (_trouble(one, matter.whereabouts.now) for one in able)
    if until := matter.whereabouts.held_until:
        left = about(until - matter.whereabouts.now)
        yield Reason(
            code="rebuild-swap",
            sentence=f"A rebuild of its collection catches up with what came last, so nothing else "
            f"of it is taken for another {left} at most.",
            details={"until": until},
        )
    if matter.workforce.no_room:
        yield Reason(
            code="disk-full",
            sentence=f"The disk is nearly full, so nothing is taken up: {matter.workforce.no_room}",
        )


def _can_encode(worker: Process, fingerprint: str) -> bool:
    # Code from before workers said so may have any encoder.
    return not worker.condition.schema or fingerprint in worker.condition.encoders


def _no_worker(matter: Matter) -> Reason:
    heard = matter.workforce.last_heard_at
    if heard is None:
        return Reason(
            code="no-worker", sentence="No index worker is alive, and none was in the last week."
        )
    ago = about(matter.whereabouts.now - heard)
    return Reason(
        code="no-worker",
        sentence=f"No index worker is alive; the last one was heard of {ago} ago.",
        details={"since": heard},
    )


def _no_encoder(matter: Matter) -> Reason:
    encoder = matter.whereabouts.encoder
    return Reason(
        code="no-encoder",
        sentence=(
            f"No index worker that is alive has the encoder {encoder}; `lamina models pull "
            f"{encoder}` on a worker's host installs it."
        ),
        details={"encoder": encoder, "fingerprint": matter.whereabouts.fingerprint},
    )


def _trouble(worker: Process, now: float) -> Reason:
    since = worker.troubled_since
    lasted = "" if since is None else f" for {about(now - since)}"
    return Reason(
        code="worker-trouble",
        sentence=f"Worker {worker.name} could not work{lasted}: {worker.condition.trouble}",
        details={"worker": worker.name, "trouble": worker.condition.trouble, "since": since},
    )
