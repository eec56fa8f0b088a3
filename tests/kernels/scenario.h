// SPDX-License-Identifier: MIT
// scenario.h - every operation on awkward shapes, with the same numbers on every table.
#ifndef ASSAY_TESTS_KERNELS_SCENARIO_H
#define ASSAY_TESTS_KERNELS_SCENARIO_H

#include "tests/kernels/rig.h"

enum { SCENARIO_OUTPUT_COUNT_MAX = 256 };

struct outputs {
    const char *name[SCENARIO_OUTPUT_COUNT_MAX];
    const void *tensor[SCENARIO_OUTPUT_COUNT_MAX]; // of the rig
    enum assay_dtype dtype[SCENARIO_OUTPUT_COUNT_MAX];
    bool sums[SCENARIO_OUTPUT_COUNT_MAX]; // S, else A or W
    size_t size[SCENARIO_OUTPUT_COUNT_MAX], count;
};

struct scenario {
    const char *name;
    void (*run)(struct rig *rig, struct outputs *outputs);
};

extern const struct scenario scenarios[];
extern const size_t scenario_count;

#endif
