"""docker-compose.rabbitmq.yml, as far as it can be judged without an engine."""

import re
from pathlib import Path
from typing import Any

import yaml

from tests.unit.test_compose import OURS

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.rabbitmq.yml"


class Merging(yaml.SafeLoader):
    """Reads the tags by which Compose merges one file over another."""


Merging.add_constructor("!reset", lambda loader, node: "reset")
Merging.add_constructor(
    "!override",
    lambda loader, node: {"override": loader.construct_mapping(node, deep=True)},  # type: ignore[arg-type]  # it is on a mapping
)
SERVICES: dict[str, Any] = yaml.load(FILE.read_text("utf-8"), Merging)["services"]


def test_every_process_speaks_to_rabbitmq_and_waits_for_it() -> None:
    assert set(SERVICES) == {"redis", "rabbitmq", *OURS} - {"setup"}
    assert SERVICES["redis"] == "reset"
    for name in set(OURS) - {"setup"}:
        service = SERVICES[name]
        assert re.fullmatch(
            r"amqp://lamina:\$\{RABBITMQ_PASSWORD:\?.*\}@rabbitmq:5672/",
            service["environment"]["LAMINA_BROKER_URL"],
        )
        needs = service["depends_on"]["override"]
        assert needs == {
            "setup": {"condition": "service_completed_successfully"},
            "rabbitmq": {"condition": "service_healthy"},
        }


def test_the_broker_is_confined_has_a_password_and_publishes_no_port() -> None:
    broker = SERVICES["rabbitmq"]

    assert broker["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in broker["security_opt"]
    assert broker["environment"]["RABBITMQ_DEFAULT_PASS"].startswith("${RABBITMQ_PASSWORD:?")
    assert "ports" not in broker
    assert broker["healthcheck"]["test"][0] == "CMD"
    assert "RABBITMQ_PASSWORD" in (ROOT / ".env.example").read_text("utf-8")
