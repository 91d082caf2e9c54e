"""Messages from foreign producers: all that is right is taken, all else rejected with a reason."""

import json
import random
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared import schemas
from shared.domain import DocumentLimits, Json, Lane, Rejection, Submission
from shared.messages import MessageLimits, parse
from tests.golden import ACCEPTED, golden
from tests.golden.malformed import ID, MALFORMED, PAYLOAD, encode_body, envelope

LIMITS = MessageLimits(
    documents=DocumentLimits(
        documents=10,
        id_characters=50,
        title_characters=100,
        text_characters=1000,
        metadata_bytes=500,
        metadata_depth=4,
        key_characters=40,
    ),
    message_bytes=16 * 1024 * 1024,
    rejected_bytes=1000,
)


def read(raw: bytes, limits: MessageLimits = LIMITS) -> Submission | Rejection:
    return parse(raw, limits, source="queue:lamina.submit", receipt="push:1")


def accepted(raw: bytes) -> Submission:
    letter = read(raw)
    assert isinstance(letter, Submission), letter
    return letter


def rejected(raw: bytes, limits: MessageLimits = LIMITS) -> Rejection:
    letter = read(raw, limits)
    assert isinstance(letter, Rejection)
    return letter


def push(**changes: object) -> bytes:
    return json.dumps(PAYLOAD | changes).encode()


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_message_of_every_client_is_taken(name: str) -> None:
    letter = accepted(golden(name))
    assert letter.collection == "default"
    assert letter.source == "queue:lamina.submit"
    assert len(letter.documents) == 1
    assert letter.documents[0].text


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_message_of_every_client_is_valid_by_the_published_schema(name: str) -> None:
    assert schemas.find_faults(schemas.ENVELOPE, json.loads(golden(name))) == []


def test_text_arrives_as_it_was_sent_whatever_the_client_escapes() -> None:
    names = ("python-celery-kwargs", "node-celery-node", "node-celery-ts-args", "plain-push")
    texts = {accepted(golden(name)).documents[0].text for name in names}
    assert texts == {"Wärmepumpen heat a house in winter 🔥"}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_message_is_rejected_with_its_reason(name: str) -> None:
    raw, reason = MALFORMED[name]
    letter = rejected(raw)
    assert letter.reason == reason
    assert letter.detail
    assert letter.raw == raw[:1000]


def test_the_twenty_are_malformed_by_one_thing_each() -> None:
    assert len(MALFORMED) == 20
    assert isinstance(read(envelope()), Submission)


@pytest.mark.parametrize("name", ["refused-node-celery-ts-zlib"])
def test_a_compressed_message_is_refused_by_name(name: str) -> None:
    assert "/headers/compression" in rejected(golden(name)).detail


def test_the_key_of_the_payload_comes_first_then_the_task_id_then_the_receipt() -> None:
    keyed = PAYLOAD | {"key": "mine"}
    assert accepted(envelope(body=encode_body([[], keyed, {}]))).key == "mine"
    assert accepted(envelope()).key == f"message:{ID}"
    assert accepted(push()).key == "push:1"
    assert accepted(push(key=None)).key == "push:1"


def test_a_rejection_is_found_under_the_key_its_producer_knows() -> None:
    assert rejected(push(key="mine", documents=[])).key == "mine"
    assert rejected(envelope(headers={"eta": "tomorrow"})).key == f"message:{ID}"
    assert rejected(envelope(body="%")).key == f"message:{ID}"
    assert rejected(b"nonsense").key == "push:1"
    assert rejected(push(key="k" * 41)).key == "push:1"
    assert rejected(push(documents=[])).collection == "c"


def test_lanes_are_named_and_bulk_unless_said() -> None:
    assert accepted(push()).lane is Lane.BULK
    assert accepted(push(lane="interactive")).lane is Lane.INTERACTIVE
    assert rejected(push(lane="rebuild")).reason == "bad-payload"


def test_what_a_message_asks_the_worker_to_do_next_is_ignored() -> None:
    link = {"task": "evil", "args": [], "kwargs": {}}
    embed = {"callbacks": [link], "errbacks": [link], "chain": [link], "chord": link}
    letter = accepted(envelope(body=encode_body([[], PAYLOAD, embed])))
    assert [one.id for one in letter.documents] == ["m"]


