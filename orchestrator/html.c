// SPDX-License-Identifier: MIT
#include "orchestrator/html.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

// An operating system command (a title, a link) that goes on for longer is not left out.
#define TERMINAL_COMMAND_BYTES_MAX ((size_t)4096)

static bool in_range(char c, unsigned char low, unsigned char high)
{
    return (unsigned char)c >= low && (unsigned char)c <= high;
}

// ESC ] text BEL, ESC ] text ESC \. Length, or 0: a missing end must not swallow the log.
static size_t terminal_command_length(const char *bytes, size_t left)
{
    for (size_t i = 2; i < left && i < TERMINAL_COMMAND_BYTES_MAX; i++) {
        if (bytes[i] == '\a')
            return i + 1;
        if (bytes[i] == '\n')
            return 0;
        if (bytes[i] == '\033')
            return i + 1 < left && bytes[i + 1] == '\\' ? i + 2 : 0;
    }
    return 0;
}

// Length of the complete control sequence (ECMA-48) at bytes[0] == ESC, or 0.
static size_t terminal_sequence_length(const char *bytes, size_t left)
{
    size_t i = 1;

    if (left < 2)
        return 0;
    if (bytes[1] == ']')
        return terminal_command_length(bytes, left);
    if (bytes[1] == '[') {
        i = 2;
        while (i < left && in_range(bytes[i], 0x30, 0x3f))
            i++;
        while (i < left && in_range(bytes[i], 0x20, 0x2f))
            i++;
        return i < left && in_range(bytes[i], 0x40, 0x7e) ? i + 1 : 0;
    }
    while (i < left && in_range(bytes[i], 0x20, 0x2f))
        i++;
    return i < left && in_range(bytes[i], 0x30, 0x7e) ? i + 1 : 0;
}

static uint32_t code_point(const char *bytes, size_t len)
{
    static const unsigned char first_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t point = (unsigned char)bytes[0] & first_mask[len];

    for (size_t i = 1; i < len; i++)
        point = point << 6 | ((unsigned char)bytes[i] & 0x3f);
    return point;
}

// Characters that change what is read without being seen ("Trojan Source", CVE-2021-42574).
static bool is_invisible(uint32_t point)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x80, 0x9f}, {0xad, 0xad}, {0x61c, 0x61c}, {0x200b, 0x200f}, {0x2028, 0x202e},
            {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};

    for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
        if (point >= ranges[r].first && point <= ranges[r].last)
            return true;
    }
    return false;
}

static const char *reference_of(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&#34;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

// One byte below U+0080 that is not plain; returns the bytes of input that are done.
static size_t add_ascii(
        struct assay_buf *out, const char *bytes, size_t left, enum assay_html_form form)
{
    const char *reference = reference_of(bytes[0]);
    size_t sequence = 0;

    if (reference) {
        assay_buf_adds(out, reference);
        return 1;
    }
    if (form == ASSAY_HTML_LOG) {
        // A progress bar writes over its line; here the lines stand below each other.
        if (bytes[0] == '\r') {
            assay_buf_addc(out, '\n');
            return left > 1 && bytes[1] == '\n' ? 2 : 1;
        }
        if (bytes[0] == '\033')
            sequence = terminal_sequence_length(bytes, left);
        if (sequence > 0)
            return sequence;
    }
    // As less, git and cat -v write them. U+2400 and its like are in few fonts.
    assay_buf_addc(out, '^');
    assay_buf_addc(out, (char)(bytes[0] ^ 0x40));
    return 1;
}

static bool is_plain(char c, enum assay_html_form form)
{
    if (c == '\n' || c == '\t')
        return form != ASSAY_HTML_LINE;
    return in_range(c, 0x20, 0x7e) && !reference_of(c);
}

void assay_html_bytes(
        struct assay_buf *out, const char *bytes, size_t len, enum assay_html_form form)
{
    size_t i = 0;

    while (i < len) {
        const size_t start = i;
        size_t char_len = 0;

        while (i < len && is_plain(bytes[i], form))
            i++;
        assay_buf_add(out, bytes + start, i - start);
        if (i == len)
            return;
        char_len = assay_utf8_length(bytes + i, len - i);
        if (char_len == 1) {
            i += add_ascii(out, bytes + i, len - i, form);
        } else if (char_len == 0) {
            assay_buf_adds(out, "\xef\xbf\xbd");
            i++;
        } else {
            const uint32_t point = code_point(bytes + i, char_len);

            if (is_invisible(point))
                assay_buf_addf(out, "[U+%04X]", (unsigned)point);
            else
                assay_buf_add(out, bytes + i, char_len);
            i += char_len;
        }
    }
}

void assay_html_text(struct assay_buf *out, const char *text)
{
    const size_t len = text ? strlen(text) : 0;
    const size_t shown = assay_html_cut(text, len, ASSAY_HTML_TEXT_MAX);

    assay_html_bytes(out, text, shown, ASSAY_HTML_LINE);
    if (shown < len)
        assay_buf_addf(out, "\u2026 (%zu bytes more)", len - shown);
}

size_t assay_html_cut(const char *bytes, size_t len, size_t max)
{
    size_t cut = max;

    if (len <= max)
        return len;
    for (; cut > max - max / 4; cut--) {
        if (bytes[cut - 1] == '\n')
            return cut;
    }
    // A character has at most three continuation bytes; more of them is no UTF-8 anyway.
    for (cut = max; cut > 0 && max - cut < 3 && in_range(bytes[cut], 0x80, 0xbf); cut--)
        ;
    return cut;
}

void assay_html_size(struct assay_buf *out, uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    double value = (double)bytes / 1024.0;
    size_t unit = 0;

    if (bytes < 1024) {
        assay_buf_addf(out, "%u&nbsp;B", (unsigned)bytes);
        return;
    }
    while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024.0;
        unit++;
    }
    assay_buf_addf(out, value < 99.95 ? "%.1f&nbsp;%s" : "%.0f&nbsp;%s", value, units[unit]);
}

void assay_html_duration(struct assay_buf *out, uint64_t ms)
{
    const uint64_t seconds = (ms + 500) / 1000;

    if (ms < 1000)
        assay_buf_addf(out, "%u&nbsp;ms", (unsigned)ms);
    else if (ms < 59950)
        assay_buf_addf(out, "%.1f&nbsp;s", (double)ms / 1000.0);
    else if (seconds < 3600)
        assay_buf_addf(out, "%u&nbsp;min&nbsp;%02u&nbsp;s", (unsigned)(seconds / 60),
                (unsigned)(seconds % 60));
    else
        assay_buf_addf(out, "%llu&nbsp;h&nbsp;%02u&nbsp;min", (unsigned long long)(seconds / 3600),
                (unsigned)(seconds / 60 % 60));
}

void assay_html_percent(struct assay_buf *out, size_t k, size_t n)
{
    assert(k <= n);
    assay_buf_addf(out, "%.1f&nbsp;%%", n ? 100.0 * (double)k / (double)n : 0.0);
}
