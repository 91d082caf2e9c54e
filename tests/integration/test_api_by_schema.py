"""Whatever the OpenAPI document allows, and much that it does not, gets an answer it describes.

Schemathesis makes the requests from the document that the API serves.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok

from tests.unit.web.installation import KEY, Installation

_EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
"""Requests for each operation."""

_SIGNED_IN = {"Authorization": f"Bearer {KEY}"}
# What no schema can tell (limits, that there is no such encoder) is refused.
_ACCEPTED = ["2xx", "3xx", "401", "403", "404", "409", "410", "413", "422", "429", "5xx"]
_CONFIG = SchemathesisConfig.from_dict(
    {
        "checks": {
            "positive_data_acceptance": {"expected-statuses": _ACCEPTED},
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
    folder: Path = tmp_path_factory.mktemp("schema")
    with Installation.open(folder, admin_key=KEY) as installation:
        installation.client(key=KEY).post(
            "/api/v1/collections/c/documents",
            json={"documents": [{"id": "d", "text": "some words", "metadata": {"year": 2026}}]},
        )
        installation.index_all()
        yield installation


# The test client does not close what it has read, which a server does.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.timeout(600)
def test_every_answer_is_one_that_the_document_describes(lamina: Installation) -> None:
    schema = schemathesis.openapi.from_wsgi(
        "/openapi/openapi.json", lamina.app, config=_CONFIG, headers=_SIGNED_IN
    )
    told = {}
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        try:
            call_often(operation)
        except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told with all others
            told[operation.label] = f"{type(error).__name__}: {error}\n" + "\n".join(
                str(one) for one in getattr(error, "exceptions", ())
            )
    assert told == {}, "\n\n".join(f"{label}\n{what}" for label, what in told.items())


def call_often(operation: Any) -> None:
    @seed(1122)
    @settings(
        max_examples=_EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: "schemathesis.Case[Any]") -> None:
        case.call_and_validate(headers=_SIGNED_IN)

    call()
