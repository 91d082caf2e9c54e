"""The rules of the protocol, each with an edit that breaks it and the test that must notice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One rule, broken."""

    name: str
    rule: str
    """What the unbroken source promises."""
    path: str
    before: str
    """Occurs exactly once in the file."""
    after: str
    test: str
    """A pytest address that guards the rule."""
    assertion: str
    """A regular expression that a line of the failed assertion must match."""


_CONTRACT = "tests/contract/test_catalog_"
_CUTS = (
    "tests/faults/test_power_cuts.py"
    "::test_whenever_the_power_fails_what_was_acknowledged_is_there[begin]"
)
_GARBAGE_RACES = "tests/integration/test_garbage_races.py"
_KILLS = "tests/faults/test_kills.py"
_MESSAGES = "tests/faults/test_message_faults.py"
_MERGING = "tests/integration/test_merging.py"

_PUBLISHING = (
    Mutant(
        name="no-compare-and-swap",
        rule="a version is published only on the head that it was made for",
        path="shared/catalog/publishing/committing.py",
        before="""\
            HeadRow.version == parent.version,
            HeadRow.manifest_sha256 == parent.manifest_sha256,
""",
        after="",
        test=f"{_CONTRACT}publications.py"
        "::test_of_two_commits_on_one_head_the_second_conflicts_and_writes_nothing[sqlite]",
        assertion=r"\[no-lost-commit\] a commit on a head that has moved",
    ),
    Mutant(
        name="no-sha-in-the-swap",
        rule="the head is compared by its checksum, too",
        path="shared/catalog/publishing/committing.py",
        before="            HeadRow.manifest_sha256 == parent.manifest_sha256,\n",
        after="",
        test=f"{_CONTRACT}publications.py::test_the_head_is_compared_by_its_checksum_too[sqlite]",
        assertion=r"\[no-lost-commit\] a commit on a head that was rewritten",
    ),
    Mutant(
        name="no-compare-without-manifest",
        rule="outcomes that change nothing are recorded only on the head they were decided on",
        path="shared/catalog/publishing/committing.py",
        before="if (held.version, held.manifest_sha256) != "
        "(parent.version, parent.manifest_sha256):",
        after="if held.version < 0:",
        test=f"{_CONTRACT}publications.py"
        "::test_outcomes_decided_on_an_old_head_conflict_even_without_a_manifest[sqlite]",
        assertion=r"\[no-lost-commit\] outcomes decided on an old head",
    ),
    Mutant(
        name="no-attempt-fence",
        rule="an attempt that was revoked publishes nothing",
        path="shared/catalog/publishing/committing.py",
        before="            AttemptRow.state == ACTIVE,\n",
        after="",
        test=f"{_GARBAGE_RACES}"
        "::test_a_merge_that_stood_still_for_hours_is_fenced_off_and_cannot_publish[sqlite]",
        assertion=r"\[fence\] a merge whose files were taken for garbage",
    ),
    Mutant(
        name="no-claim-fence",
        rule="a claim that was taken away publishes nothing",
        path="shared/catalog/publishing/committing.py",
        before="    _fence_claim(tx, commit)\n",
        after="",
        test=f"{_CONTRACT}publications.py"
        "::test_an_attempt_registered_for_a_lost_claim_cannot_commit[sqlite]",
        assertion=r"\[fence\] a commit under a claim that was taken away",
    ),
    Mutant(
        name="no-revision-fence",
        rule="only who holds a revision settles it",
        path="shared/catalog/publishing/settling.py",
        before="        if written != len(ids):\n",
        after="        if written > len(ids):\n",
        test=f"{_CONTRACT}publications.py"
        "::test_a_commit_under_a_new_claim_does_not_pass_with_the_old_one[sqlite]",
        assertion=r"\[fence\] a commit of revisions that it does not hold",
    ),
    Mutant(
        name="no-order",
        rule="an older revision is never published over a newer one",
        path="shared/catalog/publishing/settling.py",
        before="        if settles and row is not None and row.settled_id > one.revision.id:\n",
        after="        if settles and row is not None and row.settled_id < 0:\n",
        test=f"{_CONTRACT}publications.py"
        "::test_a_newer_revision_found_unchanged_also_bars_older_ones[sqlite]",
        assertion=r"\[order\] an older revision behind one found unchanged",
    ),
    Mutant(
        name="key-not-stored",
        rule="an idempotency key is stored with the revisions it stands for",
        path="shared/catalog/inbox/accepting.py",
        before="    if submission.key is None:\n",
        after="    if submission.key is not None:\n",
        test=f"{_CONTRACT}inbox.py"
        "::test_the_same_key_with_the_same_content_gets_the_first_receipt_again[sqlite]",
        assertion=r"\[once\] a key that was seen before made another job",
    ),
    Mutant(
        name="commit-not-synced",
        rule="a commit of the catalog survives a power cut",
        path="shared/catalog/engine/database.py",
        before='"synchronous = FULL"',
        after='"synchronous = NORMAL"',
        test=f"{_CONTRACT}schema.py"
        "::test_sqlite_syncs_each_commit_keeps_a_log_and_checks_references",
        assertion=r"\[durable-commit\]",
    ),
    Mutant(
        name="lost-reply-is-failure",
        rule="a COMMIT whose reply was lost may have happened",
        path="shared/indexing/publishing.py",
        before="        try:\n            return publications.outcome(attempt.id)\n",
        after="        try:\n            return None\n",
        test="tests/faults/test_writers.py"
        "::test_documents_whose_commit_reply_was_lost_are_published_once[sqlite-committed]",
        assertion=r"\[unknown\]",
    ),
    Mutant(
        name="lost-reply-is-success",
        rule="a COMMIT whose reply was lost may not have happened",
        path="shared/indexing/publishing.py",
        before="            if found := _ask_outcome(publications, attempt):\n",
        after="            if found := _ask_outcome(publications, attempt) or commit.parent:\n",
        test="tests/faults/test_writers.py"
        "::test_documents_whose_commit_reply_was_lost_are_published_once[sqlite-not committed]",
        assertion=r"\[unknown\]",
    ),
)

