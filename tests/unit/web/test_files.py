"""What the pages are made of: vendored files are what they claim, templates obey the policy."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest

import web

ROOT = Path(web.__file__).parent
VENDOR = ROOT / "static" / "vendor"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def test_vendored_files_are_exactly_what_was_vendored() -> None:
    listed: dict[str, str] = {}
    for package in json.loads((VENDOR / "vendor.json").read_text(encoding="utf-8")):
        assert package["integrity"].startswith("sha512-")
        assert package["licence"]
        assert any(name.endswith("/LICENSE") for name in package["files"])
        listed |= package["files"]
    there = {
        str(file.relative_to(VENDOR)): "sha384-"
        + base64.b64encode(hashlib.sha384(file.read_bytes()).digest()).decode()
        for file in VENDOR.rglob("*")
        if file.is_file() and file.name != "vendor.json"
    }

    assert there == listed


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_what_the_policy_forbids(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert not re.search(r"<style|\sstyle=", text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", text)
    assert not re.search(r"\s(on\w+|hx-on[:-]\S*)=", text)
    assert not re.search(r"javascript:|\bjs:", text)
    assert not re.search(r"(src|href|action)=[\"']?(https?:)?//", text)
    assert "|safe" not in text


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_form_that_changes_something_carries_a_token(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)

    assert all('name="csrf_token"' in form for form in forms)


def test_our_own_files_ask_nobody_else() -> None:
    for file in (ROOT / "static").rglob("*"):
        if file.is_file() and file.suffix != ".svg" and VENDOR not in file.parents:
            assert not re.search(r"""\w:\/\/|["'`(]\/\/""", file.read_text(encoding="utf-8"))
