// SPDX-License-Identifier: MIT
// figure.h - what the programs of this folder share: time, medians, a figure and its peer.
#ifndef ASSAY_BENCH_POLICY_FIGURE_H
#define ASSAY_BENCH_POLICY_FIGURE_H

#include <stdbool.h>
#include <stddef.h>

// Says what failed and ends the program.
_Noreturn void give_up(const char *what);

static inline void must(bool fine, const char *what)
{
    if (!fine)
        give_up(what);
}

double now_s(void);

// Before a turn: what the other side's threads do after theirs is over must not count.
void settle(void);

// Sorts; of an even count the lower middle.
double median(double *values, size_t count);

struct figure {
    const char *metric, *unit, *peer;
    double value, spread, peer_value, ratio, bound;
    bool at_most; // the ratio, not at least
};

// One line, or with `json` one object. bound 0: it was compared with nothing, and
// `peer`, if it is there, says why. False: the bound is
// not met.
bool figure_print(const char *bench, const struct figure *figure, bool json);

// Is the part `name` among the arguments, or none named at all? Options begin with "--".
bool wanted(int argc, char **argv, const char *name);

#endif
