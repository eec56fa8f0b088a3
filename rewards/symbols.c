// SPDX-License-Identifier: MIT
#include "rewards/symbols.h"

#include <string.h>

#include "rewards/symbols_read.h"

bool symbols_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
            c == '$' || (unsigned char)c >= 0x80;
}

static bool inside_function(const struct symbols_reader *r)
{
    for (size_t i = 0; i < r->depth && i < SYMBOLS_DEPTH_MAX; i++) {
        if (r->scopes[i].symbol && r->items[r->scopes[i].symbol - 1].is_function)
            return true;
    }
    return false;
}

// Of the innermost class that is open; NULL: none is.
static const char *outer_name(const struct symbols_reader *r)
{
    const size_t depth = r->depth < SYMBOLS_DEPTH_MAX ? r->depth : SYMBOLS_DEPTH_MAX;

    for (size_t i = depth; i > 0; i--) {
        if (r->scopes[i - 1].symbol)
            return r->items[r->scopes[i - 1].symbol - 1].name;
    }
    return NULL;
}

static bool make_room(struct symbols_reader *r)
{
    const size_t capacity = r->capacity ? 2 * r->capacity : 64;
    struct assay_symbol *grown;

    if (r->count < r->capacity)
        return true;
    if (r->count >= ASSAY_SYMBOLS_MAX)
        return false;
    grown = assay_arena_array(r->arena, capacity, sizeof(*grown));
    if (!grown) {
        r->no_memory = true;
        return false;
    }
    if (r->count)
        memcpy(grown, r->items, r->count * sizeof(*grown));
    r->items = grown;
    r->capacity = capacity;
    return true;
}

// "A::b" is "A.b".
static char *make_name(struct symbols_reader *r, const char *name, size_t len)
{
    const char *outer = outer_name(r);
    char *joined = assay_arena_printf(
            r->arena, "%s%s%.*s", outer ? outer : "", outer ? "." : "", (int)len, name);
    size_t kept = 0;

    for (size_t i = 0; joined && joined[i]; i++) {
        if (joined[i] == ':' && kept > 0 && joined[kept - 1] == '.')
            continue;
        joined[kept] = joined[i];
        if (joined[i] == ':')
            joined[kept] = '.';
        kept++;
    }
    if (joined)
        joined[kept] = '\0';
    else
        r->no_memory = true;
    return joined;
}

void symbols_push(struct symbols_reader *r, const char *name, size_t len, size_t line,
        bool is_function, size_t indent)
{
    struct symbols_scope scope = {0, indent};

    if (name && len > 0 && len < 512 && !inside_function(r) && make_room(r)) {
        char *full = make_name(r, name, len);

        if (full) {
            r->items[r->count++] = (struct assay_symbol){full, line, line, is_function};
            scope.symbol = r->count;
        }
    }
    if (r->depth < SYMBOLS_DEPTH_MAX)
        r->scopes[r->depth] = scope;
    r->depth++;
}

void symbols_pop(struct symbols_reader *r, size_t line)
{
    if (r->depth == 0)
        return;
    r->depth--;
    if (r->depth < SYMBOLS_DEPTH_MAX && r->scopes[r->depth].symbol)
        r->items[r->scopes[r->depth].symbol - 1].last = line;
}

static bool ends_in(const char *path, const char *const *endings, size_t count)
{
    const char *slash = strrchr(path, '/');
    const char *dot = strrchr(slash ? slash : path, '.');

    for (size_t i = 0; i < count; i++) {
        if (strcmp(dot ? dot + 1 : "", endings[i]) == 0)
            return true;
    }
    return false;
}

enum assay_status assay_symbols_find(struct assay_symbols *out, const char *path,
        struct assay_bytes text, struct assay_arena *arena, struct assay_error *err)
{
    static const char *const indented[] = {"py", "pyi", "pyx", "rb"};
    static const char *const hashes[] = {"sh", "bash", "zsh", "t", "pl", "pm", "r", "R", ""};
    struct symbols_reader r = {.text = text, .arena = arena};

    if (ends_in(path, indented, sizeof(indented) / sizeof(indented[0])))
        symbols_read_indented(&r);
    else
        symbols_read_braces(&r, ends_in(path, hashes, sizeof(hashes) / sizeof(hashes[0])));
    if (r.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *out = (struct assay_symbols){r.items, r.count};
    return ASSAY_OK;
}

const struct assay_symbol *assay_symbols_at(const struct assay_symbols *symbols, size_t line)
{
    for (size_t i = 0; i < symbols->count; i++) {
        const struct assay_symbol *symbol = &symbols->items[i];

        if (symbol->is_function && symbol->first <= line && line <= symbol->last)
            return symbol;
    }
    return NULL;
}

static bool is_joint(char c)
{
    return c == '.' || c == ':' || c == '#' || c == '/';
}

// From the end, part by part, until one of them ends.
bool assay_symbol_is(const struct assay_symbol *symbol, const char *name)
{
    size_t i = strlen(symbol->name), j = strlen(name);

    if (j >= 2 && strcmp(name + j - 2, "()") == 0)
        j -= 2;
    if (i == 0 || j == 0)
        return false;
    while (i > 0 && j > 0) {
        const char theirs = name[j - 1];

        if (is_joint(theirs)) {
            if (symbol->name[i - 1] != '.')
                return false;
            while (j > 0 && is_joint(name[j - 1]))
                j--;
        } else if (symbol->name[i - 1] == theirs) {
            j--;
        } else {
            return false;
        }
        i--;
    }
    return (i == 0 && j == 0) || (i == 0 && is_joint(name[j - 1])) ||
            (j == 0 && symbol->name[i - 1] == '.');
}
