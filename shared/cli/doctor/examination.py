"""Everything that is looked at, the foundations first."""

from collections.abc import Iterator
from functools import partial

from shared.cli.doctor import broker, catalog, folder, models, program, running, work
from shared.cli.doctor.findings import Finding, Level, look
from shared.services import open_services
from shared.settings import Settings, origins
from shared.waiting.forecast import ALIVE_SECONDS


def examine(settings: Settings, *, quick: bool = False) -> Iterator[Finding]:
    """Yield what is found. Changes nothing.

    Args:
        settings: of this installation.
        quick: for a web process: leave out what reads whole files, and who answers at its port.
    """
    yield from look("python", program.check_python)
    yield from look("packages", program.check_packages)
    yield from look("settings", partial(program.check_settings, settings, origins()))
    yield from look("data folder", partial(folder.check_folder, settings))
    yield from look("models", partial(models.check_models, settings, quick=quick))
    if not quick and settings.encoding.device != "cpu":
        yield from look("device", partial(models.check_device, settings))
    if not quick:
        yield from look("port", partial(running.check_port, settings))
    alive = False
    if settings.database_url is not None or (settings.data_dir / "catalog.db").exists():
        services = open_services(settings)
        try:
            found = list(look("catalog", partial(catalog.check_catalog, services)))
            yield from found
            if not any(one.level is Level.WRONG and one.subject == "catalog" for one in found):
                alive = bool(services.roster.alive(within_seconds=ALIVE_SECONDS))
                needed = partial(
                    models.check_needed, settings, services.collections, services.renditions
                )
                yield from look("models", needed)
                yield from look("access", partial(running.check_access, services))
                yield from look("processes", partial(running.check_processes, services))
                yield from look("backlog", partial(work.check_work, services))
                yield from look("files", partial(work.check_files, services))
                yield from look("rebuilds", partial(work.check_rebuilds, services))
                yield from look("index", partial(running.check_index, services))
        finally:
            services.close()
    yield from look("broker", partial(broker.check_broker, settings, running=alive))
