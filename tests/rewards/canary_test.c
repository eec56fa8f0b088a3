// SPDX-License-Identifier: MIT
// What must hold: a plan is a function of its seed, reads back as it was written, differs from run
// to run, and leaves the suite's own lines as they are.
#include "rewards/canary.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "support/harness.h"

static const char text[] = "import shop\n\n\n"
                           "def test_total():\n"
                           "    # the sum\n"
                           "    assert shop.total([1, 2]) == 3\n\n\n"
                           "def test_label():\n"
                           "    text = '''\n"
                           "def test_not_a_test():\n"
                           "'''\n"
                           "    assert shop.label(text, (1,\n"
                           "    2)) == 'x'\n"
                           "    assert shop.label(\"a == b\") == \"it's \\\"a\\\"\"\n";

static const char *const f2p[] = {"t/test_shop.py::test_total"};
static const char *const p2p[] = {"t/test_shop.py::test_label"};
static const char *const argv[] = {"pytest", "-q"};
static const struct assay_instance instance = {.instance_id = "x-1",
        .framework = "pytest",
        .test_cmd = {argv, 2},
        .fail_to_pass = {f2p, 1},
        .pass_to_pass = {p2p, 1}};

static bool read_text(void *user, const char *path, struct assay_canary_file *out)
{
    const char *content = user;

    if (strcmp(path, "t/test_shop.py") != 0)
        return false;
    *out = (struct assay_canary_file){path, {content, strlen(content)}, false};
    return true;
}

static struct assay_canary_plan draw(struct assay_arena *arena, const struct assay_instance *of,
        const char *content, uint64_t seed)
{
    static char copy[8192];
    const struct assay_canary_source source = {.read = read_text, .user = copy};
    struct assay_canary_plan plan;

    (void)snprintf(copy, sizeof(copy), "%s", content);
    assert_int_equal(assay_canary_draw(&plan, of, &source, seed, arena, NULL), ASSAY_OK);
    return plan;
}

static struct assay_arena *new_arena(void)
{
    struct assay_arena *arena = NULL;

    assert_int_equal(assay_arena_create(&arena, (size_t)64 << 20, NULL), ASSAY_OK);
    return arena;
}

static void a_seed_makes_one_plan(void **state)
{
    struct assay_arena *arena = new_arena();
    const struct assay_canary_plan a = draw(arena, &instance, text, 5),
                                   b = draw(arena, &instance, text, 5),
                                   c = draw(arena, &instance, text, 6);

    (void)state;
    assert_int_equal(a.count, b.count);
    assert_int_equal(a.file_count, 1);
    assert_string_equal(a.files[0].content.data, b.files[0].content.data);
    assert_string_not_equal(a.files[0].content.data, c.files[0].content.data);
    for (size_t i = 0; i < a.count; i++) {
        assert_string_equal(a.items[i].id, b.items[i].id);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(a.items[i].id, a.items[j].id);
    }
    assay_arena_destroy(arena);
}

// Every line of the file stands in the planted one, in order.
static void the_suite_stays_as_it_is(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 200; seed++) {
        struct assay_arena *arena = new_arena();
        const struct assay_canary_plan plan = draw(arena, &instance, text, seed);
        const char *in = plan.files[0].content.data, *at = text;

        for (; *at != '\0'; in += strcspn(in, "\n") + 1) {
            const size_t len = strcspn(at, "\n");

            assert_true(*in != '\0');
            if (strcspn(in, "\n") == len && memcmp(in, at, len) == 0)
                at += len + 1;
        }
        assert_null(strstr(plan.files[0].content.data, "def test_not_a_test():\n    "));
        assay_arena_destroy(arena);
    }
}

