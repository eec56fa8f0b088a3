// SPDX-License-Identifier: MIT
// apply_lines.c - comparing lines, the image and its positions.
#include "envs/apply_lines.h"

#include <ctype.h>
#include <string.h>

size_t lines_length_without_end(struct assay_bytes line)
{
    size_t len = line.len;

    if (len > 0 && line.data[len - 1] == '\n')
        len--;
    if (len > 0 && line.data[len - 1] == '\r')
        len--;
    return len;
}

// Next byte with every run of blanks as one, and those at the end left out; -1 at the end.
static int next_squeezed(struct assay_bytes *rest)
{
    size_t blanks = 0;

    while (blanks < rest->len && isspace((unsigned char)rest->data[blanks]))
        blanks++;
    if (blanks == rest->len)
        return -1;
    if (blanks > 0) {
        rest->data += blanks;
        rest->len -= blanks;
        return ' ';
    }
    rest->len--;
    return (unsigned char)*rest->data++;
}

static struct assay_bytes trim(struct assay_bytes text, bool front)
{
    while (text.len > 0 && isspace((unsigned char)text.data[text.len - 1]))
        text.len--;
    while (front && text.len > 0 && isspace((unsigned char)text.data[0])) {
        text.data++;
        text.len--;
    }
    return text;
}

// The plain character that stands for U+`c`, as Codex has it; 0: it stands for itself.
static char plain_for(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        char plain;
    } rows[] = {
            {0x00a0, 0x00a0, ' '},  // no-break space
            {0x2002, 0x200a, ' '},  // en space to hair space
            {0x2010, 0x2015, '-'},  // hyphens and dashes
            {0x2018, 0x201b, '\''}, // single quotes
            {0x201c, 0x201f, '"'},  // double quotes
            {0x202f, 0x202f, ' '},  // narrow no-break space
            {0x205f, 0x205f, ' '},  // medium mathematical space
            {0x2212, 0x2212, '-'},  // minus
            {0x3000, 0x3000, ' '},  // ideographic space
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (c >= rows[i].first && c <= rows[i].last)
            return rows[i].plain;
    }
    return 0;
}

// Next byte with typographic characters as plain ones; -1 at the end.
static int next_plain(struct assay_bytes *rest)
{
    const unsigned char *p = (const unsigned char *)rest->data;
    size_t len = 1;
    uint32_t c = 0;

    if (rest->len == 0)
        return -1;
    if ((p[0] & 0xe0U) == 0xc0 && rest->len >= 2) {
        len = 2;
        c = (p[0] & 0x1fU) << 6 | (p[1] & 0x3fU);
    } else if ((p[0] & 0xf0U) == 0xe0 && rest->len >= 3) {
        len = 3;
        c = (p[0] & 0x0fU) << 12 | (p[1] & 0x3fU) << 6 | (p[2] & 0x3fU);
    }
    if (plain_for(c) == 0)
        len = 1;
    rest->data += len;
    rest->len -= len;
    return len > 1 ? plain_for(c) : p[0];
}

static bool same_plainly(struct assay_bytes a, struct assay_bytes b)
{
    int c = 0;

    do {
        c = next_plain(&a);
        if (c != next_plain(&b))
            return false;
    } while (c >= 0);
    return true;
}

bool lines_same(enum lines_level level, struct assay_bytes a, struct assay_bytes b)
{
    int c = 0;

    if (level == LINES_TRAILING || level >= LINES_TRIMMED) {
        a = trim(a, level >= LINES_TRIMMED);
        b = trim(b, level >= LINES_TRIMMED);
    }
    if (level == LINES_UNICODE)
        return same_plainly(a, b);
    if (level == LINES_ENDS) {
        a.len = lines_length_without_end(a);
        b.len = lines_length_without_end(b);
    }
    if (level != LINES_SPACE)
        return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
    do {
        c = next_squeezed(&a);
        if (c != next_squeezed(&b))
            return false;
    } while (c >= 0);
    return true;
}

enum assay_status lines_image_init(struct lines_image *image, struct assay_bytes text,
        struct assay_arena *arena, uint64_t *steps_left, struct assay_error *err)
{
    const char *end = text.data + text.len;
    uint32_t count = 0;

    if (text.len >= UINT32_MAX / 2)
        return assay_fail(err, ASSAY_ENOMEM, "%zu bytes are too many to patch", text.len);
    for (const char *p = text.data; p < end; count++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        p = newline != NULL ? newline + 1 : end;
    }
    *image = (struct lines_image){.text = text, .count = count, .arena = arena};
    image->steps_left = steps_left;
    image->starts = assay_arena_array(arena, (size_t)count + 1, sizeof(*image->starts));
    image->flags = assay_arena_array(arena, (size_t)count + 1, sizeof(*image->flags));
    image->shifts = assay_arena_array(arena, (size_t)count + 1, sizeof(*image->shifts));
    if (image->starts == NULL || image->flags == NULL || image->shifts == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for a file of %u lines", count);
    for (uint32_t i = 0; i < count; i++) {
        const char *p = text.data + image->starts[i];
        const char *newline = memchr(p, '\n', (size_t)(end - p));

        image->starts[i + 1] =
                newline != NULL ? (uint32_t)(newline + 1 - text.data) : (uint32_t)text.len;
    }
    return ASSAY_OK;
}

struct assay_bytes lines_at(const struct lines_image *image, uint32_t line)
{
    return (struct assay_bytes){
            .data = image->text.data + image->starts[line],
            .len = image->starts[line + 1] - image->starts[line],
    };
}

// Entry 0 of the tree is what comes before the first line; entry i + 1 belongs to line i.
int64_t lines_position(const struct lines_image *image, uint32_t line)
{
    int64_t position = (int64_t)line + image->shifts[0];

    for (uint32_t i = line; i > 0; i &= i - 1)
        position += image->shifts[i];
    return position;
}

static void shift_after(struct lines_image *image, uint32_t line, int32_t by)
{
    for (uint32_t i = line + 1; i <= image->count; i += i & (~i + 1))
        image->shifts[i] += by;
}

void lines_replace(struct lines_image *image, uint32_t begin, uint32_t end, uint32_t added)
{
    if (begin == end) {
        image->flags[begin] |= LINES_INSERTED_BEFORE;
        if (begin == 0)
            image->shifts[0] += (int32_t)added;
        else
            shift_after(image, begin - 1, (int32_t)added);
        return;
    }
    // The first line stands for all that was added, so positions never decrease.
    for (uint32_t i = begin; i < end; i++) {
        image->flags[i] |= LINES_PATCHED;
        shift_after(image, i, i == begin ? (int32_t)added - 1 : -1);
    }
}
