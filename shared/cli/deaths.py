"""How the processes that the supervisor starts end, and what is said of it."""

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared import exits
from shared.cli.logs import last_lines

LOOPING = 3
"""So many deaths of a young process in a row are a loop, and no accident."""
_LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended."""

    pid: int
    code: int
    """Exit code; negative for a signal."""
    young: int
    """How often in a row it died young, this time included; 0 if it did not."""

    @property
    def begins_loop(self) -> bool:
        """Whether from now on it counts as dying in a loop."""
        return self.young == LOOPING

    @property
    def in_loop(self) -> bool:
        """Whether it was known already that it dies in a loop."""
        return self.young > LOOPING


def obituary(name: str, death: Death, log: Path, wait: float) -> Sequence[str]:
    """Return what to say of a death: more when it turns out to be a loop, and then no more.

    Args:
        name: of the process.
        death: how it ended.
        log: where it wrote.
        wait: seconds until it is started again.
    """
    if death.in_loop:
        return ()
    when = f"in {wait:.1f} s" if wait > 0 else "now"
    first = f"{name} {in_words(death.code)}; starting it again {when}"
    if not death.begins_loop:
        return (first,)
    loop = (
        f"{name} keeps dying: this was the third time in a row. It goes on being started, less and "
        f"less often, and you will hear when it runs. The end of {log}:"
    )
    return (first, loop, *(f"  {line}" for line in last_lines(log, _LOG_LINES)))


def in_words(code: int) -> str:
    """Return how a process ended."""
    if code == exits.HANGING:
        return "ended itself because its encoder hung"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
