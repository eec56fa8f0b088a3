// SPDX-License-Identifier: MIT
// What must hold: a shell's line that was announced before the shell died has been heard, so that
// nobody takes it for one that was missed and runs it a second time; one that was not announced has
// not been.
#include "sandbox/serve.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/mounts.h"
#include "sandbox/wire.h"
#include "support/harness.h"

#define SHELL_ID 7u

// An init with one shell, which is this process; orders[1] is the session's end of its socket.
struct init {
    int orders[2], proc_fd, output_fd;
    struct assay_mounts mounts;
    struct assay_request request;
    struct assay_serve serve;
};

static void begin(struct init *init)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, init->orders), 0);
    init->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    init->output_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    init->mounts = (struct assay_mounts){.proc_fd = init->proc_fd};
    init->request = (struct assay_request){.output_fd = init->output_fd};
    init->serve = (struct assay_serve){.request = &init->request,
            .mounts = &init->mounts,
            .fd = init->orders[0],
            .commands = {[2] = {.used = true, .pid = getpid(), .id = SHELL_ID}}};
}

static void end(struct init *init)
{
    close(init->orders[0]);
    close(init->orders[1]);
    close(init->proc_fd);
    close(init->output_fd);
}

static void announce(const struct init *init, uint32_t id)
{
    const struct assay_order order = {
            .kind = ASSAY_ORDER_BEGIN, .id = id, .flags = ASSAY_ORDER_KILL_REST, .time_us = 1};

    assert_int_equal(assay_wire_send(init->orders[1], &order, sizeof(order), NULL, 0), 0);
}

static void a_line_announced_before_the_death_was_heard(void **state)
{
    const struct assay_serve_command *shell;
    struct init init;

    (void)state;
    begin(&init);
    shell = &init.serve.commands[2];
    announce(&init, SHELL_ID);
    assay_serve_reaped(&init.serve, getpid(), 0); // before anybody listened to the socket
    assert_true(shell->dead);
    assert_int_equal(shell->begun, 1);
    assert_int_equal(shell->started_us, 1);
    assert_true(shell->flags & ASSAY_ORDER_KILL_REST);

    // The dead hear nothing more.
    announce(&init, SHELL_ID);
    assert_true(assay_serve_hear(&init.serve));
    assert_int_equal(shell->begun, 1);
    end(&init);
}

static void a_line_that_nobody_announced_was_not(void **state)
{
    struct init init;

    (void)state;
    begin(&init);
    announce(&init, SHELL_ID + 1); // another's
    assay_serve_reaped(&init.serve, getpid(), 0);
    assert_true(init.serve.commands[2].dead);
    assert_int_equal(init.serve.commands[2].begun, 0);
    end(&init);
}

// The other end is gone: the death is noted all the same, and the session is over.
static void a_session_that_is_gone_does_not_hide_a_death(void **state)
{
    struct init init;

    (void)state;
    begin(&init);
    shutdown(init.orders[1], SHUT_RDWR);
    assay_serve_reaped(&init.serve, getpid(), 9);
    assert_true(init.serve.commands[2].dead);
    assert_int_equal(init.serve.commands[2].wait_status, 9);
    assert_false(assay_serve_hear(&init.serve));
    end(&init);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_line_announced_before_the_death_was_heard),
            cmocka_unit_test(a_line_that_nobody_announced_was_not),
            cmocka_unit_test(a_session_that_is_gone_does_not_hide_a_death),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
