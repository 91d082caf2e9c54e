"""The pages of a collection do their work without JavaScript, and say what is wrong where it is."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from shared.domain import Policy
from shared.projecting.mapping import draw_next
from shared.services import open_studio
from tests.unit.web.installation import KEY, Installation, body_of

C = "/collections/c"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, webhooks={"private": True}) as installation:
        yield installation


@pytest.fixture
def client(lamina: Installation) -> FlaskClient:
    return lamina.client()


def fill(lamina: Installation, *texts: str) -> None:
    """Make a version of each text."""
    for text in texts:
        lamina.add({"id": "a/b c", "title": "<Title>", "text": text, "metadata": {"lang": "en"}})
        lamina.index_all()


def send(client: FlaskClient, page: str, path: str = "", **data: str) -> TestResponse:
    """Send a form of *page* to *path*, by default the page's own, as a browser would."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert token is not None
    return client.post(path or page, data={**data, "csrf_token": token[1]})


def follow(client: FlaskClient, response: TestResponse) -> str:
    assert response.status_code == 303, response.text
    return unescape(client.get(response.headers["Location"]).text)


def test_documents_are_browsed_filtered_and_looked_into(
    lamina: Installation, client: FlaskClient
) -> None:
    assert "No documents yet" in client.get(f"{C}/documents").text
    fill(lamina, "first text", "second text")
    lamina.encoder.refuse("odd")
    lamina.add(*({"id": f"x{n:03}", "text": f"odd {n}"} for n in range(15)))
    lamina.add(*({"id": f"y{n:03}", "title": "a title " * 40, "text": "word"} for n in range(20)))
    lamina.add(*({"id": f"z{n:03}", "text": "word"} for n in range(20)))
    lamina.index_all()

    first = client.get(f"{C}/documents").text
    following = re.search(r'href="([^"]+cursor=[^"]+)"', first)
    assert following is not None
    second = client.get(unescape(following[1])).text
    listed = re.findall(r"/documents/([xyz]\d+)\"", first + second)
    assert listed == sorted(set(listed))
    assert len(listed) == 55
    failed = client.get(f"{C}/documents?state=failed").text
    assert failed.count("tag failed") == 15
    assert "The model chokes" in failed
    assert client.get(f"{C}/documents?warnings=yes").text.count("1 warning") == 20
    assert "a/b c" in client.get(f"{C}/documents?filter=lang+%3D+%22en%22").text
    assert "No document matches" in client.get(f"{C}/documents?prefix=nothing").text
    old = client.get(f"{C}/documents?version=1").text
    assert ("a/b c" in old, "x000" in old) == (True, False)

    wrong = client.get(f"{C}/documents?filter=lang+%3D")
    assert wrong.status_code == 422
    assert 'id="filter-error"' in wrong.text
    gone = client.get(f"{C}/documents?version=77")
    assert gone.status_code == 404
    assert 'id="version-error"' in gone.text


def test_a_document_shows_passages_and_history_and_is_deleted(
    lamina: Installation, client: FlaskClient
) -> None:
    fill(lamina, "first text", "word " * 200)
    page = client.get(f"{C}/documents/a/b%20c")

    assert "&lt;Title&gt;" in page.text
    assert page.text.count('<p class="text"') > 1
    assert "tokens, characters 0 to" in page.text
    assert "replaced by a newer revision" not in page.text
    assert page.text.count("searchable") >= 2
    assert "like=a/b+c" in page.text

    deleted = send(client, f"{C}/documents/a/b%20c")
    job = follow(client, deleted)
    assert "leaves the next version" in job
    lamina.index_all()
    after = client.get(f"{C}/documents/a/b%20c").text
    assert "This document is deleted" in after
    assert client.get(f"{C}/documents/never").status_code == 404


def test_versions_are_drawn_named_previewed_and_restored(
    lamina: Installation, client: FlaskClient
) -> None:
    assert "<svg" not in client.get(f"{C}/versions").text
    fill(lamina, "one", "two", "three")
    page = client.get(f"{C}/versions").text
    assert '<svg viewBox="0 0 960 190" aria-hidden="true">' in page
    assert '<p class="sr">From version 0 to 3: documents from 0 to 1' in page
    assert page.count("hit-area") == 4

    named = follow(client, send(client, f"{C}/versions/2", f"{C}/versions/2/tags", tag="golden"))
    assert "Version 2 is called golden" in named
    wrong = follow(client, send(client, f"{C}/versions/2", f"{C}/versions/2/tags", tag="1st"))
    assert "cannot be a tag" in wrong
    assert "golden" in client.get(f"{C}/versions").text
    about = client.get(f"{C}/versions/golden").text
    assert re.search(r"<strong>1</strong> changed", about)

    ask = client.get(f"{C}/versions/golden/restore").text
    assert "Restore version 2?" in ask
    assert re.search(r"<strong>1</strong> changed", ask)
    unsure = follow(client, send(client, f"{C}/versions/2/restore"))
    assert "Tick the box" in unsure
    assert lamina.services.collections.stats()[0].version == 3
    done = follow(client, send(client, f"{C}/versions/2/restore", sure="yes"))
    assert "Version 4 is version 2 again." in done
    assert lamina.search("two")["hits"][0]["passage"] == "two"
    nothing = follow(client, send(client, f"{C}/versions/4/restore", sure="yes"))
    assert "Nothing to do" in nothing

    form = {"version": "2"}
    gone = follow(client, send(client, f"{C}/versions/2", f"{C}/tags/golden/remove", **form))
    assert "golden names no version any more." in gone
    for path in ("/versions/9", "/versions/9/restore", "/versions/no-tag", "/versions/-1"):
        assert client.get(C + path).status_code == 404


