// SPDX-License-Identifier: MIT
// toml.c - one pass over the text; what a value is, its first byte says.
#include "tasks/toml.h"

#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "tasks/fields.h"
#include "tasks/names.h"
#include "tasks/toml_scan.h"

#define KEY_BYTES_MAX ((size_t)4096)

struct parser {
    struct assay_toml_scan scan;
    struct assay_arena *arena;
    struct assay_toml_entry *entries;
    size_t count;
    struct assay_names names;  // keys of all entries
    struct assay_names opened; // tables that have a header of their own
    const char *wrong;         // why it is refused; NULL: it is not
    char key[KEY_BYTES_MAX];
};

static bool refuse(struct parser *p, const char *why)
{
    if (p->wrong == NULL)
        p->wrong = why;
    return false;
}

// --- entries -------------------------------------------------------------------------------------

static bool seen(struct parser *p, struct assay_names *names, const char *key, bool *known)
{
    size_t number = 0;

    switch (assay_names_put(names, key, p->scan.line, &number)) {
    case ASSAY_NAMES_NO_MEMORY:
        return refuse(p, "out of memory");
    case ASSAY_NAMES_KNOWN:
        *known = true;
        return true;
    case ASSAY_NAMES_NEW:
        break;
    }
    *known = false;
    return true;
}

static struct assay_toml_entry *find(struct parser *p, const char *key)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->entries[i].key, key) == 0)
            return &p->entries[i];
    return NULL;
}

// A new entry under p->key; NULL: refused.
static struct assay_toml_entry *add(struct parser *p, enum assay_toml_kind kind)
{
    struct assay_toml_entry *entry = &p->entries[p->count];
    bool known = false;

    if (p->count == ASSAY_TOML_ENTRIES_MAX) {
        refuse(p, "more entries than are read");
        return NULL;
    }
    *entry = (struct assay_toml_entry){
            assay_arena_strdup(p->arena, p->key), kind, "", 0, 0.0, p->scan.line};
    if (entry->key == NULL) {
        refuse(p, "out of memory");
        return NULL;
    }
    if (!seen(p, &p->names, entry->key, &known))
        return NULL;
    if (known) {
        refuse(p, "the key stands twice");
        return NULL;
    }
    p->count++;
    return entry;
}

// Append ".part" to p->key, which ends at `len`.
static bool extend(struct parser *p, size_t len, const char *part)
{
    const int wrote =
            snprintf(p->key + len, KEY_BYTES_MAX - len, "%s%s", len == 0 ? "" : ".", part);

    return (size_t)wrote < KEY_BYTES_MAX - len || refuse(p, "too long a key");
}

// A dotted key behind p->key[0..*len); each table on the way is there afterwards. The last part is
// only appended, and *last is where it begins.
static bool read_key(struct parser *p, size_t *last)
{
    size_t len = strlen(p->key);

    for (;;) {
        char *part = NULL;
        const struct assay_toml_entry *on_way;

        if (!assay_toml_scan_key(&p->scan, &part, p->arena, &p->wrong))
            return false;
        *last = len;
        if (!extend(p, len, part))
            return false;
        assay_toml_scan_space(&p->scan);
        if (!assay_toml_scan_take(&p->scan, '.'))
            return true;
        assay_toml_scan_space(&p->scan);
        on_way = find(p, p->key);
        if (on_way == NULL && add(p, ASSAY_TOML_TABLE) == NULL)
            return false;
        if (on_way != NULL && on_way->kind == ASSAY_TOML_ARRAY && on_way->len == 0)
            snprintf(p->key + strlen(p->key), KEY_BYTES_MAX - strlen(p->key), "[%.0f]",
                    on_way->number - 1);
        else if (on_way != NULL && on_way->kind != ASSAY_TOML_TABLE)
            return refuse(p, "the key goes on below a value");
        len = strlen(p->key);
    }
}

// --- values --------------------------------------------------------------------------------------

