// SPDX-License-Identifier: MIT
// serve_suites.h - the tasks that a service knows: suites of the store, read once, found by name.
//
// A suite that is replaced in the store while it is served stays as it was read. Thread-safe.
#ifndef ASSAY_ORCHESTRATOR_SERVE_SUITES_H
#define ASSAY_ORCHESTRATOR_SERVE_SUITES_H

#include "base/error.h"
#include "tasks/store.h"
#include "tasks/suite.h"

struct assay_served {
    const struct assay_suite *suite;
    const struct assay_instance *instance;
    char hash[65]; // of the instance's content
};

struct assay_served_suites; // opaque; owned by whoever called assay_served_open()

// The suites of these names; none: all that the store has now. A suite that is named in a request
// later, and is in the store, is read then.
ASSAY_MUST_USE enum assay_status assay_served_open(struct assay_served_suites **out,
        struct assay_store *store, const char *const *names, size_t count, struct assay_error *err);
void assay_served_close(struct assay_served_suites *suites); // NULL is allowed

// `suite` NULL: whichever has it. *out lives as long as the suites. ASSAY_ENOTFOUND;
// ASSAY_ECONFLICT: several suites have an instance of that name.
ASSAY_MUST_USE enum assay_status assay_served_find(const struct assay_served **out,
        struct assay_served_suites *suites, const char *suite, const char *instance_id,
        struct assay_error *err);
// All instances of the suite (NULL: of all suites), counted; NULL past the end.
size_t assay_served_count(struct assay_served_suites *suites, const char *suite);
const struct assay_served *assay_served_at(
        struct assay_served_suites *suites, const char *suite, size_t index);
// The index-th suite; NULL past the end.
const struct assay_suite *assay_served_suite_at(struct assay_served_suites *suites, size_t index);

#endif
