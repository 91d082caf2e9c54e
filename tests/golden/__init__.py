"""Messages as real clients push them to Redis, byte for byte.

`*.msg` were recorded from celery 5.6.3 and kombu 5.7.0 (Python), celery-node 0.5.9 and
celery-ts 1.2.3 (Node); `redis-cli.msg` is what a shell makes with `base64` and `LPUSH`. Names
that begin with `refused-` are real too, but of a kind that is not taken.
"""

from pathlib import Path

FOLDER = Path(__file__).parent
ACCEPTED = sorted(
    path.stem for path in FOLDER.glob("*.msg") if not path.name.startswith("refused-")
)


def golden(name: str) -> bytes:
    return (FOLDER / f"{name}.msg").read_bytes()