static bool read_value(struct parser *p, unsigned depth);

static bool read_array(struct parser *p, unsigned depth)
{
    const size_t len = strlen(p->key);
    struct assay_toml_entry *array = add(p, ASSAY_TOML_ARRAY);
    size_t count = 0;

    if (array == NULL)
        return false;
    array->len = 1; // closed: no header adds to it
    for (bool more = true; more;) {
        assay_toml_scan_lines(&p->scan);
        if (assay_toml_scan_take(&p->scan, ']'))
            break;
        if ((size_t)snprintf(p->key + len, KEY_BYTES_MAX - len, "[%zu]", count++) >=
                KEY_BYTES_MAX - len)
            return refuse(p, "too long a key");
        if (!read_value(p, depth + 1))
            return false;
        p->key[len] = '\0';
        assay_toml_scan_lines(&p->scan);
        more = assay_toml_scan_take(&p->scan, ',');
        if (!more && !assay_toml_scan_take(&p->scan, ']'))
            return refuse(p, "expected ',' or ']'");
    }
    array->number = (double)count;
    return true;
}

static bool read_pair(struct parser *p, unsigned depth)
{
    size_t last = 0;

    if (!read_key(p, &last))
        return false;
    assay_toml_scan_space(&p->scan);
    if (!assay_toml_scan_take(&p->scan, '='))
        return refuse(p, "expected '=' behind the key");
    assay_toml_scan_space(&p->scan);
    return read_value(p, depth);
}

static bool read_inline_table(struct parser *p, unsigned depth)
{
    const size_t len = strlen(p->key);
    struct assay_toml_entry *table = add(p, ASSAY_TOML_TABLE);
    bool known = false;

    if (table == NULL || !seen(p, &p->opened, table->key, &known)) // no header reopens it
        return false;
    assay_toml_scan_space(&p->scan);
    if (assay_toml_scan_take(&p->scan, '}'))
        return true;
    for (;;) {
        if (!read_pair(p, depth + 1))
            return false;
        p->key[len] = '\0';
        assay_toml_scan_space(&p->scan);
        if (assay_toml_scan_take(&p->scan, '}'))
            return true;
        if (!assay_toml_scan_take(&p->scan, ','))
            return refuse(p, "expected ',' or '}'");
        assay_toml_scan_space(&p->scan);
    }
}

static bool read_text(struct parser *p)
{
    struct assay_toml_entry *entry = add(p, ASSAY_TOML_TEXT);
    char *text = NULL;
    size_t len = 0;

    if (entry == NULL || !assay_toml_scan_text(&p->scan, &text, &len, p->arena, &p->wrong))
        return false;
    entry->value = text;
    entry->len = len;
    return true;
}

static bool read_word(struct parser *p)
{
    struct assay_toml_entry *entry = add(p, ASSAY_TOML_TEXT);
    struct assay_toml_word word;

    if (entry == NULL || !assay_toml_scan_word(&p->scan, &word, &p->wrong))
        return false;
    entry->kind = word.kind;
    entry->number = word.number;
    entry->len = word.len;
    entry->value = assay_arena_memdup(p->arena, word.text, word.len);
    return entry->value != NULL || refuse(p, "out of memory");
}

static bool read_value(struct parser *p, unsigned depth)
{
    if (depth > ASSAY_TOML_DEPTH_MAX)
        return refuse(p, "too deep");
    if (p->scan.at == p->scan.end)
        return refuse(p, "expected a value");
    if (*p->scan.at == '"' || *p->scan.at == '\'')
        return read_text(p);
    if (assay_toml_scan_take(&p->scan, '['))
        return read_array(p, depth);
    if (assay_toml_scan_take(&p->scan, '{'))
        return read_inline_table(p, depth);
    return read_word(p);
}

// --- tables --------------------------------------------------------------------------------------

