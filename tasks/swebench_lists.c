// SPDX-License-Identifier: MIT
// swebench_lists.c - the test lists of a SWE-bench row in their three spellings.
//
// The published data holds JSON in a string ("[\"a\"]"), local files a list,
// and some relatives a Python literal in a string ("['a', \"b's\"]").
#include <string.h>

#include "base/buf.h"
#include "tasks/swebench.h"

#define TESTS_BYTES_MAX ((size_t)256 << 20)

struct literal {
    const char *at, *end;
};

static void literal_space(struct literal *text)
{
    while (text->at < text->end && strchr(" \t\r\n", *text->at) != NULL && *text->at != '\0')
        text->at++;
}

static bool literal_take(struct literal *text, char c)
{
    literal_space(text);
    if (text->at == text->end || *text->at != c)
        return false;
    text->at++;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static bool add_character(struct assay_buf *out, unsigned long c)
{
    if (c == 0 || (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
        return false;
    if (c < 0x80)
        return assay_buf_addc(out, (char)c);
    if (c < 0x800)
        return assay_buf_addc(out, (char)(0xc0 | c >> 6)) &&
                assay_buf_addc(out, (char)(0x80 | (c & 0x3f)));
    if (c < 0x10000)
        return assay_buf_addc(out, (char)(0xe0 | c >> 12)) &&
                assay_buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f))) &&
                assay_buf_addc(out, (char)(0x80 | (c & 0x3f)));
    return assay_buf_addc(out, (char)(0xf0 | c >> 18)) &&
            assay_buf_addc(out, (char)(0x80 | (c >> 12 & 0x3f))) &&
            assay_buf_addc(out, (char)(0x80 | (c >> 6 & 0x3f))) &&
            assay_buf_addc(out, (char)(0x80 | (c & 0x3f)));
}

// \xHH, \uHHHH, \UHHHHHHHH behind the letter.
static bool literal_hex(struct literal *text, size_t digits, struct assay_buf *out)
{
    unsigned long c = 0;

    for (size_t i = 0; i < digits; i++) {
        const int digit = text->at < text->end ? hex_digit(*text->at) : -1;

        if (digit < 0)
            return false;
        c = c << 4 | (unsigned long)digit;
        text->at++;
    }
    return add_character(out, c);
}

static bool literal_escape(struct literal *text, struct assay_buf *out)
{
    static const char from[] = "abfnrtv\\'\"";
    static const char to[] = "\a\b\f\n\r\t\v\\'\"";
    const char *found;
    char c;

    if (text->at == text->end)
        return false;
    c = *text->at++;
    if (c == 'x' || c == 'u' || c == 'U')
        return literal_hex(text, c == 'x' ? 2 : c == 'u' ? 4 : 8, out);
    if (c >= '0' && c <= '7') {
        unsigned long value = (unsigned long)(c - '0');

        for (size_t i = 1; i < 3 && text->at < text->end && *text->at >= '0' && *text->at <= '7';
                i++)
            value = value << 3 | (unsigned long)(*text->at++ - '0');
        return add_character(out, value);
    }
    if (c == '\n') // a continued line
        return true;
    found = c == '\0' ? NULL : strchr(from, c);
    if (found != NULL)
        return assay_buf_addc(out, to[found - from]);
    return assay_buf_addc(out, '\\') && assay_buf_addc(out, c); // Python keeps the backslash
}

static bool literal_string(struct literal *text, struct assay_buf *out)
{
    char quote;

    literal_space(text);
    if (text->at == text->end || (*text->at != '\'' && *text->at != '"'))
        return false;
    quote = *text->at++;
    assay_buf_clear(out);
    while (text->at < text->end && *text->at != quote) {
        const char c = *text->at++;

        if (c == '\n' || !(c == '\\' ? literal_escape(text, out) : assay_buf_addc(out, c)))
            return false;
    }
    return literal_take(text, quote);
}

// A Python list of strings. False when it is none, or memory ran out.
static bool python_list(
        struct assay_strings *out, const char *source, size_t len, struct assay_arena *arena)
{
    struct literal text = {source, source + len};
    const char **items;
    struct assay_buf item;
    size_t count = 0;
    bool good = true;

    // An item takes at least two quotes and a comma.
    items = assay_arena_array(arena, len / 3 + 2, sizeof(items[0]));
    if (items == NULL || !literal_take(&text, '['))
        return false;
    assay_buf_init(&item, TESTS_BYTES_MAX);
    while (good && !literal_take(&text, ']')) {
        good = (count == 0 || literal_take(&text, ','));
        if (good && literal_take(&text, ']')) { // behind a last comma
            text.at--;
            continue;
        }
        good = good && literal_string(&text, &item) && item.len > 0;
        if (good) {
            items[count] = assay_arena_memdup(arena, item.data, item.len);
            good = items[count++] != NULL;
        }
    }
    assay_buf_free(&item);
    literal_space(&text);
    if (!good || text.at != text.end)
        return false;
    *out = (struct assay_strings){items, count};
    return true;
}

enum assay_status assay_swebench_tests(struct assay_strings *out, const struct assay_fields *fields,
        const char *key, const char *key_lower, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = TESTS_BYTES_MAX, .depth_max = 4};
    const struct assay_json *member = assay_json_get(fields->object, key);
    struct assay_json *list = NULL;
    enum assay_status status;
    const char *text;

    if (member == NULL && assay_json_get(fields->object, key_lower) != NULL) {
        key = key_lower;
        member = assay_json_get(fields->object, key);
    }
    text = member == NULL ? NULL : assay_json_text(member);
    if (text == NULL)
        return assay_fields_strings(out, fields, key, err);
    if (assay_json_parse(&list, text, strlen(text), limits, key, 1, NULL) != ASSAY_OK) {
        if (python_list(out, text, strlen(text), fields->source->arena))
            return ASSAY_OK;
        return assay_fields_fail(fields, key, err,
                "neither a list of strings nor a string that holds one in JSON or Python");
    }
    status = assay_fields_list(out, fields, key, list, err);
    assay_json_free(list);
    return status;
}
