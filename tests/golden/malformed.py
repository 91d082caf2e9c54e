"""Twenty messages that end, stall or silently lose in a stock Celery worker, and our reasons."""

import base64
import json
import pickle
from collections.abc import Mapping

from shared.domain import Json

PAYLOAD = {"collection": "c", "documents": [{"id": "m", "text": "a text"}]}
ID = "5f1d7c9e-6679-4425-80de-944be07fc1f9"


def encode_body(body: object) -> str:
    return base64.b64encode(json.dumps(body).encode()).decode()


def envelope(
    *,
    body: str | None = None,
    drop: str = "",
    headers: Mapping[str, Json] | None = None,
    message_id: str = ID,
    **changes: object,
) -> bytes:
    """Return a good message, but for what is changed; *drop* is a path like `headers.id`."""
    message: dict[str, dict[str, object] | object] = {
        "body": encode_body([[], PAYLOAD, {}]) if body is None else body,
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"task": "lamina.submit.v1", "id": message_id, **(headers or {})},
        "properties": {
            "correlation_id": message_id,
            "delivery_mode": 2,
            "delivery_tag": message_id,
            "body_encoding": "base64",
            "delivery_info": {"exchange": "", "routing_key": "lamina.submit"},
        },
    } | {name.replace("_", "-"): value for name, value in changes.items()}
    if drop:
        *path, last = drop.split(".")
        part = message
        for step in path:
            inner = part[step]
            assert isinstance(inner, dict)
            part = inner
        del part[last]
    return json.dumps(message).encode()


MALFORMED: Mapping[str, tuple[bytes, str]] = {
    "not JSON": (b"this is not JSON", "not-json"),
    "a JSON list": (b"[1, 2, 3]", "bad-envelope"),
    "a body that is not base64": (envelope(body="%%% not base64 %%%"), "bad-envelope"),
    "a body that is a JSON object": (envelope(body=encode_body({"a": 1})), "bad-envelope"),
    "a body of two parts": (envelope(body=encode_body([[], PAYLOAD])), "bad-envelope"),
    "no content-type": (envelope(drop="content-type"), "bad-envelope"),
    "a time limit that is text": (envelope(headers={"timelimit": "x"}), "bad-envelope"),
    "headers without an id": (envelope(drop="headers.id"), "bad-envelope"),
    "no properties": (envelope(drop="properties"), "bad-envelope"),
    "no delivery tag": (envelope(drop="properties.delivery_tag"), "bad-envelope"),
    "no delivery info": (envelope(drop="properties.delivery_info"), "bad-envelope"),
    "an empty object": (b"{}", "bad-payload"),
    "no headers": (envelope(drop="headers"), "bad-envelope"),
    "no task": (envelope(drop="headers.task"), "bad-envelope"),
    "an unknown task": (envelope(headers={"task": "tasks.add"}), "unknown-task"),
    "a body that is not JSON": (
        envelope(body=base64.b64encode(b"{not json").decode()),
        "bad-envelope",
    ),
    "pickle": (
        envelope(
            body=base64.b64encode(pickle.dumps([[], PAYLOAD, {}])).decode(),
            content_type="application/x-python-serialize",
            content_encoding="binary",
        ),
        "bad-envelope",
    ),
    "an eta that is no time": (envelope(headers={"eta": "tomorrow"}), "bad-envelope"),
    "an expiry that is no time": (envelope(headers={"expires": "never"}), "bad-envelope"),
    "20 MB": (
        envelope(body=encode_body([[], {**PAYLOAD, "padding": "x" * 15_000_000}, {}])),
        "too-large",
    ),
}
