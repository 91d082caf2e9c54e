"""The commands around versions against a running Lamina."""

import json

import pytest

from tests.running import RunningLamina

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def animals(lamina: RunningLamina, request: pytest.FixtureRequest) -> str:
    """A collection of this test's own: whale and eagle, then a changed eagle and a trout."""
    name = str(request.node.name).replace("_", "-")[-60:].strip("-")
    lamina.succeed("collections", "create", name)
    add(lamina, name, whale="The blue whale lives in the sea.", eagle="Eagles nest on cliffs.")
    lamina.succeed("versions", "tag", "first", "1", "-c", name)
    add(lamina, name, eagle="Eagles swim in the sea.", trout="The trout swims in the sea.")
    return name


def add(lamina: RunningLamina, collection: str, **texts: str) -> None:
    lines = "\n".join(
        json.dumps({"id": key, "title": key.title(), "text": text}) for key, text in texts.items()
    )
    lamina.succeed("add", "-", "-c", collection, stdin=lines.encode())


def newest(lamina: RunningLamina, collection: str) -> int:
    return int(lamina.succeed("versions", "show", "head", "-c", collection)["version"])


def test_versions_are_listed_and_shown(lamina: RunningLamina, animals: str) -> None:
    listed = lamina.succeed("versions", "list", "-c", animals, "--content")
    page = lamina.succeed("versions", "list", "-c", animals, "--before", "2", "--limit", "1")
    shown = lamina.run("versions", "show", "first", "-c", animals)
    table = lamina.run("versions", "list", "-c", animals)

    assert [one["version"] for one in listed][-3:] == [2, 1, 0]
    assert [(one["version"], one["tags"]) for one in page] == [(1, ["first"])]
    assert shown.returncode == table.returncode == 0
    assert "flat" in shown.stdout
    assert "first" in table.stdout


def test_a_tag_can_be_searched_moved_and_taken_away(lamina: RunningLamina, animals: str) -> None:
    found = lamina.succeed("search", "eagles", "-c", animals, "--version", "first", "--exact")
    told = lamina.run("versions", "tag", "first", "-c", animals)
    moved = lamina.succeed("versions", "show", "first", "-c", animals)
    lamina.succeed("versions", "untag", "first", "-c", animals)
    gone = lamina.run("versions", "show", "first", "-c", animals)

    assert found["version"] == 1
    assert found["hits"][0]["passage"] == "Eagles nest on cliffs."
    assert told.stdout == f"first is version {moved['version']} of {animals}.\n"
    assert (gone.returncode, "No such tag" in gone.stderr) == (2, True)


def test_a_diff_is_lines_and_moves(lamina: RunningLamina, animals: str) -> None:
    query = ("--query", "a fish that swims in the sea", "-k", "2")
    lines = lamina.run("versions", "diff", "first", "2", "-c", animals, *query)
    both = lamina.succeed("versions", "diff", "first", "2", "-c", animals, *query)
    first = lamina.succeed("versions", "diff", "1", "2", "-c", animals, "--limit", "1")

    assert lines.stdout.splitlines()[:2] == ["~ eagle  Eagle  (text)", "+ trout  Trout"]
    assert "1 added, 1 changed, 0 removed" in lines.stderr
    ranking = {
        one["id"]: (one["rank_before"], one["rank_after"]) for one in both["ranking"]["moves"]
    }
    assert ranking["trout"] == (None, 1)
    assert "new" in lines.stdout
    assert "gone" in lines.stdout
    assert [one["id"] for one in first["diff"]["changes"]] == ["eagle"]
    assert first["ranking"] is None


def test_a_restore_shows_what_changes_and_asks(lamina: RunningLamina, animals: str) -> None:
    before = newest(lamina, animals)
    asked = lamina.run("versions", "restore", "first", "-c", animals)
    unchanged = newest(lamina, animals)
    done = lamina.run("versions", "restore", "first", "-c", animals, "--yes")
    again = lamina.succeed("versions", "restore", "first", "-c", animals, "--yes")

    assert (asked.returncode, "--yes" in asked.stderr) == (2, True)
    assert asked.stdout.splitlines() == ["~ eagle  Eagle  (text)", "- trout  Trout"]
    assert unchanged == before
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == f"Version {before + 1} is version 1 again."
    assert again["unchanged"]
    found = lamina.succeed("search", "eagles", "-c", animals, "-k", "5")
    assert {hit["id"] for hit in found["hits"]} == {"whale", "eagle"}


def test_rules_are_set_and_shown(lamina: RunningLamina, animals: str) -> None:
    lamina.succeed(
        *("collections", "set", animals, "--policy", "hnsw", "--recall-target", "0.97"),
        *("--memory-limit", "2GB", "--keep-versions", "50", "--keep-days", "30", "--no-thinning"),
    )
    lamina.succeed("collections", "set", animals, "--keep-days", "14")
    shown = lamina.succeed("collections", "show", animals)
    words = lamina.run("collections", "show", animals).stdout
    unlimited = lamina.succeed("collections", "set", animals, "--memory-limit", "none")
    wrong = lamina.run("collections", "set", animals, "--recall-target", "2")
    nothing = lamina.run("collections", "set", animals)

    rule = {"policy": "hnsw", "recall_target": 0.97, "memory_limit_bytes": 2 * 10**9}
    assert shown["index"] == rule
    assert shown["retention"] == {"versions": 50, "days": 14, "thinned": False}
    assert "hnsw, recall at least 0.97, at most 2.0 GB of memory" in words
    assert "the newest 50, older ones for 14 days (all of them)" in words
    assert unlimited["index"]["memory_limit_bytes"] is None
    assert (wrong.returncode, "/index/recall_target" in wrong.stderr) == (2, True)
    assert nothing.returncode == 2


def test_garbage_is_shown_and_removed_only_with_yes(lamina: RunningLamina, animals: str) -> None:
    kept = newest(lamina, animals)
    shown = lamina.run("gc", animals)
    removed = lamina.succeed("gc", animals, "--yes")
    everything = lamina.succeed("gc")

    assert "Nothing was removed" in shown.stderr
    assert removed[0]["collection"] == animals
    assert {one["collection"] for one in everything} >= {animals, "default"}
    assert newest(lamina, animals) == kept


def test_a_purged_document_is_in_no_version(lamina: RunningLamina, animals: str) -> None:
    refused = lamina.run("purge", animals, "eagle")
    there = lamina.succeed("search", "eagles", "-c", animals, "--version", "first")
    purged = lamina.succeed("purge", animals, "eagle", "--yes")
    again = lamina.run("purge", animals, "eagle", "--yes")

    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert "eagle" in {hit["id"] for hit in there["hits"]}
    assert purged["id"] == "eagle"
    assert (again.returncode, "No such document" in again.stderr) == (2, True)
    for version in ("first", "2", "head"):
        found = lamina.succeed("search", "eagles", "-c", animals, "--version", version)
        assert "eagle" not in {hit["id"] for hit in found["hits"]}


def test_the_status_knows_of_chores_and_damage(lamina: RunningLamina) -> None:
    status = lamina.succeed("status")

    assert status["damages"] == 0
    assert isinstance(status["chores"], list)
