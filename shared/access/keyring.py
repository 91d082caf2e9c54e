"""Recognise callers by their keys, with what the catalog said at most a second ago."""

import hmac
import math
import threading
import time

from shared.access.making import digest_of, key_id_in
from shared.domain import ENVIRONMENT, ApiKey, Caller
from shared.ports import Keys

_FRESH_SECONDS = 1.0
"""How late a process may notice that a key was made or revoked elsewhere."""
_REMEMBERED = 1024  # keys
_STAMP_SECONDS = 60.0


class Keyring:
    """The keys as one process knows them. Safe for several threads.

    A key is looked up by the public part of it and then compared by its hash in constant time,
    so that nothing about a secret can be learned from how long a refusal takes.
    """

    def __init__(
        self, keys: Keys, environment: str | None, *, fresh_seconds: float = _FRESH_SECONDS
    ) -> None:
        """Read nothing yet.

        Args:
            keys: those of the catalog.
            environment: the admin key of the environment, if there is one.
            fresh_seconds: how long what the catalog said is taken for true.
        """
        self._keys = keys
        self._environment = digest_of(environment.encode()) if environment else None
        self._known: dict[str, tuple[float, ApiKey]] = {}
        self._used: set[str] = set()
        self._lock = threading.Lock()
        self._fresh_seconds = fresh_seconds
        self._made = False
        self._asked_at = -math.inf

    @property
    def closed(self) -> bool:
        """Whether a key is needed: one is set in the environment, or was ever made.

        Revoking the last key leaves it closed; `lamina keys create` makes another.
        """
        if self._environment is not None or self._made:
            return True
        now = time.monotonic()
        if now - self._asked_at >= self._fresh_seconds:
            self._made = self._keys.any_made()
            self._asked_at = now
        return self._made

    def caller(self, text: bytes) -> Caller | None:
        """Return who has this key; None if it opens nothing."""
        digest = digest_of(text)
        if self._environment and hmac.compare_digest(digest, self._environment):
            return ENVIRONMENT
        key_id = key_id_in(text)
        key = self.find(key_id) if key_id else None
        if key is None or not hmac.compare_digest(digest, key.sha256) or not key.usable:
            return None
        self.note(key.id)
        return Caller.of(key)

    def digest(self, caller: Caller) -> str | None:
        """Return the hash of the key that *caller* came with; None without a usable one."""
        if caller.key_id is None:
            return self._environment
        key = self.find(caller.key_id)
        return key.sha256 if key and key.usable else None

    def by_id(self, key_id: str | None) -> Caller | None:
        """Return who has the usable key with this id, or (None) the environment's."""
        if key_id is None:
            return ENVIRONMENT if self._environment else None
        key = self.find(key_id)
        return Caller.of(key) if key and key.usable else None

    def find(self, key_id: str) -> ApiKey | None:
        """Return a key as the catalog knew it at most a second ago."""
        now = time.monotonic()
        with self._lock:
            asked_at, key = self._known.get(key_id, (-math.inf, None))
        if key is not None and now - asked_at < self._fresh_seconds:
            return key
        found = self._keys.find(key_id)
        with self._lock:
            self._known.pop(key_id, None)
            if found is not None:  # unknown ids are not kept: anybody can make them up
                if len(self._known) >= _REMEMBERED:
                    self._known.pop(next(iter(self._known)))
                self._known[key_id] = (now, found)
        return found

    def forget(self) -> None:
        """Ask the catalog again: this process has just changed the keys."""
        with self._lock:
            self._known.clear()
            self._asked_at = -math.inf

    def note(self, key_id: str) -> None:
        """Remember that a key was used, to be stamped later."""
        with self._lock:
            self._used.add(key_id)

    def stamp(self) -> None:
        """Write down which keys were used lately; off the path of requests."""
        with self._lock:
            used, self._used = self._used, set()
        if used:
            self._keys.used(used, every_seconds=_STAMP_SECONDS)
