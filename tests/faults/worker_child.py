"""The index worker with an encoder that does what documents tell it.

`python -m tests.faults.worker_child`, configured by the environment as `python -m workers index`.
"""

from typing import Any

from tests.fakes.deadly import DeadlyEncoder
from tests.fakes.encoder import FakeEncoders
from workers import index, process
from workers.__main__ import main


def _deadly(*_: Any, **__: Any) -> FakeEncoders:
    return FakeEncoders(DeadlyEncoder())


if __name__ == "__main__":
    setattr(index, "open_encoders", _deadly)  # noqa: B010 - the role opens its own encoders
    process.leave(main(["index"]))
