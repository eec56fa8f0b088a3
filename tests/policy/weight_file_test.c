// SPDX-License-Identifier: MIT
// What must hold: files that the field's own libraries wrote read as those libraries read them, and
// a file that lies about itself is refused, whatever is cut off or changed.
#include "policy/weight_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "policy/gguf.h"
#include "support/harness.h"
#include "support/temp.h"

#define FIXTURES "tests/policy/fixtures/weights/" // made by tests/golden/make_weights.py
#define VALUES_MAX 4096

static struct assay_weight_file *open_file(const char *path)
{
    struct assay_weight_file *file = NULL;
    struct assay_error err = {0};

    if (assay_weight_file_open(&file, path, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    return file;
}

static void check_shape(const struct assay_weight_view *view, char *shape)
{
    char text[128] = "";
    size_t len = 0;

    for (uint32_t i = 0; i < view->dim_count; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%llu", i ? "x" : "",
                (unsigned long long)view->dims[i]);
    assert_string_equal(view->dim_count ? text : "-", shape);
}

// file, name, type, shape, values
static void check_row(char *line)
{
    char *fields[5], *at = line;
    char path[256];
    float values[VALUES_MAX];
    struct assay_weight_file *file;
    const struct assay_weight_view *view;

    for (size_t i = 0; i < 5; i++)
        fields[i] = strsep(&at, "\t");
    print_message("%s %s\n", fields[0], fields[1]);
    assert_non_null(fields[4]);
    assert_true(snprintf(path, sizeof(path), FIXTURES "%s", fields[0]) < (int)sizeof(path));
    file = open_file(path);
    view = assay_weight_file_find(file, fields[1]);
    assert_non_null(view);
    assert_string_equal(assay_weight_type_name(view->type), fields[2]);
    check_shape(view, fields[3]);
    assert_true(assay_weight_elements(view) <= VALUES_MAX);
    assert_true(assay_weight_to_float(values, view, 0, assay_weight_elements(view)));
    at = fields[4];
    for (uint64_t i = 0; i < assay_weight_elements(view); i++) {
        const float expected = strtof(at, &at);

        if (values[i] != expected)
            fail_msg("[%zu] is %a, not %a", (size_t)i, (double)values[i], (double)expected);
    }
    assay_weight_file_close(file);
}

static void files_read_as_their_own_libraries_read_them(void **state)
{
    struct assay_buf text;
    char *rest = NULL;
    size_t count = 0;

    (void)state;
    assay_buf_init(&text, 1 << 20);
    assert_int_equal(assay_fs_read_file(&text, FIXTURES "expected.tsv", NULL), ASSAY_OK);
    for (char *line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        check_row(line);
        count++;
    }
    assert_int_equal(count, 33);
    assay_buf_free(&text);
}

static void keys_of_gguf_are_found(void **state)
{
    struct assay_weight_file *file = open_file(FIXTURES "tiny.gguf");
    const struct assay_gguf_values *values = assay_weight_file_gguf(file);
    const struct assay_gguf_value *tokens;
    double number = 0;

    (void)state;
    assert_non_null(values);
    assert_true(assay_gguf_number(&number, assay_gguf_find(values, "qwen3.rope.freq_base"), 0));
    assert_true(number == 1e6);
    assert_true(assay_gguf_number(&number, assay_gguf_find(values, "test.yes"), 0));
    assert_true(number == 1);
    assert_true(assay_gguf_number(&number, assay_gguf_find(values, "test.numbers"), 4));
    assert_true(number == 5);
    assert_false(assay_gguf_number(&number, assay_gguf_find(values, "test.numbers"), 5));
    assert_false(assay_gguf_number(&number, assay_gguf_find(values, "general.name"), 0));
    tokens = assay_gguf_find(values, "tokenizer.ggml.tokens");
    assert_int_equal(tokens->count, 4);
    assert_memory_equal(tokens->texts[2].data,
            "\xc4\xa0"
            "c",
            3);
    assert_int_equal(tokens->texts[3].len, 0);
    assert_null(assay_gguf_find(values, "no.such.key"));
    assay_weight_file_close(file);
}

// --- what is refused ----------------------------------------------------------------------------

static enum assay_status open_bytes(
        const struct assay_temp *temp, const void *bytes, size_t len, struct assay_error *err)
{
    struct assay_weight_file *file = NULL;
    char path[128];
    enum assay_status status;
    int fd = openat(temp->fd, "file", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(assay_fs_write_all(fd, bytes, len, NULL), ASSAY_OK);
    close(fd);
    assert_true(snprintf(path, sizeof(path), "%s/file", temp->path) < (int)sizeof(path));
    status = assay_weight_file_open(&file, path, err);
    if (status == ASSAY_OK) // touch every byte that it hands out
        for (size_t i = 0; i < assay_weight_file_count(file); i++) {
            const struct assay_weight_view *view = assay_weight_file_at(file, i);
            volatile unsigned char sum = 0;

            for (uint64_t j = 0; j < view->bytes; j++)
                sum = (unsigned char)(sum + view->data[j]);
        }
    else
        assert_null(file);
    assay_weight_file_close(file);
    return status;
}

static void a_file_that_is_cut_short_is_refused(void **state)
{
    static const char *const files[] = {"tiny.safetensors", "tiny.pth", "tiny.gguf"};

    for (size_t i = 0; i < 3; i++) {
        struct assay_buf text;
        char path[128];

        assay_buf_init(&text, 1 << 20);
        (void)snprintf(path, sizeof(path), FIXTURES "%s", files[i]);
        assert_int_equal(assay_fs_read_file(&text, path, NULL), ASSAY_OK);
        for (size_t len = 0; len < text.len; len += len < 2048 ? 7 : 97) {
            struct assay_error err = {0};

            if (open_bytes(*state, text.data, len, &err) != ASSAY_EINVAL)
                fail_msg("%s, %zu of %zu bytes", files[i], len, text.len);
            assert_true(strlen(err.message) > 10);
        }
        assay_buf_free(&text);
    }
}

#define TENSOR(name, dtype, shape, from, to)                                                       \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":[" #from "," #to   \
    "]}"

static void headers_that_lie_are_refused(void **state)
{
    static const struct {
        const char *header, *message;
    } rows[] = {
            {"[]", "not an object"},
            {"{\"a\":1}", "tensor a: not an object"},
            {"{" TENSOR("a", "F33", "[4]", 0, 16) "}", "unknown dtype"},
            {"{" TENSOR("a", "F32", "[4]", 0, 12) "}", "do not fit"},
            {"{" TENSOR("a", "F32", "[3]", 0, 12) "}", "4 bytes after the last tensor"},
            {"{" TENSOR("a", "F32", "[5]", 0, 20) "}", "outside of the file"},
            {"{" TENSOR("a", "F32", "[4]", 16, 0) "}", "outside of the file"},
            {"{" TENSOR("a", "F32", "[-4]", 0, 16) "}", "no size"},
            {"{" TENSOR("a", "F32", "[1.5]", 0, 16) "}", "no size"},
            {"{" TENSOR("a", "F32", "[4294967296,4294967296]", 0, 16) "}", "do not fit"},
            {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,4]", 0, 16) "}", "8 dimensions"},
            {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[3]", 4, 16) "}",
                    "overlap"},
            {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[1]", 12, 16) "}", "gap"},
            {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("a", "F32", "[2]", 8, 16) "}",
                    "duplicate"},
            {"{" TENSOR("", "F32", "[4]", 0, 16) "}", "empty name"},
            {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "data_offsets"},
            {"{\"a\":", "file:1"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        unsigned char bytes[512] = {0};
        const size_t len = strlen(rows[i].header);
        struct assay_error err = {0};

        print_message("row %zu\n", i);
        bytes[0] = (unsigned char)len;
        bytes[1] = (unsigned char)(len >> 8);
        memcpy(bytes + 8, rows[i].header, len);
        assert_int_equal(open_bytes(*state, bytes, 8 + len + 16, &err), ASSAY_EINVAL);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].message));
    }
}

