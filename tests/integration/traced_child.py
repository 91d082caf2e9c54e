"""A Lamina that traces: `python -m tests.integration.traced_child FOLDER TRACEPARENT`.

It takes a document of a traced request, one of another request, a file of a traced one and a
document of a traced message of another app, and makes them searchable.
"""

import io
import json
import sys
from pathlib import Path

from shared import tracing
from shared.messages import MessageLimits, parse
from shared.services import open_mill
from tests.mills import parse_all
from tests.unit.web.installation import Installation
from web import tracing as web_tracing

FILES = "/api/v1/collections/c/files"
DOCUMENTS = "/api/v1/collections/c/documents"


def main(folder: str, traceparent: str) -> None:
    """Do it, and send what was traced."""
    tracing.start("web")
    with Installation.open(Path(folder)) as lamina:
        web_tracing.register(lamina.app)
        client = lamina.client()
        for name, headers in (("a", {"traceparent": traceparent}), ("b", {})):
            document = {"id": name, "text": f"text of {name}"}
            posted = client.post(DOCUMENTS, json={"documents": [document]}, headers=headers)
            assert posted.status_code == 202, posted.text
        files = {"files": [(io.BytesIO(b"Words of a file"), "f.txt")]}
        posted = client.post(FILES, data=files, headers={"traceparent": traceparent})
        assert posted.status_code == 202, posted.text
        mill = open_mill(lamina.services)
        parse_all(mill)
        mill.reader.close()
        client.get("/livez")
        limits = MessageLimits(
            documents=lamina.services.limits, message_bytes=10_000, rejected_bytes=10_000
        )
        letter = parse(_message(traceparent), limits, source="queue", receipt="1")
        lamina.services.inbox.take([letter])
        lamina.index_all()
    tracing.stop()


def _message(traceparent: str) -> bytes:
    """Return what an instrumented Celery client pushes."""
    body = [[], {"collection": "c", "documents": [{"id": "m", "text": "of a message"}]}, {}]
    headers = {"task": "lamina.submit.v1", "id": "1", "traceparent": traceparent}
    envelope = {
        "body": json.dumps(body),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"delivery_tag": "1", "delivery_info": {}},
    }
    return json.dumps(envelope).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])
