// SPDX-License-Identifier: MIT
// train_reference.c - the policy as rl found it, which loss.kl holds the policy close to.
//
// It is the run's own file, reference/model.safetensors, written before the first step of rl; every
// checkpoint behind that names its hash.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "orchestrator/train_parts.h"
#include "policy/save.h"

struct training_reference {
    struct assay_model *model;
    struct assay_trainer *scorer; // nothing is ever trained
};

static enum assay_status hash_weights(
        char hash[ASSAY_SHA256_HEX_BYTES], const char *path, struct assay_error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum assay_status status;

    if (fd < 0)
        return assay_fail_errno(err, errno, "loss.kl: %s", path);
    status = assay_sha256_fd(hash, fd, err);
    close(fd);
    return status;
}

static enum assay_status save_weights(
        struct training *t, const char *dir, const char *path, struct assay_error *err)
{
    const struct assay_save_options save = {.type = ASSAY_WEIGHT_F32};
    enum assay_status status = assay_model_save(t->model, t->stream, dir, &save, err);

    return status == ASSAY_OK ? hash_weights(t->reference_hash, path, err) : status;
}

static enum assay_status check_weights(
        const struct training *t, const char *path, struct assay_error *err)
{
    char hash[ASSAY_SHA256_HEX_BYTES];
    enum assay_status status = hash_weights(hash, path, err);

    if (status == ASSAY_OK && strcmp(hash, t->reference_hash) != 0)
        status = assay_fail(err, ASSAY_EINVAL,
                "%s: not the file that was written (the checkpoint names another hash)", path);
    return status;
}

static enum assay_status make_reference(struct training *t, struct assay_error *err)
{
    const struct assay_train_config *c = t->config;
    const struct assay_model_dialect dialect = {0};
    const struct assay_trainer_options options = {.objective = c->objective,
            .optimizer = c->optimizer,
            .temperature = c->temperature,
            .rows_max = (size_t)c->rows_max,
            .sequences_max = (size_t)c->sequences_max,
            .collective = t->collective,
            .shards = (uint32_t)c->shards};
    const char *dir = assay_arena_printf(t->arena, "%s/reference", t->dir);
    const char *path = assay_arena_printf(t->arena, "%s/reference/model.safetensors", t->dir);
    enum assay_status status = ASSAY_OK;

    t->reference = calloc(1, sizeof(*t->reference));
    if (!dir || !path || !t->reference)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (t->ranks.rank > 0) {
        status =
                assay_model_create(&t->reference->model, &t->model->config, t->ops, t->stream, err);
    } else {
        status = t->reference_hash[0] ? check_weights(t, path, err)
                                      : save_weights(t, dir, path, err);
        if (status == ASSAY_OK)
            status = assay_model_open(
                    &t->reference->model, dir, NULL, &dialect, t->ops, t->stream, err);
    }
    if (status == ASSAY_OK)
        status = assay_trainer_create(
                &t->reference->scorer, t->reference->model, &options, t->stream, err);
    if (status == ASSAY_OK)
        status = assay_trainer_follow(t->reference->scorer, err);
    return status;
}

enum assay_status training_refer(struct training *t, struct assay_trajectory *trajectories,
        size_t count, struct assay_arena *arena, struct assay_error *err)
{
    double **logp;
    enum assay_status status = ASSAY_OK;

    if (t->config->objective.kl <= 0)
        return ASSAY_OK;
    if (!t->reference)
        status = make_reference(t, err);
    logp = assay_arena_array(arena, count, sizeof(*logp));
    for (size_t i = 0; i < count && logp && status == ASSAY_OK; i++) {
        logp[i] = assay_arena_array(arena, trajectories[i].count, sizeof(**logp));
        trajectories[i].logp_ref = logp[i];
        if (!logp[i])
            status = assay_fail(err, ASSAY_ENOMEM, "loss.kl: out of memory");
    }
    if (status == ASSAY_OK && !logp)
        status = assay_fail(err, ASSAY_ENOMEM, "loss.kl: out of memory");
    if (status == ASSAY_OK)
        status = assay_trainer_score(t->reference->scorer, trajectories, count, logp, err);
    return status;
}

void training_drop_reference(struct training *t)
{
    if (!t->reference)
        return;
    assay_trainer_destroy(t->reference->scorer);
    assay_model_destroy(t->reference->model);
    free(t->reference);
    t->reference = NULL;
}
