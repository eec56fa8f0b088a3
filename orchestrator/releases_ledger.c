// SPDX-License-Identifier: MIT
#include "orchestrator/releases_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/json.h"
#include "tasks/outcome.h"
#include "tasks/verdict.h"

#define LEDGER_BYTES_MAX ((size_t)1 << 30)
#define LINE_BYTES_MAX ((size_t)64 << 20)
#define ARENA_BYTES ((size_t)2 << 30)

struct entry {
    const char *key, *reason;
    struct assay_strings fail_to_pass, pass_to_pass;
};

struct assay_release_ledger {
    struct assay_arena *arena;
    struct entry *entries; // as they were when it was opened
    size_t count;
    int fd;
    pthread_mutex_t lock; // around the file
};

static void hash_strings(struct assay_sha256 *sha, const struct assay_strings *strings)
{
    assay_sha256_field(sha, &strings->count, sizeof(strings->count));
    for (size_t i = 0; i < strings->count; i++)
        assay_sha256_field_text(sha, strings->items[i]);
}

void assay_release_pair_key(char hex[ASSAY_SHA256_HEX_BYTES], const struct assay_release_plan *plan,
        const struct assay_release_pair *pair)
{
    const struct assay_recipe *recipe = assay_suite_recipe(plan->suite, pair->recipe);
    struct assay_sha256 *sha = NULL;

    hex[0] = '\0'; // matches nothing
    if (assay_sha256_create(&sha, NULL) != ASSAY_OK)
        return;
    assay_sha256_field_text(sha, ASSAY_GRADER_VERSION);
    hash_strings(sha, &plan->ignore);
    assay_sha256_field_text(sha, pair->old_release.sha256);
    assay_sha256_field_text(sha, pair->new_release.sha256);
    hash_strings(sha, &pair->tests);
    assay_sha256_field_text(sha, recipe->base);
    assay_sha256_field_text(sha, recipe->workdir);
    hash_strings(sha, &recipe->setup);
    hash_strings(sha, &recipe->env);
    hash_strings(sha, &recipe->hosts);
    assay_sha256_field_text(sha, pair->framework);
    hash_strings(sha, &pair->test_cmd);
    assay_sha256_field(sha, &pair->limits, sizeof(pair->limits));
    if (pair->patch != NULL) {
        assay_sha256_field_text(sha, pair->series.sha256);
        assay_sha256_field_text(sha, pair->patch);
    }
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
}

// --- reading ------------------------------------------------------------------------------------

static bool read_list(
        struct assay_strings *out, const struct assay_json *list, struct assay_arena *arena)
{
    const size_t count = list == NULL ? 0 : assay_json_count(list);
    const char **items = assay_arena_array(arena, count + 1, sizeof(*items));
    size_t read = 0;

    for (const struct assay_json *one = count == 0 ? NULL : assay_json_first(list);
            items != NULL && one != NULL; one = assay_json_next(one)) {
        const char *text = assay_json_text(one);

        if (text == NULL || (items[read] = assay_arena_strdup(arena, text)) == NULL)
            return false;
        read++;
    }
    *out = (struct assay_strings){items, read};
    return items != NULL;
}

static bool read_entry(struct entry *out, const struct assay_json *row, struct assay_arena *arena)
{
    const char *key = assay_json_text(assay_json_get(row, "pair"));
    const char *reason = assay_json_text(assay_json_get(row, "reason"));

    if (key == NULL || reason == NULL)
        return false;
    out->key = assay_arena_strdup(arena, key);
    out->reason = assay_arena_strdup(arena, reason);
    return out->key != NULL && out->reason != NULL &&
            read_list(&out->fail_to_pass, assay_json_get(row, "FAIL_TO_PASS"), arena) &&
            read_list(&out->pass_to_pass, assay_json_get(row, "PASS_TO_PASS"), arena);
}

