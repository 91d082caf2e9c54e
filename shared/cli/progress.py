"""A bar on stderr for work that takes a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from shared.cli.terminal import err


@contextmanager
def bar(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far the work in the block is; call what it gives with (done, total).

    Nothing is shown where stderr is no terminal.
    """
    shown = Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
    )
    with shown:
        task = shown.add_task(doing, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
