// SPDX-License-Identifier: MIT
// serve_log.c - the log of an attempt, by range: GET /v1/runs/ID/log.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "orchestrator/serve_look.h"
#include "tasks/store_view.h"

#define RANGE_BYTES ((uint64_t)64 << 10) // of an answer where nothing is said
#define RANGE_BYTES_MAX ((uint64_t)4 << 20)

struct range {
    uint64_t from, len; // what is wanted; from UINT64_MAX: the end
    uint64_t size;      // of the log
};

static enum assay_status read_range(
        struct assay_buf *out, int fd, struct range *range, struct assay_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return assay_fail_errno(err, errno, "log");
    if (!S_ISREG(st.st_mode))
        return assay_fail(err, ASSAY_EIO, "the log is no regular file");
    range->size = (uint64_t)st.st_size;
    if (range->from > range->size)
        range->from = range->size > range->len ? range->size - range->len : 0;
    if (range->len > range->size - range->from)
        range->len = range->size - range->from;
    if (!assay_buf_reserve(out, range->len + 1))
        return assay_buf_check(out, "log", err);
    while (out->len < range->len) {
        const ssize_t n = pread(
                fd, out->data + out->len, range->len - out->len, (off_t)(range->from + out->len));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return assay_fail_errno(err, errno, "log");
        if (n == 0)
            break; // it became shorter
        out->len += (size_t)n;
    }
    out->data[out->len] = '\0';
    return ASSAY_OK;
}

// No link is followed, and a FIFO in its place holds nobody up.
static enum assay_status open_log(
        int *out, const char *home, const char *log_path, struct assay_error *err)
{
    const int home_fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = -1;
    enum assay_status status = ASSAY_OK;

    if (home_fd >= 0)
        fd = assay_fs_open_beneath(home_fd, log_path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        status = errno == ENOENT ? assay_fail(err, ASSAY_ENOTFOUND, "the log is gone")
                                 : assay_fail_errno(err, errno, "log");
    if (home_fd >= 0)
        close(home_fd);
    if (status == ASSAY_OK)
        *out = fd;
    return status;
}

static void add_number(struct assay_http_request *request, const char *name, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    assay_http_add_header(request, name, text);
}

void assay_service_log(struct assay_service_call *call)
{
    struct assay_look look;
    struct assay_answer_view answer = {0};
    struct range range;
    const char *instance_id;
    int fd = -1;

    (void)assay_service_look_begin(&look, call);
    instance_id = assay_service_look_text(&look, "instance_id");
    range.from = assay_service_look_number(&look, "offset", UINT64_MAX, INT64_MAX);
    range.len = assay_service_look_number(&look, "limit", RANGE_BYTES, RANGE_BYTES_MAX);
    range.size = 0;
    if (look.status == ASSAY_OK)
        look.status = assay_store_view_answer(
                look.store, call->argument, instance_id, look.arena, &answer, &look.err);
    if (look.status == ASSAY_OK && answer.log_path == NULL)
        look.status = assay_fail(&look.err, ASSAY_ENOTFOUND, "no log was kept of it");
    if (look.status == ASSAY_OK)
        look.status = open_log(&fd, assay_depot_home(assay_context_depot(call->serve->context)),
                answer.log_path, &look.err);
    if (look.status == ASSAY_OK)
        look.status = read_range(&look.text, fd, &range, &look.err);
    if (fd >= 0)
        close(fd);
    if (look.status != ASSAY_OK) {
        assay_service_look_end(&look);
        return;
    }
    add_number(call->request, "Assay-Log-Size", range.size);
    add_number(call->request, "Assay-Log-Offset", range.from);
    assay_http_add_header(call->request, "Content-Security-Policy", "default-src 'none'; sandbox");
    assay_http_reply(call->request, 200, "text/plain; charset=utf-8", &look.text);
    assay_arena_destroy(look.arena);
}