static enum assay_status read_lines(
        struct assay_release_ledger *ledger, const struct assay_buf *text, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = LINE_BYTES_MAX, .depth_max = 4};
    const char *at = text->data, *end;
    size_t lines = 0;

    for (const char *c = at; text->len > 0 && (c = strchr(c, '\n')) != NULL; c++)
        lines++;
    ledger->entries = assay_arena_array(ledger->arena, lines + 1, sizeof(*ledger->entries));
    if (ledger->entries == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    while (text->len > 0 && (end = strchr(at, '\n')) != NULL) {
        struct assay_json *row = NULL;

        if (assay_json_parse(&row, at, (size_t)(end - at), limits, "ledger", 1, NULL) == ASSAY_OK &&
                read_entry(&ledger->entries[ledger->count], row, ledger->arena))
            ledger->count++;
        assay_json_free(row);
        at = end + 1;
    }
    return ASSAY_OK;
}

static enum assay_status read_file(struct assay_release_ledger *ledger, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&text, LEDGER_BYTES_MAX);
    status = assay_fs_read_fd(&text, ledger->fd, err);
    if (status == ASSAY_OK)
        status = read_lines(ledger, &text, err);
    if (status == ASSAY_OK && text.len > 0 && text.data[text.len - 1] != '\n')
        status = assay_fs_write_all(ledger->fd, "\n", 1, err);
    assay_buf_free(&text);
    return status;
}

enum assay_status assay_release_ledger_open(struct assay_release_ledger **out, const char *home,
        const struct assay_release_plan *plan, struct assay_error *err)
{
    struct assay_release_ledger *ledger = calloc(1, sizeof(*ledger));
    char path[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    if (ledger == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    ledger->fd = -1;
    pthread_mutex_init(&ledger->lock, NULL);
    (void)snprintf(path, sizeof(path), "%.*s/releases", PATH_MAX - 256, home);
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        status = assay_fail_errno(err, errno, "make %.150s", path);
    if (status == ASSAY_OK)
        status = assay_arena_create(&ledger->arena, ARENA_BYTES, err);
    (void)snprintf(
            path, sizeof(path), "%.*s/releases/%s.jsonl", PATH_MAX - 256, home, plan->suite->name);
    if (status == ASSAY_OK) {
        ledger->fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
        if (ledger->fd < 0)
            status = assay_fail_errno(err, errno, "open %.150s", path);
    }
    if (status == ASSAY_OK)
        status = read_file(ledger, err);
    if (status == ASSAY_OK)
        *out = ledger;
    else
        assay_release_ledger_close(ledger);
    return status;
}

void assay_release_ledger_close(struct assay_release_ledger *ledger)
{
    if (ledger == NULL)
        return;
    if (ledger->fd >= 0)
        close(ledger->fd);
    pthread_mutex_destroy(&ledger->lock);
    assay_arena_destroy(ledger->arena);
    free(ledger);
}

bool assay_release_ledger_find(struct assay_release_ledger *ledger, const char *key,
        const char **reason, struct assay_instance *instance)
{
    for (size_t i = ledger->count; i > 0 && key[0] != '\0'; i--) {
        const struct entry *entry = &ledger->entries[i - 1];

        if (strcmp(entry->key, key) != 0)
            continue;
        *reason = entry->reason;
        instance->fail_to_pass = entry->fail_to_pass;
        instance->pass_to_pass = entry->pass_to_pass;
        return true;
    }
    return false;
}

// --- writing ------------------------------------------------------------------------------------

static void put_list(struct assay_json_writer *w, const char *key, const struct assay_strings *list)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < list->count; i++)
        assay_json_put_text(w, NULL, list->items[i]);
    assay_json_end_array(w);
}

enum assay_status assay_release_ledger_put(struct assay_release_ledger *ledger, const char *key,
        const char *reason, const struct assay_instance *instance, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf line;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&line, LINE_BYTES_MAX);
    assay_json_writer_init(&w, &line, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "pair", key);
    assay_json_put_text(&w, "instance_id", instance->instance_id);
    assay_json_put_text(&w, "reason", reason);
    if (reason[0] == '\0') {
        put_list(&w, "FAIL_TO_PASS", &instance->fail_to_pass);
        put_list(&w, "PASS_TO_PASS", &instance->pass_to_pass);
    }
    assay_json_end_object(&w);
    assay_buf_addc(&line, '\n');
    status = assay_buf_check(&line, "ledger", err);
    pthread_mutex_lock(&ledger->lock);
    if (status == ASSAY_OK)
        status = assay_fs_write_all(ledger->fd, line.data, line.len, err);
    pthread_mutex_unlock(&ledger->lock);
    assay_buf_free(&line);
    return status;
}
