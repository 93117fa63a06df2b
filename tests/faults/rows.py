"""The rows of the table of faults: what is done, what must hold, and the tests that do it."""

from typing import Final, NamedTuple


class Row(NamedTuple):
    """A fault."""

    fault: str
    passes: str
    tests: tuple[str, ...]
    """Ids of pytest, below `tests/`."""


HOST: Final = "integration/test_host.py::"
ENDS: Final = "integration/test_host_faults.py::"
STATES: Final = "integration/test_host_states.py::"
SINKS: Final = "integration/test_sink_runner.py::"
LAKE: Final = "lake/test_lake_faults.py::"
ONCE: Final = "integration/test_once.py::"

ROWS: Final = (
    Row(
        "worker killed (SIGKILL) in mid-window, at random points",
        "every window's last version as the oracle; back within 30 s",
        ("faults/test_workers.py::test_a_worker_killed_at_random_points",
         f"{HOST}test_counts_are_exact_after_kills"),
    ),
    Row(
        "processor of two topics killed",
        "exact; no result of a state that the crash undid",
        ("integration/test_host_topics.py::test_two_topics_are_counted_once_through_kills",),
    ),
    Row(
        "sink killed between file and commit",
        "0 lost, 0 duplicate rows",
        (f"{LAKE}test_killed_between_file_and_commit_nothing_is_lost_or_doubled",
         f"{LAKE}test_killed_at_random_moments_nothing_is_lost_or_doubled",
         f"{SINKS}test_kills_between_commits_lose_no_row_and_double_none"),
    ),
    Row(
        "one of three brokers killed and restarted under load (min.insync.replicas 2)",
        "0 acknowledged lost, no inversion; the worker lives",
        ("faults/test_brokers.py::test_a_broker_killed_and_restarted_under_load",),
    ),
    Row(
        "the only broker killed and restarted under load",
        "waited for; 0 lost",
        (f"{SINKS}test_a_broker_that_dies_is_waited_for",
         "integration/test_connector_runner.py::"
         "test_a_broker_that_stands_still_and_one_that_is_killed",
         f"{ENDS}test_stop_ends_soon_while_kafka_is_down"),
    ),
    Row(
        "workers come and go under load (1 → 4 → 1)",
        "0 lost; no partition stands still over 60 s",
        ("faults/test_workers.py::test_workers_that_come_and_go",
         f"{HOST}test_rebalances_under_load_lose_nothing"),
    ),
    Row(
        "every event twice; out of order within the lateness; late beyond it",
        "the same results; the late ones in the late topic; the books close",
        ("faults/test_workers.py::test_everything_twice_and_out_of_order",),
    ),
    Row(
        "worker frozen (SIGSTOP) past its session, then woken",
        "fenced; nothing of its late work counts",
        (f"{HOST}test_frozen_worker_is_fenced",),
    ),
    Row(
        "sink that writes in transactions frozen (SIGSTOP) past its session, then woken",
        "fenced; each sample there once",
        ("faults/test_sinks.py::test_a_sink_frozen_past_its_session_then_woken",
         f"{ONCE}test_who_wakes_with_a_batch_that_another_has_begun_writes_nothing",
         f"{ONCE}test_who_wakes_with_a_batch_that_another_has_written_goes_on_behind_it"),
    ),
    Row(
        "topic created anew, or expired past the state's offset",
        "refused, or counted as loss; never silent",
        (f"{HOST}test_recreated_topic_is_refused",
         f"{HOST}test_stop_hands_over_and_loss_is_counted",
         f"{ENDS}test_a_topic_that_is_created_anew_under_a_worker_is_noticed",
         f"{SINKS}test_a_topic_created_anew_is_refused",
         f"{SINKS}test_a_topic_created_anew_under_a_sink_is_noticed",
         f"{SINKS}test_a_committed_offset_of_a_topic_that_was_created_anew_is_refused",
         f"{ONCE}test_an_offset_of_a_topic_that_was_created_anew_is_refused",
         f"{SINKS}test_records_that_expired_unread_are_said_loudly"),
    ),
    Row(
        "state topic missing; state of a newer release; of another deployment",
        "a new epoch, said loudly; refused",
        (f"{STATES}test_time_passes_about_once_a_second_and_missing_state_is_said",
         f"{STATES}test_an_upgrade_migrates_state_and_a_downgrade_is_refused",
         f"{STATES}test_who_is_fenced_again_and_again_gives_up"),
    ),
    Row(
        "a source's clock an hour ahead, another's stepping back",
        "other sources' windows unmoved; set aside, counted",
        ("faults/test_workers.py::test_a_wrong_clock_moves_no_other_source",),
    ),
    Row(
        "1 % poison: no value, bad magic byte, unknown id, other type, cut off, too long; 1 % NaN",
        "all of it in the dead letters with headers, NaN counted as bad, all else counted",
        ("faults/test_workers.py::test_one_percent_of_poison",
         f"{HOST}test_duplicates_and_poison",
         f"{SINKS}test_poison_goes_to_the_dead_letters_and_everything_else_through"),
    ),
    Row(
        "an operator that fails on everything; a worker that reads nothing",
        "parked with its reason; ends, and the next goes on",
        (f"{ENDS}test_a_processor_that_keeps_failing_is_parked_and_loses_nothing",
         f"{ENDS}test_a_worker_that_reads_nothing_ends"),
    ),
    Row(
        "schema that breaks readers",
        "refused by the registry (409), said clearly",
        ("integration/test_registry.py::test_a_schema_that_breaks_readers_is_refused",),
    ),
    Row(
        "registry away",
        "known ids flow; unknown ones wait, none dropped",
        (f"{HOST}test_unknown_schema_waits_for_the_registry",
         f"{SINKS}test_only_partitions_that_need_an_unknown_schema_wait_for_the_registry"),
    ),
    Row(
        "disk of the lake full; lake that cannot be written",
        "nothing acknowledged, no corrupt file, goes on unaided",
        (f"{LAKE}test_on_a_full_disk_a_sink_waits_and_goes_on_by_itself",
         f"{SINKS}test_a_lake_that_cannot_be_written_is_waited_for"),
    ),
    Row(
        "several sinks commit while the lake is compacted and vacuumed",
        "0 lost, 0 duplicate rows",
        (f"{LAKE}test_several_processes_append_while_others_compact_and_vacuum",
         f"{LAKE}test_of_two_owners_of_a_partition_one_gets_through",
         f"{LAKE}test_a_zombie_that_looked_before_it_was_overtaken_is_refused"),
    ),
)  # fmt: skip

