// SPDX-License-Identifier: MIT
// What must hold: a seed gives one task; it differs from gold in one line, its lists and its prompt
// fit its tests, it is small; and no split has a program of another.
#include "tasks/repair.h"

#include <string.h>

#include "support/harness.h"
#include "tasks/patch.h"
#include "tasks/repair_prompt.h"

#define DRAWS ((size_t)400)
#define PROMPT_BYTES_MAX 1100 // some 250 tokens of a small vocabulary

struct fixture {
    struct assay_repair_table *table;
    struct assay_arena *arena;
};

static int set_up(void **state)
{
    static struct fixture f;

    if (assay_repair_open(&f.table, &(struct assay_repair_choice){0}, NULL) != ASSAY_OK ||
            assay_arena_create(&f.arena, (size_t)1 << 30, NULL) != ASSAY_OK)
        return -1;
    *state = &f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    assay_repair_close(f->table);
    assay_arena_destroy(f->arena);
    return 0;
}

static void draw(const struct fixture *f, enum assay_repair_split split, uint64_t seed,
        uint64_t index, struct assay_repair_task *task)
{
    assert_int_equal(
            assay_repair_draw(task, f->table, split, seed, index, f->arena, NULL), ASSAY_OK);
}

static void there_are_families_enough_and_some_are_never_learnt_from(void **state)
{
    const struct fixture *f = *state;
    size_t unseen = 0;

    assert_true(assay_repair_family_count(f->table) >= 60);
    for (size_t i = 0; i < assay_repair_family_count(f->table); i++)
        unseen += assay_repair_family_unseen(f->table, i);
    assert_true(unseen >= 12 && unseen < assay_repair_family_count(f->table) / 2);
    for (unsigned s = 0; s < ASSAY_REPAIR_SPLITS; s++) {
        enum assay_repair_split split;

        assert_true(assay_repair_split_find(
                &split, assay_repair_split_name((enum assay_repair_split)s)));
        assert_int_equal(split, s);
    }
}

static void a_seed_gives_the_same_task_and_another_seed_another(void **state)
{
    const struct fixture *f = *state;
    size_t same = 0;

    for (uint64_t i = 0; i < DRAWS; i++) {
        struct assay_repair_task one, two, other;

        draw(f, ASSAY_REPAIR_RL, 7, i, &one);
        draw(f, ASSAY_REPAIR_RL, 7, i, &two);
        draw(f, ASSAY_REPAIR_RL, 8, i, &other);
        assert_string_equal(one.broken.data, two.broken.data);
        assert_string_equal(one.tests.data, two.tests.data);
        assert_string_equal(one.id, two.id);
        same += strcmp(one.broken.data, other.broken.data) == 0 &&
                strcmp(one.tests.data, other.tests.data) == 0;
    }
    assert_true(same < DRAWS / 50);
}

// Line `number` of a text and its length.
static const char *line_of(struct assay_bytes text, size_t number, size_t *len)
{
    const char *at = text.data;

    while (--number > 0)
        at = strchr(at, '\n') + 1;
    *len = strcspn(at, "\n");
    return at;
}

static size_t count_lines(struct assay_bytes text)
{
    size_t lines = 0;

    for (size_t i = 0; i < text.len; i++)
        lines += text.data[i] == '\n';
    return lines;
}

static void check_difference(const struct assay_repair_task *task)
{
    const size_t lines = count_lines(task->gold);

    assert_int_equal(count_lines(task->broken), lines);
    assert_true(lines >= 2 && lines <= 25 && task->line >= 1 && task->line <= lines);
    for (size_t i = 1; i <= lines; i++) {
        size_t was_len = 0, is_len = 0;
        const char *was = line_of(task->broken, i, &was_len);
        const char *is = line_of(task->gold, i, &is_len);
        const bool equal = was_len == is_len && memcmp(was, is, is_len) == 0;

        assert_int_equal(equal, i != task->line);
        if (i == task->line)
            assert_true(
                    strlen(task->gold_line) == is_len && memcmp(task->gold_line, is, is_len) == 0);
    }
}

static void check_tests(const struct assay_repair_task *task)
{
    const struct assay_strings *lists[] = {&task->fail_to_pass, &task->pass_to_pass};
    size_t methods = 0;

    assert_true(task->fail_to_pass.count >= 1 && task->fail_to_pass.count <= 4);
    for (const char *at = strstr(task->tests.data, "    def "); at; at = strstr(at + 1, "    def "))
        methods++;
    assert_int_equal(methods, task->fail_to_pass.count + task->pass_to_pass.count);
    for (size_t l = 0; l < 2; l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            const char *name = strrchr(lists[l]->items[i], '.') + 1;

            assert_non_null(strstr(task->tests.data, name));
        }
    }
    // Nothing is left of the templates.
    assert_null(strchr(task->tests.data, '$'));
    assert_null(strchr(task->broken.data, '@'));
    assert_null(strchr(task->broken.data, '$'));
    assert_null(strchr(task->failing, '$'));
    assert_null(strchr(task->failure, '$'));
}

