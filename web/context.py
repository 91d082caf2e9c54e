"""What a view reaches for: the services of the application that serves it."""

from typing import cast

from flask import current_app

from shared.services import Services


def services() -> Services:
    """Return the services of the application at work."""
    return cast("Services", current_app.extensions["services"])
