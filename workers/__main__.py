"""`python -m workers index|upkeep|intake|parser`: one process of one role.

It ends with 0 after SIGTERM, SIGINT or SIGQUIT, within `LAMINA_STOP_SECONDS`, and when it has
grown too large; with a code of `shared/exits.py` or 1 after a fault that only a fresh process may
get over. Whoever supervises starts it again.
"""

import argparse
import importlib
import socket
import sys
from typing import Protocol, cast

from shared import exits, lifeline, logs, tracing
from shared.errors import ConfigurationError
from shared.settings import Settings, limit_threads
from workers import process

ROLES = ("index", "upkeep", "intake", "parser")


class Role(Protocol):
    """A module that runs one role."""

    def run(self, settings: Settings, name: str) -> int:
        """Work until `process.stopping`; return the exit code."""
        ...


def main(arguments: list[str] | None = None) -> int:
    """Start the role that the command line names; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--parent-fd", type=int, metavar="N", help="end when this pipe closes")
    parser.add_argument(
        "--name",
        default=socket.gethostname(),
        help="the intake's name, by default the host's; one that is started again under its name "
        "goes on where it was, and two at once need two names",
    )
    options = parser.parse_args(arguments)
    process.handle_signals()
    settings = Settings()
    if options.parent_fd is not None:
        lifeline.watch(options.parent_fd, grace_seconds=settings.stop_seconds)
    logs.configure(settings.log_level, role=options.role)
    limit_threads()
    if settings.tracing:
        tracing.start(options.role)
    # Only now, since numpy counts its threads when it is imported; and only this role, since
    # no other must pay for torch.
    role = cast("Role", importlib.import_module(f"workers.{options.role}"))
    try:
        code = role.run(settings, options.name)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        return exits.CONFIGURATION
    tracing.stop()
    return code or process.exit_code()


if __name__ == "__main__":
    process.leave(main())
