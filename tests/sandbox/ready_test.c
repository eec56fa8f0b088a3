// SPDX-License-Identifier: MIT
// What must hold of boxes that are made ahead: each serves one request; whoever of them, or the
// process that makes them, is killed from outside, the next request is served all the same; a
// network namespace is used again only when nothing in it tells of the box before.
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sandbox/nets.h"
#include "tests/sandbox/boxes.h"

static void run_true(void)
{
    struct assay_box_result result;

    boxes_script(&result, "true");
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);
}

static void the_pool_fills_and_fills_again(void **state)
{
    (void)state;
    boxes_wait_for_the_pool();
    for (int i = 0; i < 40; i++)
        run_true();
    boxes_wait_for_the_pool();
}

static void killed_ready_inits_are_nobodys_loss(void **state)
{
    (void)state;
    boxes_wait_for_the_pool();
    assert_int_equal(boxes_kill_children("assay-ready"), 16);
    for (int i = 0; i < 20; i++)
        run_true();
    boxes_wait_for_the_pool();
}

static void a_killed_forge_is_replaced(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        boxes_wait_for_the_pool();
        assert_int_equal(boxes_kill_children("assay-forge"), 1);
        for (int k = 0; k < 20; k++)
            run_true();
    }
    boxes_wait_for_the_pool();
    assert_int_equal(boxes_count_children("assay-forge"), 1);
}

static void limits_are_the_requests_own(void **state)
{
    static const uint32_t counts[] = {3, 40, 3, 128};

    (void)state;
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct boxes_plan plan;
        struct assay_box_result result;

        boxes_wait_for_the_pool();
        boxes_plan_init(&plan, "i=0; while [ $i -lt 20 ]; do sleep 5 & i=$((i+1)); done");
        plan.plan.limits.process_count_max = counts[i];
        plan.plan.limits.memory_bytes_max = ((uint64_t)64 + counts[i]) << 20;
        boxes_run(&result, &plan);
        if (counts[i] >= 40)
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        else
            assert_true(result.cause != ASSAY_BOX_EXITED || result.exit_code != 0);
        assay_box_result_release(&result);
    }
}

// --- control groups ------------------------------------------------------------------------------

// As few processes as a box can have, so that its group is used again where groups are.
static void run_script(struct assay_box_result *result, const char *script)
{
    boxes_script(result, script);
    boxes_assert(result, ASSAY_BOX_EXITED, 0);
}

// In turns: whatever one box used, the next in its group has only its own told.
static void usage_is_the_boxs_own(void **state)
{
    struct assay_box_result result;

    (void)state;
    for (int i = 0; i < 40; i++) {
        run_script(&result, "exec python3 -Sc 'x = bytearray(96 << 20); sum(range(3000000))'");
        assert_true(result.usage.cpu_user_us + result.usage.cpu_system_us > 30000);
        assay_box_result_release(&result);
        run_script(&result, "exec true");
        assert_true(result.usage.cpu_user_us + result.usage.cpu_system_us < 30000);
        assert_true(result.usage.memory_bytes_peak < (uint64_t)32 << 20);
        assert_true(result.usage.pids_peak <= 1);
        assay_box_result_release(&result);
    }
}

// --- networks ------------------------------------------------------------------------------------

// In a process of its own, with all capabilities: as an ordinary user in a user namespace.
static void in_a_child(int (*check)(struct assay_nets *nets))
{
    struct assay_fault fault;
    int status = 0;
    const pid_t pid = fork();

    if (pid == 0) {
        struct assay_nets nets;

        if (geteuid() != 0 && unshare(CLONE_NEWUSER) < 0)
            _exit(20);
        if (!assay_nets_open(&nets, false, &fault))
            _exit(21);
        _exit(check(&nets));
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static ino_t current_network(void)
{
    struct stat stat_now = {0};

    (void)stat("/proc/self/ns/net", &stat_now);
    return stat_now.st_ino;
}

// The number of the namespace that was used, with `use` in it; 0: it failed.
static ino_t use_one(struct assay_nets *nets, void (*use)(void))
{
    struct assay_net net;
    struct assay_fault fault;
    ino_t number = 0;

    if (!assay_nets_enter(nets, &net, &fault))
        return 0;
    number = current_network();
    if (use != NULL)
        use();
    if (!assay_nets_leave(nets, &fault))
        return 0;
    assay_nets_return(nets, &net);
    return number;
}

static int unused_is_used_again(struct assay_nets *nets)
{
    const ino_t first = use_one(nets, NULL);

    for (int i = 0; i < 5; i++)
        if (first == 0 || use_one(nets, NULL) != first)
            return 1;
    return 0;
}

static int left_fd = -1;

static void leave_unix(void)
{
    left_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static void leave_udp(void)
{
    left_fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

// All is closed again; the packet was counted.
static void send_a_packet(void)
{
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct {
        sa_family_t family;
        unsigned char port[2], host[4], zero[8];
    } address = {.family = AF_INET, .port = {0, 9}, .host = {127, 0, 0, 1}};

    (void)!sendto(fd, "x", 1, 0, (const struct sockaddr *)(const void *)&address, sizeof(address));
    close(fd);
}

static int used_is_not_used_again(struct assay_nets *nets)
{
    static void (*const uses[])(void) = {leave_unix, leave_udp, send_a_packet};

    for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
        const ino_t used = use_one(nets, uses[i]);

        if (used == 0)
            return 2;
        for (int k = 0; k < 5; k++)
            if (use_one(nets, NULL) == used)
                return 3 + (int)i;
        if (left_fd >= 0)
            close(left_fd);
        left_fd = -1;
    }
    return 0;
}

static void a_network_is_used_again_only_as_new(void **state)
{
    (void)state;
    in_a_child(unused_is_used_again);
    in_a_child(used_is_not_used_again);
}

// Each counts a packet; none finds one counted.
static void boxes_get_no_network_that_was_used(void **state)
{
    struct assay_box_result result;

    (void)state;
    for (size_t i = 0; i < 24; i++) {
        boxes_script(&result,
                "awk '/lo:/ {print $2, $3, $10, $11}' /proc/net/dev; python3 -c 'import socket; "
                "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                "s.sendto(b\"x\", (\"127.0.0.1\", 9))'");
        boxes_assert(&result, ASSAY_BOX_EXITED, 0);
        boxes_assert_text(&result, "0 0 0 0\n");
        assay_box_result_release(&result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(the_pool_fills_and_fills_again),
            cmocka_unit_test(killed_ready_inits_are_nobodys_loss),
            cmocka_unit_test(a_killed_forge_is_replaced),
            cmocka_unit_test(limits_are_the_requests_own),
            cmocka_unit_test(usage_is_the_boxs_own),
            cmocka_unit_test(a_network_is_used_again_only_as_new),
            cmocka_unit_test(boxes_get_no_network_that_was_used),
    };

    return boxes_main("ready", tests, sizeof(tests) / sizeof(tests[0]));
}
