// SPDX-License-Identifier: MIT
// What must hold: each row is a prediction or has its own error with file and line, and no row
// harms another.
#include "tasks/predictions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tasks/fixture.h"

static struct assay_predictions *read_good(void *const *state, const char *file)
{
    struct assay_predictions *predictions = NULL;
    struct assay_error err;

    if (assay_predictions_read(&predictions, in_dir(state, file), &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return predictions;
}

#define ROW(id, patch) "{\"instance_id\": \"" id "\", \"model_patch\": " patch "}\n"

static const struct {
    const char *text, *id, *error;
    enum assay_prediction_state state;
} hostile_rows[] = {
        {ROW("a-1", "\"--- a/x\\n+++ b/x\\n@@ -1 +1 @@\\n-a\\n+b\\n\""), "a-1", NULL,
                ASSAY_PREDICTION_PATCH},
        {ROW("a-2", "null"), "a-2", NULL, ASSAY_PREDICTION_EMPTY},
        {ROW("a-3", "\"\""), "a-3", NULL, ASSAY_PREDICTION_EMPTY},
        {ROW("a-4", "\" \\n\\t\""), "a-4", NULL, ASSAY_PREDICTION_EMPTY},
        {"{\"instance_id\": \"a-5\", \"model_patch\": \"x\\r\\n\"}\r\n", "a-5", NULL,
                ASSAY_PREDICTION_PATCH},
        {"null\n", NULL, "6: expected an object", ASSAY_PREDICTION_BAD_ROW},
        {"not json\n", NULL, "", ASSAY_PREDICTION_BAD_ROW},
        {"{\"instance_id\": \"a-8\", \"model_patch\": \"cut\n", NULL, "", ASSAY_PREDICTION_BAD_ROW},
        {ROW("a-9", "7"), "a-9", "9: model_patch: expected a string or null",
                ASSAY_PREDICTION_BAD_ROW},
        {ROW("../../etc", "\"x\""), NULL,
                "10: instance_id: \"../../etc\" is not 1 to 200 of [A-Za-z0-9_.-]",
                ASSAY_PREDICTION_BAD_ROW},
        {"{\"model_patch\": \"x\"}\n", NULL, "11: instance_id: missing", ASSAY_PREDICTION_BAD_ROW},
        {"{\"instance_id\": \"a-12\"}\n", "a-12", "12: model_patch: missing",
                ASSAY_PREDICTION_BAD_ROW},
        {ROW("a-1", "\"again\""), "a-1", "13: instance_id: \"a-1\" has a row already, in line 1",
                ASSAY_PREDICTION_BAD_ROW},
        {ROW("a-14", "\"a\\u0000b\""), NULL, "", ASSAY_PREDICTION_BAD_ROW},
        {ROW("a-15", "\"\xff\""), NULL, "", ASSAY_PREDICTION_BAD_ROW},
        {"{\"instance_id\": \"a-16\", \"instance_id\": \"b\", \"model_patch\": \"x\"}\n", NULL, "",
                ASSAY_PREDICTION_BAD_ROW},
        {"{\"instance_id\": \"a-17\", \"patch\": \"x\", \"extra\": [1], \"model_name_or_path\":"
         " \"m/1\"}\n",
                "a-17", NULL, ASSAY_PREDICTION_PATCH},
        {"{\"instance_id\": \"a-18\", \"prediction\": \"x\", \"model_name_or_path\": 7}\n", "a-18",
                "18: model_name_or_path: expected a string", ASSAY_PREDICTION_BAD_ROW},
        {ROW("a-19", "\"last\""), "a-19", NULL, ASSAY_PREDICTION_PATCH},
};

static void assert_row(const struct assay_prediction *prediction, size_t i, const char *file)
{
    const size_t file_len = strlen(file);

    assert_int_equal(prediction->state, hostile_rows[i].state);
    assert_int_equal(prediction->line, i + 1);
    if (hostile_rows[i].id == NULL)
        assert_null(prediction->instance_id);
    else
        assert_string_equal(prediction->instance_id, hostile_rows[i].id);
    if (hostile_rows[i].error == NULL) {
        assert_null(prediction->error);
        return;
    }
    assert_int_equal(strncmp(prediction->error, file, file_len), 0);
    if (hostile_rows[i].error[0] != '\0')
        assert_string_equal(prediction->error + file_len + 1, hostile_rows[i].error);
    else // base/json's words
        assert_int_equal(strtoul(prediction->error + file_len + 1, NULL, 10), i + 1);
}

static void the_hostile_file_gives_each_row_its_own_result(void **state)
{
    struct assay_predictions *predictions;
    struct assay_buf text;

    assay_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < sizeof(hostile_rows) / sizeof(hostile_rows[0]); i++)
        assay_buf_adds(&text, hostile_rows[i].text);
    write_bytes(state, "preds.jsonl", text.data, text.len);
    predictions = read_good(state, "preds.jsonl");
    assert_int_equal(predictions->count, sizeof(hostile_rows) / sizeof(hostile_rows[0]));
    for (size_t i = 0; i < predictions->count; i++) {
        print_message("row %zu\n", i);
        assert_row(&predictions->items[i], i, in_dir(state, "preds.jsonl"));
    }
    assert_string_equal(predictions->items[4].patch.data, "x\r\n");
    assert_string_equal(predictions->items[16].model, "m/1");
    assert_string_equal(predictions->items[0].model, "");
    assert_int_equal(strlen(predictions->sha256), 64);
    assay_predictions_free(predictions);
    assay_predictions_free(NULL);
    assay_buf_free(&text);
}

// A row with a patch of `len` bytes.
static void add_long_row(struct assay_buf *text, const char *id, size_t len)
{
    assay_buf_addf(text, "{\"instance_id\": \"%s\", \"model_patch\": \"", id);
    assert_true(assay_buf_reserve(text, len));
    memset(text->data + text->len, 'x', len);
    text->len += len;
    assay_buf_adds(text, "\"}\n");
}

static void a_huge_row_harms_nobody(void **state)
{
    struct assay_predictions *predictions;
    struct assay_buf text;
    char message[256];

    assay_buf_init(&text, (size_t)128 << 20);
    add_long_row(&text, "a-1", ASSAY_MODEL_PATCH_BYTES_MAX);
    add_long_row(&text, "a-2", (size_t)5 << 20);
    add_long_row(&text, "a-3", ASSAY_PREDICTION_LINE_BYTES_MAX);
    add_long_row(&text, "a-4", 1);
    assert_false(text.failed);
    write_bytes(state, "preds.jsonl", text.data, text.len);
    predictions = read_good(state, "preds.jsonl");
    assert_int_equal(predictions->count, 4);
    assert_int_equal(predictions->items[0].state, ASSAY_PREDICTION_PATCH);
    assert_int_equal(predictions->items[0].patch.len, ASSAY_MODEL_PATCH_BYTES_MAX);
    assert_int_equal(predictions->items[1].state, ASSAY_PREDICTION_TOO_BIG);
    assert_string_equal(predictions->items[1].instance_id, "a-2");
    assert_null(predictions->items[1].patch.data);
    assert_int_equal(predictions->items[2].state, ASSAY_PREDICTION_BAD_ROW);
    snprintf(message, sizeof(message), "%s:3: the row is larger than 67108864 bytes",
            in_dir(state, "preds.jsonl"));
    assert_string_equal(predictions->items[2].error, message);
    assert_int_equal(predictions->items[3].state, ASSAY_PREDICTION_PATCH);
    assay_predictions_free(predictions);
    assay_buf_free(&text);
}

static void lists_and_objects_are_read_too(void **state)
{
    struct assay_predictions *predictions;

    write_file(state, "list.json",
            "[\n{\"instance_id\": \"a-1\",\n \"model_patch\": \"x\"},\n 7,\n"
            "{\"instance_id\": \"a-2\", \"model_patch\": null}]");
    predictions = read_good(state, "list.json");
    assert_int_equal(predictions->count, 3);
    assert_int_equal(predictions->items[0].line, 2);
    assert_int_equal(predictions->items[1].state, ASSAY_PREDICTION_BAD_ROW);
    assert_int_equal(predictions->items[2].line, 5);
    assay_predictions_free(predictions);

    write_file(state, "object.json",
            "{\"a-1\": {\"model_patch\": \"x\"},\n\"a-2\": {\"instance_id\": \"a-3\","
            " \"model_patch\": \"y\"}, \"a\\u002d4\": {\"model_patch\": \"{\\\"]\"}}");
    predictions = read_good(state, "object.json");
    assert_int_equal(predictions->count, 3);
    assert_string_equal(predictions->items[0].instance_id, "a-1");
    assert_non_null(strstr(predictions->items[1].error,
            "object.json:2: instance_id: \"a-3\" stands under the key \"a-2\""));
    assert_string_equal(predictions->items[2].instance_id, "a-4");
    assert_string_equal(predictions->items[2].patch.data, "{\"]");
    assay_predictions_free(predictions);

    write_file(state, "empty.jsonl", "");
    predictions = read_good(state, "empty.jsonl");
    assert_int_equal(predictions->count, 0);
    assay_predictions_free(predictions);
}

static void a_broken_list_ends_with_a_bad_row(void **state)
{
    struct assay_predictions *predictions;

    write_file(state, "list.json", "[{\"instance_id\": \"a-1\", \"model_patch\": \"x\"},\n{\"inst");
    predictions = read_good(state, "list.json");
    assert_int_equal(predictions->count, 2);
    assert_int_equal(predictions->items[0].state, ASSAY_PREDICTION_PATCH);
    assert_non_null(strstr(predictions->items[1].error, "list.json:2: the file is cut off"));
    assay_predictions_free(predictions);
}

static void only_a_file_that_cannot_be_read_is_an_error(void **state)
{
    struct assay_predictions *predictions = NULL;
    struct assay_error err;

    assert_fails(assay_predictions_read(&predictions, in_dir(state, "none.jsonl"), &err), &err,
            ASSAY_ENOTFOUND, in_dir(state, "none.jsonl: no such file"));
    assert_int_equal(assay_predictions_read(&predictions, in_dir(state, ""), &err), ASSAY_EIO);
    assert_null(predictions);
}

#define ROOM(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            ROOM(the_hostile_file_gives_each_row_its_own_result),
            ROOM(a_huge_row_harms_nobody),
            ROOM(lists_and_objects_are_read_too),
            ROOM(a_broken_list_ends_with_a_bad_row),
            ROOM(only_a_file_that_cannot_be_read_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
