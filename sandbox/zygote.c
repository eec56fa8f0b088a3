// SPDX-License-Identifier: MIT
// zygote.c - the library's side of zygotes: start, run, stop.
#include "sandbox/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "sandbox/handle.h"
#include "sandbox/handoff.h"
#include "sandbox/wire.h"

#define START_MS_MAX 60000
#define LIFE_MS UINT32_MAX // the longest limit: 49 days; the next run starts another
#define WORDS_MAX 400      // of what a command wrote before it ended

struct assay_zygote {
    struct assay_sandbox *sandbox; // borrowed
    uint64_t id;                   // as the spawner knows it
    int private_fd;
    int output_fd; // nothing is written once it serves
};

// Descriptors of a start, in the order of struct assay_wire_run's, then the spawner's end.
struct start {
    int private_fds[2], output_fds[2], serve_fds[2];
    int plan_fd, null_fd;
};

static void close_all(struct start *start)
{
    const int fds[] = {start->private_fds[0], start->private_fds[1], start->output_fds[0],
            start->output_fds[1], start->serve_fds[0], start->serve_fds[1], start->plan_fd,
            start->null_fd};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static enum assay_status make_descriptors(struct start *start, struct assay_error *err)
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start->private_fds) < 0 ||
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start->serve_fds) < 0 ||
            pipe2(start->output_fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return assay_fail_errno(err, errno, "sockets for a zygote");
    start->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (start->null_fd < 0)
        return assay_fail_errno(err, errno, "open /dev/null");
    return ASSAY_OK;
}

// The library lies beside assay-box, which is of the same build.
static enum assay_status find_library(
        char path[PATH_MAX], const struct assay_sandbox *sandbox, struct assay_error *err)
{
    char program[PATH_MAX];
    char *slash = NULL;

    if (realpath(sandbox->box_program, program) != NULL)
        slash = strrchr(program, '/');
    if (slash == NULL)
        return assay_fail_errno(err, errno, "find assay-box");
    *slash = '\0';
    if (snprintf(path, PATH_MAX, "%s/libassay_zygote.so", program) >= PATH_MAX ||
            access(path, R_OK) != 0)
        return assay_fail(err, ASSAY_EREFUSED, "there is no libassay_zygote.so beside assay-box");
    return ASSAY_OK;
}

