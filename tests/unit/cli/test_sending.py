"""Batches and the patience of a sender, against an API that is only a function."""

import json
from collections.abc import Callable, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli.client import Client, Refused, Unreachable
from shared.cli.jsonlines import BadLine, Line
from shared.cli.sending import Batch, Sender, Sent, batches

Answer = Callable[[httpx.Request], httpx.Response]


def line(number: int, text: str = "x") -> Line:
    document = {"id": str(number), "text": text}
    return Line(f"docs.jsonl:{number + 1}", json.dumps(document).encode())


def accept(request: httpx.Request) -> httpx.Response:
    ids = [one["id"] for one in json.loads(request.content)["documents"]]
    return httpx.Response(202, json={"job": {"id": "+".join(ids), "url": ""}})


def refuse(status: int, *pointers: str) -> httpx.Response:
    errors = [{"pointer": pointer, "detail": "is bad"} for pointer in pointers]
    return httpx.Response(
        status,
        json={"title": "Invalid document", "status": status, "errors": errors},
        headers={"Content-Type": "application/problem+json"},
    )


class Api:
    """Answers with the given answers in turn, the last one for ever; remembers requests."""

    def __init__(self, *answers: Answer | httpx.Response | Exception) -> None:
        self._answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)

    @property
    def keys(self) -> list[str]:
        return [request.headers["Idempotency-Key"] for request in self.requests]


def sender(
    api: Api,
    *,
    skip_bad: Callable[[BadLine], None] | None = None,
    pauses: list[float] | None = None,
) -> Sender:
    noted: list[float] = [] if pauses is None else pauses
    http = httpx.Client(transport=httpx.MockTransport(api), base_url="http://lamina.test")
    return Sender(
        client=Client(http),
        collection="a b",
        lane="bulk",
        run="run",
        skip_bad=skip_bad,
        pause=noted.append,
    )


@given(
    st.lists(st.integers(0, 50), max_size=40),
    st.integers(1, 10),
    st.integers(1, 400),
)
def test_batches_keep_every_line_in_order_and_within_bounds(
    lengths: Sequence[int], documents: int, size: int
) -> None:
    lines = [line(number, "x" * length) for number, length in enumerate(lengths)]

    cut = list(batches(lines, documents=documents, size=size))

    assert [one for batch in cut for one in batch.lines] == lines
    for batch in cut:
        assert 1 <= len(batch.lines) <= documents
        held = sum(len(one.encoded) for one in batch.lines)
        assert held <= size or len(batch.lines) == 1


def test_a_batch_goes_to_the_collection_with_a_key_of_its_content() -> None:
    api = Api(accept)
    sending = sender(api)

    assert list(sending.send(Batch((line(0), line(1))))) == [Sent("0+1", 2)]
    list(sending.send(Batch((line(0), line(1)))))
    list(sending.send(Batch((line(0), line(2)))))

    assert api.requests[0].url.raw_path == b"/api/v1/collections/a%20b/documents?lane=bulk"
    assert api.keys[0] == api.keys[1] != api.keys[2]
    assert api.keys[0].startswith("run-")


def test_a_lost_answer_and_a_busy_server_are_tried_again_with_the_same_key() -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7"})
    pauses: list[float] = []
    api = Api(httpx.ReadError("gone"), httpx.ConnectError("refused"), busy, accept)

    assert list(sender(api, pauses=pauses).send(Batch((line(0),)))) == [Sent("0", 1)]

    assert len(set(api.keys)) == 1
    assert pauses[2] == 7
    assert all(0 < pause <= 5 for pause in pauses[:2])


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 25))
    monkeypatch.setattr("shared.cli.sending.time.monotonic", lambda: next(clock))
    api = Api(httpx.ConnectError("refused"))

    with pytest.raises(Unreachable, match=r"not running at http://lamina\.test"):
        list(sender(api).send(Batch((line(0),))))

    assert len(api.requests) == 3


def test_a_refused_document_is_named_by_its_line() -> None:
    api = Api(refuse(422, "/documents/1/text"))

    with pytest.raises(BadLine, match=r"docs\.jsonl:8: `text` is bad"):
        list(sender(api).send(Batch((line(0), line(7)))))


def test_bad_documents_can_be_skipped_and_the_others_are_sent() -> None:
    skipped: list[BadLine] = []
    api = Api(refuse(422, "/documents/0/text", "/documents/2", "/documents/2/id"), accept)

    sent = list(sender(api, skip_bad=skipped.append).send(Batch((line(0), line(1), line(2)))))

    assert sent == [Sent("1", 1)]
    assert [bad.where for bad in skipped] == ["docs.jsonl:1", "docs.jsonl:3"]


def test_a_batch_that_is_too_large_is_sent_in_parts() -> None:
    def small_only(request: httpx.Request) -> httpx.Response:
        many = len(json.loads(request.content)["documents"])
        return refuse(413) if many > 2 else accept(request)

    batch = Batch(tuple(line(number) for number in range(5)))
    sent = list(sender(Api(small_only)).send(batch))

    assert [one.job_id for one in sent] == ["0+1", "2", "3+4"]


def test_a_document_that_is_too_large_alone_is_named() -> None:
    with pytest.raises(BadLine, match=r"docs\.jsonl:1: .*413"):
        list(sender(Api(refuse(413))).send(Batch((line(0),))))


def test_another_refusal_is_told_as_it_is() -> None:
    missing = httpx.Response(
        404,
        json={"title": "No such collection", "detail": "There is no `a b`."},
        headers={"Content-Type": "application/problem+json"},
    )
    with pytest.raises(Refused, match=r"No such collection: There is no `a b`\. \(HTTP 404\)"):
        list(sender(Api(missing)).send(Batch((line(0),))))
