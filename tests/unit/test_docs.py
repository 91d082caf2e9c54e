"""The README tells the truth: every setting with its default, every route, every command."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from shared.settings import Settings
from tests.unit.web.installation import Installation

ROOT = Path(__file__).resolve().parents[2]
HEALTH = ("/livez", "/readyz", "/version", "/metrics")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def settings_rows(model: type[BaseModel] = Settings, prefix: str = "LAMINA_") -> Iterator[str]:
    """Yield the README's table row of every setting."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from settings_rows(annotation, f"{prefix}{name.upper()}_")
            continue
        default = field.get_default(call_default_factory=False)
        about = " ".join((field.description or "").split())
        assert about, f"{name} has no docstring"
        if field.default_factory is not None:
            shown = about.partition("by default ")[2].rstrip(".")
            assert shown, f"{name} does not say what it is by default"
        elif default is None or default in ("", ()):
            shown = "—"
        else:
            assert not isinstance(default, SecretStr), "a secret has no default"
            shown = f"`{default}`"
        yield f"| `{prefix}{name.upper()}` | {shown} | {about} |"


@pytest.mark.parametrize("row", list(settings_rows()), ids=lambda row: row.split("`")[1])
def test_readme_lists_every_setting_with_its_default(row: str) -> None:
    assert row in README, f"README lacks this row:\n{row}"


def test_readme_lists_no_setting_that_is_gone() -> None:
    known = {row.split("`")[1] for row in settings_rows()}
    named = set(re.findall(r"^\| `(LAMINA_[A-Z_]+)`", README, flags=re.MULTILINE))

    assert named - known == set()


def test_readme_lists_every_route_of_the_api(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as installation:
        routes = {
            f"{method} {re.sub('<(?:[^:>]+:)?([^>]+)>', '{}', rule.rule)}"
            for rule in installation.app.url_map.iter_rules()
            for method in rule.methods or ()
            if method not in ("HEAD", "OPTIONS")
            and (rule.rule.startswith("/api/v1") or rule.rule in HEALTH)
        }
    listed = {
        re.sub(r"\{[^}]+\}", "{}", row)
        for row in re.findall(r"^\| `((?:GET|POST|PUT|PATCH|DELETE) /[^`]+)`", README, re.MULTILINE)
    }

    assert routes == listed


def test_every_link_to_a_file_leads_somewhere() -> None:
    targets = re.findall(r"\]\((?!https?:|#)([^)#]+)\)", README)

    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


if __name__ == "__main__":
    print("| variable | default | meaning |\n| --- | --- | --- |")
    print("\n".join(settings_rows()))
