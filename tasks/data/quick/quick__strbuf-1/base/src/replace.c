/* SPDX-License-Identifier: MIT */
#include "strbuf.h"

#include <string.h>

int sb_replace(struct strbuf *sb, const char *what, const char *with)
{
    size_t old = strlen(what);
    size_t new = strlen(with);
    size_t at = 0;
    int count = 0;
    char *hit;

    while ((hit = strstr(sb->data + at, what)) != NULL) {
        at = (size_t)(hit - sb->data);
        sb_delete(sb, at, old);
        sb_insert(sb, at, with, new);
        at += new;
        count++;
    }
    return count;
}
