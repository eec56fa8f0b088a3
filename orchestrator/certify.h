// SPDX-License-Identifier: MIT
// certify.h - does an instance measure what it says? docs/certify.md tells what each check proves.
#ifndef ASSAY_ORCHESTRATOR_CERTIFY_H
#define ASSAY_ORCHESTRATOR_CERTIFY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/error.h"
#include "orchestrator/context.h"
#include "tasks/store.h"
#include "tasks/suite.h"

#define ASSAY_CERTIFY_RUNS_DEFAULT 5u
#define ASSAY_CERTIFY_RUNS_MAX 1000u

enum assay_check {
    ASSAY_CHECK_LISTS,   // nothing is run
    ASSAY_CHECK_GOLD,    // N runs: resolves, each test alike
    ASSAY_CHECK_EMPTY,   // N runs of the unchanged tree: never resolves, each test alike
    ASSAY_CHECK_NULL,    // no patch at all scores 0
    ASSAY_CHECK_JUNK,    // a patch that adds a file of no use scores 0
    ASSAY_CHECK_ORDER,   // gold, reversed and shuffled
    ASSAY_CHECK_CPU,     // gold, with four programs on each CPU
    ASSAY_CHECK_CLOCK,   // gold, two years ahead
    ASSAY_CHECK_HASH,    // gold, with other seeds of Python's and Perl's hashes
    ASSAY_CHECK_NETWORK, // gold, without the network that the instance asks for
    ASSAY_CHECKS,
};
const char *assay_check_name(enum assay_check check); // "lists", "gold", ...
// "gold,empty,order" -> one bit each (1u << check). ASSAY_EUSAGE names the word that is none.
ASSAY_MUST_USE enum assay_status assay_checks_parse(
        unsigned *out, const char *text, struct assay_error *err);
#define ASSAY_CHECKS_ALL ((1u << ASSAY_CHECKS) - 1)

struct assay_certify_options {
    const struct assay_suite *suite;
    const char *const *instance_ids; // NULL: all
    size_t instance_count;
    unsigned checks; // bits; 0: all
    unsigned runs;   // of gold, and of the base tree as it is; other checks run in proportion
    size_t threads;
    bool again; // also what has a certificate of these checks and as many runs
};

// certificates[i] belongs to the i-th selected instance. Each run is written to the store when it
// is over and the certificate when an instance is through, so that an interrupted command goes on
// where it was. The suite need not be in the store yet: `record` false keeps all in memory only.
ASSAY_MUST_USE enum assay_status assay_certify(struct assay_certificate **certificates,
        size_t *count, struct assay_context *context, const struct assay_certify_options *options,
        bool record, struct assay_arena *arena, struct assay_error *err);

// Does it rest on all of these checks (bits)?
bool assay_certificate_covers(const struct assay_certificate *certificate, unsigned checks);

#endif
