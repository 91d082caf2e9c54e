"""Problem details (RFC 9457)."""

from web.api.models.base import Shape


class ProblemFault(Shape):
    """One thing wrong with the request."""

    pointer: str
    """JSON pointer into the body, or `/` and the name of a parameter."""

    detail: str


class Problem(Shape):
    """Why a request was refused."""

    type: str
    """Address of a page that explains this kind of problem."""

    title: str
    status: int
    detail: str
    instance: str
    """The path that was asked for."""

    errors: list[ProblemFault] | None = None
    """Each thing wrong, when the request was not valid."""
