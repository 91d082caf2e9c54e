"""Every setting, with its unit and default. The only reader of the environment.

`LAMINA_PORT=9000` sets `port`; `LAMINA_LIMITS_QUERY_CHARACTERS=500` sets
`limits.query_characters`. A `.env` file is read too: the one in Lamina's own folder, and over it
one in the working folder.
"""

import os
from pathlib import Path
from typing import Annotated, Self

from dotenv import dotenv_values
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared import failpoints
from shared.errors import ConfigurationError

DEFAULT_ENCODER = "sentence-transformers/all-MiniLM-L6-v2"
ROOT = Path(__file__).resolve().parents[1]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BrokerSettings(_Group):
    """The message broker: bells, and the queue that other apps push to."""

    url: SecretStr | None = None
    """Address of your own Redis (`redis://…`) or RabbitMQ (`amqp://…`); empty starts a private
    server (embedded mode)."""

    port: Annotated[int, Field(ge=1, le=65535)] = 6390
    """Port of the embedded broker on loopback; stable, because other apps write it down."""

    queue: str = "lamina.submit"
    """Queue that other apps push documents to."""

    prefetch: PositiveInt = 200
    """Messages that an intake takes from RabbitMQ ahead of storing them."""

    deliveries: PositiveInt = 100
    """Deliveries after which RabbitMQ gives up a message that is never stored; it is kept as
    rejected. Fixed when the queue is made."""

    replies: PositiveInt = 1000
    """Replies kept for a producer that does not fetch them, in Redis; older ones are dropped."""

    reply_seconds: PositiveInt = 3600
    """How long a reply waits for its producer, seconds."""


class WebSettings(_Group):
    """The web process."""

    threads: PositiveInt = 32
    """Requests served at once by a web process."""

    processes: PositiveInt = 1
    """Web processes; each holds its own query encoder (about 400 MB)."""

    allowed_hosts: tuple[str, ...] = ()
    """Host names, as a JSON list, that requests may name besides loopback and `host`."""

    secure_cookies: bool = False
    """Send session cookies over HTTPS only; set it behind a TLS proxy."""

    proxies: Annotated[int, Field(ge=0)] = 0
    """Proxies in front, each of which adds to `X-Forwarded-For`, `-Proto` and `-Host`; as many of
    the last values there are believed."""

    arrival_seconds: PositiveFloat = 20.0
    """How long a request is waited for, seconds; each 10 kB that came of it adds one, up to it."""


class AccessSettings(_Group):
    """Keys, sessions, rates, and the record of administrative acts."""

    session_hours: PositiveFloat = 168.0
    """How long a sign-in to the pages lasts, hours; it ends earlier with its key."""

    requests_per_second: Annotated[float, Field(ge=0)] = 0.0
    """Requests that one key may make a second, on average; 0 for no limit."""

    burst_seconds: PositiveInt = 10
    """Over how long that average is taken, seconds: as much may come at once."""

    failed_sign_ins: Annotated[int, Field(ge=0)] = 10
    """Wrong keys that one address may try a minute; 0 for no limit."""

    audit_days: PositiveFloat = 365.0
    """How long administrative acts are remembered, days."""


