"""Messages from foreign producers: all that is right is taken, all else rejected with a reason."""

import base64
import json
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain import DocumentLimits, Json, Lane, Rejection, RevisionKind, Submission
from shared.envelopes import TASKS, wrap
from shared.messages import MessageLimits, parse
from tests.golden import ACCEPTED, AMQP, DELETES, REPLIES, golden, golden_amqp
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
    message_values=10_000,
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


@pytest.mark.parametrize("name", DELETES)
def test_a_delete_of_every_client_is_taken(name: str) -> None:
    letter = accepted(golden(name))
    assert letter.collection == "default"
    assert letter.missing_ok
    assert {one.kind for one in letter.documents} == {RevisionKind.DELETE}
    assert {one.id for one in letter.documents} <= {"py-1", "node-1", "7", "cli-1"}


@pytest.mark.parametrize("name", AMQP)
def test_an_amqp_message_of_every_client_is_taken(name: str) -> None:
    letter = accepted(wrap(**golden_amqp(name)))
    kind = RevisionKind.DELETE if name.endswith("-delete") else RevisionKind.PUT
    assert {one.kind for one in letter.documents} == {kind}
    assert letter.key
    if kind is RevisionKind.PUT:
        assert letter.documents[0].text == "Wärmepumpen heat a house in winter 🔥"


def test_what_every_client_says_of_itself_arrives() -> None:
    raws = [golden(name) for name in REPLIES]
    raws += [wrap(**golden_amqp(name)) for name in AMQP if name.endswith("-reply")]
    assert len(raws) == 5
    for letter in map(accepted, raws):
        assert letter.producer == "orders"
        assert letter.reply_to == f"{letter.key}-5d41402abc4b2a76"
        assert letter.extra == {"tenant": {"id": 7}}


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


def test_unknown_fields_are_kept_at_the_top_and_refused_in_a_document() -> None:
    later = accepted(push(schema="later", tenant={"id": [7]}, producer="p", key="k", lane="bulk"))
    assert later.extra == {"schema": "later", "tenant": {"id": [7]}}
    assert accepted(push()).extra == {}
    assert accepted(delete(ids=["a"], tenant="me")).extra == {"tenant": "me"}
    assert accepted(push(ids=["a"])).extra == {"ids": ["a"]}
    letter = rejected(push(documents=[{"id": "1", "txet": "misspelt"}]))
    assert letter.reason == "bad-payload"
    assert letter.detail.startswith("/documents/0: ")
    assert "txet" in letter.detail


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x" * 500, "larger than 500 bytes"),
        ([[[[1]]]], "deeper than 4"),
        ("nul \x00", "NUL"),
        ("half \ud800", "surrogate"),
        ({"half \ud800": 1}, "surrogate"),
    ],
)
def test_unknown_fields_have_the_limits_of_metadata(value: Json, words: str) -> None:
    for raw in (push(later=value), delete(ids=["a"], later=value)):
        letter = rejected(raw)
        assert letter.reason == "bad-payload"
        assert words in letter.detail
        assert "unknown fields" in letter.detail


def test_a_producer_is_who_the_payload_says_or_the_host_that_celery_names() -> None:
    def sent(origin: Json, **changes: str) -> Submission:
        body = encode_body([[], {**PAYLOAD, **changes}, {}])
        return accepted(envelope(headers={"origin": origin}, body=body))

    assert accepted(push(producer="orders/7 é")).producer == "orders/7 é"
    assert accepted(push(producer=None)).producer == accepted(push()).producer == ""
    assert accepted(delete(ids=["a"], producer="orders")).producer == "orders"
    assert sent("gen1234@host").producer == sent("gen99@host").producer == "host"
    assert sent("4711@host.example").producer == "host.example"
    assert sent("gen1@host", producer="orders").producer == "orders"
    for odd in ("host", "gen1@", "gen1@\n", "gen1@" + "h" * 101, 7, None, ["gen1@host"]):
        assert sent(odd).producer == "", odd


@pytest.mark.parametrize("name", ["", "p" * 101, "tab\t", "nul\x00", "half\ud800", 7, ["p"]])
def test_a_producers_name_is_short_and_printable(name: Json) -> None:
    letter = rejected(push(producer=name))
    assert letter.reason == "bad-payload"
    assert letter.detail.startswith("/producer: ")


