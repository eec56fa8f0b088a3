// SPDX-License-Identifier: MIT
// What must hold: learning mode tells every refused call and who made it, whatever the box does and
// however it ends; and the box notices nothing of it.
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

static void learn(struct assay_box_result *result, const char *script, enum assay_profile profile)
{
    struct boxes_plan plan;

    boxes_plan_init(&plan, script);
    plan.plan.learn = true;
    plan.plan.profile = profile;
    boxes_run(result, &plan);
}

static const struct assay_denial *find(
        const struct assay_box_result *result, const char *call, const char *process)
{
    for (size_t i = 0; i < result->denial_count; i++)
        if (strcmp(result->denials[i].call, call) == 0 &&
                strcmp(result->denials[i].process, process) == 0)
            return &result->denials[i];
    return NULL;
}

static const struct assay_denial *must_find(
        const struct assay_box_result *result, const char *call, const char *process)
{
    const struct assay_denial *row = find(result, call, process);

    if (row == NULL) {
        for (size_t i = 0; i < result->denial_count; i++)
            print_error("%s by %s\n", result->denials[i].call, result->denials[i].process);
        fail_msg("%s by %s is not told; %zu are; output:\n%s", call, process, result->denial_count,
                result->output.data);
    }
    return row;
}

static void a_call_and_its_caller_are_named(void **state)
{
    struct assay_box_result result;
    const struct assay_denial *row = NULL;

    (void)state;
    learn(&result, "mount -t tmpfs x /tmp; unshare -U true; unshare -U true", ASSAY_PROFILE_STRICT);
    row = must_find(&result, "mount", "mount");
    assert_int_equal(row->sys_errno, EPERM);
    assert_int_equal(row->count, 1);
    assert_non_null(strstr(row->file, "/libc.so.6"));
    assert_true(row->offset > 0);
    row = must_find(&result, "unshare", "unshare");
    assert_int_equal(row->sys_errno, EPERM);
    assert_int_equal(row->arguments[0], 0x10000000); // CLONE_NEWUSER
    assert_int_equal(row->count, 2);
    assert_int_equal(result.denials_lost, 0);
    assay_box_result_release(&result);
}

// Not a byte of the payload's own findings differs.
static void the_answers_are_the_same(void **state)
{
    (void)state;
    for (int profile = ASSAY_PROFILE_STRICT; profile <= ASSAY_PROFILE_COMPAT; profile++) {
        struct boxes_plan plan;
        struct assay_box_result with;
        struct assay_box_result without;

        boxes_plan_init(&plan, "exec calls");
        plan.plan.profile = (enum assay_profile)profile;
        boxes_run(&without, &plan);
        assert_int_equal(without.denial_count, 0);
        learn(&with, "exec calls", (enum assay_profile)profile);
        boxes_assert(&with, ASSAY_BOX_EXITED, 0);
        assert_string_equal(with.output.data, without.output.data);
        assert_int_equal(must_find(&with, "bpf", "calls")->sys_errno, EPERM);
        assert_int_equal(must_find(&with, "clone3", "calls")->sys_errno, ENOSYS);
        assert_int_equal(must_find(&with, "number 1000", "calls")->sys_errno, ENOSYS);
        assert_int_equal(must_find(&with, "clone", "calls")->count, 7);
        assert_null(find(&with, "read", "calls"));
        assay_box_result_release(&with);
        assay_box_result_release(&without);
    }
}

static void what_kills_is_named(void **state)
{
    static const struct {
        const char *script, *kind;
    } rows[] = {{"exec calls i386", "i386 "}, {"exec calls x32", "x32 "}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_box_result result;

        learn(&result, rows[i].script, ASSAY_PROFILE_STRICT);
        boxes_assert(&result, ASSAY_BOX_SYSCALL_DENIED, 0);
        assert_int_equal(result.signal, SIGSYS);
        assert_int_equal(result.denial_count, 1);
        assert_int_equal(result.denials[0].sys_errno, 0);
        assert_memory_equal(result.denials[0].call, rows[i].kind, strlen(rows[i].kind));
        assert_string_equal(result.denials[0].process, "calls");
        assay_box_result_release(&result);
    }
}

