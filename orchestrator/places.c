// SPDX-License-Identifier: MIT
#include "orchestrator/places.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MARGIN_LINES 10u
#define UNSAID_LINES 400u
#define NAME_BYTES_MAX 200
#define OUTLINE_LINE_BYTES 120
#define FALLBACK_FILES 3u

// --- lines of an answer --------------------------------------------------------------------------

// The next line, without what models put around a path or a name (blanks, quotes, "### ", "- ",
// "1. ", a final colon). False: no more.
static bool next_line(const char **at, struct assay_bytes *line)
{
    static const char around[] = " \t\r`*\"'#-";
    const char *begin = *at;
    const char *end;

    if (*begin == '\0')
        return false;
    end = begin + strcspn(begin, "\n");
    *at = *end == '\n' ? end + 1 : end;
    while (begin < end && strchr(around, *begin) != NULL)
        begin++;
    if (begin < end && *begin >= '0' && *begin <= '9') {
        const size_t digits = strspn(begin, "0123456789");

        if (strncmp(begin + digits, ". ", 2) == 0)
            begin += digits + 2;
    }
    while (begin < end && strchr(around, *begin) != NULL)
        begin++;
    while (end > begin && (strchr(around, end[-1]) != NULL || end[-1] == ':'))
        end--;
    *line = (struct assay_bytes){begin, (size_t)(end - begin)};
    return true;
}

static struct assay_place *find_place(struct assay_places *places, struct assay_bytes path)
{
    for (size_t i = 0; i < places->count; i++) {
        const char *name = places->items[i].source->path;

        if (strlen(name) == path.len && memcmp(name, path.data, path.len) == 0)
            return &places->items[i];
    }
    return NULL;
}

// --- files ---------------------------------------------------------------------------------------

static enum assay_status add_place(struct assay_places *places, const struct assay_source *source,
        struct assay_arena *arena, struct assay_error *err)
{
    struct assay_place *place = &places->items[places->count++];

    *place = (struct assay_place){.source = source};
    return assay_symbols_find(&place->symbols, source->path, source->text, arena, err);
}

enum assay_status assay_places_read_files(struct assay_places *out,
        const struct assay_sources *sources, const char *answer, struct assay_arena *arena,
        struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;
    struct assay_bytes line;

    out->count = 0;
    while (status == ASSAY_OK && out->count < ASSAY_PLACES_MAX && next_line(&answer, &line)) {
        const struct assay_source *source = assay_sources_find(sources, line.data, line.len);

        if (source != NULL && source->text.data != NULL && find_place(out, line) == NULL)
            status = add_place(out, source, arena, err);
    }
    for (size_t i = 0, named = out->count;
            status == ASSAY_OK && named == 0 && i < sources->count && out->count < FALLBACK_FILES;
            i++)
        if (sources->items[i].text.data != NULL && sources->items[i].score > 0)
            status = add_place(out, &sources->items[i], arena, err);
    return status;
}

// --- elements ------------------------------------------------------------------------------------

static void add_range(struct assay_place *place, size_t first, size_t last, const char *symbol)
{
    const size_t lines = assay_source_lines(place->source);

    if (place->range_count == ASSAY_PLACE_RANGES_MAX || first == 0 || first > lines || last < first)
        return;
    place->ranges[place->range_count].first = first;
    place->ranges[place->range_count].last = last < lines ? last : lines;
    place->ranges[place->range_count++].symbol = symbol;
}

static void add_symbol(struct assay_place *place, const char *name)
{
    for (size_t i = 0; i < place->symbols.count; i++) {
        const struct assay_symbol *symbol = &place->symbols.items[i];

        if (assay_symbol_is(symbol, name))
            add_range(place, symbol->first, symbol->last, symbol->name);
    }
}

