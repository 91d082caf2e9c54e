"""The thirty faults that Lamina is tested against: how each is made, what must hold, the proof.

`./run faults` runs the tests named here, `python -m tests.faults` prints the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    number: int
    name: str
    injected: str
    """How it is made to happen."""
    promise: str
    """What must hold whenever it does."""
    proofs: Mapping[str, tuple[str, ...]]
    """Tests that prove it, with all their parameters, by their module in `tests/`."""

    @property
    def tests(self) -> tuple[str, ...]:
        """Addresses of the proofs for pytest."""
        return tuple(
            f"tests/{module}::{name}" for module, names in self.proofs.items() for name in names
        )


_PROCESSES = (
    Fault(
        1,
        "processes are killed at random",
        "SIGKILL to web, intake, index and upkeep while three producers submit",
        "the ledger: all that was acknowledged is indexed, once",
        {
            "faults/test_storm.py": (
                "test_whatever_is_killed_each_acknowledged_document_is_indexed_exactly_once",
            ),
            "integration/test_intake_process.py": (
                "test_kills_at_random_moments_neither_lose_nor_double",
            ),
        },
    ),
    Fault(
        2,
        "an index worker is killed at each step",
        "LAMINA_FAIL_AT: SIGKILL at every named point of claiming, encoding, publishing, merging",
        "nothing is lost or twice; what it left is removed",
        {
            "faults/test_crash_points.py": (
                "test_whoever_dies_there_nothing_is_lost_and_nothing_is_twice",
                "test_whoever_dies_while_laying_out_has_done_it_all_or_left_it",
            ),
            "faults/test_garbage_crashes.py": (
                "test_whoever_dies_there_the_next_run_ends_the_job",
            ),
            "contract/test_catalog_crashes.py": (
                "test_a_publisher_killed_inside_its_transaction_leaves_nothing_half",
            ),
        },
    ),
    Fault(
        3,
        "an intake is killed at each step",
        "SIGKILL after messages were moved, and after they were committed",
        "0 lost, 0 doubled, on Redis and on RabbitMQ",
        {
            "integration/test_intake_process.py": (
                "test_a_kill_at_any_point_neither_loses_nor_doubles",
            ),
            "integration/test_amqp_processes.py": (
                "test_a_kill_at_any_point_neither_loses_nor_doubles",
                "test_two_intakes_of_which_one_is_killed_lose_and_double_nothing",
            ),
            "integration/test_intake.py": (
                "test_the_messages_of_a_dead_intake_are_taken_over_with_their_receipts",
            ),
        },
    ),
    Fault(
        4,
        "a web process is killed while it accepts",
        "SIGKILL inside the transaction and between commit and answer; the client asks again",
        "one document for one key",
        {
            "faults/test_kills.py": (
                "test_whoever_dies_while_it_accepts_the_same_key_again_makes_one_document",
                "test_a_web_process_killed_before_it_answers_accepts_the_same_key_once",
            ),
            "integration/test_web_process.py": (
                "test_a_worker_killed_after_the_commit_loses_nothing_and_is_replaced",
            ),
        },
    ),
    Fault(
        13,
        "a lease runs out under a worker that lives",
        "SIGSTOP for longer than the lease, then SIGCONT",
        "its late commit is refused, nothing is doubled; who renews is left alone",
        {
            "faults/test_kills.py": (
                "test_a_worker_that_stood_still_past_its_lease_publishes_nothing",
                "test_a_worker_that_renews_its_lease_is_left_alone",
                "test_a_worker_whose_claim_was_taken_away_is_told_so_when_it_renews",
            ),
            "faults/test_writers.py": (
                "test_a_writer_past_its_fence_changes_nothing",
                "test_a_process_that_stood_still_past_its_fence_changes_nothing",
            ),
        },
    ),
    Fault(
        14,
        "the clock jumps",
        "the catalog's clock is put ahead and back",
        "no lease of the living ends early, and none of the dead is waited for long",
        {
            "faults/test_clock_jumps.py": (
                "test_a_clock_put_forward_takes_no_claim_from_the_living",
                "test_a_dead_ones_claim_does_not_wait_for_a_clock_that_was_put_back",
                "test_real_processes_index_everything_once_over_a_jump",
            ),
            "contract/test_catalog_claims.py": (
                "test_the_lease_is_measured_by_the_clock_of_the_catalog",
            ),
        },
    ),
    Fault(
        21,
        "two of each kind of upkeep at once",
        "three merge, lay out, collect, scrub and reap in the same collection",
        "what one would do, done once",
        {
            "faults/test_kills.py": ("test_two_upkeeps_at_once_do_what_one_does",),
            "contract/test_catalog_races.py": (
                "test_of_two_that_begin_a_chore_at_once_one_gets_it",
            ),
            "integration/test_merging.py": (
                "test_of_two_merges_of_the_same_segments_one_gives_up",
            ),
        },
    ),
    Fault(
        22,
        "processes are told to stop",
        "SIGTERM and SIGINT, once and twice, idle and at work",
        "they end within their bound and hold no claim after it",
        {
            "integration/test_worker_endings.py": (
                "test_an_idle_worker_ends_at_once_whatever_signal_tells_it_and_how_often",
                "test_in_the_midst_of_a_claim_the_rest_is_given_back_at_once_and_counts_as_no_crash",
                "test_one_that_cannot_end_gives_back_what_it_holds_and_is_gone",
                "test_while_the_broker_is_away_it_ends_all_the_same",
            ),
            "integration/test_start_stop.py": (
                "test_a_stop_ends_everything_and_a_second_start_finds_all_again",
                "test_a_second_interrupt_ends_everything_at_once",
            ),
            "integration/test_upkeep_process.py": (
                "test_claims_are_given_back_while_it_merges_and_a_stop_ends_that",
            ),
            "integration/test_indexing.py": (
                "test_a_worker_that_shall_stop_gives_back_what_it_has_not_encoded",
            ),
            "contract/test_catalog_claims.py": (
                "test_a_worker_that_must_stop_gives_up_all_it_holds_and_no_document_is_blamed",
            ),
        },
    ),
    Fault(
        23,
        "a model is loaded before a fork",
        "a worker that indexes is looked at; what importing loads is looked at",
        "nothing forks after the model is loaded, and nothing loads it before a fork",
        {
            "faults/test_outages.py": ("test_an_index_worker_outlives_whatever_happens_to_redis",),
            "integration/test_web_process.py": (
                "test_gunicorn_loads_nothing_before_the_fork_and_listens_where_it_is_told",
            ),
            "unit/encoder/test_store.py": ("test_importing_the_package_loads_no_torch",),
        },
    ),
    Fault(
        24,
        "old and new processes at once",
        "the code before on the new schema; catalogs that are older or newer than a program",
        "they work together, or one refuses in words",
        {
            "contract/test_catalog_upgrades.py": (
                "test_the_code_before_still_accepts_claims_and_gives_back_on_the_new_schema",
                "test_what_the_code_before_holds_is_reaped_by_the_new",
                "test_a_newer_catalog_that_this_program_cannot_work_with_is_refused",
            ),
            "integration/test_worker_endings.py": (
                "test_a_worker_ends_by_itself_when_a_newer_lamina_takes_the_catalog_over",
            ),
            "contract/test_catalog_schema.py": (
                "test_a_catalog_of_the_first_release_is_upgraded_with_what_is_in_it",
            ),
            "contract/test_catalog_fairness.py": ("test_rows_of_the_code_before_come_first",),
            "contract/test_catalog_suspects.py": (
                "test_what_a_process_of_the_code_before_gave_back_is_claimed_with_others",
            ),
        },
    ),
)

_BROKERS = (
    Fault(
        5,
        "Redis is killed and started again",
        "SIGKILL to the server: idle, under a worker at work, and with messages in flight",
        "the workers live and go on; no message is lost or doubled",
        {
            "faults/test_outages.py": ("test_an_index_worker_outlives_whatever_happens_to_redis",),
            "faults/test_message_faults.py": (
                "test_a_broker_killed_after_the_commit_has_its_messages_recognised",
                "test_a_broker_killed_before_the_commit_has_its_messages_taken_once",
            ),
            "integration/test_intake_process.py": ("test_the_intake_outlives_its_broker",),
            "integration/test_index_process.py": (
                "test_a_bell_wakes_it_also_after_the_broker_was_killed",
            ),
            "integration/test_bell.py": (
                "test_an_outage_is_said_once_and_the_bell_is_heard_again_after_it",
            ),
        },
    ),
    Fault(
        6,
        "a broker stands still, or the network does",
        "SIGSTOP to the server; a relay that hands nothing on (half-open), then resets",
        "ringing costs the caller nothing, accepting works, the intake goes on after it",
        {
            "faults/test_message_faults.py": (
                "test_a_connection_that_is_half_open_is_noticed_and_nothing_is_lost_or_doubled",
            ),
            "faults/test_outages.py": (
                "test_without_a_broker_documents_are_accepted_at_once_and_indexed",
                "test_an_index_worker_outlives_whatever_happens_to_redis",
            ),
            "integration/test_bell.py": (
                "test_ringing_and_closing_take_no_time_while_the_broker_is_stalled",
            ),
            "integration/test_amqp_bell.py": (
                "test_ringing_and_closing_take_no_time_while_the_broker_is_stalled",
            ),
            "integration/test_amqp_intake.py": (
                "test_a_broker_that_is_away_or_stalled_is_a_fault_that_may_go_away",
            ),
        },
    ),
    Fault(
        7,
        "everything in Redis is flushed",
        "FLUSHALL under a worker that works",
        "what was accepted is indexed: bells are no documents",
        {
            "faults/test_outages.py": ("test_an_index_worker_outlives_whatever_happens_to_redis",),
        },
    ),
    Fault(
        8,
        "no broker from the start",
        "an address where nobody listens, and one that never answers",
        "documents are accepted at once, and found by looking",
        {
            "faults/test_outages.py": (
                "test_without_a_broker_documents_are_accepted_at_once_and_indexed",
            ),
            "integration/test_index_process.py": ("test_without_a_broker_it_indexes_by_looking",),
            "integration/test_bell.py": ("test_without_a_broker_ringing_does_nothing",),
        },
    ),
    Fault(
        9,
        "RabbitMQ is killed and started again",
        "SIGKILL to all of its processes, under a worker and with messages in flight",
        "the worker hears bells again; no message is lost or doubled",
        {
            "faults/test_message_faults.py": (
                "test_a_broker_killed_after_the_commit_has_its_messages_recognised",
            ),
            "integration/test_amqp_bell.py": (
                "test_a_worker_hears_the_bell_also_after_the_broker_was_killed",
            ),
            "integration/test_amqp_processes.py": (
                "test_a_broker_that_is_killed_with_messages_in_flight_loses_and_doubles_none",
            ),
        },
    ),
)

_DATABASES = (
    Fault(
        10,
        "PostgreSQL hangs up, rolls back or dies",
        "57P01, 40001, 40P01 at every statement; SIGKILL to the server in the middle of a turn",
        "it is tried again, and nothing is there by half",
        {
            "faults/test_database_faults.py": (
                "test_a_fault_at_any_statement_of_accepting_is_got_over_with_the_key",
                "test_a_fault_at_any_statement_of_a_turn_loses_and_doubles_nothing",
                "test_a_server_killed_in_the_middle_of_a_turn_loses_and_doubles_nothing",
                "test_a_server_killed_at_the_moment_of_publishing_publishes_once",
            ),
            "contract/test_catalog_crashes.py": ("test_work_that_deadlocked_is_done_again",),
        },
    ),
    Fault(
        11,
        "SQLite is locked, full or read-only",
        "another process holds the lock for longer than the wait; no page more; read-only",
        "503 and searches go on; nothing of what was refused is there",
        {
            "faults/test_database_faults.py": (
                "test_while_sqlite_cannot_write_clients_are_told_and_searches_go_on",
                "test_a_fault_at_any_statement_of_a_turn_loses_and_doubles_nothing",
            ),
            "faults/test_disk_faults.py": (
                "test_a_disk_that_is_full_from_any_step_on_loses_nothing",
            ),
            "integration/test_room.py": ("test_the_api_answers_507_and_searches_go_on",),
        },
    ),
    Fault(
        12,
        "nobody knows whether COMMIT happened",
        "a relay resets the connection at COMMIT, delivered or not",
        "who accepts, claims, publishes or takes messages finds out, and does it once",
        {
            "faults/test_lost_commits.py": (
                "test_a_client_that_repeats_its_key_has_one_document",
                "test_a_claim_whose_worker_was_not_told_is_its_own_or_nobody_s",
                "test_what_was_being_published_is_published_once",
                "test_messages_whose_intake_was_not_told_are_taken_once",
            ),
            "faults/test_writers.py": (
                "test_documents_whose_commit_reply_was_lost_are_published_once",
                "test_documents_whose_commit_comes_through_late_are_published_once",
            ),
        },
    ),
)

_MESSAGES_AND_DOCUMENTS = (
    Fault(
        15,
        "messages come again and out of order",
        "each three times, shuffled, from an intake that fails; one key with other content",
        "one document at the highest version; the conflict is kept",
        {
            "faults/test_message_faults.py": (
                "test_messages_that_come_again_and_out_of_order_are_one_document",
            ),
            "integration/test_producer_order.py": (
                "test_in_whatever_order_messages_come_the_highest_version_is_live",
            ),
            "contract/test_catalog_races.py": (
                "test_of_one_key_with_two_contents_at_once_one_is_refused",
            ),
        },
    ),
    Fault(
        16,
        "messages that are none",
        "twenty that end a stock worker, hostile ones, hundreds of damaged ones",
        "the intake lives, each is kept with its reason, the next good one is taken",
        {
            "faults/test_message_faults.py": (
                "test_whatever_is_pushed_is_taken_or_kept_and_the_next_good_one_comes_through",
            ),
            "integration/test_intake.py": (
                "test_twenty_malformed_messages_are_kept_and_the_next_good_one_is_taken",
            ),
            "integration/test_amqp_intake.py": (
                "test_twenty_malformed_messages_are_kept_and_the_next_good_one_is_taken",
            ),
            "unit/test_messages.py": (
                "test_a_damaged_message_never_raises",
                "test_the_largest_message_costs_bounded_time_and_memory",
            ),
        },
    ),
    Fault(
        17,
        "clients of other languages and versions",
        "recorded messages of each client library, and the libraries themselves",
        "all are accepted",
        {
            "integration/test_intake.py": ("test_a_message_of_every_client_becomes_a_job",),
            "integration/test_amqp_intake.py": ("test_a_message_of_every_client_becomes_a_job",),
            "e2e/test_producers.py": (
                "test_what_the_page_shows_is_found",
                "test_what_an_older_python_producer_pushes_is_found",
            ),
        },
    ),
    Fault(
        18,
        "documents that cannot be encoded",
        "an encoder that refuses some of many",
        "just these fail, with a reason",
        {
            "faults/test_bad_documents.py": (
                "test_documents_that_cannot_be_encoded_or_cut_fail_and_the_rest_is_indexed",
            ),
            "integration/test_indexing.py": ("test_one_bad_document_fails_alone",),
        },
    ),
    Fault(
        19,
        "documents that end, hang or fill their worker",
        "an encoder that exits, sleeps for ever, or takes all memory over one document",
        "it is found by halves and fails alone; no innocent one fails",
        {
            "unit/test_worker_life.py": ("test_one_thing_that_takes_too_long_is_noticed",),
            "faults/test_bad_documents.py": (
                "test_a_document_that_ends_its_worker_fails_alone",
                "test_one_that_takes_all_memory_fails_alone_and_its_worker_lives",
            ),
            "contract/test_catalog_suspects.py": (
                "test_of_several_guilty_documents_all_are_found_and_no_innocent_one_fails",
            ),
        },
    ),
    Fault(
        20,
        "an encoder that is out of order for a moment",
        "files of the model that cannot be read, memory that is gone once",
        "no document fails; it is tried again, later and later",
        {
            "faults/test_bad_documents.py": (
                "test_what_is_no_documents_fault_is_tried_again_and_never_counted",
                "test_where_memory_ran_out_once_nothing_fails",
            ),
            "integration/test_indexing.py": ("test_a_fault_of_nobody_gives_the_claim_back",),
        },
    ),
)

_LOAD = (
    Fault(
        25,
        "one producer floods the queue",
        "thousands of one producer wait, then ten of another come",
        "the ten are in the next claim",
        {
            "faults/test_flood.py": ("test_ten_documents_behind_a_flood_are_in_the_next_claim",),
            "contract/test_catalog_fairness.py": (
                "test_what_another_producer_sends_is_in_the_very_next_claim_however_many_wait",
            ),
        },
    ),
    Fault(
        26,
        "more comes than can be indexed",
        "nobody indexes, and producers push to the limit and over it",
        "429 with Retry-After, the intake stops taking, memory stays flat",
        {
            "integration/test_backpressure.py": (
                "test_the_api_answers_429_with_retry_after_and_goes_on_by_itself",
                "test_an_intake_stops_taking_from_redis_stays_small_and_goes_on_by_itself",
                "test_an_intake_gives_back_what_it_may_not_take_from_rabbitmq",
            ),
        },
    ),
    Fault(
        27,
        "dead letters are replayed, twice",
        "the same letter replayed again, and by two at once",
        "indexed once",
        {
            "contract/test_catalog_dead_letters.py": (
                "test_replayed_twice_at_the_same_time_a_document_is_indexed_once",
                "test_a_message_replayed_again_is_left_alone",
            ),
            "integration/test_dead_letters.py": (
                "test_two_who_replay_all_at_once_accept_everything_once",
            ),
        },
    ),
)

_FILES = (
    Fault(
        28,
        "readers, while writers and merges are killed",
        "searches in a loop; SIGKILL around the moments at which the head moves",
        "never an error, never half an upsert, never an older version",
        {
            "faults/test_kills.py": (
                "test_searches_never_fail_while_writers_and_merges_are_killed",
            ),
            "integration/test_search.py": (
                "test_searches_never_fail_while_documents_are_added_and_replaced",
            ),
        },
    ),
    Fault(
        29,
        "a backup of which only one half is restored",
        "an index older than its catalog, and the reverse",
        "it is found and built again; files of a lost future are never read and go",
        {
            "faults/test_mismatches.py": (
                "test_an_index_older_than_its_catalog_is_found_and_built_again",
                "test_an_index_newer_than_its_catalog_serves_what_the_catalog_says",
            ),
            "integration/test_backups.py": ("test_a_damaged_backup_is_refused",),
        },
    ),
    Fault(
        30,
        "disks that fail, and files that are damaged",
        "an error at every system call, power cuts, flipped bits, torn and missing files",
        "found by its checksum, never served, made anew from the catalog",
        {
            "faults/test_damage.py": (
                "test_whatever_is_harmed_is_found_never_served_and_repaired",
            ),
            "faults/test_disk_faults.py": (
                "test_an_error_at_any_step_loses_nothing_and_the_work_is_done_later",
            ),
            "faults/test_power_cuts.py": (
                "test_whenever_the_power_fails_what_was_acknowledged_is_there",
            ),
        },
    ),
)

FAULTS: tuple[Fault, ...] = tuple(
    sorted(
        (*_PROCESSES, *_BROKERS, *_DATABASES, *_MESSAGES_AND_DOCUMENTS, *_LOAD, *_FILES),
        key=lambda fault: fault.number,
    )
)
