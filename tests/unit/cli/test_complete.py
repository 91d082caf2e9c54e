"""Everything that the API does the command line does too."""

from pathlib import Path

from typer.main import get_command

from shared.cli.commands import app
from tests.unit.web.installation import Installation

COMMANDS = {
    "collections list": ["GET /collections"],
    "collections create": ["POST /collections"],
    "collections show": ["GET /collections/{name}", "GET /collections/{name}/rebuild"],
    "collections set": ["PATCH /collections/{name}"],
    "collections rename": ["PATCH /collections/{name}"],
    "collections delete": ["DELETE /collections/{name}"],
    "collections deleted": ["GET /deleted-collections"],
    "collections recover": ["POST /collections/{name}/recover"],
    "collections rebuild": [
        "POST /collections/{name}/rebuild",
        "DELETE /collections/{name}/rebuild",
    ],
    "aliases list": ["GET /aliases"],
    "aliases set": ["PUT /aliases"],
    "webhooks list": [
        "GET /collections/{name}/webhooks",
        "GET /collections/{name}/webhooks/{webhook_id}",
    ],
    "webhooks create": ["POST /collections/{name}/webhooks"],
    "webhooks set": ["PATCH /collections/{name}/webhooks/{webhook_id}"],
    "webhooks delete": ["DELETE /collections/{name}/webhooks/{webhook_id}"],
    "webhooks deliveries": ["GET /collections/{name}/webhooks/{webhook_id}/deliveries"],
    "webhooks replay": [
        "POST /collections/{name}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay"
    ],
    "versions list": ["GET /collections/{name}/versions"],
    "versions show": ["GET /collections/{name}/versions/{ref}"],
    "versions tag": ["PUT /collections/{name}/tags/{tag}"],
    "versions untag": ["DELETE /collections/{name}/tags/{tag}"],
    "versions diff": [
        "GET /collections/{name}/versions/{ref}/diff",
        "POST /collections/{name}/compare",
    ],
    "versions restore": ["POST /collections/{name}/restore"],
    "documents list": ["GET /collections/{name}/documents"],
    "documents show": ["GET /collections/{name}/documents/{document_id}"],
    "documents set": ["PATCH /collections/{name}/documents/{document_id}"],
    "documents delete": [
        "DELETE /collections/{name}/documents/{document_id}",
        "POST /collections/{name}/documents/delete",
    ],
    "add": [
        "POST /collections/{name}/documents",
        "POST /collections/{name}/documents/bulk",
        "POST /collections/{name}/files",
    ],
    "files list": ["GET /jobs/{job_id}/files"],
    "files preview": [
        "POST /collections/{name}/files/preview",
        "POST /collections/{name}/preview",
    ],
    "files original": ["GET /collections/{name}/originals/{document_id}"],
    "search": ["GET /collections/{name}/search", "POST /collections/{name}/search"],
    "sample": ["POST /sample"],
    "map": ["GET /collections/{name}/map", "POST /collections/{name}/map"],
    "jobs show": ["GET /jobs", "GET /jobs/{job_id}"],
    "jobs cancel": ["POST /jobs/{job_id}/cancel"],
    "jobs retry": ["POST /jobs/{job_id}/retry"],
    "jobs batches": ["GET /claims"],
    "why": ["GET /why", "GET /jobs/{job_id}/why"],
    "events": ["GET /events", "GET /jobs/{job_id}/events"],
    "dead list": ["GET /dead-letters"],
    "dead show": ["GET /dead-letters/{letter_id}"],
    "receipts": ["GET /receipts/{key}"],
    "dead replay": ["POST /dead-letters/replay", "POST /dead-letters/{letter_id}/replay"],
    "dead dismiss": ["DELETE /dead-letters", "DELETE /dead-letters/{letter_id}"],
    "gc": ["POST /collections/{name}/garbage"],
    "purge": ["POST /collections/{name}/documents/{document_id}/purge"],
    "keys list": ["GET /keys"],
    "keys create": ["POST /keys"],
    "keys show": ["GET /keys/{key_id}"],
    "keys whoami": ["GET /whoami"],
    "keys revoke": ["DELETE /keys/{key_id}"],
    "audit": ["GET /audit"],
    "models list": ["GET /encoders"],
    "status": ["GET /status", "GET /chores", "GET /damages"],
}
"""What each command asks for, among others."""

FOR_PROGRAMS = {
    "GET /schemas/{schema_name}",  # what producers of other apps check their messages with
    "GET /livez",
    "GET /readyz",
    "GET /version",
    "GET /metrics",
}
_METHODS = ("get", "post", "put", "patch", "delete")


def test_each_operation_of_the_api_has_a_command(tmp_path: Path) -> None:
    with Installation.open(tmp_path) as lamina:
        paths = lamina.app.api_doc["paths"]
    operations = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, item in paths.items()
        for method in _METHODS
        if method in item
    }
    covered = {one for operations_of in COMMANDS.values() for one in operations_of}

    assert operations - covered - FOR_PROGRAMS == set(), "no command"
    assert covered | FOR_PROGRAMS == operations, "no such operation any more"
    assert set(COMMANDS) <= set(_commands()), "no such command any more"


def _commands(group: object = None, words: tuple[str, ...] = ()) -> list[str]:
    """Return every command by its words."""
    group = group or get_command(app)
    inside = getattr(group, "commands", None)
    if inside is None:
        return [" ".join(words)]
    return [one for name, each in inside.items() for one in _commands(each, (*words, name))]
