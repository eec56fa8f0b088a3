// SPDX-License-Identifier: MIT
#include "sandbox/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/layer.h"
#include "sandbox/plan.h"
#include "sandbox/wire.h"

void assay_request_init(struct assay_request *request)
{
    memset(request, 0, sizeof(*request));
    request->plan_fd = request->stdin_fd = request->output_fd = request->report_fd =
            request->errors_fd = request->learn_fd = request->serve_fd = -1;
    request->cpu_fds[0] = request->cpu_fds[1] = -1;
}

bool assay_request_take(
        struct assay_request *request, const int *fds, size_t fd_count, struct assay_fault *fault)
{
    if (fd_count < 3 || fd_count > 3 + ASSAY_REQUEST_EXTRA_MAX) {
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
        return assay_fault_errno(fault, "descriptors", EINVAL);
    }
    request->plan_fd = fds[0];
    request->stdin_fd = fds[1];
    request->output_fd = fds[2];
    request->extra_count = fd_count - 3;
    memcpy(request->extra_fds, fds + 3, request->extra_count * sizeof(*fds));
    return true;
}

// What came beside the plan is what the plan wants.
static bool tell_apart(struct assay_request *request)
{
    const struct {
        bool wanted;
        int *fd;
    } rows[] = {{request->plan.report_fd != 0, &request->report_fd},
            {request->plan.stderr_fd >= 0, &request->errors_fd},
            {request->plan.learn, &request->learn_fd}, {request->session, &request->serve_fd},
            {request->cpu_count > 0, &request->cpu_fds[0]},
            {request->cpu_count > 1, &request->cpu_fds[1]}};
    size_t next = 0;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!rows[i].wanted)
            continue;
        if (next == request->extra_count)
            return false;
        *rows[i].fd = request->extra_fds[next];
        request->extra_fds[next++] = -1;
    }
    return next == request->extra_count;
}

static void add_fd(int *fds, size_t *count, int fd)
{
    if (fd >= 0)
        fds[(*count)++] = fd;
}

static void init_sources(struct assay_request *request)
{
    assay_sources_init(&request->sources, &request->plan);
    if (request->plan.from != NULL)
        request->parts.count = assay_snapshot_layers(request->plan.from)->part_count;
}

bool assay_request_read_plan(struct assay_request *request, struct assay_fault *fault)
{
    struct stat stat;
    struct assay_error err;

    if (fstat(request->plan_fd, &stat) < 0)
        return assay_fault_set(fault, "read plan");
    if (stat.st_size <= 0 || (uint64_t)stat.st_size > ASSAY_PLAN_BYTES_MAX)
        return assay_fault_errno(fault, "read plan", EINVAL);
    request->bytes = malloc((size_t)stat.st_size);
    if (request->bytes == NULL ||
            assay_arena_create(&request->arena, ASSAY_PLAN_BYTES_MAX, NULL) != ASSAY_OK)
        return assay_fault_errno(fault, "read plan", ENOMEM);
    if (pread(request->plan_fd, request->bytes, (size_t)stat.st_size, 0) != stat.st_size)
        return assay_fault_set(fault, "read plan");
    if (assay_plan_unpack(&request->plan, request->arena, request->bytes, (size_t)stat.st_size,
                &err) != ASSAY_OK)
        return assay_fault_errno(fault, "read plan", err.status == ASSAY_ENOMEM ? ENOMEM : EINVAL);
    if (!tell_apart(request))
        return assay_fault_errno(fault, "descriptors", EINVAL);
    init_sources(request);
    return true;
}

// --- sending -------------------------------------------------------------------------------------

// The sources from `first` on, as many as one record takes; returns how many, 0 on failure.
static size_t send_some(const struct assay_sources *sources, size_t first, int control_fd,
        struct assay_fault *fault)
{
    struct assay_wire_sources record = {.kind = ASSAY_WIRE_SOURCES};
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;

    while (record.count < ASSAY_WIRE_FDS_MAX && first + record.count < sources->count) {
        const int fd = sources->fds[first + record.count];

        if (fd >= 0)
            fds[fd_count++] = fd;
        else
            record.missing |= (uint64_t)1 << record.count;
        record.count++;
    }
    if (assay_wire_send(control_fd, &record, sizeof(record), fds, fd_count) == 0)
        return record.count;
    (void)assay_fault_set(fault, "send sources");
    return 0;
}

static bool send_sources(
        const struct assay_sources *sources, int control_fd, struct assay_fault *fault)
{
    for (size_t first = 0; first < sources->count;) {
        const size_t sent = send_some(sources, first, control_fd, fault);

        if (sent == 0)
            return false;
        first += sent;
    }
    return true;
}

