// SPDX-License-Identifier: MIT
// profile_install.c - load compiled profiles; apart from what needs libseccomp because a zygote's
// library, which a foreign interpreter loads, needs this alone.
#include <linux/seccomp.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/profile.h"

static long install(const struct assay_profile_filter *filter)
{
    struct sock_fprog program = {.len = filter->count};
    const struct sock_filter *code = filter->code;

    // NOLINTNEXTLINE(bugprone-sizeof-expression): the pointer itself; the kernel only reads
    memcpy(&program.filter, &code, sizeof(code));
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

bool assay_profile_install(const struct assay_profiles *profiles, enum assay_profile profile,
        struct assay_fault *fault)
{
    if (install(&profiles->by_number[profile]) != 0 || install(&profiles->by_argument) != 0)
        return assay_fault_set(fault, "seccomp");
    return true;
}
