// SPDX-License-Identifier: MIT
#include "rewards/difflib.h"

#include <stdlib.h>
#include <string.h>

#include "rewards/suffixes.h"

// Both sequences in one with a number between them that stands nowhere else. What must not begin a
// block is a number of its own wherever it stands.
#define BETWEEN ASSAY_DIFFLIB_ITEM_MAX
#define ALONE (ASSAY_DIFFLIB_ITEM_MAX + 1)

#define POPULAR_FROM 200 // items of b
#define SMALL_CELLS 512  // pairs of items up to which all are looked at one by one

// What is left to be matched: a[alo, ahi) and b[blo, bhi).
struct part {
    uint32_t first, count; // of its ranks in matcher.ranks, ascending
    uint32_t alo, ahi, blo, bhi;
    uint32_t longest; // no run in it is longer
};

// A suffix that begins in the part at hand.
struct entry {
    uint32_t at;     // position in a, or in b
    uint32_t room;   // items from there to the end of the part
    uint32_t common; // with the entry before it
    bool in_b;
};

struct matcher {
    struct assay_sequence a, b;      // as they are, for growing blocks over popular items
    const uint32_t *a_seed, *b_seed; // as they begin blocks
    bool autojunk;
    struct suffixes suffixes;
    uint32_t *ranks, *scratch; // [all suffixes]
    struct entry *entries;     // [all suffixes]
    uint32_t *a_mark, *b_mark; // [a.len + 1], [b.len + 1] groups, then gaps; 0 is none
    uint32_t *heads, *tails;   // [all suffixes + 1] by group, then by gap
    uint32_t *sorted;          // [b.len] positions in b by group
    struct part *parts;        // stack
    size_t part_count;
    struct assay_block *blocks; // [min(a.len, b.len)]
    size_t block_count;
};

static void push_part(struct matcher *m, struct part part)
{
    if (part.alo < part.ahi && part.blo < part.bhi)
        m->parts[m->part_count++] = part;
}

// Python lets a block grow over equal items that may not begin one.
static struct assay_block grow(
        const struct matcher *m, const struct part *part, struct assay_block block)
{
    while (block.a > part->alo && block.b > part->blo &&
            m->a.items[block.a - 1] == m->b.items[block.b - 1]) {
        block.a--;
        block.b--;
        block.len++;
    }
    while (block.a + block.len < part->ahi && block.b + block.len < part->bhi &&
            m->a.items[block.a + block.len] == m->b.items[block.b + block.len])
        block.len++;
    return block;
}

// --- small parts: every pair ---------------------------------------------------------------------

static struct assay_block find_small(const struct matcher *m, const struct part *part)
{
    struct assay_block best = {part->alo, part->blo, 0};
    uint16_t lengths[SMALL_CELLS]; // of the run that ends at b[j], in the row before

    memset(lengths, 0, (part->bhi - part->blo) * sizeof(*lengths));
    for (uint32_t i = part->alo; i < part->ahi; i++) {
        const uint32_t item = m->a_seed[i];
        uint32_t before = 0;

        for (uint32_t j = part->blo; j < part->bhi; j++) {
            const uint32_t length = item == m->b_seed[j] ? before + 1 : 0;

            before = lengths[j - part->blo];
            lengths[j - part->blo] = (uint16_t)length;
            if (length > best.len)
                best = (struct assay_block){i + 1 - length, j + 1 - length, length};
        }
    }
    return best;
}

static void match_small(struct matcher *m, const struct part *part)
{
    struct assay_block best = find_small(m, part);
    struct part left = *part, right = *part;

    left.count = right.count = 0;
    if (m->autojunk)
        best = grow(m, part, best);
    if (best.len == 0)
        return;
    m->blocks[m->block_count++] = best;
    left.ahi = best.a;
    left.bhi = best.b;
    right.alo = best.a + best.len;
    right.blo = best.b + best.len;
    push_part(m, left);
    push_part(m, right);
}

// --- large parts: over sorted suffixes -----------------------------------------------------------

static void fill_entries(struct matcher *m, const struct part *part)
{
    const uint32_t a_len = (uint32_t)m->a.len;

    for (uint32_t k = 0; k < part->count; k++) {
        const uint32_t rank = m->ranks[part->first + k];
        const uint32_t p = m->suffixes.at[rank];
        struct entry *entry = &m->entries[k];

        entry->in_b = p > a_len;
        entry->at = entry->in_b ? p - a_len - 1 : p;
        entry->room = (entry->in_b ? part->bhi : part->ahi) - entry->at;
        entry->common = k ? suffixes_common(&m->suffixes, m->ranks[part->first + k - 1], rank) : 0;
    }
}

