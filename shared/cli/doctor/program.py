"""Python, the packages, and where the settings come from."""

import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement
from pydantic import BaseModel

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.errors import ConfigurationError
from shared.settings import ROOT, Settings

_OLDEST, _NEWEST = (3, 11), (3, 14)
_SHOWN = 5


def check_python(running: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    """Compare Python with what Lamina is tested on."""
    name = ".".join(str(part) for part in running)
    if _OLDEST <= running <= _NEWEST:
        yield ok("python", f"Python {name}")
    else:
        yield wrong(
            "python",
            f"Python {name} is not supported.",
            "Install Python 3.11 to 3.14, remove the folder .venv and start ./run again.",
        )


def check_packages(lock: Path = ROOT / "requirements.lock") -> Iterator[Finding]:
    """Compare what is installed with the versions that Lamina was tested with."""
    if not lock.is_file():
        yield warning("packages", f"There is no {lock.name} to compare with.", "Nothing to do.")
        return
    pins = _pins(lock)
    installed = {name: _installed(name) for name in pins}
    missing = sorted(name for name, found in installed.items() if found is None)
    other = sorted(
        f"{name} {found} (tested: {pins[name]})"
        for name, found in installed.items()
        if found is not None and found != pins[name]
    )
    advice = "./run installs what requirements.lock names; remove .venv to begin anew."
    if missing:
        yield wrong("packages", f"Not installed: {_some(missing)}.", advice)
    if other:
        yield warning("packages", f"Other versions than tested: {_some(other)}.", advice)
    if not missing and not other:
        yield ok("packages", f"{len(pins)} packages as in {lock.name}")


def check_settings(settings: Settings, origins: Mapping[str, str]) -> Iterator[Finding]:
    """Say where the settings come from; find misspelt ones, and an unsafe address.

    Args:
        settings: of this installation.
        origins: where each `LAMINA_` variable that is set comes from.
    """
    known = set(_variables(Settings, "LAMINA_"))
    places = sorted(set(origins.values())) or ["nowhere: all are defaults"]
    yield ok("settings", f"{len(origins.keys() & known)} set, from {', '.join(places)}")
    for name in sorted(origins.keys() - known):
        yield warning(
            "settings",
            f"{name} ({origins[name]}) is no setting of Lamina and has no effect.",
            "Look for its name in the table of settings in README.md.",
        )
    try:
        settings.check_exposure()
        settings.read_admin_key()
    except ConfigurationError as error:
        yield wrong("settings", str(error), "Set a key, or listen on 127.0.0.1 only.")


def _pins(lock: Path) -> dict[str, str]:
    """Return the pinned versions that apply to this machine."""
    pins = {}
    for line in lock.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            pins[wanted.name] = re.sub("^==", "", str(wanted.specifier))
    return pins


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _variables(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _variables(inner, f"{prefix}{name.upper()}_")
        else:
            yield f"{prefix}{name.upper()}"


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
