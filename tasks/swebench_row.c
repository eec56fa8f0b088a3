// SPDX-License-Identifier: MIT
#include "tasks/swebench_row.h"

#include <string.h>

#include "base/json.h"

#define ROW_BYTES_MAX ((size_t)256 << 20)
#define DEPTH_MAX 64

// On one line, its members in their order.
static enum assay_status flatten(
        struct assay_buf *out, const struct assay_instance *instance, struct assay_error *err)
{
    const struct assay_json_limits limits = {
            .bytes_max = instance->row.len + 1, .depth_max = DEPTH_MAX};
    struct assay_json_writer w;
    struct assay_json *row = NULL;
    enum assay_status status = assay_json_parse(
            &row, instance->row.data, instance->row.len, limits, instance->instance_id, 1, err);

    if (status != ASSAY_OK)
        return status;
    assay_json_writer_init(&w, out, 0);
    assay_json_put_copy(&w, NULL, row);
    assay_json_free(row);
    return ASSAY_OK;
}

static void quote(struct assay_buf *out, const char *word)
{
    assay_buf_addc(out, '\'');
    for (; *word != '\0'; word++) {
        if (*word == '\'')
            assay_buf_adds(out, "'\\''");
        else
            assay_buf_addc(out, *word);
    }
    assay_buf_addc(out, '\'');
}

static bool is_plain(const char *word)
{
    return word[0] != '\0' &&
            word[strspn(word,
                    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%")] ==
            '\0';
}

static void put_command(struct assay_json_writer *w, const struct assay_strings *argv)
{
    struct assay_buf text;

    if (argv->count == 3 && strcmp(argv->items[0], "bash") == 0 &&
            strcmp(argv->items[1], "-c") == 0) {
        assay_json_put_text(w, "test_cmd", argv->items[2]);
        return;
    }
    assay_buf_init(&text, ROW_BYTES_MAX);
    for (size_t i = 0; i < argv->count; i++) {
        if (i > 0)
            assay_buf_addc(&text, ' ');
        if (is_plain(argv->items[i]))
            assay_buf_adds(&text, argv->items[i]);
        else
            quote(&text, argv->items[i]);
    }
    assay_json_put_bytes(w, "test_cmd", text.data, text.len);
    assay_buf_free(&text);
}

static void put_list(struct assay_json_writer *w, const char *key, const struct assay_strings *list)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < list->count; i++)
        assay_json_put_bytes(w, NULL, list->items[i], strlen(list->items[i]));
    assay_json_end_array(w);
}

static void put_bytes(struct assay_json_writer *w, const char *key, const struct assay_bytes *bytes)
{
    assay_json_put_bytes(w, key, bytes->data == NULL ? "" : bytes->data, bytes->len);
}

static void make_row(struct assay_buf *out, const struct assay_instance *instance)
{
    const bool git = instance->base.kind == ASSAY_BASE_GIT;
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "repo", instance->repo);
    assay_json_put_text(&w, "instance_id", instance->instance_id);
    assay_json_put_text(&w, "base_commit", git ? instance->base.commit : instance->tree);
    put_bytes(&w, "patch", &instance->gold_patch);
    put_bytes(&w, "test_patch", &instance->test_patch);
    put_bytes(&w, "problem_statement", &instance->problem);
    assay_json_put_text(&w, "hints_text", "");
    assay_json_put_text(&w, "created_at", "");
    assay_json_put_text(&w, "version", instance->version == NULL ? "" : instance->version);
    put_list(&w, "FAIL_TO_PASS", &instance->fail_to_pass);
    put_list(&w, "PASS_TO_PASS", &instance->pass_to_pass);
    put_command(&w, &instance->test_cmd);
    assay_json_put_text(&w, "log_parser",
            instance->log_parser == NULL ? instance->framework : instance->log_parser);
    assay_json_put_text(&w, "eval_type", instance->fail_only ? "fail_only" : "pass_and_fail");
    assay_json_end_object(&w);
}

enum assay_status assay_swebench_row(
        struct assay_buf *out, const struct assay_instance *instance, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    if (instance->row.data == NULL)
        make_row(out, instance);
    else if (memchr(instance->row.data, '\n', instance->row.len) != NULL)
        status = flatten(out, instance, err);
    else
        assay_buf_add(out, instance->row.data, instance->row.len);
    assay_buf_addc(out, '\n');
    return status == ASSAY_OK ? assay_buf_check(out, instance->instance_id, err) : status;
}
