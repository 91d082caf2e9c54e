"""How much work one claim takes, and how long to wait after one that failed."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """How many characters make one claim, from the speed measured so far."""

    seconds: float
    """How long one claim should take."""
    characters_per_second: float = 12_000.0
    """MiniLM on one slow core; corrected after the first claim."""
    backlog: bool = False
    """Whether the last claim left work behind: then the next takes twice as much, since what
    waits longer than a claim lasts gains nothing from small ones, and fuller passes are faster."""

    @property
    def characters(self) -> int:
        """Size of the next claim."""
        seconds = self.seconds * (2 if self.backlog else 1)
        return max(4_000, int(self.characters_per_second * seconds))

    def learn(self, characters: int, seconds: float) -> None:
        """Take the newest speed in, weighted so that one odd claim does not rule."""
        if seconds > 0.05 and characters:  # noqa: PLR2004 - shorter says nothing about speed
            measured = characters / seconds
            self.characters_per_second += 0.3 * (measured - self.characters_per_second)


@dataclass(slots=True)
class Backoff:
    """How long a claim waits that failed by no document's fault: longer each time in a row.

    By encoder, since one whose model is damaged fails while others go on.
    """

    first_seconds: float = 2.0
    longest_seconds: float = 60.0
    _delays: dict[str, float] = field(default_factory=dict)

    def fail(self, fingerprint: str) -> float:
        """Return how many seconds to wait after one more failure with this encoder."""
        longer = 2 * self._delays.get(fingerprint, self.first_seconds / 2)
        self._delays[fingerprint] = min(self.longest_seconds, longer)
        return self._delays[fingerprint]

    def succeed(self, fingerprint: str) -> None:
        """Start anew with the shortest wait."""
        self._delays.pop(fingerprint, None)
