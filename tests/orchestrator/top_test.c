// SPDX-License-Identifier: MIT
// What must hold: what is recorded lately is running, what is not for ten usual steps is silent,
// what is silent for an hour is only counted; time left follows from the usual step, whatever
// pauses lay between; a name cannot reach the terminal.
#include "orchestrator/top.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "orchestrator/html_page.h"
#include "support/harness.h"
#include "support/temp.h"
#include "tests/tasks/world.h"

static void begin_training(struct world *w, const char *run_id, size_t steps)
{
    const struct assay_training wanted = {.run_id = run_id,
            .identity = run_id,
            .config = "sft.updates  10  c:1  # x\nrl.steps  20  c:2  # x\n",
            .command = "assay train"};
    struct assay_training t;
    bool resumed;

    assert_int_equal(
            assay_store_open_training(w->store, &wanted, false, w->arena, &t, &resumed, NULL),
            ASSAY_OK);
    for (size_t i = 0; i < steps; i++) {
        const struct assay_training_step step = {.position = i,
                .phase = i == 0 ? "sft" : "rl",
                .step = i == 0 ? 0 : i - 1,
                .body = "{\"phase\":\"rl\",\"reward\":0.5,\"dead_share\":0.25}"};
        const struct assay_training_record record = {.steps = &step, .step_count = 1};

        assert_int_equal(assay_store_put_training(w->store, run_id, &record, NULL), ASSAY_OK);
    }
}

static struct assay_top load(struct world *w, const char *run_id, uint64_t later_ms)
{
    struct assay_top top = {0};
    struct assay_error err = {0};