CONTRACT: Final = "contract/test_connector_contract.py::"
MODBUS: Final = "contract/test_modbus_faults.py::"
OPCUA: Final = "integration/test_opcua.py::"
HOLE: Final = "integration/test_black_hole.py::"

ELSEWHERE: Final = (
    Row(
        "device or server gone and back, 100 times",
        "killed, noticed, and read again once; 20 connections one after another leave no socket "
        "and no task; a loss is flagged and tried again for ever. Not 100 losses in a row",
        (f"{CONTRACT}test_a_killed_server_is_noticed_and_a_restarted_one_read",
         f"{CONTRACT}test_reconnecting_leaks_neither_sockets_nor_tasks",
         f"{OPCUA}test_a_server_killed_and_restarted",
         "integration/test_connector_runner.py::"
         "test_a_lost_link_is_flagged_and_tried_again_for_ever"),
    ),
    Row(
        "half-open connection: the other end is gone without a word",
        "of an OPC UA server, of a Modbus device, and of Kafka to all that speak with it. Not of "
        "an MQTT broker, nor of the registry",
        (f"{OPCUA}test_a_half_open_connection_is_noticed",
         f"{MODBUS}test_a_device_that_falls_silent_is_lost",
         f"{HOLE}test_a_worker_whose_connections_are_lost_reads_on",
         f"{HOLE}test_what_connectors_send_and_sinks_read_goes_on_after_their_connections_are_lost"),
    ),
    Row(
        "nonsense, refusals, late and cut-off answers of a device",
        "cost what they concern, and nothing else",
        (f"{MODBUS}test_nonsense_costs_the_block",
         f"{MODBUS}test_a_refusal_costs_the_block",
         f"{MODBUS}test_an_answer_in_pieces_is_put_together",
         "contract/test_modbus_late_answers.py::"
         "test_a_late_answer_without_a_number_is_not_taken_for_the_next",
         f"{OPCUA}test_garbage_and_silence",
         "contract/test_mqtt_broker.py::test_a_malformed_payload_stops_no_other"),
    ),
    Row(
        "an hour without Kafka, the connector killed meanwhile; torn last record of its spool",
        "there is no spool: a connector holds 50,000 samples, then reading stands still. What it "
        "holds is lost with its process, unless an MQTT broker sends it again. What an OPC UA "
        "server has in its history is read after a loss of the link",
        ("integration/test_connector_runner.py::"
         "test_a_broker_that_stands_still_and_one_that_is_killed",
         "contract/test_mqtt_broker.py::test_what_kafka_does_not_have_is_sent_again",
         "integration/test_opcua_backfill.py::"
         "test_what_happened_while_a_server_was_away_is_in_the_windows_once"),
    ),
    Row(
        "write-back that is doubled, expired, out of range, not allowed",
        "there is none: nothing that could change something leaves a connector",
        (f"{CONTRACT}test_nothing_is_ever_written",
         "contract/test_modbus_reading.py::test_only_reads_leave_even_by_mistake",
         "integration/test_opcua_probe.py::test_no_request_that_could_change_something_leaves"),
    ),
    Row("disk of a broker full", "by hand: docs/how-to/runbook.md", ()),
    Row("an hour of steady load: memory, lag", "`make soak`, by hand; no figures here", ()),
    Row(
        "machine or power lost; brokers cut off from each other; a slow disk; lost packets",
        "nowhere: processes are killed and frozen, all on one machine",
        (),
    ),
)  # fmt: skip
"""Faults of the usual list that are not in the table, and where else they are tested."""
