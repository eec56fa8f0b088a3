// SPDX-License-Identifier: MIT
#include "pqueue.h"

#include <stdlib.h>

static bool before(const struct job *a, const struct job *b)
{
    return a->priority < b->priority;
}

static void swap(struct job *a, struct job *b)
{
    struct job t = *a;

    *a = *b;
    *b = t;
}

static void up(struct pqueue *q, size_t at)
{
    while (at > 0 && before(&q->jobs[at], &q->jobs[(at - 1) / 2])) {
        swap(&q->jobs[at], &q->jobs[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void down(struct pqueue *q, size_t at)
{
    for (;;) {
        size_t least = at, left = 2 * at + 1;

        if (left < q->count && before(&q->jobs[left], &q->jobs[least]))
            least = left;
        if (least == at)
            return;
        swap(&q->jobs[at], &q->jobs[least]);
        at = least;
    }
}

bool pq_push(struct pqueue *q, int id, long priority)
{
    if (q->count == q->capacity) {
        size_t capacity = q->capacity ? 2 * q->capacity : 4;
        struct job *jobs = realloc(q->jobs, capacity * sizeof(*jobs));

        if (!jobs)
            return false;
        q->jobs = jobs;
        q->capacity = capacity;
    }
    q->jobs[q->count] = (struct job){id, priority, q->next++};
    up(q, q->count++);
    return true;
}

bool pq_pop(struct pqueue *q, int *id)
{
    if (q->count == 0)
        return false;
    *id = q->jobs[0].id;
    q->jobs[0] = q->jobs[--q->count];
    down(q, 0);
    return true;
}

bool pq_remove(struct pqueue *q, int id)
{
    for (size_t i = 0; i < q->count; i++) {
        if (q->jobs[i].id != id)
            continue;
        q->jobs[i] = q->jobs[--q->count];
        down(q, i);
        return true;
    }
    return false;
}

void pq_free(struct pqueue *q)
{
    free(q->jobs);
}
