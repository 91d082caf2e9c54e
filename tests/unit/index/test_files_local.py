"""Local files: verified once a host, waited for on shared volumes, read again when asked."""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from shared.errors import CorruptFile
from shared.index import LocalFiles
from shared.index.drafts import Stamp
from shared.index.proofs import Identity, Proofs
from tests.unit.index import given

KEY = "7/segments/a1-3f/data.faiss"
CONTENT = bytes(range(256)) * 4096

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/io").exists(), reason="needs Linux's /proc to count bytes read"
)


def bytes_read() -> int:
    """How much this process has read with read(2) so far."""
    line = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()[0]
    return int(line.removeprefix("rchar: "))


class Host:
    """A folder of index files, and one of stamps, seen by one process after the other."""

    def __init__(self, folder: Path) -> None:
        self.root, self.stamps = folder / "index", folder / "stamps"

    def process(self) -> LocalFiles:
        return LocalFiles(self.root, stamps=self.stamps)

    def cost(self) -> int:
        """Bytes that a new process reads to map the file."""
        files = self.process()
        before = bytes_read()
        assert files.map(KEY, Stamp.of(CONTENT)).tobytes() == CONTENT
        return bytes_read() - before


@pytest.fixture
def host(tmp_path: Path) -> Host:
    made = Host(tmp_path)
    assert made.process().new_file(KEY, [CONTENT]) == Stamp.of(CONTENT)
    return made


@needs_proc
def test_the_first_process_of_a_host_verifies_and_the_others_do_not(host: Host) -> None:
    assert not host.stamps.exists(), "what was only written is not verified"

    assert host.cost() >= len(CONTENT)
    assert host.cost() < len(CONTENT) // 10


@needs_proc
@pytest.mark.parametrize(
    "garble",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes().replace(b" ", b"  ", 1)),
        lambda path: path.write_bytes(b"\xff" * 100),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_garbled_stamp_is_as_none(host: Host, garble: Callable[[Path], object]) -> None:
    host.cost()
    garble(host.stamps / KEY)

    assert host.cost() >= len(CONTENT)


@needs_proc
@pytest.mark.parametrize("change", ["times", "copied", "other checksum"])
def test_a_stamp_holds_for_one_unchanged_file_only(host: Host, change: str) -> None:
    host.cost()
    path = host.root / KEY
    if change == "times":
        os.utime(path)
    elif change == "copied":
        shutil.copy2(path, path.with_name("copy"))
        path.with_name("copy").rename(path)
    else:
        (host.stamps / KEY).write_bytes(
            (host.stamps / KEY).read_bytes().replace(Stamp.of(CONTENT).sha256.encode(), b"0" * 64)
        )

    assert host.cost() >= len(CONTENT)
    assert host.cost() < len(CONTENT) // 10


def test_a_changed_file_is_found_in_spite_of_its_stamp_which_goes(host: Host) -> None:
    files = host.process()
    files.map(KEY, Stamp.of(CONTENT))
    given.flip(host.root / KEY, 1000)

    for process in (files, host.process()):
        with pytest.raises(CorruptFile, match="sha256"):
            process.map(KEY, Stamp.of(CONTENT))

    assert not (host.stamps / KEY).exists()


def test_verify_believes_no_stamp_and_removes_that_of_a_damaged_file(host: Host) -> None:
    files = host.process()
    given.flip(host.root / KEY, 1000)
    with (host.root / KEY).open("rb") as file:  # as if the disk had lost a bit unnoticed
        Proofs(host.stamps).add(KEY, Stamp.of(CONTENT), Identity.of(file.fileno()))
    assert files.map(KEY, Stamp.of(CONTENT)).size == len(CONTENT)

    for process in (files, host.process()):
        with pytest.raises(CorruptFile, match=r"data\.faiss: its sha256"):
            process.verify(KEY, Stamp.of(CONTENT))
        with pytest.raises(CorruptFile, match="sha256"):
            process.map(KEY, Stamp.of(CONTENT))
    assert not (host.stamps / KEY).exists()


@needs_proc
def test_verify_reads_all_of_a_sound_file_and_leaves_a_stamp(host: Host) -> None:
    before = bytes_read()
    host.process().verify(KEY, Stamp.of(CONTENT))

    assert bytes_read() - before >= len(CONTENT)
    assert host.cost() < len(CONTENT) // 10


