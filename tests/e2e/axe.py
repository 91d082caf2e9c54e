"""What axe-core (Deque Systems, MPL-2.0) says of a page; it comes with a package for Playwright."""

from functools import cache
from importlib.resources import files
from typing import Any

from playwright.sync_api import Page


def violations(page: Page, *only: str) -> list[str]:
    """Return what is wrong with a page for people who cannot see or point, a line a place.

    *only* are the rules to judge by, if not all.
    """
    page.evaluate(_source())
    # While something fades in its colours are none of those that stay. It is not waited for: what
    # turns while something is busy never ends, and a browser that draws nothing may not go on.
    page.evaluate(
        "document.getAnimations()"
        ".filter((one) => one.effect.getComputedTiming().endTime !== Infinity)"
        ".forEach((one) => one.finish())"
    )
    found: dict[str, Any] = page.evaluate(
        "(only) => axe.run(document, {resultTypes: ['violations'], ...(only.length && "
        "{runOnly: only})})",
        list(only),
    )
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


@cache
def _source() -> str:
    return (files("axe_playwright_python") / "axe.min.js").read_text(encoding="utf-8")
