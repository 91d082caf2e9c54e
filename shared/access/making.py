"""Make keys, recognise them, end them."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.domain import ApiKey, Caller, NewKey, Scope
from shared.domain.names import COLLECTION_NAME
from shared.errors import Fault, InvalidRequest
from shared.ports import Keys

PREFIX = "lamina_"
"""Every key begins with it, so that scanners of leaked secrets can know one when they see it."""
_KEY = re.compile(PREFIX.encode() + rb"([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_COLLECTION = re.compile(COLLECTION_NAME)
_NAME_CHARACTERS = 100
_MOST_COLLECTIONS = 100
_MOST_DAYS = 3650.0


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key, and the only time that its text is there to be shown."""

    key: ApiKey
    text: str = field(repr=False)


def create_key(
    keys: Keys,
    maker: Caller,
    name: str,
    scope: Scope,
    *,
    collections: Sequence[str] | None = None,
    days: float | None = None,
) -> MadeKey:
    """Make a key: `lamina_`, 12 hex digits that name it, `_`, and 256 random bits.

    Only its sha256 is kept. A slow hash (argon2, bcrypt) protects secrets that can be guessed;
    256 random bits cannot, and a slow hash would cost each request what a search costs. GitHub
    and Stripe mark their keys with a prefix for the same reasons.

    Raises:
        InvalidRequest: the name, the collections or the days are not valid.
    """
    _check(name, collections, days)
    key_id = secrets.token_hex(6)
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    made = keys.add(
        NewKey(
            id=key_id,
            name=name.strip(),
            scope=scope,
            collections=None if collections is None else tuple(sorted(set(collections))),
            sha256=digest_of(text.encode()),
            created_by=maker.name,
            days=days,
        )
    )
    return MadeKey(made, text)


def key_id_in(text: bytes) -> str | None:
    """Return which key *text* says it is; None if it is not formed like a key."""
    found = _KEY.fullmatch(text)
    return found.group(1).decode() if found else None


def digest_of(text: bytes) -> str:
    """Return what is kept of a key: its sha256, in hex."""
    return hashlib.sha256(text).hexdigest()


def _check(name: str, collections: Sequence[str] | None, days: float | None) -> None:
    faults = []
    # Printable is also neither half of a surrogate pair nor a mark that turns the text around.
    if not (name.strip() and name.isprintable() and len(name) <= _NAME_CHARACTERS):
        faults.append(
            Fault("/name", f"must have 1 to {_NAME_CHARACTERS} characters, all of them visible")
        )
    if collections is not None:
        if not 1 <= len(collections) <= _MOST_COLLECTIONS:
            faults.append(Fault("/collections", f"must name 1 to {_MOST_COLLECTIONS} collections"))
        faults += [
            Fault(f"/collections/{place}", "cannot be the name of a collection")
            for place, one in enumerate(collections)
            if not _COLLECTION.fullmatch(one)
        ]
    if days is not None and not 0 < days <= _MOST_DAYS:
        faults.append(Fault("/days", f"must be above 0 and at most {_MOST_DAYS:.0f}"))
    if faults:
        raise InvalidRequest(f"{faults[0].pointer}: {faults[0].detail}.", faults)
