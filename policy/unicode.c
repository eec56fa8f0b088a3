// SPDX-License-Identifier: MIT
#include "policy/unicode.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/utf8.h"
#include "policy/unicode_table.h"

#define DECOMPOSED_MAX 18 // the longest canonical decomposition has 4; utf8proc asks for no more

size_t assay_codes_from_bytes(uint32_t *out, const char *bytes, size_t len)
{
    size_t count = 0;

    for (size_t i = 0; i < len;) {
        const unsigned char *at = (const unsigned char *)bytes + i;
        const size_t n = assay_utf8_length(bytes + i, len - i);
        uint32_t code = n == 0 ? ASSAY_CODE_BYTE + at[0] : n == 1 ? at[0] : at[0] & (0x7fu >> n);

        for (size_t k = 1; k < n; k++)
            code = code << 6 | (at[k] & 0x3f);
        out[count++] = code;
        i += n > 0 ? n : 1;
    }
    return count;
}

bool assay_codes_to_bytes(struct assay_buf *buf, const uint32_t *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t c = codes[i];
        char bytes[4];
        size_t len = 1;

        if (c < 0x80 || c >= ASSAY_CODE_BYTE)
            bytes[0] = (char)(c & 0xff);
        else
            len = (size_t)utf8proc_encode_char((utf8proc_int32_t)c, (utf8proc_uint8_t *)bytes);
        if (!assay_buf_add(buf, bytes, len))
            return false;
    }
    return true;
}

static const struct assay_unicode_range *find(
        const struct assay_unicode_range *ranges, size_t count, uint32_t code)
{
    size_t low = 0, high = count;

    while (low < high) {
        const size_t middle = (low + high) / 2;

        if (ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && ranges[low].first <= code ? &ranges[low] : NULL;
}

uint32_t assay_code_class(uint32_t code)
{
    const struct assay_unicode_range *range;

    if (code < assay_unicode_newer[0].first)
        return code;
    if (code >= ASSAY_CODE_BYTE)
        return 0xffff; // a noncharacter: of no class
    range = find(assay_unicode_newer, assay_unicode_newer_count, code);
    return range ? range->value : code;
}

bool assay_code_is_space(uint32_t code)
{
    return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xa0 ||
            code == 0x1680 || (code >= 0x2000 && code <= 0x200a) || code == 0x2028 ||
            code == 0x2029 || code == 0x202f || code == 0x205f || code == 0x3000;
}

bool assay_code_is_word(uint32_t code)
{
    // Letters that are symbols: circled and squared ones are Alphabetic.
    if (code == 0x200c || code == 0x200d || (code >= 0x24b6 && code <= 0x24e9) ||
            (code >= 0x1f130 && code <= 0x1f149) || (code >= 0x1f150 && code <= 0x1f169) ||
            (code >= 0x1f170 && code <= 0x1f189))
        return true;
    switch ((int)utf8proc_category((utf8proc_int32_t)assay_code_class(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default:
        return false;
    }
}

// --- NFC -----------------------------------------------------------------------------------------

// Takes part in no decomposition, order or composition, for HF.
static bool is_inert(uint32_t code)
{
    return code >= ASSAY_CODE_BYTE || find(assay_unicode_inert, assay_unicode_inert_count, code) ||
            find(assay_unicode_newer, assay_unicode_newer_count, code);
}

static unsigned class_of(utf8proc_int32_t code)
{
    return (unsigned)utf8proc_get_property(code)->combining_class;
}

// Marks [0, count) into the order of their classes, stable. Counting: a text of marks alone must
// not take the square of its length.
static void order_marks(utf8proc_int32_t *marks, size_t count, utf8proc_int32_t *scratch)
{
    size_t first[257] = {0};

    for (size_t i = 0; i < count; i++)
        first[class_of(marks[i]) + 1]++;
    for (size_t i = 1; i < 257; i++)
        first[i] += first[i - 1];
    for (size_t i = 0; i < count; i++)
        scratch[first[class_of(marks[i])]++] = marks[i];
    memcpy(marks, scratch, count * sizeof(*marks));
}

static void order(utf8proc_int32_t *codes, size_t count, utf8proc_int32_t *scratch)
{
    for (size_t i = 0; i < count;) {
        size_t end = i;

        while (end < count && class_of(codes[end]) != 0)
            end++;
        if (end - i > 1)
            order_marks(codes + i, end - i, scratch);
        i = end > i ? end : i + 1;
    }
}

// NFC of codes without inert ones into out, which has room for four each; returns how many.
static size_t compose_run(
        utf8proc_int32_t *out, const uint32_t *codes, size_t count, utf8proc_int32_t *scratch)
{
    size_t len = 0;
    utf8proc_ssize_t composed;

    for (size_t i = 0; i < count; i++) {
        utf8proc_int32_t parts[DECOMPOSED_MAX];
        int boundary = 0;
        const utf8proc_ssize_t n = utf8proc_decompose_char(
                (utf8proc_int32_t)codes[i], parts, DECOMPOSED_MAX, UTF8PROC_DECOMPOSE, &boundary);

        if (n < 1 || n > 4) { // none is so long; should one be, it stays as it is
            out[len++] = (utf8proc_int32_t)codes[i];
            continue;
        }
        memcpy(out + len, parts, (size_t)n * sizeof(*parts));
        len += (size_t)n;
    }
    order(out, len, scratch);
    composed = utf8proc_normalize_utf32(
            out, (utf8proc_ssize_t)len, UTF8PROC_STABLE | UTF8PROC_COMPOSE);
    return composed < 0 ? len : (size_t)composed;
}

enum assay_status assay_codes_nfc(uint32_t **out, size_t *out_count, const uint32_t *codes,
        size_t count, struct assay_error *err)
{
    const size_t room = count * 4 + 1;
    utf8proc_int32_t *result = malloc(room * sizeof(*result));
    utf8proc_int32_t *scratch = malloc(room * sizeof(*scratch));
    size_t len = 0;

    if (!result || !scratch) {
        free(result);
        free(scratch);
        return assay_fail(err, ASSAY_ENOMEM, "text: out of memory");
    }
    for (size_t i = 0; i < count;) {
        size_t end = i;

        while (end < count && !is_inert(codes[end]))
            end++;
        len += compose_run(result + len, codes + i, end - i, scratch);
        if (end < count)
            result[len++] = (utf8proc_int32_t)codes[end++];
        i = end;
    }
    free(scratch);
    *out = (uint32_t *)result;
    *out_count = len;
    return ASSAY_OK;
}
