"""A request is followed by its id and its job's through the logs, from HTTP to the version."""

import re
from pathlib import Path

from structlog.contextvars import get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from tests.unit.web.installation import Installation

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
