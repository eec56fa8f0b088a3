// SPDX-License-Identifier: MIT
// rng.h - seeded random streams (xoshiro256**), and ids from the kernel's randomness.
//
// Same seed and stream, same numbers on every host. Not for secrets: nonces
// come from assay_rng_bytes().
#ifndef ASSAY_BASE_RNG_H
#define ASSAY_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct assay_rng {
    uint64_t state[4];
};

// Independent streams for the same seed; seeded through splitmix64.
void assay_rng_seed(struct assay_rng *rng, uint64_t seed, uint64_t stream);
uint64_t assay_rng_next(struct assay_rng *rng);
uint64_t assay_rng_below(struct assay_rng *rng, uint64_t bound); // unbiased; bound > 0
double assay_rng_unit(struct assay_rng *rng);                    // [0, 1), 53 bits

// Bytes from getrandom(2).
ASSAY_MUST_USE enum assay_status assay_rng_bytes(void *out, size_t size, struct assay_error *err);

// A sortable id: 48 bits of UTC milliseconds and 80 random bits in Crockford
// base 32, 26 characters.
#define ASSAY_ID_BYTES 27
ASSAY_MUST_USE enum assay_status assay_id_new(char out[ASSAY_ID_BYTES], struct assay_error *err);

#endif
