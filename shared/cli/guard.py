"""Run a program that ends when its parent dies, however that happens.

`python -I -S guard.py PARENT_PID LIFELINE_FD PROGRAM ARGUMENTS…`. For programs that are not
ours; our own watch the lifeline themselves. On Linux the kernel does it and this process becomes
the program; elsewhere this process stays, and ends the program when the lifeline closes.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def _become(parent: int, command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    # SIGKILL is safe for a server that writes its log before it answers, and cannot be refused.
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:  # it died before the line above
        sys.exit(1)
    os.execv(command[0], command)  # noqa: S606 - the point of this file


def _stay(lifeline: int, command: list[str]) -> int:
    with subprocess.Popen(command) as program:  # noqa: S603 - the supervisor's own list
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda got, _frame: program.send_signal(got))
        while program.poll() is None:
            readable, _, _ = select.select([lifeline], [], [], 0.2)
            if readable:  # end of file: nothing is ever written
                program.kill()
        return program.returncode


def main() -> None:
    """Run what the command line names."""
    parent, lifeline, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    if sys.platform == "linux":
        _become(parent, command)
    sys.exit(_stay(lifeline, command))


if __name__ == "__main__":
    main()