class LimitSettings(_Group):
    """What one request, document or message may hold. More is refused, never cut silently."""

    request_bytes: PositiveInt = 32 * 1024 * 1024
    """Body of an HTTP request, bytes."""

    bulk_bytes: PositiveInt = 16 * 1024**3
    """Body of a bulk request, bytes, unpacked if it comes as gzip; it is read as a stream."""

    bulk_ratio: PositiveInt = 200
    """How many times larger than it came a gzip body may become, once that is more than 8 MiB."""

    message_bytes: PositiveInt = 16 * 1024 * 1024
    """A message from the queue, or a line of a bulk request, bytes."""

    message_values: PositiveInt = 1_000_000
    """Values (texts, numbers, objects, lists) in a message or line; they bound the memory that
    reading it takes."""

    documents: PositiveInt = 1000
    """Documents in one request or message; a bulk request stores as many lines at a time."""

    id_characters: PositiveInt = 512
    """Length of a document id."""

    title_characters: PositiveInt = 2000
    """Length of a title."""

    text_characters: PositiveInt = 5_000_000
    """Length of a text."""

    metadata_bytes: PositiveInt = 32 * 1024
    """Metadata of a document as JSON, bytes."""

    metadata_depth: PositiveInt = 8
    """Nesting of metadata."""

    key_characters: PositiveInt = 255
    """Length of an idempotency key."""

    query_characters: PositiveInt = 8000
    """Length of a search query."""

    k: PositiveInt = 1000
    """Most hits of one search."""

    queries: PositiveInt = 32
    """Queries in one search request."""

    passages: PositiveInt = 10_000
    """Passages that one search request may ask for: of every query, `k` times `passages`."""

    depth: PositiveInt = 10_000
    """Documents of one answer that can be paged through."""

    filter_characters: PositiveInt = 4000
    """Length of a filter."""

    filter_conditions: PositiveInt = 100
    """Conditions in one filter, each `and`, `or` and `not` counted too."""

    filter_values: PositiveInt = 1000
    """Values in all `in` lists of one filter together."""

    after_seconds: PositiveFloat = 10.0
    """Longest a search waits for the job named by `after`, seconds."""

    waiters: PositiveInt = 16
    """Searches of one web process that may wait for a job at the same time."""

    backlog: PositiveInt = 1_000_000
    """Documents that may wait, accepted and not settled yet; past it nothing more is taken. The
    last tenth is kept for the interactive lane. A million small ones take about 1 GB of catalog."""

    map_points: PositiveInt = 5000
    """Passages on the map of a collection; of more a sample is drawn. The work grows as the square:
    5,000 take about 40 seconds of one core."""

    rejected_bytes: PositiveInt = 1024 * 1024
    """How much of a rejected message is kept, bytes."""


class EncodingSettings(_Group):
    """How workers encode."""

    workers: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1)
    """Index worker processes that the supervisor starts; by default one a core."""

    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    """Where index workers run the model: `cpu`, or `cuda` (`cuda:1`, …) where torch was installed
    for it. Searches encode their few words on the CPU."""

    pass_tokens: PositiveInt = 2000
    """Tokens of one forward pass, padding included; small beats large on a CPU."""

    claim_seconds: PositiveFloat = 2.0
    """How much work one claim takes, in seconds of encoding as measured so far; twice as much
    while more waits than that."""

    claim_documents: PositiveInt = 512
    """Most documents in one claim."""

    lease_seconds: PositiveFloat = 30.0
    """How long a claim lives without a heartbeat (one every third of this)."""

    poll_seconds: PositiveFloat = 1.0
    """How often a worker looks for work when no bell rings."""

    max_crashes: PositiveInt = 3
    """A document that ends its worker this often while alone in its claim is given up."""

    hang_seconds: PositiveFloat = 300.0
    """A worker whose encoder takes longer than this for one pass, or for cutting one document,
    ends itself, as if the document had killed it. On a slow core that it shares, a pass of 2,000
    tokens takes a large model (335 million parameters) about two minutes; raise this for larger
    ones. Cutting a text of 5,000,000 characters took 17 seconds of a core."""

    retry_seconds: PositiveFloat = 2.0
    """How long a claim waits at first that failed by no document's fault (a model is damaged, the
    disk is full); twice as long each time in a row."""

    longest_retry_seconds: PositiveFloat = 60.0
    """The longest that such a claim waits, seconds."""

    hold_seconds: PositiveFloat = 30.0
    """How long other documents of a collection wait at most at the end of its rebuild, when they
    come faster than it can catch up; then they go on for as long before it tries again."""

    memory_bytes: Annotated[int, Field(ge=0)] = 4 * 1024**3
    """Resident memory from where an index worker ends itself between two claims, bytes, so that a
    fresh one takes its place; 0 for never. A worker with one base model needs about 0.5 GB."""

    recycle_seconds: PositiveFloat = 60.0
    """How long a worker works at least before its memory ends it: were `memory_bytes` less than
    a fresh one needs, it would do nothing but start."""

    nice: Annotated[int, Field(ge=0, le=19)] = 19
    """Priority of index workers, so that searches stay fast (19 is the lowest)."""

    loaded: PositiveInt = 2
    """Encoders that one process keeps in memory."""


