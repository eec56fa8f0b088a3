/* SPDX-License-Identifier: MIT */
#include "ring.h"

#include <string.h>

void ring_init(struct ring *ring, void *store, size_t capacity)
{
    ring->store = store;
    ring->capacity = capacity;
    ring->head = 0;
    ring->tail = 0;
    ring->used = 0;
}

size_t ring_used(const struct ring *ring)
{
    return ring->used;
}

size_t ring_free(const struct ring *ring)
{
    return ring->capacity - ring->used - 1;
}

size_t ring_write(struct ring *ring, const void *data, size_t length)
{
    const unsigned char *from = data;
    size_t first;

    if (length > ring_free(ring)) {
        length = ring_free(ring);
    }
    first = ring->capacity - ring->tail;
    if (first > length) {
        first = length;
    }
    memcpy(ring->store + ring->tail, from, first);
    memcpy(ring->store, from, length - first);
    ring->tail = (ring->tail + length) % ring->capacity;
    ring->used += length;
    return length;
}

size_t ring_read(struct ring *ring, void *data, size_t length)
{
    unsigned char *to = data;
    size_t first;

    if (length > ring->used) {
        length = ring->used;
    }
    first = ring->capacity - ring->head;
    if (first > length) {
        first = length;
    }
    memcpy(to, ring->store + ring->head, first);
    memcpy(to + first, ring->store, length - first);
    ring->head = (ring->head + length) % ring->capacity;
    ring->used -= length;
    return length;
}

int ring_peek(const struct ring *ring, size_t offset)
{
    if (offset >= ring->used) {
        return -1;
    }
    return ring->store[ring->head + offset];
}

long ring_find(const struct ring *ring, unsigned char byte)
{
    for (size_t i = 0; i < ring->used; i++) {
        if (ring_peek(ring, i) == byte) {
            return (long)i;
        }
    }
    return -1;
}

size_t ring_line(struct ring *ring, char *line, size_t size)
{
    long end = ring_find(ring, '\n');
    size_t length;

    if (end < 0 || (size_t)end + 1 >= size) {
        return 0;
    }
    length = ring_read(ring, line, (size_t)end + 1);
    line[length] = '\0';
    return length;
}
