"""The words of Lamina as frozen values. They know nothing of databases, files or HTTP.

Times are seconds since 1970 (UTC), read from the catalog's clock. Vector ids, revision ids
and versions only grow and are never reused.
"""

from shared.domain.answers import AfterJob, Hit, PassageRecord, SearchResult
from shared.domain.reports import DocumentReport, JobIssue, JobReport, VersionReport
from shared.domain.spaces import (
    Chunking,
    ChunkingMode,
    Collection,
    CollectionStats,
    EncoderCard,
    Space,
    SpaceDraft,
)
from shared.domain.submissions import (
    DocumentLimits,
    NewDocument,
    Receipt,
    ReceiptEntry,
    Rejection,
    Submission,
)
from shared.domain.values import (
    Ids,
    Json,
    Lane,
    Metadata,
    Metric,
    Positions,
    RevisionKind,
    State,
    Vectors,
    VersionKind,
    sha256_of,
)
from shared.domain.versions import Commit, Deletes, Head, Manifest, Segment
from shared.domain.work import (
    Attempt,
    Chunked,
    ChunkSpan,
    Claim,
    ClaimRecord,
    LiveRevision,
    Outcome,
    Passage,
    PassRecord,
    Revision,
)

__all__ = [
    "AfterJob",
    "Attempt",
    "ChunkSpan",
    "Chunked",
    "Chunking",
    "ChunkingMode",
    "Claim",
    "ClaimRecord",
    "Collection",
    "CollectionStats",
    "Commit",
    "Deletes",
    "DocumentLimits",
    "DocumentReport",
    "EncoderCard",
    "Head",
    "Hit",
    "Ids",
    "JobIssue",
    "JobReport",
    "Json",
    "Lane",
    "LiveRevision",
    "Manifest",
    "Metadata",
    "Metric",
    "NewDocument",
    "Outcome",
    "PassRecord",
    "Passage",
    "PassageRecord",
    "Positions",
    "Receipt",
    "ReceiptEntry",
    "Rejection",
    "Revision",
    "RevisionKind",
    "SearchResult",
    "Segment",
    "Space",
    "SpaceDraft",
    "State",
    "Submission",
    "Vectors",
    "VersionKind",
    "VersionReport",
    "sha256_of",
]
