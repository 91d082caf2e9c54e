"""The OpenAPI document is whole: every route is in it, every reference leads somewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.unit.web.installation import Installation, body_of


@pytest.fixture(scope="module")
def lamina(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("openapi")
    with Installation.open(folder) as installation:
        yield installation


@pytest.fixture(scope="module")
def document(lamina: Installation) -> dict[str, Any]:
    return body_of(lamina.client().get("/openapi/openapi.json"))


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def test_every_route_of_the_api_is_documented(
    lamina: Installation, document: dict[str, Any]
) -> None:
    routes = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in lamina.app.url_map.iter_rules()
        if rule.rule.startswith(("/api/v1", "/livez", "/readyz", "/version", "/metrics"))
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert {(method, path) for method, path, _ in operations(document)} == routes
    assert len(routes) >= 17


def test_every_operation_has_words_parameters_and_answers(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]

    assert document["openapi"] == "3.1.0"
    assert len(set(names)) == len(names)
    for _, path, operation in operations(document):
        parameters = operation.get("parameters", [])
        in_path = {one["name"] for one in parameters if one["in"] == "path"}
        assert operation["summary"].endswith(".")
        assert in_path == set(re.findall(r"{(\w+)}", path))
        assert any(code.startswith("2") for code in operation["responses"])
        for code, response in operation["responses"].items():
            assert response["description"]
            if code >= "400" and path.startswith("/api"):
                assert list(response["content"]) == ["application/problem+json"]


def test_every_reference_leads_to_a_valid_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))

    assert references <= set(schemas)
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


def test_answers_are_what_the_document_says(lamina: Installation, document: dict[str, Any]) -> None:
    job = lamina.add({"id": "d", "text": "some words"})
    lamina.index_all()
    answers = {
        "/api/v1/collections": "/api/v1/collections",
        "/api/v1/collections/{name}": "/api/v1/collections/c",
        "/api/v1/collections/{name}/versions": "/api/v1/collections/c/versions",
        "/api/v1/collections/{name}/versions/{ref}": "/api/v1/collections/c/versions/head",
        "/api/v1/collections/{name}/versions/{ref}/diff": "/api/v1/collections/c/versions/0/diff",
        "/api/v1/chores": "/api/v1/chores",
        "/api/v1/damages": "/api/v1/damages",
        "/api/v1/collections/{name}/search": f"/api/v1/collections/c/search?q=x&after={job}",
        "/api/v1/collections/{name}/documents/{document_id}": "/api/v1/collections/c/documents/d",
        "/api/v1/jobs": "/api/v1/jobs",
        "/api/v1/jobs/{job_id}": f"/api/v1/jobs/{job}",
        "/api/v1/dead-letters": "/api/v1/dead-letters",
        "/api/v1/claims": "/api/v1/claims",
        "/api/v1/encoders": "/api/v1/encoders",
        "/api/v1/status": "/api/v1/status",
        "/readyz": "/readyz",
        "/version": "/version",
    }
    for path, address in answers.items():
        response = lamina.client().get(address)
        described = document["paths"][path]["get"]["responses"][str(response.status_code)]
        schema = described["content"]["application/json"]["schema"]
        whole = {**schema, "components": document["components"]}
        Draft202012Validator(whole).validate(body_of(response))


def test_the_page_of_the_api_needs_no_network(lamina: Installation) -> None:
    client = lamina.client()
    page = client.get("/api").text
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)

    assert "swagger-ui" in page
    assert all(address.startswith("/") for address in linked)
    assert all(client.get(address).status_code == 200 for address in linked)
