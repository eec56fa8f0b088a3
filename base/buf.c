// SPDX-License-Identifier: MIT
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// What .data points at while nothing is allocated. Never written: threads share it.
static char empty[1];

static void assert_sane(const struct assay_buf *buf)
{
    assert(buf->data != NULL);
    assert(buf->len <= buf->max);
    assert(buf->cap == 0 ? buf->len == 0 : buf->len < buf->cap);
}

void assay_buf_init(struct assay_buf *buf, size_t max)
{
    *buf = (struct assay_buf){.data = empty, .max = max};
}

void assay_buf_free(struct assay_buf *buf)
{
    if (buf->cap > 0)
        free(buf->data);
    assay_buf_init(buf, buf->max);
}

bool assay_buf_reserve(struct assay_buf *buf, size_t more)
{
    size_t cap = 0;
    char *data = NULL;

    assert_sane(buf);
    if (buf->failed)
        return false;
    if (more > buf->max - buf->len)
        goto fail;
    if (buf->len + more < buf->cap)
        return true;

    // Doubling keeps appends linear; the maximum (and its NUL) caps it.
    cap = buf->cap < 32 ? 64 : buf->cap;
    while (cap <= buf->len + more && cap < SIZE_MAX / 2)
        cap *= 2;
    if (cap <= buf->len + more)
        goto fail;
    if (buf->max < SIZE_MAX && cap > buf->max + 1)
        cap = buf->max + 1;
    data = realloc(buf->cap > 0 ? buf->data : NULL, cap);
    if (data == NULL)
        goto fail;
    data[buf->len] = '\0';
    buf->data = data;
    buf->cap = cap;
    return true;

fail:
    buf->failed = true;
    return false;
}

bool assay_buf_add(struct assay_buf *buf, const void *bytes, size_t len)
{
    if (!assay_buf_reserve(buf, len))
        return false;
    if (len == 0)
        return true;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return true;
}

bool assay_buf_adds(struct assay_buf *buf, const char *text)
{
    return assay_buf_add(buf, text, strlen(text));
}

bool assay_buf_addc(struct assay_buf *buf, char c)
{
    return assay_buf_add(buf, &c, 1);
}

bool assay_buf_addf(struct assay_buf *buf, const char *fmt, ...)
{
    va_list args;
    va_list again;
    bool added = false;
    int len = 0;

    va_start(args, fmt);
    va_copy(again, args);
    len = vsnprintf(NULL, 0, fmt, args);
    if (len < 0)
        buf->failed = true;
    else
        added = assay_buf_reserve(buf, (size_t)len);
    if (added && len > 0) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    va_end(args);
    return added;
}

void assay_buf_truncate(struct assay_buf *buf, size_t len)
{
    assert_sane(buf);
    assert(len <= buf->len);
    buf->len = len;
    if (buf->cap > 0)
        buf->data[len] = '\0';
}

void assay_buf_clear(struct assay_buf *buf)
{
    assay_buf_truncate(buf, 0);
    buf->failed = false;
}

enum assay_status assay_buf_check(
        const struct assay_buf *buf, const char *what, struct assay_error *err)
{
    assert_sane(buf);
    if (buf->failed)
        return assay_fail(err, ASSAY_ENOMEM, "%s is larger than %zu bytes", what, buf->max);
    return ASSAY_OK;
}

bool assay_buf_add_quoted(struct assay_buf *buf, const char *text)
{
    assay_buf_addc(buf, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            assay_buf_adds(buf, "'\\''");
        else
            assay_buf_addc(buf, *text);
    }
    return assay_buf_addc(buf, '\'');
}
