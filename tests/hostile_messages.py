"""Read the most costly messages there are, of the largest size, and say what each took.

A program, so that memory is measured and limited for it alone:

    python tests/hostile_messages.py
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from shared.domain import DocumentLimits, Rejection
from shared.messages import MessageLimits, parse
from shared.settings import LimitSettings

DEFAULT = LimitSettings()
SIZE = DEFAULT.message_bytes
MEMORY_BYTES = 400 * 1024 * 1024
"""More than the process has with nothing read. The decoded text alone may take 64 MB twice: a
single character beyond the basic plane makes Python store four bytes for each."""
SECONDS = 25.0
"""On a busy machine; alone it takes about a tenth."""


def fill(part: bytes, before: bytes = b"[", after: bytes = b"0]") -> bytes:
    return before + part * ((SIZE - len(before) - len(after)) // len(part)) + after


ENVELOPE = (
    b'", "content-type": "application/json", "properties": {"delivery_tag": "1",'
    b' "delivery_info": {}, "body_encoding": "%s"}}'
)
DOCUMENTS = b'{"collection": "c", "documents": '
HOSTILE: Mapping[str, Callable[[], bytes]] = {
    "64 MB": lambda: b"x" * (64 * 1024 * 1024),
    "empty lists": lambda: fill(b"[],"),
    "objects in objects": lambda: fill(b'{"a":{}},'),
    "empty texts": lambda: fill(b'"",', b'{"documents": [', b"0]}"),
    "small texts": lambda: fill(b'"ab",'),
    "fractions": lambda: fill(b"0.1,"),
    "names": lambda: b"{" + b",".join(b'"%x":1' % n for n in range(SIZE // 12)) + b"}",
    "one name twice at the end": lambda: (
        b"{" + b",".join(b'"%x":1' % n for n in range(400_000)) + b',"0":1}'
    ),
    "documents": lambda: fill(b"{},", DOCUMENTS + b"[", b"{}]}"),
    "values just below the limit": lambda: DOCUMENTS + b"[" + b"[]," * 499_000 + b"0]}",
    "deep": lambda: b"[" * SIZE,
    "deep objects": lambda: fill(b'{"a":', b"", b""),
    "an open text of quotes": lambda: fill(b'\\"', b'"', b""),
    "quotes": lambda: b'"' * SIZE,
    "backslashes": lambda: fill(b"\\", b'["', b""),
    "a long number": lambda: b"9" * SIZE,
    "a wide text": lambda: fill(b"a", '{"collection": "🔥'.encode(), b'"}'),
    "a wide body": lambda: fill(b"a", b'{"body": "\\ud83d\\udd25', ENVELOPE % b"utf-8"),
    "not base64": lambda: fill(b"%", b'{"body": "', ENVELOPE % b"base64"),
    "bad UTF-8 at the end": lambda: fill(b"a", b'{"a": "', b'\xff"}'),
}


def main() -> None:
    limits = MessageLimits(
        documents=DocumentLimits(
            **{name: getattr(DEFAULT, name) for name in DocumentLimits.__dataclass_fields__}
        ),
        message_bytes=SIZE,
        message_values=DEFAULT.message_values,
        rejected_bytes=DEFAULT.rejected_bytes,
    )
    parse(b"{}", limits, source="s", receipt="r")  # what is made once is made
    for name, make in HOSTILE.items():
        raw = make()
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, resource.RLIM_INFINITY))
        began = time.monotonic()
        letter = parse(raw, limits, source="s", receipt="r")
        seconds = time.monotonic() - began
        assert isinstance(letter, Rejection), name
        assert seconds < SECONDS, f"{name} took {seconds:.1f} s"
        print(json.dumps([name, letter.reason, round(seconds, 2)]), flush=True)


if __name__ == "__main__":
    main()
