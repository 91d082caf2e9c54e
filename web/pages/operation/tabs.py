"""The blueprint of the operation pages, and the tabs that lead from one to another."""

from flask import Blueprint

blueprint = Blueprint("operation", __name__, url_prefix="/operation")

TABS = (
    ("operation.overview", "Overview"),
    ("operation.processes", "Processes"),
    ("operation.letters", "Dead letters"),
    ("operation.why", "Why it waits"),
    ("operation.health", "Health"),
    ("operation.keys", "Keys"),
    ("operation.audit", "Record"),
)


@blueprint.context_processor
def _tabs() -> dict[str, object]:
    return {"tabs": TABS}
