// SPDX-License-Identifier: MIT
// train_checkpoint.c - files first, then the row that makes them count, then the old ones go.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/train_group.h"
#include "policy/checkpoint.h"

#define STATE_BYTES_MAX ((size_t)1 << 20)
#define PATH_BYTES 4096

static enum assay_status write_state(
        struct assay_buf *out, const struct training *t, struct assay_error *err)
{
    struct assay_json_writer w;

    assay_json_writer_init(&w, out, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "trainer", t->trainer_is_rl ? "rl" : "sft");
    assay_json_put_u64(&w, "sft_cursor", t->sft_cursor);
    assay_json_put_u64(&w, "rl_cursor", t->rl_cursor);
    assay_curriculum_write(t->curriculum, &w);
    assay_json_put_text(&w, "reference", t->reference_hash);
    assay_json_end_object(&w);
    return assay_buf_check(out, "a checkpoint's state", err);
}

static enum assay_status remove_directory(
        const struct training *t, const char *directory, struct assay_error *err)
{
    const char *home = assay_depot_home(assay_context_depot(t->context));
    const int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum assay_status status;

    if (home_fd < 0)
        return assay_fail_errno(err, errno, "%s", home);
    status = assay_fs_remove_tree(home_fd, directory, err);
    close(home_fd);
    return status;
}

// Files go before their rows: nothing is left that no row names, and only the newest row is ever
// read.
static enum assay_status drop_old(struct training *t, struct assay_error *err)
{
    struct assay_store *store = assay_context_store(t->context);
    struct assay_training_checkpoint *rows = NULL;
    struct assay_arena *arena = NULL;
    size_t count = 0;
    const size_t keep = (size_t)t->config->checkpoint_keep;
    enum assay_status status = assay_arena_create(&arena, (size_t)16 << 20, err);

    if (status == ASSAY_OK)
        status = assay_store_training_checkpoints(store, t->run_id, arena, &rows, &count, err);
    for (size_t i = keep; i < count && status == ASSAY_OK; i++)
        status = remove_directory(t, rows[i].directory, err);
    if (status == ASSAY_OK && count > keep)
        status = assay_store_drop_checkpoints(store, t->run_id, rows[keep - 1].position, err);
    assay_arena_destroy(arena);
    return status;
}

static enum assay_status make_directory(
        const struct training *t, const char *directory, struct assay_error *err)
{
    const char *home = assay_depot_home(assay_context_depot(t->context));
    const int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum assay_status status;

    if (home_fd < 0)
        return assay_fail_errno(err, errno, "%s", home);
    status = assay_fs_mkdirs(home_fd, directory, 0755, err);
    close(home_fd);
    return status;
}

static enum assay_status record_with_checkpoint(
        struct training *t, struct assay_training_record *record, struct assay_error *err)
{
    struct assay_checkpoint made;
    struct assay_training_checkpoint row = {.position = t->position};
    char directory[PATH_BYTES], path[2 * PATH_BYTES];
    struct assay_buf state;
    enum assay_status status;

    (void)snprintf(
            directory, sizeof(directory), "%s/checkpoints/%" PRIu64, t->relative, t->position);
    (void)snprintf(path, sizeof(path), "%s/checkpoints/%" PRIu64, t->dir, t->position);
    assay_buf_init(&state, STATE_BYTES_MAX);
    status = make_directory(t, directory, err);
    if (status == ASSAY_OK)
        status = assay_checkpoint_write(&made, t->model, t->trainer, t->stream, path, err);
    if (status == ASSAY_OK)
        status = write_state(&state, t, err);
    if (status == ASSAY_OK) {
        row.directory = directory;
        row.model_hash = made.model_hash;
        row.optimizer_hash = made.optimizer_hash;
        row.state = state.data;
        record->checkpoint = &row;
        status = assay_store_put_training(assay_context_store(t->context), t->run_id, record, err);
        record->checkpoint = NULL; // that one is of this call
    }
    if (status == ASSAY_OK)
        status = drop_old(t, err);
    assay_buf_free(&state);
    return status;
}

// Of a rank but 0: it gives its part of the optimizer.
static enum assay_status give_part(struct training *t, bool checkpoint, struct assay_error *err)
{
    struct assay_checkpoint none;

    return checkpoint ? assay_checkpoint_write(&none, t->model, t->trainer, t->stream, NULL, err)
                      : ASSAY_OK;
}

enum assay_status training_record(struct training *t, const struct assay_training_step *steps,
        size_t count, bool checkpoint, struct assay_error *err)
{
    struct assay_training_record record = {.steps = steps,
            .step_count = count,
            .rollouts = t->rollouts,
            .rollout_count = t->rollout_count};
    enum assay_status status;

    if (t->ranks.rank > 0)
        return give_part(t, checkpoint, err);
    status = checkpoint
            ? record_with_checkpoint(t, &record, err)
            : assay_store_put_training(assay_context_store(t->context), t->run_id, &record, err);
    training_forget_rollouts(t);
    for (size_t i = 0; i < count && status == ASSAY_OK; i++)
        status = assay_train_log_add(t->log, &steps[i], err);
    return status;
}

static enum assay_status read_reference(
        struct training *t, const struct assay_json *state, struct assay_error *err)
{
    const char *hash = "";
    enum assay_status status = assay_json_opt_text(&hash, state, "reference", err);

