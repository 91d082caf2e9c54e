"""What must be refused, with the promise that is broken if it is not."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def refused(error: type[Exception], promise: str) -> Iterator[None]:
    """Assert that the block raises *error*, or else that *promise* is broken.

    Unlike `pytest.raises` it says why it must, so that `./run mutants` knows it again.
    """
    try:
        yield
    except error:
        return
    except Exception as other:
        raise AssertionError(f"{promise}: refused as {other!r}, not {error.__name__}") from other
    raise AssertionError(f"{promise}: it was not refused")