_QUEUE = (
    Mutant(
        name="forgotten-before-commit",
        rule="a message leaves Redis after the catalog has committed it",
        path="workers/intake/delivery.py",
        before="        answers = self._commit(new)\n",
        after="        self.source.done(messages)\n        answers = self._commit(new)\n",
        test=f"{_MESSAGES}::test_messages_whose_commit_failed_are_still_the_broker_s[redis+sqlite]",
        assertion=r"\[ack-after-commit\]",
    ),
    Mutant(
        name="acknowledged-before-commit",
        rule="a message is acknowledged to RabbitMQ after the catalog has committed it",
        path="workers/intake/delivery.py",
        before="        answers = self._commit(new)\n",
        after="        self.source.done(messages)\n        answers = self._commit(new)\n",
        test=f"{_MESSAGES}"
        "::test_messages_whose_commit_failed_are_still_the_broker_s[rabbitmq+postgresql]",
        assertion=r"\[ack-after-commit\]",
    ),
    Mutant(
        name="receipt-not-kept",
        rule="a message that is read again has the key that it was stored with",
        path="workers/intake/delivery.py",
        before="        return parse(message.raw, self.limits, source=self.queue,"
        " receipt=_key(message))\n",
        after="        return parse(message.raw, self.limits, source=self.queue,"
        " receipt=str(id(message)))\n",
        test=f"{_MESSAGES}"
        "::test_a_broker_killed_after_the_commit_has_its_messages_recognised[redis+sqlite]",
        assertion=r"\[once\]",
    ),
    Mutant(
        name="lease-not-looked-at",
        rule="a claim is taken away only when its lease has run out",
        path="shared/catalog/queue/claims.py",
        before="_ACTIVE.where(ClaimRow.lease_until < db_now()).with_for_update(skip_locked=True)",
        after="_ACTIVE.with_for_update(skip_locked=True)",
        test=f"{_KILLS}::test_a_worker_that_renews_its_lease_is_left_alone[sqlite]",
        assertion=r"\[lease\] a claim was taken from a worker that lives",
    ),
    Mutant(
        name="lease-not-extended",
        rule="to renew a lease is to extend it",
        path="shared/catalog/queue/claims.py",
        before="            .values(lease_until=db_now() + literal(lease_seconds))\n",
        after="            .values(lease_until=ClaimRow.lease_until)\n",
        test=f"{_KILLS}::test_a_worker_that_renews_its_lease_is_left_alone[sqlite]",
        assertion=r"\[lease\] a claim was taken from a worker that lives",
    ),
    Mutant(
        name="renewed-though-lost",
        rule="a claim that was taken away cannot be renewed",
        path="shared/catalog/queue/claims.py",
        before="        if not self._database.run(lambda tx: tx.execute(extend).rowcount):\n",
        after="        if self._database.run(lambda tx: tx.execute(extend).rowcount) < 0:\n",
        test=f"{_KILLS}"
        "::test_a_worker_whose_claim_was_taken_away_is_told_so_when_it_renews[sqlite]",
        assertion=r"\[lease\] a claim that was taken away was renewed",
    ),
    Mutant(
        name="lost-claim-is-nobodys",
        rule="a claim whose COMMIT lost its reply is found again by who took it",
        path="shared/catalog/queue/claims.py",
        before="            if claim is None or self._is_active(claim.id):\n",
        after="            if claim is None:\n",
        test="tests/faults/test_lost_commits.py"
        "::test_a_claim_whose_worker_was_not_told_is_its_own_or_nobody_s[committed]",
        assertion=r"\[unknown\] a claim that was taken is nobody's",
    ),
)

