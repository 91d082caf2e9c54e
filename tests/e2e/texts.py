"""A small library of short articles, written for these tests and for the README's picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_LINES = (Path(__file__).parent / "library.jsonl").read_text(encoding="utf-8").splitlines()

DOCUMENTS: Sequence[Mapping[str, Any]] = [json.loads(line) for line in _LINES]
"""`id`, `title`, `text` and `metadata` of each."""
