/* SPDX-License-Identifier: MIT */
#include "strbuf.h"

#include <stdlib.h>
#include <string.h>

static void *plain_alloc(void *old, size_t size)
{
    if (size == 0) {
        free(old);
        return NULL;
    }
    return realloc(old, size);
}

sb_alloc_fn *sb_alloc = plain_alloc;

void sb_init(struct strbuf *sb)
{
    sb->size = 16;
    sb->length = 0;
    sb->data = sb_alloc(NULL, sb->size);
    if (sb->data == NULL) {
        abort();
    }
    sb->data[0] = '\0';
}

void sb_free(struct strbuf *sb)
{
    sb_alloc(sb->data, 0);
    sb->data = NULL;
    sb->length = sb->size = 0;
}

void sb_reserve(struct strbuf *sb, size_t extra)
{
    size_t size = sb->size;

    while (size - sb->length <= extra) {
        size *= 2;
    }
    if (size == sb->size) {
        return;
    }
    sb->data = sb_alloc(sb->data, size);
    if (sb->data == NULL) {
        abort();
    }
    sb->size = size;
}

void sb_append(struct strbuf *sb, const char *text, size_t length)
{
    sb_reserve(sb, length);
    memcpy(sb->data + sb->length, text, length);
    sb->length += length;
    sb->data[sb->length] = '\0';
}

void sb_puts(struct strbuf *sb, const char *text)
{
    sb_append(sb, text, strlen(text));
}

void sb_insert(struct strbuf *sb, size_t at, const char *text, size_t length)
{
    if (at > sb->length) {
        at = sb->length;
    }
    sb_reserve(sb, length);
    memmove(sb->data + at + length, sb->data + at, sb->length - at + 1);
    memcpy(sb->data + at, text, length);
    sb->length += length;
}

void sb_delete(struct strbuf *sb, size_t at, size_t length)
{
    if (at >= sb->length) {
        return;
    }
    if (length > sb->length - at) {
        length = sb->length - at;
    }
    memmove(sb->data + at, sb->data + at + length, sb->length - at - length + 1);
    sb->length -= length;
}
