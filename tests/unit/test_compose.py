"""docker-compose.yml and the Dockerfile, as far as they can be judged without an engine."""

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from shared.cli.commands import app
from shared.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, one in SERVICES.items() if "build" in one)
RUNNING = sorted(set(SERVICES) - {"setup"})
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
SECRETS = {"LAMINA_ADMIN_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD"}


def setting_names(model: type[BaseModel] = Settings, prefix: str = "LAMINA_") -> set[str]:
    """Return the environment variable of every setting."""
    names = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= setting_names(inner, f"{prefix}{name.upper()}_")
        else:
            names.add(f"{prefix}{name.upper()}")
    return names


def test_there_is_a_service_for_every_process() -> None:
    ours = {"setup", "web", "worker", "upkeep", "intake", "parser"}
    assert set(SERVICES) == {"postgres", "redis"} | ours


@pytest.mark.parametrize("name", OURS)
def test_our_services_are_confined(name: str) -> None:
    service = SERVICES[name]

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", service["user"])
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    assert "container_name" not in service, "it would forbid --scale"


@pytest.mark.parametrize("name", RUNNING)
def test_every_running_service_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]

    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert {"interval", "timeout", "retries"} <= check.keys()


def modules(words: str) -> list[str]:
    return re.findall(r"python -m ([\w.]+)", words)


@pytest.mark.parametrize("name", OURS)
def test_every_command_line_exists(name: str) -> None:
    service = SERVICES[name]
    lines = [" ".join(service["command"]), " ".join(service.get("healthcheck", {}).get("test", []))]
    commands = {command.name or command.callback.__name__ for command in app.registered_commands}  # type: ignore[union-attr]  # each has one
    groups = {group.name for group in app.registered_groups}

    assert modules(lines[0])
    for line in lines:
        for module in modules(line):
            assert find_spec(f"{module}.__main__"), module
        for command in re.findall(r"shared\.cli (\w+)", line):
            assert command in commands | groups


def test_every_variable_of_our_services_is_a_setting() -> None:
    named = {variable for name in OURS for variable in SERVICES[name]["environment"]}

    assert named <= setting_names()
    assert set(re.findall(r"\b(LAMINA_\w+)=", DOCKERFILE)) <= setting_names()


def test_it_refuses_to_start_without_its_secrets() -> None:
    text = (ROOT / "docker-compose.yml").read_text("utf-8")

    for secret in SECRETS:
        uses = re.findall(rf"\$\{{{secret}[^}}]*\}}", text)
        assert uses
        assert all(use.startswith(f"${{{secret}:?") for use in uses), uses


def test_only_the_web_port_is_published_and_only_on_loopback() -> None:
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}

    assert list(published) == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in published["web"])


def test_processes_wait_for_the_catalog_and_the_model() -> None:
    for name in sorted(set(OURS) - {"setup"}):
        needs = SERVICES[name]["depends_on"]
        assert needs["setup"]["condition"] == "service_completed_successfully"
        assert needs["redis"]["condition"] == "service_healthy"
    assert SERVICES["setup"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_the_health_checks_may_name_the_web_service_as_host() -> None:
    default = re.search(r":-(.*)}$", SERVICES["web"]["environment"]["LAMINA_WEB_ALLOWED_HOSTS"])

    assert default
    assert "web" in json.loads(default[1])


def test_the_example_environment_names_every_secret_and_only_settings() -> None:
    example = (ROOT / ".env.example").read_text("utf-8")
    named = set(re.findall(r"^#?([A-Z_]+)=", example, flags=re.MULTILINE))

    assert named >= SECRETS
    assert named - SECRETS <= setting_names()


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    assert re.findall(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE) == ["10001:10001"]
    assert "PYTHONPATH=/app" in DOCKERFILE
    assert DOCKERFILE.rstrip().endswith('CMD ["python", "-m", "web"]')


def test_the_image_installs_what_the_lock_says() -> None:
    run = (ROOT / "run").read_text("utf-8")
    lock = (ROOT / "requirements.lock").read_text("utf-8")

    for pin in ("uv==", "torch=="):
        version = re.search(rf"{pin}(\d[\d.]*\d)", DOCKERFILE)
        assert version
        in_run = {"uv==": f"UV=uv=={version[1]}\n", "torch==": f"TORCH={version[1]}\n"}
        assert in_run[pin] in run
    assert "requirements.lock" in DOCKERFILE
    assert not re.search(r"^(torch|nvidia|triton)", lock, flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(set(RUNNING) & set(OURS)))
def test_a_container_is_given_longer_to_stop_than_its_process_takes(name: str) -> None:
    grace = re.fullmatch(r"(\d+)s", SERVICES[name]["stop_grace_period"])

    assert grace
    assert float(grace[1]) > Settings(_env_file=None).stop_seconds + 5
