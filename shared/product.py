"""Which Lamina this is."""

import tomllib
from importlib.metadata import version
from pathlib import Path


def product_version() -> str:
    """Return Lamina's version, which a source tree says more recently than its installation."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return version("lamina")