    if (assay_top_load(&top, w->store, "/nowhere", run_id, assay_clock_now_ms() + later_ms,
                w->arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return top;
}

static void a_run_is_running_then_silent_then_forgotten(void **state)
{
    struct world w;
    struct assay_top top;

    world_open(&w, state);
    begin_training(&w, "a", 6);
    top = load(&w, NULL, 0);
    assert_int_equal(top.count, 1);
    assert_int_equal(top.items[0].state, ASSAY_TOP_RUNNING);
    assert_string_equal(top.items[0].phase, "rl");
    assert_true(top.items[0].phase_done == 5 && top.items[0].phase_total == 20);
    top = load(&w, NULL, 600000);
    assert_int_equal(top.items[0].state, ASSAY_TOP_SILENT);
    top = load(&w, NULL, UINT64_C(7200000));
    assert_true(top.count == 0 && top.forgotten == 1);
    top = load(&w, "a", UINT64_C(7200000)); // who is asked for is shown
    assert_int_equal(top.count, 1);
    assert_int_equal(assay_store_finish_training(w.store, "a", NULL), ASSAY_OK);
    top = load(&w, NULL, 0);
    assert_int_equal(top.count, 0);
    top = load(&w, "a", 0);
    assert_int_equal(top.items[0].state, ASSAY_TOP_FINISHED);
    world_close(&w);
}

static void nothing_recorded_yet_and_no_such_run(void **state)
{
    struct assay_error err = {0};
    struct assay_top top;
    struct world w;

    world_open(&w, state);
    top = load(&w, NULL, 0);
    assert_int_equal(top.count, 0);
    assert_int_equal(
            assay_top_load(&top, w.store, "/nowhere", "none", 0, w.arena, &err), ASSAY_ENOTFOUND);
    begin_training(&w, "b", 0);
    top = load(&w, NULL, 0);
    assert_int_equal(top.count, 1);
    assert_true(top.items[0].left_ms == ASSAY_TOP_UNKNOWN_MS);
    assert_string_equal(top.items[0].phase, "sft");
    world_close(&w);
}

// A process that has the lock until it is killed.
static pid_t hold_lock(const char *path)
{
    int ready[2], fd = -1;
    char byte = 0;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (assay_fs_lock(&fd, path, false, NULL) == ASSAY_OK && write(ready[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

// A training's process has its lock; asking for it takes nothing.
static void a_training_whose_process_is_gone_is_stopped(void **state)
{
    const struct assay_temp *temp = *state;
    char path[160];
    struct assay_top top;
    struct world w;
    int fd = -1;

    world_open(&w, state);
    begin_training(&w, "a", 6);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "runs/a", 0755, NULL), ASSAY_OK);
    assay_temp_write(temp, "runs/a/lock", "");
    (void)snprintf(path, sizeof(path), "%s/runs/a/lock", temp->path);
    for (int held = 1; held >= 0; held--) {
        const pid_t pid = held ? hold_lock(path) : 0;

        assert_int_equal(
                assay_top_load(&top, w.store, temp->path, "a", assay_clock_now_ms(), w.arena, NULL),
                ASSAY_OK);
        assert_int_equal(top.items[0].state, held ? ASSAY_TOP_RUNNING : ASSAY_TOP_STOPPED);
        if (held) {
            kill(pid, SIGKILL);
            assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
    }
    assert_int_equal(assay_fs_lock(&fd, path, false, NULL), ASSAY_OK);
    close(fd);
    world_close(&w);
}

static void lines_are_cut_and_cleaned(void **state)
{
    struct assay_buf text;
    struct assay_top top;
    struct world w;

    world_open(&w, state);
    begin_training(&w, "evil\033[2J", 3);
    top = load(&w, NULL, 0);
    assay_buf_init(&text, 65536);
    assay_top_write(&text, &top, 20, true);
    assert_lacks(&text, "\033");
    for (const char *at = text.data; *at;) {
        const size_t len = strcspn(at, "\n");

        assert_true(len <= 60); // columns, not bytes: a block of a curve has three
        at += len + 1;
    }
    assay_buf_clear(&text);
    assay_top_write(&text, &top, 0, false);
    assert_holds(&text, "reward 0.500");
    assert_holds(&text, "dead groups 25.0 %");
    assay_buf_clear(&text);
    assay_top_write_json(&text, &top);
    assert_holds(&text, "\"phase_total\":20");
    assay_buf_free(&text);
    world_close(&w);
}

static void what_was_written_is_read_as_it_was(void **state)
{
    static const char *const wrong[] = {"", "[]", "{}", "{\"items\":{},\"forgotten\":0}",
            "{\"items\":[1],\"forgotten\":0}", "{\"items\":[],\"forgotten\":-1}",
            ("{\"items\":[{\"run_id\":\"a\",\"kind\":\"run\",\"state\":\"asleep\",\"quiet_ms\":1}],"
             "\"forgotten\":0}"),
            "{\"items\":[],\"forgotten\":0,\"service\":{\"version\":1}}"};
    const struct assay_top_service service = {.version = "1\xc2\x9b"
                                                         "2J",
            .slots = 2,
            .running = 1,
            .draining = true};
    struct assay_buf json, again, screen, screen_again;
    struct assay_top top, read = {0};
    struct assay_error err = {0};
    struct world w;

    world_open(&w, state);
    begin_training(&w, "a", 6);
    begin_training(&w, "none yet", 0);
    top = load(&w, NULL, 1000);
    top.service = &service;
    assay_buf_init(&json, 1 << 16);
    assay_buf_init(&again, 1 << 16);
    assay_buf_init(&screen, 1 << 16);
    assay_buf_init(&screen_again, 1 << 16);
    assay_top_write_json(&json, &top);
    if (assay_top_read(&read, json.data, json.len, w.arena, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assay_top_write_json(&again, &read);
    assert_string_equal(json.data, again.data);
    assay_top_write(&screen, &top, 0, true);
    assay_top_write(&screen_again, &read, 0, true);
    assert_string_equal(screen.data, screen_again.data);
    assert_holds(&screen, "DRAINING");
    assert_holds(&screen, "to 0.5"); // the curve
    assert_lacks(&screen, "\xc2\x9b");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(
                assay_top_read(&read, wrong[i], strlen(wrong[i]), w.arena, NULL), ASSAY_EINVAL);
    assay_buf_free(&json);
    assay_buf_free(&again);
    assay_buf_free(&screen);
    assay_buf_free(&screen_again);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(a_run_is_running_then_silent_then_forgotten,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    nothing_recorded_yet_and_no_such_run, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(a_training_whose_process_is_gone_is_stopped,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    lines_are_cut_and_cleaned, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    what_was_written_is_read_as_it_was, assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
