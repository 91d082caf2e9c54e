"""What commands say and how they end. Answers go to stdout, everything else to stderr."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import IntEnum
from http import HTTPStatus

import httpx
import typer
from rich.console import Console
from rich.table import Table

from shared.client import ClientError, Refused, Unreachable
from shared.errors import (
    ConfigurationError,
    InvalidRequest,
    LaminaError,
    NotFound,
    Retryable,
    VersionExpired,
)

_WIDTH_OF_FILES = 200

# A file or a pipe has no width; the default of 80 would break the tables.
out = Console(
    highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else _WIDTH_OF_FILES
)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """How a command ends; listed in `lamina --help`."""

    OK = 0
    FAILED = 1
    """Documents failed, or the work could not be done."""
    USAGE = 2
    """The command line or the input is wrong; nothing more was done."""
    UNREACHABLE = 3
    """Lamina cannot be reached or cannot take more work just now."""


class Failure(Exception):
    """A command cannot go on; says why and with which exit code."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        self.code = code
        super().__init__(message)


def confirm(question: str, *, yes: bool, otherwise: str) -> None:
    """Ask before something that changes much, unless the user said yes beforehand.

    Raises:
        Failure: the answer was no, or nobody is there to answer: *otherwise* says what to do.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(otherwise, Exit.USAGE)
    if not typer.confirm(question, err=True):
        raise Failure("Nothing was changed.")


@contextmanager
def failures() -> Iterator[None]:
    """Turn the product's own errors into a message and an exit code.

    Raises:
        SystemExit: an error was told to the user.
    """
    try:
        yield
    except Failure as failure:
        complain(str(failure))
        raise SystemExit(failure.code) from failure
    except ClientError as error:
        complain(_with_advice(error))
        raise SystemExit(_code_of_call(error)) from error
    except LaminaError as error:
        complain(f"{error.title}: {error}")
        raise SystemExit(code_of(error)) from error


def _with_advice(error: ClientError) -> str:
    if isinstance(error, Unreachable) and isinstance(error.__cause__, httpx.ConnectError):
        return f"Lamina is not running; start it with ./run. {error}"
    if isinstance(error, Refused) and error.status == HTTPStatus.UNAUTHORIZED:
        return f"{error} (set LAMINA_KEY, or LAMINA_ADMIN_KEY or LAMINA_ADMIN_KEY_FILE)"
    return str(error)


def _code_of_call(error: ClientError) -> Exit:
    if not isinstance(error, Refused) or error.busy:
        return Exit.UNREACHABLE
    is_ours = HTTPStatus.BAD_REQUEST <= error.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return Exit.USAGE if is_ours else Exit.FAILED


def code_of(error: LaminaError) -> Exit:
    """Return the exit code of one of the product's errors."""
    if isinstance(error, InvalidRequest | ConfigurationError | NotFound | VersionExpired):
        return Exit.USAGE
    return Exit.UNREACHABLE if isinstance(error, Retryable) else Exit.FAILED


def complain(message: str) -> None:
    """Tell the user what went wrong."""
    err.print(f"lamina: {message}", markup=False)


def say(message: str) -> None:
    """Tell the user what is going on."""
    err.print(message, markup=False)


def answer(message: str) -> None:
    """Print a line of the answer."""
    out.print(message, markup=False)


def answer_json(value: object) -> None:
    """Print the answer as JSON, one document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201 - never wrapped or coloured


def answer_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print the answer as a table; numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    out.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def states_in_words(counts: Mapping[str, int]) -> str:
    """Return counts by state, without the zeros: `12 indexed, 1 failed`."""
    return ", ".join(f"{count:,} {state}" for state, count in counts.items() if count) or "none"