def test_a_place_for_the_reply_is_read_of_what_is_refused_too() -> None:
    assert accepted(push(reply_to="Orders-7.a_b")).reply_to == "Orders-7.a_b"
    assert accepted(push(reply_to=None)).reply_to is None
    assert accepted(delete(ids=["a"], reply_to="r")).reply_to == "r"
    assert rejected(push(reply_to="r", documents=[])).reply_to == "r"
    assert rejected(push(reply_to="no blanks")).reply_to is None
    assert rejected(b"nonsense").reply_to is None
    celery = golden("python-celery-5.7-kwargs")  # with the property, for results
    assert b'"reply_to"' in celery
    assert accepted(celery).reply_to is None


@pytest.mark.parametrize("name", ["", "r" * 101, "a b", "a:b", "ä", "a\n", "*", "lamina/x", 7])
def test_a_place_for_replies_has_a_plain_name(name: Json) -> None:
    letter = rejected(push(reply_to=name))
    assert (letter.reason, letter.detail.startswith("/reply_to: ")) == ("bad-payload", True)


def test_a_submission_knows_the_message_that_it_was() -> None:
    raw = push(reply_to="r")
    assert accepted(raw).raw == raw
    assert rejected(b"x" * 2000).size == 2000


def test_unknown_fields_of_envelope_headers_and_properties_are_ignored() -> None:
    headers: dict[str, Json] = {"traceparent": "00-1", "tenant": ["me"]}
    letter = accepted(envelope(headers=headers, later={"a": 1}))
    assert letter.documents[0].id == "m"


def delete(**changes: object) -> bytes:
    kwargs = {"collection": "c", **changes}
    return json.dumps({"task": "lamina.delete.v1", "kwargs": kwargs}).encode()


def test_a_delete_names_documents_by_id_or_with_their_own_versions() -> None:
    letter = accepted(delete(ids=["a", 7], key="k", tenant="me"))
    assert [(one.id, one.external_version) for one in letter.documents] == [
        ("a", None),
        ("7", None),
    ]
    assert letter.key == "k"
    numbered = accepted(delete(documents=[{"id": "a", "external_version": 5}, {"id": "b"}]))
    assert [(one.id, one.external_version) for one in numbered.documents] == [("a", 5), ("b", None)]
    assert letter.lane is numbered.lane is Lane.BULK


def test_a_delete_is_known_again_by_what_it_deletes() -> None:
    by_id = accepted(delete(ids=["a"]))
    assert by_id.content_sha256 == accepted(delete(documents=[{"id": "a"}])).content_sha256
    assert by_id.content_sha256 == accepted(delete(ids=["a"], later=1)).content_sha256
    others = [delete(ids=["b"]), delete(documents=[{"id": "a", "external_version": 1}])]
    assert by_id.content_sha256 not in {accepted(one).content_sha256 for one in others}


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({}, "/"),
        ({"ids": ["a"], "documents": [{"id": "a"}]}, "/"),
        ({"ids": None, "documents": None}, "/"),
        ({"ids": []}, "/ids"),
        ({"ids": "a"}, "/ids"),
        ({"ids": ["a", ""]}, "/ids/1"),
        ({"ids": ["a", True]}, "/ids/1"),
        ({"ids": [None]}, "/ids/0"),
        ({"ids": ["nul\x00"]}, "/ids/0"),
        ({"ids": ["half\ud800"]}, "/ids/0"),
        ({"ids": [" a"]}, "/ids/0"),
        ({"ids": ["a" * 51]}, "/ids/0"),
        ({"ids": [10**60]}, "/ids/0"),
        ({"documents": [{"id": "a", "text": "?"}]}, "/documents/0"),
        ({"documents": [{"external_version": 1}]}, "/documents/0"),
        ({"documents": [{"id": "a", "external_version": -1}]}, "/documents/0/external_version"),
        ({"documents": [{"id": "a", "external_version": 1.5}]}, "/documents/0/external_version"),
        ({"documents": ["a"]}, "/documents/0"),
        ({"ids": ["a"], "key": "k" * 41}, "/key"),
        ({"ids": ["a"], "collection": 7}, "/collection"),
        ({"ids": ["a"], "lane": "now"}, "/lane"),
    ],
)
def test_a_bad_delete_is_rejected_with_a_pointer(changes: dict[str, Json], pointer: str) -> None:
    letter = rejected(delete(**changes))
    assert letter.reason == "bad-payload"
    assert f"{pointer}: " in letter.detail
    assert storable(letter)


