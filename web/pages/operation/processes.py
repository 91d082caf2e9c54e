"""`/operation/processes`: who is alive, and what each does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import render_template

from shared.domain import Chore, ChoreState, Holder, Process
from shared.services import Services
from shared.waiting.forecast import ALIVE_SECONDS
from web.context import services
from web.pages.operation.tabs import blueprint

_MOST_CHORES = 100


@dataclass(frozen=True, slots=True)
class Worker:
    """A process, and what is in its hands."""

    process: Process
    holds: Sequence[Holder]
    chores: Sequence[Chore]


@blueprint.get("/processes")
def processes() -> str:
    """List the processes that are alive."""
    return render_template("operation/processes.html", **_context())


@blueprint.get("/processes/list")
def process_list() -> str:
    """Return the part of the page that changes."""
    return render_template("operation/_processes.html", **_context())


def standing(it: Services, arguments: Mapping[str, str]) -> object:  # noqa: ARG001 - there is one
    """Return what the part of the page that changes is made of, for `/live`."""
    return [
        (one.process.name, one.process.condition.trouble, one.holds, one.chores)
        for one in _workers(it)
    ]


def _context() -> dict[str, object]:
    it = services()
    return {"workers": _workers(it), "now": it.roster.now()}


def _workers(it: Services) -> Sequence[Worker]:
    holders = it.waiting.holders()
    newest = it.chores.chores(limit=_MOST_CHORES)
    chores = [one for one in newest if one.state is ChoreState.ACTIVE]
    return [
        Worker(
            process,
            [one for one in holders if one.worker == process.name],
            [one for one in chores if one.holder == process.name],
        )
        for process in it.roster.processes(within_seconds=ALIVE_SECONDS)
    ]
