// SPDX-License-Identifier: MIT
// What must hold: a seed gives one task; the demonstration makes gold of the broken file, and no
// other text does anything but edit lines; no program is in two splits; a biased warm start is as
// biased as it says.
#include "tasks/mini.h"

#include <string.h>

#include "support/harness.h"
#include "tasks/repair_prompt.h"

#define DRAWS ((size_t)500)

static int set_up(void **state)
{
    static struct assay_arena *arena;

    *state = &arena;
    return assay_arena_create(&arena, (size_t)256 << 20, NULL) == ASSAY_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    assay_arena_destroy(*(struct assay_arena **)*state);
    return 0;
}

static struct assay_mini_task draw(
        void **state, enum assay_mini_split split, uint64_t seed, size_t index, double rare)
{
    struct assay_mini_task task;

    assert_int_equal(
            assay_mini_draw(&task, split, seed, index, rare, *(struct assay_arena **)*state, NULL),
            ASSAY_OK);
    return task;
}

static bool same(struct assay_bytes a, struct assay_bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

static void one_seed_is_one_task(void **state)
{
    size_t kinds[ASSAY_MINI_KINDS] = {0};

    for (size_t i = 0; i < DRAWS; i++) {
        const struct assay_mini_task a = draw(state, ASSAY_MINI_RL, 7, i, 1);
        const struct assay_mini_task b = draw(state, ASSAY_MINI_RL, 7, i, 0.1);

        assert_true(same(a.prompt, b.prompt) && same(a.answer, b.answer)); // the bias is of sft
        assert_true(same(a.repair.broken, b.repair.broken) && same(a.repair.tests, b.repair.tests));
        assert_false(same(a.repair.broken, a.repair.gold));
        assert_true(a.prompt.len <= 20 && a.answer.len <= 4);
        for (size_t k = 0; k < a.prompt.len; k++) // all ids below 33
            assert_true(a.prompt.data[k] >= '!' && a.prompt.data[k] <= '?');
        kinds[a.kind]++;
    }
    for (size_t k = 0; k < ASSAY_MINI_KINDS; k++)
        assert_in_range(kinds[k], DRAWS / 10, DRAWS / 3);
}

// Apply edits of one or two lines by hand: the patch engine is another room's.
static struct assay_bytes edited(
        void **state, struct assay_bytes file, const char *edits, struct assay_buf *out)
{
    size_t number = 0;

    (void)state;
    assay_buf_clear(out);
    for (const char *line = file.data; *line; line = strchr(line, '\n') + 1) {
        const size_t len = (size_t)(strchr(line, '\n') - line) + 1;
        bool kept = true;

        number++;
        for (const char *edit = edits; *edit; edit = strchr(edit, '\n') + 1) {
            if ((size_t)(edit[0] - '0') != number || edit[1] == '+')
                continue;
            kept = false;
            if (edit[1] == '|')
                assay_buf_add(out, edit + 2, (size_t)(strchr(edit, '\n') - edit) - 1);
        }
        if (kept)
            assay_buf_add(out, line, len);
        for (const char *edit = edits; *edit; edit = strchr(edit, '\n') + 1)
            if ((size_t)(edit[0] - '0') == number && edit[1] == '+')
                assay_buf_add(out, edit + 2, (size_t)(strchr(edit, '\n') - edit) - 1);
    }
    return (struct assay_bytes){out->data, out->len};
}

static void demonstrations_make_gold(void **state)
{
    struct assay_buf edits, file;

    assay_buf_init(&edits, 4096);
    assay_buf_init(&file, 4096);
    for (size_t i = 0; i < DRAWS; i++) {
        const struct assay_mini_task task = draw(state, ASSAY_MINI_HELD, 3, i, 1);
        struct assay_answer answer;

        assay_buf_clear(&edits);
        assay_mini_edits(&edits, &task, task.answer);
        assert_string_equal(edits.data, task.repair.gold_edits);
        assert_true(same(edited(state, task.repair.broken, edits.data, &file), task.repair.gold));
        assert_int_equal(assay_answer_read(&answer, task.repair.path, task.repair.broken,
                                 (struct assay_bytes){edits.data, edits.len},
                                 *(struct assay_arena **)*state, NULL),
                ASSAY_OK);
        assert_int_equal(answer.fault, ASSAY_ANSWER_FINE);
    }
    assay_buf_free(&edits);
    assay_buf_free(&file);
}

static void what_is_no_operation_is_no_edit(void **state)
{
    static const char *const wrong[] = {"", "=", "=0", "=0$", "=04", ".0+", ".9$", "=4+", "=0++",
            "0+x", "1-", ";00", ";09", ";0", "?0+", "?0$+", "!", "!9", "!00", "4|pass", "=0+\n"};
    const struct assay_mini_task task = draw(state, ASSAY_MINI_RL, 1, 1, 1);
    struct assay_buf edits;

    assay_buf_init(&edits, 4096);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        print_message("%s\n", wrong[i]);
        assay_buf_clear(&edits);
        assay_mini_edits(&edits, &task, (struct assay_bytes){wrong[i], strlen(wrong[i])});
        assert_string_equal(edits.data, "?");
    }
    assay_buf_free(&edits);
}

static void splits_share_no_program(void **state)
{
    struct assay_bytes seen[3][DRAWS];

    for (size_t s = 0; s < 3; s++)
        for (size_t i = 0; i < DRAWS; i++)
            seen[s][i] = draw(state, (enum assay_mini_split)s, 5, i, 1).repair.gold;
    for (size_t s = 1; s < 3; s++)
        for (size_t i = 0; i < DRAWS; i++)
            for (size_t k = 0; k < DRAWS; k++)
                assert_false(same(seen[s][i], seen[s - 1][k]) || same(seen[s][i], seen[0][k]));
}

static void the_bias_is_as_told(void **state)
{
    size_t rare = 0, rare_right = 0, common = 0, common_right = 0;

    for (size_t i = 0; i < 4 * DRAWS; i++) {
        const struct assay_mini_task task = draw(state, ASSAY_MINI_SFT, 2, i, 0.1);
        const bool is_rare = task.kind > ASSAY_MINI_ARG;

        rare += is_rare;
        rare_right += is_rare && !task.astray;
        common += !is_rare;
        common_right += !is_rare && !task.astray;
        if (task.astray)
            assert_int_equal(task.answer.data[0], '.');
    }
    assert_in_range(rare_right * 100, rare * 6, rare * 14);
    assert_in_range(common_right * 100, common * 44, common * 56);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(one_seed_is_one_task),
            cmocka_unit_test(demonstrations_make_gold),
            cmocka_unit_test(what_is_no_operation_is_no_edit),
            cmocka_unit_test(splits_share_no_program),
            cmocka_unit_test(the_bias_is_as_told),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
