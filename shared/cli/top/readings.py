"""What an installation says of itself at one moment, and what happened between two."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from shared.client import Client
from shared.client.replies import ClaimReply, StatusReply
from shared.measures.quantiles import quantile

_CLAIMS = 50

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One moment."""

    at: float
    """Seconds of a clock that only rises."""
    samples: Samples
    status: StatusReply
    claims: tuple[ClaimReply, ...]
    """Those under way."""

    def value(self, name: str, **labels: str) -> float | None:
        """Return a measure, `lamina_` left out of its name; None where it is not told."""
        return self.samples.get((f"lamina_{name}", frozenset(labels.items())))


def read(client: Client) -> Reading:
    """Ask for all that is shown.

    Raises:
        Failure: Lamina cannot be reached, or the key is not for this.
    """
    families = text_string_to_metric_families(client.metrics())
    samples = {
        (one.name, frozenset(one.labels.items())): one.value
        for family in families
        for one in family.samples
    }
    claims = client.claims(limit=_CLAIMS)
    return Reading(
        at=time.monotonic(),
        samples=samples,
        status=client.status(),
        claims=tuple(one for one in claims if one["state"] == "active"),
    )


@dataclass(frozen=True, slots=True)
class Span:
    """From one reading to a later one."""

    before: Reading
    now: Reading

    @property
    def seconds(self) -> float:
        """How long it is."""
        return max(self.now.at - self.before.at, 1e-9)

    def grown(self, name: str, **labels: str) -> float:
        """Return by how much a counter grew; every label that is not given is summed over."""
        wanted, name = set(labels.items()), f"lamina_{name}"
        return sum(
            max(0.0, value - self.before.samples.get(key, 0.0))
            for key, value in self.now.samples.items()
            if key[0] == name and wanted <= key[1]
        )

    def rate(self, name: str, **labels: str) -> float:
        """Return how fast a counter grew, in units a second."""
        return self.grown(name, **labels) / self.seconds

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Return about where *share* of a histogram's new values lie below; None without any."""
        return quantile(share, self._buckets(name, labels))

    def _buckets(self, name: str, labels: Mapping[str, str]) -> dict[float, float]:
        borders = {
            float(dict(key[1])["le"])
            for key in self.now.samples
            if key[0] == f"lamina_{name}_bucket" and set(labels.items()) <= key[1]
        }
        return {
            one: self.grown(
                f"{name}_bucket", **labels, le="+Inf" if one == float("inf") else str(one)
            )
            for one in borders
        }
