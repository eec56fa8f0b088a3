// SPDX-License-Identifier: MIT
// pqueue.h - a priority queue of numbered jobs; the smallest priority comes first, equal ones in
// order.
#ifndef PQUEUE_H
#define PQUEUE_H
#include <stdbool.h>
#include <stddef.h>

struct job {
    int id;
    long priority;
    unsigned long order;
};

struct pqueue {
    struct job *jobs;
    size_t count, capacity;
    unsigned long next;
};

bool pq_push(struct pqueue *q, int id, long priority);
bool pq_pop(struct pqueue *q, int *id);
bool pq_remove(struct pqueue *q, int id);
void pq_free(struct pqueue *q);
#endif
