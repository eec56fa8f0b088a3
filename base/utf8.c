// SPDX-License-Identifier: MIT
#include "base/utf8.h"

#include <stdbool.h>

static bool is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

size_t assay_utf8_length(const char *bytes, size_t left)
{
    const unsigned char *p = (const unsigned char *)bytes;
    unsigned char second_min = 0x80;
    unsigned char second_max = 0xbf;
    size_t len = 0;

    if (left == 0)
        return 0;
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    if (len == 0 || left < len)
        return 0;

    // Overlong forms, surrogates and what is above U+10FFFF differ in the second byte alone.
    if (p[0] == 0xe0)
        second_min = 0xa0;
    else if (p[0] == 0xed)
        second_max = 0x9f;
    else if (p[0] == 0xf0)
        second_min = 0x90;
    else if (p[0] == 0xf4)
        second_max = 0x8f;
    if (p[1] < second_min || p[1] > second_max)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if (!is_continuation(p[i]))
            return 0;
    }
    return len;
}

size_t assay_utf8_put(char *out, uint32_t c)
{
    size_t len = 0;

    if (c < 0x80) {
        out[len++] = (char)c;
    } else if (c < 0x800) {
        out[len++] = (char)(0xc0 | c >> 6);
        out[len++] = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        out[len++] = (char)(0xe0 | c >> 12);
        out[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        out[len++] = (char)(0x80 | (c & 0x3f));
    } else {
        out[len++] = (char)(0xf0 | c >> 18);
        out[len++] = (char)(0x80 | (c >> 12 & 0x3f));
        out[len++] = (char)(0x80 | (c >> 6 & 0x3f));
        out[len++] = (char)(0x80 | (c & 0x3f));
    }
    return len;
}
