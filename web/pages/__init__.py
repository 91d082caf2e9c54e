"""The pages: server-rendered, complete without JavaScript."""

from flask import Flask

from web.pages import add, collections, docs, explain, home, jobs, session

_BLUEPRINTS = (
    home.blueprint,
    add.blueprint,
    jobs.blueprint,
    collections.blueprint,
    session.blueprint,
    explain.blueprint,
    docs.blueprint,
)


def register(app: Flask) -> None:
    """Add every page to *app*."""
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.context_processor(session.who)
