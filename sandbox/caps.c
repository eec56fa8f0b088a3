// SPDX-License-Identifier: MIT
#include "sandbox/caps.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LAST_SURE 40 // CAP_CHECKPOINT_RESTORE: every kernel that boxes run on has it

bool assay_caps_become(uid_t uid, gid_t gid, struct assay_fault *fault)
{
    // Otherwise leaving uid 0 behind leaves them behind.
    if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0)
        return assay_fault_set(fault, "keep capabilities");
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return assay_fault_set(fault, "become the box's user");
    return true;
}

// Of all three sets nothing is left.
static bool have_none(bool *none)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};

    if (syscall(SYS_capget, &header, data) < 0)
        return false;
    *none = true;
    for (int i = 0; i < 2; i++)
        *none = *none && (data[i].effective | data[i].permitted | data[i].inheritable) == 0;
    return true;
}

static bool drop_bounding_set(struct assay_fault *fault)
{
    for (unsigned long capability = 0;; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0)
            continue;
        if (errno != EINVAL || capability <= LAST_SURE)
            return assay_fault_set(fault, "drop bounding set");
        return true; // past the last one that this kernel knows
    }
}

bool assay_caps_bound(struct assay_fault *fault)
{
    const int bound = prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0);

    if (bound < 0)
        return assay_fault_set(fault, "drop bounding set");
    return bound == 0 || drop_bounding_set(fault);
}

bool assay_caps_keep_networks(struct assay_fault *fault)
{
    const uint32_t kept = (uint32_t)1 << CAP_SYS_ADMIN | (uint32_t)1 << CAP_NET_ADMIN;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct data[2] = {{.effective = kept, .permitted = kept}, {0}};

    return syscall(SYS_capset, &header, data) == 0 || assay_fault_set(fault, "drop capabilities");
}

bool assay_caps_drop(struct assay_fault *fault)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct nothing[2] = {{0}, {0}};
    bool none = false;

    if (!have_none(&none))
        return assay_fault_set(fault, "drop capabilities");
    if (none) { // what is empty and locked cannot be changed; it must be so
        const int bound = prctl(PR_CAPBSET_READ, CAP_SETPCAP, 0, 0, 0);

        return bound == 0 ||
                assay_fault_errno(fault, "drop bounding set", bound < 0 ? errno : EPERM);
    }
    if (!assay_caps_bound(fault))
        return false;
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ||
            prctl(PR_SET_SECUREBITS,
                    SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_SETUID_FIXUP |
                            SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                            SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED,
                    0, 0, 0) < 0)
        return assay_fault_set(fault, "securebits");
    if (syscall(SYS_capset, &header, nothing) < 0)
        return assay_fault_set(fault, "drop capabilities");
    return true;
}
