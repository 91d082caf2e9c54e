"""Webhooks: signed, tried again, never lost, never inside a private network."""

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.domain import Sent
from shared.posting import HttpPoster
from shared.services import open_messenger
from shared.webhooks.addresses import is_public, parse
from shared.webhooks.delivering import Messenger, pause
from tests.clocks import set_ahead
from tests.receiver import Receiver, receiving
from tests.unit.web.installation import Installation, body_of, problem_of

HOOKS = "/api/v1/collections/c/webhooks"
PRIVATE = {"private": True, "timeout_seconds": 5, "per_collection": 2}


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    with Installation.open(tmp_path, webhooks=PRIVATE, clock_skewed=True) as installation:
        yield installation


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def hook(lamina: Installation, receiver: Receiver, **more: object) -> dict[str, Any]:
    made = lamina.client().post(HOOKS, json={"url": f"{receiver.url}/in?a=b", **more})
    assert made.status_code == 201, made.text
    return body_of(made)


def deliver_all(messenger: Messenger) -> None:
    while messenger.deliver():
        pass


def log_of(lamina: Installation, hook_id: str) -> list[dict[str, Any]]:
    found = body_of(lamina.client().get(f"{HOOKS}/{hook_id}/deliveries"))["deliveries"]
    assert isinstance(found, list)
    return found


def test_what_happens_is_told_once_signed_and_in_the_documented_form(
    lamina: Installation, receiver: Receiver
) -> None:
    before = lamina.add({"id": "early", "text": "before the webhook"})
    lamina.index_all()
    made = hook(lamina, receiver)
    messenger = open_messenger(lamina.services)
    lamina.encoder.refuse("bad")
    job = lamina.add({"id": "good", "text": "words"}, {"id": "evil", "text": "bad words"})
    lamina.index_all()
    same = lamina.add({"id": "good", "text": "words"})  # ends without a commit
    while messenger.note():
        pass
    deliver_all(messenger)
    deliver_all(messenger)

    told = [json.loads(body) for _, _, body in receiver.got]
    assert sorted((one["type"], one["data"].get("job")) for one in told) == sorted(
        [
            ("document.failed", job),
            ("version.published", None),
            ("job.finished", job),
            ("job.finished", same),
        ]
    )
    assert before not in str(told)
    by_type = {one["type"]: one["data"] for one in told if one["data"].get("job") != same}
    assert by_type["document.failed"]["document"] == "evil"
    assert by_type["version.published"]["version"] == 2
    assert by_type["job.finished"]["documents"] == {"indexed": 1, "failed": 1}
    assert all(one["data"]["collection"] == "c" for one in told)
    key = base64.b64decode(made["secret"].removeprefix("whsec_"))
    for path, headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert path == "/in?a=b"
        assert headers["webhook-signature"] == f"v1,{wanted}"
        assert headers["host"] == receiver.url.removeprefix("http://")
        assert abs(time.time() - int(headers["webhook-timestamp"])) < 60
    shown = body_of(lamina.client().get(HOOKS))["webhooks"]
    assert [one["waiting"] for one in shown] == [0]
    assert made["secret"] not in str(shown)


def test_what_is_not_taken_is_tried_again_and_at_last_the_webhook_is_disabled(
    lamina: Installation, receiver: Receiver
) -> None:
    made = hook(lamina, receiver, events=["version.published"])["webhook"]["id"]
    messenger = open_messenger(lamina.services)
    database = lamina.services.database
    receiver.answer = (302, {"Location": f"{receiver.url}/elsewhere"})
    lamina.add({"id": "a", "text": "a"})
    lamina.index_all()
    deliver_all(messenger)
    (first,) = log_of(lamina, made)
    assert (first["state"], first["attempts"], first["status"]) == ("pending", 1, 302)
    assert len(receiver.got) == 1, "no redirect is followed, and nothing is tried at once again"

    set_ahead(database, 60)
    receiver.answer = (500, {})
    deliver_all(messenger)
    set_ahead(database, 3600)
    receiver.answer = (204, {})
    deliver_all(messenger)
    (taken,) = log_of(lamina, made)
    assert (taken["state"], taken["attempts"], taken["error"]) == ("delivered", 3, None)
    assert {headers["webhook-id"] for _, headers, _ in receiver.got} == {first["id"]}

    again = lamina.client().post(f"{HOOKS}/{made}/deliveries/{first['id']}/replay", json={})
    assert again.status_code == 202
    receiver.answer = (500, {})
    deliver_all(messenger)
    set_ahead(database, 3600 + 25 * 3600)
    deliver_all(messenger)
    (given_up,) = log_of(lamina, made)
    disabled = body_of(lamina.client().get(f"{HOOKS}/{made}"))
    assert given_up["state"] == "failed"
    assert "for 24 hours" in disabled["disabled_for"]
    assert "500" in disabled["disabled_for"]
    lamina.add({"id": "b", "text": "b"})
    lamina.index_all()
    deliver_all(messenger)
    lamina.client().patch(f"{HOOKS}/{made}", json={"enabled": True})
    receiver.answer = (410, {})
    lamina.add({"id": "c", "text": "c"})
    lamina.index_all()
    deliver_all(messenger)
    newest, _ = log_of(lamina, made)
    assert json.loads(newest["body"])["data"]["version"] == 3, "not of what happened meanwhile"
    gone = body_of(lamina.client().get(f"{HOOKS}/{made}"))
    assert (gone["enabled"], "410" in gone["disabled_for"]) == (False, True)
    set_ahead(database, 60 * 86_400)
    assert messenger.forget()
    assert log_of(lamina, made) == []
    assert lamina.services.events.span()[0] == lamina.services.events.span()[1]
    assert lamina.client().delete(f"{HOOKS}/{made}").status_code == 204
    assert body_of(lamina.client().get(HOOKS))["webhooks"] == []