static void a_child_that_is_killed_is_not_the_payload(void **state)
{
    struct assay_box_result result;

    (void)state;
    learn(&result, "calls x32; echo $?; exit 3", ASSAY_PROFILE_STRICT);
    boxes_assert(&result, ASSAY_BOX_EXITED, 3);
    boxes_assert_has(&result, "137\n");
    assert_int_equal(result.denial_count, 1);
    assay_box_result_release(&result);
}

static void many_callers_are_counted_at_once(void **state)
{
    struct assay_box_result result;
    uint64_t count = 0;

    (void)state;
    learn(&result,
            "for i in 1 2 3 4 5 6 7 8; do (j=0; while [ $j -lt 10 ]; do unshare -U true 2>/dev/null; "
            "j=$((j+1)); done) & done; wait",
            ASSAY_PROFILE_STRICT);
    for (size_t i = 0; i < result.denial_count; i++)
        if (strcmp(result.denials[i].call, "unshare") == 0)
            count += result.denials[i].count;
    assert_int_equal(count, 80);
    assay_box_result_release(&result);
}

static void what_is_told_is_bounded(void **state)
{
    struct assay_box_result result;

    (void)state;
    learn(&result,
            "exec python3 -c 'import ctypes\n"
            "for n in range(1000, 1300): ctypes.CDLL(None).syscall(n)'",
            ASSAY_PROFILE_STRICT);
    if (result.exit_code != 127) { // no such interpreter here
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        assert_int_equal(result.denial_count, ASSAY_DENIALS_MAX);
        assert_true(result.denials_lost >= 300 - ASSAY_DENIALS_MAX);
    }
    assay_box_result_release(&result);
}

// The caller's name is the caller's choice; where it was made is not.
static void a_hostile_name_is_only_a_name(void **state)
{
    struct assay_box_result result;

    (void)state;
    learn(&result,
            "cp /usr/bin/unshare \"/tmp/$(printf 'a\\033\\n%0200d' 7)\"; cd /tmp; ./a* -U true; "
            "rm ./a*",
            ASSAY_PROFILE_STRICT);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_true(result.denial_count > 0);
    assert_non_null(strstr(result.denials[0].file, "/libc.so.6"));
    assay_box_result_release(&result);
}

static void what_was_told_survives_a_kill(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    boxes_plan_init(&plan, "while :; do unshare -U true; done 2>/dev/null & exec sleep 60");
    plan.plan.learn = true;
    plan.plan.limits.wall_ms_max = 700;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_WALL_LIMIT, 0);
    assert_int_equal(must_find(&result, "unshare", "unshare")->sys_errno, EPERM);
    assay_box_result_release(&result);
    assert_int_equal(boxes_count_processes(), 0);
}

// As a kernel without user notification answers.
static void hide_notification(void)
{
    struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SECCOMP_GET_ACTION_AVAIL, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        _exit(99);
}

static void an_old_kernel_is_a_refusal_with_its_reason(void **state)
{
    struct boxes_plan plan;
    int wait_status = 0;
    const pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        struct assay_box_result result;
        struct assay_error err = {0};

        hide_notification();
        boxes_plan_init(&plan, "true");
        plan.plan.learn = true;
        _exit(assay_box_run(boxes_sandbox, &plan.plan, &result, &err) == ASSAY_EREFUSED &&
                                strstr(err.message, "user notification") != NULL
                        ? 0
                        : 1);
    }
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    assert_int_equal(wait_status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_call_and_its_caller_are_named),
            cmocka_unit_test(the_answers_are_the_same),
            cmocka_unit_test(what_kills_is_named),
            cmocka_unit_test(a_child_that_is_killed_is_not_the_payload),
            cmocka_unit_test(many_callers_are_counted_at_once),
            cmocka_unit_test(what_is_told_is_bounded),
            cmocka_unit_test(a_hostile_name_is_only_a_name),
            cmocka_unit_test(what_was_told_survives_a_kill),
            cmocka_unit_test(an_old_kernel_is_a_refusal_with_its_reason),
    };

    return boxes_main("learn", tests, sizeof(tests) / sizeof(tests[0]));
}
