"""Versions over HTTP: listed, named, compared, restored, let go."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from shared.domain import ChoreKind, ChoreState, Damage
from tests.unit.web.installation import Installation, body_of, problem_of

C = "/api/v1/collections/c"


@pytest.fixture
def lamina(tmp_path: Path) -> Iterator[Installation]:
    """Three versions: two documents; one changed, one more; one gone."""
    with Installation.open(tmp_path) as installation:
        publish(
            installation,
            {"id": "a", "title": "A", "text": "apples grow on trees"},
            {"id": "b", "title": "B", "text": "boats sail on water"},
        )
        publish(
            installation,
            {"id": "a", "title": "A", "text": "apples are red"},
            {"id": "new", "title": "N", "text": "apples and pears"},
        )
        installation.client().delete(f"{C}/documents/b")
        installation.index_all()
        yield installation


@pytest.fixture
def client(lamina: Installation) -> FlaskClient:
    return lamina.client()


def publish(lamina: Installation, *documents: Any) -> None:
    lamina.add(*documents)
    lamina.index_all()


def get(client: FlaskClient, path: str) -> dict[str, Any]:
    response = client.get(f"{C}{path}")
    assert response.status_code == 200, response.text
    return body_of(response)


def post(client: FlaskClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(f"{C}{path}", json=body)
    assert response.status_code == 200, response.text
    return body_of(response)


def texts(lamina: Installation, version: int) -> dict[str, str]:
    """Return what a version holds, as a search sees it."""
    hits = lamina.search("anything", version=version, k=10)["hits"]
    return {hit["id"]: hit["passage"] for hit in hits}


def numbers(client: FlaskClient, query: str = "") -> list[int]:
    return [one["version"] for one in get(client, f"/versions{query}")["versions"]]


# --- list and describe ---------------------------------------------------------------------


def test_versions_are_listed_in_pages(client: FlaskClient) -> None:
    assert numbers(client) == [3, 2, 1, 0]
    assert numbers(client, "?limit=2") == [3, 2]
    assert numbers(client, "?limit=2&before=2") == [1, 0]
    newest = get(client, "/versions?limit=1")["versions"][0]
    assert (newest["kind"], newest["documents"], newest["parent"]) == ("commit", 2, 2)
    assert newest["bytes"] > 0
    assert (newest["expired"], newest["tags"], newest["restored"]) == (False, [], None)


def test_only_kept_versions_are_listed_if_asked_for(
    lamina: Installation, client: FlaskClient
) -> None:
    collection = lamina.services.collections.get("c")
    lamina.services.versions.expire(collection.id, [1])

    assert 1 in numbers(client)
    assert 1 not in numbers(client, "?kept_only=true")


def test_a_version_is_described_with_its_segments(client: FlaskClient) -> None:
    found = get(client, "/versions/2")

    assert found["version"] == 2
    assert found["damages"] == []
    assert len(found["layers"]) == found["segments"] == 2
    assert [(one["vectors"], one["deleted"]) for one in found["layers"]] == [(1, 1), (2, 0)]
    assert {one["policy"] for one in found["layers"]} == {"flat"}
    assert get(client, "/versions/head")["version"] == 3
    assert get(client, "/versions/newest")["version"] == 3


def test_an_expired_version_is_described_without_segments(
    lamina: Installation, client: FlaskClient
) -> None:
    collection = lamina.services.collections.get("c")
    lamina.services.versions.expire(collection.id, [1])

    found = get(client, "/versions/1")
    assert (found["expired"], found["layers"]) == (True, None)


def test_a_damaged_manifest_is_named_by_the_description(
    lamina: Installation, client: FlaskClient
) -> None:
    (manifest,) = manifests(lamina, 2)
    manifest.write_bytes(manifest.read_bytes().replace(b'"', b"'", 1))

    found = get(client, "/versions/2")
    assert found["layers"] is None
    assert found["damages"][0]["key"].endswith(manifest.name)
    assert found["damages"][0]["segment"] is None


def manifests(lamina: Installation, version: int) -> list[Path]:
    """Return the manifest files of a version."""
    collection = lamina.services.collections.get("c")
    file = lamina.services.reading.version(collection.id, version).manifest_file
    return list(lamina.services.settings.data_dir.rglob(Path(file).name))


# --- tags ----------------------------------------------------------------------------------


def test_a_tag_names_a_version_everywhere(lamina: Installation, client: FlaskClient) -> None:
    tagged = client.put(f"{C}/tags/first", json={"version": 1})
    assert tagged.status_code == 200
    assert body_of(tagged)["tags"] == ["first"]

    assert get(client, "/versions/first")["version"] == 1
    assert get(client, "/search?q=boats&version=first")["version"] == 1
    assert post(client, "/search", {"q": "boats", "version": "first"})["hits"][0]["id"] == "b"
    assert post(client, "/search", {"q": "boats", "version": "head"})["version"] == 3


def test_a_tag_moves_and_goes(client: FlaskClient) -> None:
    client.put(f"{C}/tags/golden", json={"version": 1})
    moved = client.put(f"{C}/tags/golden", json={"version": "head"})
    gone = client.delete(f"{C}/tags/golden")

    assert body_of(moved)["version"] == 3
    assert (gone.status_code, gone.data) == (204, b"")
    problem_of(client.get(f"{C}/versions/golden"), 404, "tag-not-found")
    problem_of(client.delete(f"{C}/tags/golden"), 404, "tag-not-found")


def test_a_tagged_version_outlives_the_retention_rule(client: FlaskClient) -> None:
    client.put(f"{C}/tags/first", json={"version": 1})
    client.patch(C, json={"retention": {"versions": 1, "days": 0}})
    post(client, "/garbage", {"dry_run": False})

    assert numbers(client, "?kept_only=true") == [3, 1, 0]
    assert get(client, "/search?q=boats&version=first")["hits"][0]["id"] == "b"
    problem_of(client.get(f"{C}/search?q=boats&version=2"), 410, "version-expired")


@pytest.mark.parametrize("name", ["head", "newest"])
def test_no_tag_may_be_called_like_the_newest(client: FlaskClient, name: str) -> None:
    problem_of(client.put(f"{C}/tags/{name}", json={"version": 1}), 422, "invalid-request")
    assert get(client, "/versions/1")["tags"] == []


@pytest.mark.parametrize("name", ["1", "-x", "a%20b", "a" * 101])
def test_a_tag_that_could_be_a_number_or_is_no_name_is_refused(
    client: FlaskClient, name: str
) -> None:
    refused = problem_of(
        client.put(f"{C}/tags/{name}", json={"version": 1}), 422, "invalid-request"
    )

    assert refused["errors"][0]["pointer"] == "/tag"
    assert "must begin with a letter" in refused["detail"], "in words, not as a pattern"


@pytest.mark.parametrize(
    ("version", "status", "slug"),
    [(9, 404, "version-not-found"), ("nope", 404, "tag-not-found"), (2, 410, "version-expired")],
)
def test_what_is_not_there_cannot_be_tagged(
    lamina: Installation, client: FlaskClient, version: object, status: int, slug: str
) -> None:
    lamina.services.versions.expire(lamina.services.collections.get("c").id, [2])

    problem_of(client.put(f"{C}/tags/t", json={"version": version}), status, slug)


# --- differences ---------------------------------------------------------------------------


def test_a_diff_lists_what_was_added_changed_and_removed(client: FlaskClient) -> None:
    found = get(client, "/versions/1/diff")

    assert (found["before"], found["after"]) == (1, 3)
    assert (found["added"], found["changed"], found["removed"]) == (1, 1, 1)
    assert [(one["id"], one["change"]) for one in found["changes"]] == [
        ("a", "changed"),
        ("b", "removed"),
        ("new", "added"),
    ]
    changed, removed, added = found["changes"]
    assert (changed["text_changed"], changed["metadata_changed"]) == (True, False)
    assert (removed["title_before"], removed["title_after"]) == ("B", None)
    assert (added["title_before"], added["title_after"]) == (None, "N")


def test_a_diff_runs_backwards_and_to_itself(client: FlaskClient) -> None:
    backwards = get(client, "/versions/3/diff?to=1")
    still = get(client, "/versions/2/diff?to=2")

    assert {one["id"]: one["change"] for one in backwards["changes"]} == {
        "a": "changed",
        "b": "added",
        "new": "removed",
    }
    assert (still["changes"], still["added"] + still["changed"] + still["removed"]) == ([], 0)


def test_pages_of_a_diff_join_to_the_whole(client: FlaskClient) -> None:
    whole = get(client, "/versions/1/diff")
    pages, cursor = [], None
    while True:
        page = get(client, f"/versions/1/diff?limit=1{f'&cursor={cursor}' if cursor else ''}")
        assert (page["added"], page["changed"], page["removed"]) == (1, 1, 1)
        pages += page["changes"]
        if (cursor := page["next_cursor"]) is None:
            break

    assert pages == whole["changes"]


def test_a_ranking_is_compared_between_versions(client: FlaskClient) -> None:
    found = post(client, "/compare", {"q": "apples pears", "k": 2, "before": 1, "after": 2})

    by_id = {one["id"]: one for one in found["moves"]}
    assert (found["before"], found["after"]) == (1, 2)
    assert [one["rank_after"] for one in found["moves"]] == [1, 2, None]
    assert (by_id["new"]["rank_before"], by_id["new"]["rank_after"]) == (None, 1)
    assert (by_id["a"]["rank_before"], by_id["a"]["rank_after"]) == (1, 2)
    assert (by_id["b"]["rank_before"], by_id["b"]["rank_after"]) == (2, None)
    assert by_id["new"]["score_before"] is None
    assert found["hits_before"][0]["passage"] == "apples grow on trees"
    searched = post(client, "/search", {"q": "apples pears", "k": 2, "version": 2})
    assert found["hits_after"] == searched["hits"]


@pytest.mark.parametrize(
    "body",
    [
        {"q": " ", "before": 1},
        {"q": "x", "before": 1, "k": 0},
        {"q": "x", "before": 1, "k": 1001},
        {"q": "x"},
        {"q": "x", "before": -1},
        {"q": "x", "before": True},
        {"q": "x", "before": "3x"},
    ],
)
def test_a_comparison_that_makes_no_sense_is_refused(
    client: FlaskClient, body: dict[str, Any]
) -> None:
    problem_of(client.post(f"{C}/compare", json=body), 422, "invalid-request")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/versions/9", "version-not-found"),
        ("/versions/nope", "tag-not-found"),
        ("/versions/9/diff", "version-not-found"),
        ("/versions/1/diff?to=9", "version-not-found"),
        ("/versions/1/diff?to=nope", "tag-not-found"),
        ("/search?q=x&version=nope", "tag-not-found"),
    ],
)
def test_an_unknown_version_or_tag_is_404(client: FlaskClient, path: str, slug: str) -> None:
    problem_of(client.get(f"{C}{path}"), 404, slug)


@pytest.mark.parametrize("path", ["/versions/1/diff", "/search?q=x&version=1"])
def test_an_expired_version_is_410(lamina: Installation, client: FlaskClient, path: str) -> None:
    lamina.services.versions.expire(lamina.services.collections.get("c").id, [1])

    problem_of(client.get(f"{C}{path}"), 410, "version-expired")
    body = {"q": "x", "before": 1}
    problem_of(client.post(f"{C}/compare", json=body), 410, "version-expired")
    problem_of(client.post(f"{C}/restore", json={"version": 1}), 410, "version-expired")


def test_a_version_that_is_no_name_is_refused_with_its_pointer(client: FlaskClient) -> None:
    for path, pointer in (("/versions/1x", "/ref"), ("/versions/1/diff?to=1x", "/to")):
        refused = problem_of(client.get(f"{C}{path}"), 422, "invalid-request")
        assert refused["errors"][0]["pointer"] == pointer


# --- restoring -----------------------------------------------------------------------------


def test_a_restore_makes_a_new_version_equal_to_the_old_one(
    lamina: Installation, client: FlaskClient
) -> None:
    before = texts(lamina, 1)
    done = post(client, "/restore", {"version": 1})

    assert (done["restored"], done["unchanged"], done["dry_run"]) == (1, False, False)
    assert (done["version"]["version"], done["version"]["kind"]) == (4, "restore")
    assert (done["version"]["restored"], done["version"]["documents"]) == (1, 2)
    assert texts(lamina, 4) == before == {"a": "apples grow on trees", "b": "boats sail on water"}
    assert texts(lamina, 3) == {"a": "apples are red", "new": "apples and pears"}
    assert lamina.search("boats")["hits"][0]["id"] == "b"
    still = get(client, "/versions/1/diff?to=4")
    assert (still["added"], still["changed"], still["removed"]) == (0, 0, 0)


def test_documents_of_later_versions_are_withdrawn_and_come_back_with_their_version(
    lamina: Installation, client: FlaskClient
) -> None:
    post(client, "/restore", {"version": 1})
    assert get(client, "/documents/new")["status"] == "withdrawn"

    post(client, "/restore", {"version": 3})
    assert get(client, "/documents/new")["status"] == "indexed"
    assert texts(lamina, 5) == texts(lamina, 3)


def test_work_goes_on_upon_a_restored_version(lamina: Installation, client: FlaskClient) -> None:
    post(client, "/restore", {"version": 1})
    publish(lamina, {"id": "b", "title": "B", "text": "boats sink"}, {"id": "z", "text": "zinc"})

    assert texts(lamina, 5) == {"a": "apples grow on trees", "b": "boats sink", "z": "zinc"}
    assert texts(lamina, 4)["b"] == "boats sail on water"


def test_restoring_the_beginning_empties_the_collection(
    lamina: Installation, client: FlaskClient
) -> None:
    done = post(client, "/restore", {"version": 0})

    assert (done["version"]["documents"], done["version"]["vectors"]) == (0, 0)
    assert lamina.search("apples")["hits"] == []
    assert texts(lamina, 3) == {"a": "apples are red", "new": "apples and pears"}


def test_restoring_what_is_there_makes_no_version(client: FlaskClient) -> None:
    post(client, "/restore", {"version": 1})
    for version in (1, 4, "head"):
        again = post(client, "/restore", {"version": version})
        assert (again["unchanged"], again["version"]["version"]) == (True, 4)

    assert numbers(client)[0] == 4


def test_a_dry_run_says_what_would_change_and_changes_nothing(
    lamina: Installation, client: FlaskClient
) -> None:
    files = sorted(lamina.services.settings.data_dir.joinpath("index").rglob("*"))
    counter = lamina.services.reading.counter()
    shown = post(client, "/restore", {"version": 1, "dry_run": True})

    assert (shown["dry_run"], shown["unchanged"], shown["version"]["version"]) == (True, False, 3)
    assert (shown["diff"]["before"], shown["diff"]["after"]) == (3, 1)
    assert (shown["diff"]["added"], shown["diff"]["changed"], shown["diff"]["removed"]) == (1, 1, 1)
    assert lamina.services.reading.counter() == counter
    assert sorted(lamina.services.settings.data_dir.joinpath("index").rglob("*")) == files


def test_a_damaged_version_is_refused_before_anything_changes(
    lamina: Installation, client: FlaskClient
) -> None:
    (manifest,) = manifests(lamina, 1)
    manifest.write_bytes(b"{}")

    problem_of(client.post(f"{C}/restore", json={"version": 1}), 500, "corrupt-file")
    dry_run = {"version": 1, "dry_run": True}
    problem_of(client.post(f"{C}/restore", json=dry_run), 500, "corrupt-file")
    assert numbers(client)[0] == 3


def test_a_version_with_a_quarantined_segment_is_refused(
    lamina: Installation, client: FlaskClient
) -> None:
    quarantine(lamina, version=1)

    refused = problem_of(client.post(f"{C}/restore", json={"version": 1}), 500, "corrupt-file")
    assert "bit rot" in refused["detail"]
    assert numbers(client)[0] == 3


def test_a_damaged_head_can_be_left_by_a_restore(lamina: Installation, client: FlaskClient) -> None:
    (manifest,) = manifests(lamina, 3)
    manifest.write_bytes(b"{}")

    assert post(client, "/restore", {"version": 2})["version"]["version"] == 4
    assert texts(lamina, 4)["b"] == "boats sail on water"


@pytest.mark.parametrize(
    ("version", "status", "slug"),
    [
        (9, 404, "version-not-found"),
        ("nope", 404, "tag-not-found"),
        ("1x", 422, "invalid-request"),
        (None, 422, "invalid-request"),
    ],
)
def test_what_is_not_there_cannot_be_restored(
    client: FlaskClient, version: object, status: int, slug: str
) -> None:
    problem_of(client.post(f"{C}/restore", json={"version": version}), status, slug)
    assert numbers(client)[0] == 3


# --- rules ---------------------------------------------------------------------------------


def test_rules_are_changed_bit_by_bit(client: FlaskClient) -> None:
    first = get(client, "")
    assert first["index"] == {"policy": "auto", "recall_target": 0.95, "memory_limit_bytes": None}
    assert first["retention"] == {"versions": 20, "days": 7, "thinned": True}

    client.patch(C, json={"index": {"policy": "hnsw", "memory_limit_bytes": 10**9}})
    client.patch(C, json={"retention": {"days": 30, "thinned": False}})
    client.patch(C, json={"index": {"recall_target": 0.97}})
    second = body_of(client.patch(C, json={}))

    rule = {"policy": "hnsw", "recall_target": 0.97, "memory_limit_bytes": 10**9}
    assert second["index"] == get(client, "")["index"] == rule
    assert second["retention"] == {"versions": 20, "days": 30, "thinned": False}
    unlimited = body_of(client.patch(C, json={"index": {"memory_limit_bytes": None}}))
    assert unlimited["index"] == rule | {"memory_limit_bytes": None}


def test_a_collection_is_created_with_rules(client: FlaskClient) -> None:
    body = {
        "name": "ruled",
        "index": {"policy": "sq8", "recall_target": 0.9},
        "retention": {"versions": 5, "thinned": False},
    }
    created = client.post("/api/v1/collections", json=body)

    assert created.status_code == 201
    assert body_of(created)["index"] == {
        "policy": "sq8",
        "recall_target": 0.9,
        "memory_limit_bytes": None,
    }
    assert body_of(created)["retention"] == {"versions": 5, "days": 7, "thinned": False}


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"index": {"policy": "annoy"}}, "/index/policy"),
        ({"index": {"policy": None}}, "/index/policy"),
        ({"index": {"recall_target": 1.0}}, "/index/recall_target"),
        ({"index": {"recall_target": 0.4}}, "/index/recall_target"),
        ({"index": {"memory_limit_bytes": 0}}, "/index/memory_limit_bytes"),
        ({"index": {"efSearch": 64}}, "/index/efSearch"),
        ({"retention": {"versions": 0}}, "/retention/versions"),
        ({"retention": {"days": -1}}, "/retention/days"),
        ({"retentoin": {}}, "/retentoin"),
    ],
)
def test_a_bad_rule_is_refused_with_its_pointer(
    client: FlaskClient, change: dict[str, Any], pointer: str
) -> None:
    before = get(client, "")
    refused = problem_of(client.patch(C, json=change), 422, "invalid-request")

    assert [one["pointer"] for one in refused["errors"]] == [pointer]
    assert get(client, "") == before


def test_the_rules_of_an_unknown_collection_cannot_be_changed(client: FlaskClient) -> None:
    refused = client.patch("/api/v1/collections/no", json={"index": {"policy": "flat"}})

    problem_of(refused, 404, "collection-not-found")


def test_a_collection_shows_how_its_index_is_laid_out(
    lamina: Installation, client: FlaskClient
) -> None:
    collection = lamina.services.collections.get("c")
    assert get(client, "")["live_recall"] is None
    lamina.services.chores.sample(collection.id, version=3, k=10, recall=0.5)
    lamina.services.chores.sample(collection.id, version=3, k=10, recall=1.0)
    found = get(client, "")

    (layout,) = found["layouts"]
    assert (layout["policy"], layout["vectors"], layout["recall"]) == ("flat", 2, None)
    assert layout["segments"] == found["segments"]
    assert layout["memory_bytes"] > 0
    assert found["live_recall"] == {"queries": 2, "recall": 0.75, "worst": 0.5}


# --- garbage, chores and damage ------------------------------------------------------------


def test_garbage_is_only_shown_unless_it_shall_be_removed(
    lamina: Installation, client: FlaskClient
) -> None:
    client.patch(C, json={"retention": {"versions": 1, "days": 0}})
    shown = post(client, "/garbage", {})
    kept = numbers(client, "?kept_only=true")
    done = post(client, "/garbage", {"dry_run": False})

    assert (shown["dry_run"], shown["expired"]) == (True, [1, 2])
    assert kept == [3, 2, 1, 0]
    assert (done["dry_run"], done["expired"]) == (False, [1, 2])
    assert numbers(client, "?kept_only=true") == [3, 0]
    assert texts(lamina, 3) == {"a": "apples are red", "new": "apples and pears"}
    unknown = client.post("/api/v1/collections/no/garbage", json={})
    problem_of(unknown, 404, "collection-not-found")


def test_a_purge_erases_a_document_from_every_version(
    lamina: Installation, client: FlaskClient
) -> None:
    publish(lamina, {"id": "x/purge", "text": "figs"})
    done = post(client, "/documents/a/purge", {})
    post(client, "/documents/x/purge/purge", {})

    assert (done["collection"], done["id"], done["vectors"]) == ("c", "a", 2)
    assert done["versions"] == [1, 2, 3, 4]
    assert texts(lamina, 1) == {"b": "boats sail on water"}
    assert texts(lamina, 4) == {"new": "apples and pears"}
    assert [one["version"] for one in get(client, "/versions")["versions"]] == [4, 3, 2, 1, 0]
    problem_of(client.get(f"{C}/documents/a"), 404, "document-not-found")
    again = client.post(f"{C}/documents/a/purge", json={})
    problem_of(again, 404, "document-not-found")


def test_a_purge_takes_no_options(client: FlaskClient) -> None:
    refused = client.post(f"{C}/documents/a/purge", json={"version": 1})

    problem_of(refused, 422, "invalid-request")
    assert get(client, "/documents/a")["status"] == "indexed"


def test_chores_are_listed_and_the_active_ones_in_the_status(
    lamina: Installation, client: FlaskClient
) -> None:
    chores, collection = lamina.services.chores, lamina.services.collections.get("c")
    over = chores.begin(collection.id, ChoreKind.SCRUB, holder="host:1", lease_seconds=60)
    assert over
    chores.end(over.id, ChoreState.DONE, "All is well.")
    active = chores.begin(collection.id, ChoreKind.MERGE, holder="host:2", lease_seconds=60)
    assert active
    chores.renew(active.id, lease_seconds=60, done=3, total=8)

    listed = body_of(client.get("/api/v1/chores?collection=c"))["chores"]
    (at_work,) = body_of(client.get("/api/v1/status"))["chores"]
    assert [(one["kind"], one["state"]) for one in listed] == [
        ("merge", "active"),
        ("scrub", "done"),
    ]
    assert (listed[1]["detail"], listed[1]["collection"]) == ("All is well.", "c")
    assert (at_work["kind"], at_work["collection"]) == ("merge", "c")
    assert (at_work["done"], at_work["total"], at_work["ended_at"]) == (3, 8, None)
    problem_of(client.get("/api/v1/chores?collection=no"), 404, "collection-not-found")


def quarantine(lamina: Installation, *, version: int) -> str:
    """Say that the first segment of a version is damaged; return its key."""
    services, collection = lamina.services, lamina.services.collections.get("c")
    head = services.reading.version(collection.id, version)
    segment = services.store.read_manifest(head).segments[0]
    (key,) = [
        entry.key for entry in services.files.entries(collection.id) if segment.id in entry.key
    ]
    damage = Damage(
        collection_id=collection.id,
        key=f"{key}/segment.json",
        segment_id=segment.id,
        reason="bit rot",
    )
    services.chores.report([damage])
    return damage.key


def test_damage_is_shown_wherever_somebody_looks(lamina: Installation, client: FlaskClient) -> None:
    key = quarantine(lamina, version=1)
    lamina.new_collection("sound")

    (listed,) = body_of(client.get("/api/v1/damages"))["damages"]
    assert (listed["collection"], listed["key"], listed["reason"]) == ("c", key, "bit rot")
    assert listed["found_at"][-1] == "Z"
    assert body_of(client.get("/api/v1/damages?collection=sound"))["damages"] == []
    assert get(client, "/versions/1")["damages"] == [listed]
    assert get(client, "")["damages"] == 1
    assert body_of(client.get("/api/v1/status"))["damages"] == 1
    assert "1 damaged file" in " ".join(body_of(client.get("/readyz"))["warnings"])
    problem_of(client.get("/api/v1/damages?collection=no"), 404, "collection-not-found")
    assert get(client, "/versions/0")["damages"] == []


def test_an_exact_search_is_asked_for_by_name(client: FlaskClient) -> None:
    plain = get(client, "/search?q=apples")
    exact = get(client, "/search?q=apples&exact=true")

    assert exact["hits"] == plain["hits"]
    assert post(client, "/search", {"q": "apples", "exact": True})["hits"] == plain["hits"]
    problem_of(client.post(f"{C}/search", json={"q": "x", "exact": "yes"}), 422, "invalid-request")
