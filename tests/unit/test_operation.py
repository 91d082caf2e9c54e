"""docs/operation: what it names exists, and what exists is named."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.measures.instruments import INSTRUMENTS, Kind
from shared.settings import Settings
from tests.unit.test_compose import modules, setting_names

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "operation"
KUSTOMIZE = FOLDER / "kustomize"


def series() -> set[str]:
    """Return every name that `/metrics` has a line of."""
    return {
        one.name + ending
        for one in INSTRUMENTS
        for ending in (("_bucket", "_sum", "_count") if one.kind is Kind.HISTOGRAM else ("",))
    }


def named(text: str) -> set[str]:
    return set(re.findall(r"\blamina_[a-z0-9_]+", text))


def test_every_measure_is_documented_as_it_is() -> None:
    page = (FOLDER / "README.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `lamina_")]

    assert rows == [
        f"| `{one.name}` | {one.kind.value} | "
        f"{', '.join(f'`{label}`' for label in one.labels) or '—'} | {one.about} |"
        for one in INSTRUMENTS
    ]
    names = [one.name for one in INSTRUMENTS]
    assert len(set(names)) == len(names)
    for one in INSTRUMENTS:
        assert one.name.endswith("_total") == (one.kind is Kind.COUNTER)
        assert list(one.buckets) == sorted(set(one.buckets))
        assert bool(one.buckets) == (one.kind is Kind.HISTOGRAM)


def test_the_alert_rules_are_of_measures_that_exist() -> None:
    text = (FOLDER / "alerts.yml").read_text("utf-8")
    (group,) = yaml.safe_load(text)["groups"]

    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) >= 10
    for rule in group["rules"]:
        assert named(rule["expr"]) <= series(), rule["alert"]
        assert named(rule["expr"]) or rule["expr"].startswith("up{")
        assert {"summary", "action"} == rule["annotations"].keys()
        assert rule["labels"]["severity"] in ("warning", "critical")
    if promtool := shutil.which("promtool"):
        for what, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
            command = [
                promtool,
                "check",
                what,
                "--lint=none" if what == "rules" else "--syntax-only",
            ]
            said = subprocess.run(
                [*command, name], cwd=FOLDER, capture_output=True, text=True, check=False
            )
            assert said.returncode == 0, said.stderr


def test_the_dashboard_shows_every_measure_and_no_other() -> None:
    board: dict[str, Any] = json.loads((FOLDER / "grafana.json").read_text("utf-8"))
    panels = [one for one in board["panels"] if one["type"] != "row"]
    shown = {name for one in panels for target in one["targets"] for name in named(target["expr"])}

    assert shown <= series()
    unseen = {one.name for one in INSTRUMENTS} - {
        re.sub("_(bucket|sum|count)$", "", n) for n in shown
    }
    assert unseen == {"lamina_backlog_characters"}, "say it on a panel, or here that it is not"
    ids = [one["id"] for one in board["panels"]]
    assert len(set(ids)) == len(ids)
    places = [one["gridPos"] for one in board["panels"]]
    for number, one in enumerate(places):
        assert one["x"] + one["w"] <= 24
        for other in places[:number]:
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, "two panels overlap"


def test_the_scrape_configuration_leads_to_metrics() -> None:
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))

    assert config["rule_files"] == ["alerts.yml"]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "lamina", "the alert rules ask for it"
    assert job.get("metrics_path", "/metrics") == "/metrics"


def manifests(name: str) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all((KUSTOMIZE / name).read_text("utf-8")) if one]


def test_the_kustomize_example_holds_together() -> None:
    (kustomization,) = manifests("kustomization.yaml")
    resources = [one for name in kustomization["resources"] for one in manifests(name)]
    pods = [one["spec"]["template"] for one in resources if "template" in one["spec"]]
    claims = {
        one["metadata"]["name"] for one in resources if one["kind"] == "PersistentVolumeClaim"
    }
    literals = kustomization["configMapGenerator"][0]["literals"]
    example = (KUSTOMIZE / "lamina.env.example").read_text("utf-8")
    variables = {one.partition("=")[0] for one in [*literals, *example.split()] if "=" in one}

    assert {one["metadata"]["labels"]["part"] for one in pods} == {
        "web", "worker", "intake", "parser", "upkeep", "setup",
    }  # fmt: skip
    assert variables <= setting_names()
    assert "CHANGE" not in example, "a key that everybody knows would be taken as it is"
    for one in pods:
        pod = one["spec"]
        (container,) = pod["containers"]
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["terminationGracePeriodSeconds"] > Settings(_env_file=None).stop_seconds + 5
        assert container["image"] == kustomization["images"][0]["name"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert modules(" ".join(container["command"])) or container["command"][-1].count(
            "shared.cli"
        )
        assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] in claims
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if probe in container:
                ask = container[probe]["httpGet"]
                assert ask["path"] in ("/livez", "/readyz")
                assert ask["httpHeaders"] == [{"name": "Host", "value": "localhost"}]
    hosts = json.loads(next(one for one in literals if "ALLOWED_HOSTS" in one).partition("=")[2])
    assert {one["metadata"]["name"] for one in resources if one["kind"] == "Service"} <= set(hosts)


@pytest.mark.parametrize("page", ["README.md", "sizing.md"])
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", (FOLDER / page).read_text("utf-8"))

    assert links
    assert [one for one in links if not (FOLDER / one).exists()] == []
