"""Object storage: stored whole or not at all, verified on the way, lost answers understood."""

import hashlib
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from shared.errors import ConfigurationError, CorruptFile, IndexUnavailable
from shared.index.bucket import PART_BYTES, Bucket, open_bucket
from shared.index.drafts import Stamp
from shared.index.objects import ObjectFiles
from tests.object_storage import SECRET, CountingBucket, ObjectStorage

FOLDER = "7/segments/a1-3f"
KEY = f"{FOLDER}/data.faiss"
CONTENT = bytes(range(256)) * 40
STAMP = Stamp.of(CONTENT)

Files = Callable[..., ObjectFiles]


@pytest.fixture
def files(object_storage: ObjectStorage, tmp_path: Path) -> Files:
    """Makes the files of one host; give *host* for another one's."""

    def make(
        bucket: Bucket | None = None, *, host: str = "host", cache_bytes: int = 10**9
    ) -> ObjectFiles:
        folder = tmp_path / host
        return ObjectFiles(
            bucket or Bucket(object_storage.store),
            folder / "cache",
            cache_bytes=cache_bytes,
            stamps=folder / "stamps",
        )

    return make


def put_folder(files: ObjectFiles, key: str = FOLDER, content: bytes = CONTENT) -> None:
    with files.new_folder(key) as folder:
        folder.create("data.faiss").write(content)
        folder.create("segment.json").write(b"{}")


def cached(tmp_path: Path, key: str = KEY, host: str = "host") -> Path:
    return tmp_path / host / "cache" / "files" / key


def drafts(tmp_path: Path, host: str = "host") -> Sequence[Path]:
    return list((tmp_path / host / "cache" / "drafts").iterdir())


# --- writing ----------------------------------------------------------------------------------


