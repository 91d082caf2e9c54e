"""Faults 18 to 20: documents that harm their worker, and workers harmed by anything else.

Only the guilty document fails, whatever it does to the process that encodes it; and no document
fails of what is not its fault.
"""

import errno
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, log2
from pathlib import Path

import pytest

from shared import exits
from shared.collecting import create_collection
from shared.domain import Head, Lane, Passage, PassRecord, Segment, State, Vectors
from shared.errors import (
    CatalogUnavailable,
    CorruptFile,
    EncoderNotInstalled,
    IndexUnavailable,
    LaminaError,
    ModelUnavailable,
    OutOfSpace,
    Retryable,
)
from shared.index import FolderIndexStore
from shared.indexing.pace import Backoff
from shared.indexing.turns import index_next
from shared.ingest import parse_submission
from shared.services import Services, open_services
from shared.settings import Settings
from tests.fakes.deadly import DeadlyEncoder
from tests.fakes.encoder import FakeEncoders, HashEncoder
from tests.worker_process import WorkerProcess
from tests.worlds import World

MAX_CRASHES = 2


# --- 19: by crash, hang and hunger, in a real process --------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Services]:
    settings = Settings(_env_file=None, data_dir=tmp_path, encoder=DeadlyEncoder().card.name)
    services = open_services(settings, encoders=FakeEncoders(DeadlyEncoder()))
    services.database.migrate()
    create_collection(services.collections, services.encoders, "c", encoder=settings.encoder)
    yield services
    services.close()


