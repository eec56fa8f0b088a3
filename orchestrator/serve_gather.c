// SPDX-License-Identifier: MIT
#include "orchestrator/serve_gather.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gather {
    struct assay_gathering gathering;
    pthread_mutex_t lock; // around what follows
    size_t left, count;
    struct assay_gathered items[];
};

static void release(struct gather *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->items[i].verdict);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

static void take(struct assay_gathered *item, const struct assay_graded *graded)
{
    item->state = graded->state;
    item->task = graded->task;
    snprintf(item->job_id, sizeof(item->job_id), "%s", graded->job_id);
    snprintf(
            item->reason, sizeof(item->reason), "%s", graded->reason != NULL ? graded->reason : "");
    if (graded->state != ASSAY_GRADED_DONE)
        return;
    item->scored = graded->scored;
    item->resolved = graded->resolved;
    item->reward = graded->reward;
    item->cause = graded->cause;
    item->verdict = strdup(graded->verdict);
    if (item->verdict == NULL)
        item->state = ASSAY_GRADED_FAILED;
}

static void told(void *user, size_t index, const struct assay_graded *graded)
{
    struct gather *g = user;
    bool last;

    pthread_mutex_lock(&g->lock);
    take(&g->items[index], graded);
    if (g->gathering.each != NULL)
        g->gathering.each(g->gathering.user, index, &g->items[index]);
    last = --g->left == 0;
    pthread_mutex_unlock(&g->lock);
    if (!last)
        return;
    g->gathering.done(g->gathering.user, g->items, g->count);
    release(g);
}

enum assay_status assay_gather(struct assay_grader *grader,
        const struct assay_submission *submissions, size_t count, uint64_t deadline_ms,
        const struct assay_gathering *gathering, struct assay_error *err)
{
    struct gather *g = calloc(1, sizeof(*g) + count * sizeof(g->items[0]));
    char(*ids)[ASSAY_ID_BYTES] = calloc(count > 0 ? count : 1, sizeof(*ids));
    enum assay_status status = ASSAY_OK;

    if (g == NULL || ids == NULL) {
        free(g);
        free(ids);
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    g->gathering = *gathering;
    g->left = g->count = count;
    pthread_mutex_init(&g->lock, NULL);
    if (count > 0)
        status = assay_grader_submit(grader, submissions, count, deadline_ms, told, g, ids, err);
    else
        gathering->done(gathering->user, g->items, 0);
    if (status != ASSAY_OK || count == 0)
        release(g);
    free(ids);
    return status;
}
