// SPDX-License-Identifier: MIT
// apply_find.c - finding a run of lines in an image.
//
// Equal lines get one class. A search walks over the places of its rarest line
// only, and compares classes there. That is still quadratic for a text made to
// be so; the steps are counted and bounded.
#include <ctype.h>
#include <string.h>

#include "base/hash.h"
#include "envs/apply_lines.h"

enum { CANDIDATE_STEPS = 4 };

struct lines_index {
    uint32_t *class_of; // [image->count]
    uint32_t *first;    // [class_count + 1] into places
    uint32_t *places;   // [image->count] lines by class, ascending in each
    uint32_t *examples; // [class_count] one line of each class
    uint32_t class_count;
    uint32_t *slots; // open addressing by hash: class + 1, 0 when empty
    uint32_t slot_mask;
};

static uint64_t hash_line(enum lines_level level, struct assay_bytes line)
{
    uint64_t hash = 0;
    bool blank = false;

    if (level == LINES_BYTES)
        return assay_hash64(line.data, line.len);
    line.len = lines_length_without_end(line);
    if (level == LINES_ENDS)
        return assay_hash64(line.data, line.len);
    // FNV-1a over what lines_same() compares.
    for (size_t i = 0; i < line.len; i++) {
        const unsigned char c = (unsigned char)line.data[i];

        if (isspace(c)) {
            blank = true;
            continue;
        }
        if (blank)
            hash = (hash ^ ' ') * UINT64_C(0x100000001b3);
        hash = (hash ^ c) * UINT64_C(0x100000001b3);
        blank = false;
    }
    return hash ^ hash >> 32;
}

// The slot of the line's class, or the empty one where it would go.
static uint32_t *find_slot(const struct lines_image *image, const struct lines_index *index,
        enum lines_level level, struct assay_bytes line)
{
    uint32_t at = (uint32_t)hash_line(level, line) & index->slot_mask;

    while (index->slots[at] != 0 &&
            !lines_same(level, line, lines_at(image, index->examples[index->slots[at] - 1])))
        at = (at + 1) & index->slot_mask;
    return &index->slots[at];
}

static enum assay_status allocate_index(
        struct lines_index **out, const struct lines_image *image, struct assay_error *err)
{
    struct lines_index *index = assay_arena_alloc(image->arena, sizeof(*index));
    const size_t count = image->count;
    size_t slot_count = 16;

    while (slot_count < 2 * count)
        slot_count *= 2;
    if (index != NULL) {
        index->class_of = assay_arena_array(image->arena, count, sizeof(uint32_t));
        index->first = assay_arena_array(image->arena, count + 2, sizeof(uint32_t));
        index->places = assay_arena_array(image->arena, count, sizeof(uint32_t));
        index->examples = assay_arena_array(image->arena, count, sizeof(uint32_t));
        index->slots = assay_arena_array(image->arena, slot_count, sizeof(uint32_t));
        index->slot_mask = (uint32_t)(slot_count - 1);
    }
    if (index == NULL || index->class_of == NULL || index->first == NULL || index->places == NULL ||
            index->examples == NULL || index->slots == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for an index of %zu lines", count);
    *out = index;
    return ASSAY_OK;
}

static enum assay_status make_index(
        struct lines_image *image, enum lines_level level, struct assay_error *err)
{
    struct lines_index *index = NULL;
    enum assay_status status = ASSAY_OK;

