"""What cnntrain survives, fault by fault: the tests that show it, and the words that a person reads then.

The numbers are those of the project's list of faults: 1 to 22 strike processes and hosts, 23 to 36 storage, 57 to 64
are attacks. (37 to 56 are about pictures and have their own table, `tests/core/test_core_check.py`.) The tests here
only see to it that the table stays true: that each test named in it exists, that the words are still the product's
own, and that one of the tests asks for them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PRODUCT = TESTS.parent / "tui"


@dataclass(frozen=True)
class Fault:
    """One line of the table."""

    what: str
    tests: tuple[str, ...] = ()
    """``file::test``, the file without ``test_`` and ending, in whatever folder it is."""
    words: tuple[str, ...] = ()
    """Parts of what a person is told; none where nothing is to be told."""
    not_shown: str = ""
    """What a machine with two cores and no GPU cannot show, and why."""


SIMULATED = "the driver's own errors are made up; no accelerator was taken away from a training"
FAULTS = {
    1: Fault(
        "SIGKILL of the engine at any instant",
        (
            "crash::test_nothing_is_lost_to_twelve_kills",
            "runs_supervisor::test_when_the_engine_is_killed_the_reason_is_noted",
        ),
        ("The engine was killed from outside by", "continues from the newest checkpoint"),
    ),
    2: Fault(
        "SIGKILL during a save",
        (
            "engine_faults::test_a_save_that_is_killed_anywhere_leaves_the_newest",
            "engine_checkpoint::test_what_a_killed_save_left_is_cleared",
            "runs_faults::test_what_a_killed_write_left_is_taken_away_at_the_next_start",
        ),
    ),
    3: Fault(
        "SIGKILL of the supervisor",
        (
            "runs_supervisor::test_when_the_supervisor_is_killed_the_engine_leaves",
            "runs_faults::test_a_new_supervisor_outlasts_the_engine_of_one_that_was_killed",
            "runs_supervisor::test_an_engine_that_cannot_hear_is_ended_with_its_supervisor",
            "core_leash::test_a_child_that_hears_nothing_ends_with_its_parent",
            "core_decoders::test_a_killed_engine_leaves_no_decoder",
            "engine_process::test_an_engine_that_nobody_knows_of_does_not_begin",
            "engine_process::test_a_stuck_step_does_not_hold_the_process",
            "engine_process::test_stopped_orphaned_and_killed_runs_end_like_an_undisturbed_one",
        ),
        (
            "Its supervisor was killed, so the engine stopped",
            "Its supervisor was killed; the engine saves and leaves within seconds.",
        ),
        not_shown="that the memory of an accelerator is free afterwards: there is none",
    ),
    4: Fault("SIGKILL of the screen", ("crash::test_nothing_is_lost_to_twelve_kills",)),
    5: Fault(
        "a lost line, SIGHUP",
        (
            "runs_supervisor::test_the_end_of_a_terminal_and_ctrl_c_do_nothing",
            "runs_supervisor::test_closing_the_terminal_of_who_started_it_does_nothing",
            "app_hangup::test_the_screen_ends_with_its_terminal",
        ),
    ),
    6: Fault(
        "a host that kills processes at logout",
        (
            "runs_liveness::test_what_keeps_a_training_at_logout",
            "runs_faults::test_a_machine_that_kills_at_logout_is_told_with_the_remedy",
        ),
        ("This machine ends your processes when you log out", "`loginctl enable-linger`"),
        not_shown="a logout under systemd-logind itself: its files are made up",
    ),
    7: Fault(
        "SIGTERM; a second one means now",
        (
            "runs_supervisor::test_sigterm_is_passed_on_and_the_engine_stops_in_order",
            "runs_supervisor::test_to_stop_now_kills_an_engine_that_does_not_listen",
            "runs_faults::test_an_engine_that_is_stopped_before_it_can_listen_is_stopped",
            "engine_process::test_a_stuck_step_does_not_hold_the_process",
            "engine_process::test_stopped_orphaned_and_killed_runs_end_like_an_undisturbed_one",
            "cli_plain::test_a_second_ctrl_c_stops_at_once",
        ),
        ("Stopped by SIGTERM", "Stopped at once, without saving.", "It was told to stop at once and was killed."),
    ),
    8: Fault(
        "Ctrl-C on the screen",
        (
            "app_faults::test_ctrl_c_on_the_screen_asks_nothing_of_the_run",
            "runs_supervisor::test_the_end_of_a_terminal_and_ctrl_c_do_nothing",
        ),
        ("q leaves the screen; what trains goes on training.",),
    ),
    9: Fault(
        "a reboot",
        ("runs_liveness::test_after_a_restart_of_the_machine_it_is_interrupted",),
        ("The machine was restarted",),
    ),
    10: Fault("a process id used again", ("runs_liveness::test_a_process_id_that_is_used_again_is_not_the_owner",)),
    11: Fault(
        "two starts or resumes of one run",
        (
            "runs_supervisor::test_of_starts_at_the_same_time_exactly_one_wins",
            "runs_supervisor::test_the_lock_is_held_while_it_runs_and_a_second_start_names_the_owner",
            "runs_liveness::test_a_fresh_run_elsewhere_is_not_taken_over",
        ),
        ("The run is already running", "it is run by "),
    ),
    12: Fault(
        "a machine that is paused",
        ("runs_faults::test_a_machine_that_was_paused_is_silent_and_never_dead",),
        ("Silent since ", "its process lives, but nothing has come from it."),
    ),
    13: Fault(
        "a clock that jumps",
        (
            "runs_faults::test_a_clock_that_is_moved_while_training_does_no_harm",
            "runs_liveness::test_a_wrong_clock_takes_no_run_over",
        ),
    ),
    14: Fault(
        "a data worker that is stuck",
        (
            "engine_sick::test_the_picture_at_which_a_data_worker_is_lost_is_named",
            "core_decoders::test_a_stuck_decoder_is_given_up",
        ),
        ("reading it took more than ",),
    ),
    15: Fault(
        "a data worker that is killed for memory",
        (
            "engine_sick::test_the_picture_at_which_a_data_worker_is_lost_is_named",
            "core_decoders::test_decoders_that_keep_dying_are_a_failure",
        ),
        ("its decoder was killed (SIGKILL), perhaps because memory ran out", "use fewer workers: set data.workers=1"),
    ),
    16: Fault(
        "a small /dev/shm",
        (
            "engine_memory::test_15_and_16_short_memory_is_told_before_data_workers_start",
            "engine_memory::test_16_data_workers_need_no_shared_memory",
            "runs_postmortem::test_every_way_to_end_has_its_sentence",
        ),
        ("of shared memory (/dev/shm) are free", "which is often a full disk or a full /dev/shm."),
    ),
    17: Fault(
        "a host out of memory",
        ("runs_postmortem::test_out_of_memory_is_told_from_any_other_kill",),
        ("because the machine ran out of memory", "because the memory that it may use ran out"),
        not_shown="the kernel's own kill: the counters that tell of it are made up",
    ),
    18: Fault(
        "an accelerator out of memory",
        (
            "engine_memory::test_18_out_of_memory_keeps_the_state_and_offers_what_fits",
            "engine_memory::test_18_nothing_smaller_fits",
            "engine_memory::test_18_a_step_that_broke_off_within_the_update_is_not_saved",
            "engine_memory::test_18_the_offer_goes_on_from_the_newest_checkpoint",
            "engine_device::test_out_of_memory_offers_a_smaller_batch",
        ),
        ("ran out of memory", "fit, as was tried: take the doctor's offer", "is saved"),
        not_shown=SIMULATED,
    ),
    19: Fault("a peer rank that is lost", not_shown="there is no training on several accelerators yet, so no ranks"),
    20: Fault(
        "an accelerator that is gone, or a driver that does not fit",
        (
            "engine_accelerator::test_a_driver_that_does_not_fit_is_named",
            "engine_device::test_a_lost_accelerator_is_named_and_the_rest_is_passed_on",
        ),
        ("The accelerator failed",),
        not_shown=SIMULATED,
    ),
    21: Fault(
        "a loss that is NaN or infinite",
        (
            "engine_trainer::test_a_loss_that_is_not_finite",
            "engine_device::test_divergence_names_the_step_and_the_learning_rate",
        ),
        ("is kept", "No checkpoint is saved at step "),
    ),
    22: Fault(
        "an accelerator that others use",
        (
            "engine_accelerator::test_an_accelerator_that_others_use_is_shown_before_the_first_step",
            "engine_memory::test_22_who_uses_the_accelerator_is_named",
        ),
        ("GiB are free",),
        not_shown=SIMULATED,
    ),
    23: Fault(
        "a disk that is full in a checkpoint",
        (
            "engine_faults::test_a_save_that_the_disk_fails_anywhere_leaves_the_newest",
            "engine_trainer::test_a_full_disk_is_tried_again",
            "engine_trainer::test_a_disk_that_stays_full_stops_the_run_resumably",
            "engine_trainer::test_the_last_weights_are_worth_waiting_for",
        ),
        (
            "could not be saved: ",
            "Training goes on; it is tried again in ",
            "the run waits until the disk takes the last weights",
            "Make room and resume the run.",
        ),
    ),
    24: Fault(
        "a quota that is used up",
        (
            "core_disk::test_trouble_in_words",
            "engine_faults::test_whatever_is_wrong_with_the_disk_is_named_and_outlived",
        ),
        ("your disk quota is used up",),
        not_shown="a quota of the file system itself: its error is made up",
    ),
    25: Fault(
        "a disk that is full in the records",
        (
            "engine_link::test_lost_records_are_a_gap_that_is_reported",
            "engine_link::test_events_wait_for_room_and_lines_stay_whole",
        ),
        ("Training goes on.", " were lost: "),
    ),
    26: Fault(
        "a disk that is read-only, a permission lost",
        (
            "engine_faults::test_whatever_is_wrong_with_the_disk_is_named_and_outlived",
            "runs_launch::test_a_disk_that_cannot_be_written_leaves_nothing_behind",
            "engine_saving::test_a_stop_that_cannot_be_saved_says_what_is_there",
        ),
        ("the disk is read-only", "permission was denied"),
    ),
    27: Fault(
        "the newest checkpoint truncated",
        (
            "engine_checkpoint::test_a_damaged_one_is_passed_over_and_set_aside",
            "engine_trainer::test_a_damaged_checkpoint_costs_only_its_steps",
        ),
        ("it was set aside", " bytes instead of "),
    ),
    28: Fault(
        "a bit flipped in a checkpoint",
        ("engine_checkpoint::test_a_damaged_one_is_passed_over_and_set_aside",),
        ("the content of ", " has changed"),
    ),
    29: Fault(
        "the last record torn",
        ("runs_tail::test_records_are_read_as_they_come", "runs_tail::test_events_are_read_once_and_half_a_line_waits"),
    ),
    30: Fault(
        "damage inside the records",
        (
            "runs_tail::test_a_record_torn_inside_the_file_costs_one_gap_and_not_what_follows",
            "runs_tail::test_rubbish_inside_the_file_is_one_gap",
            "runs_history::test_a_damaged_stretch_is_a_gap_and_later_records_are_shown",
            "runs_follow::test_damage_inside_the_records_is_told_once_and_what_follows_is_shown",
        ),
        (" of the records cannot be read; all others are shown.",),
    ),
    31: Fault(
        "settings that are empty or half-written",
        (
            "runs_launch::test_half_written_settings_are_refused_with_their_path",
            "runs_launch::test_damaged_settings_have_a_copy_from_the_launch",
        ),
        ("The settings cannot be read", "is what it was last launched with."),
    ),
    32: Fault(
        "a network file system that is slow or stale",
        (
            "app_pacing::test_a_disk_that_does_not_answer_stops_nothing_but_the_news",
            "engine_link::test_a_stale_network_file_system_is_not_a_lost_run",
        ),
        ("stale since ",),
        not_shown="a network file system: one that does not answer is made up",
    ),
    33: Fault("a run that was moved or renamed", ("runs_faults::test_a_run_that_was_moved_or_renamed_opens_as_it_is",)),
    34: Fault(
        "a run from a newer version",
        (
            "runs_launch::test_a_run_of_a_newer_version_is_neither_resumed_nor_stopped",
            "runs_follow::test_a_run_of_a_newer_version_is_only_read",
            "engine_checkpoint::test_a_newer_format_is_refused",
        ),
        ("It was made by a newer version of cnntrain", "The run can only be read"),
    ),
    35: Fault(
        "a run directory deleted while training",
        (
            "runs_supervisor::test_a_run_that_is_deleted_while_it_trains_ends",
            "engine_trainer::test_a_deleted_run_is_a_clean_stop",
            "engine_trainer::test_a_run_deleted_at_the_moment_of_saving",
            "engine_process::test_a_run_that_is_deleted_is_told_in_a_sentence",
            "app_watch::test_it_opens_from_a_directory_that_is_deleted_meanwhile",
        ),
        ("The run directory was deleted or moved while training", "Its directory is gone"),
    ),
    36: Fault(
        "no inodes or file handles left",
        (
            "core_disk::test_a_disk_without_inodes_is_not_called_full",
            "runs_faults::test_too_few_file_handles_are_named",
            "runs_faults::test_an_unreadable_moment_of_the_disk_is_no_end_of_the_run",
        ),
        ("no inodes left", "too many files are open"),
    ),
    57: Fault(
        "escape sequences in names",
        (
            "core_text::test_nothing_that_a_terminal_obeys_comes_through",
            "fuzz::test_the_bytes_that_the_terminal_gets",
            "app_hostile::test_fault_57_fault_58_class_names",
            "cli_hostile::test_fault_57_fault_58_what_is_said_of_a_run",
            "cli_hostile::test_fault_57_fault_58_what_is_said_of_a_dataset",
        ),
    ),
    58: Fault(
        "markup in names",
        (
            "app_hostile::test_fault_57_fault_58_class_names",
            "cli_hostile::test_fault_57_fault_58_what_is_said_of_a_run",
            "cli_hostile::test_fault_57_fault_58_what_is_said_of_a_dataset",
            "app_hostile::test_presets",
            "app_hostile::test_runs",
            "app_hostile::test_fault_57_fault_58_a_folder",
        ),
    ),
    59: Fault("someone else's pickle", ("engine_checkpoint::test_nothing_is_unpickled",)),
    60: Fault(
        "paths that lead out",
        (
            "core_manifest::test_a_damaged_manifest_is_refused",
            "core_manifest::test_fault_60_paths_of_a_foreign_manifest_stay_inside",
            "core_manifest::test_fault_60_links_in_a_foreign_manifest_that_lead_out_are_refused",
            "engine_process::test_fault_60_a_link_that_leads_out_of_the_dataset_is_not_trained_on",
            "engine_trained::test_fault_60_a_link_that_leads_out_of_the_dataset_is_not_tested_on",
            "app_validation::test_fault_60_pictures_behind_a_link_that_leads_out_are_not_shown",
            "core_presets::test_a_name_that_is_no_file_name_is_refused",
            "engine_checkpoint::test_a_pointer_cannot_lead_elsewhere",
            "engine_checkpoint::test_a_link_is_no_checkpoint",
            "runs_supervisor::test_a_planted_link_is_not_followed",
            "fuzz::test_names_of_runs_stay_in_their_directory",
        ),
        ("is not a usable name", "start a new run with data.follow_links set to true"),
    ),
    61: Fault(
        "a link planted in a shared /tmp",
        (
            "engine_trust::test_a_link_that_another_user_has_planted_is_not_followed",
            "engine_trust::test_decoded_pictures_of_another_user_are_not_used",
            "engine_trust::test_a_cache_that_others_could_write_is_closed_to_them",
        ),
        ("is a link that belongs to another user", "belongs to another user"),
    ),
    62: Fault(
        "another user's requests",
        ("runs_supervisor::test_the_requests_of_a_run_belong_to_its_owner_alone",),
        ("is not a folder of yours",),
    ),
    63: Fault("very long paths", ("runs_faults::test_a_path_longer_than_any_socket_allows",)),
    64: Fault(
        "exotic picture formats",
        (
            "core_pictures::test_exotic_formats_are_refused",
            "core_pictures::test_opening_a_picture_loads_only_the_allowed_decoders",
        ),
    ),
}


@cache
def sources_in(name: str) -> dict[str, str]:
    """Return the source of each test in a file, with its parameters; the key of what stands around them is empty."""
    (path,) = TESTS.rglob(f"test_{name}.py")
    text = path.read_text("utf-8")
    lines, found = text.splitlines(), {"": ""}
    for node in ast.parse(text).body:
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        source = "\n".join(lines[first - 1 : node.end_lineno]) + "\n"
        test = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        found[node.name if test else ""] = source if test else found[""] + source
    return found


@cache
def product_texts() -> str:
    """Return every text in the product's source, joined: what it can say, with the places of values left out."""
    texts = []
    for path in sorted(PRODUCT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return "\n".join(texts)


def test_every_fault_has_its_line() -> None:
    assert list(FAULTS) == [*range(1, 37), *range(57, 65)]
    for number, fault in FAULTS.items():
        assert fault.tests or fault.not_shown, number


@pytest.mark.parametrize("number", FAULTS)
def test_the_table_is_true(number: int) -> None:
    shown = ""
    for named in FAULTS[number].tests:
        file, _, test = named.partition("::")
        assert test in sources_in(file), named
        shown += sources_in(file)[test] + sources_in(file)[""]
    for words in FAULTS[number].words:
        assert words in product_texts(), words
        assert words.strip(" :.") in shown.replace("\\", ""), f"none of the tests asks for: {words}"
