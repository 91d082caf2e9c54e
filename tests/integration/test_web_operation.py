"""The operation pages: what they show is so, and what they do is done."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from shared.domain import Condition, Lane
from shared.messages import parse
from shared.services import message_limits, open_recorder
from tests.integration.test_web_pages import send
from tests.unit.web.installation import KEY, Installation, body_of


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, metrics={"reading_seconds": 0.001}) as installation:
        yield installation


def take(lamina: Installation, *raws: bytes) -> None:
    """Take messages as the intake does."""
    limits = message_limits(lamina.services.settings)
    lamina.services.inbox.take(
        [parse(raw, limits, source="queue:q", receipt=f"push:{n}") for n, raw in enumerate(raws)]
    )


def fail(lamina: Installation, *names: str) -> None:
    """Let documents fail, and what refuses them be mended."""
    lamina.encoder.refuse("odd")
    lamina.add(*({"id": name, "title": "T", "text": f"odd {name}"} for name in names))
    lamina.index_all()
    lamina.encoder.forgive()


def listed(lamina: Installation, query: str = "") -> int:
    """Return how many dead letters the page lists."""
    return lamina.client().get(f"/operation/dead-letters{query}").text.count('<p class="what">')


def test_plots_and_words_say_what_happened_since_the_reading_before(lamina: Installation) -> None:
    recorder = open_recorder(lamina.services)
    client = lamina.client()
    before = client.get("/operation").text
    recorder.take()
    lamina.add(*({"text": f"text {n}"} for n in range(7)))
    lamina.index_all()
    lamina.search("text")
    lamina.services.measures.add(lamina.services.tally.take())
    recorder.take()
    lamina.add({"text": "waits"})
    found = body_of(client.get("/operation/plots"))
    after = client.get("/operation").text
    plots = found["plots"]
    (rate,) = plots["throughput"]["series"]["indexed"]
    (searched,) = plots["search"]["series"]["95 % (p95)"]

    assert "indexed: nothing to tell." in before
    assert len(found["at"]) == 1
    assert rate > 0
    assert searched > 0
    assert plots["backlog"]["series"] == {"interactive": [0], "bulk": [0], "rebuild": [0]}
    assert re.search(r"indexed: [\d,.]+/s now", after)
    assert plots["throughput"]["summary"] in unescape(after)
    assert re.search(r"<dt>Waiting</dt><dd>1</dd>", after)
    assert "No index process is alive." in after


def test_processes_say_what_they_do_and_what_troubles_them(lamina: Installation) -> None:
    it = lamina.services
    trouble = Condition(trouble="The disk is <full>.", trouble_seconds=90, version="9.8.7")
    it.roster.beat("h:1", "upkeep", trouble)
    it.roster.beat(lamina.bench.worker, "index", Condition(memory_bytes=300 * 2**20))
    lamina.add({"text": "in hand"})
    it.claims.claim(
        lamina.bench.worker,
        fingerprints=[lamina.encoder.card.fingerprint],
        max_lane=Lane.REBUILD,
        max_characters=1000,
        max_documents=10,
        lease_seconds=30,
    )
    page = lamina.client().get("/operation/processes").text
    first = lamina.client().get("/operation").text

    assert "The disk is &lt;full&gt;. For 2 minutes." in page or "&lt;full&gt;" in page
    assert "9.8.7" in page
    assert "Encoding 1 document, 7 characters" in page
    assert "315 MB" in page
    assert "Nothing to do just now" in page
    assert "upkeep h:1: The disk is &lt;full&gt;." in first


def test_dead_letters_are_shown_whole_filtered_replayed_and_dismissed(
    lamina: Installation,
) -> None:
    client = lamina.client()
    assert "No dead letters" in client.get("/operation/dead-letters").text
    fail(lamina, "a", "b/<c>")
    take(
        lamina,
        b"\xff\x00<",
        json.dumps({"collection": "later", "documents": [{"text": "x"}]}).encode(),
    )
    raw = next(
        one
        for one in re.findall(
            r'href="(/operation/dead-letters/message[^"]*)"',
            client.get("/operation/dead-letters").text,
        )
        if b"\xff" in client.get(f"{one}/raw").data
    )
    shown = client.get(raw).text
    saved = client.get(f"{raw}/raw")
    failed = client.get("/operation/dead-letters?kind=document").text

    assert (
        listed(lamina),
        listed(lamina, "?kind=document"),
        listed(lamina, "?collection=later"),
    ) == (4, 2, 1)
    assert listed(lamina, "?text=nothing+of+it") == 0
    assert "not UTF-8, so shown as base64" in shown
    assert saved.data == b"\xff\x00<"
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert saved.mimetype == "application/octet-stream"
    assert "b/&lt;c&gt;" in failed

    one = re.search(r'href="(/operation/dead-letters/document[^"]*)"', failed)
    assert one is not None
    replayed = send(client, one[1], f"{one[1]}/replay")
    assert "/jobs/" in replayed.headers["Location"]
    told = client.get(replayed.headers["Location"]).text
    assert "handed in again" in told
    rest = send(
        client, "/operation/dead-letters", "/operation/dead-letters/replay", kind="document"
    )
    assert "kind=document" in rest.headers["Location"]
    assert "1 handed in again." in client.get(rest.headers["Location"]).text
    lamina.index_all()
    assert {one["id"] for one in lamina.search("odd")["hits"]} == {"a", "b/<c>"}
    refused = send(client, "/operation/dead-letters", "/operation/dead-letters/replay")
    assert "2 refused again" in client.get(refused.headers["Location"]).text
    send(client, "/operation/dead-letters", f"{raw}/dismiss")
    assert listed(lamina) == 1
    send(client, "/operation/dead-letters", "/operation/dead-letters/dismiss")
    assert listed(lamina) == 0
    assert client.get(raw).status_code == 404
    assert client.get("/operation/dead-letters/nonsense").status_code == 404


def test_a_key_is_shown_once_opens_the_pages_and_is_revoked(lamina: Installation) -> None:
    client = lamina.client()
    wrong = send(client, "/operation/keys", name=" ", scope="search", days="soon")
    unknown = send(client, "/operation/keys", name="x", scope="all", collections="No Good")
    assert (wrong.status_code, unknown.status_code) == (422, 422)
    assert "days-error" in wrong.text
    assert "scope-error" in unknown.text
    assert lamina.services.keys.made() == []

    made = send(client, "/operation/keys", name="<mine>", scope="admin", collections="", days="30")
    found = re.search(r'<code id="new-key">(lamina_[^<]+)</code>', made.text)
    assert found is not None
    assert made.status_code == 201
    assert "every request needs a key" in made.text
    assert client.get("/operation").status_code == 302
    admin = lamina.client(key=found[1])
    page = admin.get("/operation/keys").text
    assert found[1] not in page
    assert "&lt;mine&gt;" in page
    (key,) = lamina.services.keys.made()
    acts = admin.get("/operation/record").text
    assert "key.create" in acts
    assert key.id in acts
    revoked = send(admin, "/operation/keys", f"/operation/keys/{key.id}/revoke")
    assert revoked.status_code == 303
    assert not lamina.services.keys.made()[0].usable


def test_why_something_waits_is_told_in_words(lamina: Installation) -> None:
    job = lamina.add({"id": "a", "text": "waits"})
    client = lamina.client()

    assert "No index worker is alive" in client.get(f"/operation/why?job={job}").text
    assert "No index worker is alive" in client.get("/operation/why?document=a&collection=c").text
    assert "Nothing with the key" in client.get("/operation/why?key=k").text
    missing = client.get("/operation/why?job=nothing")
    both = client.get("/operation/why?job=a&key=b")
    assert (missing.status_code, both.status_code) == (404, 422)
    assert "No such job" in missing.text
    assert "just one" in both.text


def test_what_the_doctor_says_is_on_a_page(lamina: Installation) -> None:
    client = lamina.client()
    page = client.get("/operation/health").text

    assert re.search(r"\d+ things? wrong", page)
    assert "None is alive" in page
    assert "free where the data folder lies" in page
    lamina.services.roster.beat("host:1", "upkeep")
    assert "None is alive" in client.get("/operation/health").text, "one look for all who ask"
    lamina.app.extensions["examinations"].forget()
    assert "1 upkeep" in client.get("/operation/health").text


def test_only_whoever_may_administer_all_gets_in(tmp_path: Path) -> None:
    with Installation.open(tmp_path, admin_key=KEY) as lamina:
        admin = lamina.client(key=KEY)
        for scope, collections in (("write", None), ("admin", ["c"])):
            asked = {"name": scope, "scope": scope, "collections": collections}
            key = body_of(admin.post("/api/v1/keys", json=asked))["key"]
            client = lamina.client(key=key)
            assert client.get("/operation").status_code == 403
            assert client.get("/operation/plots").status_code == 403
            assert "/operation" not in client.get("/").text
        assert "/operation" in admin.get("/").text
