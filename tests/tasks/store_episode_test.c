// SPDX-License-Identifier: MIT
// What must hold: an episode comes back as it was told, turn by turn; one that was cut off begins
// anew, and the attempt before it can write no more; one that is over is whole, and stays.
#include "tasks/store_episode.h"

#include <string.h>

#include "tests/tasks/fixture.h"

static struct assay_store *open_store(void *const *state)
{
    struct assay_store *store = NULL;
    struct assay_error err = {0};

    if (assay_store_open(&store, in_dir(state, "assay.db"), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return store;
}

static void open_run(struct assay_store *store, const char *run_id)
{
    const char *const ids[] = {"a__b-1", "a__b-2"};
    const struct assay_run wanted = {
            .run_id = run_id, .suite = "demo", .identity = run_id, .model = "m"};
    struct assay_arena *arena = NULL;
    struct assay_run run;
    bool resumed = false;

    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_open_run(store, &wanted, ids, 2, false, arena, &run, &resumed, NULL),
            ASSAY_OK);
    assay_arena_destroy(arena);
}

static const struct assay_episode_begin begin = {.run_id = "r",
        .instance_id = "a__b-1",
        .sample = 2,
        .graded_in = "r.2",
        .actor = "gold",
        .seed = "18446744073709551615",
        .options = {.limits = {.turns_max = 7,
                            .wall_ms_max = 1500,
                            .cpu_ms_max = 2,
                            .command_ms_max = 3,
                            .observation_bytes_max = 300},
                .fresh = true},
        .tokens_max = 9};

static struct assay_episode_handle begin_episode(
        struct assay_store *store, const struct assay_episode_begin *how, bool finished_wanted)
{
    struct assay_episode_handle handle = {0};
    struct assay_error err = {0};
    bool finished = !finished_wanted;