class DeadlyProcess(WorkerProcess):
    """An index worker that obeys its documents."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        own = {"LAMINA_ENCODING_NICE": "0", "LAMINA_ENCODER": DeadlyEncoder().card.name}
        super().__init__("index", data_dir, **own, **environment)
        self._arguments = ["tests.faults.worker_child"]


@dataclass(slots=True)
class Supervisor:
    """Starts a worker again and gives back what a dead one held, as `lamina up` does."""

    home: Services
    hang_seconds: float = 60.0
    deaths: int = 0
    codes: frozenset[int] = frozenset()

    def run_until(self, done: Callable[[], bool]) -> None:
        while not done():
            worker = DeadlyProcess(
                self.home.settings.data_dir,
                LAMINA_ENCODING_HANG_SECONDS=str(self.hang_seconds),
                LAMINA_ENCODING_MAX_CRASHES=str(MAX_CRASHES),
                LAMINA_ENCODING_POLL_SECONDS="0.05",
                LAMINA_ENCODING_RETRY_SECONDS="0.05",
            )
            with worker:
                assert self._outlived(worker, done) or worker.wait(5) == 0, worker.said

    def _outlived(self, worker: WorkerProcess, done: Callable[[], bool]) -> bool:
        """Wait for the end of the worker or of all work; whether the worker died first."""
        pid = worker.pid
        while not worker.ended:
            if done():
                worker.send(signal.SIGTERM)
                return False
            worker.rest()
        self.deaths += 1
        self.codes |= {worker.wait()}
        name = f"{socket.gethostname()}:{pid}"
        self.home.claims.reap(worker=name, max_crashes=MAX_CRASHES)
        return True


def add(home: Services, deed: str, innocents: int) -> str:
    """Submit a guilty document among innocent ones; return the job."""
    documents = [{"id": f"d{n}", "text": f"innocent {n}"} for n in range(innocents)]
    documents.insert(innocents // 2, {"id": "guilty", "text": f"please {deed}"})
    submission = parse_submission(documents, home.limits, collection="c", source="api")
    return home.inbox.accept(submission).job_id


def only_the_guilty_failed(home: Services, job_id: str, innocents: int) -> str:
    """Check that; return the reason."""
    job = home.records.job(job_id)
    assert job.counts[State.INDEXED] == innocents, "[innocent] a document failed of another's fault"
    assert job.counts[State.FAILED] == 1
    assert [one.document for one in job.errors] == ["guilty"], "[guilty] another document failed"
    assert home.roster.backlog()["claimed"] == 0
    return job.errors[0].message


@pytest.mark.slow
@pytest.mark.parametrize(
    ("deed", "code", "innocents"),
    [
        ("do-die", -signal.SIGKILL, 3),
        pytest.param("do-hang", exits.HANGING, 1, marks=pytest.mark.slow),
        pytest.param("do-crash", -signal.SIGABRT, 3, marks=pytest.mark.slow),
        pytest.param("cut-hang", exits.HANGING, 3, marks=pytest.mark.slow),
    ],
)
def test_a_document_that_ends_its_worker_fails_alone(
    home: Services, deed: str, code: int, innocents: int
) -> None:
    job_id = add(home, deed, innocents)
    supervisor = Supervisor(home, hang_seconds=0.5)

    supervisor.run_until(lambda: home.records.job(job_id).finished)

    reason = only_the_guilty_failed(home, job_id, innocents)
    assert "died 2 times while it held this document alone" in reason
    assert supervisor.codes == {code}
    assert supervisor.deaths <= ceil(log2(innocents + 1)) + MAX_CRASHES, "[halves] too many deaths"


@pytest.mark.slow
def test_one_that_is_killed_for_a_document_among_fifty_innocents(home: Services) -> None:
    job_id = add(home, "do-die", 50)
    supervisor = Supervisor(home)

    supervisor.run_until(lambda: home.records.job(job_id).finished)

    only_the_guilty_failed(home, job_id, 50)
    assert supervisor.deaths <= ceil(log2(51)) + MAX_CRASHES, "[halves] too many deaths"


@pytest.mark.slow
def test_one_that_takes_all_memory_fails_alone_and_its_worker_lives(home: Services) -> None:
    job_id = add(home, "do-gorge", 2)
    supervisor = Supervisor(home)

    supervisor.run_until(lambda: home.records.job(job_id).finished)

    assert "Memory ran out" in only_the_guilty_failed(home, job_id, 2)
    assert supervisor.deaths == 0


@pytest.mark.slow
def test_a_worker_that_hangs_with_pythons_lock_in_hand_ends_as_well(home: Services) -> None:
    """No thread of it can run, so none can end it: a timer of the interpreter does."""
    add(home, "do-hog", 0)
    with DeadlyProcess(home.settings.data_dir, LAMINA_ENCODING_HANG_SECONDS="0.5") as worker:
        assert worker.wait(60) == 1
        assert "Timeout" in worker.said
        assert "deadly.py" in worker.said, "where it hung is written down"


# --- 18: by exception ----------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.open(tmp_path) as opened:
        yield opened


def deadly(world: World) -> World:
    """Return the world with an encoder that obeys."""
    return replace(world, bench=replace(world.bench, encoders=FakeEncoders(DeadlyEncoder())))


@pytest.mark.parametrize("deed", ["do-refuse", "cut-refuse"])
def test_documents_that_cannot_be_encoded_or_cut_fail_and_the_rest_is_indexed(
    world: World, deed: str
) -> None:
    bad = {3, 10, 17}
    documents = [{"id": f"d{n}", "text": deed if n in bad else f"fine {n}"} for n in range(21)]
    receipt = world.add(*documents)

    deadly(world).index_all()

    job = world.records.job(receipt.job_id)
    assert {one.document for one in job.errors} == {f"d{n}" for n in bad}
    assert job.counts[State.INDEXED] == 18
    assert world.head().version == 1, "in one version"


def test_where_memory_ran_out_once_nothing_fails(world: World) -> None:
    receipt = world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(4)))
    hungry = iter([True])

    class Hungry(HashEncoder):
        def encode(
            self, passages: Sequence[Passage], *, between: Callable[[], None] | None = None
        ) -> tuple[Vectors, Sequence[PassRecord]]:
            if next(hungry, False):
                raise MemoryError
            return super().encode(passages, between=between)

    bench = replace(world.bench, encoders=FakeEncoders(Hungry()))
    with pytest.raises(Retryable, match="Memory ran out"):
        index_next(bench)
    while index_next(bench):
        pass

    assert world.records.job(receipt.job_id).counts[State.INDEXED] == 4


def test_a_suspect_lets_nothing_pass_between_its_passes(world: World) -> None:
    world = deadly(world)
    world.add({"id": "a", "text": " ".join(f"w{n}" for n in range(200))}, lane=Lane.BULK)
    world.claim()
    world.claims.reap(worker=world.bench.worker, max_crashes=MAX_CRASHES)
    suspect = world.claim()
    assert suspect.closed_by == "suspect"
    world.add({"id": "urgent", "text": "now"})

    world.finish(suspect)

    assert world.reading.waiting(world.collection.id) == 1, "the urgent one waits for its end"


# --- 20: of no document's fault ------------------------------------------------------------------


class Broken(FolderIndexStore):
    """A store whose disk fails when segments are written."""

    def __init__(self, root: Path, error: Exception) -> None:
        super().__init__(root)
        self._error = error

    def write_segment(self, *_: object, **__: object) -> Segment:
        raise self._error


class Missing(FakeEncoders):
    """Encoders that are installed, and cannot be loaded."""

    def __init__(self, error: LaminaError) -> None:
        super().__init__()
        self._error = error

    def load(self, fingerprint: str) -> HashEncoder:
        raise self._error


class AwayPublications:
    """A catalog that went away before the commit."""

    def __init__(self, real: object) -> None:
        self._real = real

    def base(self, *arguments: object) -> object:
        return self._real.base(*arguments)  # type: ignore[attr-defined]  # the real one has it

    def register(self, *_: object, **__: object) -> Head:
        raise CatalogUnavailable("The database is away.")


def model(error: LaminaError) -> Callable[[World], World]:
    return lambda world: replace(world, bench=replace(world.bench, encoders=Missing(error)))


def disk(error: Exception) -> Callable[[World], World]:
    return lambda world: replace(
        world, bench=replace(world.bench, store=Broken(world.folder / "index", error))
    )


def database(world: World) -> World:
    away = AwayPublications(world.publications)
    return replace(world, bench=replace(world.bench, publications=away))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(model(EncoderNotInstalled()), id="model removed"),
        pytest.param(model(ModelUnavailable()), id="model not to be had"),
        pytest.param(model(CorruptFile("model.safetensors")), id="model damaged"),
        pytest.param(disk(OutOfSpace()), id="disk full"),
        pytest.param(disk(OSError(errno.EIO, "Input/output error")), id="disk broken"),
        pytest.param(disk(IndexUnavailable()), id="storage away"),
        pytest.param(database, id="database away"),
    ],
)
def test_what_is_no_documents_fault_is_tried_again_and_never_counted(
    world: World, harm: Callable[[World], World]
) -> None:
    receipt = world.add(*({"id": f"d{n}", "text": f"text {n}"} for n in range(5)))
    harmed = harm(world)

    for _ in range(2 * MAX_CRASHES):
        with pytest.raises(Retryable):
            index_next(harmed.bench)
        claim = world.claim()
        assert {one.crashes for one in claim.revisions} == {0}, "[fault] counted as a crash"
        assert claim.closed_by != "suspect"
        world.claims.release(claim.id, delay_seconds=0, reason="looked")
    world.index_all()

    counts = world.records.job(receipt.job_id).counts
    assert counts == {State.INDEXED: 5}, "[fault] a document failed of what is not its fault"


def test_each_failure_in_a_row_is_waited_for_longer_up_to_a_limit_and_success_ends_that() -> None:
    backoff = Backoff(2.0, 60.0)

    assert [backoff.fail("a") for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert backoff.fail("b") == 2, "another encoder has nothing to do with it"
    backoff.succeed("a")
    assert backoff.fail("a") == 2


def test_a_claim_that_failed_waits_before_it_is_tried_again(world: World) -> None:
    world.add({"id": "a", "text": "patience"})
    harmed = replace(model(ModelUnavailable())(world).bench, backoff=Backoff(30.0, 60.0))

    with pytest.raises(Retryable):
        index_next(harmed)

    assert index_next(harmed) is None, "it does not spin"


class Forgetful:
    """Claims of a catalog that is away at the moment when one is given back."""

    def __init__(self, real: object, away: Sequence[bool]) -> None:
        self._real = real
        self._away = iter(away)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def release(self, *arguments: object, **named: object) -> None:
        if next(self._away, False):
            raise CatalogUnavailable("The database is away.")
        self._real.release(*arguments, **named)  # type: ignore[attr-defined]  # the real one


def test_a_claim_that_could_not_be_given_back_is_given_back_later_and_not_suspected(
    world: World,
) -> None:
    world.add({"id": "a", "text": "patience"})
    away = Forgetful(world.claims, [True, True])
    harmed = model(ModelUnavailable())(world).bench
    harmed = replace(harmed, claims=away)  # type: ignore[arg-type]  # it has the same methods

    for _ in range(2):
        with pytest.raises(CatalogUnavailable):
            index_next(harmed)
        assert world.roster.backlog()["claimed"] == 1
    with pytest.raises(Retryable, match="given back"):
        index_next(harmed)

    assert world.roster.backlog()["claimed"] == 0
    assert world.claim().revisions[0].crashes == 0, "[fault] an outage counted as a crash"
