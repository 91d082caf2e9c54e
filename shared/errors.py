"""Every error Lamina raises on purpose.

- LaminaError
  - InvalidRequest               what was sent is wrong; nothing was changed
    - InvalidDocument
    - KeyReused
    - TooLarge
    - FileRefused              a file cannot be read; says why in a word and in words
  - NotFound
    - CollectionNotFound
    - DocumentNotFound
    - JobNotFound
    - ReceiptNotFound
    - VersionNotFound
    - TagNotFound
    - RebuildNotFound
    - DeadLetterNotFound
    - EncoderNotInstalled
    - KeyNotFound
    - WebhookNotFound
    - DeliveryNotFound
    - MapNotFound
  - CollectionExists
  - CollectionInUse              aliases lead to it: set or remove them first
  - RebuildUnderWay              as something else: wait for that rebuild, or cancel it
  - VersionExpired
  - OutOfSpace                   too little disk is left: nothing new is taken
  - ArchiveRefused               an archive or backup is damaged or not one of Lamina's
  - Overloaded                   too many waiters or too much waiting: come back later
    - RateLimited              this key or address asked too often
  - ModelRefused                 a model directory asks for what Lamina cannot honour
  - ModelUnavailable             a model could not be fetched, or its hash is wrong
  - UnencodableDocument          this one document cannot be encoded; others can
  - CorruptFile                  a file of the index is not what its checksum says
  - Fenced                       the claim or attempt was taken away: drop the work
  - ConfigurationError           a setting is wrong or unsafe
  - Retryable                    may go away by itself; never counts against a document
    - VersionConflict            another writer published first
    - SpaceChanged               what was encoded is for a space that is no longer the live one
    - Busy                       another process does this kind of upkeep here just now
    - CatalogUnavailable
    - CommitUnknown              the database went away during COMMIT
    - BrokerUnavailable
    - TooManyStreams             of events, from one web process
    - IndexUnavailable           the index files cannot be read or written just now
"""

from collections.abc import Sequence
from dataclasses import dataclass


class LaminaError(Exception):
    """Something Lamina refuses or cannot do."""

    title = "Lamina error"

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (self.__doc__ or "").strip().splitlines()[0]
        super().__init__(self.detail)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a request: where (a JSON pointer) and what."""

    pointer: str
    detail: str


class InvalidRequest(LaminaError):
    """The request is not valid."""

    title = "Invalid request"

    def __init__(self, detail: str | None = None, faults: Sequence[Fault] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__(detail)


class InvalidDocument(InvalidRequest):
    """A document is not valid."""

    title = "Invalid document"


class KeyReused(InvalidRequest):
    """The idempotency key was used before with other content."""

    title = "Idempotency key reused"


class TooLarge(InvalidRequest):
    """The request is larger than this installation accepts."""

    title = "Too large"


class FileRefused(InvalidRequest):
    """A file cannot be taken, or nothing can be read out of it."""

    title = "File refused"

    def __init__(self, detail: str | None = None, *, fault: str = "unsupported") -> None:
        self.fault = fault
        """Why, for programs: a value of `FileFault`."""
        super().__init__(detail)


class NotFound(LaminaError):
    """There is nothing by this name."""

    title = "Not found"


class CollectionNotFound(NotFound):
    """No collection has this name."""

    title = "No such collection"


class DocumentNotFound(NotFound):
    """No document has this id."""

    title = "No such document"


class JobNotFound(NotFound):
    """No job has this id."""

    title = "No such job"


class ReceiptNotFound(NotFound):
    """No submission with this key has arrived."""

    title = "No such receipt"


class VersionNotFound(NotFound):
    """The collection has no such version."""

    title = "No such version"


class RebuildNotFound(NotFound):
    """No rebuild of the collection is under way."""

    title = "No such rebuild"


class TagNotFound(NotFound):
    """The collection has no such tag."""

    title = "No such tag"


class DeadLetterNotFound(NotFound):
    """No document that failed and no message that was refused has this id."""

    title = "No such dead letter"


class EncoderNotInstalled(NotFound):
    """No encoder of this name is installed; `lamina models pull NAME` installs one."""

    title = "Encoder not installed"


class KeyNotFound(NotFound):
    """No API key has this id."""

    title = "No such key"


class WebhookNotFound(NotFound):
    """The collection has no webhook of this id."""

    title = "No such webhook"


class DeliveryNotFound(NotFound):
    """The webhook has no delivery of this id."""

    title = "No such delivery"


class MapNotFound(NotFound):
    """The version has no map; ask for one."""

    title = "No such map"


class CollectionExists(LaminaError):
    """A collection of this name exists."""

    title = "Collection exists"


class RebuildUnderWay(LaminaError):
    """The collection is being rebuilt as something else."""

    title = "Rebuild under way"


class CollectionInUse(LaminaError):
    """An alias leads to the collection."""

    title = "Collection in use"


class VersionExpired(LaminaError):
    """The version existed, but the retention rule has let it go."""

    title = "Version expired"


class OutOfSpace(LaminaError):
    """Too little disk space is left, so nothing new is taken until there is more."""

    title = "Out of space"


class ArchiveRefused(LaminaError):
    """The archive is damaged, or was not written by Lamina."""

    title = "Archive refused"


class Overloaded(LaminaError):
    """Too much is waiting; try again later."""

    title = "Overloaded"

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 1) -> None:
        self.retry_after_seconds = retry_after_seconds
        """When it is worth trying again, as far as can be told."""
        super().__init__(detail)


class RateLimited(Overloaded):
    """Too many requests came with this key, or from this address."""

    title = "Too many requests"


class ModelRefused(LaminaError):
    """The model asks for something that Lamina cannot honour."""

    title = "Model refused"


class ModelUnavailable(LaminaError):
    """The model could not be fetched and verified."""

    title = "Model unavailable"


class UnencodableDocument(LaminaError):
    """The document cannot be encoded."""

    title = "Document cannot be encoded"


class CorruptFile(LaminaError):
    """A file of the index is damaged."""

    title = "Damaged index file"


class Fenced(LaminaError):
    """The claim or attempt was taken away while the work was under way."""

    title = "Fenced"


class ConfigurationError(LaminaError):
    """The configuration is wrong."""

    title = "Configuration error"


class Retryable(LaminaError):
    """A fault that may go away by itself."""

    title = "Temporarily unavailable"


class SpaceChanged(Retryable):
    """The collection's live space was changed meanwhile."""

    title = "Space changed"


class VersionConflict(Retryable):
    """Another writer published a version first."""

    title = "Version conflict"


class Busy(Retryable):
    """Another process does this kind of upkeep in the collection just now."""

    title = "Busy"


class CatalogUnavailable(Retryable):
    """The catalog database cannot be reached."""

    title = "Catalog unavailable"


class CommitUnknown(Retryable):
    """The connection was lost during COMMIT: it may or may not have happened."""

    title = "Commit outcome unknown"


class BrokerUnavailable(Retryable):
    """The message broker cannot be reached."""

    title = "Broker unavailable"


class EncoderNotReady(Retryable):
    """The model that encodes queries is being loaded, or is busy with other queries."""

    title = "Encoder not ready"


class TooManyStreams(Retryable):
    """As many streams are served as may be; ask with `stream=false` every few seconds instead."""

    title = "Too many streams"


class IndexUnavailable(Retryable):
    """The index files cannot be read or written."""

    title = "Index unavailable"