def test_the_index_policy_is_changed_and_wrong_values_are_told(
    lamina: Installation, client: FlaskClient
) -> None:
    fill(lamina, "one")
    page = f"{C}/index"
    form = {"policy": "sq8", "recall_target": "0.97", "memory_mib": "1.5"}
    assert "Saved." in follow(client, send(client, page, **form))
    rule = lamina.services.collections.get("c").index
    assert (rule.policy, rule.recall_target) == (Policy.SQ8, 0.97)
    assert rule.memory_limit_bytes == 3 * 2**19
    follow(client, send(client, page, policy="auto", recall_target="0.97", memory_mib=""))
    assert lamina.services.collections.get("c").index.memory_limit_bytes is None

    refused = send(client, page, policy="auto", recall_target="2", memory_mib="lots")
    assert refused.status_code == 422
    assert 'id="recall_target-error"' in refused.text
    assert 'id="memory_mib-error"' in refused.text
    assert lamina.services.collections.get("c").index.recall_target == 0.97


def test_settings_keep_rename_alias_and_delete(lamina: Installation, client: FlaskClient) -> None:
    settings = f"{C}/settings"
    form = {"versions": "5", "days": "2.5"}
    assert "Saved." in follow(client, send(client, settings, f"{settings}/retention", **form))
    rule = lamina.services.collections.get("c").retention
    assert (rule.versions, rule.days, rule.thinned) == (5, 2.5, False)
    wrong = send(client, settings, f"{settings}/retention", versions="0", days="x")
    assert wrong.status_code == 422
    assert 'id="versions-error"' in wrong.text
    assert 'id="days-error"' in wrong.text

    lamina.new_collection("taken")
    for name, status in (("Not Good", 422), ("taken", 409)):
        refused = send(client, settings, f"{settings}/name", new_name=name)
        assert (refused.status_code, 'id="new_name-error"' in refused.text) == (status, True)
    for alias, status in (("Not Good", 422), ("taken", 409)):
        refused = send(client, settings, f"{settings}/aliases", alias=alias)
        assert (refused.status_code, 'id="alias-error"' in refused.text) == (status, True)
    follow(client, send(client, settings, f"{settings}/aliases", alias="live"))
    assert "Settings" in client.get("/collections/live/settings").text

    unsure = send(client, settings, f"{settings}/delete", confirm="C")
    in_use = send(client, settings, f"{settings}/delete", confirm="c")
    assert (unsure.status_code, in_use.status_code) == (422, 409)
    assert "alias" in in_use.text
    follow(client, send(client, settings, f"{settings}/aliases/remove", alias="live"))
    renamed = send(client, settings, f"{settings}/name", new_name="new-name")
    assert renamed.headers["Location"] == "/collections/new-name/settings"
    page = "/collections/new-name/settings"
    gone = follow(client, send(client, page, f"{page}/delete", confirm="new-name"))
    assert "new-name is deleted" in gone
    assert client.get(page).status_code == 404

    deleted = re.search(r'name="id" value="(\d+)"', gone)
    assert deleted is not None
    form = {"id": deleted[1], "new_name": "taken"}
    clash = follow(client, send(client, "/collections", "/collections/new-name/recover", **form))
    assert "exists" in clash
    form = {"id": deleted[1], "new_name": "c"}
    back = follow(client, send(client, "/collections", "/collections/new-name/recover", **form))
    assert "“c” is back" in back


def test_a_rebuild_is_asked_for_followed_cancelled_and_done(
    lamina: Installation, client: FlaskClient
) -> None:
    page = f"{C}/rebuild"
    fill(lamina, "a text " * 40)
    shown = client.get(f"{C}/settings").text
    assert f'href="{page}"' in shown

    wrong = send(client, page, encoder="hash", mode="passages", max_tokens="2")
    assert wrong.status_code == 422
    assert 'id="max_tokens-error"' in wrong.text
    gone = send(client, page, encoder="none/such", mode="passages")
    assert (gone.status_code, 'id="encoder-error"' in gone.text) == (422, True)

    begun = follow(client, send(client, page, mode="none"))
    assert "A rebuild is under way" in begun
    assert "0 of 1 document" in begun
    other = send(client, page, page, mode="passages", max_tokens="20")
    assert other.status_code == 409
    assert "The rebuild is cancelled" in follow(client, send(client, page, f"{page}/cancel"))

    follow(client, send(client, page, mode="none"))
    lamina.index_all()
    ended = unescape(client.get(f"{page}/progress").text)
    assert "The rebuild has ended" in ended
    assert "every 2s" not in ended
    assert "cut off" in client.get(f"{C}/settings").text
    assert "just so already" in follow(client, send(client, page, mode="none"))


