"""Run the web process under gunicorn: threads, no preload, the model only after the fork."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as WerkzeugResponse

from shared import lifeline, logs, tracing
from shared.errors import CatalogUnavailable
from shared.services import Services, open_services
from shared.settings import Settings
from web import Lamina, create_app, problems
from web import tracing as web_tracing
from web.patience import patient_worker

_STOP_SECONDS = 10
_START_SECONDS = 120
"""A worker that does not report for this long is replaced; importing torch takes seconds."""
_KEEP_ALIVE_SECONDS = 30
_LINE_BYTES = 8190
_HEADERS = 64
_HEADER_BYTES = 8190
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - gunicorn makes its own private file there


def boot(services: Services | None = None, *, stop: Callable[[], None] = lambda: None) -> Lamina:
    """Build the application and start its threads; call it in the process that serves.

    Args:
        services: by default those of this installation.
        stop: called when a newer Lamina has made the catalog one that this program cannot use.
    """
    app = create_app(services)
    if app.extensions["services"].settings.tracing:
        tracing.start("web")
        web_tracing.register(app)
    app.register_error_handler(ParseException, _refuse_malformed)
    app.extensions["background"].start(stop=stop)
    return app


def shut(app: Lamina) -> None:
    """End the threads of an application that `boot` made, and close its services."""
    app.extensions["background"].close()
    app.extensions["services"].close()
    tracing.stop()


def _refuse_malformed(error: Exception) -> WerkzeugResponse:
    """Answer 400 to a body that broke off, or whose chunks are none, while a view read it."""
    return problems.answer_http(BadRequest(f"The body is malformed: {error}."))


def gunicorn_options(settings: Settings) -> dict[str, object]:
    """Return gunicorn's configuration for *settings*."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return {
        "bind": f"{host}:{settings.port}",
        "worker_class": patient_worker(settings.web.arrival_seconds),
        "workers": settings.web.processes,
        "threads": settings.web.threads,
        "preload_app": False,  # torch must not be used before a fork
        "timeout": _START_SECONDS,
        "graceful_timeout": _STOP_SECONDS,
        "keepalive": _KEEP_ALIVE_SECONDS,
        "limit_request_line": _LINE_BYTES,
        "limit_request_fields": _HEADERS,
        "limit_request_field_size": _HEADER_BYTES,
        "forwarded_allow_ips": "",  # only `web.proxies` says whose headers are believed
        "loglevel": settings.log_level.lower(),
        "logger_class": SharedLogger,
        "proc_name": "lamina-web",
        "control_socket_disable": True,  # it would write to the home folder
        "worker_tmp_dir": str(_SHARED_MEMORY) if _SHARED_MEMORY.is_dir() else None,
        "worker_exit": _worker_exit,
    }


class SharedLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Leaves the form of gunicorn's lines to `shared.logs`, as of all others."""

    def setup(self, cfg: Any) -> None:
        """Take gunicorn's own handlers away."""
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            log.handlers.clear()
            log.propagate = True


class Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """gunicorn, configured by Lamina's settings alone."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Hand Lamina's settings to gunicorn."""
        for name, value in gunicorn_options(self._settings).items():
            self.cfg.set(name, value)

    def load(self) -> Lamina:
        """Build the application; gunicorn calls it in each worker."""
        return boot(open_services(self._settings), stop=_stop_all)


def _stop_all() -> None:
    """Tell gunicorn's main process, from one that serves, to end them all."""
    os.kill(os.getppid(), signal.SIGTERM)


def _refuse_newer_catalog(settings: Settings) -> None:
    services = open_services(settings)
    try:
        services.database.check()
    except CatalogUnavailable as error:
        # Not there yet, or not migrated: requests are answered with 503 until it is.
        sys.stderr.write(f"{error.title}: {error.detail}\n")
    finally:
        services.close()


def _worker_exit(_server: Any, worker: Any) -> None:
    if isinstance(app := getattr(worker, "wsgi", None), Lamina):
        shut(app)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal ends it.

    Raises:
        ConfigurationError: reachable from other machines without an admin key, or the catalog is
            of a newer Lamina that this one cannot work with.
    """
    parser = argparse.ArgumentParser(prog="python -m web", description="Serve pages and API.")
    parser.add_argument("--parent-fd", type=int, metavar="N", help="end when this pipe closes")
    options = parser.parse_args(arguments)
    settings = Settings()
    settings.check_exposure()
    logs.configure(settings.log_level, role="web")
    if options.parent_fd is not None:
        lifeline.watch(options.parent_fd)
    _refuse_newer_catalog(settings)
    Server(settings).run()
