"""How far long work is."""

from shared.ports import Step


class Progress:
    """Counts rows and tells; whoever listens may raise to stop the work."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._done = 0
        self._total = 0

    def expect(self, rows: int) -> None:
        """Add work ahead."""
        self._total += rows

    def advance(self, rows: int = 0) -> None:
        """Say that *rows* more are behind; 0 where something took time without an end in rows."""
        self._done += rows
        self._step(self._done, self._total)
