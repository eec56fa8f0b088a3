// SPDX-License-Identifier: MIT
// map64.h - a hash table from 64-bit keys to 64-bit values, for token pairs and tries.
#ifndef ASSAY_POLICY_MAP64_H
#define ASSAY_POLICY_MAP64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Zeroed is empty. Open addressing, linear probing; nothing is ever removed. UINT64_MAX is no key.
struct assay_map64 {
    uint64_t *keys;   // [capacity] key + 1; 0: free
    uint64_t *values; // [capacity]
    size_t count, capacity;
};

// Where the value of `key` is, or NULL. Valid until the next put.
uint64_t *assay_map64_find(const struct assay_map64 *map, uint64_t key);
// Set; replaces. False when memory runs out, and then nothing has changed.
bool assay_map64_put(struct assay_map64 *map, uint64_t key, uint64_t value);
void assay_map64_free(struct assay_map64 *map);

#endif
