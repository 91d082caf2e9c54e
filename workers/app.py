"""The Celery application of the index workers: it hears bells and carries no work."""

import warnings

from celery import Celery
from celery.apps.worker import Worker
from celery.exceptions import SecurityWarning
from celery.signals import setup_logging
from celery.worker import state

from shared.queue import INDEX_QUEUE
from workers import process


def make_app(broker_url: str) -> Celery:
    """Return the application that listens at *broker_url*."""
    app = Celery("lamina", broker=broker_url, include=["workers.tasks"])
    app.conf.update(
        task_queues=[INDEX_QUEUE],
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        # The default gives up after 100 tries; an outage may last longer.
        broker_connection_max_retries=None,
        broker_connection_timeout=3,
        broker_transport_options={"socket_connect_timeout": 3},
    )
    return app


def listen(broker_url: str, hostname: str) -> int:
    """Hear bells until `process.stopping`; return the exit code.

    Pool `threads`: a bell only sets an event, and the loop that talks to the broker stays
    alive while torch works. Nothing forks after torch is loaded.
    """
    # Celery would set up logging of its own if nobody were connected here.
    setup_logging.connect(_keep_logging)
    with warnings.catch_warnings():
        # As root Celery warns of what pickle could do; only JSON is accepted here.
        warnings.simplefilter("ignore", SecurityWarning)
        worker = Worker(
            app=make_app(broker_url),
            hostname=hostname,
            pool="threads",
            concurrency=1,
            queues=[INDEX_QUEUE.name],
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
            quiet=True,
        )
    process.at_stop(_stop_celery)
    worker.start()
    return int(worker.exitcode or 0)


def _keep_logging(**_: object) -> None:
    """Leave logging as `shared.logs` made it."""


def _stop_celery() -> None:
    state.should_stop = 0  # type: ignore[assignment]  # celery-types knows only its default
