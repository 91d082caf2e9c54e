"""What an archive says of documents that were read from files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from shared.domain import Chunking
from shared.searching.search import SearchRequest, search
from tests.archives import contents, export, import_
from tests.integration.test_archives import unpacked
from tests.mills import mill_of, parse_all, pdf, send, stored_keys, uploads_of
from tests.worlds import World

PAGES = [
    f"The harbour of Trieste freezes. {'Cold wind blows. ' * 6}",
    f"Whales sing in the dark. {'They hear each other far away. ' * 4}",
]


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    chunking = Chunking(max_tokens=16, overlap_tokens=0)
    with World.open(tmp_path, database_url=database_url, chunking=chunking) as opened:
        yield opened


def places(world: World, collection: str) -> Sequence[tuple[str, str, str]]:
    """Return id, file and place of the passages that are nearest to whales."""
    head = world.reading.heads()[world.collections.get(collection).id]
    request = SearchRequest(
        collection=collection,
        query="whales sing in the dark",
        k=50,
        version=None,
        min_version=head.version,
    )
    hits = search(world.searcher, request).hits
    return [(hit.id, hit.place.file, hit.place.words) for hit in hits if hit.place is not None]


def test_a_document_keeps_its_pages_in_another_collection_and_the_file_stays_behind(
    world: World, tmp_path: Path
) -> None:
    world.add({"id": "typed", "text": "typed by hand"})
    world.index_all()
    plain = export(world, tmp_path / "plain.tar")
    assert plain.originals == 0
    assert json.loads(unpacked(tmp_path / "plain.tar")["lamina.json"])["format"] == 1

    world.collections.configure("c", keep_originals=True)
    send(world, {"whales.pdf": pdf(PAGES), "plan.md": b"# Crew\n\nSailors wanted"})
    parse_all(mill_of(world))
    world.index_all()
    done = export(world, tmp_path / "c.tar")
    assert (done.documents, done.originals) == (3, 2)
    assert json.loads(unpacked(tmp_path / "c.tar")["lamina.json"])["format"] == 2
    kept = stored_keys(world)
    import_(world, tmp_path / "c.tar")
    before = places(world, "c")
    assert any(file == "whales.pdf" and words.startswith("page") for _, file, words in before)
    assert ("plan.md", "plan.md", "under “Crew”") in before
    assert places(world, "copy") == before
    assert uploads_of(world).original("c", "whales.pdf") is not None
    assert uploads_of(world).original("copy", "whales.pdf") is None
    assert stored_keys(world) == kept

    import_(world, tmp_path / "c.tar")  # again: it changes nothing
    origins = [(one.id, one.origin) for one, _ in contents(world, "c")]
    assert [(one.id, one.origin) for one, _ in contents(world, "copy")] == origins
    assert [origin is None for _, origin in origins] == [False, True, False]
