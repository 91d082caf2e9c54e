"""Keys as they are pressed, without Enter."""

import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager


class Keyboard:
    """The terminal's keys; without a terminal, only the time that passes."""

    def __init__(self, *, present: bool) -> None:
        self._present = present

    def wait(self, seconds: float) -> str:
        """Return the key pressed within so many seconds; empty if none was."""
        if not self._present:
            time.sleep(seconds)
            return ""
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return sys.stdin.read(1) if ready else ""


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """Read single keys until the block ends; then the terminal is as before."""
    if not sys.stdin.isatty():
        yield Keyboard(present=False)
        return
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin)
        yield Keyboard(present=True)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
