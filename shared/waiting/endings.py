"""How documents ended, in words."""

from collections.abc import Callable, Iterator

from shared.domain import Reason, State
from shared.waiting.matter import Matter


def endings(matter: Matter) -> Iterator[Reason]:
    """Yield how each settled part of *matter* ended, what went wrong first."""
    for state, tell in _ENDINGS.items():
        if count := matter.counts.get(state, 0):
            yield Reason(
                code=state.value, sentence=tell(matter, count), details={"documents": count}
            )


def _failed(matter: Matter, count: int) -> str:
    told = "failed; the first" if matter.is_job and count > 1 else "failed"
    return f"{matter.part(count)} {told}: {matter.error}"


def _cancelled(matter: Matter, count: int) -> str:
    was, it = ("were", "them") if count > 1 else ("was", "it")
    return f"{matter.part(count)} {was} cancelled before a worker took {it}."


def _superseded(matter: Matter, count: int) -> str:
    newer = matter.whereabouts.newer[:1]
    by = [f"by job {one.job}, in version {one.version}" for one in newer]
    if matter.is_job:
        by = [f"{one.document} {told}" for one, told in zip(newer, by, strict=True)]
    said = f": {by[0]}" if by else ""
    return f"{matter.part(count)} gave way to a newer revision{said}."


def _withdrawn(matter: Matter, count: int) -> str:
    was, it = ("were", "them") if count > 1 else ("was", "it")
    return (
        f"{matter.part(count)} {was} withdrawn when an older version was restored; send {it} "
        f"again to have {it} back."
    )


def _unchanged(matter: Matter, count: int) -> str:
    return f"{matter.part(count)} changed nothing{_where(matter, ': all is in version')}."


def _indexed(matter: Matter, count: int) -> str:
    verb = "are" if count > 1 else "is"
    where = _where(matter, ", by version" if count > 1 else ", in version")
    return f"{matter.part(count)} {verb} indexed{where}."


def _where(matter: Matter, words: str) -> str:
    return "" if matter.version is None else f"{words} {matter.version}"


_ENDINGS: dict[State, Callable[[Matter, int], str]] = {
    State.FAILED: _failed,
    State.CANCELLED: _cancelled,
    State.SUPERSEDED: _superseded,
    State.WITHDRAWN: _withdrawn,
    State.UNCHANGED: _unchanged,
    State.INDEXED: _indexed,
}
