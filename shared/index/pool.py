"""Values made once and shared by all who hold them at the same time."""

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class Pool(Generic[Key, Value]):
    """Opened things by name. It keeps none alive: what nobody holds is closed and forgotten."""

    def __init__(self) -> None:
        self._values: WeakValueDictionary[Key, Value] = WeakValueDictionary()
        self._making: dict[Key, Lock] = {}
        self._lock = Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value of *key*, made now if nobody holds one.

        Threads that ask for the same key wait for one making; other keys are not held up.
        """
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                return value
            making = self._making.setdefault(key, Lock())
        with making:
            with self._lock:
                value = self._values.get(key)
            if value is None:
                try:
                    value = make()
                    with self._lock:
                        self._values[key] = value
                finally:
                    with self._lock:
                        self._making.pop(key, None)
        return value

    def forget(self, stale: Callable[[Key], bool]) -> None:
        """Give out no more what is *stale*; whoever holds it keeps it."""
        with self._lock:
            for key in [key for key in self._values if stale(key)]:
                self._values.pop(key, None)
