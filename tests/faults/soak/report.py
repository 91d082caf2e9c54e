"""What a soak found: as JSON for programs, as Markdown for people, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.faults.ledger import Verdict
from tests.faults.soak.figures import Percentiles
from tests.faults.soak.memory import Footprint
from tests.faults.soak.outages import Injection, Outage

_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One soak."""

    seed: str
    minutes: float
    backend: str
    load: Mapping[str, Mapping[str, int]]
    """By client: changes `submitted` and `acknowledged`."""
    faults: Mapping[str, int]
    """Injected ones by kind."""
    timeline: Sequence[Injection]
    """The same, one by one; times are seconds since the load began."""
    struck: Mapping[str, int]
    """What index workers were doing when they were killed."""
    waits: Percentiles | None
    """Seconds from an acknowledgement until a search sees the change."""
    waits_undisturbed: Percentiles | None
    """Of those with no fault at work meanwhile."""
    searches: Mapping[str, int]
    outages: Sequence[Outage]
    editions: Mapping[str, int]
    """Of the one document that is replaced all the time: `published`, and `seen` by its reader."""
    sampled: int
    """Live documents that were searched for at the end."""
    versions: int
    merges: int
    memory: Mapping[str, Footprint]
    verdicts: Mapping[str, Verdict]
    """By collection."""
    broken: Sequence[str]
    """Sentences about every other invariant that did not hold."""
    skipped: Sequence[str] = ()
    """Loads and faults that could not be had here, and why."""

    @property
    def problems(self) -> list[str]:
        """Everything that is wrong, in words; empty if every invariant held."""
        return [
            *(
                f"{name}: {problem}: {len(found)}: {', '.join(found[:_SHOWN])}"
                for name, verdict in self.verdicts.items()
                for problem, found in verdict.problems.items()
                if found
            ),
            *(
                f"searches failed for {one.seconds:.1f} s without a cause: {one.reason}"
                for one in self.outages
                if one.cause is None
            ),
            *self.broken,
        ]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return asdict(self) | {"passed": not self.problems, "problems": self.problems}

    def as_markdown(self) -> str:
        """Return all of it as a page."""
        sections = (
            self._head(),
            self._load(),
            self._fates(),
            self._faults(),
            self._waits(),
            self._outages(),
            self._invariants(),
            self._memory(),
        )
        return "\n\n".join(sections) + "\n"

    def _head(self) -> str:
        found = "passed" if not self.problems else "**FAILED**"
        lines = [
            f"# Soak on {self.backend}: {found}",
            "",
            f"{self.minutes:g} minutes, seed `{self.seed}`.",
            *(f"- {problem}" for problem in self.problems),
            *(f"- left out: {one}" for one in self.skipped),
        ]
        return "\n".join(lines)

    def _load(self) -> str:
        rows = [
            (name, f"{counts.get('submitted', 0):,}", f"{counts.get('acknowledged', 0):,}")
            for name, counts in sorted(self.load.items())
        ]
        sums = [
            f"{sum(counts.get(part, 0) for counts in self.load.values()):,}"
            for part in ("submitted", "acknowledged")
        ]
        return _table(("client", "submitted", "acknowledged"), [*rows, ("all", *sums)])

    def _fates(self) -> str:
        rows = [
            (
                name,
                f"{verdict.documents:,}",
                f"{verdict.indexed:,}",
                ", ".join(f"{state} {count:,}" for state, count in sorted(verdict.states.items())),
            )
            for name, verdict in self.verdicts.items()
        ]
        return _table(("collection", "documents", "live at the end", "changes by state"), rows)

    def _faults(self) -> str:
        struck = ", ".join(f"{doing} {count}" for doing, count in sorted(self.struck.items()))
        table = _table(
            ("fault", "times"), [(kind, str(n)) for kind, n in sorted(self.faults.items())]
        )
        words = f"Index workers were killed at: {struck or 'none was killed'}."
        return f"{table}\n\n{words}\n\n{self._timeline()}"

    def _timeline(self) -> str:
        """Return each fault with its time, folded away where the reader can fold."""
        rows = [
            (
                f"{one.began:.0f}",
                one.kind,
                one.detail,
                f"{(one.ended or one.began) - one.began:.1f}",
            )
            for one in self.timeline
        ]
        table = _table(("at, seconds", "fault", "detail", "mended after, seconds"), rows)
        return f"<details><summary>One by one</summary>\n\n{table}\n\n</details>"

    def _waits(self) -> str:
        rows = [
            (name, f"{one.count:,}", f"{one.p50:.2f}", f"{one.p95:.2f}", f"{one.p99:.2f}")
            for name, one in (
                ("all", self.waits),
                ("with no fault at work", self.waits_undisturbed),
            )
            if one
        ]
        return _table(("searchable after, seconds", "timed", "p50", "p95", "p99"), rows)

    def _outages(self) -> str:
        counts = ", ".join(f"{name} {n:,}" for name, n in sorted(self.searches.items()))
        if not self.outages:
            return f"Searches: {counts}. No outage."
        rows = [
            (f"{one.seconds:.1f}", str(one.failures), one.cause or "**none**", one.reason[:80])
            for one in self.outages
        ]
        table = _table(("outage, seconds", "failures", "cause", "first error"), rows)
        return f"Searches: {counts}. Outages: {len(self.outages)}.\n\n{table}"

    def _invariants(self) -> str:
        rows = [
            (name, problem, str(len(found)))
            for name, verdict in self.verdicts.items()
            for problem, found in verdict.problems.items()
        ]
        kept = sum(verdict.kept for verdict in self.verdicts.values())
        words = (
            f"{self.versions:,} versions, {self.merges:,} of them merges; every file of the {kept} "
            f"kept ones was verified. {self.sampled} live documents were searched for. The "
            f"replaced document: {self.editions.get('published', 0)} editions, "
            f"{self.editions.get('seen', 0)} seen by its reader, one in each version."
        )
        return f"{words}\n\n{_table(('collection', 'invariant', 'violations'), rows)}"

    def _memory(self) -> str:
        rows = [
            (role, str(one.peak), str(one.early), str(one.late))
            for role, one in sorted(self.memory.items())
        ]
        return _table(("role", "peak MB", "first quarter", "last quarter"), rows)


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
