"""Load the sample collection, through the same door as everybody's documents."""

from dataclasses import dataclass, replace

from shared import samples
from shared.collecting import create_collection
from shared.domain import DocumentLimits, Receipt
from shared.errors import CollectionExists
from shared.ingest import parse_submission, submit
from shared.ports import Bell, Collections, Encoders, Inbox
from shared.samples import NAME

SOURCE = "sample"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampler:
    """What loading the sample works with."""

    collections: Collections
    encoders: Encoders
    inbox: Inbox
    bell: Bell
    encoder: str
    """Name of the encoder that the sample collection gets."""


def load_sample(sampler: Sampler, limits: DocumentLimits) -> Receipt:
    """Make the sample collection and submit its documents as one job.

    Whoever dies in between leaves an empty collection, which the next call fills.

    Raises:
        CollectionExists: there is one of that name that holds something, or may soon.
        EncoderNotInstalled: the encoder is not installed yet.
        OutOfSpace, Overloaded: nothing new is taken just now.
    """
    try:
        create_collection(sampler.collections, sampler.encoders, NAME, encoder=sampler.encoder)
    except CollectionExists:
        if not _is_untouched(sampler.collections):
            raise CollectionExists(
                f"There is a collection called {NAME!r} already; delete it to load the sample anew."
            ) from None
    found = list(samples.documents())
    submission = parse_submission(
        # Ours, not a stranger's: it is one job, however little one request may hold.
        found,
        replace(limits, documents=max(limits.documents, len(found))),
        collection=NAME,
        source=SOURCE,
    )
    return submit(sampler.inbox, sampler.bell, submission)


def _is_untouched(collections: Collections) -> bool:
    """Whether nothing was ever published in it, and nothing waits."""
    found = [one for one in collections.stats() if one.collection.name == NAME]
    return all(one.version == 0 and not one.waiting for one in found)