    if (image->indexes[level] != NULL)
        return ASSAY_OK;
    status = allocate_index(&index, image, err);
    if (status != ASSAY_OK)
        return status;
    for (uint32_t i = 0; i < image->count; i++) {
        uint32_t *slot = find_slot(image, index, level, lines_at(image, i));

        if (*slot == 0) {
            index->examples[index->class_count++] = i;
            *slot = index->class_count;
        }
        index->class_of[i] = *slot - 1;
        index->first[index->class_of[i] + 2]++; // a count, two further on, so that ...
    }
    for (uint32_t i = 2; i <= index->class_count; i++)
        index->first[i] += index->first[i - 1]; // ... sums are one further on, and ...
    for (uint32_t i = 0; i < image->count; i++)
        index->places[index->first[index->class_of[i] + 1]++] = i; // ... end in place
    image->indexes[level] = index;
    return ASSAY_OK;
}

static bool is_open(struct assay_bytes line)
{
    return line.len == 0 || line.data[line.len - 1] != '\n';
}

// git compares a last line without a newline as a prefix; what is behind it must be white.
static bool open_tail_matches(struct assay_bytes tail, struct assay_bytes line)
{
    if (line.len < tail.len || memcmp(line.data, tail.data, tail.len) != 0)
        return false;
    for (size_t i = tail.len; i < line.len; i++) {
        if (!isspace((unsigned char)line.data[i]))
            return false;
    }
    return true;
}

static bool has_open_tail(const struct lines_pattern *pattern, enum lines_level level)
{
    return level == LINES_BYTES && is_open(pattern->lines[pattern->count - 1]);
}

// Is the run of original lines still whole, with nothing put into it?
static bool is_untouched(const struct lines_image *image, uint32_t line, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if ((image->flags[line + i] & LINES_PATCHED) != 0 || (i > 0 && image->flags[line + i] != 0))
            return false;
    }
    return true;
}

bool lines_match_at(const struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, uint32_t line)
{
    const bool open_tail = pattern->count > 0 && has_open_tail(pattern, level);
    const uint32_t whole = pattern->count - open_tail;

    if (line > image->count || pattern->count > image->count - line ||
            !is_untouched(image, line, pattern->count))
        return false;
    for (uint32_t i = 0; i < whole; i++) {
        if (!lines_same(level, pattern->lines[i], lines_at(image, line + i)))
            return false;
    }
    return !open_tail || open_tail_matches(pattern->lines[whole], lines_at(image, line + whole));
}

// Where the pattern's rarest line stands. With `all`, no line of it has a class
// and every line of the image is a candidate.
struct candidates {
    const uint32_t *places;
    uint32_t count;
    uint32_t in_pattern; // which line of the pattern it is
    bool all;
};

static struct candidates rarest(const struct lines_image *image, enum lines_level level,
        const struct lines_pattern *pattern)
{
    const struct lines_index *index = image->indexes[level];
    struct candidates best = {.count = image->count, .all = true};
    const uint32_t whole = pattern->count - has_open_tail(pattern, level);

    for (uint32_t i = 0; i < whole; i++) {
        const uint32_t slot = *find_slot(image, index, level, pattern->lines[i]);
        const uint32_t class = slot - 1;

        if (slot == 0)
            return (struct candidates){0};
        pattern->classes[i] = class;
        if (best.all || index->first[class + 1] - index->first[class] < best.count)
            best = (struct candidates){
                    .places = index->places + index->first[class],
                    .count = index->first[class + 1] - index->first[class],
                    .in_pattern = i,
            };
    }
    return best;
}

static uint32_t candidate_line(const struct candidates *candidates, uint32_t i)
{
    return candidates->all ? i : candidates->places[i];
}

// Like lines_match_at() by classes: the candidate'th place of the rarest line.
static bool candidate_matches(struct lines_image *image, enum lines_level level,
        const struct lines_pattern *pattern, const struct candidates *candidates, uint32_t i,
        uint32_t *line)
{
    const struct lines_index *index = image->indexes[level];
    const bool open_tail = has_open_tail(pattern, level);
    const uint32_t whole = pattern->count - open_tail;
    const uint32_t place = candidate_line(candidates, i);
    uint32_t same = 0, cost = 0;

    if (place < candidates->in_pattern ||
            pattern->count > image->count - (place - candidates->in_pattern))
        return false;
    *line = place - candidates->in_pattern;
    while (same < whole && index->class_of[*line + same] == pattern->classes[same])
        same++;
    // A candidate costs its positions even when no line is the same.
    cost = same + CANDIDATE_STEPS;
    *image->steps_left -= *image->steps_left > cost ? cost : *image->steps_left;
    if (same < whole || !is_untouched(image, *line, pattern->count))
        return false;
    return !open_tail || open_tail_matches(pattern->lines[whole], lines_at(image, *line + whole));
}

static enum assay_status check_steps(const struct lines_image *image, struct assay_error *err)
{
    if (*image->steps_left > 0)
        return ASSAY_OK;
    return assay_fail(err, ASSAY_EPATCH, "too many places to search: the context repeats itself");
}

