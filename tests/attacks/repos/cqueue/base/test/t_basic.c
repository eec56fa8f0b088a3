// SPDX-License-Identifier: MIT
#include "pqueue.h"
#include "tap.h"

int main(void)
{
    struct pqueue q = {0};
    int id = 0;

    plan(4);
    ok(!pq_pop(&q, &id), "an empty queue gives nothing");
    pq_push(&q, 1, 5);
    pq_push(&q, 2, 3);
    ok(pq_pop(&q, &id) && id == 2, "the smaller one first");
    ok(pq_pop(&q, &id) && id == 1, "then the other");
    ok(!pq_remove(&q, 9), "nothing to remove");
    pq_free(&q);
    return tap_failed;
}
