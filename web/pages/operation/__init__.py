"""`/operation`: how the installation is, for whoever looks after it."""

from web.pages.operation import access, health, letters, overview, processes, record, why
from web.pages.operation.tabs import blueprint

# Each of them adds its routes to the one blueprint.
__all__ = [
    "access",
    "blueprint",
    "health",
    "letters",
    "overview",
    "processes",
    "record",
    "why",
]
