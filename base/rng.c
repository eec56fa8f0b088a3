// SPDX-License-Identifier: MIT
#include "base/rng.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <time.h>

static uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

void assay_rng_seed(struct assay_rng *rng, uint64_t seed, uint64_t stream)
{
    // The xor is one-to-one in stream: no two streams of a seed share a state.
    uint64_t state = splitmix64(&seed) ^ stream;

    for (size_t i = 0; i < sizeof(rng->state) / sizeof(rng->state[0]); i++)
        rng->state[i] = splitmix64(&state);
}

uint64_t assay_rng_next(struct assay_rng *rng)
{
    uint64_t *s = rng->state;
    const uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    const uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t assay_rng_below(struct assay_rng *rng, uint64_t bound)
{
    uint64_t threshold = 0;
    uint64_t value = 0;

    assert(bound > 0);
    // 2^64 mod bound: values below it would favour small results.
    threshold = (UINT64_MAX - bound + 1) % bound;
    do {
        value = assay_rng_next(rng);
    } while (value < threshold);
    return value % bound;
}

double assay_rng_unit(struct assay_rng *rng)
{
    return (double)(assay_rng_next(rng) >> 11) * 0x1.0p-53;
}

enum assay_status assay_rng_bytes(void *out, size_t size, struct assay_error *err)
{
    unsigned char *rest = out;

    while (size > 0) {
        const ssize_t got = getrandom(rest, size, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return assay_fail_errno(err, errno, "getrandom");
        rest += got;
        size -= (size_t)got;
    }
    return ASSAY_OK;
}

enum assay_status assay_id_new(char out[ASSAY_ID_BYTES], struct assay_error *err)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    unsigned char random[10];
    struct timespec now = {0};
    uint64_t ms = 0;
    enum assay_status status = assay_rng_bytes(random, sizeof(random), err);

    if (status != ASSAY_OK)
        return status;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return assay_fail_errno(err, errno, "clock_gettime");
    ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;

    for (int i = 9; i >= 0; i--) { // 48 bits in ten digits, the highest first
        out[i] = digits[ms & 31];
        ms >>= 5;
    }
    for (size_t half = 0; half < 2; half++) { // 40 bits in eight digits, twice
        uint64_t bits = 0;

        for (size_t i = 0; i < 5; i++)
            bits = bits << 8 | random[5 * half + i];
        for (size_t i = 0; i < 8; i++) {
            out[10 + 8 * half + 7 - i] = digits[bits & 31];
            bits >>= 5;
        }
    }
    out[ASSAY_ID_BYTES - 1] = '\0';
    return ASSAY_OK;
}