// "line: 12", "lines: 12-20"
static void add_lines(struct assay_place *place, const char *text)
{
    char *end = NULL;
    const unsigned long first = strtoul(text, &end, 10);
    const unsigned long last = *end == '-' ? strtoul(end + 1, NULL, 10) : first;

    add_range(place, first, last, NULL);
}

static void read_element(struct assay_place *place, struct assay_bytes line)
{
    const char *colon = memchr(line.data, ':', line.len);
    const size_t begin = colon != NULL ? (size_t)(colon - line.data) + 1 : line.len;
    char text[NAME_BYTES_MAX];
    char *name = text;

    if (begin == line.len || line.len - begin >= sizeof(text))
        return;
    memcpy(text, line.data + begin, line.len - begin);
    text[line.len - begin] = '\0';
    name += strspn(name, " `");
    name[strcspn(name, "( ,`")] = '\0';
    if (name[0] == '\0')
        return;
    if (strncasecmp(line.data, "line", 4) == 0)
        add_lines(place, name);
    else
        add_symbol(place, name);
}

void assay_places_read_elements(struct assay_places *places, const char *answer)
{
    struct assay_place *place = places->count == 1 ? &places->items[0] : NULL;
    struct assay_bytes line;

    while (next_line(&answer, &line)) {
        struct assay_place *named = find_place(places, line);

        if (named != NULL)
            place = named;
        else if (place != NULL)
            read_element(place, line);
    }
}

// --- showing -------------------------------------------------------------------------------------

static void show_line(struct assay_buf *out, const struct assay_source *source, size_t number)
{
    const char *at = source->text.data, *end = at + source->text.len;

    for (size_t line = 1; line < number && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        at = newline != NULL ? newline + 1 : end;
    }
    for (size_t n = 0; at + n < end && at[n] != '\n' && n < OUTLINE_LINE_BYTES; n++)
        assay_buf_addc(out, at[n]);
    assay_buf_addc(out, '\n');
}

void assay_places_outline(struct assay_buf *out, const struct assay_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct assay_place *place = &places->items[i];

        if (place->symbols.count == 0) {
            assay_source_show(out, place->source, 1, 60);
            continue;
        }
        assay_buf_addf(out, "### %s\n```\n", place->source->path);
        for (size_t k = 0; k < place->symbols.count; k++) {
            assay_buf_addf(out, "%zu: ", place->symbols.items[k].first);
            show_line(out, place->source, place->symbols.items[k].first);
        }
        assay_buf_adds(out, "```\n\n");
    }
}

static int by_first(const void *a, const void *b)
{
    const size_t *x = a, *y = b; // a range begins with its first line

    return (*x > *y) - (*x < *y);
}

void assay_places_show(struct assay_buf *out, const struct assay_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        struct assay_place place = places->items[i];
        size_t first = 1, last = UNSAID_LINES;

        qsort(place.ranges, place.range_count, sizeof(place.ranges[0]), by_first);
        for (size_t k = 0; k < place.range_count; k++) {
            const size_t from =
                    place.ranges[k].first > MARGIN_LINES ? place.ranges[k].first - MARGIN_LINES : 1;
            const size_t to = place.ranges[k].last + MARGIN_LINES;

            if (k > 0 && from <= last + 1) {
                last = to > last ? to : last;
                continue;
            }
            if (k > 0)
                assay_source_show(out, place.source, first, last);
            first = from;
            last = to;
        }
        assay_source_show(out, place.source, first, last);
    }
}

void assay_places_answer(struct assay_buf *out, const struct assay_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        const struct assay_place *place = &places->items[i];

        for (size_t k = 0; k < place->range_count; k++) {
            if (place->ranges[k].symbol != NULL)
                assay_buf_addf(out, "%s:%s\n", place->source->path, place->ranges[k].symbol);
            else
                assay_buf_addf(out, "%s:%zu\n", place->source->path, place->ranges[k].first);
        }
        if (place->range_count == 0)
            assay_buf_addf(out, "%s\n", place->source->path);
    }
}
