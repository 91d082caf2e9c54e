"""Batches and the patience of a sender, against an API that is only a function."""

import json
from collections.abc import Callable, Sequence

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.cli.jsonlines import BadLine, Line
from shared.cli.sending import Batch, Sender, Sent, batches
from shared.cli.terminal import Failure
from shared.client import Client, Refused, Unreachable

Answer = Callable[[httpx.Request], httpx.Response]


def line(number: int, text: str = "x") -> Line:
    document = {"id": str(number), "text": text}
    return Line(f"docs.jsonl:{number + 1}", json.dumps(document).encode())


def ids_of(request: httpx.Request) -> list[str]:
    return [json.loads(one)["id"] for one in request.content.splitlines()]


def answers(*statuses: int) -> Answer:
    """Answer the lines with these statuses, and those behind them with 202."""

    def answer(request: httpx.Request) -> httpx.Response:
        ids = ids_of(request)
        told = [*statuses, *[202] * len(ids)][: len(ids)]
        job = "+".join(one for one, status in zip(ids, told, strict=True) if status == 202)
        lines = [
            {"line": number, "id": one, "status": status}
            | ({"job_id": job} if status == 202 else {"error": "it is bad"})
            for number, (one, status) in enumerate(zip(ids, told, strict=True), start=1)
        ]
        summary = {"status": 200, "error": None, "retry_after_seconds": 9 if 429 in told else None}
        text = "".join(json.dumps(one) + "\n" for one in [*lines, {"summary": summary}])
        return httpx.Response(200, text=text, headers={"Content-Type": "application/x-ndjson"})

    return answer


accept = answers()


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

    assert api.requests[0].url.raw_path == b"/api/v1/collections/a%20b/documents/bulk?lane=bulk"
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

    with pytest.raises(Unreachable, match=r"answers at http://lamina\.test"):
        list(sender(api).send(Batch((line(0),))))

    assert len(api.requests) == 3


def test_a_refused_document_is_named_by_its_line() -> None:
    api = Api(answers(202, 422))
    sending = sender(api).send(Batch((line(0), line(7))))

    assert next(sending) == Sent("0", 1)  # what was good is accepted, and told first
    with pytest.raises(BadLine, match=r"docs\.jsonl:8: it is bad"):
        next(sending)


def test_bad_documents_can_be_skipped_and_the_others_are_sent() -> None:
    skipped: list[BadLine] = []
    api = Api(answers(422, 202, 413))

    sent = list(sender(api, skip_bad=skipped.append).send(Batch((line(0), line(1), line(2)))))

    assert sent == [Sent("1", 1)]
    assert [bad.where for bad in skipped] == ["docs.jsonl:1", "docs.jsonl:3"]


def test_what_cannot_be_taken_yet_is_sent_again_in_order() -> None:
    pauses: list[float] = []
    api = Api(answers(202, 202, 429, 429), answers(202, 503), answers(503), accept)

    sent = list(sender(api, pauses=pauses).send(Batch(tuple(line(n) for n in range(4)))))

    assert sent == [Sent("0+1", 2), Sent("2", 1), Sent("3", 1)]
    assert [ids_of(one) for one in api.requests] == [["0", "1", "2", "3"], ["2", "3"], ["3"], ["3"]]
    assert pauses[0] == 9
    assert all(0 < one <= 5 for one in pauses[1:])


def test_what_is_refused_for_no_fault_of_its_own_ends_it() -> None:
    with pytest.raises(Failure, match=r"docs\.jsonl:1: it is bad \(HTTP 507\)"):
        list(sender(Api(answers(507))).send(Batch((line(0),))))


def test_an_answer_that_breaks_off_is_asked_for_again() -> None:
    def cut(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=accept(request).content[:20])

    assert list(sender(Api(cut, accept)).send(Batch((line(0),)))) == [Sent("0", 1)]


def test_another_refusal_is_told_as_it_is() -> None:
    missing = httpx.Response(
        404,
        json={"title": "No such collection", "detail": "There is no `a b`."},
        headers={"Content-Type": "application/problem+json"},
    )
    with pytest.raises(Refused, match=r"No such collection: There is no `a b`\. \(HTTP 404\)"):
        list(sender(Api(missing)).send(Batch((line(0),))))