def test_verify_compares_the_size_too(host: Host) -> None:
    with pytest.raises(CorruptFile, match="bytes long, not 5"):
        host.process().verify(KEY, Stamp(5, Stamp.of(CONTENT).sha256))


@pytest.mark.parametrize("removed", [KEY, "7/segments/a1-3f", "7/segments"])
def test_stamps_go_with_what_is_removed(host: Host, removed: str) -> None:
    files = host.process()
    files.map(KEY, Stamp.of(CONTENT))
    assert (host.stamps / KEY).exists()

    files.remove(removed)

    assert not (host.stamps / removed).exists()
    with pytest.raises(CorruptFile, match="missing"):
        files.map(KEY, Stamp.of(CONTENT))


def test_a_host_that_cannot_keep_stamps_still_reads(host: Host) -> None:
    host.stamps.write_text("not a folder", encoding="utf-8")

    assert host.process().map(KEY, Stamp.of(CONTENT)).tobytes() == CONTENT


def test_stamps_leave_no_drafts(host: Host) -> None:
    host.process().map(KEY, Stamp.of(CONTENT))

    assert [path for path in host.stamps.rglob("*") if path.is_file()] == [host.stamps / KEY]


# --- a shared volume that does not show a name yet -------------------------------------------


def test_a_file_that_another_host_just_made_is_waited_for(tmp_path: Path) -> None:
    reader = LocalFiles(tmp_path, missing_seconds=20)
    late = Timer(0.2, LocalFiles(tmp_path).new_file, [KEY, [CONTENT]])
    late.start()

    content = reader.read(KEY, Stamp.of(CONTENT).sha256, limit=len(CONTENT))
    mapped = reader.map(KEY, Stamp.of(CONTENT))
    late.join()

    assert content == mapped.tobytes() == CONTENT


def test_while_it_waits_it_lists_the_folders_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "7").mkdir()
    listed: list[Path] = []
    really = os.listdir

    def listing(path: Path) -> list[str]:
        listed.append(path)
        return really(path)

    monkeypatch.setattr(os, "listdir", listing)

    with pytest.raises(CorruptFile, match="missing"):
        LocalFiles(tmp_path, missing_seconds=0.01).read(KEY, "0" * 64, limit=1)

    assert listed[:3] == [tmp_path, tmp_path / "7", tmp_path / "7" / "segments"]


def test_what_stays_away_is_missing_after_that_time_and_at_once_by_default(
    tmp_path: Path,
) -> None:
    started = time.monotonic()
    with pytest.raises(CorruptFile, match="missing"):
        LocalFiles(tmp_path, missing_seconds=0.3).map(KEY, Stamp.of(CONTENT))
    assert time.monotonic() - started >= 0.3

    with pytest.raises(CorruptFile, match="missing"):
        LocalFiles(tmp_path).map(KEY, Stamp.of(CONTENT))


# --- looking ----------------------------------------------------------------------------------


def test_members_of_a_folder_and_of_a_file(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    with files.new_folder("7/segments/a1-1") as folder:
        folder.create("b").write(b"12")
        folder.create("a").write(b"1")
    files.new_file("7/deletes/x", [b"123"])

    assert files.members("7/segments/a1-1") == [
        ("7/segments/a1-1/a", 1),
        ("7/segments/a1-1/b", 2),
    ]
    assert files.members("7/deletes/x") == [("7/deletes/x", 3)]
    assert files.raw("7/deletes/x") == b"123"
    for look in (files.members, files.raw):
        with pytest.raises(CorruptFile, match="7/none: missing"):
            look("7/none")


def test_a_draft_is_listed_as_one(tmp_path: Path) -> None:
    files = LocalFiles(tmp_path)
    files.new_file("7/deletes/x", [b"123"])
    (tmp_path / "7" / "deletes" / "y.tmp").write_bytes(b"1")

    found = [(one.key, one.bytes, one.draft) for one in files.list("7/deletes")]

    assert found == [("7/deletes/x", 3, False), ("7/deletes/y.tmp", 1, True)]
    assert files.taken("7/deletes/x")
    assert not files.taken("7/deletes/y")


def test_free_space_is_that_of_the_file_system_before_the_folder_exists(tmp_path: Path) -> None:
    free = LocalFiles(tmp_path / "not" / "yet").free_bytes()

    assert free == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)


def test_the_stamp_of_a_content_is_its_size_and_sha256() -> None:
    assert Stamp.of(b"abc") == Stamp(3, hashlib.sha256(b"abc").hexdigest())
