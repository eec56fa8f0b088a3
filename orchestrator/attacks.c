// SPDX-License-Identifier: MIT
#include "orchestrator/attacks.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/json.h"
#include "rewards/framework.h"
#include "tasks/outcome.h"

#define CORPUS_BYTES_MAX ((size_t)64 << 20) // of attacks.jsonl
#define LINE_DEPTH_MAX 4
#define ATTACKS_MAX 10000
// In this order by name, which is the order in which instances are graded.
#define TWIN_PREFIX "honest."
#define ATTACK_PREFIX "hostile."

// What the reading of one corpus shares.
struct corpus {
    struct assay_attacks *attacks;
    const struct assay_attacks_filter *filter;
    const char *dir;
    struct assay_suite repos;  // the suite as it is on disk
    struct assay_arena *arena; // of that suite: holds everything that is read
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- one line ------------------------------------------------------------------------------------

static enum assay_status read_list(struct corpus *corpus, struct assay_strings *out,
        const struct assay_json *line, const char *key, struct assay_error *err)
{
    const struct assay_json *list = assay_json_get(line, key);
    const char **items;
    size_t count = 0;

    if (!list)
        return ASSAY_OK;
    items = assay_arena_array(corpus->arena, assay_json_count(list) + 1, sizeof(*items));
    if (!items)
        return no_memory(err);
    for (const struct assay_json *i = assay_json_first(list); i; i = assay_json_next(i)) {
        const char *text = assay_json_text(i);

        if (!text)
            return assay_fail(err, ASSAY_EINVAL, "%s: expected a list of strings", key);
        items[count] = assay_arena_strdup(corpus->arena, text);
        if (!items[count++])
            return no_memory(err);
    }
    *out = (struct assay_strings){items, count};
    return ASSAY_OK;
}

static enum assay_status read_causes(struct corpus *corpus, struct assay_attack *attack,
        const struct assay_json *line, struct assay_error *err)
{
    struct assay_strings names = {NULL, 0};
    enum assay_cause cause;
    enum assay_status status = read_list(corpus, &names, line, "cause", err);

    for (size_t i = 0; status == ASSAY_OK && i < names.count; i++) {
        if (!assay_cause_from_name(&cause, names.items[i]))
            return assay_fail(err, ASSAY_EINVAL, "cause: no cause '%s'", names.items[i]);
        attack->causes |= UINT32_C(1) << cause;
    }
    if (status == ASSAY_OK && attack->causes == 0)
        return assay_fail(err, ASSAY_EINVAL, "cause: missing");
    return status;
}

// A program that stands first in a command by its path, or that its shell line names as a tool.
static const char *missing_program(const struct assay_instance *instance)
{
    const char *program = instance->test_cmd.items[0];

    for (size_t i = 0; i < instance->tags.count; i++)
        if (strncmp(instance->tags.items[i], "needs:", 6) == 0)
            program = instance->tags.items[i] + 6;
    return program[0] == '/' && access(program, X_OK) != 0 ? program : NULL;
}

static enum assay_status read_text(struct corpus *corpus, const char **out,
        const struct assay_json *line, const char *key, bool required, struct assay_error *err)
{
    const char *text = NULL;
    const enum assay_status status = required ? assay_json_read_text(&text, line, key, err)
                                              : assay_json_opt_text(&text, line, key, err);

    if (status != ASSAY_OK || !text)
        return status;
    *out = assay_arena_strdup(corpus->arena, text);
    return *out ? ASSAY_OK : no_memory(err);
}

static enum assay_status read_line(struct corpus *corpus, struct assay_attack *attack,
        const struct assay_json *line, struct assay_error *err)
{
    const struct assay_instance *repo;
    uint64_t row = 0;
    enum assay_status status = read_text(corpus, &attack->id, line, "id", true, err);

    if (status == ASSAY_OK)
        status = read_text(corpus, &attack->repo, line, "repo", true, err);
    if (status == ASSAY_OK)
        status = read_text(corpus, &attack->how, line, "how", true, err);
    if (status == ASSAY_OK)
        status = read_text(corpus, &attack->secret, line, "secret", false, err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(&row, line, "row", ASSAY_ATTACK_ROW_OWN, 20, err);
    if (status == ASSAY_OK)
        status = read_causes(corpus, attack, line, err);
    if (status == ASSAY_OK)
        status = read_list(corpus, &attack->dropped, line, "dropped", err);
    if (status == ASSAY_OK)
        status = read_list(corpus, &attack->naive, line, "naive", err);
    if (status != ASSAY_OK)
        return status;
    if (!assay_instance_id_valid(attack->id)) // it names files
        return assay_fail(err, ASSAY_EINVAL, "id: '%.100s' is not [A-Za-z0-9_.-]", attack->id);
    attack->row = (unsigned)row;
    repo = assay_suite_find(&corpus->repos, attack->repo);
    if (!repo)
        return assay_fail(err, ASSAY_EINVAL, "repo: no repository '%s'", attack->repo);
    attack->framework = repo->framework;
    attack->missing = missing_program(repo);
    return ASSAY_OK;
}

static bool wanted(const struct assay_attacks_filter *filter, const struct assay_attack *attack)
{
    bool named = !filter->ids || !filter->ids[0];

    for (size_t i = 0; filter->ids && filter->ids[i]; i++)
        named |= strcmp(filter->ids[i], attack->id) == 0;
    return named && (filter->row == UINT64_MAX || filter->row == attack->row) &&
            (!filter->framework || strcmp(filter->framework, attack->framework) == 0);
}

static enum assay_status take_line(struct corpus *corpus, const char *text, size_t len,
        const char *file, size_t number, struct assay_error *err)
{
    const struct assay_json_limits limits = {CORPUS_BYTES_MAX, LINE_DEPTH_MAX};
    struct assay_attacks *attacks = corpus->attacks;
    struct assay_attack attack = {0};
    struct assay_json *line = NULL;
    enum assay_status status = assay_json_parse(&line, text, len, limits, file, number, err);

    if (status == ASSAY_OK) {
        status = read_line(corpus, &attack, line, err);
        if (status != ASSAY_OK)
            (void)assay_wrap(err, "%s:%zu", file, number);
    }
    assay_json_free(line);
    if (status != ASSAY_OK || !wanted(corpus->filter, &attack))
        return status;
    if (attacks->count == ATTACKS_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%s: more than %d attacks", file, ATTACKS_MAX);
    attacks->items[attacks->count++] = attack;
    return ASSAY_OK;
}

static enum assay_status read_lines(struct corpus *corpus, struct assay_error *err)
{
    struct assay_buf text;
    size_t number = 1;
    char *file = assay_arena_printf(corpus->arena, "%s/attacks.jsonl", corpus->dir);
    enum assay_status status = file ? ASSAY_OK : no_memory(err);

    assay_buf_init(&text, CORPUS_BYTES_MAX);
    corpus->attacks->items =
            assay_arena_array(corpus->arena, ATTACKS_MAX, sizeof(*corpus->attacks->items));
    if (!corpus->attacks->items)
        status = no_memory(err);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, file, err);
    for (const char *at = text.data; status == ASSAY_OK && at && *at; number++) {
        const size_t len = strcspn(at, "\n");

        if (len > 0)
            status = take_line(corpus, at, len, file, number, err);
        at += len + (at[len] == '\n');
    }
    assay_buf_free(&text);
    return status;
}

// --- the suite and its patches -------------------------------------------------------------------

static enum assay_status read_patch(struct corpus *corpus, struct assay_bytes *out,
        const struct assay_attack *attack, bool twin, struct assay_error *err)
{
    struct assay_buf text;
    char *file = assay_arena_printf(corpus->arena, "%s/patches/%s.%s.patch", corpus->dir,
            attack->id, twin ? "twin" : "attack");
    enum assay_status status = file ? ASSAY_OK : no_memory(err);

    assay_buf_init(&text, ASSAY_MODEL_PATCH_BYTES_MAX);
    if (status == ASSAY_OK)
        status = assay_fs_read_file(&text, file, err);
    if (status == ASSAY_OK) {
        out->data = assay_arena_memdup(corpus->arena, text.data, text.len);
        out->len = text.len;
        if (!out->data)
            status = no_memory(err);
    }
    assay_buf_free(&text);
    return status;
}

// One instance and its prediction.
static enum assay_status add_instance(struct corpus *corpus, const struct assay_attack *attack,
        bool twin, struct assay_error *err)
{
    struct assay_attacks *attacks = corpus->attacks;
    struct assay_instance *instance = &attacks->suite->instances[attacks->suite->instance_count];
    struct assay_prediction *prediction = &attacks->predictions->items[attacks->predictions->count];

    *instance = *assay_suite_find(&corpus->repos, attack->repo);
    instance->instance_id = assay_arena_printf(
            corpus->arena, "%s%s", twin ? TWIN_PREFIX : ATTACK_PREFIX, attack->id);
    if (!instance->instance_id)
        return no_memory(err);
    attacks->suite->instance_count++;
    if (attack->missing)
        return ASSAY_OK;
    *prediction = (struct assay_prediction){.state = ASSAY_PREDICTION_PATCH,
            .instance_id = instance->instance_id,
            .model = "attacks",
            .line = attacks->predictions->count + 1};
    attacks->predictions->count++;
    return read_patch(corpus, &prediction->patch, attack, twin, err);
}

// What the patches are: the run of other patches is another run.
static enum assay_status hash_patches(struct corpus *corpus, struct assay_error *err)
{
    struct assay_predictions *predictions = corpus->attacks->predictions;
    struct assay_sha256 *sha = NULL;
    const enum assay_status status = assay_sha256_create(&sha, err);

    if (status != ASSAY_OK)
        return status;
    for (size_t i = 0; i < predictions->count; i++) {
        assay_sha256_field_text(sha, predictions->items[i].instance_id);
        assay_sha256_field(sha, predictions->items[i].patch.data, predictions->items[i].patch.len);
    }
    assay_sha256_hex(sha, predictions->sha256);
    assay_sha256_destroy(sha);
    return ASSAY_OK;
}

// Twins first: what one leaves behind for an attack to find (row 19) must be out of its reach.
static enum assay_status build(struct corpus *corpus, struct assay_error *err)
{
    struct assay_attacks *attacks = corpus->attacks;
    enum assay_status status = ASSAY_OK;

    attacks->suite->instance_count = 0;
    attacks->suite->instances = assay_arena_array(
            corpus->arena, 2 * attacks->count, sizeof(*attacks->suite->instances));
    attacks->predictions = assay_arena_alloc(corpus->arena, sizeof(*attacks->predictions));
    if (!attacks->suite->instances || !attacks->predictions)
        return no_memory(err);
    memset(attacks->predictions, 0, sizeof(*attacks->predictions));
    attacks->predictions->items = assay_arena_array(
            corpus->arena, 2 * attacks->count, sizeof(*attacks->predictions->items));
    if (!attacks->predictions->items)
        return no_memory(err);
    for (size_t i = 0; i < attacks->count && status == ASSAY_OK; i++)
        status = add_instance(corpus, &attacks->items[i], true, err);
    for (size_t i = 0; i < attacks->count && status == ASSAY_OK; i++)
        status = add_instance(corpus, &attacks->items[i], false, err);
    return status == ASSAY_OK ? hash_patches(corpus, err) : status;
}

static enum assay_status check_ids(struct corpus *corpus, struct assay_error *err)
{
    const struct assay_attacks *attacks = corpus->attacks;

    for (size_t i = 0; corpus->filter->ids && corpus->filter->ids[i]; i++) {
        bool found = false;

        for (size_t j = 0; j < attacks->count; j++)
            found |= strcmp(attacks->items[j].id, corpus->filter->ids[i]) == 0;
        if (!found)
            return assay_fail(err, ASSAY_ENOTFOUND, "%s has no attack '%s'", corpus->dir,
                    corpus->filter->ids[i]);
    }
    return attacks->count > 0
            ? ASSAY_OK
            : assay_fail(err, ASSAY_ENOTFOUND, "%s: no attack is left", corpus->dir);
}

// What stands behind the prefix, or NULL.
static const char *behind(const char *text, const char *prefix)
{
    const size_t len = strlen(prefix);

    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

const struct assay_attack *assay_attacks_of(
        const struct assay_attacks *attacks, const char *instance_id, bool *twin)
{
    const char *id = behind(instance_id, TWIN_PREFIX);

    *twin = id != NULL;
    if (!id)
        id = behind(instance_id, ATTACK_PREFIX);
    for (size_t i = 0; id && i < attacks->count; i++)
        if (strcmp(attacks->items[i].id, id) == 0)
            return &attacks->items[i];
    return NULL;
}

static bool holds(const struct assay_strings *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

bool assay_attack_answered(const struct assay_attack *attack, const struct assay_verdict *verdict)
{
    if (!verdict->scored || verdict->resolved || !(attack->causes >> verdict->cause & 1))
        return false;
    // A run that was found forged needs no more to be found.
    if (verdict->cause == ASSAY_CAUSE_TAMPERED || verdict->cause == ASSAY_CAUSE_INCONSISTENT)
        return true;
    for (size_t i = 0; i < attack->dropped.count; i++)
        if (!holds(&verdict->patch_dropped, attack->dropped.items[i]))
            return false;
    return true;
}

enum assay_status assay_attacks_read(struct assay_attacks **out, const char *dir,
        const struct assay_attacks_filter *filter, struct assay_error *err)
{
    struct corpus corpus = {.filter = filter, .dir = dir};
    struct assay_attacks *attacks = calloc(1, sizeof(*attacks));
    char path[PATH_MAX];
    enum assay_status status;

    if (!attacks)
        return no_memory(err);
    corpus.attacks = attacks;
    if (snprintf(path, sizeof(path), "%s/repos", dir) >= (int)sizeof(path))
        status = assay_fail(err, ASSAY_EINVAL, "the path of the corpus is too long");
    else
        status = assay_suite_read_native(&attacks->suite, path, err);
    if (status == ASSAY_OK) {
        corpus.repos = *attacks->suite;
        corpus.arena = attacks->suite->arena;
        status = read_lines(&corpus, err);
    }
    if (status == ASSAY_OK)
        status = check_ids(&corpus, err);
    if (status == ASSAY_OK)
        status = build(&corpus, err);
    if (status == ASSAY_OK)
        status = assay_suite_check(attacks->suite, assay_framework_known, err);
    if (status != ASSAY_OK) {
        assay_attacks_free(attacks);
        return status;
    }
    *out = attacks;
    return ASSAY_OK;
}

void assay_attacks_free(struct assay_attacks *attacks)
{
    if (!attacks)
        return;
    assay_suite_free(attacks->suite); // everything else lives in its arena
    free(attacks);
}
