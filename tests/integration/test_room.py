"""Low disk: work is refused before it fails, searches go on, and all resumes by itself."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from shared.domain import Lane, RevisionKind
from shared.errors import OutOfSpace
from shared.indexing.turns import index_next
from shared.ingest import deletion, parse_submission
from shared.upkeep.room import Room
from shared.waiting.admission import GuardedInbox
from tests.unit.web.installation import Installation, body_of, problem_of
from tests.worlds import LIMITS, Cramped, World
from workers.index import drain

GB = 10**9


@pytest.fixture
def disk(world: World) -> Cramped:
    return Cramped(world.folder / "index", free=GB // 2)


def test_the_refusal_says_what_is_free_what_must_be_and_which_setting_says_so(
    disk: Cramped,
) -> None:
    with pytest.raises(OutOfSpace) as low:
        Room(disk, GB).check()
    with pytest.raises(OutOfSpace) as large:
        Room(disk, 0).check(2 * GB)

    assert str(low.value) == (
        "500 MB are free, 1.0 GB must stay free (LAMINA_STORAGE_MIN_FREE_BYTES)."
    )
    assert "500 MB are free" in str(large.value)
    assert "beside the 2.0 GB that this needs" in str(large.value)
    assert not Room(disk, GB).fits()
    assert Room(disk, GB // 2).fits()
    assert not Room(disk, GB // 2).fits(1)


def test_where_free_space_has_no_meaning_there_is_always_room(world: World) -> None:
    class Endless(Cramped):
        def free_bytes(self) -> int | None:
            return None

    Room(Endless(world.folder / "index", free=0), GB).check(GB)


def test_new_documents_are_refused_and_deletes_are_not(world: World, disk: Cramped) -> None:
    world.add({"id": "a", "text": "one"})
    inbox = GuardedInbox(world.inbox, Room(disk, GB), world.backlog)
    new = parse_submission([{"text": "x"}], LIMITS, collection="c", source="api")

    with pytest.raises(OutOfSpace):
        inbox.accept(new)

    assert world.reading.waiting(world.collection.id) == 1
    receipt = inbox.accept(deletion("a", collection="c", source="api"))
    assert world.records.document("c", "a").kind is RevisionKind.DELETE
    assert world.records.job(receipt.job_id).total == 1


def test_index_workers_claim_nothing_until_there_is_room(world: World, disk: Cramped) -> None:
    world.add({"id": "a", "text": "one"})
    low = replace(world.bench, room=Room(disk, GB))

    with pytest.raises(OutOfSpace):
        drain(low, world.bell)

    assert world.roster.backlog()["claimed"] == 0
    assert world.search("one").hits == ()
    disk.free = 2 * GB
    drain(replace(world.bench, room=Room(disk, GB)), world.bell)
    assert world.found("one") == ["a"]


def test_a_claim_begun_with_room_is_finished_without(world: World, disk: Cramped) -> None:
    disk.free = 2 * GB
    room = Room(disk, GB)
    world.encoder.pass_rows = 1
    world.add({"id": "a", "text": "one"}, {"id": "b", "text": "two"}, lane=Lane.BULK)

    def fill_the_disk() -> None:
        disk.free = 0
        room._free.forget()

    world.encoder.on_pass = fill_the_disk
    record = index_next(replace(world.bench, room=room))

    assert record is not None
    assert record.documents == 2
    assert sorted(world.live_documents()) == ["a", "b"]


def test_the_api_answers_507_and_searches_go_on(tmp_path: Path) -> None:
    with Installation.open(tmp_path, storage={"min_free_bytes": 2**62}) as lamina:
        response = lamina.client().post(
            "/api/v1/collections/c/documents", json={"documents": [{"text": "x"}]}
        )
        problem = problem_of(response, 507, "out-of-space")
        assert "must stay free (LAMINA_STORAGE_MIN_FREE_BYTES)" in problem["detail"]
        assert not lamina.services.records.jobs(limit=1)
        assert lamina.search("anything")["hits"] == []
        assert body_of(lamina.client().get("/livez"))["ready"] is True


def test_files_are_refused_where_they_would_wait_on_a_full_disk(tmp_path: Path) -> None:
    with Installation.open(tmp_path, storage={"min_free_bytes": GB}) as lamina:
        services = replace(lamina.services, spool=Room(Cramped(tmp_path, free=GB - 1), GB))
        lamina.app.extensions["services"] = services
        client = lamina.client()
        file = {"files": (BytesIO(b"Ebb and flow."), "a.txt")}

        refused = client.post("/api/v1/collections/c/files", data=file)
        taken = client.post("/api/v1/collections/c/documents", json={"documents": [{"text": "x"}]})
        warnings = body_of(client.get("/readyz"))["warnings"]

    assert problem_of(refused, 507, "out-of-space")["detail"].startswith("1.0 GB are free")
    assert taken.status_code == 202
    assert any(one.startswith("No files are taken in") for one in warnings)
