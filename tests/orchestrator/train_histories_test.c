// SPDX-License-Identifier: MIT
// What must hold: what was kept comes back under the messages that led to it and under no others,
// and a table that has more to keep than it holds begins anew instead of growing.
#include "orchestrator/train_histories.h"

#include <stdio.h>
#include <string.h>

#include "support/harness.h"

static struct assay_history history_of(const char *task, const char *const *said, size_t count)
{
    struct assay_history h = {.key = ""};
    const struct assay_bytes name = {task, strlen(task)};

    assert_int_equal(assay_history_add(&h, "task", name, NULL), ASSAY_OK);
    for (size_t i = 0; i < count; i++) {
        const struct assay_bytes message = {said[i], strlen(said[i])};

        assert_int_equal(assay_history_add(&h, "message", message, NULL), ASSAY_OK);
    }
    return h;
}

static bool knows(
        const struct assay_histories *histories, const struct assay_history *h, const char *text)
{
    struct assay_buf found;
    bool over = false, known;

    assay_buf_init(&found, 1024);
    known = assay_histories_recall(histories, h, &found, &over);
    if (known) {
        assert_string_equal(found.len > 0 ? found.data : "", text);
        assert_int_equal(over, text[0] == '\0');
    }
    assay_buf_free(&found);
    return known;
}

static void keep(struct assay_histories *histories, const struct assay_history *h, const char *text)
{
    const struct assay_bytes bytes = {text, strlen(text)};

    assert_int_equal(assay_histories_keep(histories, h, bytes, text[0] == '\0', NULL), ASSAY_OK);
}

static void what_was_said_finds_what_it_showed(void **state)
{
    static const char *const first[] = {"view core.py", "test"}, *const second[] = {"test"},
                             *const joined[] = {"view core.pytest"};
    struct assay_histories *histories = NULL;
    const struct assay_history a = history_of("t", first, 2), b = history_of("t", second, 1),
                               c = history_of("t", first, 1), d = history_of("u", first, 2),
                               e = history_of("t", joined, 1);

    (void)state;
    assert_int_equal(assay_histories_create(&histories, NULL), ASSAY_OK);
    keep(histories, &a, "FAILED");
    keep(histories, &b, "");
    assert_true(knows(histories, &a, "FAILED"));
    assert_true(knows(histories, &b, ""));
    assert_false(knows(histories, &c, ""));
    assert_false(knows(histories, &d, ""));
    assert_false(knows(histories, &e, ""));
    keep(histories, &a, "OK");
    assert_true(knows(histories, &a, "OK"));
    assay_histories_destroy(histories);
    assay_histories_destroy(NULL);
}

static void it_does_not_grow_without_end(void **state)
{
    struct assay_histories *histories = NULL;
    struct assay_history h = history_of("t", NULL, 0);
    const struct assay_history first = h;
    size_t forgotten = 0;

    (void)state;
    assert_int_equal(assay_histories_create(&histories, NULL), ASSAY_OK);
    for (int i = 0; i < 140000; i++) {
        keep(histories, &h, "seen");
        assert_true(knows(histories, &h, "seen"));
        forgotten += !knows(histories, &first, "seen");
        assert_int_equal(
                assay_history_add(&h, "message", (struct assay_bytes){"test", 4}, NULL), ASSAY_OK);
    }
    assert_in_range(forgotten, 140000 / 3, 140000 * 2 / 3);
    assay_histories_destroy(histories);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(what_was_said_finds_what_it_showed),
            cmocka_unit_test(it_does_not_grow_without_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
