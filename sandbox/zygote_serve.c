// SPDX-License-Identifier: MIT
#include "sandbox/zygote_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/ids.h"
#include "sandbox/init.h"
#include "sandbox/payload.h"
#include "sandbox/plan.h"
#include "sandbox/procfile.h"
#include "sandbox/request.h"
#include "sandbox/sys.h"
#include "sandbox/wire.h"
#include "sandbox/zygote.h"
#include "sandbox/zygote_nets.h"
#include "sandbox/zygote_setup.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
// Above any number that a plan may want for the report pipe.
#define FD_FLOOR (ASSAY_PLAN_REPORT_FD_MAX + 1)
#define PAGES_BYTES_MAX ((size_t)256 << 10)

static struct assay_zygote_setup setup;
// As lines of /proc/self/maps: some 30 bytes for each of a thousand ranges.
static char pages[PAGES_BYTES_MAX];

// --- the payload, waiting ------------------------------------------------------------------------

// All descriptors but these two, of which the first may be -1, and the second is the higher.
static void close_all_but(unsigned first, int low, int high)
{
    if (low >= (int)first) {
        if (low > (int)first)
            (void)sys_close_range(first, (unsigned)low - 1, 0);
        first = (unsigned)low + 1;
    }
    if (high > (int)first)
        (void)sys_close_range(first, (unsigned)high - 1, 0);
    (void)sys_close_range((unsigned)high + 1, ~0U, 0);
}

