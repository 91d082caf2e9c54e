"""What processes say of themselves."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What a process says with each beat."""

    version: str = ""
    """Of Lamina, as its code has it; empty if it does not say."""
    schema: str = ""
    """The newest schema revision that its code knows; empty if it does not say."""
    encoders: tuple[str, ...] = ()
    """Fingerprints of the encoders that it can use."""
    trouble: str | None = None
    """Why it does not get on with its work; None if it does."""
    trouble_seconds: float = 0.0
    """How long that had lasted, by its own clock: it may be that the catalog's was away."""
    memory_bytes: int = 0
    """Resident memory; 0 if it does not say."""
    searches: int = 0
    """Under way in it just now."""
    behind: int = 0
    """By how many versions the reader in it that is farthest behind is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that is alive."""

    name: str
    """`host:pid`, as leases name it."""
    kind: str
    """`index`, `intake`, `upkeep` or `web`."""
    beat_at: float
    """When it last said so."""
    condition: Condition

    @property
    def troubled_since(self) -> float | None:
        """When its trouble began; None if it has none."""
        if self.condition.trouble is None:
            return None
        return self.beat_at - self.condition.trouble_seconds
