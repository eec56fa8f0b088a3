// SPDX-License-Identifier: MIT
#include "orchestrator/train_curriculum.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"

#define HEX_BYTES 17

// By hash: the first place that is not before it.
static size_t place_of(const struct assay_curriculum *c, uint64_t kind)
{
    size_t low = 0, high = c->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (c->kinds[middle].kind < kind)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct assay_curriculum_kind *find(const struct assay_curriculum *c, uint64_t kind)
{
    const size_t at = place_of(c, kind);

    return at < c->count && c->kinds[at].kind == kind ? &c->kinds[at] : NULL;
}

static void put(struct assay_curriculum *c, uint64_t kind, uint32_t share)
{
    const size_t at = place_of(c, kind);

    if (at < c->count && c->kinds[at].kind == kind) {
        c->kinds[at].share = (c->kinds[at].share + share) / 2;
    } else if (c->count < ASSAY_CURRICULUM_KINDS_MAX) {
        memmove(c->kinds + at + 1, c->kinds + at, (c->count - at) * sizeof(*c->kinds));
        c->kinds[at] = (struct assay_curriculum_kind){kind, share};
        c->count++;
    }
}

void assay_curriculum_add(
        struct assay_curriculum *c, const char *kind, size_t solved, size_t answers)
{
    assert(answers > 0 && solved <= answers);
    put(c, assay_hash64(kind, strlen(kind)), (uint32_t)(solved * ASSAY_CURRICULUM_ONE / answers));
}

bool assay_curriculum_takes(const struct assay_curriculum *c, const char *kind, double floor,
        uint64_t seed, uint64_t cursor)
{
    const struct assay_curriculum_kind *known = find(c, assay_hash64(kind, strlen(kind)));
    struct assay_rng rng;
    double share;

    if (!known)
        return true;
    share = (double)known->share / ASSAY_CURRICULUM_ONE;
    assay_rng_seed(&rng, seed + 2, cursor);
    if (share < 0.5 && floor < ASSAY_CURRICULUM_FAILED)
        floor = ASSAY_CURRICULUM_FAILED;
    return assay_rng_unit(&rng) < floor + (1 - floor) * 4 * share * (1 - share);
}

void assay_curriculum_write(const struct assay_curriculum *c, struct assay_json_writer *w)
{
    assay_json_begin_object(w, "curriculum");
    for (size_t i = 0; i < c->count; i++) {
        char hex[HEX_BYTES];

        (void)snprintf(hex, sizeof(hex), "%016" PRIx64, c->kinds[i].kind);
        assay_json_put_u64(w, hex, c->kinds[i].share);
    }
    assay_json_end_object(w);
}

enum assay_status assay_curriculum_read(
        struct assay_curriculum *c, const struct assay_json *json, struct assay_error *err)
{
    const struct assay_json *members = assay_json_get(json, "curriculum");

    c->count = 0;
    if (!members)
        return ASSAY_OK;
    for (const struct assay_json *at = assay_json_first(members); at; at = assay_json_next(at)) {
        const char *hex = assay_json_key(at);
        const double share = assay_json_number(at);

        if (!hex || strlen(hex) != HEX_BYTES - 1 ||
                strspn(hex, "0123456789abcdef") != HEX_BYTES - 1 ||
                !(share >= 0 && share <= ASSAY_CURRICULUM_ONE))
            return assay_fail(err, ASSAY_EINVAL, "curriculum: not a kind and its share");
        put(c, strtoull(hex, NULL, 16), (uint32_t)share);
    }
    return ASSAY_OK;
}
