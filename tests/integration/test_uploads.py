"""Files in, documents out: parsed once, each part found again by its page, heading or row."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from shared.catalog import SqlParsing
from shared.catalog.collections.discarding import SqlDiscards
from shared.domain import (
    Amendment,
    Chunking,
    Columns,
    FileKind,
    FileMember,
    FileOrder,
    FileQueue,
    FileReading,
    JobFilter,
    JobKind,
    NewDocument,
    Parsed,
    Receipt,
    Submission,
    Upload,
    UploadState,
)
from shared.errors import Fenced, IndexUnavailable, KeyReused
from shared.trust.purging import Purger, purge
from shared.upkeep.removing import remove_next
from shared.uploads.clearing import clear_away, remove_orphans
from shared.uploads.parsing import parse_next
from shared.uploads.receiving import checksum, receive
from tests.keeping import database_of
from tests.mills import (
    archive,
    attic_of,
    blobs_of,
    depot_of,
    files_of,
    look_at,
    mill_of,
    parse_all,
    pdf,
    send,
    stored_keys,
    uploads_of,
    word,
)
from tests.trust import purger_of
from tests.worlds import World

PAGES = [
    f"The harbour of Trieste freezes. {'Cold wind blows. ' * 6}",
    f"Whales sing in the dark. {'They hear each other far away. ' * 4}",
    f"Bread needs time and salt. {'Knead it well. ' * 6}",
]
PLAN = (
    ("Heading 1", "Budget"),
    ("", "Money for boats"),
    ("Heading 1", "Crew"),
    ("", "Sailors wanted"),
)
TABLE = (
    b"id,title,text,year,open\n"
    b"a,Tea,Green tea is not oxidised,2020,true\n"
    b"b,Ice,Ice floats,2021,false\n"
    b"c\n"
    b",,,,\n"
)
GLACIERS = b"<p>" + b"Ice moves slowly downhill. " * 20
MEMBERS = {"in/deep.txt": b"Deep inside", "x.png": b"\x89PNG\r\n\x1a\n", "../out.txt": b"evil"}


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    chunking = Chunking(max_tokens=16, overlap_tokens=0)
    with World.open(tmp_path, database_url=database_url, chunking=chunking) as opened:
        yield opened


def test_files_become_documents_that_know_their_pages_headings_and_rows(world: World) -> None:
    world.collections.configure("c", keep_originals=True)
    files = {
        "reports/sea.pdf": pdf(PAGES, title="Notes of the sea"),
        "plan.docx": word(*PLAN),
        "table.csv": TABLE,
        "lines.jsonl": b'{"id": "j", "text": "Jason", "metadata": {"by": "x"}, "n": 1}\n{broken\n',
        "page.html": b"<!doctype html><title>Glaciers</title><h1>Glaciers</h1>" + GLACIERS,
        "notes.md": b"# First\n\nAlpha words\n\n## Second\n\nBeta words\n",
        "café.txt": "Un café noir".encode("cp1252"),
        "all.zip": archive(MEMBERS),
    }
    receipt, verdicts = send(world, files)
    assert receipt is not None
    assert all(one.upload for one in verdicts), [one.detail for one in verdicts]
    job = world.records.job(receipt.job_id)
    assert not job.finished
    assert (job.files.total, job.files.waiting) == (8, 8)

    parse_all(mill_of(world))

    reports = {one.name: one for one in files_of(world, receipt.job_id)}
    assert {one.state for one in reports.values()} == {UploadState.DONE}
    assert reports["plan.docx"].kind is FileKind.DOCX
    assert reports["café.txt"].encoding == "cp1252"
    assert reports["table.csv"].documents == 2
    assert [(one.where, one.detail) for one in reports["table.csv"].issues] == [
        ("row 4", "has 1 values, and there are 5 columns")
    ]
    assert reports["lines.jsonl"].skipped == 1
    assert [one.where for one in reports["all.zip"].issues] == ["x.png", "../out.txt"]
    assert reports["all.zip/in/deep.txt"].documents == 1
    world.index_all()
    job = world.records.job(receipt.job_id)
    assert job.finished
    assert job.total == 9
    assert not job.errors
    assert any("row 4" in one.message for one in job.warnings)

    whales = next(one for one in world.hits("They hear each other far away.", k=30))
    assert whales.place is not None
    assert (whales.id, whales.title) == ("reports/sea.pdf", "Notes of the sea")
    assert whales.place.words == "page 2"
    assert whales.metadata == {"file": "reports/sea.pdf", "file_type": "pdf", "pages": 3}
    found = {one.id: one for one in world.hits("anything", k=30)}
    assert found["b"].metadata == {
        "year": 2021,
        "open": False,
        "file": "table.csv",
        "file_type": "csv",
    }
    assert found["b"].place is not None
    assert found["b"].place.words == "row 3"
    assert found["plan.docx"].place is not None
    assert "under" in found["plan.docx"].place.words or "from" in found["plan.docx"].place.words

    original = uploads_of(world).original("c", "reports/sea.pdf")
    assert original is not None
    assert blobs_of(world).path(original.bytes.key).read_bytes() == files["reports/sea.pdf"]
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    kept = {one.rpartition("/")[2].partition(".")[0] for one in stored_keys(world)}
    assert len(kept) == 8, "of the archive itself no text was read"

    purge(with_attic(world), "c", "reports/sea.pdf")
    assert original.bytes.key not in stored_keys(world)


def test_a_full_disk_is_no_fault_of_the_archive_that_is_unpacked(
    world: World, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "0").symlink_to("/dev/full")
    path = tmp_path / "sea.zip"
    path.write_bytes(archive({"a.txt": b"Whales sing in the dark."}))
    reader = mill_of(world).reader

    with pytest.raises(IndexUnavailable, match="No space left"):
        list(reader.read(path, FileOrder(name="sea.zip"), scratch=scratch))
    (scratch / "0").unlink()
    member, reading = reader.read(path, FileOrder(name="sea.zip"), scratch=scratch)

    assert isinstance(member, FileMember)
    assert isinstance(reading, FileReading)
    assert reading.issues == ()


def with_attic(world: World) -> Purger:
    return replace(purger_of(world), attic=attic_of(world))


def test_the_place_follows_the_text_and_leaves_with_it(world: World) -> None:
    receipt, _ = send(world, {"a.pdf": pdf(PAGES)})
    parse_all(mill_of(world))
    world.index_all()
    clear_away(attic_of(world), grace_seconds=0, failed_seconds=0, draft_seconds=3600)
    assert stored_keys(world) == [], "originals are not kept unless the collection says so"
    assert uploads_of(world).original("c", "a.pdf") is None
    first = world.head().version

    def rename(document: NewDocument) -> NewDocument:
        return NewDocument(id=document.id, title="Other", text=document.text)

    submission = Submission(collection="c", source="api", documents=())
    world.inbox.amend(Amendment(submission=submission, document_id="a.pdf", apply=rename))
    world.index_all()
    assert all(one.place and one.place.words.startswith("page") for one in world.hits("whales"))
    world.add({"id": "a.pdf", "text": "Typed by hand now"})
    world.index_all()
    (hit,) = world.hits("typed by hand")
    assert hit.place is None
    assert any(one.place for one in world.search("whales", version=first).hits)
    assert receipt is not None


def test_columns_are_what_the_sender_says(world: World) -> None:
    table = b"nr;what;who;note\n1;Steel;Ann;hard\n2;Silk;Bob;soft\n"
    receipt, _ = send(
        world,
        {"goods.csv": table, "bad.csv": table},
        columns=Columns(id="nr", title="what", text=("note", "who")),
    )
    parse_all(mill_of(world))
    assert receipt is not None
    document = world.records.document("c", "1")
    assert (document.title, document.text) == ("Steel", "hard\n\nAnn")
    assert document.metadata == {"file": "bad.csv", "file_type": "csv"}

    refused, _ = send(world, {"x.csv": table}, columns=Columns(title="colour"))
    parse_all(mill_of(world))
    assert refused is not None
    (report,) = files_of(world, refused.job_id)
    assert (report.state, report.fault) == (UploadState.FAILED, "columns")
    assert report.error == "There is no column 'colour'. There are: nr, what, who, note."
    failed = world.records.jobs(JobFilter(kind=JobKind.FAILED), limit=10)
    assert [one.id for one in failed] == [refused.job_id]
    assert world.records.job(refused.job_id).errors[0].document == "x.csv"


def test_a_key_takes_the_same_files_once(world: World) -> None:
    first, _ = send(world, {"a.txt": b"alpha"}, key="k")
    again, _ = send(world, {"a.txt": b"alpha"}, key="k")
    assert first is not None
    assert again is not None
    assert (again.job_id, again.repeated) == (first.job_id, True)
    assert len(stored_keys(world)) == 1
    world.claims.cancel(first.job_id)
    parse_all(mill_of(world))
    assert [one.state for one in files_of(world, first.job_id)] == [UploadState.CANCELLED]
    assert world.records.job(first.job_id).finished


class Dies(Exception):
    """What ends a parser in the midst of a file."""


class Dying(SqlParsing):
    """Stores the first documents of a file, and dies."""

    def store(
        self, upload: Upload, parsed: Sequence[Parsed], *, done: FileReading | None
    ) -> Receipt:
        receipt = super().store(upload, parsed, done=done)
        if done is None:
            raise Dies
        return receipt


def test_who_lost_the_file_writes_nothing_and_a_large_table_is_never_doubled(world: World) -> None:
    rows = b"".join(b"%d,Words of row %d\n" % (n, n) for n in range(1200))
    receipt, _ = send(world, {"big.csv": b"id,text\n" + rows})
    assert receipt is not None
    lost = SqlParsing(database_of(world)).claim("host:9", lease_seconds=-1.0, max_attempts=3)
    assert isinstance(lost, Upload)

    with pytest.raises(Dies):
        parse_next(mill_of(world, parsing=Dying(database_of(world)), lease_seconds=0.05))
    with pytest.raises(Fenced):
        SqlParsing(database_of(world)).store(lost, [], done=None)
    assert world.records.job(receipt.job_id).total == 500

    deadline = 200
    while not world.records.job(receipt.job_id).files.done and deadline:
        parse_all(mill_of(world))
        deadline -= 1
    (report,) = files_of(world, receipt.job_id)
    assert (report.state, report.documents) == (UploadState.DONE, 1200)
    assert world.records.job(receipt.job_id).total == 1200


def test_what_waits_to_be_read_is_counted_and_so_is_what_became_of_it(world: World) -> None:
    assert world.waiting.files() == FileQueue(waiting=0, being_read=0, bytes=0, oldest_seconds=0.0)
    send(world, {"a.txt": b"Ebb and flow.", "b.pdf": b"%PDF-1.4 nothing"})
    mill = mill_of(world)

    before = world.waiting.files()
    held = mill.parsing.claim("host:9", lease_seconds=30, max_attempts=3)
    during = world.waiting.files()
    assert held
    mill.parsing.release(held, delay_seconds=0)
    parse_all(mill)

    assert (before.waiting, before.being_read, before.bytes) == (2, 0, 13 + 16)
    assert 0 <= before.oldest_seconds < 60
    assert (during.waiting, during.being_read, during.bytes) == (1, 1, 29 - held.bytes.size)
    assert world.waiting.files().waiting == 0
    counts = {(one.name, *one.labels): value for one, value in mill.tally.take().items()}
    assert counts["lamina_files_total", ("outcome", "read")] == 1
    assert counts["lamina_files_total", ("outcome", "refused")] == 1
    assert counts["lamina_file_seconds_sum",] > 0


def test_a_deleted_collection_takes_its_files_along(world: World) -> None:
    world.collections.configure("c", keep_originals=True)
    send(world, {"a.txt": b"alpha", "b.txt": b"beta"})
    assert parse_next(mill_of(world))
    discards = SqlDiscards(database_of(world))
    discards.discard("c")
    parse_all(mill_of(world))
    discards.recover("c", new=None, collection_id=None)
    parse_all(mill_of(world))
    world.index_all()
    assert sorted(world.live_documents()) == ["a.txt", "b.txt"]
    assert len(stored_keys(world)) == 2

    discards.discard("c")
    blobs = blobs_of(world)
    while remove_next(discards, world.store, deleted_days=0, blobs=blobs):
        pass
    assert stored_keys(world) == []


def test_bytes_that_nobody_accepted_go_when_they_are_old(world: World) -> None:
    incoming = blobs_of(world).begin(most=100)
    incoming.write(b"lost")
    incoming.keep(world.collection.id)
    half = blobs_of(world).begin(most=100)
    half.write(b"half")
    send(world, {"a.txt": b"alpha"})
    remove_orphans(attic_of(world), world.roster, older_than_seconds=3600)
    assert len(stored_keys(world)) == 3
    remove_orphans(attic_of(world), world.roster, older_than_seconds=-3600)
    assert len(stored_keys(world)) == 1
    half.drop()


def test_a_key_for_other_files_is_refused_and_keeps_nothing(world: World) -> None:

    submission = Submission(collection="c", source="api", documents=(), key="k")
    for number, raw in enumerate((b"one", b"two")):
        verdicts = look_at(world, {"a.txt": raw}, Columns())
        sent = replace(submission, content_sha256=checksum(verdicts))
        if number == 0:
            receive(depot_of(world), verdicts, sent)
            continue
        with pytest.raises(KeyReused):
            receive(depot_of(world), verdicts, sent)
    assert len(stored_keys(world)) == 1