def test_unknown_fields_are_ignored_at_the_top_and_refused_in_a_document() -> None:
    assert accepted(push(schema="later", tenant="me")).collection == "c"
    letter = rejected(push(documents=[{"id": "1", "txet": "misspelt"}]))
    assert letter.reason == "bad-payload"
    assert letter.detail.startswith("/documents/0: ")
    assert "txet" in letter.detail


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"documents": [{"id": "1", "text": 7}]}, "/documents/0/text"),
        ({"documents": [{"id": "1", "text": "t" * 1001}]}, "/documents/0/text"),
        ({"documents": [{"id": "1", "text": "t"}, {"id": "2"}]}, "/documents/1"),
        ({"documents": [{"text": "nul \x00"}]}, "/documents/0/text"),
        ({"documents": [{"text": "half \ud800"}]}, "/documents/0/text"),
        ({"documents": [{"text": "t", "metadata": {"a": "\ud800"}}]}, "/documents/0/metadata"),
        ({"documents": [{"text": "t", "metadata": {"\x00": 1}}]}, "/documents/0/metadata"),
        ({"documents": [{"text": "t", "metadata": [[[[[[1]]]]]]}]}, "/documents/0/metadata"),
        ({"documents": [{"text": "t", "metadata": {"a": [[[[[1]]]]]}}]}, "/documents/0/metadata"),
        ({"documents": [{"text": "t", "external_version": -1}]}, "/documents/0/external_version"),
        ({"documents": {}}, "/documents"),
        ({"collection": 3}, "/collection"),
        ({"collection": "nul\x00"}, "/collection"),
        ({"collection": "half\ud800"}, "/collection"),
        ({"key": "nul\x00"}, "/key"),
        ({"key": "half\ud800"}, "/key"),
        ({"key": 3}, "/key"),
    ],
)
def test_a_bad_payload_is_rejected_with_a_pointer(changes: dict[str, Json], pointer: str) -> None:
    letter = rejected(push(**changes))
    assert letter.reason == "bad-payload"
    assert f"{pointer}: " in letter.detail
    assert storable(letter)


def test_more_documents_than_the_limit_are_too_large() -> None:
    letter = rejected(push(documents=[{"text": "t"}] * 11))
    assert letter.reason == "too-large"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1" * 5000])
def test_numbers_that_json_does_not_know_are_refused(number: str) -> None:
    raw = f'{{"collection": "c", "documents": [{{"text": "t", "metadata": {{"a": {number}}}}}]}}'
    assert rejected(raw.encode()).reason == "not-json"


def test_a_number_too_large_for_a_float_is_refused() -> None:
    raw = b'{"collection": "c", "documents": [{"text": "t", "metadata": {"a": 1e999}}]}'
    assert "/documents/0/metadata" in rejected(raw).detail


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [65, 900, 5_000, 100_000])
def test_deep_nesting_is_refused_wherever_it_is(opening: str, depth: int) -> None:
    closing = "]" if opening == "[" else "}"
    nest = opening * depth + "1" + closing * depth
    for raw in (
        nest.encode(),
        b'{"collection": "c", "documents": ' + nest.encode() + b"}",
        envelope(body=nest, properties={"delivery_tag": "1", "delivery_info": {}}),
        b'{"body": ' + nest.encode() + b"}",
    ):
        assert rejected(raw).reason in {"too-deep", "bad-envelope"}
    assert "nested" in rejected(nest.encode()).detail


def test_a_message_one_byte_too_large_is_refused_unread() -> None:
    raw = push()
    limits = replace(LIMITS, message_bytes=len(raw))
    assert isinstance(read(raw, limits), Submission)
    assert rejected(raw + b" ", limits).reason == "too-large"


def test_the_published_schemas_are_schemas_and_hold_their_examples() -> None:
    for name in (schemas.PAYLOAD, schemas.ENVELOPE):
        Draft202012Validator.check_schema(schemas.load(name))
    examples = schemas.load(schemas.PAYLOAD)["examples"]
    assert isinstance(examples, list)
    for one in examples:
        assert schemas.find_faults(schemas.PAYLOAD, one) == []
        assert schemas.find_faults(schemas.ENVELOPE, one) == []


SEEDS = [*(golden(name) for name in ACCEPTED), *(raw for raw, _ in MALFORMED.values())][:-1]


def storable(letter: Submission | Rejection) -> bool:
    """Whether a database can hold every text of *letter*."""
    texts = [letter.source, letter.key or "", letter.collection or ""]
    if isinstance(letter, Rejection):
        texts += [letter.reason, letter.detail]
    else:
        texts += [text for one in letter.documents for text in (one.id, one.title, one.text)]
    return all("\x00" not in text and text.encode() is not None for text in texts)


@settings(max_examples=200)
@given(st.binary(max_size=300))
@example(b"")
@example(b"\xef\xbb\xbf{}")
@example('{"collection": "c"}'.encode("utf-16"))
@example(b'{"body": "", "headers": null, "properties": null, "content-type": null}')
def test_random_bytes_never_raise(raw: bytes) -> None:
    assert isinstance(read(raw), Rejection)


@settings(max_examples=300)
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), st.integers(1, 8))
def test_a_damaged_message_never_raises(raw: bytes, seed: int, cuts: int) -> None:
    chance = random.Random(seed)
    damaged = bytearray(raw)
    for _ in range(cuts):
        place = chance.randrange(len(damaged) or 1)
        damaged[place : place + chance.randrange(4)] = chance.randbytes(chance.randrange(4))
    assert storable(read(bytes(damaged)))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.data())
def test_any_json_in_any_place_of_a_message_never_raises(data: st.DataObject) -> None:
    seed = json.loads(data.draw(st.sampled_from([golden(name) for name in ACCEPTED])))
    part = seed
    while isinstance(part, dict | list) and part:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            part[key] = data.draw(json_values)
            break
        part = part[key]
    assert storable(read(json.dumps(seed).encode()))
