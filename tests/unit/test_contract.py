"""What is published for other apps is complete, valid, and what the intake does."""

import json
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from shared import schemas
from shared.envelopes import TASKS
from shared.replies import PREFIX
from shared.settings import BrokerSettings
from tests.golden import ACCEPTED, AMQP, DELETES, FOLDER, golden, golden_amqp
from tests.unit.web.installation import Installation

ASYNCAPI = "lamina.asyncapi.v1"
NAMES = (schemas.SUBMIT, schemas.DELETE, schemas.REPLY, schemas.ENVELOPE)


def fields(schema: Any, where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every field that a schema declares, with its place; conditions declare none."""
    if not isinstance(schema, Mapping):
        return
    for name, about in schema.get("properties", {}).items():
        yield f"{where}/{name}", about
    for keyword in ("properties", "$defs"):
        for name, inner in schema.get(keyword, {}).items():
            yield from fields(inner, f"{where}/{name}")
    for keyword in ("items", "contentSchema", "then", "else"):
        yield from fields(schema.get(keyword), f"{where}/{keyword}")
    for keyword in ("allOf", "anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(keyword, ()):
            yield from fields(inner, f"{where}/{keyword}")


@pytest.mark.parametrize("name", NAMES)
def test_a_published_schema_is_one_and_says_what_every_field_means(name: str) -> None:
    schema = schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:lamina:schema:{name}"
    declared = list(fields(schema))
    assert len(declared) >= 5
    silent = [where for where, about in declared if not {"description", "$ref"} & about.keys()]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of_a_schema_are_valid(name: str) -> None:
    examples = schemas.load(name)["examples"]
    assert isinstance(examples, list)
    assert len(examples) >= 2
    for one in examples:
        assert schemas.find_faults(name, one) == []


@pytest.mark.parametrize("name", [*ACCEPTED, *DELETES])
def test_a_message_of_every_client_is_valid_by_the_published_schema(name: str) -> None:
    assert schemas.find_faults(schemas.ENVELOPE, json.loads(golden(name))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"task": "lamina.delete.v1", "kwargs": {"collection": "c"}},
        {"task": "lamina.delete.v1", "kwargs": {"collection": "c", "ids": [True]}},
        {"task": "lamina.submit.v1", "args": [{"collection": "c", "documents": []}]},
        {"task": "lamina.submit.v1", "kwargs": {"collection": "c", "ids": ["a"]}},
        {"collection": "c", "documents": [{"txet": "misspelt"}]},
        {"kwargs": {"collection": "c"}},
    ],
)
def test_the_envelope_schema_refuses_a_wrong_payload_too(wrong: Mapping[str, Any]) -> None:
    assert schemas.find_faults(schemas.ENVELOPE, wrong)


# --- AsyncAPI ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> Draft7Validator:
    """AsyncAPI's own schema of its documents (see the comment inside the file)."""
    path = FOLDER / "asyncapi" / "asyncapi-3.0.0.json"
    return Draft7Validator(json.loads(path.read_text(encoding="utf-8")))


def test_the_asyncapi_document_is_one(official: Draft7Validator) -> None:
    assert [error.message for error in official.iter_errors(schemas.load(ASYNCAPI))] == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("asyncapi",), "2.6.0"),
        (("info", "title"), None),
        (("operations", "takeFromRedis", "action"), "eat"),
        (("channels", "queue", "bindings", "amqp", "is"), "a list"),
        (("channels", "list", "adress"), "misspelt"),
        (("operations", "takeFromRedis", "reply", "address", "location"), "anywhere"),
        (("servers", "redis", "security"), "none"),
        (("components", "messages", "task", "correlationId", "location"), "anywhere"),
    ],
)
def test_the_trimmed_schema_still_refuses_what_is_wrong(
    official: Draft7Validator, path: Sequence[str], wrong: object
) -> None:
    document = json.loads(json.dumps(schemas.load(ASYNCAPI)))
    part = document
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = wrong
    assert not official.is_valid(document)


def references(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name == "$ref":
                yield str(inner)
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def resolve(reference: str, base: Mapping[str, Any]) -> Any:
    """Return what *reference* names, inside *base* or in a file served beside it."""
    file, _, pointer = reference.partition("#")
    found: Any = schemas.load(file.removeprefix("./").removesuffix(".json")) if file else base
    for step in pointer.split("/")[1:]:
        found = found[step]
    return found


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = schemas.load(ASYNCAPI)
    named = list(references(document))
    assert len(named) > 10
    for one in named:
        assert resolve(one, document), one
    files = {one.partition("#")[0] for one in named if one.startswith("./")}
    assert files == {f"./{name}.json" for name in NAMES}


def validator(reference: str) -> Validator:
    registry: Registry[Any] = Registry().with_contents(
        [
            *((f"urn:lamina:schema:{name}", schemas.load(name)) for name in NAMES),
            *((f"urn:x/{name}.json", schemas.load(name)) for name in NAMES),
        ],
        default_specification=DRAFT202012,
    )
    address = reference.replace("./", "urn:x/")
    return Draft202012Validator({"$ref": address}, registry=registry)


def test_the_examples_of_the_asyncapi_document_are_valid_by_their_schemas() -> None:
    document: Mapping[str, Any] = schemas.load(ASYNCAPI)
    seen = 0
    for message in document["components"]["messages"].values():
        for part in ("payload", "headers"):
            if part not in message:
                continue
            schema = resolve(message[part]["$ref"], document)["schema"]["$ref"]
            for example in message["examples"]:
                seen += 1
                assert list(validator(schema).iter_errors(example[part])) == [], example
    assert seen >= 7


@pytest.mark.parametrize("name", AMQP)
def test_recorded_amqp_messages_are_valid_by_the_asyncapi_document(name: str) -> None:
    message = golden_amqp(name)
    document: Mapping[str, Any] = schemas.load(ASYNCAPI)
    kind = "task" if "task" in message["headers"] else "submission"
    described = document["components"]["messages"][kind]
    payload = resolve(described["payload"]["$ref"], document)["schema"]["$ref"]
    assert list(validator(payload).iter_errors(json.loads(message["body"]))) == []
    if kind == "task":
        headers = resolve(described["headers"]["$ref"], document)["schema"]["$ref"]
        assert list(validator(headers).iter_errors(message["headers"])) == []


def test_the_asyncapi_document_names_what_the_settings_and_the_intake_say() -> None:
    document: Mapping[str, Any] = schemas.load(ASYNCAPI)
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {BrokerSettings().queue, PREFIX + "{reply_to}"}
    port = document["servers"]["redis"]["variables"]["port"]["default"]
    assert int(port) == BrokerSettings().port
    tasks = {
        example["headers"]["task"]
        for example in document["components"]["messages"]["task"]["examples"]
    }
    assert tasks == set(TASKS) == {schemas.SUBMIT, schemas.DELETE}


def test_everything_published_is_served_under_its_name(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as installation:
        client = installation.app.test_client()
        for name in (*NAMES, ASYNCAPI):
            answer = client.get(f"/api/v1/schemas/{name}.json")
            assert answer.status_code == HTTPStatus.OK
            assert json.loads(answer.data) == schemas.load(name)
            kind = (
                "application/vnd.aai.asyncapi+json"
                if "asyncapi" in name
                else ("application/schema+json")
            )
            assert answer.mimetype == kind
        for name in ("__init__.py", "lamina.submit.v2.json", "..%2ferrors.py"):
            assert client.get(f"/api/v1/schemas/{name}").status_code == HTTPStatus.NOT_FOUND
