"""Fault 29: a folder and a catalog that are not of the same moment, after a careless restore."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.errors import CorruptFile
from shared.upkeep.garbage import collect
from tests.faults.accounts import Account
from tests.keeping import keeper_of, keys_on_disk, let_hours_pass, needed_keys
from tests.trust import assert_same, examine, mend, see
from tests.worlds import World


@dataclass(frozen=True, slots=True)
class Places:
    """A data folder, and a copy of it that was made some versions ago."""

    now: Path
    then: Path

    def restore(self, what: str) -> None:
        """Put the catalog or the index of then in the place of that of now, and nothing else."""
        for path in self.now.glob("catalog.db*" if what == "catalog" else "index"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for path in self.then.glob("catalog.db*" if what == "catalog" else "index"):
            if path.is_dir():
                shutil.copytree(path, self.now / path.name)
            else:
                shutil.copy(path, self.now)


def live(world: World, account: Account) -> None:
    """Publish versions: additions, an upsert, a delete."""
    account.add(a="first a", b="first b", c="first c")
    world.index_all()
    account.add(a="second a")
    world.index_all()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Two versions were copied; two more have come since."""
    places = Places(tmp_path / "now", tmp_path / "then")
    places.now.mkdir()
    with World.open(places.now) as world:
        live(world, Account(world))
    shutil.copytree(places.now, places.then)
    return places


def test_an_index_older_than_its_catalog_is_found_and_built_again(places: Places) -> None:
    with World.open(places.now) as world:
        account = Account(world)
        account.add(a="third a", d="first d")
        world.index_all()
        account.delete("b")
        world.index_all()
        before = see(world)
    places.restore("index")

    with World.open(places.now) as world:
        with pytest.raises(CorruptFile):
            world.fresh_store().open(world.manifest())
        found = examine(world)
        assert found.damages, "[mismatch] a file that the catalog names is gone, and nobody says so"
        mend(world)
        assert_same(before, see(world))
        assert examine(world).findings == ()
        assert sorted(world.live_documents()) == ["a", "c", "d"]


def test_an_index_newer_than_its_catalog_serves_what_the_catalog_says(places: Places) -> None:
    with World.open(places.now) as world:
        before = see(world)
        account = Account(world)
        account.add(a="third a, which the catalog forgets", d="first d, too")
        world.index_all()
    places.restore("catalog")

    with World.open(places.now) as world:
        assert_same(before, see(world))
        assert examine(world).findings == ()
        again = Account(world)
        again.add(e="comes after the restore", a="third a, another one")
        world.index_all()
        found = {hit.id: hit.passage for hit in world.search("a", k=50, exact=True).hits}
        assert found == {
            "a": "third a, another one",
            "b": "first b",
            "c": "first c",
            "e": "comes after the restore",
        }
        let_hours_pass(world)
        collect(keeper_of(world, orphan_days=0.0), world.collections.get("c"), dry_run=False)
        assert keys_on_disk(world) == needed_keys(world), "[mismatch] files of a lost future stay"
        assert examine(world).findings == ()
