// SPDX-License-Identifier: MIT
#include "sandbox/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fs.h"
#include "sandbox/handle.h"
#include "sandbox/plan.h"
#include "sandbox/wire.h"

int assay_handoff_memory_file(const char *name, const char *bytes, size_t len)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -1;
    if (assay_fs_write_all(fd, bytes, len, NULL) != ASSAY_OK || lseek(fd, 0, SEEK_SET) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

enum assay_status assay_handoff_plan(
        int *fd_out, const struct assay_box_plan *plan, struct assay_error *err)
{
    struct assay_buf record;
    enum assay_status status = ASSAY_OK;

    assay_buf_init(&record, ASSAY_PLAN_BYTES_MAX);
    status = assay_plan_pack(&record, plan, err);
    if (status == ASSAY_OK) {
        const int fd = assay_handoff_memory_file("assay-plan", record.data, record.len);

        if (fd < 0)
            status = assay_fail_errno(err, errno, "memory file for a plan");
        else
            *fd_out = fd;
    }
    assay_buf_free(&record);
    return status;
}

enum assay_status assay_handoff_pipe(int ends[2], struct assay_error *err)
{
    int made[2];

    if (pipe2(made, O_CLOEXEC) < 0)
        return assay_fail_errno(err, errno, "pipe for a box");
    if (fcntl(made[0], F_SETFL, O_NONBLOCK) < 0) {
        const int problem = errno;

        close(made[0]);
        close(made[1]);
        return assay_fail_errno(err, problem, "pipe for a box");
    }
    ends[0] = made[0];
    ends[1] = made[1];
    return ASSAY_OK;
}

enum assay_status assay_handoff_request(struct assay_sandbox *sandbox,
        const struct assay_wire_run *sort, const int *fds, size_t fd_count, struct assay_error *err)
{
    struct assay_wire_run record = *sort;
    enum assay_status status = ASSAY_OK;

    record.kind = ASSAY_WIRE_RUN;
    record.version = ASSAY_WIRE_VERSION;
    pthread_mutex_lock(&sandbox->lock);
    if (sandbox->main_fd < 0)
        status = assay_fail(err, ASSAY_EIO, "the spawner is not running");
    else if (assay_wire_send(sandbox->main_fd, &record, sizeof(record), fds, fd_count) < 0)
        status = assay_fail_errno(err, errno, "the spawner is gone");
    pthread_mutex_unlock(&sandbox->lock);
    return status;
}

void assay_handoff_take_result(const struct assay_wire_result *record, const int *fds,
        size_t fd_count, int *out_dir_fd, struct assay_parts *parts)
{
    size_t next = 0;

    if (record->has_out_dir && next < fd_count)
        *out_dir_fd = fds[next++];
    for (; parts->count < record->part_count && parts->count < ASSAY_BOX_PARTS_MAX &&
            next + 1 < fd_count;
            next += 2) {
        const uint64_t id = record->part_ids[parts->count];

        parts->tickets[parts->count++] = (struct assay_part_ticket){
                .id = id, .lease_fd = fds[next], .dir_fd = fds[next + 1]};
    }
    for (; next < fd_count; next++)
        close(fds[next]);
}

enum assay_status assay_handoff_snapshot(struct assay_snapshot **out, struct assay_snapshot **draft,
        const struct assay_wire_result *record, struct assay_parts *parts, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    *out = NULL;
    if (*draft == NULL || record->cause == ASSAY_BOX_SETUP_FAILED ||
            record->cause == ASSAY_BOX_INFRA_ERROR)
        return ASSAY_OK;
    if (record->fault.sys_errno != 0)
        return assay_fail_errno(
                err, record->fault.sys_errno, "keep a snapshot: %.31s", record->fault.step);
    if (parts->count == 0)
        return ASSAY_OK;
    status = assay_snapshot_complete(*draft, parts, err);
    if (status != ASSAY_OK)
        return status;
    *out = *draft;
    *draft = NULL;
    return ASSAY_OK;
}