_FILES = (
    Mutant(
        name="no-fsync-of-files",
        rule="a file is on disk before a version names it",
        path="shared/index/drafts.py",
        before="        self._disk.sync(self._descriptor)\n",
        after="        self._size += 0\n",
        test=_CUTS,
        assertion=r"\[power-cut\] a file is damaged",
    ),
    Mutant(
        name="no-fsync-of-folders",
        rule="a file's name is on disk before a version names it",
        path="shared/index/disk.py",
        before="            self.sync(descriptor)\n",
        after="            os.fstat(descriptor)\n",
        test=_CUTS,
        assertion=r"\[power-cut\] a file is damaged",
    ),
    Mutant(
        name="no-fsync-at-all",
        rule="what is called synced is synced",
        path="shared/index/disk.py",
        before="            os.fsync(descriptor)\n",
        after="            os.fstat(descriptor)\n",
        test=_CUTS,
        assertion=r"\[power-cut\] a file is damaged",
    ),
    Mutant(
        name="parents-not-synced",
        rule="a folder's own name is on disk before a version names what is in it",
        path="shared/index/local.py",
        before="            self._disk.sync_folder(folder.parent)\n",
        after="",
        test=_CUTS,
        assertion=r"\[power-cut\] a file is damaged",
    ),
    Mutant(
        name="error-passed-over",
        rule="an error of the last fsync is an error of the write",
        path="shared/index/local.py",
        before="            self._disk.sync_folder(final.parent)\n",
        after="            with suppress(OSError):\n"
        "                self._disk.sync_folder(final.parent)\n",
        test="tests/faults/test_disk_faults.py"
        "::test_an_error_at_any_step_loses_nothing_and_the_work_is_done_later[turn_back]",
        assertion=r"\[disk-fault\] an error was passed over",
    ),
    Mutant(
        name="no-checksum",
        rule="a file is read only if its checksum is right",
        path="shared/index/files.py",
        before="    if found.sha256 != wanted.sha256:\n",
        after="    if not found.sha256:\n",
        test="tests/faults/test_damage.py"
        "::test_whatever_is_harmed_is_found_never_served_and_repaired[data.faiss-flipped]",
        assertion=r"\[damage\] data.faiss, flipped, was served",
    ),
    Mutant(
        name="no-format-check",
        rule="files of a newer format are refused",
        path="shared/index/formats.py",
        before="    if number > FORMAT:\n",
        after="    if number < 1:\n",
        test="tests/unit/index/test_format.py"
        "::test_a_segment_of_a_newer_format_is_refused_with_words[segment.json]",
        assertion=r"\[format\] a segment of a newer format was read",
    ),
    Mutant(
        name="deletes-not-cumulative",
        rule="a delete set holds what was dead before, too",
        path="shared/index/store.py",
        before="        dead = np.union1d(before, positions.astype(np.uint32))\n",
        after="        dead = positions.astype(np.uint32)\n",
        test="tests/contract/test_index_store.py::test_deletes_add_up[folder]",
        assertion=r"\[deletes\] those of before are alive again",
    ),
    Mutant(
        name="dead-found-by-ann",
        rule="approximate search never finds what is deleted",
        path="shared/index/approximate.py",
        before="        selector = self._selection.selector if self._selection else None\n",
        after="        selector = None\n",
        test="tests/unit/index/test_approximate.py::test_deletes_never_cost_a_hit[hnsw-0.2]",
        assertion=r"\[deletes\] dead vectors are found",
    ),
    Mutant(
        name="under-the-target",
        rule="a layout that misses the recall target is never written",
        path="shared/index/tuning.py",
        before="    reached = [(first, effort)] if recall >= target else []\n",
        after="    reached = [(first, effort)]\n",
        test="tests/unit/index/test_approximate.py"
        "::test_what_misses_the_target_is_not_written_and_flat_is_right",
        assertion=r"\[recall\] less than the target was written",
    ),
    Mutant(
        name="ties-as-they-come",
        rule="equal scores are in the order of ids, even where k cuts",
        path="shared/index/flat.py",
        before="            if count == self.live or (scores[:, k - 1] != scores[:, -1]).all():\n",
        after="            if count <= self.live:\n",
        test="tests/contract/test_index_store.py"
        "::test_ties_go_by_id_whatever_the_order_of_segments_and_of_better_ones"
        "[folder-600-cosine]",
        assertion=r"\[top-k\] equals are not in the order of ids",
    ),
)

