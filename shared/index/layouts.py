"""Layouts: which ways to search a segment come into question, what they cost, and their JSON.

Pure. What fits is decided here by numbers of rows and bytes; whether it finds enough is
measured in `tuning.py`.
"""

import math
from dataclasses import asdict
from typing import Annotated, Self

from pydantic import Field, model_validator

from shared.domain import IndexRule, Layout, Policy
from shared.index.formats import Count, Number, Record
from shared.settings import MergeSettings

LEAST_ROWS = 256
"""Rows below which no segment is laid out: it is copied together with others and scanned."""

POINTS = 40
"""Training vectors for each list; FAISS asks for 39."""

TUNED = (10, 100)
"""Numbers of hits that effort is tuned for."""

MOST_K = 999
"""Largest number of hits for which tuned effort is stretched."""

_LEAST_EF = 64
"""Least efSearch for a number of hits that it was not tuned for; at least 2 k, too."""

_LINKS = 272
"""Bytes of an HNSW32 graph for each vector, measured: 64 links of 4 bytes at the bottom, about 4
bytes of links above, 12 of levels and offsets."""

_PREFERRED = (Policy.HNSW, Policy.IVF)
"""What `auto` tries where memory is no matter: IVF where a graph cannot be walked."""

_SMALLEST_LAST = (*_PREFERRED, Policy.IVFPQ, Policy.SQ8)


def candidates(
    rows: int, dimension: int, rule: IndexRule, settings: MergeSettings
) -> tuple[Policy, ...]:
    """Return the policies to try for a segment, best first; the last is always FLAT.

    A policy that the user named applies from `settings.floor` rows on, whatever memory it takes;
    `auto` from `settings.ann_from`, with those that `rule.memory_limit_bytes` has room for.
    The limit is taken as that of this one segment.
    """
    if rule.policy is not Policy.AUTO:
        named = rows >= max(settings.floor, LEAST_ROWS) and rule.policy is not Policy.FLAT
        return (rule.policy, Policy.FLAT) if named else (Policy.FLAT,)
    if rows < max(settings.ann_from, LEAST_ROWS):
        return (Policy.FLAT,)
    limit = rule.memory_limit_bytes
    if limit is None:
        return (*_PREFERRED, Policy.FLAT)
    fitting = (one for one in _SMALLEST_LAST if memory_bytes(one, rows, dimension) <= limit)
    return (*fitting, Policy.FLAT)


def spec(policy: Policy, rows: int, dimension: int) -> str:
    """Return FAISS's factory name of a layout.

    `np` keeps product quantizers from polysemous training, which takes minutes for nothing.

    Raises:
        ValueError: AUTO, which is no layout.
    """
    match policy:
        case Policy.FLAT:
            return "SQfp16"
        case Policy.HNSW:
            return "HNSW32,SQfp16"
        case Policy.IVF:
            return f"IVF{lists(rows)},SQfp16"
        case Policy.IVFPQ:
            return f"IVF{lists(rows)},PQ{_pq_parts(dimension)}x{_pq_bits(rows)}np"
        case Policy.SQ8:
            return "SQ8"
        case Policy.AUTO:
            raise ValueError("A segment is laid out in one way, not automatically.")


def memory_bytes(policy: Policy, rows: int, dimension: int) -> int:
    """Return about how much a search touches all the time, bytes."""
    centroids = 4 * dimension * lists(rows)
    match policy:
        case Policy.HNSW:
            return rows * (2 * dimension + _LINKS)
        case Policy.IVF:
            return rows * (2 * dimension + 8) + centroids
        case Policy.IVFPQ:
            return rows * (math.ceil(_pq_parts(dimension) * _pq_bits(rows) / 8) + 8) + centroids
        case Policy.SQ8:
            return rows * dimension
        case _:
            return rows * 2 * dimension


def effort_for(layout: Layout, k: int) -> int | None:
    """Return the effort that finds the best *k*; None where every vector must be looked at.

    What was tuned holds for fewer hits as well. Between tuned points it is a straight line,
    past the last it grows with *k*.
    """
    first, last = layout.effort[0], layout.effort[-1]
    if k > (MOST_K if last[0] == TUNED[-1] else last[0]):
        return None
    if k <= first[0] or k == last[0]:
        return first[1] if k <= first[0] else last[1]
    slope = (last[1] - first[1]) / (last[0] - first[0]) if k < last[0] else last[1] / last[0]
    wanted = math.ceil(last[1] + slope * (k - last[0]))
    return max(wanted, 2 * k, _LEAST_EF) if layout.policy is Policy.HNSW else wanted


def lists(rows: int) -> int:
    """Return the power of two nearest 4·√rows that leaves enough training vectors for each list.

    Source:
        "Guidelines to choose an index", FAISS wiki.
    """
    wanted = round(math.log2(4 * math.sqrt(rows)))
    most = int(math.log2(max(rows // POINTS, 1)))
    return int(2 ** min(wanted, most))


def _pq_parts(dimension: int) -> int:
    """Return into how many parts vectors are cut: about eight dimensions each."""
    wanted = max(dimension // 8, 1)
    return max(parts for parts in range(1, wanted + 1) if dimension % parts == 0)


def _pq_bits(rows: int) -> int:
    """Return the bits for each part: 2^bits centroids want as many times 39 vectors to learn."""
    return next((bits for bits in (8, 6) if rows >= 39 * 2**bits), 4)


class RuleRecord(Record):
    """A rule as JSON."""

    policy: Policy
    recall_target: Annotated[float, Field(ge=0.5, le=0.999)]
    memory_limit_bytes: Number | None


class LayoutRecord(Record):
    """A layout as JSON, in `segment.json` and in manifests."""

    policy: Policy
    rule: RuleRecord
    spec: Annotated[
        str, Field(pattern=r"^(SQfp16|SQ8|HNSW32,SQfp16|IVF\d{1,9},(SQfp16|PQ\d{1,5}x[468]np))$")
    ]
    effort: Annotated[tuple[tuple[Number, Number], ...], Field(max_length=len(TUNED))]
    depth: Annotated[int, Field(ge=1, le=1024)]
    recall: Annotated[float, Field(ge=0, le=1)] | None
    memory_bytes: Count
    refused: tuple[Annotated[str, Field(max_length=200)], ...]

    @classmethod
    def of(cls, layout: Layout) -> Self:
        """Return *layout* as a record."""
        return cls.model_validate(asdict(layout))

    @model_validator(mode="after")
    def _check(self) -> Self:
        begins = {
            Policy.FLAT: "SQfp16",
            Policy.HNSW: "HNSW",
            Policy.IVF: "IVF",
            Policy.IVFPQ: "IVF",
            Policy.SQ8: "SQ8",
        }
        if self.policy not in begins or not self.spec.startswith(begins[self.policy]):
            raise ValueError(f"{self.spec} is no layout of the policy {self.policy}")
        if ("PQ" in self.spec) != (self.policy is Policy.IVFPQ):
            raise ValueError(f"{self.spec} is no layout of the policy {self.policy}")
        if (self.policy is Policy.FLAT) == bool(self.effort):
            raise ValueError(f"{len(self.effort)} tuned efforts of the policy {self.policy}")
        tuned = [k for k, _ in self.effort]
        if tuned != sorted(set(tuned)):
            raise ValueError("its efforts are not by rising k")
        return self

    def to_domain(self) -> Layout:
        """Return the layout."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["rule"] = IndexRule(**self.rule.model_dump())
        return Layout(**values)
