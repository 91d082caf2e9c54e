"""The command line as a whole: help, exit codes, and what it does not import."""

import subprocess
import sys
from pathlib import Path

import pytest
from httpx import Response
from typer.testing import CliRunner

from shared.cli.collections import parse_limit
from shared.cli.commands import app
from shared.cli.evaluating import read_qrels, read_queries
from shared.cli.maintaining import numbers_in_words
from shared.cli.terminal import Exit, Failure, code_of
from shared.client import Refused
from shared.errors import (
    BrokerUnavailable,
    ConfigurationError,
    InvalidRequest,
    LaminaError,
    ModelUnavailable,
    VersionExpired,
)
from tests.running import free_port

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = [
    ("up",),
    ("add",),
    ("search",),
    ("collections", "create"),
    ("collections", "list"),
    ("collections", "show"),
    ("collections", "set"),
    ("versions", "list"),
    ("versions", "show"),
    ("versions", "tag"),
    ("versions", "untag"),
    ("versions", "diff"),
    ("versions", "restore"),
    ("gc",),
    ("purge",),
    ("status",),
    ("jobs",),
    ("jobs", "show"),
    ("jobs", "cancel"),
    ("jobs", "retry"),
    ("jobs", "batches"),
    ("map",),
    ("why",),
    ("dead", "list"),
    ("dead", "show"),
    ("dead", "replay"),
    ("dead", "dismiss"),
    ("export",),
    ("import",),
    ("backup", "save"),
    ("backup", "check"),
    ("backup", "load"),
    ("eval",),
    ("models", "pull"),
    ("models", "list"),
    ("keys", "create"),
    ("keys", "list"),
    ("keys", "show"),
    ("keys", "revoke"),
    ("audit",),
    ("broker-url",),
    ("migrate",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).output

    assert f"lamina {' '.join(command)}" in shown or "./run broker-url" in shown
    assert command == ("up",) or "--json" in shown


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_examples_are_lines_of_their_own(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"]).output

    assert "\\b" not in shown
    examples = [line for line in shown.splitlines() if " lamina " in line and "`" not in line]
    assert all(line.count(" lamina ") == 1 for line in examples)


def test_an_export_is_called_what_an_import_takes(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export", "c", str(tmp_path / "c.txt")])

    assert done.exit_code == 2
    assert not list(tmp_path.iterdir())


def test_a_single_fault_is_told_once() -> None:
    fault = {"pointer": "/tag", "detail": "no name"}
    problem = {"title": "Invalid request", "detail": "/tag: no name.", "errors": [fault]}

    assert str(Refused(Response(422, json=problem))) == "Invalid request: /tag: no name. (HTTP 422)"

    several = problem | {"errors": [fault, {"pointer": "/k", "detail": "too large"}]}
    assert str(Refused(Response(422, json=several))).endswith("  /tag: no name\n  /k: too large")


def test_the_help_lists_the_exit_codes_and_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output

    assert "Exit codes of every command: 0" in shown
    assert all(f"\n  {command[0]} " in shown for command in COMMANDS)


def test_user_commands_load_no_heavy_library() -> None:
    script = (
        "import sys; from shared.cli import commands;"
        "heavy = {'torch', 'transformers', 'faiss', 'sqlalchemy', 'celery', 'flask', 'redis'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidRequest("x"), Exit.USAGE),
        (ConfigurationError("x"), Exit.USAGE),
        (VersionExpired("x"), Exit.USAGE),
        (BrokerUnavailable("x"), Exit.UNREACHABLE),
        (ModelUnavailable("x"), Exit.FAILED),
    ],
)
def test_errors_have_the_documented_exit_codes(error: LaminaError, code: Exit) -> None:
    assert code_of(error) is code


def test_a_lamina_that_does_not_run_is_exit_code_3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMINA_PORT", str(free_port()))

    done = CliRunner().invoke(app, ["status"])

    assert done.exit_code == 3


def test_a_wrong_option_is_exit_code_2() -> None:
    assert CliRunner().invoke(app, ["search", "x", "-k", "0"]).exit_code == 2


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("2GB", 2_000_000_000),
        ("1.5 gb", 1_500_000_000),
        ("512MiB", 512 * 2**20),
        ("1000", 1000),
        ("7B", 7),
        ("none", None),
        ("None", None),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int | None) -> None:
    assert parse_limit(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 GBit", "1e9", "0x10", "infinity"])
def test_what_is_no_size_is_said_so(text: str) -> None:
    with pytest.raises(Failure, match="is no size") as caught:
        parse_limit(text)

    assert caught.value.code is Exit.USAGE


@pytest.mark.parametrize(
    "command",
    [
        ("collections", "set", "c"),
        ("collections", "set", "c", "--keep-versions", "0"),
        ("collections", "set", "c", "--policy", "annoy"),
        ("collections", "set", "c", "--memory-limit", "much"),
        ("versions", "diff"),
        ("versions", "list", "--limit", "0"),
        ("purge", "c"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_before_anything_is_sent(command: tuple[str, ...]) -> None:
    assert CliRunner().invoke(app, command).exit_code == 2


def test_a_purge_without_yes_and_without_anybody_to_ask_erases_nothing() -> None:
    done = CliRunner().invoke(app, ["purge", "c", "a1"])

    assert done.exit_code == 2
    assert "--yes" in done.output


@pytest.mark.parametrize(
    ("versions", "words"),
    [([], "none"), ([4], "4"), ([3, 1, 2, 7, 9, 10], "1-3, 7, 9-10")],
)
def test_numbers_are_shortened_to_runs(versions: list[int], words: str) -> None:
    assert numbers_in_words(versions) == words


def test_beir_files_are_read(tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "1", "text": "what\u2028now"}\n\n{"_id": 2, "text": "b"}\n')
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text('query-id\tcorpus-id\tscore\n1\tdoc "one\t1\n1\td2\t0\n2\td3\t2\n')

    assert read_queries(queries) == {"1": "what\u2028now", "2": "b"}
    assert read_qrels(qrels) == {"1": {'doc "one': 1, "d2": 0}, "2": {"d3": 2}}


@pytest.mark.parametrize(
    "content",
    ["1\t2\t1\n", "query-id\tcorpus-id\tscore\n1\t2\n", "query-id,corpus-id,score\n1,2,3\n"],
)
def test_a_wrong_judgement_file_is_named_with_the_line(tmp_path: Path, content: str) -> None:
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text(content + "x\ty\n")

    with pytest.raises(Failure, match=r"qrels\.tsv:\d: wanted query-id") as caught:
        read_qrels(qrels)

    assert caught.value.code is Exit.USAGE


def test_a_wrong_query_is_named_with_its_line(tmp_path: Path) -> None:
    queries = tmp_path / "queries.jsonl"
    queries.write_text('{"_id": "1", "text": "a"}\n{"_id": "2"}\n')

    with pytest.raises(Failure, match=r"queries\.jsonl:2: a query has"):
        read_queries(queries)