def test_a_folder_goes_up_with_its_card_last_and_stays_here_as_a_copy(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    bucket = CountingBucket(object_storage.store)
    here = files(bucket)

    put_folder(here)

    assert bucket.of("put") == [KEY, f"{FOLDER}/segment.json"]
    assert object_storage.content(KEY) == CONTENT
    assert here.map(KEY, STAMP).tobytes() == CONTENT
    assert bucket.of("get") == [], "its writer need not download it"
    assert drafts(tmp_path) == []


def test_a_file_in_parts_arrives_whole(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    large = np.random.default_rng(0).bytes(2 * PART_BYTES + 12345)

    put_folder(files(), content=large)

    assert object_storage.content(KEY) == large
    assert files(host="other").map(KEY, Stamp.of(large)).tobytes() == large


def test_the_storage_is_told_what_the_object_must_be(
    object_storage: ObjectStorage, files: Files
) -> None:
    stamp = files().new_file("7/manifests/1.json", [CONTENT[:100], CONTENT[100:]])

    assert stamp == STAMP
    assert Bucket(object_storage.store).head("7/manifests/1.json") == STAMP


class Unsure(CountingBucket):
    """Loses the answer of the *n*-th put, of a request that was carried out or was not."""

    lost_at = 1
    carried_out = True

    def put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
        lost = len(self.of("put")) + 1 == self.lost_at
        if not lost or self.carried_out:
            super().put(key, content, stamp)
        if lost:
            raise IndexUnavailable(f"{key}: no answer.")


@pytest.mark.parametrize("lost_at", [1, 2])
def test_a_lost_answer_of_a_put_that_was_carried_out_is_success(
    object_storage: ObjectStorage, files: Files, lost_at: int
) -> None:
    bucket = Unsure(object_storage.store)
    bucket.lost_at = lost_at
    here = files(bucket)

    put_folder(here)

    (entry,) = here.list("7/segments")
    assert (entry.key, entry.draft) == (FOLDER, False)
    assert here.map(KEY, STAMP).tobytes() == CONTENT


@pytest.mark.parametrize(("lost_at", "left"), [(1, []), (2, [KEY])])
def test_a_put_that_was_not_carried_out_leaves_a_draft_at_most(
    object_storage: ObjectStorage, files: Files, tmp_path: Path, lost_at: int, left: list[str]
) -> None:
    bucket = Unsure(object_storage.store)
    bucket.lost_at, bucket.carried_out = lost_at, False
    here = files(bucket)

    with pytest.raises(IndexUnavailable, match="no answer"):
        put_folder(here)

    assert object_storage.stored() == left
    assert [entry.draft for entry in here.list("7/segments")] == [True] * len(left)
    assert drafts(tmp_path) == []
    assert not cached(tmp_path).exists()


def test_a_request_sent_twice_is_success(object_storage: ObjectStorage, files: Files) -> None:
    class Eager(Bucket):
        def put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
            super().put(key, content, stamp)
            super().put(key, content, stamp)

    assert files(Eager(object_storage.store)).new_file("one", [CONTENT]) == STAMP


def test_a_name_that_something_else_has_is_refused_and_kept(
    object_storage: ObjectStorage, files: Files
) -> None:
    object_storage.overwrite("one", b"of another writer")

    with pytest.raises(IndexUnavailable, match="one: something has this name already"):
        files().new_file("one", [CONTENT])

    assert object_storage.content("one") == b"of another writer"


def test_where_no_metadata_is_kept_the_content_tells(
    object_storage: ObjectStorage, files: Files
) -> None:
    class Forgetful(Bucket):
        def head(self, key: str) -> Stamp | None:
            found = super().head(key)
            return found and Stamp(found.size, "")

    here = files(Forgetful(object_storage.store))

    assert here.new_file("one", [CONTENT]) == STAMP
    object_storage.overwrite("two", CONTENT[::-1])
    with pytest.raises(IndexUnavailable, match="name already"):
        here.new_file("two", [CONTENT])


def test_an_object_that_is_not_there_after_its_put_is_noticed(
    object_storage: ObjectStorage, files: Files
) -> None:
    class Careless(Bucket):
        def put(self, key: str, content: bytes | Path, stamp: Stamp) -> None:
            pass

    with pytest.raises(IndexUnavailable, match="one: it was stored and is not there"):
        files(Careless(object_storage.store)).new_file("one", [CONTENT])


def test_a_full_local_disk_is_index_unavailable(files: Files, tmp_path: Path) -> None:
    (tmp_path / "host" / "cache").mkdir(parents=True)
    (tmp_path / "host" / "cache" / "drafts").symlink_to("/proc/self/nothing")

    with pytest.raises(IndexUnavailable, match=FOLDER):
        put_folder(files())


# --- reading ----------------------------------------------------------------------------------


def test_each_host_keeps_its_own_copy(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    put_folder(files(host="writer"))
    bucket = CountingBucket(object_storage.store)

    for _ in range(2):
        process = files(bucket, host="reader")
        for _ in range(2):
            assert process.map(KEY, STAMP).tobytes() == CONTENT

    assert bucket.of("get") == [KEY]
    assert cached(tmp_path, host="reader").read_bytes() == CONTENT
    assert (tmp_path / "reader" / "stamps" / KEY).exists()


def test_processes_of_a_host_fetch_a_file_once(object_storage: ObjectStorage, files: Files) -> None:
    put_folder(files(host="writer"))
    bucket = CountingBucket(object_storage.store)
    processes = [files(bucket, host="reader") for _ in range(6)]

    with ThreadPoolExecutor(6) as threads:
        mapped = list(threads.map(lambda process: process.map(KEY, STAMP), processes))

    assert all(one.tobytes() == CONTENT for one in mapped)
    assert bucket.of("get") == [KEY]


def test_a_missing_object_is_corrupt(files: Files) -> None:
    for ask in (
        lambda: files().map(KEY, STAMP),
        lambda: files().read(KEY, STAMP.sha256, limit=10**6),
        lambda: files().verify(KEY, STAMP),
        lambda: files().raw(KEY),
        lambda: files().members(KEY),
    ):
        with pytest.raises(CorruptFile, match=r"data\.faiss: missing"):
            ask()


def test_a_missing_bucket_says_nothing_about_a_file(
    object_storage: ObjectStorage, files: Files
) -> None:
    away = open_bucket("s3://no-such-bucket", object_storage.endpoint)

    with pytest.raises(IndexUnavailable, match="no such bucket"):
        files(away).map(KEY, STAMP)
    with pytest.raises(IndexUnavailable, match="no such bucket"):
        files(away).new_file("one", [CONTENT])
    with pytest.raises(IndexUnavailable, match="no such bucket"):
        files(away).list("7/segments")


@pytest.mark.parametrize("at", [0, 5000, -1])
def test_a_damaged_object_is_never_served(
    object_storage: ObjectStorage, files: Files, tmp_path: Path, at: int
) -> None:
    put_folder(files(host="writer"))
    object_storage.flip(KEY, at)
    bucket = CountingBucket(object_storage.store)
    reader = files(bucket, host="reader")

    for ask in (
        lambda: reader.map(KEY, STAMP),
        lambda: reader.read(KEY, STAMP.sha256, limit=10**6),
        lambda: reader.verify(KEY, STAMP),
    ):
        bucket.requests.clear()
        with pytest.raises(CorruptFile, match=r"data\.faiss: its sha256 is"):
            ask()
        assert bucket.of("get") == [KEY, KEY], "asked twice before it is called damaged"
    assert not cached(tmp_path, host="reader").exists()
    assert drafts(tmp_path, "reader") == []


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"\n", b""])
def test_an_object_of_another_length_is_corrupt(
    object_storage: ObjectStorage, files: Files, content: bytes
) -> None:
    object_storage.overwrite(KEY, content)

    for ask in (files().map, files().verify):
        with pytest.raises(CorruptFile, match=r"data\.faiss"):
            ask(KEY, STAMP)


def test_a_size_that_no_content_has_is_corrupt(object_storage: ObjectStorage, files: Files) -> None:
    put_folder(files(host="writer"))

    for ask in (files().map, files().verify):
        with pytest.raises(CorruptFile, match="10240 bytes long, not 10250"):
            ask(KEY, Stamp(10250, STAMP.sha256))


def test_a_small_file_larger_than_it_may_be_is_corrupt(files: Files) -> None:
    stamp = files().new_file("one", [CONTENT])

    assert files().read("one", stamp.sha256, limit=len(CONTENT)) == CONTENT
    with pytest.raises(CorruptFile, match="larger than 100 bytes"):
        files().read("one", stamp.sha256, limit=100)


class BadLine(CountingBucket):
    """Damages the first downloads, each in another way."""

    times = 1

    def get(self, key: str) -> Iterator[bytes]:
        content = b"".join(super().get(key))
        count = len(self.of("get"))
        yield content[count:] if count <= self.times else content


def test_a_download_damaged_on_the_way_is_repeated(
    object_storage: ObjectStorage, files: Files
) -> None:
    put_folder(files(host="writer"))

    def on(host: str) -> ObjectFiles:
        return files(BadLine(object_storage.store), host=host)

    assert on("a").map(KEY, STAMP).tobytes() == CONTENT
    assert on("b").read(KEY, STAMP.sha256, limit=10**6) == CONTENT
    on("c").verify(KEY, STAMP)


def test_downloads_that_differ_do_not_make_a_file_corrupt(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    put_folder(files(host="writer"))
    bucket = BadLine(object_storage.store)
    bucket.times = 2

    with pytest.raises(IndexUnavailable, match="two downloads of it differ"):
        files(bucket, host="reader").map(KEY, STAMP)

    assert not cached(tmp_path, host="reader").exists()


# --- the cache --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-100], lambda content: b"x" + content[1:]]
)
def test_a_damaged_copy_is_fetched_again(
    object_storage: ObjectStorage,
    files: Files,
    tmp_path: Path,
    damage: Callable[[bytes], bytes],
) -> None:
    put_folder(files())
    files().map(KEY, STAMP)
    copy = cached(tmp_path)
    copy.write_bytes(damage(CONTENT))
    bucket = CountingBucket(object_storage.store)

    assert files(bucket).map(KEY, STAMP).tobytes() == CONTENT

    assert bucket.of("get") == [KEY]
    assert copy.read_bytes() == CONTENT


def test_verify_asks_the_storage_and_removes_a_damaged_copy(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    bucket = CountingBucket(object_storage.store)
    here = files(bucket)
    put_folder(here)
    cached(tmp_path).write_bytes(b"x" + CONTENT[1:])

    here.verify(KEY, STAMP)
    assert bucket.of("get") == [KEY]
    assert not cached(tmp_path).exists()

    here.map(KEY, STAMP)
    object_storage.flip(KEY, 77)
    with pytest.raises(CorruptFile, match="sha256"):
        here.verify(KEY, STAMP)


def test_the_cache_stays_within_its_limit_and_what_is_mapped_stays_valid(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    contents = {f"7/segments/a1-{n}": bytes([n]) * 10_000 for n in range(5)}
    for key, content in contents.items():
        put_folder(files(host="writer"), key, content)
    reader = files(host="reader", cache_bytes=25_000)

    held = {}
    for key, content in contents.items():
        held[key] = reader.map(f"{key}/data.faiss", Stamp.of(content))
        copies = list((tmp_path / "reader" / "cache").rglob("data.faiss"))
        assert sum(path.stat().st_size for path in copies) <= 25_000

    assert sorted(path.parent.name for path in copies) == ["a1-3", "a1-4"]
    for key, content in contents.items():
        assert held[key].tobytes() == content
    folders = [path.name for path in cached(tmp_path, "7/segments", "reader").iterdir()]
    assert sorted(folders) == ["a1-3", "a1-4"], "no empty folders are left"


def test_what_was_used_last_stays(object_storage: ObjectStorage, files: Files) -> None:
    for n in range(3):
        put_folder(files(host="writer"), f"7/segments/a1-{n}")
    bucket = CountingBucket(object_storage.store)
    reader = files(bucket, host="reader", cache_bytes=len(CONTENT) * 2)

    for n in (0, 1, 0, 2, 0):
        reader.map(f"7/segments/a1-{n}/data.faiss", STAMP)

    assert bucket.of("get") == [f"7/segments/a1-{n}/data.faiss" for n in range(3)]


def test_a_file_larger_than_the_whole_cache_is_still_served(files: Files) -> None:
    put_folder(files(host="writer"))

    assert files(host="reader", cache_bytes=1).map(KEY, STAMP).tobytes() == CONTENT


def test_drafts_of_dead_processes_go(files: Files, tmp_path: Path) -> None:
    put_folder(files(host="writer"))
    left = tmp_path / "reader" / "cache" / "drafts"
    left.mkdir(parents=True)
    for name in ("old", "new"):
        (left / name).write_bytes(b"1")
    os.utime(left / "old", (0, 0))

    files(host="reader").map(KEY, STAMP)

    assert [path.name for path in left.iterdir()] == ["new"]


# --- listing and removing ---------------------------------------------------------------------


def test_more_objects_than_fit_a_page_are_listed_and_removed(
    object_storage: ObjectStorage, files: Files
) -> None:
    names = object_storage.fill("7/deletes", 2101)  # S3 lists and removes 1,000 at a time
    object_storage.fill(FOLDER, 1001)
    here = files()

    assert [one.name for one in here.list("7/deletes")] == names
    assert len(here.members(FOLDER)) == 1001
    (entry,) = here.list("7/segments")
    assert (entry.bytes, entry.draft) == (2002, True)
    here.remove("7/deletes")
    here.remove(FOLDER)

    assert object_storage.stored() == []


def test_entries_are_folders_and_files_with_their_sizes_and_times(files: Files) -> None:
    here = files()
    put_folder(here)
    here.new_file("7/segments/loose", [b"123"])

    folder, loose = here.list("7/segments")

    assert (folder.key, folder.bytes, folder.draft) == (FOLDER, len(CONTENT) + 2, False)
    assert (loose.key, loose.bytes, loose.draft) == ("7/segments/loose", 3, False)
    assert folder.modified_at > 1e9
    assert here.list("8/segments") == []
    assert here.members(FOLDER) == [(KEY, len(CONTENT)), (f"{FOLDER}/segment.json", 2)]
    assert here.members(loose.key) == [(loose.key, 3)]
    assert here.raw(loose.key) == b"123"


def test_names_are_taken_by_files_and_folders_and_not_by_beginnings(files: Files) -> None:
    here = files()
    put_folder(here)

    assert here.taken(FOLDER)
    assert here.taken(KEY)
    assert not here.taken(FOLDER[:-1])
    assert not here.taken("8")


def test_removing_is_final_and_harmless_twice(
    object_storage: ObjectStorage, files: Files, tmp_path: Path
) -> None:
    here = files()
    put_folder(here)
    put_folder(here, f"{FOLDER}0")
    mapped = here.map(KEY, STAMP)

    here.remove(FOLDER)
    here.remove(FOLDER)

    assert object_storage.stored() == [f"{FOLDER}0/data.faiss", f"{FOLDER}0/segment.json"]
    assert not cached(tmp_path, FOLDER).exists()
    assert not (tmp_path / "host" / "stamps" / KEY).exists()
    assert mapped.tobytes() == CONTENT


def test_a_folder_removed_by_half_is_a_draft(object_storage: ObjectStorage, files: Files) -> None:
    class Dying(CountingBucket):
        def delete(self, keys: Sequence[str]) -> None:
            if self.of("delete"):
                raise IndexUnavailable("dead")
            super().delete(keys)

    put_folder(files())

    with pytest.raises(IndexUnavailable, match="dead"):
        files(Dying(object_storage.store)).remove(FOLDER)

    (entry,) = files().list("7/segments")
    assert entry.draft
    files().remove(FOLDER)
    assert object_storage.stored() == []


# --- storage that does not answer, or says no -------------------------------------------------


class Refusing(BaseHTTPRequestHandler):
    """Answers everything with one status and, as S3 may, with the caller's token."""

    status: ClassVar[int] = 403

    def _refuse(self) -> None:
        body = f"<Error><Code>Refused</Code><Token-0>{SECRET}</Token-0></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _refuse  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture(params=[400, 401, 403])
def refusing(request: pytest.FixtureRequest, object_server: str) -> Iterator[str]:
    handler = type("Handler", (Refusing,), {"status": request.param})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_refusal_is_unavailable_and_quotes_no_credentials(refusing: str, tmp_path: Path) -> None:
    here = ObjectFiles(open_bucket("s3://bucket", refusing), tmp_path, cache_bytes=10**6)

    for ask in (
        lambda: here.new_file("one", [CONTENT]),
        lambda: here.read("one", STAMP.sha256, limit=10**6),
        lambda: here.map("one", STAMP),
        lambda: here.list("7/segments"),
        lambda: here.remove("one"),
        lambda: here.taken("one"),
    ):
        with pytest.raises(IndexUnavailable) as caught:
            ask()
        shown = "".join(traceback.format_exception(caught.value))
        assert SECRET not in shown
        assert caught.value.detail.startswith(("one: ", "7/segments: ", "one/segment.json: "))


def test_storage_that_is_away_is_unavailable(object_server: str, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as closed:
        port = closed.server_address[1]
    here = ObjectFiles(
        open_bucket("s3://bucket", f"http://127.0.0.1:{port}"), tmp_path, cache_bytes=10**6
    )

    with pytest.raises(
        IndexUnavailable, match=r"one: object storage, [A-Z]+: .*error sending request\.$"
    ):
        here.read("one", STAMP.sha256, limit=10**6)


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("s3://", None),
        ("https://bucket", None),
        ("bucket", None),
        ("s3://key:secret@bucket", None),
        ("s3://bucket?versionId=1", None),
        ("s3://bucket", "localhost:9000"),
        ("s3://bucket", "http://key:secret@localhost"),
        ("s3://bucket", "ftp://localhost"),
    ],
)
def test_an_address_that_cannot_be_is_refused(url: str, endpoint: str | None) -> None:
    with pytest.raises(ConfigurationError, match="LAMINA_STORAGE_") as caught:
        open_bucket(url, endpoint)

    assert "secret" not in str(caught.value)


def test_free_space_is_that_of_the_disk_of_drafts(files: Files) -> None:
    assert files().free_bytes() > 0


def test_the_checksum_here_is_sha256() -> None:
    assert STAMP.sha256 == hashlib.sha256(CONTENT).hexdigest()
