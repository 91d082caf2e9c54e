"""Whether a process is well, and what it is."""

from web.api.models.base import Shape


class Health(Shape):
    """Whether the process can serve."""

    ready: bool
    reasons: list[str]
    """Why it cannot, if so."""
    warnings: list[str]
    """What works, but not as it should."""


class ProgramShape(Shape):
    """What runs."""

    lamina: str
    schema_known: str
    """The newest schema revision that this program knows."""
    schema_found: str | None
    """The revision of the catalog; null while it is away or not migrated."""
    index_format: int
    """The newest format of index files that this program writes."""
    encoder: str
    """Of collections that name none."""
    encoder_fingerprint: str | None
    """sha256 over everything that changes a vector; null while it is not installed."""
    python: str
    libraries: dict[str, str]