static void every_task_is_small_and_differs_in_one_line(void **state)
{
    const struct fixture *f = *state;
    size_t long_ones = 0;

    for (unsigned split = 0; split < ASSAY_REPAIR_SPLITS; split++) {
        for (uint64_t i = 0; i < DRAWS; i++) {
            struct assay_repair_task task;
            struct assay_buf prompt;

            draw(f, (enum assay_repair_split)split, 3, i, &task);
            check_difference(&task);
            check_tests(&task);
            assay_buf_init(&prompt, 1 << 16);
            assay_repair_prompt_of(&prompt, &task);
            assert_non_null(strstr(prompt.data, "\nFAIL\n"));
            long_ones += prompt.len > PROMPT_BYTES_MAX;
            assay_buf_free(&prompt);
        }
    }
    assert_int_equal(long_ones, 0);
}

static void an_instance_has_patches_that_parse_and_gold_is_the_answer(void **state)
{
    const struct fixture *f = *state;

    for (uint64_t i = 0; i < DRAWS; i++) {
        struct assay_repair_task task;
        struct assay_instance instance;
        struct assay_patch *patch = NULL;
        const char *wanted;

        draw(f, ASSAY_REPAIR_SFT, 5, i, &task);
        assert_int_equal(assay_repair_instance(&instance, &task, f->arena, NULL), ASSAY_OK);
        assert_true(assay_instance_id_valid(instance.instance_id));
        assert_int_equal(assay_patch_parse(&patch, instance.test_patch.data,
                                 instance.test_patch.len, f->arena, NULL),
                ASSAY_OK);
        assert_string_equal(patch->files[0].new_path, task.test_path);
        assert_int_equal(assay_patch_parse(&patch, instance.gold_patch.data,
                                 instance.gold_patch.len, f->arena, NULL),
                ASSAY_OK);
        assert_int_equal(patch->file_count, 1);
        assert_int_equal(patch->files[0].hunk_count, 1);
        assert_non_null(patch->exact); // git reads it as it stands
        wanted = strstr(instance.gold_patch.data, "\n+");
        assert_non_null(wanted);
    }
}

static bool is_known(const char *const *known, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(known[i], text) == 0)
            return true;
    return false;
}

// What is held out shares no broken program with what is learnt from, whatever the seeds.
static void splits_share_no_program(void **state)
{
    const struct fixture *f = *state;
    static const char *known[2 * DRAWS];
    size_t count = 0;

    for (uint64_t i = 0; i < 2 * DRAWS; i++) {
        struct assay_repair_task task;

        draw(f, i % 2 ? ASSAY_REPAIR_SFT : ASSAY_REPAIR_RL, i, i / 2, &task);
        known[count++] = task.broken.data;
    }
    for (unsigned split = ASSAY_REPAIR_UNSEEN_FAULTS; split < ASSAY_REPAIR_SPLITS; split++) {
        for (uint64_t i = 0; i < DRAWS; i++) {
            struct assay_repair_task task;

            draw(f, (enum assay_repair_split)split, i, i, &task);
            assert_false(is_known(known, count, task.broken.data));
        }
    }
}

// A slip is in one line, and in no draw is it what a mutation makes of that line.
static void a_slip_is_one_line_and_no_mutation(void **state)
{
    const struct fixture *f = *state;
    size_t found = 0;

    for (uint64_t i = 0; i < DRAWS; i++) {
        struct assay_repair_task task;
        size_t line = 1, at = 0;

        draw(f, ASSAY_REPAIR_SFT, 9, i, &task);
        if (task.slip_line == 0)
            continue;
        found++;
        while (task.gold.data[at] == task.slipped.data[at]) {
            line += task.gold.data[at] == '\n';
            at++;
        }
        assert_int_equal(line, task.slip_line);
        assert_int_equal(count_lines(task.slipped), count_lines(task.gold));
        while (at > 0 && task.gold.data[at - 1] != '\n')
            at--;
        assert_memory_equal(task.gold.data + at, task.slip_gold, strlen(task.slip_gold));
        assert_string_not_equal(task.slipped.data, task.broken.data);
    }
    assert_true(found > DRAWS / 2);
}

