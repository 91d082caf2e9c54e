"""The index worker with an encoder that does what documents tell it.

`python -m tests.faults.worker_child`, configured by the environment as `python -m workers index`.
"""

from functools import partial

from shared.services import open_services
from tests.fakes.deadly import DeadlyEncoder
from tests.fakes.encoder import FakeEncoders
from workers import index, process
from workers.__main__ import main

if __name__ == "__main__":
    opening = partial(open_services, encoders=FakeEncoders(DeadlyEncoder()))
    setattr(index, "open_services", opening)  # noqa: B010 - the role opens its own services
    process.leave(main(["index"]))
