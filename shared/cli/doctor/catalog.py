"""The catalog: reached, migrated, safe, and its clock."""

import time
from collections.abc import Iterator

from shared.cli.doctor.findings import Finding, ok, warning, wrong
from shared.errors import CatalogUnavailable, ConfigurationError
from shared.services import Services

_CLOCKS_SECONDS = 2.0
"""How far apart the clocks of this host and the catalog may be."""
_MIGRATE = "lamina migrate, or ./run, which does it too."


def check_catalog(services: Services) -> Iterator[Finding]:
    """Look at the database; ends early if it cannot be worked with."""
    database = services.database
    where = database.url.render_as_string(hide_password=True)
    try:
        database.check()
    except CatalogUnavailable as error:
        reachable = _found(services)
        advice = _MIGRATE if reachable else "Start the database, and look at LAMINA_DATABASE_URL."
        yield wrong("catalog", f"{where}: {error}", advice)
        return
    except ConfigurationError as error:
        yield wrong("catalog", f"{where}: {error}", "Install the newer Lamina on every host.")
        return
    yield ok("catalog", f"{where}, schema {database.found_schema()}")
    for words in database.weaknesses():
        yield wrong("catalog", words, "Put it back to its default in the database's settings.")
    yield from _clocks(services)


def _found(services: Services) -> bool:
    """Whether the database answers, migrated or not."""
    try:
        services.database.found_schema()
    except CatalogUnavailable:
        return False
    return True


def _clocks(services: Services) -> Iterator[Finding]:
    before = time.time()
    there, after = services.roster.now(), time.time()
    apart = max(before - there, there - after, 0.0)
    if apart > _CLOCKS_SECONDS:
        yield warning(
            "clocks",
            f"The clocks of this host and the catalog are {apart:.0f} s apart.",
            "Let both follow a time server (NTP). Lamina itself goes by the catalog's alone.",
        )
    else:
        yield ok("clocks", "this host and the catalog agree")
