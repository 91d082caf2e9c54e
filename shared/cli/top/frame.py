"""One picture of what an installation is doing."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shared.cli.top.readings import Reading, Span
from shared.words import size

LANES = ("interactive", "bulk", "rebuild")
_HEAD_LINES = 19
"""Lines of all that is always shown, headings included."""
_LEAST_ROWS = 3


def draw(span: Span, url: str, *, height: int) -> RenderableType:
    """Return the picture of *span* for a terminal with so many lines."""
    rows = max(_LEAST_ROWS, (height - _HEAD_LINES) // 3)
    now = span.now
    return Group(
        _title(now, url),
        Text(),
        _waiting(now),
        _files(now),
        *_rebuilds(now, rows),
        Text(),
        _work(span),
        Text(),
        _claims(now, rows),
        Text(),
        _collections(now, rows),
        Text(),
        _processes(now, rows),
    )


def _title(now: Reading, url: str) -> Text:
    title = Text(f"Lamina {now.status['version']} at {url}   ", style="bold")
    title.append("catalog ", style="default").append(*_up(now.value("catalog_up")))
    title.append("  broker ", style="default").append(*_up(now.value("broker_up")))
    for name, words in (("damages", "damaged files"), ("dead_letters", "dead letters")):
        if count := now.status.get(name):
            title.append(f"  {count} {words}", style="red")
    return title


def _up(value: float | None) -> tuple[str, str]:
    return ("up", "green") if value else ("away", "red")


def _waiting(now: Reading) -> Table:
    table = _table("lane", "documents", "characters", "oldest")
    for lane in LANES:
        oldest = now.value("backlog_oldest_seconds", lane=lane)
        table.add_row(
            lane,
            _count(now.value("backlog_documents", lane=lane)),
            _count(now.value("backlog_characters", lane=lane)),
            _duration(oldest) if oldest else "-",
        )
    return table


def _files(now: Reading) -> Text:
    files = now.status["files"]
    words = [f"{files['waiting']:,} waiting", f"{files['being_read']:,} being read"]
    if files["waiting"]:
        oldest = _duration(files["oldest_seconds"])
        words += [size(files["bytes"]), f"oldest {oldest}"]
    return Text("files ", style="dim").append(", ".join(words), style="default")


def _rebuilds(now: Reading, rows: int) -> Iterator[Text]:
    running = now.status["rebuilds"]
    for one in running[:rows]:
        words = f"{one['collection']}, {one['state']}: {one['done']:,} of {one['of']:,}"
        line = Text("rebuild ", style="dim").append(words, style="default")
        if one["failed"]:
            line.append(f", {one['failed']:,} failed", style="red")
        yield line.append(f" {one['trouble']}" if one["trouble"] else "", style="red")
    if len(running) > rows:
        yield Text(f"and {len(running) - rows} more", style="dim")


def _work(span: Span) -> Table:
    computed = span.grown("encoded_padded_tokens_total")
    padding = 1 - span.grown("encoded_tokens_total") / computed if computed else None
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(6):
        table.add_column()
    table.add_row(
        *_pair("documents/s", f"{span.rate('documents_total'):,.1f}"),
        *_pair("tokens/s", f"{span.rate('encoded_tokens_total'):,.0f}"),
        *_pair("padding", "-" if padding is None else f"{padding:.0%}"),
    )
    table.add_row(
        *_pair("searches/s", f"{span.rate('search_stage_seconds_count', stage='total'):,.1f}"),
        *_pair("search p50, p95", _quantiles(span, "search_stage_seconds", stage="total")),
        *_pair("in flight", _count(span.now.value("searches_in_flight"))),
    )
    table.add_row(
        *_pair("requests/s", f"{span.rate('http_requests_total'):,.1f}"),
        *_pair("searchable p50, p95", _quantiles(span, "searchable_seconds")),
        *_pair("versions behind", _count(span.now.value("versions_behind"))),
    )
    return table


def _claims(now: Reading, rows: int) -> Table:
    table = _table("claim", "worker", "lane", "documents", "characters", "since")
    shown = now.claims[:rows]
    for one in shown:
        lane = LANES[one["lane"]] if one["lane"] < len(LANES) else str(one["lane"])
        table.add_row(
            str(one["id"]),
            one["worker"],
            lane,
            f"{one['documents']:,}",
            _count(one["characters"]),
            one["claimed_at"][11:19],
        )
    _rest(table, len(now.claims) - len(shown), 6)
    return table


def _collections(now: Reading, rows: int) -> Table:
    table = _table("collection", "version", "documents", "waiting", "segments", "size", "recall")
    largest = sorted(now.status["collections"], key=lambda one: one["documents"], reverse=True)
    for one in largest[:rows]:
        recall = now.value("live_recall", collection=one["name"])
        table.add_row(
            one["name"],
            f"{one['version']:,}",
            f"{one['documents']:,}",
            f"{one['waiting']:,}",
            f"{one['segments']:,}",
            size(one["bytes"]),
            "-" if recall is None else f"{recall:.3f}",
        )
    _rest(table, len(largest) - rows, 7)
    return table


def _processes(now: Reading, rows: int) -> Table:
    table = _table("process", "kind", "memory", "trouble")
    troubles = {one["process"]: one["trouble"] for one in now.status["troubles"]}
    # Those in trouble first, so that they are never among what has no room.
    alive = sorted(now.status["alive"], key=lambda one: one["process"] not in troubles)
    for one in alive[:rows]:
        memory = size(one["memory_bytes"]) if one["memory_bytes"] else "-"
        trouble = troubles.get(one["process"], "")
        table.add_row(one["process"], one["kind"], memory, Text(trouble, style="red"))
    _rest(table, len(alive) - rows, 4)
    return table


def _table(*columns: str) -> Table:
    """Return a table of words on the left and numbers on the right."""
    words = {"lane", "worker", "collection", "process", "kind", "trouble", "since"}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(
            column,
            justify="left" if column in words else "right",
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _rest(table: Table, left: int, columns: int) -> None:
    if left > 0:
        table.add_row(*[f"and {left} more", *[""] * (columns - 1)], style="dim")


def _pair(name: str, value: str) -> Sequence[RenderableType]:
    return Text(name, style="dim"), Text(f"{value}    ", style="bold")


def _quantiles(span: Span, name: str, **labels: str) -> str:
    found = [span.quantile(share, name, **labels) for share in (0.5, 0.95)]
    return ", ".join("-" if one is None else _duration(one) for one in found)


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 120:  # noqa: PLR2004 - minutes from two on
        return f"{seconds:.1f} s"
    return f"{seconds / 60:,.0f} min"
