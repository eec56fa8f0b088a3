// SPDX-License-Identifier: MIT
#include "policy/map64.h"

#include <assert.h>
#include <stdlib.h>

// The finalizer of splitmix64: pairs of small ids differ in few bits, and all of them must count.
static size_t slot_of(uint64_t key, size_t capacity)
{
    key ^= key >> 30;
    key *= UINT64_C(0xbf58476d1ce4e5b9);
    key ^= key >> 27;
    key *= UINT64_C(0x94d049bb133111eb);
    key ^= key >> 31;
    return (size_t)key & (capacity - 1);
}

static size_t probe(const uint64_t *keys, size_t capacity, uint64_t key)
{
    size_t slot = slot_of(key, capacity);

    while (keys[slot] != 0 && keys[slot] != key + 1)
        slot = (slot + 1) & (capacity - 1);
    return slot;
}

uint64_t *assay_map64_find(const struct assay_map64 *map, uint64_t key)
{
    size_t slot;

    if (map->count == 0)
        return NULL;
    slot = probe(map->keys, map->capacity, key);
    return map->keys[slot] ? &map->values[slot] : NULL;
}

static bool grow(struct assay_map64 *map)
{
    const size_t capacity = map->capacity ? map->capacity * 2 : 64;
    uint64_t *keys = calloc(capacity, sizeof(*keys));
    uint64_t *values = calloc(capacity, sizeof(*values));

    if (!keys || !values) {
        free(keys);
        free(values);
        return false;
    }
    for (size_t i = 0; i < map->capacity; i++)
        if (map->keys[i]) {
            const size_t slot = probe(keys, capacity, map->keys[i] - 1);

            keys[slot] = map->keys[i];
            values[slot] = map->values[i];
        }
    free(map->keys);
    free(map->values);
    map->keys = keys;
    map->values = values;
    map->capacity = capacity;
    return true;
}

bool assay_map64_put(struct assay_map64 *map, uint64_t key, uint64_t value)
{
    size_t slot;

    assert(key != UINT64_MAX);
    if (map->count >= map->capacity / 2 && !grow(map))
        return false;
    slot = probe(map->keys, map->capacity, key);
    if (!map->keys[slot]) {
        map->keys[slot] = key + 1;
        map->count++;
    }
    map->values[slot] = value;
    return true;
}

void assay_map64_free(struct assay_map64 *map)
{
    free(map->keys);
    free(map->values);
    *map = (struct assay_map64){0};
}
