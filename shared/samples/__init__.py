"""A small collection to try Lamina with, shipped with it: what some 320 English nouns mean.

From WordNet 3.0 (Princeton University), whose licence lies beside the texts and goes with them.
"""

import json
from functools import cache
from importlib.resources import files

from shared.domain import Json

NAME = "sample-nouns"
"""What the sample collection is called."""
ATTRIBUTION = (
    "Definitions from WordNet 3.0, Copyright 2006 by Princeton University, chosen from its nouns; "
    "titles, kinds and other names were set apart from them."
)
QUESTIONS = (
    "something to see far away with",
    "an animal with eight arms",
    "music to fall asleep to",
    "who helps when a child is born",
    "what keeps the rain off",
)
"""Worth asking: none of them shares its words with what it should find."""


@cache
def documents() -> tuple[Json, ...]:
    """Return the documents as a producer would send them: id, title, text, metadata."""
    text = (files(__name__) / "nouns.jsonl").read_text(encoding="utf-8")
    return tuple(json.loads(line) for line in text.splitlines())


def licence() -> str:
    """Return the licence of the texts."""
    return (files(__name__) / "nouns.LICENSE").read_text(encoding="utf-8")
