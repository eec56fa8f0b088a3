// SPDX-License-Identifier: MIT
// defects.h - what can be wrong with an instance, by name. Pure.
//
// A certificate that is refused begins its reason with one of these names.
#ifndef ASSAY_REWARDS_DEFECTS_H
#define ASSAY_REWARDS_DEFECTS_H

#include "rewards/framework.h"

enum assay_defect {
    ASSAY_DEFECT_NONE,
    // Of the lists alone.
    ASSAY_DEFECT_EMPTY_LIST,    // no FAIL_TO_PASS test: nothing can resolve it
    ASSAY_DEFECT_DUPLICATE_ID,  // a test stands twice in one list
    ASSAY_DEFECT_OVERLAP,       // a test stands in both lists
    ASSAY_DEFECT_IMPOSSIBLE_ID, // the framework's reader can report no such test
    // Of what runs showed.
    ASSAY_DEFECT_TRUNCATED_ID, // an id is cut off
    ASSAY_DEFECT_NO_VERDICT,   // trouble of ours
    ASSAY_DEFECT_GOLD,         // gold did not resolve
    ASSAY_DEFECT_VACUOUS,      // FAIL_TO_PASS tests pass before the fix
    ASSAY_DEFECT_UNFIXED,      // something that fixes nothing resolved
    ASSAY_DEFECT_FLAKY,        // runs of the same thing differ
    ASSAY_DEFECT_ORDER,        // depends on the order of the tests
    ASSAY_DEFECT_DATE_BOMB,    // depends on the date
    ASSAY_DEFECT_HASH_SEED,    // depends on the seed of Python's or Perl's hashes
    ASSAY_DEFECT_BUSY_CPU,     // fails on a busy machine
    ASSAY_DEFECT_NETWORK,      // uses a network
    ASSAY_DEFECT_PORT_CLASH,   // wants a fixed port that another test or a leftover still has
    ASSAY_DEFECT_DEAF,         // a test passes whatever value it expects
};
const char *assay_defect_name(enum assay_defect defect); // "date bomb", ...

// The first defect of the instance's lists, and the id that shows it (NULL: none does; borrowed).
enum assay_defect assay_defect_of_lists(const struct assay_instance *instance,
        const struct assay_framework *framework, const char **id);

// An expected id that the run did not report although it reported others that begin with it:
// *whole is the first of these. NULL: there is none. Ids that the instance's rules match are none.
const char *assay_defect_cut_id(const struct assay_instance *instance,
        const struct assay_outcome *outcome, const char **whole);

// What a log of tests that failed speaks of: PORT_CLASH, NETWORK, or NONE. A hint for people: it
// names a failure that the run itself has shown, and decides nothing.
enum assay_defect assay_defect_hint(struct assay_bytes log);

#endif