def test_a_delete_needs_its_task_so_that_a_submission_never_deletes() -> None:
    assert rejected(push(documents=[{"id": "a"}])).reason == "bad-payload"
    raw = json.dumps({"collection": "c", "ids": ["a"]}).encode()
    assert "'documents' is a required property" in rejected(raw).detail


@pytest.mark.parametrize("task", ["lamina.submit.v2", "lamina.delete.v2", "lamina.submit", ""])
def test_another_major_version_is_rejected_by_name_and_kept(task: str) -> None:
    raw = json.dumps({"task": task, "id": "later", "kwargs": PAYLOAD}).encode()
    letter = rejected(raw)
    assert (letter.reason, letter.key, letter.raw) == ("unknown-task", "message:later", raw)
    assert all(name in letter.detail for name in TASKS)
    assert rejected(envelope(headers={"task": task})).reason == "unknown-task"


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
    limits = replace(LIMITS, message_values=10**6)
    for raw in (
        nest.encode(),
        b'{"collection": "c", "documents": ' + nest.encode() + b"}",
        envelope(body=nest, properties={"delivery_tag": "1", "delivery_info": {}}),
        b'{"body": ' + nest.encode() + b"}",
    ):
        assert rejected(raw, limits).reason in {"too-deep", "bad-envelope"}
    assert "nested" in rejected(nest.encode(), limits).detail


def test_a_message_one_byte_too_large_is_refused_unread() -> None:
    raw = push()
    limits = replace(LIMITS, message_bytes=len(raw))
    assert isinstance(read(raw, limits), Submission)
    assert rejected(raw + b" ", limits).reason == "too-large"


def test_more_ids_than_the_limit_are_too_large() -> None:
    assert rejected(delete(ids=["a"] * 11)).reason == "too-large"
    assert rejected(delete(documents=[{"id": "a"}] * 11)).reason == "too-large"


def test_a_name_that_occurs_twice_is_refused_since_one_of_the_two_would_be_lost() -> None:
    raw = b'{"collection": "c", "collection": "d", "documents": [{"text": "t"}]}'
    letter = rejected(raw)
    assert letter.reason == "not-json"
    assert "'collection' occurs twice" in letter.detail
    body = '[[], {"collection": "c", "documents": [{"text": "a", "text": "b"}]}, {}]'
    assert "'text' occurs twice" in rejected(envelope(body=_base64(body.encode()))).detail


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


BODY = json.dumps([[], PAYLOAD, {}])


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (_base64(BODY.encode())[:-3], "not base64"),
        (_base64(BODY.encode()) + "\n", "not base64"),
        ("ÄÖ", "not base64"),
        ("\ud800", "half of a surrogate pair"),
        (_base64(BODY.encode("utf-16")), "not JSON in UTF-8"),
        (_base64(b"\xff" + BODY.encode()), "not JSON in UTF-8"),
        (_base64(b""), "not JSON in UTF-8"),
        (_base64(BODY[:-1].encode()), "not JSON in UTF-8"),
        (_base64(BODY.replace('"m"', "NaN").encode()), "NaN is not JSON"),
        (_base64(BODY.replace('"m"', "9" * 5000).encode()), "not JSON in UTF-8"),
        (_base64(BODY.replace('"m"', "[" * 70 + "]" * 70).encode()), "nested deeper than 64"),
        (_base64(BODY.replace('"m"', "[" * 90000 + "]" * 90000).encode()), "more than 10000"),
    ],
)
def test_a_bad_body_is_rejected_with_what_is_wrong(body: str, detail: str) -> None:
    letter = rejected(envelope(body=body))
    assert letter.reason in {"bad-envelope", "too-large"}
    assert "/body" in letter.detail
    assert detail in letter.detail
    assert letter.key == f"message:{ID}"


@pytest.mark.parametrize(
    "headers",
    [
        {"id": ""},
        {"id": "i" * 201},
        {"id": 7},
        {"task": None},
        {"task": ["lamina.submit.v1"]},
        {"retries": "many"},
        {"timelimit": [1, 2, 3]},
        {"expires": True},
        {"compression": "application/x-gzip"},
        {"task": "half\ud800"},
        {"task": "nul\x00"},
        {"id": {"deep": [[[]]]}},
    ],
)
def test_bad_headers_are_rejected_by_name(headers: dict[str, Json]) -> None:
    letter = rejected(envelope(headers=headers))
    assert letter.reason in {"bad-envelope", "unknown-task"}
    assert storable(letter)
    assert next(iter(headers)) in letter.detail