static void a_plan_reads_back(void **state)
{
    struct assay_arena *arena = new_arena();
    struct assay_canary_plan plan = draw(arena, &instance, text, UINT64_MAX - 3);
    struct assay_canary_plan back;
    struct assay_buf buf;

    (void)state;
    // Only copies can be deaf.
    assert_int_equal(assay_canary_deafen(&plan, UINT32_MAX, arena, NULL), ASSAY_OK);
    assay_buf_init(&buf, 1 << 20);
    assay_canary_plan_write(&buf, &plan);
    assert_int_equal(assay_canary_plan_read(&back, buf.data, buf.len, arena, NULL), ASSAY_OK);
    assert_true(back.seed == plan.seed && back.count == plan.count);
    assert_string_equal(back.framework, "pytest");
    for (size_t i = 0; i < plan.count; i++) {
        assert_int_equal(back.items[i].kind, plan.items[i].kind);
        assert_string_equal(back.items[i].id, plan.items[i].id);
        assert_int_equal(back.items[i].deaf, plan.items[i].kind == ASSAY_CANARY_COPY);
        if (plan.items[i].kind != ASSAY_CANARY_COPY)
            continue;
        assert_string_equal(back.items[i].of, plan.items[i].of);
        assert_string_equal(back.items[i].says, plan.items[i].says);
        assert_null(strstr(text, back.items[i].says)); // the line is another than the suite's
        assert_memory_equal(back.items[i].says, "assert shop.", strlen("assert shop."));
    }
    assay_buf_free(&buf);
    assay_arena_destroy(arena);
}

static void bad_plans_are_refused(void **state)
{
    static const char *const rows[] = {"", "{}", "[]", "{\"schema\":2}",
            "{\"schema\":1,\"framework\":\"x\",\"seed\":\"1\",\"canaries\":[]}",
            "{\"schema\":1,\"framework\":\"x\",\"seed\":\"zzzzzzzzzzzzzzzz\",\"canaries\":[]}",
            "{\"schema\":1,\"framework\":\"x\",\"seed\":\"0000000000000001\",\"canaries\":[{}]}",
            "{\"schema\":1,\"framework\":\"x\",\"seed\":\"0000000000000001\",\"canaries\":[{"
            "\"kind\":\"none\",\"id\":\"a\"}]}",
            "{\"schema\":1,\"framework\":\"x\",\"seed\":\"0000000000000001\",\"canaries\":[{"
            "\"kind\":\"copy\",\"id\":\"a\"}]}"};
    struct assay_arena *arena = new_arena();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_canary_plan plan;

        print_message("%s\n", rows[i]);
        assert_int_equal(
                assay_canary_plan_read(&plan, rows[i], strlen(rows[i]), arena, NULL), ASSAY_EINVAL);
    }
    assay_arena_destroy(arena);
}

// Where nothing can be planted soundly, nothing is.
static void files_that_are_left_alone(void **state)
{
    static const char *const rows[] = {"", "def test_total(: pass\n", "def test_total(): pass\n",
            "def test_total():\n    assert f() == 'open\n",
            "def test_total():\n    assert (1 == 1\n",
            "pytestmark = pytest.mark.slow\ndef test_total():\n    assert f() == 3\n",
            "if 1:\n    def test_total():\n        assert f() == 3\n",
            "def test_total():\n    assert f() == 3\ndef test_total():\n    assert f() == 3\n",
            "def other():\n    pass\n", "def test_total():\n\tassert f() == 3\n  \n    \tpass\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_arena *arena = new_arena();
        const struct assay_canary_plan plan = draw(arena, &instance, rows[i], i + 1);

        print_message("row %zu\n", i);
        assert_int_equal(plan.count, 0);
        assert_int_equal(plan.file_count, 0);
        assert_int_equal(plan.argv.count, 2);
        assay_arena_destroy(arena);
    }
}

static void an_instance_may_refuse(void **state)
{
    struct assay_arena *arena = new_arena();
    struct assay_instance other = instance;

    (void)state;
    other.no_canaries = true;
    assert_int_equal(draw(arena, &other, text, 1).count, 0);
    other = instance;
    other.framework = "exit";
    assert_int_equal(draw(arena, &other, text, 1).count, 0);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_seed_makes_one_plan),
            cmocka_unit_test(the_suite_stays_as_it_is), cmocka_unit_test(a_plan_reads_back),
            cmocka_unit_test(bad_plans_are_refused), cmocka_unit_test(files_that_are_left_alone),
            cmocka_unit_test(an_instance_may_refuse)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
