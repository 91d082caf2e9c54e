"""The pages: server-rendered, complete without JavaScript."""

from flask import Flask

from web.pages import (
    add_files,
    collections,
    compare,
    docs,
    documents,
    explain,
    home,
    indexes,
    jobs,
    live,
    maps,
    navigation,
    operation,
    rebuilding,
    samples,
    session,
    settings,
    versions,
    webhooks,
)

_BLUEPRINTS = (
    home.blueprint,
    samples.blueprint,
    compare.blueprint,
    add_files.blueprint,
    jobs.blueprint,
    live.blueprint,
    collections.blueprint,
    documents.blueprint,
    versions.blueprint,
    maps.blueprint,
    indexes.blueprint,
    settings.blueprint,
    rebuilding.blueprint,
    webhooks.blueprint,
    operation.blueprint,
    session.blueprint,
    explain.blueprint,
    docs.blueprint,
)


def register(app: Flask) -> None:
    """Add every page to *app*."""
    for blueprint in _BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.context_processor(session.who)
    app.context_processor(navigation.bar)
