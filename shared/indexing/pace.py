"""How much work one claim takes."""

from dataclasses import dataclass


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