size_t assay_request_list(const struct assay_request *request, int fds[3 + ASSAY_REQUEST_EXTRA_MAX])
{
    size_t count = 3;

    fds[0] = request->plan_fd;
    fds[1] = request->stdin_fd;
    fds[2] = request->output_fd;
    add_fd(fds, &count, request->report_fd);
    add_fd(fds, &count, request->errors_fd);
    add_fd(fds, &count, request->learn_fd);
    add_fd(fds, &count, request->serve_fd);
    for (size_t i = 0; i < request->cpu_count; i++)
        add_fd(fds, &count, request->cpu_fds[i]);
    return count;
}

bool assay_request_send(
        const struct assay_request *request, int control_fd, struct assay_fault *fault)
{
    const struct assay_wire_finish record = {.kind = ASSAY_WIRE_FINISH,
            .sources_open = request->sources_open,
            .session = request->session,
            .cpu_count = (uint32_t)request->cpu_count};
    int fds[3 + ASSAY_REQUEST_EXTRA_MAX];
    const size_t fd_count = assay_request_list(request, fds);

    if (assay_wire_send(control_fd, &record, sizeof(record), fds, fd_count) < 0)
        return assay_fault_set(fault, "send request");
    return (!request->sources_open || send_sources(&request->sources, control_fd, fault)) &&
            send_sources(&request->parts, control_fd, fault);
}

// --- receiving -----------------------------------------------------------------------------------

static bool receive_sources(
        struct assay_sources *sources, int control_fd, struct assay_fault *fault)
{
    sources->fds = malloc((sources->count + 1) * sizeof(*sources->fds));
    if (sources->fds == NULL)
        return assay_fault_errno(fault, "receive sources", ENOMEM);
    for (size_t i = 0; i < sources->count; i++)
        sources->fds[i] = -1;
    for (size_t next = 0; next < sources->count;) {
        struct assay_wire_sources record;
        int fds[ASSAY_WIRE_FDS_MAX];
        size_t fd_count = 0;
        size_t used = 0;
        const long got = assay_wire_receive(control_fd, &record, sizeof(record), fds, &fd_count, 0);

        if (got < 0)
            return assay_fault_set(fault, "receive sources");
        if (got != (long)sizeof(record) || record.kind != ASSAY_WIRE_SOURCES || record.count == 0 ||
                record.count > sources->count - next)
            return assay_fault_errno(fault, "receive sources", EPROTO);
        for (size_t i = 0; i < record.count; i++)
            if (!(record.missing & ((uint64_t)1 << i)) && used < fd_count)
                sources->fds[next + i] = fds[used++];
        next += record.count;
    }
    return true;
}

bool assay_request_receive(struct assay_request *request, int control_fd, struct assay_fault *fault)
{
    struct assay_wire_finish record;
    int fds[ASSAY_WIRE_FDS_MAX];
    size_t fd_count = 0;
    const long got = assay_wire_receive(control_fd, &record, sizeof(record), fds, &fd_count, 0);

    if (got < 0 && errno != ECONNRESET)
        return assay_fault_set(fault, "receive request");
    if (got != (long)sizeof(record) || record.kind != ASSAY_WIRE_FINISH || fd_count == 0 ||
            !assay_request_take(request, fds, fd_count, fault))
        return false; // the spawner never sends less: it is gone
    request->session = record.session != 0;
    request->cpu_count = record.cpu_count;
    request->sources_open = record.sources_open != 0;
    if (!assay_request_read_plan(request, fault))
        return false;
    return (!request->sources_open || receive_sources(&request->sources, control_fd, fault)) &&
            receive_sources(&request->parts, control_fd, fault);
}

void assay_request_close_sources(struct assay_request *request)
{
    assay_sources_close(&request->sources);
    assay_sources_close(&request->parts);
    init_sources(request);
}

void assay_request_close(struct assay_request *request)
{
    const int fds[] = {request->plan_fd, request->stdin_fd, request->output_fd, request->report_fd,
            request->errors_fd, request->learn_fd, request->serve_fd, request->cpu_fds[0],
            request->cpu_fds[1]};

    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (size_t i = 0; i < request->extra_count; i++)
        if (request->extra_fds[i] >= 0)
            close(request->extra_fds[i]);
    request->plan_fd = request->stdin_fd = request->output_fd = request->report_fd =
            request->errors_fd = request->learn_fd = request->serve_fd = -1;
    request->cpu_fds[0] = request->cpu_fds[1] = -1;
    request->extra_count = 0;
}

void assay_request_release(struct assay_request *request)
{
    assay_request_close(request);
    assay_sources_close(&request->sources);
    assay_sources_close(&request->parts);
    assay_arena_destroy(request->arena);
    free(request->bytes);
    assay_request_init(request);
}