    if (status == ASSAY_OK && strlen(hash) >= sizeof(t->reference_hash))
        status = assay_fail(err, ASSAY_EINVAL, "reference: not a hash");
    if (status == ASSAY_OK)
        (void)snprintf(t->reference_hash, sizeof(t->reference_hash), "%s", hash);
    return status;
}

static enum assay_status read_state(
        struct training *t, bool *rl, const char *text, struct assay_error *err)
{
    const struct assay_json_limits limits = {STATE_BYTES_MAX, 4};
    const char *trainer = NULL;
    struct assay_json *json = NULL;
    enum assay_status status =
            assay_json_parse(&json, text, strlen(text), limits, "checkpoint", 1, err);

    if (status == ASSAY_OK)
        status = assay_json_read_text(&trainer, json, "trainer", err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(
                &t->sft_cursor, json, "sft_cursor", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_json_read_u64(
                &t->rl_cursor, json, "rl_cursor", 0, ASSAY_JSON_INTEGER_MAX, err);
    if (status == ASSAY_OK)
        status = assay_curriculum_read(t->curriculum, json, err);
    if (status == ASSAY_OK)
        status = read_reference(t, json, err);
    if (status == ASSAY_OK)
        *rl = strcmp(trainer, "rl") == 0;
    assay_json_free(json);
    return status;
}

struct found {
    const char *state; // "": there is none
    char path[2 * PATH_BYTES];
    struct assay_checkpoint hashes;
};

// Is it whole? Then *out and the rest are of it.
static enum assay_status look_at(struct training *t, struct found *out,
        const struct assay_training_checkpoint *row, struct assay_error *err)
{
    const char *home = assay_depot_home(assay_context_depot(t->context));
    bool rl;
    enum assay_status status = read_state(t, &rl, row->state, err);

    (void)snprintf(out->path, sizeof(out->path), "%s/%s", home, row->directory);
    (void)snprintf(out->hashes.model_hash, sizeof(out->hashes.model_hash), "%s", row->model_hash);
    (void)snprintf(out->hashes.optimizer_hash, sizeof(out->hashes.optimizer_hash), "%s",
            row->optimizer_hash);
    out->state = row->state;
    if (status == ASSAY_OK)
        status = assay_checkpoint_check(out->path, &out->hashes, err);
    if (status == ASSAY_OK)
        t->position = row->position;
    return status;
}

// The run is at rows[whole]: the newer ones, which cannot be read, go, and what was measured behind
// it. Files before rows, as in drop_old().
static enum assay_status drop_newer(struct training *t,
        const struct assay_training_checkpoint *rows, size_t whole, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < whole && status == ASSAY_OK; i++)
        status = remove_directory(t, rows[i].directory, err);
    if (status == ASSAY_OK && whole > 0)
        status = assay_store_rewind_training(
                assay_context_store(t->context), t->run_id, t->position, err);
    return status;
}

static bool is_spoiled(enum assay_status status) // rather than out of reach at the moment
{
    return status == ASSAY_EINVAL || status == ASSAY_ENOTFOUND;
}

// Of rank 0: the newest that is whole.
static enum assay_status find_checkpoint(
        struct training *t, struct found *out, struct assay_error *err)
{
    const struct assay_log *log = assay_context_log(t->context);
    struct assay_training_checkpoint *rows = NULL;
    struct assay_error newest = {0}, why = {0};
    size_t count = 0, at = 0;
    enum assay_status status = assay_store_training_checkpoints(
            assay_context_store(t->context), t->run_id, t->arena, &rows, &count, err);

    if (status != ASSAY_OK || count == 0)
        return status;
    for (status = ASSAY_EINVAL; at < count && is_spoiled(status); at++) {
        status = look_at(t, out, &rows[at], &why);
        if (at == 0)
            newest = why;
        if (is_spoiled(status))
            assay_log(log, ASSAY_LOG_WARN, "train", "checkpoint passed over", "why", why.message,
                    NULL);
    }
    if (status != ASSAY_OK) {
        if (err)
            *err = is_spoiled(status) ? newest : why;
        if (is_spoiled(status) && count > 1)
            (void)assay_wrap(err, "none of %zu checkpoints is whole; the newest", count);
        return is_spoiled(status) ? newest.status : status;
    }
    return drop_newer(t, rows, at - 1, err);
}

enum assay_status training_restore(struct training *t, struct assay_error *err)
{
    struct found *found = assay_arena_alloc(t->arena, sizeof(*found));
    bool rl = false;
    enum assay_status status = ASSAY_OK;

    if (!found)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    found->state = "";
    if (t->ranks.rank == 0)
        status = find_checkpoint(t, found, err);
    if (status == ASSAY_OK && t->collective)
        status = training_tell_text(t, &found->state, found->state, err);
    if (status == ASSAY_OK)
        status = training_tell(t, &t->position, sizeof(t->position), err);
    if (status == ASSAY_OK && !*found->state)
        return assay_trainer_follow(t->trainer, err);
    if (status == ASSAY_OK)
        status = read_state(t, &rl, found->state, err);
    if (status == ASSAY_OK)
        status = training_make_trainer(t, rl, err);
    if (status == ASSAY_OK)
        status = assay_checkpoint_read(t->model, t->trainer, t->stream,
                t->ranks.rank == 0 ? found->path : NULL, &found->hashes, err);
    return status;
}