// Do a and b share a run of that length? Entries that agree so far stand together.
static bool share(const struct matcher *m, uint32_t count, uint32_t length)
{
    bool in_a = false, in_b = false;

    for (uint32_t k = 0; k < count; k++) {
        const struct entry *entry = &m->entries[k];

        if (entry->common < length)
            in_a = in_b = false;
        if (entry->room < length)
            continue;
        in_a |= !entry->in_b;
        in_b |= entry->in_b;
        if (in_a && in_b)
            return true;
    }
    return false;
}

// Neighbours of different sides bound the longest run from both ends; halving finds it.
static uint32_t longest_run(const struct matcher *m, const struct part *part)
{
    uint32_t low = 0, high = 0;

    for (uint32_t k = 1; k < part->count; k++) {
        const struct entry *e = &m->entries[k];
        uint32_t sure = e->common;

        if (e->in_b == e[-1].in_b)
            continue;
        high = sure > high ? sure : high;
        sure = sure < e->room ? sure : e->room;
        sure = sure < e[-1].room ? sure : e[-1].room;
        low = sure > low ? sure : low;
    }
    high = high < part->longest ? high : part->longest;
    while (low < high) {
        const uint32_t middle = high - (high - low) / 2;

        if (share(m, part->count, middle))
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// Number the runs of that length: marks at where they begin, positions in b sorted by number.
static void number_runs(struct matcher *m, const struct part *part, uint32_t length)
{
    uint32_t runs = 0, sum = 0;

    memset(m->a_mark + part->alo, 0, (part->ahi - part->alo) * sizeof(*m->a_mark));
    memset(m->b_mark + part->blo, 0, (part->bhi - part->blo) * sizeof(*m->b_mark));
    for (uint32_t k = 0; k < part->count; k++) {
        const struct entry *entry = &m->entries[k];

        if (k == 0 || entry->common < length)
            m->heads[++runs] = 0;
        if (entry->room < length)
            continue;
        if (entry->in_b) {
            m->b_mark[entry->at] = runs;
            m->heads[runs]++;
        } else {
            m->a_mark[entry->at] = runs;
        }
    }
    for (uint32_t r = 1; r <= runs; r++) {
        const uint32_t here = m->heads[r];

        m->heads[r] = m->tails[r] = sum;
        sum += here;
    }
    for (uint32_t j = part->blo; j < part->bhi; j++) {
        if (m->b_mark[j])
            m->sorted[m->tails[m->b_mark[j]]++] = j;
    }
}

// The first place in b, from `from` on, of the run that begins at a[i].
static bool place_run(struct matcher *m, uint32_t i, uint32_t from, uint32_t *place)
{
    const uint32_t run = m->a_mark[i];

    if (run == 0)
        return false;
    while (m->heads[run] < m->tails[run] && m->sorted[m->heads[run]] < from)
        m->heads[run]++;
    *place = m->heads[run] < m->tails[run] ? m->sorted[m->heads[run]] : 0;
    return m->heads[run] < m->tails[run];
}

// Hand the ranks that are left to the gaps between the blocks, in order, and push the gaps.
static void split(struct matcher *m, const struct part *part, struct part *gaps, uint32_t gap_count)
{
    uint32_t sum = part->first;

    memset(m->a_mark + part->alo, 0, (part->ahi - part->alo) * sizeof(*m->a_mark));
    memset(m->b_mark + part->blo, 0, (part->bhi - part->blo) * sizeof(*m->b_mark));
    for (uint32_t g = 0; g < gap_count; g++) {
        const struct part *gap = &gaps[g];

        m->heads[g + 1] = sum;
        gaps[g].first = sum;
        gaps[g].count = 0;
        if (gap->alo == gap->ahi || gap->blo == gap->bhi)
            continue;
        for (uint32_t i = gap->alo; i < gap->ahi; i++)
            m->a_mark[i] = g + 1;
        for (uint32_t j = gap->blo; j < gap->bhi; j++)
            m->b_mark[j] = g + 1;
        gaps[g].count = gap->ahi - gap->alo + gap->bhi - gap->blo;
        sum += gaps[g].count;
    }
    for (uint32_t k = 0; k < part->count; k++) {
        const struct entry *entry = &m->entries[k];
        const uint32_t gap = entry->in_b ? m->b_mark[entry->at] : m->a_mark[entry->at];

        if (gap)
            m->scratch[m->heads[gap]++] = m->ranks[part->first + k];
    }
    memcpy(m->ranks + part->first, m->scratch + part->first,
            (sum - part->first) * sizeof(*m->ranks));
}

// All runs of the greatest length at once: the first in a, then the first right of it, as Python
// comes to them one inside the other. What lies between them has shorter runs only.
static void match_large(struct matcher *m, const struct part *part)
{
    const size_t old_part_count = m->part_count;
    struct part *gaps = m->parts + old_part_count;
    uint32_t gap_count = 0, length, j;
    struct part rest = *part;

    fill_entries(m, part);
    length = longest_run(m, part);
    if (length > 0)
        number_runs(m, part, length);
    rest.longest = length ? length - 1 : 0;
    for (uint32_t i = part->alo; length > 0 && i < part->ahi; i++) {
        struct assay_block block;
        struct part gap = rest;

        if (i < rest.alo || !place_run(m, i, rest.blo, &j))
            continue;
        block = (struct assay_block){i, j, length};
        if (m->autojunk)
            block = grow(m, &rest, block);
        m->blocks[m->block_count++] = block;
        gap.ahi = block.a;
        gap.bhi = block.b;
        gaps[gap_count++] = gap;
        rest.alo = block.a + block.len;
        rest.blo = block.b + block.len;
    }
    if (length == 0 && m->autojunk) { // nothing begins a block, but equal popular items may be one
        const struct assay_block block =
                grow(m, part, (struct assay_block){part->alo, part->blo, 0});

        if (block.len)
            m->blocks[m->block_count++] = block;
        return;
    }
    if (length == 0)
        return;
    gaps[gap_count++] = rest;
    split(m, part, gaps, gap_count);
    for (uint32_t g = 0; g < gap_count; g++) {
        if (rest.longest > 0 || m->autojunk)
            push_part(m, gaps[g]);
    }
}

// --- setting up ----------------------------------------------------------------------------------

static int by_item(const void *a, const void *b)
{
    const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

// The items of b that begin no block, sorted; their number.
static size_t find_popular(uint32_t *sorted, struct assay_sequence b)
{
    const size_t most = b.len / 100 + 1;
    size_t count = 0, begin = 0;

    memcpy(sorted, b.items, b.len * sizeof(*sorted));
    qsort(sorted, b.len, sizeof(*sorted), by_item);
    for (size_t i = 1; i <= b.len; i++) {
        if (i < b.len && sorted[i] == sorted[begin])
            continue;
        if (i - begin > most)
            sorted[count++] = sorted[begin];
        begin = i;
    }
    return count;
}

static void hide_popular(uint32_t *items, size_t count, const uint32_t *popular,
        size_t popular_count, uint32_t *alone)
{
    for (size_t i = 0; i < count; i++) {
        if (bsearch(&items[i], popular, popular_count, sizeof(*popular), by_item))
            items[i] = (*alone)++;
    }
}

// Both as they begin blocks, one behind the other.
static enum assay_status join(
        struct matcher *m, uint32_t **out, struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = m->a.len + m->b.len + 1;
    uint32_t *all = assay_arena_array(arena, count, sizeof(*all));
    uint32_t alone = ALONE;

    if (!all)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    memcpy(all, m->a.items, m->a.len * sizeof(*all));
    all[m->a.len] = BETWEEN;
    memcpy(all + m->a.len + 1, m->b.items, m->b.len * sizeof(*all));
    m->a_seed = all;
    m->b_seed = all + m->a.len + 1;
    *out = all;
    if (!m->autojunk || m->b.len < POPULAR_FROM) {
        m->autojunk = false;
        return ASSAY_OK;
    }
    uint32_t *popular = assay_arena_array(arena, m->b.len, sizeof(*popular));

    if (!popular)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    const size_t popular_count = find_popular(popular, m->b);

    m->autojunk = popular_count > 0;
    hide_popular(all, m->a.len, popular, popular_count, &alone);
    hide_popular(all + m->a.len + 1, m->b.len, popular, popular_count, &alone);
    return ASSAY_OK;
}

static enum assay_status allocate(
        struct matcher *m, struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = m->a.len + m->b.len + 1;
    const size_t least = m->a.len < m->b.len ? m->a.len : m->b.len;

    m->ranks = assay_arena_array(arena, count, sizeof(*m->ranks));
    m->scratch = assay_arena_array(arena, count, sizeof(*m->scratch));
    m->entries = assay_arena_array(arena, count, sizeof(*m->entries));
    m->a_mark = assay_arena_array(arena, m->a.len + 1, sizeof(*m->a_mark));
    m->b_mark = assay_arena_array(arena, m->b.len + 1, sizeof(*m->b_mark));
    m->heads = assay_arena_array(arena, count + 1, sizeof(*m->heads));
    m->tails = assay_arena_array(arena, count + 1, sizeof(*m->tails));
    m->sorted = assay_arena_array(arena, m->b.len, sizeof(*m->sorted));
    // Parts on the stack share no item, and while one is split, its gaps are one more than blocks.
    m->parts = assay_arena_array(arena, 2 * least + 2, sizeof(*m->parts));
    m->blocks = assay_arena_array(arena, least, sizeof(*m->blocks));
    if (!m->ranks || !m->scratch || !m->entries || !m->a_mark || !m->b_mark || !m->heads ||
            !m->tails || !m->sorted || !m->parts || !m->blocks)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    return ASSAY_OK;
}

static enum assay_status run_matcher(
        struct matcher *m, struct assay_arena *arena, struct assay_error *err)
{
    uint32_t *all = NULL;
    struct part whole = {.ahi = (uint32_t)m->a.len,
            .bhi = (uint32_t)m->b.len,
            .longest = (uint32_t)(m->a.len < m->b.len ? m->a.len : m->b.len)};
    enum assay_status status = join(m, &all, arena, err);

    if (status == ASSAY_OK)
        status = allocate(m, arena, err);
    if (status == ASSAY_OK && m->a.len * m->b.len > SMALL_CELLS)
        status = suffixes_sort(&m->suffixes, all, m->a.len + m->b.len + 1, arena, err);
    if (status != ASSAY_OK)
        return status;
    for (uint32_t r = 0; r < m->suffixes.count; r++) {
        if (m->suffixes.at[r] != m->a.len)
            m->ranks[whole.count++] = r;
    }
    push_part(m, whole);
    while (m->part_count > 0) {
        const struct part part = m->parts[--m->part_count];

        if ((size_t)(part.ahi - part.alo) * (part.bhi - part.blo) <= SMALL_CELLS)
            match_small(m, &part);
        else
            match_large(m, &part);
    }
    return ASSAY_OK;
}

static int by_place(const void *a, const void *b)
{
    const struct assay_block *left = a, *right = b;

    return (left->a > right->a) - (left->a < right->a);
}

static size_t join_blocks(struct assay_block *blocks, size_t count)
{
    size_t kept = 0;

    if (count > 0)
        qsort(blocks, count, sizeof(*blocks), by_place);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && blocks[kept - 1].a + blocks[kept - 1].len == blocks[i].a &&
                blocks[kept - 1].b + blocks[kept - 1].len == blocks[i].b)
            blocks[kept - 1].len += blocks[i].len;
        else
            blocks[kept++] = blocks[i];
    }
    return kept;
}

// Blocks are in `arena`; it dies with them.
static enum assay_status match(
        struct matcher *m, struct assay_arena *arena, struct assay_error *err)
{
    if (m->a.len + m->b.len > ASSAY_DIFFLIB_ITEMS_MAX)
        return assay_fail(
                err, ASSAY_EREFUSED, "more than %zu items to compare", ASSAY_DIFFLIB_ITEMS_MAX);
    return m->a.len && m->b.len ? run_matcher(m, arena, err) : ASSAY_OK;
}

#define SCRATCH_BYTES ((size_t)1 << 30)

enum assay_status assay_difflib_blocks(struct assay_block **out, size_t *count,
        struct assay_sequence a, struct assay_sequence b, bool autojunk, struct assay_arena *arena,
        struct assay_error *err)
{
    struct matcher m = {.a = a, .b = b, .autojunk = autojunk};
    struct assay_arena *scratch = NULL;
    enum assay_status status = assay_arena_create(&scratch, SCRATCH_BYTES, err);
    struct assay_block *blocks;

    if (status == ASSAY_OK)
        status = match(&m, scratch, err);
    if (status == ASSAY_OK) {
        blocks = assay_arena_array(arena, m.block_count, sizeof(*blocks));
        if (!blocks) {
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
        } else {
            m.block_count = join_blocks(m.blocks, m.block_count);
            if (m.block_count)
                memcpy(blocks, m.blocks, m.block_count * sizeof(*blocks));
            *out = blocks;
            *count = m.block_count;
        }
    }
    assay_arena_destroy(scratch);
    return status;
}

enum assay_status assay_difflib_ratio(
        double *out, struct assay_sequence a, struct assay_sequence b, struct assay_error *err)
{
    struct matcher m = {.a = a, .b = b};
    struct assay_arena *scratch = NULL;
    enum assay_status status = assay_arena_create(&scratch, SCRATCH_BYTES, err);
    size_t matches = 0;

    if (status == ASSAY_OK)
        status = match(&m, scratch, err);
    if (status == ASSAY_OK) {
        for (size_t i = 0; i < m.block_count; i++)
            matches += m.blocks[i].len;
        // Python's own expression, so that the last bit is Python's too.
        *out = a.len + b.len > 0 ? 2.0 * (double)matches / (double)(a.len + b.len) : 1.0;
    }
    assay_arena_destroy(scratch);
    return status;
}
