"""Two hosts that share a catalog and one place for segments, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.collecting import create_collection
from shared.domain import Json, SearchResult
from shared.indexing.turns import index_next
from shared.ingest import deletion, parse_submission, submit
from shared.searching.search import SearchRequest, search
from shared.services import (
    Services,
    open_bench,
    open_checker,
    open_keeper,
    open_purger,
    open_repairer,
    open_services,
    open_shelf,
    open_upkeep,
)
from shared.settings import Settings
from shared.trust.checking import check
from shared.trust.purging import purge
from shared.trust.repairing import repair
from shared.upkeep.garbage import collect
from shared.upkeep.merging import merge_next
from shared.versions.restoring import restore
from tests.fakes.encoder import FakeEncoders
from tests.object_storage import ObjectStorage
from tests.postgres import Postgres
from tests.worlds import CountingBell


class Host:
    """The parts of one machine, in a data folder of its own."""

    def __init__(self, services: Services) -> None:
        self.services = services

    def post(self, **texts: str) -> None:
        documents: list[Json] = [{"id": one, "text": text} for one, text in texts.items()]
        limits = self.services.limits
        submission = parse_submission(documents, limits, collection="c", source="api")
        submit(self.services.inbox, self.services.bell, submission)

    def delete(self, document: str) -> None:
        submit(
            self.services.inbox,
            self.services.bell,
            deletion(document, collection="c", source="api"),
        )

    def index(self) -> None:
        bench = open_bench(self.services)
        while index_next(bench):
            pass

    def search(self, query: str, *, version: int | None = None) -> SearchResult:
        head = self.head if version is None else None
        request = SearchRequest(
            collection="c", query=query, k=50, version=version, min_version=head
        )
        return search(self.services.searcher, request)

    def found(self, query: str, *, version: int | None = None) -> list[str]:
        return [hit.id for hit in self.search(query, version=version).hits]

    def findings(self) -> int:
        collection = self.services.collections.get("c")
        return len(check(open_checker(self.services), collection, sample=100).findings)

    def repair(self) -> None:
        collection = self.services.collections.get("c")
        report = check(open_checker(self.services), collection, sample=0)
        repair(open_repairer(self.services), collection, report.damages)

    @property
    def head(self) -> int:
        collection = self.services.collections.get("c")
        return self.services.reading.heads()[collection.id].version


@contextmanager
def opened(folder: Path, database_url: str, storage: ObjectStorage | None) -> Iterator[Host]:
    settings = Settings.model_validate(
        {
            "data_dir": folder,
            "database_url": database_url,
            "encoder": "lamina/hash",
            "storage": {"url": storage.url, "endpoint": storage.endpoint} if storage else {},
            "merge": {"fan_in": 3},
            "retention": {"grace_seconds": 1e-6},
            "reader": {"poll_seconds": 0.01},
        }
    )
    services = open_services(settings, encoders=FakeEncoders(), bell=CountingBell())
    try:
        yield Host(services)
    finally:
        services.close()


@pytest.fixture
def database_url(postgres: Postgres) -> str:
    """The only kind of catalog that several hosts can reach."""
    return postgres.clean_database()


@pytest.fixture
def indexer(tmp_path: Path, database_url: str, object_storage: ObjectStorage) -> Iterator[Host]:
    """The host whose processes write."""
    with opened(tmp_path / "a", database_url, object_storage) as host:
        parts = host.services
        create_collection(parts.collections, parts.encoders, "c", encoder="lamina/hash")
        yield host


@pytest.fixture
def reader(
    indexer: Host, tmp_path: Path, database_url: str, object_storage: ObjectStorage
) -> Iterator[Host]:
    """The host that takes documents and searches."""
    del indexer  # it made the collection
    with opened(tmp_path / "b", database_url, object_storage) as host:
        yield host


def test_what_one_host_does_the_other_sees(indexer: Host, reader: Host, tmp_path: Path) -> None:
    for number in range(4):
        reader.post(**{f"d{number}": f"text {number}", f"e{number}": f"other {number}"})
        indexer.index()
        assert reader.found(f"text {number}")[0] == f"d{number}"
    assert merge_next(open_upkeep(indexer.services))
    assert len(reader.found("text")) == 8
    whole = reader.head

    reader.post(d1="something new")
    reader.delete("d2")
    indexer.index()
    assert reader.found("something new")[0] == "d1"
    assert "d2" not in reader.found("text 2")
    assert "d2" in reader.found("text 2", version=whole)

    restore(open_shelf(reader.services), "c", str(whole))
    assert indexer.found("text 2")[0] == "d2"
    purge(open_purger(reader.services), "c", "d3")
    assert "d3" not in indexer.found("text 3")
    assert "d3" not in reader.found("text 3", version=whole)
    collection = indexer.services.collections.get("c")
    assert collect(open_keeper(indexer.services), collection, dry_run=False).removed == ()
    assert (indexer.findings(), reader.findings()) == (0, 0)
    assert not (tmp_path / "a" / "index").exists()
    assert not (tmp_path / "b" / "index").exists()


def test_a_damaged_object_harms_only_hosts_without_a_copy(
    indexer: Host,
    reader: Host,
    tmp_path: Path,
    database_url: str,
    object_storage: ObjectStorage,
) -> None:
    reader.post(d1="text one")
    indexer.index()
    assert reader.found("text") == ["d1"]
    good = reader.head
    reader.post(d2="text two")
    indexer.index()
    assert len(reader.found("text")) == 2
    newest = object_storage.stored()
    object_storage.flip(max(key for key in newest if key.endswith("/data.faiss")), 100)

    with opened(tmp_path / "c", database_url, object_storage) as newcomer:
        assert len(reader.found("text")) == 2, "it has a good copy"
        stale = newcomer.search("text")
        assert stale.version == good
        assert "damaged" in " ".join(stale.warnings)
        indexer.repair()
        assert indexer.findings() == 0
    with opened(tmp_path / "d", database_url, object_storage) as newcomer:
        assert len(newcomer.found("text")) == 2


def test_all_of_a_lost_bucket_is_made_anew_from_the_catalog(
    indexer: Host, reader: Host, object_storage: ObjectStorage
) -> None:
    for number in range(3):
        reader.post(**{f"d{number}": f"text {number}"})
        indexer.index()
    before = {version: reader.found("text", version=version) for version in (1, 2, 3)}
    object_storage.empty()

    assert reader.found("text 1")[0] == "d1", "searches go on with what the host has"
    indexer.repair()

    assert indexer.findings() == 0
    assert {version: sorted(indexer.found("text", version=version)) for version in (1, 2, 3)} == {
        version: sorted(found) for version, found in before.items()
    }


def test_the_index_of_two_data_folders_may_be_one_volume(tmp_path: Path, database_url: str) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index").symlink_to(volume)

    with (
        opened(tmp_path / "a", database_url, None) as indexer,
        opened(tmp_path / "b", database_url, None) as reader,
    ):
        parts = indexer.services
        create_collection(parts.collections, parts.encoders, "c", encoder="lamina/hash")
        for number in range(3):
            reader.post(**{f"d{number}": f"text {number}"})
            indexer.index()
            assert reader.found(f"text {number}")[0] == f"d{number}"
        assert merge_next(open_upkeep(indexer.services))
        purge(open_purger(reader.services), "c", "d1")

        assert sorted(indexer.found("text")) == ["d0", "d2"]
        assert (indexer.findings(), reader.findings()) == (0, 0)
        for name in ("a", "b"):
            assert (tmp_path / name / "stamps").is_dir(), "each host verifies files itself"
            assert (tmp_path / name / "index").is_symlink()
