// SPDX-License-Identifier: MIT
// profile_table.h - what a payload may ask of the kernel, and why: one table, from which the
// filters are built (profile_compile.c) and docs/seccomp.md is written (profile_page.c).
//
// It does not depend on what libseccomp knows: a call that stands in no group is
// answered as one that the kernel does not have.
#ifndef ASSAY_SANDBOX_PROFILE_TABLE_H
#define ASSAY_SANDBOX_PROFILE_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "sandbox/box.h"

enum assay_treatment {
    ASSAY_CALL_ALLOWED,
    ASSAY_CALL_COMPAT_ONLY, // compat allows it, strict refuses it with EPERM
    ASSAY_CALL_REFUSED,     // EPERM
    ASSAY_CALL_ABSENT,      // ENOSYS, as from a kernel without it: callers have another way
    ASSAY_CALL_IGNORED,     // does nothing and says that it worked
    ASSAY_CALL_BY_VALUE,    // with the values of assay_call_personalities; ENOSYS else
};

struct assay_call_group {
    enum assay_treatment treatment;
    const char *title;
    const char *names; // separated by single spaces
    const char *reason;
};

enum assay_compare {
    ASSAY_ARGUMENT_INT_IS,   // its low 32 bits, which is all that the kernel reads of an int
    ASSAY_ARGUMENT_INT_IN,   // likewise, one of the numbers whose bits are set in `value`
    ASSAY_ARGUMENT_ANY_BIT,  // some bit of `value` is set
    ASSAY_ARGUMENT_IS,       // all 64 bits
    ASSAY_ARGUMENT_IS_NOT,   // likewise
    ASSAY_ARGUMENT_IS_ABOVE, // likewise
};

#define ASSAY_CALL_TESTS_MAX 3

// An allowed call is refused with sys_errno when all tests hold; 0: it is ignored.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order in which the table reads
struct assay_call_rule {
    int number; // on this architecture
    const char *call;
    struct assay_call_test {
        unsigned argument; // from 0
        enum assay_compare compare;
        uint64_t value;
    } tests[ASSAY_CALL_TESTS_MAX];
    size_t test_count;
    int sys_errno;
    const char *when; // the tests in words
    const char *reason;
};

extern const struct assay_call_group assay_call_groups[];
extern const size_t assay_call_group_count;
extern const struct assay_call_rule assay_call_rules[];
extern const size_t assay_call_rule_count;
extern const uint64_t assay_call_personalities[];
extern const size_t assay_call_personality_count;

// Calls that are younger than the libseccomp of Debian 12; their numbers are the
// same on all architectures, but for what one alone has.
extern const struct assay_call_number {
    const char *name;
    int number;
} assay_call_numbers[];
extern const size_t assay_call_number_count;

// The group in which a call stands, or NULL.
const struct assay_call_group *assay_call_find(const char *name);
// What a profile makes of a group.
enum assay_treatment assay_call_treatment(
        const struct assay_call_group *group, enum assay_profile profile);

#endif
