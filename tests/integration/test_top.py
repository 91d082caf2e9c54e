"""`lamina top`: what is shown is what happens."""

import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread

import httpx
import pytest
from rich.console import Console
from werkzeug.serving import make_server

from shared.cli.top.command import show_once
from shared.cli.top.frame import draw
from shared.cli.top.readings import Span, read
from shared.client import Client
from shared.domain import Condition
from shared.measures.tally import hand_over
from tests.unit.web.installation import KEY, Installation
from web.metrics import Exposition

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, admin_key=KEY) as installation:
        yield installation


@pytest.fixture
def client(lamina: Installation) -> Iterator[Client]:
    """A client of the command line that needs no port."""
    headers = {"Authorization": f"Bearer {KEY}"}
    transport = httpx.WSGITransport(app=lamina.app)
    with Client(
        httpx.Client(transport=transport, base_url="http://localhost", headers=headers)
    ) as opened:
        yield opened


def shown(span: Span, *, height: int = 60) -> str:
    console = Console(width=120, height=height, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(draw(span, "http://here", height=height))
    console.file.close()
    return console.export_text()


def settle(lamina: Installation) -> None:
    hand_over(lamina.services.measures, lamina.services.tally)
    lamina.app.extensions["metrics"] = Exposition(lamina.services)


def test_a_frame_shows_what_happened_between_two_looks(
    lamina: Installation, client: Client
) -> None:
    services = lamina.services
    services.roster.beat("host:1", "index", Condition(memory_bytes=321_000_000))
    services.roster.beat("host:2", "intake", Condition(trouble="Broker unavailable."))
    web = lamina.client(key=KEY)
    texts = [{"id": str(number), "text": f"text {number}"} for number in range(10)]
    assert web.post("/api/v1/collections/c/documents", json={"documents": texts}).status_code == 202
    settle(lamina)
    first = read(client)
    lamina.index_all()
    for _ in range(4):
        web.get("/api/v1/collections/c/search?q=text&min_version=1")
    waiting = [{"id": "w", "text": "four"}]
    web.post("/api/v1/collections/c/documents?lane=bulk", json={"documents": waiting})
    claim = services.claims.claim(
        "host:1",
        fingerprints=[lamina.encoder.card.fingerprint],
        max_lane=2,
        max_characters=100,
        max_documents=10,
        lease_seconds=30,
    )
    assert claim is not None
    settle(lamina)
    second = read(client)
    span = Span(first, replace(second, at=first.at + 2.0))

    assert span.rate("documents_total") == 5.0
    assert span.rate("search_stage_seconds_count", stage="total") == 2.0
    half, most = (span.quantile(one, "search_stage_seconds", stage="total") for one in (0.5, 1.0))
    assert half is not None
    assert most is not None
    assert 0 < half <= most <= 10
    assert span.quantile(0.5, "pass_seconds") is not None
    assert Span(second, second).quantile(0.5, "pass_seconds") is None

    before, frame = (
        [line.split() for line in shown(one).splitlines()] for one in (Span(first, first), span)
    )
    assert any(line[:3] == ["interactive", "10", "60"] for line in before)
    assert any(line[:2] == ["documents/s", "5.0"] for line in frame)
    assert any(line[:2] == ["searches/s", "2.0"] for line in frame)
    assert any(line[:5] == ["2", "host:1", "bulk", "1", "4"] for line in frame)
    assert any(line[:4] == ["c", "1", "10", "1"] for line in frame)
    assert ["host:1", "index", "321", "MB"] in frame
    assert ["host:2", "intake", "-", "Broker", "unavailable."] in frame
    assert frame[0][-2:] == ["broker", "away"]


def test_on_a_small_window_lists_end_and_say_so(lamina: Installation, client: Client) -> None:
    for number in range(9):
        lamina.services.roster.beat(f"host:{number}", "index")
    reading = read(client)

    small, large = (shown(Span(reading, reading), height=one) for one in (20, 80))

    assert "and 6 more" in small
    assert "more" not in large
    assert large.count("host:") == 9


def test_once_prints_a_frame(
    lamina: Installation, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    show_once(client, "http://here", 0.01)

    printed = capsys.readouterr().out
    assert "Lamina 0.1.0 at http://here   catalog up" in printed
    assert "collection" in printed


def test_in_a_terminal_it_draws_redraws_and_ends_at_q(lamina: Installation) -> None:
    server = make_server("127.0.0.1", 0, lamina.app, threaded=True)
    serving = Thread(target=server.serve_forever)
    serving.start()
    terminal, inside = pty.openpty()
    environment = os.environ | {
        "LAMINA_URL": f"http://127.0.0.1:{server.server_port}",
        "LAMINA_KEY": KEY,
        "TERM": "xterm",
        "COLUMNS": "100",
        "LINES": "40",
    }
    command = [sys.executable, "-m", "shared.cli", "top", "--every", "0.5"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=inside, stdout=inside, stderr=inside
    )
    os.close(inside)
    try:
        drawn = read_until(terminal, b"Lamina 0.1.0", times=2)
        os.write(terminal, b"q")
        read_until(terminal, b"", times=0)
        assert process.wait(timeout=20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
        server.shutdown()
        serving.join()
        server.server_close()
    assert b"\x1b[?1049h" in drawn, "on a screen of its own"


def read_until(terminal: int, word: bytes, *, times: int) -> bytes:
    """Return what a terminal shows until *word* came so often, or its end if it is 0."""
    drawn, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline and not (times and drawn.count(word) >= times):
        ready, _, _ = select.select([terminal], [], [], 1.0)
        if ready:
            try:
                part = os.read(terminal, 65536)
            except OSError:  # Linux says so when nobody has the other end open
                break
            drawn += part
            if not part:
                break
    return drawn