def test_what_cannot_be_a_webhook_is_refused(tmp_path: Path, receiver: Receiver) -> None:
    with Installation.open(tmp_path, webhooks=PRIVATE | {"private": False}) as lamina:
        client = lamina.client()
        for url in (
            "ftp://example.com",
            "//example.com",
            "https://u:p@example.com",
            "https://example.com/#x",
            "https://example.com:x",
            "https://exa mple.com",
            "https://example.com/\r\nX: y",
            "http://[::1",
            "http://127.0.0.1",
            receiver.url,
        ):
            problem_of(client.post(HOOKS, json={"url": url}), 422, "invalid-request")
        body = {"url": "https://example.com", "secret": "whsec_c2hvcnQ="}
        problem_of(client.post(HOOKS, json=body), 422, "invalid-request")
        problem_of(client.get(f"{HOOKS}/nothing"), 404, "webhook-not-found")
        problem_of(client.get(f"{HOOKS}/nothing/deliveries"), 404, "webhook-not-found")
        for _ in range(2):
            made = client.post(HOOKS, json={"url": "https://example.com"})
        path = f"{HOOKS}/{body_of(made)['webhook']['id']}/deliveries/x/replay"
        problem_of(client.post(path, json={}), 404, "delivery-not-found")
        third = client.post(HOOKS, json={"url": "https://example.com"})
        assert "2 webhooks at most" in problem_of(third, 422, "invalid-request")["detail"]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.0.1", "198.18.0.1", "::1",
        "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::127.0.0.1", "2002:7f00:1::", "2001:0:7f00:1::", "64:ff9b::7f00:1", "64:ff9b:1::1",
        "2001:db8::1",
    ],
)  # fmt: skip
def test_an_address_of_a_private_network_is_known_in_every_disguise(address: str) -> None:
    found = parse(address)
    assert found is not None
    assert not is_public(found)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_an_address_of_the_internet_is_none(address: str) -> None:
    found = parse(address)
    assert found is not None
    assert is_public(found)


def test_a_name_is_judged_by_where_it_leads_and_asked_once(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    port = int(receiver.url.rpartition(":")[2])
    answers = [["127.0.0.1"], ["8.8.8.8", "::1"]]
    asked = []

    def resolve(host: str, at: int, **_more: object) -> list[Any]:
        asked.append(host)
        family = socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (one, at)) for one in answers.pop()]

    url = f"http://rebinding.example:{port}/"
    open_one = HttpPoster(timeout_seconds=5, private=True)
    strict = HttpPoster(timeout_seconds=5, private=False)
    monkeypatch.setattr("shared.posting.socket.getaddrinfo", resolve)
    refused = strict.post(url, {}, b"x")
    assert refused.status is None
    assert "private network" in str(refused.error)
    assert receiver.got == []
    assert asked == ["rebinding.example"]
    monkeypatch.undo()
    assert open_one.post(f"{receiver.url}/", {}, b"x") == Sent(status=204, error=None)


def test_a_receiver_that_drips_is_left_after_the_time_for_the_whole_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not done.wait(0.05):
                    try:
                        connection.sendall(b"x: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        begun = time.monotonic()
        sent = HttpPoster(timeout_seconds=0.5, private=True).post(
            f"http://127.0.0.1:{server.getsockname()[1]}", {}, b"x"
        )
        took = time.monotonic() - begun
        done.set()
        thread.join()
    assert sent == Sent(status=None, error="It took longer than 0.5 seconds.")
    assert took < 3


def test_pauses_grow_to_hours_and_never_overflow() -> None:
    assert [pause(one, 1.0) for one in (1, 2, 3)] == [5, 20, 80]
    assert pause(10_000, 1.0) == 7200