_UPKEEP = (
    Mutant(
        name="no-late-deletes",
        rule="what was deleted during a merge stays deleted",
        path="shared/upkeep/merging.py",
        before="store.with_deleted(draft, attempt, late) if late.size else draft",
        after="draft",
        test=f"{_MERGING}::test_deletes_that_come_during_a_merge_are_not_undone[sqlite]",
        assertion=r"\[late-deletes\]",
    ),
    Mutant(
        name="merge-over-restore",
        rule="what a restore brought back during a merge stays",
        path="shared/upkeep/rebasing.py",
        before="    if np.setdiff1d(has, had).size:\n",
        after="    if not had.size > -1:\n",
        test=f"{_MERGING}::test_a_restore_meanwhile_is_not_undone[sqlite]",
        assertion=r"\[restored\] a merge went over a restore",
    ),
    Mutant(
        name="merged-twice",
        rule="of two merges of the same segments one gives up",
        path="shared/upkeep/rebasing.py",
        before="        if np.isin(late, store.live_ids(base.collection_id, others)).any():\n",
        after="        if not others and late.size < 0:\n",
        test=f"{_MERGING}::test_of_two_merges_of_the_same_segments_one_gives_up[sqlite]",
        assertion=r"\[merged-once\]",
    ),
    Mutant(
        name="leased-expires",
        rule="a leased version does not expire",
        path="shared/catalog/publishing/versions.py",
        before="    return head.union_all(tagged, _leased(collection_id))\n",
        after="    return head.union_all(tagged)\n",
        test=f"{_CONTRACT}versions.py"
        "::test_the_head_tagged_and_leased_versions_and_version_0_stay[sqlite]",
        assertion=r"\[kept-leased\]",
    ),
    Mutant(
        name="tagged-expires",
        rule="a tagged version does not expire",
        path="shared/catalog/publishing/versions.py",
        before="    return head.union_all(tagged, _leased(collection_id))\n",
        after="    return head.union_all(_leased(collection_id))\n",
        test=f"{_CONTRACT}versions.py"
        "::test_the_head_tagged_and_leased_versions_and_version_0_stay[sqlite]",
        assertion=r"\[kept-tagged\]",
    ),
    Mutant(
        name="head-expires",
        rule="the head does not expire",
        path="shared/catalog/publishing/versions.py",
        before="    return head.union_all(tagged, _leased(collection_id))\n",
        after="    return tagged.union_all(_leased(collection_id))\n",
        test=f"{_CONTRACT}versions.py"
        "::test_the_head_tagged_and_leased_versions_and_version_0_stay[sqlite]",
        assertion=r"\[kept-head\]",
    ),
    Mutant(
        name="no-grace",
        rule="the files of a version that has just expired stay for its readers",
        path="shared/upkeep/remains.py",
        before="now - version.expired_at >= keeper.grace_seconds",
        after="now - version.expired_at >= 0 * keeper.grace_seconds",
        test="tests/integration/test_garbage.py"
        "::test_the_files_of_an_expired_version_stay_for_the_grace[sqlite]",
        assertion=r"\[grace\]",
    ),
    Mutant(
        name="no-revoke",
        rule="a writer is fenced off before its files are taken for garbage",
        path="shared/upkeep/garbage.py",
        before="        if keeper.shift.versions.revoke(attempt_id):\n",
        after="        if attempt_id:\n",
        test=f"{_GARBAGE_RACES}"
        "::test_a_merge_that_stood_still_for_hours_is_fenced_off_and_cannot_publish[sqlite]",
        assertion=r"\[fence\] a merge whose files were taken for garbage",
    ),
    Mutant(
        name="parts-not-compared",
        rule="a rebuild is swapped in only with the segments that it has by then",
        path="shared/catalog/rebuilds/swap.py",
        before="parts != set(completion.parts):",
        after="False:",
        test="tests/integration/test_rebuilding.py"
        "::test_parts_that_are_merged_while_the_swap_is_prepared_make_it_begin_again",
        assertion=r"\[kept-files\] the new version lists files that are gone",
    ),
    Mutant(
        name="parts-are-garbage",
        rule="garbage collection leaves what a rebuild has made so far",
        path="shared/upkeep/remains.py",
        before="    parts = keeper.renditions.parts(collection.id)\n",
        after="    parts: tuple[()] = ()\n",
        test="tests/integration/test_rebuilding.py"
        "::test_garbage_collection_leaves_a_rebuild_alone_and_clears_the_old_space_at_last[sqlite]",
        assertion=r"\[kept-files\] parts are gone",
    ),
    Mutant(
        name="versions-read-first",
        rule="garbage collection reads attempts before versions",
        path="shared/upkeep/remains.py",
        before="""\
    standings = _standings(keeper, entries)
    damages = keeper.shift.chores.damages(collection.id)
    parts = keeper.renditions.parts(collection.id)
    kept = keeper.shift.versions.kept(collection.id)
""",
        after="""\
    kept = keeper.shift.versions.kept(collection.id)
    standings = _standings(keeper, entries)
    damages = keeper.shift.chores.damages(collection.id)
    parts = keeper.renditions.parts(collection.id)
""",
        test=f"{_GARBAGE_RACES}"
        "::test_a_merge_taken_for_dead_that_publishes_before_it_is_fenced_off_is_no_garbage"
        "[sqlite]",
        assertion=r"\[kept-files\]",
    ),
)

