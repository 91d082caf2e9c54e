"""Messages come twice and out of order; producers' own versions decide what is live in the end."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import redis

from shared.domain import Json, State
from shared.errors import DocumentNotFound
from tests.integration.test_intake import QUEUE, Desk
from tests.redis_server import RedisServer
from tests.worlds import World

DOCUMENTS = ("a", "b", "c")


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World.open(tmp_path, database_url=database_url) as opened:
        yield opened


@pytest.fixture
def desk(world: World, server: RedisServer, client: redis.Redis) -> Iterator[Desk]:
    opened = Desk(world, server)
    yield opened
    opened.source.close()


def put(document: str, version: int | None = None, *, text: str = "", **more: Json) -> bytes:
    about = {"id": document, "text": text or f"{document} as of {version}"}
    numbered = about | ({} if version is None else {"external_version": version})
    return json.dumps({"collection": "c", "documents": [numbered]} | more).encode()


def delete(document: str, version: int | None = None, **more: Json) -> bytes:
    named: Mapping[str, Json] = (
        {"ids": [document]}
        if version is None
        else {"documents": [{"id": document, "external_version": version}]}
    )
    kwargs = {"collection": "c", **named, **more}
    return json.dumps({"task": "lamina.delete.v1", "kwargs": kwargs}).encode()


def send(desk: Desk, client: redis.Redis, *messages: bytes) -> None:
    for message in messages:
        client.lpush(QUEUE, message)
    assert desk.take_all() == len(messages)


def texts(world: World) -> dict[str, str]:
    """Return the text of every live document, which is what a search finds."""
    world.index_all()
    found = {}
    for document in DOCUMENTS:
        try:
            found[document] = world.records.document("c", document).text
        except DocumentNotFound:
            continue
    assert world.live_documents() == dict.fromkeys(found, 1), "[order] the index says otherwise"
    return found


@pytest.mark.parametrize("seed", range(6))
def test_in_whatever_order_messages_come_the_highest_version_is_live(
    desk: Desk, client: redis.Redis, seed: int
) -> None:
    chance = random.Random(seed)
    expected: dict[str, str] = {}
    messages: list[bytes] = []
    for document in DOCUMENTS:
        versions = sorted(chance.sample(range(2**40), 5))
        for version in versions:
            message = put(document, version) if chance.random() < 0.6 else delete(document, version)
            messages += [message] * chance.randint(1, 3)
        if b"lamina.delete" not in message:
            expected[document] = f"{document} as of {version}"
    chance.shuffle(messages)
    send(desk, client, put("b", text="the first of all, without a version"))
    while messages:
        some = [messages.pop() for _ in range(min(len(messages), chance.randint(1, 8)))]
        send(desk, client, *some)
        if chance.random() < 0.4:
            desk.world.index_all()

    assert texts(desk.world) == expected, "[order] an older version is live"
    assert desk.world.refused() == []


def test_a_delete_that_overtakes_the_document_keeps_it_away(
    desk: Desk, client: redis.Redis
) -> None:
    send(desk, client, put("b", 1), delete("a", 5, key="gone"), put("a", 4, key="late"))

    assert texts(desk.world) == {"b": "b as of 1"}
    jobs = {job.key: desk.world.records.job(job.id) for job in desk.world.records.jobs(limit=10)}
    assert jobs["gone"].counts == {State.UNCHANGED: 1}
    assert jobs["late"].counts == {State.SUPERSEDED: 1}
    assert jobs["gone"].finished
    assert jobs["late"].finished
    assert "external version 4 is not above 5" in jobs["late"].warnings[0].message
    assert "no document 'a' to delete" in jobs["gone"].warnings[0].message
    send(desk, client, put("a", 6))
    assert texts(desk.world) == {"a": "a as of 6", "b": "b as of 1"}


def test_a_delete_with_a_version_that_is_past_changes_nothing(
    desk: Desk, client: redis.Redis
) -> None:
    send(desk, client, put("a", 5), delete("a", 4), delete("a", 5))
    assert texts(desk.world) == {"a": "a as of 5"}
    send(desk, client, delete("a", 6))
    assert texts(desk.world) == {}


def test_what_is_not_there_can_be_deleted_again_and_harms_no_other(
    desk: Desk, client: redis.Redis
) -> None:
    send(desk, client, put("a"), put("b"))
    desk.world.index_all()
    kwargs = {"collection": "c", "ids": ["ghost", "a"]}
    twice = json.dumps({"task": "lamina.delete.v1", "kwargs": kwargs}).encode()
    send(desk, client, twice, twice)
    assert set(texts(desk.world)) == {"b"}
    send(desk, client, twice)
    assert set(texts(desk.world)) == {"b"}
    assert desk.world.refused() == []
    assert all(job.finished for job in desk.world.records.jobs(limit=10))
    with pytest.raises(DocumentNotFound):
        desk.world.records.document("c", "ghost")


def test_a_delete_that_is_sent_again_with_its_key_is_recognised(
    desk: Desk, client: redis.Redis
) -> None:
    send(desk, client, put("a"))
    desk.world.index_all()
    send(desk, client, delete("a", key="k"))
    desk.world.index_all()
    send(desk, client, put("a", text="back again"), delete("a", key="k"))
    assert texts(desk.world) == {"a": "back again"}
    send(desk, client, delete("b", key="k"))
    assert [one.reason for one in desk.world.inbox.receipts("k")] == ["key-reused", None]


def test_a_delete_read_again_after_a_crash_deletes_once(desk: Desk, client: redis.Redis) -> None:
    send(desk, client, put("a"))
    desk.world.index_all()
    client.lpush(QUEUE, delete("a"))
    (message,) = desk.source.take(10, timeout_seconds=0)
    desk.take_all()  # recovers, as after a crash between the commit and `done`
    send(desk, client, put("a", text="put after the delete"))
    client.hset(f"{QUEUE}:processing:0", mapping={message.receipt: message.raw})
    assert desk.take_all() == 1
    assert texts(desk.world) == {"a": "put after the delete"}
