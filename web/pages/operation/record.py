"""`/operation/record`: who administered what, and when."""

from flask import render_template, request

from web.context import services
from web.pages.forms import whole_number
from web.pages.operation.tabs import blueprint

_LISTED = 50


@blueprint.get("/record")
def audit() -> str:
    """List administrative acts, newest first."""
    before = whole_number(request.args, "before", None)
    entries = services().audit.entries(limit=_LISTED + 1, before=before)
    return render_template(
        "operation/record.html",
        entries=entries[:_LISTED],
        older=entries[_LISTED - 1].id if len(entries) > _LISTED else None,
        before=before,
        days=services().settings.access.audit_days,
    )
