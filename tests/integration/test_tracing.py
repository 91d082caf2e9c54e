"""A request is followed by its id and its job's through the logs, from HTTP to the version."""

import os
import re
from collections import defaultdict
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from tests.command_line import run_module
from tests.receiver import receiving
from tests.unit.web.installation import Installation, body_of

DOCUMENTS = "/api/v1/collections/c/documents"


def test_from_a_request_to_the_version_that_holds_its_documents(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina, capture_logs([merge_contextvars]) as lines:
        posted = lamina.client().post(
            DOCUMENTS,
            json={"documents": [{"id": "a", "text": "one"}]},
            headers={"X-Request-ID": "shop-17/a=b"},
        )
        other = lamina.add({"id": "b", "text": "two"})
        lamina.index_all()

    job = posted.json["job"]["id"]  # type: ignore[index]  # else the next line says so
    first, second = (one for one in lines if one["event"] == "accepted")
    (published,) = (one for one in lines if one["event"] == "published")
    assert posted.headers["X-Request-ID"] == "shop-17/a=b"
    assert (first["request_id"], first["job"], first["documents"]) == ("shop-17/a=b", job, 1)
    assert second["job"] == other
    assert second["request_id"] != "shop-17/a=b"
    assert published["jobs"] == [job, other]
    assert (published["version"], published["indexed"]) == (1, 2)
    assert published["claim"] > 0
    assert "request_id" not in published
    assert get_contextvars() == {}


def test_what_cannot_be_an_id_is_replaced(tmp_path: Path) -> None:
    told = []
    with Installation.open(tmp_path) as lamina:
        for brought in ("", "a b", "x" * 129, "\u00e9", "a\tb", '{"level": "error"}'):
            for path in ("/livez", "/nowhere"):
                answer = lamina.client().get(path, headers={"X-Request-ID": brought})
                told.append(answer.headers["X-Request-ID"])

    assert len(set(told)) == len(told) == 12
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in told)


def test_spans_lead_from_a_request_and_from_a_message_to_the_version(tmp_path: Path) -> None:
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with receiving() as collector:
        collector.answer = (200, {"content-type": "application/x-protobuf"})
        done = run_module(
            "tests.integration.traced_child",
            str(tmp_path),
            f"00-{trace}-{parent}-01",
            environment={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url},
        )
    assert done.returncode == 0, done.stderr
    spans = defaultdict(list)
    for path, _headers, body in collector.got:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    spans[span.name].append(span)

    first, second = spans["POST /api/v1/collections/<name>/documents"]
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (trace, parent)
    assert second.trace_id != first.trace_id
    (brought,) = spans["POST /api/v1/collections/<name>/files"]
    senders = [first.span_id, second.span_id, brought.span_id]
    assert [one.parent_span_id for one in spans["accept"]] == senders
    (parsed,) = spans["parse"]
    assert (parsed.trace_id.hex(), parsed.parent_span_id) == (trace, spans["accept"][2].span_id)
    urgent, bulk = spans["index"]
    for index in (urgent, bulk):
        stages = [one for name in ("plan", "encode", "write", "publish") for one in spans[name]]
        assert sum(one.parent_span_id == index.span_id for one in stages) == 4
    asked = [(one.trace_id.hex(), one.span_id) for one in spans["accept"]]
    pushed = [(trace, bytes.fromhex(parent))]
    assert sorted((one.trace_id.hex(), one.span_id) for one in urgent.links) == sorted(asked)
    assert [(one.trace_id.hex(), one.span_id) for one in bulk.links] == pushed
    ends = [(one.trace_id.hex(), one.parent_span_id) for one in spans["searchable"]]
    assert sorted(ends) == sorted([*asked, *pushed])
    for one in spans["searchable"]:
        told = {pair.key: pair.value for pair in one.attributes}
        assert told["lamina.version"].int_value in {1, 2}
        assert told["lamina.collection"].string_value == "c"
        assert one.end_time_unix_nano >= one.start_time_unix_nano > 0
    assert not any("livez" in name for name in spans)


def test_without_tracing_nothing_is_kept_of_it(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:
        headers = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
        document = {"id": "a", "text": "one"}
        posted = lamina.client().post(DOCUMENTS, json={"documents": [document]}, headers=headers)
        lamina.index_all()
        job = lamina.client().get(f"/api/v1/jobs/{posted.json['job']['id']}")  # type: ignore[index]

    assert body_of(job)["extra"] == {}