// First candidate whose match would start at `position` or later.
static uint32_t first_from(
        const struct lines_image *image, const struct candidates *candidates, int64_t position)
{
    uint32_t low = 0, high = candidates->count;

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (lines_position(image, candidate_line(candidates, middle)) - candidates->in_pattern <
                position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum assay_status search_outwards(struct lines_image *image,
        const struct lines_pattern *pattern, int64_t position, uint32_t *found,
        struct assay_error *err)
{
    const struct candidates candidates = rarest(image, LINES_BYTES, pattern);
    uint32_t after = first_from(image, &candidates, position);
    uint32_t before = after; // one behind the next candidate backwards

    *found = LINES_NOWHERE;
    while (*found == LINES_NOWHERE && (before > 0 || after < candidates.count)) {
        int64_t up = INT64_MAX, down = INT64_MAX;
        uint32_t line = 0, next = 0;

        if (after < candidates.count)
            up = lines_position(image, candidate_line(&candidates, after)) - candidates.in_pattern -
                    position;
        if (before > 0)
            down = position + candidates.in_pattern -
                    lines_position(image, candidate_line(&candidates, before - 1));
        next = up <= down ? after++ : --before;
        if (candidate_matches(image, LINES_BYTES, pattern, &candidates, next, &line))
            *found = line;
        else if (check_steps(image, err) != ASSAY_OK)
            return ASSAY_EPATCH;
    }
    return ASSAY_OK;
}

// The original line that stands at `position` by now, or LINES_NOWHERE.
static uint32_t line_at_position(const struct lines_image *image, int64_t position)
{
    uint32_t low = 0, high = image->count; // the first line behind `position` is in [low, high]

    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;

        if (lines_position(image, middle) <= position)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || lines_position(image, low - 1) != position)
        return LINES_NOWHERE;
    return low - 1;
}

enum assay_status lines_find_nearest(struct lines_image *image, const struct lines_pattern *pattern,
        int64_t position, bool at_begin, bool at_end, uint32_t *found, struct assay_error *err)
{
    const int64_t length = lines_position(image, image->count);
    enum assay_status status = ASSAY_OK;
    uint32_t line = LINES_NOWHERE;

    *found = LINES_NOWHERE;
    if (at_begin && at_end && (int64_t)pattern->count != length)
        return ASSAY_OK;
    if (at_begin)
        position = 0;
    else if (at_end)
        position = length - (int64_t)pattern->count;
    if (position < 0 || position > length)
        position = length;
    if (pattern->count == 0) {
        // Without old lines a hunk fits anywhere; its numbers alone say where.
        *found = position == length ? image->count : line_at_position(image, position);
        return ASSAY_OK;
    }
    line = line_at_position(image, position);
    if (line != LINES_NOWHERE && lines_match_at(image, pattern, LINES_BYTES, line)) {
        const struct assay_bytes last = pattern->lines[pattern->count - 1];

        // At the end the lengths must agree, too.
        if (!at_end || last.len == lines_at(image, line + pattern->count - 1).len)
            *found = line;
    }
    if (*found != LINES_NOWHERE || at_begin || at_end)
        return ASSAY_OK;
    status = make_index(image, LINES_BYTES, err);
    if (status == ASSAY_OK)
        status = search_outwards(image, pattern, position, found, err);
    return status;
}

enum assay_status lines_find_all(struct lines_image *image, const struct lines_pattern *pattern,
        enum lines_level level, struct lines_found *found, struct assay_error *err)
{
    enum assay_status status = make_index(image, level, err);
    struct candidates candidates = {0};

    found->count = 0;
    if (status != ASSAY_OK || pattern->count == 0)
        return status;
    candidates = rarest(image, level, pattern);
    for (uint32_t i = 0; i < candidates.count && found->count < LINES_FOUND_MAX; i++) {
        uint32_t line = 0;

        if (candidate_matches(image, level, pattern, &candidates, i, &line))
            found->at[found->count++] = line;
        status = check_steps(image, err);
        if (status != ASSAY_OK)
            return status;
    }
    return ASSAY_OK;
}
