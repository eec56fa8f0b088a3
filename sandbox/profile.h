// SPDX-License-Identifier: MIT
// profile.h - seccomp profiles: which system calls a payload may make.
//
// One filter each: allowed, EPERM for what the kernel has and the profile forbids, ENOSYS for
// numbers that nobody knows (so that a libc falls back), and tests of arguments for calls that are
// fine with most of them. It is compiled when assay is: profile_compile.c writes it from
// profile_table.c as C, so that a start costs nothing and needs no compiler; and it is short,
// because the kernel translates it anew for each payload.
//
// What they say stands in profile_table.c, call by call and with its reason, and in
// docs/seccomp.md.
//
//   strict  a broad list of allowed calls, as Docker's without what needs a capability
//   compat  also what only old programs ask for
#ifndef ASSAY_SANDBOX_PROFILE_H
#define ASSAY_SANDBOX_PROFILE_H

#include <linux/filter.h>
#include <stdbool.h>

#include "sandbox/box.h"
#include "sandbox/fault.h"

#define ASSAY_PROFILE_INSTRUCTIONS_MAX 1024

struct assay_profile_filter {
    struct sock_filter code[ASSAY_PROFILE_INSTRUCTIONS_MAX];
    unsigned short count;
};

struct assay_profiles {
    struct assay_profile_filter filters[2]; // by enum assay_profile
};

extern const struct assay_profiles assay_profiles_compiled;

// For good, on the calling process; needs no_new_privs.
bool assay_profile_install(const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault);

#endif
