"""The user's commands against a running Lamina."""

import gzip
import json
import time
from pathlib import Path

import pytest
import redis

from tests.running import RunningLamina

pytestmark = pytest.mark.timeout(400)

ANIMALS = {
    "whale": "The blue whale is the largest mammal that lives in the sea.",
    "eagle": "Eagles are birds of prey that build nests on high cliffs.",
    "bread": "Bread is baked from a dough of flour, water, salt and yeast.",
    "engine": "A diesel engine ignites fuel by compressing the air in its cylinders.",
}


@pytest.fixture(scope="module", autouse=True)
def _things(lamina: RunningLamina, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The collection `things`."""
    path = write(tmp_path_factory.mktemp("commands") / "things.jsonl.gz", ANIMALS)
    lamina.succeed("collections", "create", "things", "--chunking", "none")
    lamina.succeed("add", str(path), "-c", "things", "--batch", "3")


def write(path: Path, documents: dict[str, str]) -> Path:
    lines = b"".join(
        json.dumps({"_id": name, "text": text}).encode() + b"\n" for name, text in documents.items()
    )
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path


def test_what_was_added_is_found_by_meaning(lamina: RunningLamina) -> None:
    found = lamina.succeed("search", "an animal in the ocean", "-c", "things", "-k", "2")

    assert found["hits"][0]["id"] == "whale"
    assert len(found["hits"]) == 2


def test_a_person_gets_lines_instead_of_json(lamina: RunningLamina) -> None:
    done = lamina.run("search", "baking", "-c", "things", "-k", "1")

    assert done.returncode == 0
    assert "bread" in done.stdout.splitlines()[0]
    assert "of things version" in done.stderr


def test_the_same_file_again_changes_nothing(lamina: RunningLamina, tmp_path: Path) -> None:
    again = lamina.succeed("add", str(write(tmp_path / "a.jsonl", ANIMALS)), "-c", "things")

    assert again["counts"]["unchanged"] == again["accepted"] == 4
    assert again["counts"].get("indexed", 0) == 0


def test_adding_returns_only_when_the_new_version_is_served(lamina: RunningLamina) -> None:
    for number in range(3):
        text = f"The lighthouse of year {number} burns oil."
        line = json.dumps({"id": "lighthouse", "text": text}).encode()
        lamina.succeed("add", "-", "-c", "things", stdin=line)
        found = lamina.succeed("search", "lighthouse", "-c", "things", "-k", "1")
        assert found["hits"][0]["passage"] == text


def test_documents_without_an_id_are_not_doubled(lamina: RunningLamina) -> None:
    lamina.succeed("collections", "create", "nameless")
    for _ in range(2):
        lamina.succeed("add", "-", "-c", "nameless", stdin=b'{"text": "no name"}')

    found = lamina.succeed("search", "no name", "-c", "nameless")
    assert len(found["hits"]) == 1


def test_a_bad_line_stops_before_anything_is_sent(lamina: RunningLamina, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"id": "new", "text": "fine"}\n{"id": "worse"}\n')

    done = lamina.run("add", str(path), "-c", "things")

    assert done.returncode == 2
    assert f"{path}:2: it has neither `text` nor `title`" in done.stderr
    assert lamina.run("search", "fine", "-c", "things", "--json").stdout.count('"new"') == 0


def test_bad_lines_can_be_skipped_also_those_that_only_the_server_finds(
    lamina: RunningLamina, tmp_path: Path
) -> None:
    path = tmp_path / "mixed.jsonl"
    long = json.dumps({"id": "long", "text": "word " * 1_000_001})
    path.write_text(f'nonsense\n{long}\n{{"id": "good", "text": "A lantern."}}\n')

    assert lamina.run("add", str(path), "-c", "things").returncode == 2
    result = lamina.succeed("add", str(path), "-c", "things", "--skip-bad")

    assert result["accepted"] == 1
    assert [bad["where"] for bad in result["skipped"]] == [f"{path}:1", f"{path}:2"]


def test_what_was_cut_off_is_a_warning(lamina: RunningLamina) -> None:
    line = json.dumps({"id": "cut", "text": "The river and its banks. " * 150}).encode()

    result = lamina.succeed("add", "-", "-c", "things", stdin=line)

    assert [warning["document"] for warning in result["warnings"]] == ["cut"]


def test_an_unknown_collection_is_exit_code_2(lamina: RunningLamina) -> None:
    done = lamina.run("add", "-", "-c", "nowhere", stdin=b'{"id": "a", "text": "x"}')

    assert done.returncode == 2
    assert "nowhere" in done.stderr


def test_quality_is_measured_with_beir_files(lamina: RunningLamina, tmp_path: Path) -> None:
    queries = {"1": "sea animal", "2": "loaf from the oven", "3": "never judged"}
    path = write(tmp_path / "queries.jsonl", queries)
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\n1\twhale\t1\n2\tbread\t1\n")

    arguments = ("--queries", str(path), "--qrels", str(qrels))
    found = lamina.succeed("eval", "-c", "things", *arguments)

    assert found["queries"] == 2
    assert found["ndcg_at_10"] == found["mrr_at_10"] == found["recall_at_100"] == 1
    table = lamina.run("eval", "-c", "things", *arguments).stdout
    assert "nDCG@10" in table
    assert "1.0000" in table


def test_status_jobs_and_collections_can_be_read_and_parsed(lamina: RunningLamina) -> None:
    status = lamina.succeed("status", "--need", "index", "--need", "web")
    jobs = lamina.succeed("jobs", "-c", "things", "--limit", "3")
    one = lamina.succeed("jobs", jobs[0]["id"])
    collections = {one["name"]: one for one in lamina.succeed("collections", "list")}

    assert status["processes"] == {"index": 1, "intake": 1, "parser": 1, "upkeep": 1, "web": 1}
    assert len(jobs) == 3
    assert (one["id"], one["finished"]) == (jobs[0]["id"], True)
    assert collections["things"]["documents"] >= 4
    for command in ("status", "jobs", "collections"):
        shown = lamina.run(command, *(["list"] if command == "collections" else []))
        assert shown.returncode == 0, shown.stderr
        assert "things" in shown.stdout
    assert lamina.run("jobs", jobs[0]["id"]).stdout.startswith(jobs[0]["id"])


def test_status_fails_when_a_needed_process_is_not_there(lamina: RunningLamina) -> None:
    done = lamina.run("status", "--need", "gardener")

    assert done.returncode == 1
    assert "gardener" in done.stderr


def test_a_rejected_message_is_listed_with_its_reason(lamina: RunningLamina) -> None:
    with redis.Redis.from_url(lamina.broker_url) as producer:
        producer.lpush("lamina.submit", "this is not json")
    deadline = time.monotonic() + 60
    while not (found := lamina.succeed("dead", "list")):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    name = found[0]["id"]
    assert found[0]["reason"] == "not-json"
    assert "not-json" in lamina.run("dead", "list", "--text", "JSON").stdout
    assert "this is not json" in lamina.run("dead", "show", name).stdout
    assert "1 dead letter: see lamina dead list" in lamina.run("status").stdout
    again = lamina.run("dead", "replay", "--reason", "not-json", "--json")
    assert again.returncode == 1
    assert json.loads(again.stdout)["counts"] == {"refused": 1}
    assert lamina.run("dead", "replay").returncode == 2
    assert lamina.run("dead", "replay", name, "--all").returncode == 2
    assert lamina.run("dead", "dismiss", name).returncode == 2, "nobody is there to ask"
    assert lamina.succeed("dead", "dismiss", name, "--yes") == {"dismissed": 1}
    assert lamina.succeed("dead", "list") == []
    assert lamina.succeed("dead", "dismiss", "--all", "--yes") == {"dismissed": 0}


def test_installed_models_are_listed(lamina: RunningLamina) -> None:
    assert [model["name"] for model in lamina.succeed("models", "list")] == [
        "sentence-transformers/all-MiniLM-L6-v2"
    ]


def test_documents_are_listed_changed_and_deleted(lamina: RunningLamina) -> None:
    lamina.succeed("collections", "create", "herd", "--chunking", "none")
    lines = b"".join(
        json.dumps(
            {"id": f"cow/{number}", "text": f"cow {number}", "metadata": {"age": number}}
        ).encode()
        + b"\n"
        for number in range(4)
    )
    lamina.succeed("add", "-", "-c", "herd", stdin=lines)

    job = lamina.succeed("documents", "set", "cow/1", '{"age": 9, "ill": true}', "-c", "herd")
    wait_for_job(lamina, job["job"]["id"])
    shown = lamina.succeed("documents", "show", "cow/1", "-c", "herd")
    old = lamina.succeed("documents", "list", "-c", "herd", "--filter", "age >= 3")
    unasked = lamina.run("documents", "delete", "-c", "herd", "--filter", "age >= 3")
    gone = lamina.succeed("documents", "delete", "-c", "herd", "--filter", "age >= 3", "--yes")
    wait_for_job(lamina, gone["job"]["id"])
    left = lamina.succeed("documents", "list", "-c", "herd", "--status", "indexed", "--limit", "1")
    wrong = lamina.run("documents", "set", "cow/0", "[]", "-c", "herd")

    assert shown["metadata"] == {"age": 9, "ill": True}
    assert [one["id"] for one in old] == ["cow/1", "cow/3"]
    assert unasked.returncode == 2
    assert "2 documents would be" in unasked.stderr
    assert [one["id"] for one in left] == ["cow/0"]
    assert wrong.returncode == 2
    assert "must be a JSON object" in wrong.stderr


def wait_for_job(lamina: RunningLamina, job: str) -> None:
    deadline = time.monotonic() + 60
    while not lamina.succeed("jobs", "show", job)["finished"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