_OLD_VERSIONS = (
    Mutant(
        name="expired-restored",
        rule="a version that expired is not restored",
        path="shared/catalog/publishing/lifetimes.py",
        before='    if row.state != "live":\n',
        after='    if row.state == "none":\n',
        test=f"{_CONTRACT}restoring.py"
        "::test_what_was_let_go_never_was_or_was_rewritten_cannot_be_restored[sqlite]",
        assertion=r"\[restored\] a version that expired",
    ),
    Mutant(
        name="rewritten-restored",
        rule="a version is restored as it is, not as it was before a purge",
        path="shared/catalog/publishing/committing.py",
        before="    if held.manifest_sha256 != commit.restored_sha256:\n",
        after="    if not held.manifest_sha256:\n",
        test=f"{_CONTRACT}restoring.py"
        "::test_what_was_let_go_never_was_or_was_rewritten_cannot_be_restored[sqlite]",
        assertion=r"\[restored\] a version that was rewritten since it was read",
    ),
    Mutant(
        name="nothing-withdrawn",
        rule="a restore withdraws what came later",
        path="shared/catalog/publishing/restoring.py",
        before="    tx.execute(_WITHDRAW, wanted)\n",
        after="",
        test=f"{_CONTRACT}restoring.py"
        "::test_later_revisions_are_withdrawn_and_come_back_with_their_version[sqlite]",
        assertion=r"\[withdrawn\]",
    ),
    Mutant(
        name="rewrite-compares-nothing",
        rule="versions are rewritten only as they were read, and all of them",
        path="shared/catalog/publishing/rewriting.py",
        before="    if read != kept:\n",
        after="    if not read:\n",
        test=f"{_CONTRACT}rewriting.py"
        "::test_whatever_happened_meanwhile_is_a_conflict_and_nothing_is_written[sqlite]",
        assertion=r"\[rewritten\] a version was published meanwhile",
    ),
    Mutant(
        name="purge-leaves-text",
        rule="a purge erases the text of every revision",
        path="shared/catalog/publishing/purging.py",
        before="    tx.execute(update(RevisionRow)"
        ".where(RevisionRow.document_id == document_id).values(**_EMPTY))\n",
        after="",
        test=f"{_CONTRACT}rewriting.py"
        "::test_a_purge_leaves_nothing_of_a_document_in_any_version[sqlite]",
        assertion=r"\[purged\] its text is there",
    ),
    Mutant(
        name="purge-leaves-chunks",
        rule="a purge erases the chunks of every revision",
        path="shared/catalog/publishing/purging.py",
        before="    tx.execute(delete(ChunkRow).where(ChunkRow.revision_id.in_(revisions)))\n",
        after="",
        test=f"{_CONTRACT}rewriting.py"
        "::test_a_purge_leaves_nothing_of_a_document_in_any_version[sqlite]",
        assertion=r"\[purged\] its chunks are there",
    ),
    Mutant(
        name="purge-spares-merges",
        rule="a purge ends merges that may have copied the document",
        path="shared/catalog/publishing/purging.py",
        before="    _revoke_others(tx, attempt)\n",
        after="",
        test="tests/integration/test_purge.py"
        "::test_a_merge_that_copied_it_meanwhile_is_fenced_off[sqlite]",
        assertion=r"\[fence\] a merge that copied what was purged",
    ),
)

