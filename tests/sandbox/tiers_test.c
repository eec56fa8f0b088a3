// SPDX-License-Identifier: MIT
// What must hold: each tier below A is served only when asked for, is in every result, and gives
// what docs/sandbox.md says of it. The other tests of boxes run in these tiers, too (.tier_b,
// .tier_c).
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/sandbox/boxes.h"

static struct assay_sandbox *weaker;

static int start_tier(enum assay_tier tier, enum assay_tier minimum, struct assay_error *err)
{
    struct assay_sandbox_options options;

    boxes_options(&options);
    options.hide_proc = tier == ASSAY_TIER_B;
    options.hide_user_namespaces = tier == ASSAY_TIER_C;
    options.tier_min = minimum;
    const enum assay_status status = assay_sandbox_start(&weaker, &options, err);

    if (status == ASSAY_OK)
        boxes_note_spawner(assay_sandbox_spawner_pid(weaker));
    return (int)status;
}

static void stop_tier(void)
{
    assay_sandbox_stop(weaker);
    weaker = NULL;
    assert_int_equal(boxes_count_groups(), 0);
}

static void run(struct assay_box_result *result, const char *script)
{
    struct boxes_plan plan;
    struct assay_error err;

    boxes_plan_init(&plan, script);
    assert_int_equal(assay_box_run(weaker, &plan.plan, result, &err), ASSAY_OK);
    assert_int_equal(result->tier, assay_sandbox_tier(weaker));
}

static void a_weaker_tier_is_not_served_unasked(void **state)
{
    static const enum assay_tier tiers[] = {ASSAY_TIER_B, ASSAY_TIER_C};

    (void)state;
    for (size_t i = 0; i < sizeof(tiers) / sizeof(tiers[0]); i++) {
        struct assay_error err;

        assert_int_equal(start_tier(tiers[i], ASSAY_TIER_A, &err), ASSAY_EREFUSED);
        assert_non_null(strstr(err.message, "and A is the minimum"));
    }
    struct assay_error err;

    assert_int_equal(start_tier(ASSAY_TIER_C, ASSAY_TIER_B, &err), ASSAY_EREFUSED);
}

static void without_a_fresh_proc_it_is_tier_b(void **state)
{
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    assert_int_equal(start_tier(ASSAY_TIER_B, ASSAY_TIER_B, &err), ASSAY_OK);
    assert_int_equal(assay_sandbox_tier(weaker), ASSAY_TIER_B);
    // Its own descriptors and program are there; nothing in /proc can be written; no other
    // process can be touched or read, though some can be seen.
    run(&result,
            "test \"$(readlink /proc/self/exe)\" = /usr/bin/readlink || exit 10\n"
            "echo ok | cat /dev/stdin || exit 11\n"
            "for p in self/comm sys/kernel/hostname sysrq-trigger self/oom_score_adj; do\n"
            "  (echo 1 > /proc/$p) 2>/dev/null && exit 12\n"
            "done\n"
            "for p in /proc/[0-9]*; do\n"
            "  readlink $p/ns/pid > /tmp/ns 2>/dev/null || continue\n"
            "  test \"$(cat /tmp/ns)\" = \"$(readlink /proc/self/ns/pid)\" || exit 13\n"
            "done\n"
            "for p in /proc/[0-9]*; do\n"
            "  test -r $p/cmdline && tr '\\0' '\\n' < $p/environ 2>/dev/null | \n"
            "    grep -q . && ! grep -qz ASSAY_TEST_MARK $p/environ && exit 14\n"
            "done\n"
            "cat /proc/kcore /proc/keys /proc/kallsyms 2>/dev/null | grep -q . && exit 15\n"
            "exit 0");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    stop_tier();
}

static void root_without_user_namespaces_is_tier_c(void **state)
{
    struct assay_box_result result;
    struct assay_error err;
    uid_t uid = 0;
    gid_t gid = 0;
    char line[96];

    (void)state;
    if (geteuid() != 0) {
        assert_int_equal(start_tier(ASSAY_TIER_C, ASSAY_TIER_C, &err), ASSAY_EREFUSED);
        return;
    }
    assert_int_equal(start_tier(ASSAY_TIER_C, ASSAY_TIER_C, &err), ASSAY_OK);
    assert_int_equal(assay_sandbox_tier(weaker), ASSAY_TIER_C);
    assay_sandbox_store_ids(&uid, &gid);
    run(&result, "id -u; id -g; id -G; id -un; echo $$; ls /proc | grep -c '^[0-9]'");
    (void)snprintf(line, sizeof(line), "%u\n%u\n%u\nbox\n2\n", uid, gid, gid);
    boxes_assert_has(&result, line);
    assay_box_result_release(&result);
    // The init has none either.
    run(&result, "grep -hE '^(Uid|Cap)' /proc/1/status /proc/self/status | sort -u");
    (void)snprintf(line, sizeof(line), "Uid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
    boxes_assert_has(&result, line);
    boxes_assert_has(&result,
            "CapAmb:\t0000000000000000\nCapBnd:\t0000000000000000\nCapEff:\t0000000000000000\n"
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\n");
    assay_box_result_release(&result);
    run(&result,
            "echo x > /tmp/x && echo x > ~/x && echo x > /var/tmp/x || exit 10\n"
            "for p in /x /usr/x /etc/x /dev/x /proc/sys/kernel/hostname /proc/sysrq-trigger "
            "  /proc/sys/kernel/core_pattern /proc/1/oom_score_adj; do\n"
            "  (echo x > $p) 2>/dev/null && exit 11\n"
            "done\n"
            "mknod /tmp/mem c 1 1 2>/dev/null && exit 12\n"
            "cp /usr/bin/id /tmp/id; chmod u+s /tmp/id; test $(/tmp/id -u) = $(id -u) || exit 13\n"
            "kill -9 1; kill -STOP 1\n"
            "cat /proc/1/environ /proc/1/maps /proc/1/mem 2>/dev/null | grep -q . && exit 14\n"
            "ls /proc/1/root /proc/1/fd 2>/dev/null | grep -q . && exit 15\n"
            "test $(ls /sys/class/net 2>/dev/null | wc -l) = 0 || exit 16\n"
            "grep -v -e lo: -e Inter -e face /proc/net/dev && exit 17\n"
            "exit 0");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    stop_tier();
}

static void boxes_in_tier_c_do_not_see_each_others_processes(void **state)
{
    struct assay_box_result result;
    struct assay_error err;

    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(start_tier(ASSAY_TIER_C, ASSAY_TIER_C, &err), ASSAY_OK);
    run(&result, "exec daemon");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
    run(&result, "kill -9 -1; exec pids kill");
    boxes_assert(&result, ASSAY_BOX_EXITED, 6);
    assay_box_result_release(&result);
    assert_int_equal(boxes_count_processes(), 0);
    stop_tier();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_weaker_tier_is_not_served_unasked),
            cmocka_unit_test(without_a_fresh_proc_it_is_tier_b),
            cmocka_unit_test(root_without_user_namespaces_is_tier_c),
            cmocka_unit_test(boxes_in_tier_c_do_not_see_each_others_processes),
    };

    return boxes_main("tiers", tests, sizeof(tests) / sizeof(tests[0]));
}