// Break the sharing of the pages that a run of the interpreter writes to. Where the kernel cannot
// do it ahead (before 5.14), or nobody learnt them, pages are copied as they are written.
static void own_memory(void)
{
    for (const char *line = pages; line != NULL && *line != '\0';) {
        char *end = NULL;
        const uintptr_t from = (uintptr_t)strtoull(line, &end, 16);
        const uintptr_t to = *end == '-' ? (uintptr_t)strtoull(end + 1, &end, 16) : from;

        if (to > from && strncmp(end, " rw-p", 5) == 0) {
            void *at = NULL;

            memcpy(&at, &from, sizeof(at));
            (void)madvise(at, to - from, MADV_POPULATE_WRITE);
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
}

// The command's words; -1 on failure. No seal: the run may read it as it likes.
static int write_words(const struct assay_box_plan *plan)
{
    const int fd = memfd_create("assay-words", MFD_CLOEXEC);
    FILE *stream = NULL;
    size_t count = 0;
    int kept = -1;

    if (fd < 0)
        return -1;
    kept = fcntl(fd, F_DUPFD_CLOEXEC, FD_FLOOR);
    stream = fdopen(fd, "w");
    if (stream == NULL || kept < 0)
        return -1;
    while (plan->argv[count] != NULL)
        count++;
    (void)fprintf(stream, "%zu%c", count, '\0');
    for (size_t i = 0; i < count; i++)
        (void)fprintf(stream, "%s%c", plan->argv[i], '\0');
    for (size_t i = 0; plan->env[i] != NULL; i++)
        (void)fprintf(stream, "%s%c", plan->env[i], '\0');
    if (fclose(stream) != 0 || lseek(kept, 0, SEEK_SET) < 0)
        return -1;
    return kept;
}

// Ends as the payload, before the interpreter goes on.
static int settle(struct assay_payload *payload)
{
    const int report = payload->plan->report_fd;
    const int words_fd = write_words(payload->plan);

    if (words_fd < 0)
        _exit(125);
    assay_payload_settle(payload);
    // Only now: the end of the error pipe, which is among them, starts the run's clock.
    close_all_but(3, report > 0 ? report : -1, words_fd);
    return words_fd;
}

static int await_wake(int wake_fd)
{
    struct assay_wire_wake record;
    struct assay_request request;
    struct assay_payload payload = {.profiles = &setup.profiles, .state_fd = -1};
    struct assay_fault fault = {{0}, 0};
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t count = 0;

    close_all_but(0, -1, wake_fd);
    own_memory();
    assay_request_init(&request);
    // If not, the init is gone, or will say why.
    if (assay_wire_receive(wake_fd, &record, sizeof(record), fds, &count, 0) !=
                    (long)sizeof(record) ||
            record.kind != ASSAY_WIRE_WAKE || count < 4 ||
            !assay_request_take(&request, fds, count - 1, &fault) ||
            !assay_request_read_plan(&request, &fault))
        _exit(125);
    payload.plan = &request.plan;
    payload.stdin_fd = request.stdin_fd;
    payload.output_fd = request.output_fd;
    payload.errors_fd = request.errors_fd;
    payload.report_fd = request.report_fd;
    payload.error_fd = fds[count - 1];
    payload.limit_memory = record.limit_memory != 0;
    payload.limit_pids = record.limit_pids != 0;
    return settle(&payload);
}

// --- the run's init ------------------------------------------------------------------------------

static _Noreturn void fail(int control_fd, const struct assay_fault *fault)
{
    struct assay_wire_init record = {.kind = ASSAY_WIRE_FAILED, .fault = *fault};

    (void)assay_wire_send(control_fd, &record, sizeof(record), NULL, 0);
    _exit(1);
}

static bool await_go(int control_fd)
{
    uint32_t kind = 0;
    ssize_t got = 0;

    do
        got = recv(control_fd, &kind, sizeof(kind), 0);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(kind) && kind == ASSAY_WIRE_GO;
}

// Returns in the payload alone.
static int live_as_run(const struct assay_wire_serve *order, bool network_new, int control_fd)
{
    struct assay_init init = {.profiles = &setup.profiles,
            .skeleton = &setup.skeleton,
            .shape = (enum assay_shape)order->shape,
            .control_fd = control_fd,
            .limit_memory = order->limit_memory != 0,
            .limit_pids = order->limit_pids != 0,
            .meter = order->meter != 0,
            .tier = ASSAY_TIER_A,
            .shares_uid = true,
            .network_new = network_new,
            .uid = ASSAY_BOX_UID,
            .gid = ASSAY_BOX_UID};
    struct assay_fault fault = {{0}, 0};
    int pair[2];

    close_all_but(0, -1, control_fd);
    if (!assay_zygote_map_ids(&fault))
        fail(control_fd, &fault);
    if (!await_go(control_fd))
        _exit(1);
    // Here, for both of us: what the init of other boxes does before it forks.
    if (unshare(CLONE_NEWCGROUP) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        (void)assay_fault_set(&fault, "begin a run");
        fail(control_fd, &fault);
    }
    init.waiting_pid = fork();
    if (init.waiting_pid == 0) {
        close(control_fd);
        return await_wake(pair[1]);
    }
    close(pair[1]);
    init.waiting_fd = pair[0];
    if (init.waiting_pid < 0) {
        (void)assay_fault_set(&fault, "fork");
        fail(control_fd, &fault);
    }
    assay_init_run(&init);
}

// --- the zygote ----------------------------------------------------------------------------------

static bool receive_setup(bool *fresh_network)
{
    struct assay_wire_serve record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t count = 0;
    const long got = assay_wire_receive(ASSAY_ZYGOTE_FD, &record, sizeof(record), fds, &count, 0);

    if (got != (long)sizeof(record) || record.kind != ASSAY_WIRE_SERVE ||
            record.version != ASSAY_WIRE_VERSION || count != 1)
        return false;
    *fresh_network = record.fresh_network != 0;
    return assay_zygote_setup_read(&setup, fds[0]) && close(fds[0]) == 0;
}

// CLONE_PARENT: the zygote's own init reaps it. 0 in the run's init; -1 with errno.
// NOLINTNEXTLINE(readability-non-const-parameter): the kernel writes it
static pid_t clone_run(bool network_new, int *pid_fd)
{
    struct clone_args args = {.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                    CLONE_NEWUTS | CLONE_PARENT | CLONE_PIDFD,
            .pidfd = (uint64_t)(uintptr_t)pid_fd};

    if (network_new)
        args.flags |= CLONE_NEWNET;
    return sys_clone3(&args);
}

// The next run. True in it alone, as its init.
static bool fork_run(struct assay_zygote_nets *nets, const struct assay_wire_serve *order,
        int control_fd, bool *network_new)
{
    struct assay_wire_forked answer = {.kind = ASSAY_WIRE_FORKED, .number = order->number};
    int pid_fd = -1;
    pid_t pid = -1;

    *network_new = !assay_zygote_nets_enter(nets);
    pid = clone_run(*network_new, &pid_fd);
    if (pid == 0)
        return true;
    answer.sys_errno = pid < 0 ? errno : 0;
    assay_zygote_nets_leave(nets, pid < 0 ? -1 : pid_fd);
    close(control_fd);
    if (assay_wire_send(ASSAY_ZYGOTE_FD, &answer, sizeof(answer), &pid_fd, pid < 0 ? 0 : 1) < 0)
        _exit(1);
    if (pid > 0)
        close(pid_fd);
    return false;
}

int assay_zygote_serve(void)
{
    const struct assay_wire_forked ready = {.kind = ASSAY_WIRE_READY};
    struct assay_zygote_nets nets;
    bool fresh_network = false;

    (void)assay_procfile_read(AT_FDCWD, ASSAY_ZYGOTE_PAGES, pages, sizeof(pages));
    if (!receive_setup(&fresh_network))
        _exit(1);
    assay_zygote_nets_open(&nets, fresh_network);
    if (assay_wire_send(ASSAY_ZYGOTE_FD, &ready, sizeof(ready), NULL, 0) < 0)
        _exit(1);
    for (;;) {
        struct assay_wire_serve order;
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t count = 0;
        bool network_new = false;

        if (assay_wire_receive(ASSAY_ZYGOTE_FD, &order, sizeof(order), fds, &count, 0) !=
                        (long)sizeof(order) ||
                order.kind != ASSAY_WIRE_FORK || count != 1)
            _exit(0);
        if (fork_run(&nets, &order, fds[0], &network_new))
            return live_as_run(&order, network_new, fds[0]);
    }
}
