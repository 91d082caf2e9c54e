"""Messages as real clients push them, byte for byte.

`*.msg` are elements of a Redis list, recorded from celery 5.5.3, 5.6.3 and 5.7.0 and kombu
5.7.0 (Python), celery-node 0.5.9 and celery-ts 1.2.3 (Node); `redis-cli.msg` is what a shell
makes with `base64` and `LPUSH`. `amqp-*.json` are messages as RabbitMQ 3.10 handed them out:
body, content type and encoding, headers, the other properties. Names that begin with
`refused-` are real too, but of a kind that is not taken; names that end with `-delete` delete, and
those that end with `-reply` name their producer, wait for a reply and bring a field of their own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
_TAKEN = sorted(path.stem for path in FOLDER.glob("*.msg") if not path.name.startswith("refused-"))
ACCEPTED = [name for name in _TAKEN if not name.endswith("-delete")]
REPLIES = [name for name in _TAKEN if name.endswith("-reply")]
DELETES = [name for name in _TAKEN if name.endswith("-delete")]
AMQP = sorted(path.stem for path in FOLDER.glob("amqp-*.json"))


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.msg").read_bytes()


def golden_amqp(name: str) -> Mapping[str, Any]:
    """Return a message with its body as bytes, for `shared.envelopes.wrap`."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return found | {"body": found["body"].encode()}
