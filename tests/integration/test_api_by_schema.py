"""Whatever the OpenAPI document allows, and much that it does not, gets an answer it describes.

Schemathesis makes the requests from the document that the API serves.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import CheckFunction, GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.unit.web.installation import KEY, Installation, body_of

_EXAMPLES = int(os.environ.get("API_EXAMPLES", "1"))
"""Requests of each kind for each operation: those that are valid and name what is there, so that
they get past the door; those that are not valid; and, from 10 on, valid ones with random names."""

_SIGNED_IN = {"Authorization": f"Bearer {KEY}"}
# What no schema can tell (limits, that there is no such encoder) is refused.
_ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "410", "413", "422", "429", "5xx"]
_CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": _ACCEPTED},
            "negative_data_rejection": {"expected-statuses": ["4xx", "5xx"]},
            "not_a_server_error": {"expected-statuses": ["2xx", "3xx", "4xx", "503"]},
        }
    }
)


@schemathesis.serializer("application/x-ndjson")
def write_lines(_context: object, value: Any) -> bytes:
    """Return a body of one line."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation.open(tmp_path_factory.mktemp("schema"), admin_key=KEY) as installation:
        yield installation


def furnish(lamina: Installation) -> dict[str, str]:
    """Return what addresses may name, made anew since requests may have removed it.

    There is a collection with two documents, one of which failed, a tag, a webhook and a key.
    """
    client = lamina.client(key=KEY)
    where = "/api/v1/collections/c"
    if client.get(where).status_code == 404:
        lamina.new_collection("c")
    lamina.encoder.refuse("refused")
    document = {"id": "d", "text": "some words", "metadata": {"year": 2026}}
    failing = {"id": "failed", "text": "refused"}
    client.post(f"{where}/documents", json={"documents": [document, failing]})
    lamina.index_all()
    client.put(f"{where}/tags/t", json={"version": "head"})
    client.post("/api/v1/keys", json={"name": "of nobody", "scope": "search"})
    hook = {"url": "https://example.com/", "events": ["job.finished"]}
    client.post(f"{where}/webhooks", json=hook)

    def first(path: str, of: str) -> str:
        return str(body_of(client.get(path))[of][0]["id"])

    return {
        "name": "c",
        "document_id": "d",
        "job_id": first("/api/v1/jobs", "jobs"),
        "ref": "t",
        "tag": "t",
        "key_id": first("/api/v1/keys", "keys"),
        "webhook_id": first(f"{where}/webhooks", "webhooks"),
        "letter_id": first("/api/v1/dead-letters", "dead_letters"),
        "schema_name": "lamina.submit.v1.json",
    }


# The test client does not close what it has read, which a server does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(1200)
def test_every_answer_is_one_that_the_document_describes(lamina: Installation) -> None:
    schema = schemathesis.openapi.from_wsgi(
        "/openapi/openapi.json", lamina.app, config=_CONFIG, headers=_SIGNED_IN
    )
    told, answers = {}, Counter[int]()
    operations, there = 0, dict[str, str]()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        operations += 1
        if operation.method != "get" or not there:
            there = furnish(lamina)
        try:
            if _EXAMPLES >= 10 and list(operation.path_parameters):
                answers += call_often(operation, GenerationMode.POSITIVE, {})
            answers += call_often(operation, GenerationMode.POSITIVE, there)
            answers += call_often(operation, GenerationMode.NEGATIVE, there)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told with all others
            told[operation.label] = f"{type(error).__name__}: {error}\n" + "\n".join(
                str(one) for one in getattr(error, "exceptions", ())
            )
    print(f"{operations} operations, {answers.total()} requests: {dict(sorted(answers.items()))}")
    assert told == {}, "\n\n".join(f"{label}\n{what}" for label, what in told.items())


def call_often(operation: Any, mode: GenerationMode, there: Mapping[str, str]) -> Counter[int]:
    """Send requests to an operation whose path names what is *there*; return their statuses."""
    answers = Counter[int]()
    names = {one.name for one in operation.path_parameters}
    # Of many lines each has an answer of its own, in one that is 200.
    excluded: list[CheckFunction] = (
        [negative_data_rejection] if operation.label.endswith("/bulk") else []
    )
    named = {name: value for name, value in there.items() if name in names}

    @seed(1122)
    @settings(
        max_examples=_EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(mode, path_parameters=named))
    def call(case: "schemathesis.Case[Any]") -> None:
        response = case.call_and_validate(headers=_SIGNED_IN, excluded_checks=excluded)
        answers[response.status_code] += 1

    try:
        call()
    except Unsatisfiable:  # nothing about it can be wrong
        assert mode is GenerationMode.NEGATIVE, operation.label
    return answers