_CLAIMING = (
    Mutant(
        name="no-halves",
        rule="suspects are claimed in halves",
        path="shared/catalog/queue/blaming.py",
        before="        suspects=(len(held) + 1) // 2,\n",
        after="        suspects=len(held),\n",
        test=f"{_CONTRACT}suspects.py"
        "::test_a_guilty_document_is_found_by_halves_and_only_it_fails[sqlite]",
        assertion=r"\[suspects\] the work never ends",
    ),
    Mutant(
        name="crowd-charged",
        rule="only a document that was alone is charged with the end of its worker",
        path="shared/catalog/queue/blaming.py",
        before="    if alone and len(held) == 1:\n",
        after="    if held:\n",
        test=f"{_CONTRACT}suspects.py::test_a_crowd_is_never_charged[sqlite]",
        assertion=r"\[surely-alone\] two in one claim",
    ),
    Mutant(
        name="charged-within-another",
        rule="a document is not alone if its worker held another claim",
        path="shared/catalog/queue/blaming.py",
        before="    if claim.documents != 1 or claim.within is not None:\n",
        after="    if claim.documents != 1:\n",
        test=f"{_CONTRACT}suspects.py"
        "::test_of_two_claims_that_one_worker_held_none_is_charged[sqlite-reap_dead]",
        assertion=r"\[surely-alone\] its worker held another claim",
    ),
    Mutant(
        name="suspects-first",
        rule="after a claim of suspects, others of the lane have their turn",
        path="shared/catalog/queue/claiming.py",
        before='    if not busy and tx.scalar(_LAST_CLOSED_BY) != "suspect":\n',
        after="    if not busy:\n",
        test=f"{_CONTRACT}suspects.py"
        "::test_others_never_share_a_claim_with_suspects_and_neither_waits_long_for_the_other"
        "[sqlite]",
        assertion=r"\[suspects\] one claim of suspects, one of others",
    ),
    Mutant(
        name="no-turns",
        rule="what another producer sends does not wait for a backlog",
        path="shared/catalog/queue/claiming.py",
        before="    .order_by(RevisionRow.lane, RevisionRow.turn, RevisionRow.id)\n",
        after="    .order_by(RevisionRow.lane, RevisionRow.id)\n",
        test=f"{_CONTRACT}fairness.py"
        "::test_what_another_producer_sends_is_in_the_very_next_claim_however_many_wait"
        "[sqlite-2-400]",
        assertion=r"\[fair\] one document waited for 400",
    ),
    Mutant(
        name="no-virtual-time",
        rule="a producer that was idle gets no credit",
        path="shared/catalog/queue/flows.py",
        before=".values(finish=_VIRTUAL + _cost)",
        after=".values(finish=_cost)",
        test=f"{_CONTRACT}fairness.py::test_a_producer_that_was_idle_gets_no_credit[sqlite]",
        assertion=r"\[fair\] the idle one is served for its past",
    ),
    Mutant(
        name="cancelled-version-counts",
        rule="an external version that was cancelled can be sent again",
        path="shared/catalog/inbox/cancelling.py",
        before='        tx.execute(_TURN_BACK_EXTERNAL_VERSIONS, {"ids": page, "job": job_id})\n',
        after="        assert page\n",
        test=f"{_CONTRACT}cancel.py"
        "::test_the_same_external_version_is_not_ignored_when_it_is_sent_again[sqlite]",
        assertion=r"\[cancelled\] its external version still counts",
    ),
)

_DEAD_LETTERS = (
    Mutant(
        name="replay-not-remembered",
        rule="a message that was replayed is remembered in the transaction that accepts it",
        path="shared/catalog/dead_letters/dead_letters.py",
        before='    tx.execute(_REPLAYED, {"one": name.number, "job": receipt.job_id})\n',
        after="",
        test=f"{_CONTRACT}dead_letters.py::test_a_message_replayed_again_is_left_alone[sqlite]",
        assertion=r"\[once\] a message that was replayed was accepted again",
    ),
    Mutant(
        name="replay-over-newer",
        rule="a failed document that a newer revision overtook is not indexed when it is replayed",
        path="shared/catalog/inbox/reviving.py",
        before="    if row.overtaken:\n",
        after="    if row.overtaken is None:\n",
        test=f"{_CONTRACT}dead_letters.py"
        "::test_a_document_that_a_newer_revision_overtook_is_superseded[sqlite-waiting]",
        assertion=r"\[order\] an older revision came back",
    ),
)

MUTANTS: tuple[Mutant, ...] = (
    *_PUBLISHING,
    *_QUEUE,
    *_FILES,
    *_UPKEEP,
    *_OLD_VERSIONS,
    *_CLAIMING,
    *_DEAD_LETTERS,
)
