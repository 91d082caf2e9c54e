"""The tasks by name; each is one call."""

from celery import shared_task

from shared.queue import INDEX_TASK
from workers import process


@shared_task(name=INDEX_TASK)
def index() -> None:
    """Hear the bell."""
    process.bell_heard.set()