class ReaderSettings(_Group):
    """How web processes follow the index."""

    poll_seconds: PositiveFloat = 0.05
    """How often a web process asks whether there is a newer version."""

    collections: PositiveInt = 64
    """Collections whose newest snapshot a web process keeps open."""

    old_versions: PositiveInt = 8
    """Older versions that a web process keeps open."""

    lease_seconds: PositiveFloat = 60.0
    """How long an older version that is open is held back from expiry without a heartbeat."""

    query_seconds: PositiveFloat = 30.0
    """How long a search waits for the model that encodes its query, which a web process may have
    to load first; then it is answered 503."""

    filter_bytes: PositiveInt = 128 * 1024**2
    """Memory of a web process for the vectors that recent filters let through, bytes."""

    recall_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of live queries that are compared with the exact answer, when the web process has
    nothing else to search."""


class MergeSettings(_Group):
    """When small segments become one (see `shared/index/policy.py`)."""

    fan_in: Annotated[int, Field(ge=2)] = 8
    """Segments of about one size that are merged together."""

    floor: PositiveInt = 1000
    """Segments with fewer live vectors than this count as one size."""

    max_vectors: PositiveInt = 1_000_000
    """Largest segment that a merge makes, in vectors."""

    max_bytes: PositiveInt = 4 * 1024**3
    """Largest segment that a merge makes, in bytes of its inputs."""

    max_segments: Annotated[int, Field(ge=2)] = 64
    """Segments of one collection from where the smallest are merged whatever their sizes."""

    flat_budget: PositiveInt = 100_000
    """Vectors in flat segments together from where they are merged early; a scan of as many
    takes about 6 ms."""

    deleted_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of deleted vectors at which a segment is rewritten."""

    deleted_days: PositiveFloat = 30.0
    """Days after which a deleted vector is gone from the newest version's files."""

    ann_from: PositiveInt = 20_000
    """Live vectors from where `auto` lays a segment out for approximate search."""

    threads: PositiveInt = Field(default_factory=lambda: max(1, (os.cpu_count() or 1) // 2))
    """Threads that lay out a large segment; by default half the cores."""

    lease_seconds: PositiveFloat = 60.0
    """How long a merge or other chore lives without a heartbeat (one every third of this)."""

    every_seconds: PositiveFloat = 2.0
    """How often the upkeep process looks."""


class RetentionSettings(_Group):
    """When old versions and files go (a collection's own rule says which)."""

    every_seconds: PositiveFloat = 60.0
    """How often old versions and files are looked for."""

    grace_seconds: PositiveFloat = 600.0
    """How long the files of an expired version stay for readers that have just opened it."""

    orphan_days: PositiveFloat = 7.0
    """Days after which a file that the catalog knows nothing of is removed."""

    key_days: PositiveFloat = 30.0
    """How long idempotency keys are remembered, days: a key sent again later is a new one."""

    job_days: PositiveFloat = 30.0
    """How long finished jobs can be looked up, days; those with a failed document that nobody
    dismissed or replayed, or with a key that is still remembered, longer."""

    rejection_days: PositiveFloat = 90.0
    """How long refused messages are kept, replayed ones too, days."""

    deleted_days: Annotated[float, Field(ge=0)] = 7.0
    """How long a deleted collection can be recovered, days; then it is removed for good."""

    scrub_days: PositiveFloat = 7.0
    """How often every file is read again and compared with its checksum, days."""


class EventSettings(_Group):
    """What happened: for webhooks and streams."""

    days: PositiveFloat = 3.0
    """How long events are kept, days: a stream can be taken up again where it ended so late."""

    streams: PositiveInt = 8
    """Streams of events that one web process serves at once, to pages and programs together, each
    in a thread of its own; more are answered 503, and pages ask every so often instead."""

    stream_seconds: PositiveFloat = 30.0
    """How long one stream lasts, seconds; clients then take it up again by themselves."""

    poll_seconds: PositiveFloat = 0.25
    """How often a stream looks for new events, seconds."""


class WebhookSettings(_Group):
    """How webhooks are told."""

    per_collection: PositiveInt = 20
    """Webhooks of one collection."""

    private: bool = False
    """Whether addresses inside private networks may be called, this machine's own included."""

    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0
    """How long one call may take from its first byte to its last, seconds."""

    give_up_hours: PositiveFloat = 24.0
    """How long a delivery is tried again, hours. A webhook that took nothing for so long is
    disabled."""

    kept_days: PositiveFloat = 7.0
    """How long the log of deliveries is kept, days; until then they can be replayed."""


class MetricsSettings(_Group):
    """What `/metrics` tells."""

    collections: Annotated[int, Field(ge=0)] = 100
    """Collections that `/metrics` tells of one by one: those with the most documents."""

    reading_seconds: PositiveFloat = 10.0
    """How often a reading is kept for the plots of the page *Operation*, seconds."""

    history_seconds: PositiveFloat = 3600.0
    """How far back these plots reach, seconds."""


class FileSettings(_Group):
    """Files to be parsed (PDF, Word, tables, ...)."""

    bytes: PositiveInt = 100 * 1024**2
    """Size of one file, bytes."""

    request_bytes: PositiveInt = 1024**3
    """All files of one request, bytes."""

    count: PositiveInt = 1000
    """Files of one request."""

    members: PositiveInt = 2000
    """Files in one ZIP archive."""

    unpacked_bytes: PositiveInt = 500 * 1024**2
    """What a ZIP archive or Word document may unpack to, bytes."""

    ratio: PositiveInt = 200
    """How many times larger than packed that may be, once it is more than 8 MiB."""

    pages: PositiveInt = 10_000
    """Pages of a PDF."""

    rows: PositiveInt = 1_000_000
    """Rows of a table or lines of JSON Lines; each becomes a document."""

    memory_bytes: Annotated[int, Field(ge=256 * 1024**2)] = 1024**3
    """Memory (address space) of the process that reads files, bytes."""

    cpu_seconds: PositiveInt = 120
    """Time of a processor that reading one file may take, seconds."""

    seconds: PositiveFloat = 300.0
    """How long reading one file may take by the clock, seconds."""

    attempts: PositiveInt = 3
    """A file that this many parsers held when they died is given up."""

    lease_seconds: PositiveFloat = 30.0
    """How long a parser holds a file without a heartbeat (one every third of this)."""

    poll_seconds: PositiveFloat = 0.5
    """How often a parser looks for files."""

    retry_seconds: PositiveFloat = 5.0
    """How long a file waits that could not be parsed just now, by no fault of its own."""

    failed_days: Annotated[float, Field(ge=0)] = 3.0
    """How long the bytes of a file that could not be read are kept, days: until then it can be
    retried."""

    draft_hours: PositiveFloat = 2.0
    """How long files are kept on the page *Add* that were looked at and not added, hours."""

    preview_bytes: PositiveInt = 4 * 1024**2
    """Largest file that is read for a preview, bytes."""

    preview_characters: PositiveInt = 200_000
    """Longest text that is cut for a preview, characters."""

    preview_seconds: PositiveFloat = 20.0
    """How long reading a file for a preview may take, seconds."""


class StorageSettings(_Group):
    """Where segments lie."""

    url: str | None = None
    """Object storage, `s3://bucket/prefix`; empty for the folder `index` in `data_dir`.
    Credentials come from the usual variables (`AWS_ACCESS_KEY_ID` and so on)."""

    endpoint: str | None = None
    """Address of an S3-compatible server other than Amazon's; `http://` only for tests."""

    cache_bytes: PositiveInt = 20 * 1024**3
    """Most that a host keeps of object storage in `data_dir/cache`, bytes."""

    min_free_bytes: PositiveInt = 1024**3
    """Free disk space below which nothing new is taken, bytes; searches go on."""

    missing_seconds: PositiveFloat = 5.0
    """How long a file is waited for that a version names but a shared volume does not show yet."""


class Settings(BaseSettings):
    """Read once by each entry point and passed down; nothing else reads the environment."""

    model_config = SettingsConfigDict(
        env_prefix="LAMINA_",
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_file=(ROOT / ".env", ".env"),
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        use_attribute_docstrings=True,
    )

    data_dir: Path = Path("var")
    """Folder of the catalog, the index, the models and the embedded broker; a relative one is
    inside Lamina's own folder, wherever a command is called from."""

    host: str = "127.0.0.1"
    """Address to listen on; anything but loopback needs an admin key."""

    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Port of the web pages and the API."""

    url: str | None = None
    """Where the CLI finds Lamina; by default `http://host:port`."""

    key: SecretStr | None = None
    """Key that commands bring; the admin key if empty."""

    database_url: SecretStr | None = None
    """Catalog database, `postgresql+psycopg://…`; by default SQLite in `data_dir`."""

    admin_key: SecretStr | None = None
    """A key for everything (`Authorization: Bearer …`), beside those of `lamina keys create`; 20
    characters or more."""

    admin_key_file: Path | None = None
    """File that holds the admin key, instead of `admin_key`."""

    encoder: str = DEFAULT_ENCODER
    """Encoder of collections that name none."""

    log_level: str = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""

    tracing: bool = False
    """Whether to trace requests and documents with OpenTelemetry (the extra `otel`). Where traces
    are sent to, and which, its own variables say: `OTEL_EXPORTER_OTLP_ENDPOINT` and others."""

    stop_seconds: Annotated[float, Field(ge=3)] = 15.0
    """How long a worker, intake or upkeep process may take to end after it was told to; then it
    gives back what it holds and is gone. A container's grace period must be longer."""

    start_seconds: PositiveFloat = 120.0
    """How long a start may take before `./run` says what it waits for, and gives up."""

    fail_at: str = ""
    """For tests: the failure point where the process dies (`shared/failpoints.py`)."""

    clock_skewed: bool = False
    """For tests: whether the catalog's clock can be put forward and back."""

    broker: BrokerSettings = BrokerSettings()
    web: WebSettings = WebSettings()
    access: AccessSettings = AccessSettings()
    limits: LimitSettings = LimitSettings()
    encoding: EncodingSettings = EncodingSettings()
    reader: ReaderSettings = ReaderSettings()
    merge: MergeSettings = MergeSettings()
    retention: RetentionSettings = RetentionSettings()
    files: FileSettings = FileSettings()
    storage: StorageSettings = StorageSettings()
    metrics: MetricsSettings = MetricsSettings()
    events: EventSettings = EventSettings()
    webhooks: WebhookSettings = WebhookSettings()

    @field_validator("data_dir")
    @classmethod
    def _anchor(cls, folder: Path) -> Path:
        return ROOT / folder

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.fail_at:
            failpoints.arm(self.fail_at)
        return self

    @property
    def catalog_url(self) -> str:
        """SQLAlchemy address of the catalog."""
        if self.database_url:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'catalog.db'}"

    @property
    def broker_url(self) -> str:
        """Address of the broker; empty where the supervisor has not named it yet."""
        return self.broker.url.get_secret_value() if self.broker.url else ""

    @property
    def embedded_broker(self) -> bool:
        """Whether Lamina runs its own broker."""
        return self.broker.url is None

    @property
    def web_url(self) -> str:
        """Where the web process answers."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.url or f"http://{host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach the web process."""
        return self.host in LOOPBACK

    def read_admin_key(self) -> str | None:
        """Return the admin key, from the environment or its file; None if none is set.

        Raises:
            ConfigurationError: the file cannot be read, or the key is shorter than 20.
        """
        key = self.admin_key.get_secret_value() if self.admin_key else None
        if self.admin_key_file:
            try:
                key = self.admin_key_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigurationError(f"LAMINA_ADMIN_KEY_FILE: {error}") from error
        if key is not None and len(key) < 20:  # noqa: PLR2004 - documented above
            raise ConfigurationError("The admin key must have at least 20 characters.")
        return key

    def check_exposure(self) -> None:
        """Refuse to be reachable from other machines without a key.

        Raises:
            ConfigurationError: `host` is not loopback and no admin key is set.
        """
        if not self.on_loopback and self.read_admin_key() is None:
            raise ConfigurationError(
                f"LAMINA_HOST={self.host} is reachable from other machines, so an admin key is "
                "needed: set LAMINA_ADMIN_KEY or LAMINA_ADMIN_KEY_FILE."
            )


def origins() -> dict[str, str]:
    """Return where each `LAMINA_` variable that is set comes from, misspelt ones too."""
    files = [file for file in (ROOT / ".env", Path(".env").resolve()) if file.is_file()]
    places = [(str(file), dotenv_values(file)) for file in files]
    places.append(("the environment", dict(os.environ)))
    return {
        name.upper(): place
        for place, values in places
        for name, value in values.items()
        if value and name.upper().startswith("LAMINA_")
    }


def child_environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with *changes*, for a process that it starts."""
    return os.environ | changes


def limit_threads() -> None:
    """Keep numeric libraries loaded from now on to one thread each.

    For processes that run one a core. Call it before numpy, torch or faiss is imported; a
    value that the environment sets already stays.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
