/* SPDX-License-Identifier: MIT */
/* A byte queue in a store that the caller lends. Not for use from two threads. */
#ifndef RING_H
#define RING_H

#include <stddef.h>

struct ring {
    unsigned char *store;
    size_t capacity;
    size_t head; /* where the next byte is read */
    size_t tail; /* where the next byte is written */
    size_t used;
};

void ring_init(struct ring *ring, void *store, size_t capacity);
size_t ring_used(const struct ring *ring);
size_t ring_free(const struct ring *ring);

/* Takes as many bytes as fit, up to `capacity` in all; returns how many. */
size_t ring_write(struct ring *ring, const void *data, size_t length);

/* Removes up to `length` bytes; returns how many. */
size_t ring_read(struct ring *ring, void *data, size_t length);

/* The byte `offset` behind the head, or -1 if there is none. Removes nothing. */
int ring_peek(const struct ring *ring, size_t offset);

/* Position of the first `byte` behind the head, or -1. */
long ring_find(const struct ring *ring, unsigned char byte);

/* Removes a line with its '\n' and ends it with '\0'; returns its length, 0 if there is no whole line or it would not fit. */
size_t ring_line(struct ring *ring, char *line, size_t size);

#endif
