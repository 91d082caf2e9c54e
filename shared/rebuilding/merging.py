"""Make few segments of the many that a rebuild writes, before anybody searches them.

As any merge, but of segments that no manifest lists: they hold nothing dead, and nobody reads them.
"""

from collections.abc import Sequence

from shared.domain import Attempt, ChoreKind, Collection, Segment, Undertaking
from shared.errors import LaminaError, VersionConflict
from shared.failpoints import reach
from shared.ports import Renditions
from shared.upkeep.chores import Duty
from shared.upkeep.upkeep import Upkeep


def merge_part_next(upkeep: Upkeep, renditions: Renditions) -> bool:
    """Merge once in the first rebuild that needs it; whether there was one.

    Raises:
        OutOfSpace: it waits until there is more disk.
        CorruptFile, Retryable, Fenced: it was abandoned; its inputs stay.
    """
    return any(_merge_in(upkeep, renditions, one) for one in renditions.running())


def _merge_in(upkeep: Upkeep, renditions: Renditions, rebuild: Undertaking) -> bool:
    collection = upkeep.collections.by_id(rebuild.collection_id)
    store = upkeep.store
    parts = [
        store.segment(collection.id, one.id, one.sha256)
        for one in renditions.parts(collection.id)
        if one.space_id == rebuild.space.id
    ]
    inputs = upkeep.merges(parts, rule=collection.index, now=upkeep.roster.now())
    if not inputs:
        return False
    upkeep.room.check(2 * sum(segment.bytes for segment in inputs))
    detail = f"{len(inputs)} segments of a space that is being built"
    with Duty(upkeep.shift, collection.id, ChoreKind.MERGE, detail) as duty:
        if duty is None:
            return False
        attempt = upkeep.publications.register(
            collection.id, vectors=0, claim_id=None, worker=upkeep.shift.holder
        )
        try:
            output = _write(upkeep, rebuild, collection, attempt, (inputs, parts), duty)
            renditions.merged(rebuild.id, attempt, inputs, output)
        except VersionConflict as error:
            upkeep.publications.abandon(attempt.id)
            duty.give_up(str(error))
            return False
        except LaminaError:
            upkeep.publications.abandon(attempt.id)
            raise
        reach("rebuild.merged")
        duty.outcome = f"{len(inputs)} segments became one of {output.live:,} vectors"
    return True


def _write(
    upkeep: Upkeep,
    rebuild: Undertaking,
    collection: Collection,
    attempt: Attempt,
    segments: tuple[Sequence[Segment], Sequence[Segment]],
    duty: Duty,
) -> Segment:
    """Write one segment for some of all, laid out for its share of the whole."""
    size, whole = (sum(one.live for one in some) for some in segments)
    rule = collection.index.share(size, whole)
    output = upkeep.store.merge(attempt, segments[0], rebuild.space.metric, rule, duty.step)
    reach("rebuild.merge_written")
    return output
