// SPDX-License-Identifier: MIT
// What must hold: forbidden system calls fail with the errno that lets programs go on, under both
// profiles, and ordinary programs notice nothing.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/sandbox/boxes.h"

struct call {
    const char *name;
    int sys_errno;
};

// What payloads/calls.c tries, in its order; -1: allowed to pass the filter, whatever it says then.
static const struct call calls[] = {{"acct", EPERM}, {"add_key", EPERM}, {"bpf", EPERM},
        {"chroot", EPERM}, {"clock_settime", EPERM}, {"delete_module", EPERM},
        {"fanotify_init", EPERM}, {"finit_module", EPERM}, {"fsconfig", EPERM}, {"fsmount", EPERM},
        {"fsopen", EPERM}, {"fspick", EPERM}, {"init_module", EPERM}, {"io_uring_enter", EPERM},
        {"io_uring_register", EPERM}, {"io_uring_setup", EPERM}, {"ioperm", EPERM}, {"iopl", EPERM},
        {"kcmp", EPERM}, {"kexec_file_load", EPERM}, {"kexec_load", EPERM}, {"keyctl", EPERM},
        {"lookup_dcookie", EPERM}, {"mbind", EPERM}, {"migrate_pages", EPERM},
        {"modify_ldt", EPERM}, {"mount", EPERM}, {"mount_setattr", EPERM}, {"move_mount", EPERM},
        {"move_pages", EPERM}, {"nfsservctl", EPERM}, {"open_by_handle_at", EPERM},
        {"open_tree", EPERM}, {"perf_event_open", EPERM}, {"pidfd_getfd", EPERM},
        {"pivot_root", EPERM}, {"process_madvise", EPERM}, {"process_vm_readv", EPERM},
        {"process_vm_writev", EPERM}, {"ptrace", EPERM}, {"quotactl", EPERM},
        {"quotactl_fd", EPERM}, {"reboot", EPERM}, {"request_key", EPERM}, {"set_mempolicy", EPERM},
        {"setns", EPERM}, {"settimeofday", EPERM}, {"swapoff", EPERM}, {"swapon", EPERM},
        {"syslog", EPERM}, {"umount2", EPERM}, {"unshare", EPERM}, {"userfaultfd", EPERM},
        {"vhangup", EPERM}, {"clone3", ENOSYS}, {"number_1000", ENOSYS}, {"number_599", ENOSYS},
        {"clone_20000", EPERM}, {"clone_2000000", EPERM}, {"clone_4000000", EPERM},
        {"clone_8000000", EPERM}, {"clone_10000000", EPERM}, {"clone_20000000", EPERM},
        {"clone_40000000", EPERM}, {"tiocsti", EPERM}, {"tiocsti_high", EPERM},
        {"tioclinux", EPERM}, {"tioclinux_high", EPERM}, {"prctl_set_mm", EPERM},
        {"prctl_set_mm_high", EPERM}, {"prlimit_init", EPERM}, {"prlimit_init_high", EPERM},
        {"setpriority_init", EPERM}, {"setpriority_user", EPERM},
        {"sched_setscheduler_init", EPERM}, {"personality_32", ENOSYS}, {"personality_query", 0},
        {"personality_no_random", 0}, {"socket_unix", 0}, {"socket_inet", 0}, {"socket_inet6", -1},
        {"socket_route", 0}, {"socket_audit", EAFNOSUPPORT}, {"socket_packet", EAFNOSUPPORT},
        {"socket_alg", EAFNOSUPPORT}, {"socket_vsock", EAFNOSUPPORT}, {"socket_xdp", EAFNOSUPPORT},
        {"socket_bluetooth", EAFNOSUPPORT}, {"socket_raw", EPERM}, {"socket_unspec", EAFNOSUPPORT},
        {"socket_vsock_high", EAFNOSUPPORT}, {"socket_unix_high", EAFNOSUPPORT}};

static void assert_calls(enum assay_profile profile)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    const char *at = NULL;

    boxes_plan_init(&plan, "exec calls");
    plan.plan.profile = profile;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    at = result.output.data;
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        char name[64] = "";
        int got = 0;
        int used = 0;

        // NOLINTNEXTLINE(cert-err34-c): our own payload's lines
        assert_int_equal(sscanf(at, "%63s %d\n%n", name, &got, &used), 2);
        at += used;
        assert_string_equal(name, calls[i].name);
        if (calls[i].sys_errno >= 0 && got != calls[i].sys_errno)
            fail_msg("%s: errno %d, not %d", name, got, calls[i].sys_errno);
    }
    assert_string_equal(at, "");
    assay_box_result_release(&result);
}

static void strict_refuses_what_it_should(void **state)
{
    (void)state;
    assert_calls(ASSAY_PROFILE_STRICT);
}

static void compat_refuses_the_same(void **state)
{
    (void)state;
    assert_calls(ASSAY_PROFILE_COMPAT);
}

static void other_architectures_are_killed(void **state)
{
    static const char *const scripts[] = {"exec calls i386", "exec calls x32"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        for (int profile = ASSAY_PROFILE_STRICT; profile <= ASSAY_PROFILE_COMPAT; profile++) {
            struct boxes_plan plan;
            struct assay_box_result result;

            boxes_plan_init(&plan, scripts[i]);
            plan.plan.profile = (enum assay_profile)profile;
            boxes_run(&result, &plan);
            boxes_assert(&result, ASSAY_BOX_SYSCALL_DENIED, 0);
            assert_int_equal(result.signal, SIGSYS);
            boxes_assert_text(&result, "");
            assay_box_result_release(&result);
        }
    }
}

// clone3 answers ENOSYS, and every libc then falls back to clone.
static void threads_still_work(void **state)
{
    static const char *const scripts[] = {
            "python3 -c 'import threading; t = threading.Thread(target=print, args=(\"thread\",)); "
            "t.start(); t.join()'",
            "node -e 'new (require(\"worker_threads\").Worker)(\"console.log(\\\"thread\\\")\", "
            "{eval: true})'"};

    (void)state;
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_plan_init(&plan, scripts[i]);
        plan.plan.limits.memory_bytes_max = (uint64_t)4 << 30;
        boxes_run(&result, &plan);
        if (result.exit_code != 127) { // no such interpreter here
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
            boxes_assert_text(&result, "thread\n");
        }
        assay_box_result_release(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(strict_refuses_what_it_should),
            cmocka_unit_test(compat_refuses_the_same),
            cmocka_unit_test(other_architectures_are_killed),
            cmocka_unit_test(threads_still_work),
    };

    return boxes_main("profile", tests, sizeof(tests) / sizeof(tests[0]));
}
