"""What fault tests share."""

from collections.abc import Iterator

import pytest

from tests.faults.desks import AmqpPost, Post, RedisPost
from tests.integration.test_amqp_intake import Desk as AmqpDesk
from tests.integration.test_intake import Desk as RedisDesk
from tests.worlds import World


@pytest.fixture(params=["redis", "rabbitmq"])
def post(request: pytest.FixtureRequest, world: World) -> Iterator[Post]:
    """An app and an intake of the world, on each broker."""
    opened: RedisPost | AmqpPost
    if request.param == "redis":
        request.getfixturevalue("client")  # it empties the server
        opened = RedisPost(RedisDesk(world, request.getfixturevalue("server")))
    else:
        opened = AmqpPost(AmqpDesk(world, request.getfixturevalue("rabbit")))
    opened.take_all()  # declares the queue
    yield opened
    opened.close()
