/* SPDX-License-Identifier: MIT */
/* Strings that grow. Every text argument may be a part of the buffer itself. */
#ifndef STRBUF_H
#define STRBUF_H

#include <stddef.h>

struct strbuf {
    char *data; /* always ends with '\0', never NULL after sb_init */
    size_t length;
    size_t size;
};

/* Where memory comes from: works like realloc, and like free when size is 0. For tests and arenas. */
typedef void *sb_alloc_fn(void *old, size_t size);
extern sb_alloc_fn *sb_alloc;

void sb_init(struct strbuf *sb);
void sb_free(struct strbuf *sb);

/* Makes room for `extra` more characters and the end. */
void sb_reserve(struct strbuf *sb, size_t extra);

void sb_append(struct strbuf *sb, const char *text, size_t length);
void sb_puts(struct strbuf *sb, const char *text);
void sb_insert(struct strbuf *sb, size_t at, const char *text, size_t length);
void sb_delete(struct strbuf *sb, size_t at, size_t length);

/* Replaces every `what`, from left to right; returns how many there were. */
int sb_replace(struct strbuf *sb, const char *what, const char *with);

#endif
