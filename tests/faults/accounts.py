"""A client of a small world: it knows what it was told, and asks for it after quiet.

account = Account(world)
account.add(a="first text", b="another")
...                                     # the fault
account.settle()
account.check()
"""

from collections.abc import Collection as Some
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from sqlalchemy import text

from shared.domain import Json, Lane, Receipt, State
from shared.errors import Retryable
from shared.ingest import deletion, submit
from tests.faults.ledger import Ledger, compare, gather
from tests.keeping import database_of
from tests.worlds import World

_TRIES = 20
_SAMPLE = 5
"""Documents searched for: enough to see whether searches read the head."""
_QUERY = 200
"""Characters of a text that are searched for."""

Document: TypeAlias = Mapping[str, Json]


@dataclass(slots=True)
class Account:
    """What one client submitted to *world* and was told, in a ledger."""

    world: World
    ledger: Ledger = field(default_factory=Ledger)
    tries: int = 0
    """How often a request had to be repeated."""

    def add(self, *, key: str | None = None, **texts: str) -> Receipt:
        """Submit documents, each with its text; again with the same key until that succeeds."""
        documents = documents_of(texts)
        receipt = self._until_told(key, documents)
        self.ledger.acknowledge(receipt.job_id, documents)
        return receipt

    def delete(self, name: str) -> None:
        """Delete a document."""
        receipt = submit(
            self.world.inbox, self.world.bell, deletion(name, collection="c", source="api")
        )
        self.ledger.acknowledge_deletion(receipt.job_id, name)

    def find_receipt(self, key: str, **texts: str) -> bool:
        """Ask for the receipt of a message with *key*; note what it accepts, if it is there."""
        for entry in self.world.inbox.receipts(key):
            if entry.job_id is not None:
                self.ledger.acknowledge(entry.job_id, documents_of(texts))
                return True
        return False

    def find_documents(self, **texts: str) -> None:
        """Look documents of a message without a key up, as a person would; note their jobs."""
        for name, said in texts.items():
            job = self.world.records.document("c", name).job_id
            assert job is not None
            self.ledger.acknowledge(job, documents_of({name: said}))

    def settle(self) -> None:
        """Come to quiet: give back what the dead hold, then index until nothing waits.

        What a fault of the moment gives back (`Retryable`) is taken again.
        """
        self.world.claims.reap(worker=self.world.bench.worker, max_crashes=1000)
        for _ in range(_TRIES):
            try:
                self.world.index_all()
            except Retryable:
                continue
            return
        raise TimeoutError(f"Still not indexed after {_TRIES} tries.")

    def check(self, *, failed: Some[str] = ()) -> None:
        """Assert all that must be true after quiet; just the documents in *failed* have failed.

        Besides what the ledger judges: nobody accepted what no client was told of, every job
        has ended, and a search finds what is there.
        """
        database = database_of(self.world)
        evidence = gather(database, self.world.fresh_store(), "c")
        compare(self.ledger.entries, evidence).check()
        fates = evidence.fates
        found = {name for (_, name), fate in fates.items() if fate.state is State.FAILED}
        assert found == set(failed), f"[failed] {sorted(found)} failed, not {sorted(failed)}"
        with database.read() as tx:
            accepted = tx.execute(text("SELECT count(*) FROM revisions")).scalar_one()
            jobs = [one for (one,) in tx.execute(text("SELECT id FROM jobs"))]
        told = len(self.ledger)
        assert accepted == told, f"[once] {accepted} revisions were accepted, {told} acknowledged"
        endless = [one for one in jobs if not self.world.records.job(one).finished]
        assert not endless, f"[quiet] jobs that never end: {endless[:3]}"
        self._search(evidence.live_revisions)

    def _until_told(self, key: str | None, documents: list[Document]) -> Receipt:
        for _ in range(_TRIES):
            try:
                return self.world.add(*documents, lane=Lane.BULK, key=key)
            except Retryable:
                assert key is not None, "who cannot say it again must not be kept waiting"
                self.tries += 1
        raise TimeoutError(f"Not accepted in {_TRIES} tries.")

    def _search(self, live: Some[int]) -> None:
        """Search for some of what is live by its own words."""
        newest = {entry.id: entry for entry in self.ledger.entries if not entry.deleted}
        names = sorted(self.world.live_documents()) if live else []
        for name in names[:: max(1, len(names) // _SAMPLE)]:
            hits = self.world.search(newest[name].text[:_QUERY], k=100, exact=True).hits
            assert name in [hit.id for hit in hits], f"[search] {name} is live and not found"


def documents_of(texts: Mapping[str, str]) -> list[Document]:
    """Return documents as a producer sends them."""
    return [{"id": name, "text": said} for name, said in texts.items()]