// One byte after another made all ones, or zero: nothing but an error or the same sizes may come.
static void a_changed_byte_never_leads_out_of_the_file(void **state)
{
    static const char *const files[] = {"tiny.safetensors", "tiny.pth", "tiny.gguf"};
    size_t refused = 0;

    for (size_t i = 0; i < 3; i++) {
        struct assay_buf text;
        char path[128];

        assay_buf_init(&text, 1 << 20);
        (void)snprintf(path, sizeof(path), FIXTURES "%s", files[i]);
        assert_int_equal(assay_fs_read_file(&text, path, NULL), ASSAY_OK);
        for (size_t at = 0; at < text.len && at < 2600; at += 3) {
            const char kept = text.data[at];

            text.data[at] = at % 2 ? '\xff' : '\0';
            refused += open_bytes(*state, text.data, text.len, NULL) != ASSAY_OK;
            text.data[at] = kept;
        }
        assay_buf_free(&text);
    }
    assert_true(refused > 500);
}

static void an_index_is_held_to_its_word(void **state)
{
    static const struct {
        const char *index, *message;
    } rows[] = {
            {"{}", "weight_map"},
            {"{\"weight_map\":{\"a\":\"../x.safetensors\"}}", "not a file beside the index"},
            {"{\"weight_map\":{\"a\":1}}", "not a file beside the index"},
            {"{\"weight_map\":{\"a\":\"none.safetensors\"}}", "none.safetensors"},
            {"{\"weight_map\":{\"b\":\"one.safetensors\"}}", "no shard has that tensor"},
            {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", "twice"},
    };
    const struct assay_temp *temp = *state;
    static const char header[] = "{" TENSOR("a", "F32", "[1]", 0, 4) "}";
    char shard[128] = {(char)(sizeof(header) - 1)};
    const size_t shard_bytes = 8 + sizeof(header) - 1 + 4;

    memcpy(shard + 8, header, sizeof(header));

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_weight_file *file = NULL;
        struct assay_error err = {0};
        char path[128];

        for (size_t j = 0; j < 2; j++) {
            (void)snprintf(path, sizeof(path), "%s/%s.safetensors", temp->path, j ? "two" : "one");
            assert_int_equal(assay_fs_replace_file(path, shard, shard_bytes, 0600, NULL), ASSAY_OK);
        }
        (void)snprintf(path, sizeof(path), "%s/model.safetensors.index.json", temp->path);
        assert_int_equal(
                assay_fs_replace_file(path, rows[i].index, strlen(rows[i].index), 0600, NULL),
                ASSAY_OK);
        assert_int_not_equal(assay_weight_file_open(&file, temp->path, &err), ASSAY_OK);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, rows[i].message));
        assert_null(file);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
            cmocka_unit_test(files_read_as_their_own_libraries_read_them),
            cmocka_unit_test(keys_of_gguf_are_found),
            cmocka_unit_test_setup_teardown(
                    a_file_that_is_cut_short_is_refused, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    headers_that_lie_are_refused, assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(a_changed_byte_never_leads_out_of_the_file,
                    assay_temp_setup, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(
                    an_index_is_held_to_its_word, assay_temp_setup, assay_temp_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