def test_webhooks_are_made_shown_once_and_replayed(
    lamina: Installation, client: FlaskClient
) -> None:
    page = f"{C}/webhooks"
    refused = send(client, page, url="ftp://x", events="job.finished")
    nothing = send(client, page, url="http://127.0.0.1:9/hook")
    assert (refused.status_code, nothing.status_code) == (422, 422)
    assert 'id="url-error"' in refused.text
    assert 'id="events-error"' in nothing.text
    made = send(client, page, url="http://127.0.0.1:9/hook", events="version.published")
    assert made.status_code == 201
    secret = re.search(r"whsec_[A-Za-z0-9+/=]+", made.text)
    assert secret is not None
    assert secret[0] not in client.get(page).text

    fill(lamina, "one")
    lamina.services.deliveries.make(limit=10)
    (webhook,) = lamina.services.webhooks.of("c")
    log = client.get(f"{page}/{webhook.id}").text
    assert "version.published" in log
    (delivery,) = lamina.services.deliveries.log(webhook.id, limit=5)
    here = f"{page}/{webhook.id}"
    again = send(client, here, f"{here}/deliveries/{delivery.id}/replay")
    assert "delivered once more" in follow(client, again)
    off = send(client, here, f"{here}/enabled", enabled="no")
    assert "Disabled" in follow(client, off)
    follow(client, send(client, here, f"{here}/delete"))
    assert "Nobody is told yet" in client.get(page).text


def test_a_map_is_asked_for_followed_and_shown_without_scripts(
    lamina: Installation, client: FlaskClient
) -> None:
    assert "There is nothing to draw yet." in client.get(f"{C}/map").text
    documents = [
        {"id": f"{kind}/{n}", "title": f"{kind} <{n}>", "text": kind, "metadata": {"kind": kind}}
        for kind in ("tea", "ship")
        for n in range(8)
    ]
    lamina.add(*documents)
    lamina.index_all()
    wanted = follow(client, send(client, f"{C}/map"))
    assert "Drawing the map of version 1" in wanted
    assert '<noscript><meta http-equiv="refresh"' in wanted
    assert "HX-Redirect" not in client.get(f"{C}/map/progress").headers
    draw_next(open_studio(lamina.services))
    assert client.get(f"{C}/map/progress").headers["HX-Redirect"] == f"{C}/map?version=1"

    page = client.get(f"{C}/map?by=kind&q=tea").text
    assert "tea &lt;0&gt;" in page
    assert page.count('<details class="group"') == 2
    assert "lies among its 5 nearest passages" in page
    image = re.search(r'<img src="([^"]+map.svg[^"]+)"', page)
    assert image is not None
    picture = client.get(unescape(image[1]))
    assert picture.mimetype == "image/svg+xml"
    assert picture.text.count("<circle") == 16 + 2
    drawn = body_of(client.get(f"{C}/map/points?by=kind&q=tea"))
    assert drawn["labels"] == ["tea", "ship"]
    assert len(drawn["points"]) == 16
    assert len(drawn["query"]["nearest"]) == 5
    wrong = client.get(f"{C}/map?by=nothing")
    assert wrong.status_code == 422
    assert 'id="by-error"' in wrong.text
    assert "<img" in wrong.text
    assert client.get(f"{C}/map?version=9").status_code == 404


def test_a_key_for_searching_is_offered_nothing_that_it_may_not_do(tmp_path: Path) -> None:
    with Installation.open(tmp_path, admin_key=KEY) as lamina:
        admin = lamina.client(key=KEY)
        documents = {"documents": [{"id": "a", "text": "a text"}]}
        admin.post("/api/v1/collections/c/documents", json=documents)
        lamina.index_all()
        body = {"name": "reader", "scope": "search"}
        reader = lamina.client(key=body_of(admin.post("/api/v1/keys", json=body))["key"])
        pages = ("", "/documents", "/documents/a", "/versions", "/versions/1", "/map", "/index")

        for page in pages:
            shown = reader.get(C + page)
            assert shown.status_code == 200
            assert 'method="post"' not in shown.text.replace(
                '<form class="inline" method="post" action="/sign-out">', ""
            )
            assert "Settings</a>" not in shown.text
        for page in ("/settings", "/webhooks", "/versions/1/restore"):
            assert reader.get(C + page).status_code == 403
            assert admin.get(C + page).status_code == 200