    if (assay_store_begin_episode(store, how, &handle, &finished, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_int_equal(finished, finished_wanted);
    return handle;
}

static void post(
        struct assay_store *store, const struct assay_episode_handle *handle, uint32_t turn)
{
    const struct assay_turn told = {.turn = turn,
            .message = turn,
            .tool = "bash",
            .arguments = "{",
            .text = turn == 1 ? "hm" : NULL,
            .observation = {"a\0b\xff", 4},
            .failed = turn == 2,
            .cause = "exited",
            .exit_code = 3,
            .signal = turn == 3 ? 9 : 0,
            .wall_us = 4,
            .prompt_tokens = 10,
            .answer_tokens = 2};

    assert_int_equal(assay_store_post_turn(store, handle, &told, NULL), ASSAY_OK);
}

static enum assay_status end(struct assay_store *store, const struct assay_episode_handle *handle,
        enum assay_episode_cause cause, uint32_t turns, struct assay_error *err)
{
    return assay_store_end_episode(
            store, handle, cause, "why", turns, (struct assay_bytes){"p\0q", 3}, err);
}

static void an_episode_comes_back_as_it_was_told(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_episode_handle handle;
    struct assay_episode_row *rows = NULL;
    struct assay_turn *turns = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0;

    open_run(store, "r");
    handle = begin_episode(store, &begin, false);
    for (uint32_t i = 1; i <= 3; i++)
        post(store, &handle, i);
    assert_int_equal(end(store, &handle, ASSAY_EPISODE_SUBMITTED, 3, NULL), ASSAY_OK);
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_store_list_episodes(store, "r", arena, &rows, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    assert_int_equal(rows[0].number, handle.number);
    assert_string_equal(rows[0].instance_id, "a__b-1");
    assert_string_equal(rows[0].seed, "18446744073709551615");
    assert_string_equal(rows[0].reason, "why");
    assert_int_equal(rows[0].cause, ASSAY_EPISODE_SUBMITTED);
    assert_int_equal(rows[0].sample, 2);
    assert_int_equal(rows[0].turn_count, 3);
    assert_int_equal(rows[0].prompt_tokens, 30);
    assert_int_equal(rows[0].wall_us, 12);
    assert_memory_equal(rows[0].answer.data, "p\0q", 3);
    assert_false(rows[0].has_verdict);
    assert_int_equal(rows[0].options.limits.turns_max, 7);
    assert_int_equal(rows[0].options.limits.wall_ms_max, 1500);
    assert_int_equal(rows[0].options.limits.cpu_ms_max, 2);
    assert_int_equal(rows[0].options.limits.command_ms_max, 3);
    assert_int_equal(rows[0].options.limits.observation_bytes_max, 300);
    assert_true(rows[0].options.fresh);
    assert_int_equal(rows[0].tokens_max, 9);
    assert_null(rows[0].source);
    assert_int_equal(
            assay_store_get_turns(store, handle.number, arena, &turns, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 3);
    assert_string_equal(turns[0].text, "hm");
    assert_null(turns[1].text);
    assert_true(turns[1].failed && !turns[2].failed);
    assert_int_equal(turns[2].turn, 3);
    assert_int_equal(turns[2].observation.len, 4);
    assert_memory_equal(turns[2].observation.data, "a\0b\xff", 4);
    assert_int_equal(turns[2].exit_code, 3);
    assert_int_equal(turns[1].signal, 0);
    assert_int_equal(turns[2].signal, 9);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void what_was_cut_off_begins_anew_and_fences(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_episode_handle first, second;
    struct assay_episode_begin retry = begin;
    struct assay_arena *arena = NULL;
    struct assay_turn *turns = NULL;
    struct assay_error err;
    size_t count = 0;

    open_run(store, "r");
    first = begin_episode(store, &begin, false);
    post(store, &first, 1);
    assay_store_close(store); // what was posted gets there
    store = open_store(state);
    second = begin_episode(store, &begin, false);
    assert_int_equal(second.number, first.number);
    assert_int_equal(second.attempt, first.attempt + 1);
    post(store, &first, 1); // too late
    post(store, &second, 1);
    assert_int_equal(end(store, &first, ASSAY_EPISODE_STOPPED, 1, &err), ASSAY_ECONFLICT);
    assert_int_equal(end(store, &second, ASSAY_EPISODE_STOPPED, 2, &err), ASSAY_EIO);
    assert_string_equal(err.message, "store: only 1 of 2 turns were recorded");
    assert_int_equal(end(store, &second, ASSAY_EPISODE_INFRA_ERROR, 1, NULL), ASSAY_OK);
    assert_int_equal(end(store, &second, ASSAY_EPISODE_STOPPED, 1, &err), ASSAY_ECONFLICT);
    post(store, &second, 2); // it is over
    assert_int_equal(begin_episode(store, &begin, true).number, first.number);
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(
            assay_store_get_turns(store, first.number, arena, &turns, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 1);
    // What ended in trouble of ours begins again when that is asked for, anything else never.
    retry.retry_infra = true;
    second = begin_episode(store, &retry, false);
    assert_int_equal(second.attempt, 3);
    assert_int_equal(end(store, &second, ASSAY_EPISODE_STOPPED, 0, NULL), ASSAY_OK);
    (void)begin_episode(store, &retry, true);
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void there_must_be_a_run(void **state)
{
    struct assay_store *store = open_store(state);
    struct assay_episode_handle handle;
    struct assay_episode_row row;
    struct assay_arena *arena = NULL;
    struct assay_error err;
    bool finished = false;

    assert_int_equal(
            assay_store_begin_episode(store, &begin, &handle, &finished, &err), ASSAY_ENOTFOUND);
    assert_string_equal(err.message, "no run r");
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assert_int_equal(assay_store_get_episode(store, 7, arena, &row, &err), ASSAY_ENOTFOUND);
    assert_string_equal(err.message, "no episode 7");
    assay_arena_destroy(arena);
    assay_store_close(store);
}

static void decimal_fractions_make_no_difference(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } rows[] = {{"", "", true}, {"a", "a", true}, {"a", "b", false}, {"a", "", false},
            {"Ran 3 tests in 0.004s", "Ran 3 tests in 12.1s", true},
            {"Ran 3 tests in 0.004s", "Ran 4 tests in 0.004s", false}, {"1.", "2.", false},
            {"1.5", "1.", false}, {"v1.2.3", "v1.9.3", true}, {"12", "13", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        assert_int_equal(assay_observation_same((struct assay_bytes){rows[i].a, strlen(rows[i].a)},
                                 (struct assay_bytes){rows[i].b, strlen(rows[i].b)}),
                rows[i].same);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define ROOM(name) cmocka_unit_test_setup_teardown(name, assay_temp_setup, assay_temp_teardown)
            ROOM(an_episode_comes_back_as_it_was_told),
            ROOM(what_was_cut_off_begins_anew_and_fences),
            ROOM(there_must_be_a_run),
            cmocka_unit_test(decimal_fractions_make_no_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
