// SPDX-License-Identifier: MIT
#include "rewards/lines.h"

#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"

#define CONTEXT 3

// --- characters and lines ------------------------------------------------------------------------

static uint32_t decode(const unsigned char *at, size_t length)
{
    switch (length) {
    case 1:
        return at[0];
    case 2:
        return (uint32_t)(at[0] & 0x1F) << 6 | (at[1] & 0x3F);
    case 3:
        return (uint32_t)(at[0] & 0x0F) << 12 | (uint32_t)(at[1] & 0x3F) << 6 | (at[2] & 0x3F);
    case 4:
        return (uint32_t)(at[0] & 0x07) << 18 | (uint32_t)(at[1] & 0x3F) << 12 |
                (uint32_t)(at[2] & 0x3F) << 6 | (at[3] & 0x3F);
    default:
        return 0xDC00u + at[0];
    }
}

enum assay_status assay_text_points(struct assay_sequence *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    uint32_t *items = assay_arena_array(arena, text.len, sizeof(*items));
    size_t count = 0;

    if (!items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < text.len; count++) {
        const unsigned char first = (unsigned char)text.data[i];
        const size_t length = first < 0x80 ? 1 : assay_utf8_length(text.data + i, text.len - i);

        items[count] = decode((const unsigned char *)text.data + i, length);
        i += length ? length : 1;
    }
    *out = (struct assay_sequence){items, count};
    return ASSAY_OK;
}

// Bytes of the line end at text[i]; 0: none.
static size_t line_end(struct assay_bytes text, size_t i)
{
    const unsigned char *at = (const unsigned char *)text.data + i;
    const size_t left = text.len - i;

    if (at[0] == '\r')
        return left > 1 && at[1] == '\n' ? 2 : 1;
    if ((at[0] >= '\n' && at[0] <= '\f') || (at[0] >= 0x1C && at[0] <= 0x1E))
        return 1;
    if (at[0] == 0xC2 && left > 1 && at[1] == 0x85)
        return 2;
    if (at[0] == 0xE2 && left > 2 && at[1] == 0x80 && (at[2] == 0xA8 || at[2] == 0xA9))
        return 3;
    return 0;
}

// Counts when items is NULL.
static size_t cut_lines(struct assay_bytes *items, struct assay_bytes text)
{
    size_t count = 0, begin = 0;

    for (size_t i = 0; i < text.len;) {
        const size_t end = line_end(text, i);

        if (end == 0) {
            i++;
            continue;
        }
        if (items)
            items[count] = (struct assay_bytes){text.data + begin, i - begin};
        count++;
        i += end;
        begin = i;
    }
    if (begin < text.len) {
        if (items)
            items[count] = (struct assay_bytes){text.data + begin, text.len - begin};
        count++;
    }
    return count;
}

enum assay_status assay_text_lines(struct assay_lines *out, struct assay_bytes text,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = cut_lines(NULL, text);
    struct assay_bytes *items = assay_arena_array(arena, count, sizeof(*items));

    if (!items)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = (struct assay_lines){items, cut_lines(items, text)};
    return ASSAY_OK;
}

// --- what became what ----------------------------------------------------------------------------

// Equal lines get equal numbers.
struct numbering {
    uint32_t *slots; // [size] number of a line + 1, at its hash; 0: free
    size_t size;     // a power of two
    struct assay_bytes *seen;
    uint32_t count;
};

static uint32_t number_line(struct numbering *n, struct assay_bytes line)
{
    size_t slot = assay_hash64(line.data, line.len) & (n->size - 1);

    for (; n->slots[slot]; slot = (slot + 1) & (n->size - 1)) {
        const struct assay_bytes *seen = &n->seen[n->slots[slot] - 1];

        if (seen->len == line.len && memcmp(seen->data, line.data, line.len) == 0)
            return n->slots[slot] - 1;
    }
    n->seen[n->count] = line;
    n->slots[slot] = ++n->count;
    return n->count - 1;
}

static enum assay_status number_lines(struct assay_sequence *old_out,
        struct assay_sequence *new_out, const struct assay_lines *old_lines,
        const struct assay_lines *new_lines, struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = old_lines->count + new_lines->count;
    struct numbering n = {.size = 4};
    uint32_t *items = assay_arena_array(arena, count, sizeof(*items));

    while (n.size < 2 * count)
        n.size *= 2;
    n.slots = assay_arena_array(arena, n.size, sizeof(*n.slots));
    n.seen = assay_arena_array(arena, count, sizeof(*n.seen));
    if (!items || !n.slots || !n.seen)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t i = 0; i < old_lines->count; i++)
        items[i] = number_line(&n, old_lines->items[i]);
    for (size_t i = 0; i < new_lines->count; i++)
        items[old_lines->count + i] = number_line(&n, new_lines->items[i]);
    *old_out = (struct assay_sequence){items, old_lines->count};
    *new_out = (struct assay_sequence){items + old_lines->count, new_lines->count};
    return ASSAY_OK;
}

