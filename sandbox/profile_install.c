// SPDX-License-Identifier: MIT
// profile_install.c - load compiled profiles; apart from what needs libseccomp because a zygote's
// library, which a foreign interpreter loads, needs this alone.
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/profile.h"

bool assay_profile_install(const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault)
{
    const struct assay_profile_filter *filter = &profiles->filters[profile];
    const struct sock_filter *code = filter->code;
    struct sock_fprog program = {.len = filter->count};

    // NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer itself; the kernel only reads
    memcpy(&program.filter, &code, sizeof(code));
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ||
            assay_fault_set(fault, "seccomp");
}
