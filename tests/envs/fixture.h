// SPDX-License-Identifier: MIT
// fixture.h - a depot of its own for one test, and a shell beside it.
//
//     cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
//
// *state is then a struct fixture.
#ifndef ASSAY_TESTS_ENVS_FIXTURE_H
#define ASSAY_TESTS_ENVS_FIXTURE_H

#include <stddef.h>

#include "envs/depot.h"
#include "support/temp.h"

struct fixture {
    struct assay_temp *temp;
    struct assay_depot *depot; // at <temp>/home
    char home[80];
    struct assay_error err;
};

extern const struct assay_strings nothing; // no globs

int fixture_setup(void **state);
int fixture_teardown(void **state);

// Run a shell script (`sh -eu`) in the temporary folder; its exit status.
int fixture_try(const struct fixture *f, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
// The same; anything but 0 fails the test.
void fixture_shell(const struct fixture *f, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));
// What a script prints, without the final newline; malloc'ed.
char *fixture_read(const struct fixture *f, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

// <temp>/<name>; static storage, good until the eighth next call.
const char *fixture_path(const struct fixture *f, const char *name);
// Import <temp>/<name>, or fail the test.
void fixture_import(struct fixture *f, const char *name, char hash[65]);
// Import must fail with this status and a message that holds `text`; hash stays as it was.
void fixture_refuse(struct fixture *f, enum assay_status got, enum assay_status wanted,
        const char *text, const char *hash);

#endif
