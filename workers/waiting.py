"""Wait for what a worker process cannot do without."""

import structlog

from shared.errors import CatalogUnavailable
from shared.services import Services
from workers import process

_LOOK_SECONDS = 1.0

_log = structlog.get_logger(__name__)


def wait_for_catalog(services: Services) -> bool:
    """Wait until the catalog can be reached and is migrated; return whether it was not at first.

    Containers start all at once, and one of them migrates.

    Raises:
        ConfigurationError: a newer Lamina migrated it to what this program cannot work with.
    """
    said = ""
    while True:
        try:
            services.database.check()
        except CatalogUnavailable as error:
            if str(error) != said:
                said = str(error)
                _log.warning("waiting_for_catalog", reason=said)
        else:
            if said:
                _log.info("catalog_found")
            return bool(said)
        process.stopping.wait(_LOOK_SECONDS)