// Lines of a family's programs tell its texts apart where they differ; with one text they never do.
static void one_text_a_family_is_one_text(void **state)
{
    struct assay_repair_table *table = NULL;
    const char *names[DRAWS] = {NULL};
    size_t lines[DRAWS], count = 0;
    const struct fixture *f = *state;

    assert_int_equal(
            assay_repair_open(&table, &(struct assay_repair_choice){.text_count = 1}, NULL),
            ASSAY_OK);
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct assay_repair_task task;
        size_t k = 0;

        assert_int_equal(
                assay_repair_draw(&task, table, ASSAY_REPAIR_SFT, 5, i, f->arena, NULL), ASSAY_OK);
        while (k < count && strcmp(names[k], task.family) != 0)
            k++;
        if (k == count) {
            names[count] = task.family;
            lines[count++] = count_lines(task.gold);
        }
        assert_int_equal(lines[k], count_lines(task.gold));
    }
    assert_true(count < DRAWS);
    assay_repair_close(table);
}

// Of the families that are learned from only the first; those that are held out stay.
static void few_families_are_few(void **state)
{
    struct assay_repair_table *table = NULL;
    const struct fixture *f = *state;
    const struct assay_repair_choice choice = {.text_count = 1, .family_count = 5};
    size_t all = 0, held_out = 0, left = 0;

    assert_int_equal(assay_repair_open(&table, &choice, NULL), ASSAY_OK);
    for (size_t i = 0; i < assay_repair_family_count(f->table); i++)
        held_out += assay_repair_family_unseen(f->table, i);
    all = assay_repair_family_count(table);
    for (size_t i = 0; i < all; i++)
        left += !assay_repair_family_unseen(table, i);
    assert_int_equal(left, 5);
    assert_int_equal(all, held_out + 5);
    for (uint64_t i = 0; i < DRAWS; i++) {
        struct assay_repair_task task;
        size_t family = 0;

        assert_int_equal(
                assay_repair_draw(&task, table, ASSAY_REPAIR_RL, 5, i, f->arena, NULL), ASSAY_OK);
        while (strcmp(assay_repair_family_name(table, family), task.family) != 0)
            assert_true(++family < all);
        assert_false(assay_repair_family_unseen(table, family));
    }
    assay_repair_close(table);
}

static bool is_among(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

// With pairs in common rl and what is held out have the faults of the demonstrations, and still no
// file that is held out is a demonstration's or rl's.
static void shared_pairs_share_no_file(void **state)
{
    const struct assay_repair_choice choice = {
            .text_count = 1, .family_count = 8, .shares_pairs = true};
    static const enum assay_repair_split splits[] = {
            ASSAY_REPAIR_SFT, ASSAY_REPAIR_RL, ASSAY_REPAIR_UNSEEN_SEEDS};
    const size_t each = 2000;
    struct assay_repair_table *table = NULL;
    const struct fixture *f = *state;
    const char **kinds = assay_arena_array(f->arena, each, sizeof(*kinds));
    const char **files = assay_arena_array(f->arena, 2 * each, sizeof(*files));
    size_t kind_count = 0, common = 0;

    assert_int_equal(assay_repair_open(&table, &choice, NULL), ASSAY_OK);
    for (size_t s = 0; s < 3; s++)
        for (uint64_t i = 0; i < each; i++) {
            struct assay_repair_task task;

            assert_int_equal(
                    assay_repair_draw(&task, table, splits[s], 5, i, f->arena, NULL), ASSAY_OK);
            if (s < 2)
                files[s * each + i] = task.broken.data;
            if (s == 0 && !is_among(kinds, kind_count, task.kind))
                kinds[kind_count++] = task.kind;
            common += s > 0 && is_among(kinds, kind_count, task.kind);
            if (s == 2 && i < 200)
                assert_false(is_among(files, 2 * each, task.broken.data));
        }
    assert_in_range(common, 2 * each * 99 / 100, 2 * each);
    assay_repair_close(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(there_are_families_enough_and_some_are_never_learnt_from),
            cmocka_unit_test(a_seed_gives_the_same_task_and_another_seed_another),
            cmocka_unit_test(every_task_is_small_and_differs_in_one_line),
            cmocka_unit_test(few_families_are_few),
            cmocka_unit_test(shared_pairs_share_no_file),
            cmocka_unit_test(an_instance_has_patches_that_parse_and_gold_is_the_answer),
            cmocka_unit_test(splits_share_no_program),
            cmocka_unit_test(a_slip_is_one_line_and_no_mutation),
            cmocka_unit_test(one_text_a_family_is_one_text),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
