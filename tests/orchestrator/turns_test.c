// SPDX-License-Identifier: MIT
// What must hold: an episode of a task shows what its words promise, its end is graded by what
// became of the file, and what it did to its own tests is worth nothing.
#include <string.h>

#include "orchestrator/train_tasks.h"
#include "support/harness.h"
#include "tasks/repair.h"
#include "tests/orchestrator/ground.h"

static struct ground ground;
static struct assay_task_source source;

static struct assay_bytes text_of(const char *text)
{
    return (struct assay_bytes){text, strlen(text)};
}

static struct assay_train_task draw(uint64_t index)
{
    struct assay_train_task task;

    assert_int_equal(
            source.draw(source.user, &task, ASSAY_TRAIN_RL, index, ground.arena, NULL), ASSAY_OK);
    return task;
}

// Say these messages; what each showed goes to seen[], and what is graded is the answer's text.
static struct assay_train_reward play(const struct assay_train_task *task,
        const struct assay_bytes *messages, size_t count, const char **seen, bool *over)
{
    struct assay_train_reward reward;
    struct assay_buf shown, patch;
    void *episode = NULL;

    *over = false;
    assay_buf_init(&shown, 65536);
    assay_buf_init(&patch, 65536);
    assert_int_equal(source.turns->open(source.user, &episode, task, NULL), ASSAY_OK);
    for (size_t i = 0; i < count; i++) {
        assert_false(*over);
        assay_buf_clear(&shown);
        assert_int_equal(source.turns->step(episode, messages[i], &shown, over, NULL), ASSAY_OK);
        seen[i] = assay_arena_strdup(ground.arena, shown.data);
        print_message("%.*s-> %s", (int)messages[i].len, messages[i].data, seen[i]);
    }
    assert_int_equal(source.turns->answer(episode, &patch, NULL), ASSAY_OK);
    source.turns->close(episode);

    const struct assay_train_answer answer = {task, {patch.data, patch.len}};

    assert_int_equal(source.grade(source.user, &reward, &answer, 1, NULL), ASSAY_OK);
    assert_true(reward.scored);
    assay_buf_free(&patch);
    assay_buf_free(&shown);
    return reward;
}

// Demonstrations are written down, not played: what they say a box shows is what it shows.
static void a_talk_shows_what_a_box_shows(
        const struct assay_train_task *task, const struct assay_train_talk *talk, bool solved)
{
    const char *seen[8];
    bool over;

    assert_in_range(talk->count, 3, 4);
    assert_int_equal(play(task, talk->said, talk->count, seen, &over).solved, solved);
    assert_true(over);
    for (size_t i = 0; i + 1 < talk->count; i++) {
        assert_int_equal(strlen(seen[i]), talk->shown[i].len);
        assert_memory_equal(seen[i], talk->shown[i].data, talk->shown[i].len);
    }
}

static void a_demonstration_is_worth_one_and_a_poor_one_is_not(void **state)
{
    size_t tested = 0, mistaken = 0;

    (void)state;
    for (uint64_t index = 0; index < 8; index++) {
        const struct assay_train_task task = draw(index);

        a_talk_shows_what_a_box_shows(&task, &task.talk, true);
        tested += task.talk.count == 4;
        if (task.mistaken_talk.count > 0) {
            const char *seen[4];
            bool over;

            assert_int_equal(task.mistaken_talk.count, 3);
            mistaken += !play(&task, task.mistaken_talk.said, 3, seen, &over).solved;
            assert_memory_equal(seen[0], task.talk.shown[0].data, task.talk.shown[0].len);
            assert_string_equal(seen[1], "ok\n");
        }
    }
    assert_in_range(tested, 1, 7);
    assert_in_range(mistaken, 4, 8); // where the last line is the broken one it may be right
}

static void what_is_no_repair_is_worth_nothing(void **state)
{
    const struct assay_train_task task = draw(0);
    const struct assay_repair_task *repair = task.detail;
    const char *path = assay_arena_printf(ground.arena, "view %s", repair->test_path);
    const struct assay_bytes nothing[] = {text_of("test"), text_of("submit")};
    const struct assay_bytes wrong[] = {text_of("view nothing.py"), text_of("dance"), text_of(""),
            text_of(path), text_of("edit nothing.py\n-a\n+b")};
    const char *seen[5];
    struct assay_train_reward reward;
    bool over;

    (void)state;
    reward = play(&task, nothing, 2, seen, &over);
    assert_false(reward.solved);
    assert_string_equal(reward.cause, "empty_patch");
    // The statement of the task says how the test fails.
    assert_non_null(strstr(seen[0], repair->failure));
    assert_non_null(strstr(seen[0], "FAILED ("));
    assert_false(play(&task, wrong, 5, seen, &over).solved);
    assert_false(over);
    for (size_t i = 0; i < 5; i++)
        assert_true(seen[i][0] != 0);
    assert_non_null(strstr(seen[0], "nothing.py"));
    assert_non_null(strstr(seen[3], "unittest"));
}

// Tests that are made to pass are not the ones that judge.
static void tests_of_the_box_judge_nothing(void **state)
{
    const struct assay_train_task task = draw(1);
    const struct assay_repair_task *repair = task.detail;
    const char *line = strstr(repair->tests.data, "        self.assert");
    struct assay_bytes messages[2];
    const char *seen[2];
    struct assay_train_reward reward;
    bool over;

    (void)state;
    assert_non_null(line);
    messages[0] = text_of(assay_arena_printf(ground.arena, "edit %s\n-%.*s\n+        pass\n",
            repair->test_path, (int)strcspn(line, "\n"), line));
    messages[1] = text_of("submit");
    reward = play(&task, messages, 2, seen, &over);
    assert_string_equal(seen[0], "ok\n");
    assert_false(reward.solved);
    assert_string_equal(reward.cause, "empty_patch");
}

static void turns_have_an_end(void **state)
{
    const struct assay_train_task task = draw(2);
    struct assay_bytes messages[6];
    const char *seen[6];
    bool over;

    (void)state;
    for (size_t i = 0; i < 6; i++)
        messages[i] = text_of("test");
    (void)play(&task, messages, 6, seen, &over);
    assert_true(over);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_demonstration_is_worth_one_and_a_poor_one_is_not),
            cmocka_unit_test(what_is_no_repair_is_worth_nothing),
            cmocka_unit_test(tests_of_the_box_judge_nothing),
            cmocka_unit_test(turns_have_an_end),
    };
    const struct assay_task_repair_options options = {
            .seed = 1, .turns_max = 6, .seen_bytes_max = 1500};
    struct assay_error err = {0};
    int rc;

    if (ground_open(&ground, &err) != ASSAY_OK ||
            assay_task_repair_open(&source, ground.context, &options, &err) != ASSAY_OK) {
        ASSAY_SKIP_NOTE(err.message);
        ground_close(&ground);
        return ASSAY_EXIT_SKIPPED;
    }
    rc = cmocka_run_group_tests(tests, NULL, NULL);
    source.close(source.user);
    ground_close(&ground);
    return rc;
}