// [[name]]: one more element of an array of tables, under which keys stand now.
static bool open_element(struct parser *p)
{
    struct assay_toml_entry *array = find(p, p->key);
    const size_t len = strlen(p->key);

    if (array == NULL)
        array = add(p, ASSAY_TOML_ARRAY);
    if (array == NULL)
        return false;
    if (array->kind != ASSAY_TOML_ARRAY || array->len != 0)
        return refuse(p, "the key stands twice");
    if ((size_t)snprintf(p->key + len, KEY_BYTES_MAX - len, "[%.0f]", array->number) >=
            KEY_BYTES_MAX - len)
        return refuse(p, "too long a key");
    array->number += 1.0;
    return add(p, ASSAY_TOML_TABLE) != NULL;
}

static bool open_table(struct parser *p)
{
    const struct assay_toml_entry *table = find(p, p->key);
    bool known = false;

    if (table == NULL)
        table = add(p, ASSAY_TOML_TABLE);
    if (table == NULL)
        return false;
    if (table->kind != ASSAY_TOML_TABLE)
        return refuse(p, "the key stands twice");
    if (!seen(p, &p->opened, table->key, &known))
        return false;
    return !known || refuse(p, "the table stands twice");
}

static bool read_header(struct parser *p)
{
    const bool element = assay_toml_scan_take(&p->scan, '[');
    size_t last = 0;

    p->key[0] = '\0';
    assay_toml_scan_space(&p->scan);
    if (!read_key(p, &last))
        return false;
    if (!assay_toml_scan_take(&p->scan, ']') || (element && !assay_toml_scan_take(&p->scan, ']')))
        return refuse(p, "expected ']' behind the table's name");
    return element ? open_element(p) : open_table(p);
}

static void read_all(struct parser *p)
{
    char table[KEY_BYTES_MAX] = "";

    while (p->wrong == NULL) {
        assay_toml_scan_lines(&p->scan);
        if (p->wrong != NULL || p->scan.at == p->scan.end)
            return;
        if (assay_toml_scan_take(&p->scan, '[')) {
            if (read_header(p))
                snprintf(table, sizeof(table), "%s", p->key);
        } else {
            snprintf(p->key, sizeof(p->key), "%s", table);
            (void)read_pair(p, 0);
        }
        if (p->wrong == NULL && !assay_toml_scan_line_end(&p->scan))
            refuse(p, "something stands behind the value");
    }
}

static bool is_utf8(struct parser *p, const char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        const size_t step = assay_utf8_length(text + at, len - at);

        if (step == 0)
            return refuse(p, "not UTF-8");
        at += step;
    }
    return true;
}

enum assay_status assay_toml_flatten(struct assay_toml_entry **out, size_t *count, const char *text,
        size_t len, const char *source, struct assay_arena *arena, struct assay_error *err)
{
    struct parser *p = assay_arena_alloc(arena, sizeof(*p));
    char file[ASSAY_PATH_SHORT_BYTES];
    enum assay_status status = ASSAY_OK;

    assay_path_short(file, source);
    if (p != NULL)
        p->entries = assay_arena_array(arena, ASSAY_TOML_ENTRIES_MAX, sizeof(p->entries[0]));
    if (p == NULL || p->entries == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", file);
    p->arena = arena;
    assay_toml_scan_begin(&p->scan, text, len);
    assay_names_init(&p->names);
    assay_names_init(&p->opened);
    if (is_utf8(p, text, len))
        read_all(p);
    if (p->wrong != NULL)
        status = assay_fail(err, ASSAY_EINVAL, "%s:%zu: %s", file, p->scan.line, p->wrong);
    assay_names_free(&p->names);
    assay_names_free(&p->opened);
    for (size_t i = 0; i < p->count; i++)
        if (p->entries[i].kind == ASSAY_TOML_ARRAY)
            p->entries[i].len = 0; // it only said that no header adds to it
    if (status == ASSAY_OK) {
        *out = p->entries;
        *count = p->count;
    }
    return status;
}
