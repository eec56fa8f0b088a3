// SPDX-License-Identifier: MIT
#include "orchestrator/report_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "orchestrator/html.h"

#define EXCERPT_BYTES (ASSAY_REPORT_LOG_HEAD_BYTES + ASSAY_REPORT_LOG_TAIL_BYTES)

// A whole log, when it is no longer than EXCERPT_BYTES; else its head and its tail, side by side.
struct excerpt {
    char bytes[EXCERPT_BYTES];
    size_t len;
    uint64_t size; // of the log
};

// Up to len bytes from `offset`; the file may have become shorter since it was measured.
static bool read_at(int fd, char *bytes, size_t len, uint64_t offset, size_t *got)
{
    for (*got = 0; *got < len;) {
        const ssize_t n = pread(fd, bytes + *got, len - *got, (off_t)(offset + *got));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        *got += (size_t)n;
    }
    return true;
}

static bool read_parts(struct excerpt *e, int fd, uint64_t size)
{
    size_t tail_len = 0;

    e->size = size;
    if (size <= EXCERPT_BYTES)
        return read_at(fd, e->bytes, (size_t)size, 0, &e->len);
    if (!read_at(fd, e->bytes, ASSAY_REPORT_LOG_HEAD_BYTES, 0, &e->len) ||
            !read_at(fd, e->bytes + e->len, ASSAY_REPORT_LOG_TAIL_BYTES,
                    size - ASSAY_REPORT_LOG_TAIL_BYTES, &tail_len))
        return false;
    e->len += tail_len;
    return true;
}

static enum assay_status read_excerpt(
        struct excerpt *e, int home_fd, const char *log_path, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct stat st;
    // O_NONBLOCK: a FIFO in the log's place must not hold the report up.
    const int fd = assay_fs_open_beneath(home_fd, log_path, O_RDONLY | O_NONBLOCK, 0);

    if (fd < 0)
        return assay_fail_errno(err, errno, "%s", log_path);
    if (fstat(fd, &st) != 0) {
        status = assay_fail_errno(err, errno, "%s", log_path);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        status = assay_fail(err, ASSAY_EINVAL, "%s: not a regular file", log_path);
        goto out;
    }
    if (!read_parts(e, fd, (uint64_t)st.st_size)) {
        status = assay_fail_errno(err, errno, "%s", log_path);
        goto out;
    }
    if (e->len < EXCERPT_BYTES)
        e->size = e->len; // all there is now, should it have shrunk meanwhile

out:
    close(fd);
    return status;
}

// Where an end of text[0..len) of at most `max` bytes begins: behind the first newline of its first
// quarter, or else at a character. assay_html_cut() the other way round.
static size_t skip_to_tail(const char *text, size_t len, size_t max)
{
    size_t at = len > max ? len - max : 0;
    const char *newline = NULL;

    if (at == 0 || at == len)
        return at;
    newline = memchr(text + at, '\n', (len - at) / 4);
    if (newline)
        return (size_t)(newline - text) + 1;
    for (size_t i = 0; i < 3 && at < len && ((unsigned char)text[at] & 0xc0) == 0x80; i++)
        at++;
    return at;
}

// Escape the beginning (or, of_tail, the end) of text[0..len) into *scratch, as much of it as makes
// at most html_bytes_max bytes. Returns how much that is.
static size_t escape_within(struct assay_buf *scratch, const char *text, size_t len, bool of_tail,
        size_t html_bytes_max)
{
    size_t shown = len;

    for (;;) {
        const size_t from = of_tail ? len - shown : 0;

        assay_buf_clear(scratch);
        assay_html_bytes(scratch, text + from, shown, ASSAY_HTML_LOG);
        if (scratch->len <= html_bytes_max || scratch->failed)
            return shown;
        // How much a byte grows is known now; a sixteenth less, since the rest may grow more.
        shown = (size_t)((double)shown * (double)html_bytes_max / (double)scratch->len);
        shown -= shown / 16;
        shown = of_tail ? len - skip_to_tail(text, len, shown) : assay_html_cut(text, len, shown);
    }
}

// Where a whole log may be parted when there is no room for all of it: behind a line, since a part
// of "\r\n" or of a control sequence would look like another one.
static size_t part_at(const char *text, size_t len)
{
    const char *newline = memrchr(text, '\n', len / 4);

    return newline ? (size_t)(newline - text) + 1 : 0;
}

static void write_excerpt(
        struct assay_buf *out, const struct excerpt *e, const char *name, size_t html_bytes_max)
{
    const bool whole = e->size == e->len;
    const size_t head_len = whole ? part_at(e->bytes, e->len)
                                  : assay_html_cut(e->bytes, e->len, ASSAY_REPORT_LOG_HEAD_BYTES);
    const size_t tail_at =
            whole ? head_len : skip_to_tail(e->bytes, e->len, ASSAY_REPORT_LOG_TAIL_BYTES);
    struct assay_buf head, tail;
    uint64_t head_shown = 0, tail_shown = 0, left_out = 0;

    assay_buf_init(&head, EXCERPT_BYTES * ASSAY_HTML_GROWTH);
    assay_buf_init(&tail, EXCERPT_BYTES * ASSAY_HTML_GROWTH);
    head_shown = escape_within(&head, e->bytes, head_len, false, html_bytes_max / 4);
    tail_shown = escape_within(
            &tail, e->bytes + tail_at, e->len - tail_at, true, html_bytes_max - head.len);
    left_out = e->size - head_shown - tail_shown;

    assay_buf_adds(out, "<details><summary>Log <span class=\"q\">");
    assay_html_size(out, e->size);
    if (left_out > 0) {
        assay_buf_adds(out, ": the first ");
        assay_html_size(out, head_shown);
        assay_buf_adds(out, " and the last ");
        assay_html_size(out, tail_shown);
    }
    assay_buf_adds(out,
            "</span></summary>\n<pre class=\"log\" tabindex=\"0\" role=\"region\" "
            "aria-label=\"Log of ");
    assay_html_text(out, name);
    assay_buf_adds(out, "\">\n");
    assay_buf_add(out, head.data, head.len);
    if (left_out > 0)
        assay_buf_addf(out, "<span class=\"gap\">%llu bytes left out</span>",
                (unsigned long long)left_out);
    assay_buf_add(out, tail.data, tail.len);
    assay_buf_adds(out, "</pre></details>\n");
    out->failed = out->failed || head.failed || tail.failed;
    assay_buf_free(&tail);
    assay_buf_free(&head);
}

void assay_report_log_write(struct assay_buf *out, int home_fd, const char *log_path,
        const char *name, size_t html_bytes_max)
{
    struct excerpt e;
    struct assay_error err = {0};

    e.len = 0;
    e.size = 0;
    if (read_excerpt(&e, home_fd, log_path, &err) == ASSAY_OK) {
        write_excerpt(out, &e, name, html_bytes_max);
        return;
    }
    assay_buf_adds(out, "<p class=\"q\">The log cannot be shown: ");
    assay_html_text(out, err.message);
    assay_buf_adds(out, ".</p>\n");
}
