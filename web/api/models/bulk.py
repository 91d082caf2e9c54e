"""What a bulk request is answered."""

from http import HTTPStatus
from typing import Any, Literal, Self

from pydantic import BaseModel

from shared.bulk import Result
from shared.domain import State
from shared.errors import Fault, InvalidRequest, LaminaError, Overloaded
from web.api.models.base import Question, Shape


class BulkQuery(Question):
    """How to take lines in."""

    lane: Literal["interactive", "bulk"] = "bulk"
    """`bulk` lets the documents of people who wait go first."""


class FaultShape(Shape):
    """One thing wrong with a line: where (a JSON pointer into it) and what."""

    pointer: str
    detail: str

    @classmethod
    def of(cls, fault: Fault) -> Self:
        """Return what the API shows of a fault."""
        return cls(pointer=fault.pointer, detail=fault.detail)


class LineShape(Shape):
    """What became of one line."""

    line: int
    """Its number in the body, from 1; blank lines are counted but not answered."""
    id: str | None
    status: int
    """As of a request of its own: 202, or that of the problem."""
    state: State | None = None
    """Where the document stood when it was accepted."""
    job_id: str | None = None
    repeated: bool = False
    """An earlier request with the same key had stored it."""
    error: str | None = None
    type: str | None = None
    """Address of a page that explains the problem."""
    errors: list[FaultShape] | None = None

    @classmethod
    def of(cls, result: Result, status: HTTPStatus, kind: str | None) -> Self:
        """Return what the API shows of a result."""
        faults = result.error.faults if isinstance(result.error, InvalidRequest) else ()
        return cls(
            line=result.line,
            id=result.id,
            status=int(status),
            state=result.state,
            job_id=result.job_id,
            repeated=result.repeated,
            error=None if result.error is None else result.error.detail,
            type=kind,
            errors=[FaultShape.of(one) for one in faults] or None,
        )

    def shown(self) -> dict[str, Any]:
        """Return it as JSON, without what says nothing."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        return {"line": self.line, "id": self.id} | said


class SummaryShape(BaseModel):
    """What became of all lines."""

    lines: int = 0
    """That have a result."""
    accepted: int = 0
    repeated: int = 0
    """Of those accepted: stored by an earlier request with the same key."""
    refused: int = 0
    jobs: int = 0
    statuses: dict[int, int] = {}
    """Lines by status."""
    retry_after_seconds: int | None = None
    """When to send the lines with status 429 again."""
    status: int = HTTPStatus.OK
    """That of the whole body: not 200 if it could not be read to its end."""
    error: str | None = None
    type: str | None = None
    _job: str | None = None

    def count(self, result: Result, status: HTTPStatus) -> None:
        """Count a line."""
        self.lines += 1
        self.accepted += result.error is None
        self.refused += result.error is not None
        self.repeated += result.error is None and result.repeated
        self.statuses[int(status)] = self.statuses.get(int(status), 0) + 1
        if result.job_id is not None and result.job_id != self._job:
            self._job = result.job_id
            self.jobs += 1
        if isinstance(result.error, Overloaded):
            self.retry_after_seconds = result.error.retry_after_seconds

    def end(self, error: LaminaError, status: HTTPStatus, kind: str | None) -> None:
        """Say why the body was not read to its end."""
        self.status, self.error, self.type = int(status), error.detail, kind


class SummaryLine(Shape):
    """The last line."""

    summary: SummaryShape
