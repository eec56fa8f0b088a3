// SPDX-License-Identifier: MIT
// releases_ledger.h - what came of each pair of a release plan, so that `suite add` typed again
// goes on where it was: releases/<suite>.jsonl below the home, a line a pair.
//
// A pair is known by all that its measuring depends on (archives, globs, recipe, command, limits,
// the grader's version), so a changed plan is measured anew where it changed and nowhere else.
// Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_RELEASES_LEDGER_H
#define ASSAY_ORCHESTRATOR_RELEASES_LEDGER_H

#include "base/arena.h"
#include "base/error.h"
#include "base/hash.h"
#include "tasks/suite.h"

struct assay_release_ledger; // owned: assay_release_ledger_close()

// A last line that a crash cut off counts for nothing.
ASSAY_MUST_USE enum assay_status assay_release_ledger_open(struct assay_release_ledger **out,
        const char *home, const struct assay_release_plan *plan, struct assay_error *err);
void assay_release_ledger_close(struct assay_release_ledger *ledger); // NULL is allowed

void assay_release_pair_key(char hex[ASSAY_SHA256_HEX_BYTES], const struct assay_release_plan *plan,
        const struct assay_release_pair *pair);

// What came of it; false: it has not been measured. *reason is "" when the lists were found, which
// then are *instance's; texts are in the ledger's memory.
bool assay_release_ledger_find(struct assay_release_ledger *ledger, const char *key,
        const char **reason, struct assay_instance *instance);
ASSAY_MUST_USE enum assay_status assay_release_ledger_put(struct assay_release_ledger *ledger,
        const char *key, const char *reason, const struct assay_instance *instance,
        struct assay_error *err);

#endif
