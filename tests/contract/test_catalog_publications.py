"""What every catalog promises of publishing."""

from dataclasses import replace

import pytest

from shared.domain import Collection, Commit, Manifest, Metric, Outcome, State, VersionKind
from shared.errors import CollectionNotFound, DocumentNotFound, Fenced, VersionConflict
from tests.contract.catalogs import RECORD, Catalog, gone, indexed, put, puts
from tests.refusals import refused


@pytest.fixture(autouse=True)
def collection(catalog: Catalog) -> Collection:
    return catalog.collection()


def test_a_commit_makes_a_version_that_holds_its_documents(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(put("a", "text of a"), put("b"))
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    before = catalog.reading.counter()

    head = catalog.publications.commit(catalog.fit(claim, attempt))

    assert head.version == 1
    assert catalog.head(collection) == head == catalog.publications.outcome(attempt.id)
    assert catalog.reading.version(collection.id, 1) == head
    assert catalog.reading.counter() > before
    job = catalog.records.job(receipt.job_id)
    assert (job.counts, job.version, job.finished) == ({State.INDEXED: 2}, 1, True)
    assert job.accepted_at <= (job.claimed_at or 0) <= (job.encoded_at or 0)
    assert (job.encoded_at or 0) <= (job.published_at or 0)
    assert job.published_at == head.published_at
    passage = catalog.reading.passages([attempt.first_vector_id])[attempt.first_vector_id]
    assert (passage.external_id, passage.passage) == ("a", "text of a")


def test_vector_ids_are_reserved_without_gaps_or_overlap_and_never_again(
    catalog: Catalog, collection: Collection
) -> None:
    firsts = [
        catalog.publications.register(
            collection.id, vectors=count, claim_id=None, worker="w"
        ).first_vector_id
        for count in (3, 0, 2, 1)
    ]
    assert firsts == [1, 4, 4, 6]


def test_of_two_commits_on_one_head_the_second_conflicts_and_writes_nothing(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(*puts(2))
    one, two = catalog.must_claim(max_documents=1), catalog.must_claim(max_documents=1)
    first, second = catalog.register(one), catalog.register(two)
    winning, losing = catalog.fit(one, first), catalog.fit(two, second)
    head = catalog.publications.commit(winning)

    with refused(VersionConflict, "[no-lost-commit] a commit on a head that has moved"):
        catalog.publications.commit(losing)

    assert catalog.head(collection) == head
    assert catalog.publications.outcome(second.id) is None
    assert catalog.reading.waiting(collection.id) == 1
    assert catalog.reading.passages([second.first_vector_id]) == {}
    assert catalog.publications.commit(catalog.fit(two, second)).version == 2


def test_the_head_is_compared_by_its_checksum_too(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    claim = catalog.must_claim()
    commit = catalog.fit(claim, catalog.register(claim))
    with refused(VersionConflict, "[no-lost-commit] a commit on a head that was rewritten"):
        catalog.publications.commit(
            replace(commit, parent=replace(commit.parent, manifest_sha256="other"))
        )


def test_a_commit_after_its_claim_was_reaped_writes_nothing(
    catalog: Catalog, collection: Collection
) -> None:
    receipt = catalog.submit(put("a"))
    claim = catalog.must_claim("host:1")
    attempt = catalog.register(claim)
    commit = catalog.fit(claim, attempt)
    before = catalog.reading.counter()
    catalog.claims.reap(worker="host:1", max_crashes=3)

    with pytest.raises(Fenced):
        catalog.publications.commit(commit)

    assert catalog.head(collection).version == 0
    assert catalog.reading.counter() == before
    assert catalog.publications.outcome(attempt.id) is None
    assert catalog.reading.passages([attempt.first_vector_id]) == {}
    assert catalog.states(receipt.job_id) == {State.PENDING: 1}
    assert catalog.collections.stats()[0].segments == 0


def test_a_commit_under_a_new_claim_does_not_pass_with_the_old_one(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    lost = catalog.must_claim("host:1")
    catalog.claims.reap(worker="host:1", max_crashes=3)
    held = catalog.must_claim("host:2")
    attempt = catalog.register(held)

    stolen = replace(catalog.fit(lost, attempt), claim_id=lost.id)
    with pytest.raises(Fenced):
        catalog.publications.commit(stolen)
    foreign = replace(catalog.fit(held, attempt), claim_id=None)
    with refused(Fenced, "[fence] a commit of revisions that it does not hold"):
        catalog.publications.commit(foreign)

    assert catalog.publications.commit(catalog.fit(held, attempt)).version == 1


def test_an_attempt_registered_for_a_lost_claim_cannot_commit(catalog: Catalog) -> None:
    catalog.submit(put("a"))
    lost = catalog.must_claim("host:1")
    catalog.claims.reap(worker="host:1", max_crashes=3)
    attempt = catalog.register(lost)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    with refused(Fenced, "[fence] a commit under a claim that was taken away"):
        catalog.publications.commit(catalog.commit_of(lost, attempt, head, ()))


def test_an_abandoned_or_finished_attempt_cannot_commit(catalog: Catalog) -> None:
    catalog.submit(*puts(2))
    one, two = catalog.must_claim(max_documents=1), catalog.must_claim(max_documents=1)
    first, second = catalog.register(one), catalog.register(two)
    catalog.publications.abandon(first.id)
    with pytest.raises(Fenced):
        catalog.publications.commit(catalog.fit(one, first))
    catalog.publications.commit(catalog.fit(two, second))
    catalog.publications.abandon(second.id)
    assert catalog.publications.outcome(second.id) is not None
    with pytest.raises(Fenced):
        catalog.publications.commit(catalog.fit(one, second))


def test_an_upsert_swaps_old_for_new_in_one_version(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("a", "old"))
    catalog.index_all()
    catalog.submit(put("a", "new"))
    claim = catalog.must_claim()
    document = claim.revisions[0].document_id
    _, before = catalog.publications.base(collection.id, [document])

    catalog.publish(claim)

    _, after = catalog.publications.base(collection.id, [document])
    assert before[document].chunks[0].vector_id == 1
    assert after[document].chunks[0].vector_id == 2
    assert after[document].revision_id == claim.revisions[0].id
    old_and_new = catalog.reading.passages([1, 2])
    assert [old_and_new[one].passage for one in (1, 2)] == ["old", "new"]
    assert catalog.collections.stats()[0].documents == 1


def test_a_delete_leaves_a_tombstone_and_the_document_is_gone(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("a"), put("b"))
    catalog.index_all()
    receipt = catalog.submit(gone("a"))
    claim = catalog.must_claim()

    catalog.publish(claim)

    revision = claim.revisions[0]
    _, live = catalog.publications.base(collection.id, [revision.document_id, 404])
    assert set(live) == {revision.document_id}
    assert live[revision.document_id].kind is revision.kind
    assert live[revision.document_id].chunks == ()
    assert catalog.states(receipt.job_id) == {State.INDEXED: 1}
    assert [one.documents for one in catalog.records.versions("c", limit=3)] == [1, 2, 0]
    with pytest.raises(DocumentNotFound):
        catalog.records.document("c", "a")


def test_base_of_an_unknown_collection_is_not_found(catalog: Catalog) -> None:
    with pytest.raises(CollectionNotFound):
        catalog.publications.base(404, [])


def test_publishing_supersedes_older_revisions_that_wait(catalog: Catalog) -> None:
    first = catalog.submit(put("a", "one"), put("b"))
    catalog.claims.release(catalog.must_claim().id, delay_seconds=3600, reason="later")
    second = catalog.submit(put("a", "two"))
    third = catalog.submit(put("a", "three"))
    claim = catalog.must_claim(max_documents=1)

    catalog.publish(claim)

    assert catalog.states(first.job_id) == {State.SUPERSEDED: 1, State.PENDING: 1}
    assert catalog.states(second.job_id) == {State.INDEXED: 1}
    assert catalog.states(third.job_id) == {State.PENDING: 1}


def test_a_revision_older_than_the_live_one_cannot_be_published(catalog: Catalog) -> None:
    first = catalog.submit(put("a", "one"))
    old = catalog.must_claim("host:1")
    catalog.submit(put("a", "two"))
    new = catalog.must_claim("host:2")
    attempt = catalog.register(old)
    catalog.publish(new, "host:2")
    head, _ = catalog.publications.base(attempt.collection_id, [])

    wrong = catalog.commit_of(old, attempt, head, (indexed(old.revisions[0], 1),))
    with refused(VersionConflict, "[order] an older revision over a newer one"):
        catalog.publications.commit(wrong)

    assert catalog.publications.commit(catalog.fit(old, attempt)) == head
    assert catalog.states(first.job_id) == {State.SUPERSEDED: 1}


def test_a_newer_revision_found_unchanged_also_bars_older_ones(catalog: Catalog) -> None:
    """It moves no head, so only the order of revisions can stop the older one."""
    catalog.submit(put("a", "same"))
    catalog.index_all()
    middle = catalog.submit(put("a", "other"))
    held = catalog.must_claim("host:1")
    attempt = catalog.register(held)
    overtaken = catalog.fit(held, attempt)
    newest = catalog.submit(put("a", "same"))
    catalog.publish(catalog.must_claim("host:2"), "host:2")
    assert catalog.states(newest.job_id) == {State.UNCHANGED: 1}

    with refused(VersionConflict, "[order] an older revision behind one found unchanged"):
        catalog.publications.commit(overtaken)

    catalog.publications.commit(catalog.fit(held, attempt))
    assert catalog.states(middle.job_id) == {State.SUPERSEDED: 1}
    assert catalog.records.document("c", "a").text == "same"


def test_outcomes_that_change_nothing_are_recorded_without_a_version(
    catalog: Catalog, collection: Collection
) -> None:
    catalog.submit(put("same"))
    catalog.index_all()
    catalog.submit(put("same", "x"), put("same"), put("bad"), put("back"))
    claim = catalog.must_claim()
    attempt = catalog.register(claim)
    before = catalog.reading.counter()
    head = catalog.head(collection)
    changed, same, bad, back = claim.revisions
    outcomes = (
        Outcome(revision=changed, state=State.SUPERSEDED),
        Outcome(revision=same, state=State.UNCHANGED),
        Outcome(revision=bad, state=State.FAILED, error="too odd", warnings=("cut",)),
        Outcome(revision=back, state=State.PENDING),
    )

    assert catalog.publications.commit(catalog.commit_of(claim, attempt, head, outcomes)) == head

    assert catalog.reading.counter() == before
    assert catalog.head(collection) == head
    report = catalog.records.document("c", "bad")
    assert (report.state, report.error, report.warnings) == (State.FAILED, "too odd", ("cut",))
    report = catalog.records.document("c", "same")
    assert (report.state, report.version) == (State.UNCHANGED, 1)
    assert [one.external_id for one in catalog.must_claim().revisions] == ["back"]


def test_outcomes_decided_on_an_old_head_conflict_even_without_a_manifest(
    catalog: Catalog,
) -> None:
    catalog.submit(put("a"))
    stale = catalog.must_claim("host:1")
    attempt = catalog.register(stale)
    head, _ = catalog.publications.base(attempt.collection_id, [])
    catalog.submit(put("b"))
    catalog.publish(catalog.must_claim("host:2"), "host:2")
    failed = (Outcome(revision=stale.revisions[0], state=State.FAILED, error="x"),)

    with refused(VersionConflict, "[no-lost-commit] outcomes decided on an old head"):
        catalog.publications.commit(catalog.commit_of(stale, attempt, head, failed))


def test_half_a_claim_can_be_committed_and_the_rest_stays_claimed(catalog: Catalog) -> None:
    receipt = catalog.submit(*puts(4))
    claim = catalog.must_claim()
    halves = (
        replace(claim, revisions=claim.revisions[:2]),
        replace(claim, revisions=claim.revisions[2:]),
    )
    first, second = (catalog.register(half) for half in halves)
    catalog.publications.commit(catalog.fit(halves[0], first))
    assert catalog.states(receipt.job_id) == {State.INDEXED: 2, State.CLAIMED: 2}
    catalog.publications.commit(catalog.fit(halves[1], second))
    catalog.claims.close(claim.id, RECORD)
    assert catalog.states(receipt.job_id) == {State.INDEXED: 4}


def test_a_merge_makes_a_version_of_the_same_documents(
    catalog: Catalog, collection: Collection
) -> None:
    for name in ("a", "b"):
        catalog.submit(put(name))
        catalog.index_all()
    attempt = catalog.publications.register(collection.id, vectors=0, claim_id=None, worker="u")
    head, _ = catalog.publications.base(collection.id, [])
    old = catalog.manifests[head.manifest_sha256]
    merged = replace(old.segments[0], id="merged", rows=2)
    manifest = replace(
        old, version=3, kind=VersionKind.MERGE, attempt_id=attempt.id, segments=(merged,)
    )

    catalog.publications.commit(
        Commit(
            attempt=attempt,
            parent=head,
            manifest=manifest,
            manifest_file="m",
            manifest_sha256="m",
            new_segments=(merged,),
        )
    )

    newest = catalog.records.versions("c", limit=1)[0]
    assert (newest.kind, newest.documents, newest.vectors, newest.segments) == (
        VersionKind.MERGE,
        2,
        2,
        1,
    )


def test_a_manifest_of_the_wrong_version_is_a_mistake_of_the_program(
    catalog: Catalog, collection: Collection
) -> None:
    attempt = catalog.publications.register(collection.id, vectors=0, claim_id=None, worker="u")
    head = catalog.head(collection)
    manifest = Manifest(
        collection_id=collection.id,
        version=5,
        space_id=collection.space.id,
        dimension=4,
        metric=Metric.COSINE,
        kind=VersionKind.MERGE,
        attempt_id=attempt.id,
        parent_sha256=None,
    )
    with pytest.raises(ValueError, match="version 5"):
        catalog.publications.commit(Commit(attempt=attempt, parent=head, manifest=manifest))
    assert catalog.head(collection) == head
