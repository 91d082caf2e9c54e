"""The user's `lamina top`."""

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live

from shared.cli import configuration
from shared.cli.terminal import failures, out
from shared.client import Client, Unreachable

if TYPE_CHECKING:
    from shared.cli.top.readings import Reading

# Only this command needs to read metrics; see `shared/cli/operating.py`.
# ruff: noqa: PLC0415

_TICK_SECONDS = 0.25
"""How soon a key or a new size of the window shows."""


def top(
    *,
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one picture and end.")] = False,
) -> None:
    r"""Watch the installation at work: queue, rates, claims, versions, latency, memory.

    Rates and latencies are those between the last two looks; counts of other processes come in
    every few seconds. q or Ctrl-C ends it. Needs an admin key where keys are needed.

    \b
    lamina top
    lamina top --once --every 10
    """
    with failures():
        settings = configuration.load()
        with configuration.connect(settings) as client:
            if once:
                show_once(client, settings.web_url, every)
            else:
                _watch(client, settings.web_url, every)


def show_once(client: Client, url: str, seconds: float) -> None:
    """Print what happened within so many seconds.

    Raises:
        Failure: Lamina cannot be reached, or the key is not for this.
    """
    from shared.cli.top.frame import draw
    from shared.cli.top.readings import Span, read

    before = read(client)
    time.sleep(seconds)
    out.print(draw(Span(before, read(client)), url, height=out.height))


def _watch(client: Client, url: str, seconds: float) -> None:
    from shared.cli.top.frame import draw
    from shared.cli.top.keyboard import keyboard
    from shared.cli.top.readings import Span, read

    before = now = read(client)
    looked_at, size = time.monotonic(), out.size
    with keyboard() as keys, Live(console=out, screen=True, auto_refresh=False) as live:
        live.update(draw(Span(before, now), url, height=out.height), refresh=True)
        try:
            while keys.wait(_TICK_SECONDS) not in ("q", "Q"):
                due = time.monotonic() - looked_at >= seconds
                if due:
                    before, now = now, _read_or_keep(client, now)
                    looked_at = time.monotonic()
                if due or out.size != size:
                    size = out.size
                    live.update(draw(Span(before, now), url, height=out.height), refresh=True)
        except KeyboardInterrupt:
            return


def _read_or_keep(client: Client, last: "Reading") -> "Reading":
    """Return a new reading; the last one while Lamina is away, which a restart may be."""
    from shared.cli.top.readings import read

    try:
        return read(client)
    except Unreachable:
        return last
