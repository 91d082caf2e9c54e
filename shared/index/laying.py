"""Laying out: try ways to search a segment until one finds enough."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from shared.domain import IndexRule, Layout, Policy
from shared.index import ann, building, codec, layouts, tuning
from shared.index.codec import FaissIndex
from shared.index.drafts import Sink
from shared.index.merging import Rows
from shared.index.progress import Progress
from shared.index.segments import Draft
from shared.settings import MergeSettings


@dataclass(frozen=True, slots=True)
class Laid:
    """A layout, and its index in memory; None where it is flat."""

    layout: Layout
    index: FaissIndex | None


def lay_out(rows: Rows, rule: IndexRule, settings: MergeSettings, progress: Progress) -> Laid:
    """Return the best layout that reaches the rule's recall target; FLAT always does.

    Nothing that missed the target is ever returned; what was tried is written down.
    """
    *approximate, _ = layouts.candidates(len(rows), rows.dimension, rule, settings)
    refused: list[str] = []
    if approximate:
        progress.expect(len(rows))
        drawn = tuning.sample(rows, progress)
        for policy in approximate:
            progress.expect(len(rows))
            index = building.build(policy, rows, threads=settings.threads, progress=progress)
            tuned = tuning.tune(
                index, policy, rows, drawn, target=rule.recall_target, progress=progress
            )
            if tuned.effort:
                return Laid(_tuned(policy, rows, rule, tuned, refused), index)
            refused.append(f"{policy} {math.floor(tuned.recall * 100) / 100:.2f}")
    return Laid(_flat(rows, rule, refused), None)


def draft(rows: Rows, laid: Laid, progress: Progress) -> Draft:
    """Return the segment that *rows* become, codes copied, never encoded again."""

    def chunks() -> Iterator[codec.Codes]:
        for chunk in rows.chunks():
            yield chunk
            progress.advance(len(chunk))

    def fill(sink: Sink) -> None:
        codec.write_codes(
            sink, rows.metric, rows=len(rows), dimension=rows.dimension, chunks=chunks()
        )

    def fill_ann(sink: Sink) -> None:
        ann.write(laid.index, laid.layout.policy, sink)

    return Draft(
        space_id=rows.space_id,
        dimension=rows.dimension,
        metric=rows.metric,
        ids=rows.ids,
        fill=fill,
        sources=rows.sources,
        layout=laid.layout,
        fill_ann=None if laid.index is None else fill_ann,
    )


def _tuned(
    policy: Policy, rows: Rows, rule: IndexRule, tuned: tuning.Tuned, refused: list[str]
) -> Layout:
    return Layout(
        policy=policy,
        rule=rule,
        spec=layouts.spec(policy, len(rows), rows.dimension),
        effort=tuned.effort,
        depth=tuned.depth,
        recall=round(tuned.recall, 4),
        memory_bytes=layouts.memory_bytes(policy, len(rows), rows.dimension),
        refused=tuple(refused),
    )


def _flat(rows: Rows, rule: IndexRule, refused: list[str]) -> Layout:
    return Layout(
        policy=Policy.FLAT,
        rule=rule,
        spec=layouts.spec(Policy.FLAT, len(rows), rows.dimension),
        memory_bytes=layouts.memory_bytes(Policy.FLAT, len(rows), rows.dimension),
        refused=tuple(refused),
    )