enum assay_status assay_lines_opcodes(struct assay_opcode **out, size_t *count,
        const struct assay_lines *old_lines, const struct assay_lines *new_lines,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_sequence a, b;
    struct assay_block *blocks = NULL;
    struct assay_opcode *codes;
    size_t block_count = 0, filled = 0, i = 0, j = 0;
    enum assay_status status = number_lines(&a, &b, old_lines, new_lines, arena, err);

    if (status == ASSAY_OK)
        status = assay_difflib_blocks(&blocks, &block_count, a, b, true, arena, err);
    if (status != ASSAY_OK)
        return status;
    codes = assay_arena_array(arena, 2 * block_count + 1, sizeof(*codes));
    if (!codes)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    for (size_t k = 0; k <= block_count; k++) {
        const struct assay_block end = {(uint32_t)a.len, (uint32_t)b.len, 0};
        const struct assay_block *block = k < block_count ? &blocks[k] : &end;

        if (i < block->a || j < block->b)
            codes[filled++] = (struct assay_opcode){false, i, block->a, j, block->b};
        i = block->a + block->len;
        j = block->b + block->len;
        if (block->len)
            codes[filled++] = (struct assay_opcode){true, block->a, i, block->b, j};
    }
    *out = codes;
    *count = filled;
    return ASSAY_OK;
}

// --- unified diff --------------------------------------------------------------------------------

static void put_line(struct assay_buf *out, size_t *lines, char sign, struct assay_bytes line)
{
    if ((*lines)++)
        assay_buf_addc(out, '\n');
    if (sign)
        assay_buf_addc(out, sign);
    assay_buf_add(out, line.data, line.len);
}

static void put_range(struct assay_buf *out, char sign, size_t begin, size_t end)
{
    const size_t length = end - begin;

    if (length == 1)
        assay_buf_addf(out, "%c%zu", sign, begin + 1);
    else
        assay_buf_addf(out, "%c%zu,%zu", sign, length ? begin + 1 : begin, length);
}

static void put_group(struct assay_buf *out, size_t *lines, const struct assay_opcode *group,
        size_t count, const struct assay_lines *old_lines, const struct assay_lines *new_lines)
{
    put_line(out, lines, 0, (struct assay_bytes){"@@ ", 3});
    put_range(out, '-', group[0].old_begin, group[count - 1].old_end);
    assay_buf_addc(out, ' ');
    put_range(out, '+', group[0].new_begin, group[count - 1].new_end);
    assay_buf_adds(out, " @@");
    for (size_t g = 0; g < count; g++) {
        const struct assay_opcode *code = &group[g];

        for (size_t i = code->old_begin; i < code->old_end; i++)
            put_line(out, lines, code->equal ? ' ' : '-', old_lines->items[i]);
        for (size_t j = code->new_begin; !code->equal && j < code->new_end; j++)
            put_line(out, lines, '+', new_lines->items[j]);
    }
}

// get_grouped_opcodes(): long runs of equal lines end a group and begin the next.
static void put_groups(struct assay_buf *out, struct assay_opcode *codes, size_t count,
        const struct assay_lines *old_lines, const struct assay_lines *new_lines)
{
    size_t begin = 0, lines = 0;

    if (codes[0].equal && codes[0].old_end - codes[0].old_begin > CONTEXT) {
        codes[0].old_begin = codes[0].old_end - CONTEXT;
        codes[0].new_begin = codes[0].new_end - CONTEXT;
    }
    for (size_t k = 0; k < count; k++) {
        struct assay_opcode rest = codes[k];
        const size_t length = rest.old_end - rest.old_begin;
        const bool last = k + 1 == count;

        if (!rest.equal || length <= (last ? CONTEXT : 2 * CONTEXT))
            continue;
        codes[k].old_end = rest.old_begin + CONTEXT;
        codes[k].new_end = rest.new_begin + CONTEXT;
        if (last)
            break;
        put_group(out, &lines, codes + begin, k + 1 - begin, old_lines, new_lines);
        rest.old_begin = rest.old_end - CONTEXT;
        rest.new_begin = rest.new_end - CONTEXT;
        codes[k] = rest;
        begin = k;
    }
    if (count - begin > 1 || !codes[begin].equal)
        put_group(out, &lines, codes + begin, count - begin, old_lines, new_lines);
}

enum assay_status assay_unified_diff(struct assay_buf *out, struct assay_bytes old_text,
        struct assay_bytes new_text, struct assay_arena *arena, struct assay_error *err)
{
    struct assay_lines old_lines, new_lines;
    struct assay_opcode *codes = NULL;
    size_t count = 0;
    enum assay_status status = assay_text_lines(&old_lines, old_text, arena, err);

    if (status == ASSAY_OK)
        status = assay_text_lines(&new_lines, new_text, arena, err);
    if (status == ASSAY_OK)
        status = assay_lines_opcodes(&codes, &count, &old_lines, &new_lines, arena, err);
    if (status == ASSAY_OK && count > 0)
        put_groups(out, codes, count, &old_lines, &new_lines);
    return status;
}
