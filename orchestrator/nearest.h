// SPDX-License-Identifier: MIT
// nearest.h - "did you mean": how far one short name is from another.
#ifndef ASSAY_ORCHESTRATOR_NEAREST_H
#define ASSAY_ORCHESTRATOR_NEAREST_H

#include <stddef.h>

// Insertions, removals and changes that turn a into b; 64 bytes of each count.
size_t assay_edit_distance(const char *a, const char *b);

#endif
