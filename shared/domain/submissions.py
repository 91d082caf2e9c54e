"""What producers hand over, and what they are told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from shared.domain.uploads import Origin
from shared.domain.values import Lane, Metadata, RevisionKind, State, sha256_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document as a producer sends it, already validated."""

    id: str
    title: str = ""
    text: str = ""
    metadata: Metadata = field(default_factory=dict)
    kind: RevisionKind = RevisionKind.PUT
    external_version: int | None = None

    @property
    def text_sha256(self) -> str:
        """Of title and text: what the encoder sees."""
        return sha256_of([self.title, self.text])

    @property
    def content_sha256(self) -> str:
        """Of title, text and metadata."""
        return sha256_of([self.title, self.text, self.metadata])


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """A document that was read out of a file."""

    document: NewDocument
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """How much a document or a request of documents may hold; see `LimitSettings`."""

    documents: int
    id_characters: int
    title_characters: int
    text_characters: int
    metadata_bytes: int
    metadata_depth: int
    key_characters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """Documents that one producer hands over together."""

    collection: str
    source: str
    """Who sends: `api`, `form`, or the name of a queue."""
    producer: str = ""
    """Who of the source, as it says itself; shares are fair between producers."""
    documents: tuple[NewDocument, ...]
    key: str | None = None
    """The producer's idempotency key; belongs to the collection and the source."""
    content_sha256: str = ""
    """Of the documents as sent, so that a reused key with other content is noticed."""
    lane: Lane = Lane.INTERACTIVE
    missing_ok: bool = False
    """To delete a document that is not there changes nothing, instead of being refused."""
    extra: Metadata = field(default_factory=dict)
    """Fields that came with it and mean nothing here; kept with the job."""
    origins: Mapping[str, Origin] = field(default_factory=dict)
    """Files that texts were read from elsewhere, by document id; their bytes are not here."""
    reply_to: str | None = None
    """Where the producer waits for the receipt, if it does; see `shared/replies.py`."""
    raw: bytes | None = field(default=None, repr=False)
    """The message as the queue held it, to be kept if it is refused; None if it was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change of one document, applied to what its newest accepted revision says."""

    submission: Submission
    """Who changes it, and under which key; without documents."""
    document_id: str
    apply: Callable[[NewDocument], NewDocument]
    """Returns what the document shall say. Called under lock, perhaps more than once; what it
    raises refuses the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A message that was not accepted, kept with its reason."""

    source: str
    raw: bytes
    reason: str
    """A short code: `not-json`, `bad-envelope`, `bad-payload`, `no-such-collection`, …"""
    detail: str
    collection: str | None = None
    key: str | None = None
    form: str = "message"
    """What `raw` is: a `message` as the queue held it, or `documents`: a submission as JSON."""
    size: int | None = None
    """Bytes that came; `raw` may be their beginning only. None for all of them."""
    reply_to: str | None = None
    """As `Submission.reply_to`, if it could be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The answer to an accepted submission."""

    job_id: str
    documents: tuple[tuple[str, State], ...]
    repeated: bool = False
    """The key was seen before with the same content; this is the first answer again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptEntry:
    """What became of one message with a given key."""

    key: str
    collection: str | None
    source: str
    status: str
    """`accepted` or `rejected`."""
    job_id: str | None
    reason: str | None
    detail: str | None
    received_at: float
