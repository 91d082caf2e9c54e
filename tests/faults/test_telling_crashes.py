"""Whoever dies while it tells webhooks, or removes a collection: another one ends the job."""

import signal
import time
from pathlib import Path

import pytest

from shared.catalog import SqlDiscards, SqlWebhooks
from shared.domain import EventKind, NewWebhook
from shared.failpoints import POINTS
from shared.upkeep.removing import remove_next
from shared.webhooks.signing import make_secret
from tests.command_line import run_module
from tests.receiver import catalog_of, messenger_of, receiving
from tests.worlds import World

HERE = sorted(point for point in POINTS if point.split(".")[0] == "discard")


def die_at(world: World, point: str, work: str) -> None:
    """Let another process do *work* in *world* until it kills itself at *point*."""
    child = run_module("tests.faults.crash_child", str(world.folder), point, work, seconds=60)
    assert child.returncode == -signal.SIGKILL, child.stderr


@pytest.mark.parametrize("point", HERE)
def test_whoever_dies_while_it_removes_a_collection_another_one_ends_it(
    tmp_path: Path, point: str
) -> None:
    with World.open(tmp_path) as world, catalog_of(tmp_path) as database:
        discards = SqlDiscards(database)
        gone = world.create("gone")
        world.add({"id": "a", "text": "a"}, collection="gone")
        world.add({"id": "stays", "text": "here"})
        world.index_all()
        discards.discard("gone")

        die_at(world, point, "remove")

        assert discards.doom(older_than_seconds=0) == [gone.id]
        while remove_next(discards, world.store, deleted_days=0):
            pass
        assert list(world.store.entries(gone.id)) == []
        with database.read() as tx:
            left = tx.exec_driver_sql("SELECT name FROM collections").scalars().all()
        assert left == ["c"]
        assert world.found("here") == ["stays"]


def test_whoever_dies_after_a_call_leaves_it_to_be_made_again_under_the_same_id(
    tmp_path: Path,
) -> None:
    with World.open(tmp_path) as world, catalog_of(tmp_path) as database, receiving() as receiver:
        kinds = frozenset({EventKind.VERSION_PUBLISHED})
        new = NewWebhook(url=receiver.url, kinds=kinds, secret=make_secret())
        SqlWebhooks(database).add("c", new, most=1)
        world.add({"id": "a", "text": "a"})
        world.index_all()

        die_at(world, "webhook.sent", "deliver")

        assert len(receiver.got) == 1
        deadline = time.monotonic() + 20
        with messenger_of(tmp_path, lease_seconds=30) as messenger:
            while SqlWebhooks(database).of("c")[0].waiting and time.monotonic() < deadline:
                messenger.deliver()
        first, second = receiver.got
        assert first[1]["webhook-id"] == second[1]["webhook-id"]
        assert first[2] == second[2]