@pytest.mark.parametrize("message_id", ["nul\x00", "half\ud800", "line\nbreak"])
def test_an_id_that_nobody_could_ask_for_is_no_key(message_id: str) -> None:
    letter = read(envelope(message_id=message_id))
    assert letter.key == "push:1"
    assert storable(letter)


@pytest.mark.parametrize("part", ["[],", '{"a":{}},', '"",', "0,", "[[[[[[]]]]]],"])
def test_more_values_than_the_limit_are_refused_before_they_are_read(part: str) -> None:
    many = "[" + part * 10_000 + "0]"
    for raw in (
        many.encode(),
        push().replace(b'"a text"', many.encode()),
        envelope(body=_base64(many.encode())),
        envelope(body=many, properties={"delivery_tag": "1", "delivery_info": {}}),
    ):
        letter = rejected(raw)
        assert letter.reason == "too-large"
        assert "more than 10000 values" in letter.detail


def test_commas_and_brackets_inside_texts_are_no_values() -> None:
    text = '[{,\\"\\\\' * 100 + ","
    raw = json.dumps(PAYLOAD | {"notes": [text] * 300}).encode()
    assert raw.count(b",") > 10_000
    roomy = replace(LIMITS, documents=replace(LIMITS.documents, metadata_bytes=1_000_000))
    assert isinstance(read(raw, roomy), Submission)


@pytest.mark.slow
def test_the_largest_message_costs_bounded_time_and_memory() -> None:
    """In a process of its own, with as much memory as the intake may take for one message."""
    script = Path(__file__).parents[1] / "hostile_messages.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) >= 10


SHAPES = [*ACCEPTED, *DELETES]
SEEDS = [*map(golden, SHAPES), *(raw for raw, _ in MALFORMED.values())][:-1]


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
    seed = json.loads(data.draw(st.sampled_from([golden(name) for name in SHAPES])))
    part = seed
    while isinstance(part, dict | list) and part:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            part[key] = data.draw(json_values)
            break
        part = part[key]
    assert storable(read(json.dumps(seed).encode()))


@settings(max_examples=150)
@given(st.data())
def test_any_json_in_any_place_of_a_body_never_raises(data: st.DataObject) -> None:
    kwargs: dict[str, Json] = {
        name: data.draw(json_values)
        for name in data.draw(
            st.lists(st.sampled_from(["collection", "documents", "ids", "key", "lane", "x"]))
        )
    }
    documents = [
        {name: data.draw(json_values) for name in data.draw(FIELDS)}
        for _ in range(data.draw(st.integers(0, 3)))
    ]
    task = data.draw(st.sampled_from([*TASKS, "lamina.submit.v9"]))
    body = [[], {"collection": "c", "documents": documents} | kwargs, {}]
    raw = envelope(headers={"task": task}, body=encode_body(body))
    letter = read(raw)
    assert storable(letter)
    if isinstance(letter, Submission):
        assert task in TASKS
        assert 1 <= len(letter.documents) <= 10


FIELDS = st.lists(st.sampled_from(["id", "title", "text", "metadata", "external_version", "z"]))


@settings(max_examples=100)
@given(st.sampled_from(SEEDS), st.data())
def test_a_truncated_message_is_rejected(raw: bytes, data: st.DataObject) -> None:
    assert isinstance(read(raw[: data.draw(st.integers(0, len(raw.rstrip()) - 1))]), Rejection)


@settings(max_examples=100)
@given(
    st.binary(max_size=200) | st.sampled_from([golden_amqp(name)["body"] for name in AMQP]),
    st.none() | st.sampled_from(["application/json", "application/x-python-serialize", "x\ud800"]),
    st.dictionaries(
        st.text(max_size=5) | st.sampled_from(["task", "id"]),
        st.none() | st.binary(max_size=5) | st.datetimes() | st.decimals() | st.text(max_size=5),
        max_size=3,
    ),
)
def test_any_amqp_message_can_be_wrapped_and_read(
    body: bytes, kind: str | None, table: dict[str, object]
) -> None:
    raw = wrap(body, content_type=kind, content_encoding=None, headers=table, properties=table)
    assert storable(read(raw))
