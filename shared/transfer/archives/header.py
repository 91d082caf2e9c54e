"""What `lamina.json` of an archive says: where it comes from and what must be in it."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.domain import (
    Chunking,
    ChunkingMode,
    Collection,
    Head,
    IndexRule,
    Metric,
    Policy,
    RetentionRule,
)
from shared.errors import ArchiveRefused

FORMAT = 2
"""Number of the newest archive format; a reader refuses what is newer.

2 adds `file` to documents that were read from one; an archive without any is of format 1."""

Text = Annotated[str, Field(min_length=1, max_length=1000)]
Count = Annotated[int, Field(ge=0, lt=2**48)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(BaseModel):
    """Base of what is read from JSON: nothing unknown, nothing converted."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def parse(cls, content: bytes, where: str) -> Self:
        """Read one JSON object.

        Raises:
            ArchiveRefused: not JSON, or a value that cannot be; names the first.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"]))
            raise ArchiveRefused(
                f"{where}: {place + ': ' if place else ''}{first['msg']}."
            ) from error


class _Chunking(Record):
    mode: ChunkingMode
    max_tokens: Annotated[int, Field(ge=1, lt=2**31)] | None
    overlap_tokens: Annotated[int, Field(ge=0, lt=2**31)]


class _Space(Record):
    encoder: Text
    fingerprint: Text
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    metric: Metric
    chunking: _Chunking


class _IndexRule(Record):
    policy: Policy
    recall_target: Annotated[float, Field(ge=0.5, le=0.999)]
    memory_limit_bytes: Annotated[int, Field(ge=1)] | None


class _RetentionRule(Record):
    versions: Annotated[int, Field(ge=1, lt=2**31)]
    days: Annotated[float, Field(ge=0)]
    thinned: bool


class Header(Record):
    """`lamina.json`."""

    format: Annotated[int, Field(ge=1)]
    lamina: Text
    """The version of Lamina that wrote it."""
    collection: Text
    version: Count
    published_at: float
    documents: Count
    vectors: Count
    space: _Space
    index: _IndexRule
    retention: _RetentionRule

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.format > FORMAT:
            raise ValueError(f"its format {self.format} is newer than this Lamina reads ({FORMAT})")
        return self

    @classmethod
    def of(
        cls,
        collection: Collection,
        head: Head,
        *,
        documents: int,
        vectors: int,
        lamina: str,
        files: bool = False,
    ) -> Self:
        """Describe *collection* at the version of *head*; *files*: some are read from files."""
        space = collection.space
        return cls(
            format=FORMAT if files else 1,
            lamina=lamina,
            collection=collection.name,
            version=head.version,
            published_at=head.published_at,
            documents=documents,
            vectors=vectors,
            space=_Space(
                encoder=space.encoder,
                fingerprint=space.fingerprint,
                dimension=space.dimension,
                metric=space.metric,
                chunking=_Chunking(
                    mode=space.chunking.mode,
                    max_tokens=space.chunking.max_tokens,
                    overlap_tokens=space.chunking.overlap_tokens,
                ),
            ),
            index=_IndexRule(
                policy=collection.index.policy,
                recall_target=collection.index.recall_target,
                memory_limit_bytes=collection.index.memory_limit_bytes,
            ),
            retention=_RetentionRule(
                versions=collection.retention.versions,
                days=collection.retention.days,
                thinned=collection.retention.thinned,
            ),
        )

    @property
    def chunking(self) -> Chunking:
        """How its documents were cut."""
        rule = self.space.chunking
        return Chunking(
            mode=rule.mode, max_tokens=rule.max_tokens, overlap_tokens=rule.overlap_tokens
        )

    @property
    def index_rule(self) -> IndexRule:
        """What the collection wanted of its index."""
        return IndexRule(**self.index.model_dump())

    @property
    def retention_rule(self) -> RetentionRule:
        """Which versions the collection kept."""
        return RetentionRule(**self.retention.model_dump())