// The plan with what makes it a zygote's.
static enum assay_status write_plan(struct start *start, const struct assay_sandbox *sandbox,
        const struct assay_box_plan *given, struct assay_error *err)
{
    struct assay_box_plan plan = *given;
    char library[PATH_MAX];
    const char *const lowers[] = {library};
    struct assay_mount *mounts = calloc(given->mount_count + 1, sizeof(*mounts));
    enum assay_status status = find_library(library, sandbox, err);

    if (mounts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a zygote");
    for (size_t i = 0; i < given->mount_count; i++)
        mounts[i] = given->mounts[i];
    mounts[given->mount_count] = (struct assay_mount){.kind = ASSAY_MOUNT_BIND_RO,
            .target = ASSAY_ZYGOTE_LIBRARY,
            .lowers = lowers,
            .lower_count = 1};
    plan.mounts = mounts;
    plan.mount_count++;
    plan.serves = true;
    plan.report_fd = ASSAY_ZYGOTE_FD;
    plan.limits.wall_ms_max = LIFE_MS;
    plan.limits.cpu_ms_max = LIFE_MS;
    plan.limits.idle_ms_max = 0;
    if (status == ASSAY_OK)
        status = assay_handoff_plan(&start->plan_fd, &plan, err);
    free(mounts);
    return status;
}

static enum assay_status send_start(
        struct assay_sandbox *sandbox, const struct start *start, struct assay_error *err)
{
    const struct assay_wire_run sort = {.serves = 1};
    const int fds[] = {start->private_fds[1], start->plan_fd, start->null_fd, start->output_fds[1],
            start->serve_fds[1], start->serve_fds[0]};

    return assay_handoff_request(sandbox, &sort, fds, sizeof(fds) / sizeof(fds[0]), err);
}

static enum assay_status tell_refusal(
        const struct assay_wire_result *result, int output_fd, struct assay_error *err)
{
    char words[WORDS_MAX + 1];
    const ssize_t len = read(output_fd, words, WORDS_MAX);

    words[len > 0 ? len : 0] = '\0';
    if (result->cause == ASSAY_BOX_SETUP_FAILED)
        return assay_fail_errno(err, result->fault.sys_errno, "zygote: %s", result->fault.step);
    return assay_fail(err, ASSAY_EREFUSED, "the zygote's command ended: %s %d: %s",
            assay_box_cause_name((enum assay_box_cause)result->cause), result->exit_code, words);
}

// The next record; a zygote that does not answer is as good as dead.
static enum assay_status await_service(
        struct assay_zygote *zygote, const struct start *start, struct assay_error *err)
{
    union {
        struct assay_wire_result result;
        struct assay_wire_zygote started;
    } record;
    struct pollfd watched = {.fd = start->private_fds[0], .events = POLLIN};
    const uint64_t deadline_ms = assay_clock_ms() + START_MS_MAX;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    long got = 0;

    do
        got = poll(&watched, 1, (int)assay_clock_left_ms(deadline_ms));
    while (got < 0 && errno == EINTR);
    if (got <= 0)
        return assay_fail(err, ASSAY_ETIMEOUT, "a zygote did not serve in %d ms", START_MS_MAX);
    got = assay_wire_receive(watched.fd, &record, sizeof(record), fds, &fd_count, 0);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (got == (long)sizeof(record.started) && record.started.kind == ASSAY_WIRE_STARTED) {
        zygote->id = record.started.zygote;
        return ASSAY_OK;
    }
    if (got == (long)sizeof(record.result) && record.result.kind == ASSAY_WIRE_RESULT)
        return tell_refusal(&record.result, start->output_fds[0], err);
    return assay_fail(err, ASSAY_EIO, "the spawner is gone");
}

enum assay_status assay_zygote_start(struct assay_zygote **out, struct assay_sandbox *sandbox,
        const struct assay_box_plan *plan, struct assay_error *err)
{
    struct start start = {{-1, -1}, {-1, -1}, {-1, -1}, -1, -1};
    struct assay_zygote *zygote = NULL;
    enum assay_status status = ASSAY_OK;

    // Its runs are made by capabilities of a user namespace, and mount a fresh /proc each.
    if (assay_sandbox_tier(sandbox) != ASSAY_TIER_A)
        return assay_fail(err, ASSAY_EREFUSED,
                "zygotes need isolation tier A; this host gives %s (see assay doctor)",
                assay_tier_name(assay_sandbox_tier(sandbox)));
    zygote = calloc(1, sizeof(*zygote));
    if (zygote == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a zygote");
    if (assay_sandbox_tier(sandbox) !=
            ASSAY_TIER_A) { // user namespaces within each other, each with a /proc
        free(zygote);
        return assay_fail(err, ASSAY_EREFUSED, "zygotes need isolation tier A");
    }
    status = make_descriptors(&start, err);
    if (status == ASSAY_OK)
        status = write_plan(&start, sandbox, plan, err);
    if (status == ASSAY_OK)
        status = send_start(sandbox, &start, err);
    if (status == ASSAY_OK) {
        // Only the other side may hold its ends, or we would not see it die.
        close(start.private_fds[1]);
        close(start.output_fds[1]);
        start.private_fds[1] = start.output_fds[1] = -1;
        status = await_service(zygote, &start, err);
    }
    if (status == ASSAY_OK) {
        zygote->sandbox = sandbox;
        zygote->private_fd = start.private_fds[0];
        zygote->output_fd = start.output_fds[0];
        start.private_fds[0] = start.output_fds[0] = -1;
        *out = zygote;
        zygote = NULL;
    }
    close_all(&start);
    free(zygote);
    return status;
}

enum assay_status assay_zygote_run(struct assay_zygote *zygote, const struct assay_box_plan *plan,
        struct assay_box_result *result, struct assay_error *err)
{
    return assay_box_run_from(zygote->sandbox, zygote->id, plan, result, err);
}

void assay_zygote_stop(struct assay_zygote *zygote)
{
    if (zygote == NULL)
        return;
    close(zygote->private_fd); // the order to kill it
    close(zygote->output_fd);
    free(zygote);
}
