"""Documents are checked and serialised before any transaction."""

import json
from dataclasses import replace
from types import MappingProxyType

import pytest

from shared.catalog.inbox.drafts import pack, rejection
from shared.domain import NewDocument, RevisionKind, Submission
from shared.errors import CollectionNotFound, InvalidDocument

DOCUMENT = NewDocument(id="a", title="T", text="text", metadata={"ü": [1, {"x": None}]})
SUBMISSION = Submission(collection="c", source="api", documents=(DOCUMENT,), key="k")


def test_a_draft_keeps_metadata_as_it_was_sent() -> None:
    (draft,) = pack(SUBMISSION).drafts
    assert draft.metadata_json == '{"ü": [1, {"x": null}]}'
    assert draft.characters == 5


def test_metadata_that_is_not_plain_json_is_refused() -> None:
    frozen = replace(DOCUMENT, metadata=MappingProxyType({"a": 1}))
    with pytest.raises(InvalidDocument):
        pack(replace(SUBMISSION, documents=(frozen,)))


@pytest.mark.parametrize("field", ["id", "title", "text"])
@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800"])
def test_text_that_no_database_stores_names_its_document(field: str, text: str) -> None:
    bad = replace(DOCUMENT, **{field: text})  # type: ignore[arg-type] # fields are all strings
    with pytest.raises(InvalidDocument, match="Document"):
        pack(replace(SUBMISSION, documents=(DOCUMENT, bad)))


def test_a_refused_submission_is_kept_as_json_even_with_lone_surrogates() -> None:
    odd = replace(DOCUMENT, text="\ud800", kind=RevisionKind.DELETE, external_version=3)
    error = CollectionNotFound("because")
    refused = rejection(replace(SUBMISSION, documents=(DOCUMENT, odd)), error)

    documents = json.loads(refused.raw)["documents"]

    assert (refused.reason, refused.detail) == ("no-such-collection", "because")
    assert (refused.key, refused.form, refused.size) == ("k", "documents", len(refused.raw))
    assert documents[0] == {
        "id": "a",
        "title": "T",
        "text": "text",
        "metadata": {"ü": [1, {"x": None}]},
        "kind": "put",
        "external_version": None,
    }
    assert documents[1]["text"] == "\ud800"


def test_a_refused_message_is_kept_as_it_came() -> None:
    sent = replace(SUBMISSION, raw=b"as the queue held it", reply_to="r")
    refused = rejection(sent, CollectionNotFound())
    assert (refused.raw, refused.form, refused.size) == (b"as the queue held it", "message", 20)
    assert refused.reply_to == "r"
