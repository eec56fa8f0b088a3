// SPDX-License-Identifier: MIT
// names.c - open addressing with linear probing; at most half full.
#include "tasks/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

struct assay_name {
    const char *text; // NULL: free slot
    uint64_t hash;
    size_t number;
};

void assay_names_init(struct assay_names *names)
{
    *names = (struct assay_names){0};
}

void assay_names_free(struct assay_names *names)
{
    free(names->slots);
    *names = (struct assay_names){0};
}

// The slot that holds `text`, or the free one where it belongs.
static struct assay_name *names_slot(
        struct assay_name *slots, size_t slot_count, const char *text, uint64_t hash)
{
    size_t i = (size_t)hash & (slot_count - 1);

    while (slots[i].text != NULL && (slots[i].hash != hash || strcmp(slots[i].text, text) != 0))
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static bool names_grow(struct assay_names *names)
{
    const size_t slot_count = names->slot_count == 0 ? 64 : names->slot_count * 2;
    struct assay_name *slots = calloc(slot_count, sizeof(slots[0]));

    if (slots == NULL)
        return false;
    for (size_t i = 0; i < names->slot_count; i++) {
        const struct assay_name *name = &names->slots[i];

        if (name->text != NULL)
            *names_slot(slots, slot_count, name->text, name->hash) = *name;
    }
    free(names->slots);
    names->slots = slots;
    names->slot_count = slot_count;
    return true;
}

enum assay_names_answer assay_names_put(
        struct assay_names *names, const char *text, size_t number, size_t *number_known)
{
    const uint64_t hash = assay_hash64(text, strlen(text));
    struct assay_name *slot;

    if (names->count * 2 >= names->slot_count && !names_grow(names))
        return ASSAY_NAMES_NO_MEMORY;
    slot = names_slot(names->slots, names->slot_count, text, hash);
    if (slot->text != NULL) {
        *number_known = slot->number;
        return ASSAY_NAMES_KNOWN;
    }
    *slot = (struct assay_name){text, hash, number};
    names->count++;
    return ASSAY_NAMES_NEW;
}
