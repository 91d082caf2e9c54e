"""Alembic's entry point: runs the revisions on the connection that the caller opened."""

from alembic import context

from shared.catalog.tables import Row

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Row.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
