"""The client that other apps install alone."""

import tomllib

from shared.product import product_version
from tests.running import ROOT


def test_it_has_the_version_of_the_lamina_that_it_comes_with() -> None:
    project = tomllib.loads((ROOT / "shared/client/pyproject.toml").read_text("utf-8"))["project"]

    assert project["version"] == product_version()


def test_it_installs_every_module_that_it_has() -> None:
    folder = ROOT / "shared/client"
    build = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    modules = {path.name for path in folder.glob("*.py")} | {"py.typed"}

    assert set(build["targets"]["wheel"]["only-include"]) == modules
