"""The sample collection."""

from typing import Self

from shared.domain import Receipt
from shared.samples import ATTRIBUTION, NAME
from web.api.models.base import JobLink, Shape


class SampleShape(Shape):
    """The sample collection on its way into the index."""

    collection: str
    """What it is called."""
    documents: int
    job: JobLink
    attribution: str
    """Where the texts come from."""

    @classmethod
    def of(cls, receipt: Receipt, url: str) -> Self:
        """Return the receipt with the job's address."""
        return cls(
            collection=NAME,
            documents=len(receipt.documents),
            job=JobLink(id=receipt.job_id, url=url),
            attribution=ATTRIBUTION,
        )
