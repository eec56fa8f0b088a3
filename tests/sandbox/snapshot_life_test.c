// SPDX-License-Identifier: MIT
// What must hold: sessions go on where one was frozen, and what nobody needs any more is given
// back.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/session.h"
#include "tests/sandbox/snapshots.h"

// --- sessions ------------------------------------------------------------------------------------

static void say(struct assay_session *session, bool in_shell, const char *line, const char *text)
{
    const struct assay_command command = {
            .line = line, .wall_ms_max = 20000, .background = ASSAY_BACKGROUND_KEEP};
    struct assay_command_result result = {0};
    struct assay_error err = {0};

    if ((in_shell ? assay_session_shell : assay_session_run)(session, &command, &result, &err) !=
            ASSAY_OK)
        fail_msg("%s: %s", line, err.message);
    assert_int_equal(result.cause, ASSAY_BOX_EXITED);
    assert_string_equal(result.output.data, text);
    assay_command_result_release(&result);
}

static void sessions_go_on_where_one_was_frozen(void **state)
{
    const struct assay_command nothing = {.line = "true"};
    struct assay_command_result over;
    struct assay_session *first = NULL;
    struct assay_session *forks[2] = {NULL, NULL};
    struct assay_snapshot *snapshot = NULL;
    struct assay_snapshot *untouched = NULL;
    struct assay_snapshot *later = NULL;
    struct boxes_plan plan;
    struct assay_error err = {0};

    (void)state;
    if (assay_sandbox_tier(boxes_sandbox) != ASSAY_TIER_A)
        skip();
    snapshots_make_base("sessions");
    for (int in_shell = 0; in_shell < 2; in_shell++) {
        snapshots_plan(&plan, NULL, NULL, true);
        assert_int_equal(assay_session_start(&first, boxes_sandbox, &plan.plan, &err), ASSAY_OK);
        say(first, in_shell, "cd dir; export MARK='a b'; echo one > /tmp/f; echo two > new", "");
        say(first, in_shell, "while :; do echo x >> /tmp/noise; done > /dev/null 2>&1 &", "");
        if (assay_session_snapshot(first, &snapshot, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        assert_int_equal(assay_session_snapshot(first, &untouched, &err), ASSAY_EINVAL);
        assert_null(untouched);
        assert_int_equal(assay_session_run(first, &nothing, &over, &err), ASSAY_OK);
        assert_true(over.session_over);
        assay_command_result_release(&over);
        assay_session_stop(first, NULL);
        for (int i = 0; i < 2; i++)
            if (assay_session_resume(&forks[i], boxes_sandbox, &plan.plan, snapshot, &err) !=
                    ASSAY_OK)
                fail_msg("%s", err.message);
        for (int i = 0; i < 2; i++) {
            say(forks[i], in_shell, "pwd; echo \"$MARK\"; cat /tmp/f new deep; ls -A | grep mine",
                    "/testbed/dir\na b\none\ntwo\nbase\n");
            say(forks[i], in_shell, "echo > mine; export MARK=c; cd ..", "");
        }
        // Of what was frozen with more on top.
        if (assay_session_snapshot(forks[0], &later, &err) != ASSAY_OK)
            fail_msg("%s", err.message);
        assay_session_stop(forks[0], NULL);
        assay_session_stop(forks[1], NULL);
        assert_int_equal(
                assay_session_resume(&first, boxes_sandbox, &plan.plan, later, &err), ASSAY_OK);
        say(first, in_shell, "pwd; echo $MARK; ls dir", "/testbed\nc\ndeep\nmine\nnew\n");
        assay_session_stop(first, NULL);
        assay_snapshot_release(later);
        // A box without a session can go on from it, too.
        snapshots_look(snapshot, "cat dir/new", "two\n");
        assay_snapshot_release(snapshot);
    }
}

// --- nothing is left -----------------------------------------------------------------------------

// Shared memory of the whole host, in bytes: tmpfs is in it, and what other programs have.
static uint64_t shared_memory(void)
{
    char text[8192];
    const char *at = NULL;

    boxes_read(text, sizeof(text), "/proc/meminfo");
    at = strstr(text, "Shmem:");
    assert_non_null(at);
    return strtoull(at + 6, NULL, 10) * 1024;
}

static void memory_is_given_back(void **state)
{
    const uint64_t before = shared_memory();
    const uint64_t end_ms = assay_clock_ms() + 30000;

    (void)state;
    snapshots_make_base("memory");
    // 1,200 MB in all.
    for (int i = 0; i < 20; i++) {
        struct assay_snapshot *snapshot = snapshots_step(
                NULL, "head -c 40000000 /dev/zero > a; head -c 20000000 /dev/zero > /tmp/a", "");

        assert_true(assay_snapshot_bytes(snapshot) >= 60000000);
        assay_snapshot_release(snapshot);
    }
    while (shared_memory() > before + 600000000 && assay_clock_ms() < end_ms)
        (void)usleep(10000);
    assert_true(shared_memory() < before + 600000000);
}

static void wait_for_fds(const char *path, unsigned most)
{
    for (int i = 0; i < 500 && boxes_count_fds(path) > most; i++)
        (void)usleep(10000);
    assert_true(boxes_count_fds(path) <= most);
}

// A spawner keeps some groups and descriptors for boxes to come: many more would be a leak.
static void descriptors_and_groups_are_given_back(void **state)
{
    struct assay_snapshot *snapshots[40];
    char spawner[32];
    const unsigned groups = boxes_count_groups();
    unsigned fds = 0, spawner_fds = 0;

    (void)state;
    snapshots_make_base("given");
    (void)snprintf(
            spawner, sizeof(spawner), "/proc/%d/fd", (int)assay_sandbox_spawner_pid(boxes_sandbox));
    assay_snapshot_release(snapshots_step(NULL, "true", "")); // what is made once
    fds = boxes_count_fds("/proc/self/fd");
    spawner_fds = boxes_count_fds(spawner);
    assert_true(spawner_fds > 0);
    for (int i = 0; i < 40; i++)
        snapshots[i] = snapshots_step(i % 8 == 0 ? NULL : snapshots[i - 1], "echo x >> /tmp/x", "");
    // Their pages are charged to groups that are gone.
    for (int i = 0; i < 500 && boxes_count_groups() > groups + 20; i++)
        (void)usleep(10000);
    assert_true(boxes_count_groups() <= groups + 20);
    for (int i = 0; i < 40; i++)
        if (i % 8 != 7)
            assay_snapshot_release(snapshots[i]);
    snapshots_look(snapshots[39], "cat /tmp/x", "x\nx\nx\nx\nx\nx\nx\nx\n"); // it has what it needs
    for (int i = 7; i < 40; i += 8)
        assay_snapshot_release(snapshots[i]);
    assert_int_equal(boxes_count_fds("/proc/self/fd"), fds);
    wait_for_fds(spawner, spawner_fds + 20);
}

static void a_snapshot_dies_with_its_spawner(void **state)
{
    struct assay_snapshot *snapshot = NULL;
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err = {0};

    (void)state;
    snapshots_make_base("dies");
    snapshot = snapshots_step(NULL, "echo x > x", "");
    assert_int_equal(kill(assay_sandbox_spawner_pid(boxes_sandbox), SIGKILL), 0);
    assert_int_equal(assay_sandbox_restart(boxes_sandbox, &err), ASSAY_OK);
    boxes_note_spawner(assay_sandbox_spawner_pid(boxes_sandbox));
    snapshots_plan(&plan, "true", snapshot, false);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_SETUP_FAILED, 0);
    assert_string_equal(result.step, "no such snapshot");
    assay_box_result_release(&result);
    assay_snapshot_release(snapshot);
    snapshot = snapshots_step(NULL, "echo x > x", "");
    snapshots_look(snapshot, "cat x", "x\n");
    assay_snapshot_release(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(sessions_go_on_where_one_was_frozen),
            cmocka_unit_test(memory_is_given_back),
            cmocka_unit_test(descriptors_and_groups_are_given_back),
            cmocka_unit_test(a_snapshot_dies_with_its_spawner),
    };

    return boxes_main("snapshot_life", tests, sizeof(tests) / sizeof(tests[0]));
}
