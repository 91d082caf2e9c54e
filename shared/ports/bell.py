"""What the use cases ask of a bell."""

from typing import Protocol


class Bell(Protocol):
    """Says "there is work". May be lost or doubled without harm; never blocks or raises."""

    def ring(self) -> None:
        """Wake an index worker."""
        ...

    def close(self) -> None:
        """Send what was rung, if that is quick, and end."""
        ...
