"""Which Lamina this is."""

import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "alembic",
    "celery",
    "faiss-cpu",
    "flask",
    "gunicorn",
    "kombu",
    "numpy",
    "psycopg",
    "redis",
    "sqlalchemy",
    "tokenizers",
    "torch",
    "transformers",
)
"""Those that matter most when somebody asks for help."""


def product_version() -> str:
    """Return Lamina's version, which a source tree says more recently than its installation."""
    project = Path(__file__).parents[1] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return version("lamina")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that are installed of `LIBRARIES`."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue  # nobody needs a driver of a database that is not used
    return found
