// SPDX-License-Identifier: MIT
// names.h - a set of texts, each with the number it was put in with. Internal to tasks/.
#ifndef ASSAY_TASKS_NAMES_H
#define ASSAY_TASKS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

struct assay_names {
    struct assay_name *slots; // owned; open addressing
    size_t slot_count, count;
};

void assay_names_init(struct assay_names *names);
void assay_names_free(struct assay_names *names);

enum assay_names_answer { ASSAY_NAMES_NEW, ASSAY_NAMES_KNOWN, ASSAY_NAMES_NO_MEMORY };

// Put `text` (borrowed for the life of the set) with `number`. When it is there
// already, *number_known is the number that it came with first.
enum assay_names_answer assay_names_put(
        struct assay_names *names, const char *text, size_t number, size_t *number_known);

#endif
