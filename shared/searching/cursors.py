"""Cursors: where the next page of an answer begins, written so that any process can go on.

A cursor describes itself and is checked, not signed: whoever makes one up can read nothing that a
search would not show as well.
"""

import base64
import binascii
import json
from dataclasses import astuple, dataclass
from typing import Self

from shared.domain import Collection, Head, sha256_of
from shared.errors import Fault, InvalidRequest, VersionExpired
from shared.filters import canonical
from shared.searching.queries import Query

_FORM = 1
_LARGEST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in the ranking of one question at one version."""

    version: int
    manifest: str
    """Of the version: a purge or a repair may rewrite it, and that would move places."""
    question: str
    depth: int
    """Passages that the first page asked for; see `ranking.py`."""
    offset: int
    """Documents shown before."""

    @classmethod
    def read(cls, text: str, pointer: str) -> Self:
        """Return the cursor that *text* is.

        Raises:
            InvalidRequest: it is none.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            form, *values = json.loads(raw)
            kinds = [type(one) for one in values]
            cursor = cls(*values)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            raise _refused(pointer, "is not a cursor of an answer") from None
        if form != _FORM or kinds != [int, str, str, int, int]:
            raise _refused(pointer, "is not a cursor of an answer")
        if not all(0 <= one <= _LARGEST for one in (cursor.version, cursor.depth, cursor.offset)):
            raise _refused(pointer, "is not a cursor of an answer")
        return cursor

    def written(self) -> str:
        """Return the cursor as text that fits into an address."""
        raw = json.dumps([_FORM, *astuple(self)], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def check_question(self, collection: Collection, query: Query, pointer: str) -> None:
        """Make sure that it belongs to a question.

        Raises:
            InvalidRequest: it belongs to another.
        """
        if self.question != question_of(collection, query):
            raise _refused(
                pointer,
                "belongs to another question; send it with the collection, query, filter, "
                "min_score and exact of the answer that it came with",
            )

    def check_version(self, head: Head) -> None:
        """Make sure that its version is still what it was.

        Raises:
            VersionExpired: the version was rewritten since.
        """
        if self.manifest != manifest_of(head):
            raise VersionExpired(
                f"Version {head.version} was rewritten, by a purge or a repair, since the cursor "
                "was given; search anew without it."
            )


def question_of(collection: Collection, query: Query) -> str:
    """Return what is the same for all pages of one question, as a short text."""
    where = canonical(query.where) if query.where else None
    asked = [
        collection.id,
        query.query,
        query.vector,
        query.like,
        where,
        query.min_score,
        query.exact,
    ]
    return sha256_of(asked)[:16]


def manifest_of(head: Head) -> str:
    """Return what tells a version from its rewritten self."""
    return head.manifest_sha256[:16]


def _refused(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(f"The cursor {detail}.", [Fault(pointer, detail)])
