// SPDX-License-Identifier: MIT
#include "rewards/counter_data.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "rewards/counter_text.h"

#define NAME_BYTES_MIN 2
#define NAME_BYTES_MAX 256
#define DOTS_MAX 3 // "a.golden.json" is "a.golden", and "a"

struct assay_data_name {
    uint64_t last; // hash of its last component
    struct assay_text text;
};

bool assay_is_data_file(const char *path, struct assay_bytes content)
{
    return assay_counter_shape_of(path, content) == ASSAY_COUNTER_DATA;
}

// --- a name and a path --------------------------------------------------------------------------

static const char *const test_folders[] = {"test", "tests", "t", "spec", "specs", "__tests__",
        "testing", "testdata", "testcases", NULL};

static bool is_among(struct assay_text name, const char *const *words)
{
    while (*words != NULL && !assay_text_is(name, *words))
        words++;
    return *words != NULL;
}

static struct assay_text last_of(struct assay_text path)
{
    struct assay_text head;

    (void)assay_text_split_last(&path, "/", &head);
    return path;
}

// Is `name` all of the path, or its end behind a '/'?
static bool ends_with(struct assay_text path, struct assay_text name)
{
    if (name.len == 0 || name.len > path.len ||
            memcmp(path.data + path.len - name.len, name.data, name.len) != 0)
        return false;
    return name.len == path.len || path.data[path.len - name.len - 1] == '/';
}

// "./a/", "../a" and "/a" are "a".
static struct assay_text plain(struct assay_text name)
{
    while (assay_text_skip(&name, "./") || assay_text_skip(&name, "../") ||
            assay_text_skip(&name, "/"))
        ;
    while (assay_text_drop(&name, "/"))
        ;
    return name;
}

// What the path may be called, one after another: itself, without what stands behind its last
// dots, then the folders that it is in, up to that of all tests. False: that was all.
static bool next_called(struct assay_text *called, struct assay_text whole, unsigned *dots)
{
    const struct assay_text base = last_of(*called);
    struct assay_text head, rest = base;

    if (called->len == 0)
        return false;
    if (*dots < DOTS_MAX && assay_text_split_last(&rest, ".", &head) && head.len > 0) {
        (*dots)++;
        called->len -= base.len - head.len;
        return true;
    }
    *dots = DOTS_MAX; // what follows are folders
    rest = (struct assay_text){whole.data, called->len};
    if (!assay_text_split_last(&rest, "/", &head) || is_among(last_of(head), test_folders))
        return false;
    *called = head;
    return true;
}

bool assay_data_is_meant(struct assay_text name, const char *path)
{
    const struct assay_text whole = assay_text_of(path);
    struct assay_text called = whole;
    unsigned dots = 0;

    name = plain(name);
    if (name.len < NAME_BYTES_MIN)
        return false;
    do {
        if (ends_with(called, name))
            return true;
    } while (next_called(&called, whole, &dots));
    return false;
}

// --- many names ---------------------------------------------------------------------------------

enum assay_status assay_data_names_init(
        struct assay_data_names *out, struct assay_arena *arena, struct assay_error *err)
{
    out->count = 0;
    out->items = assay_arena_array(arena, ASSAY_DATA_NAMES_MAX, sizeof(*out->items));
    return out->items != NULL ? ASSAY_OK
                              : assay_fail(err, ASSAY_ENOMEM, "no memory for names of data");
}

static bool is_of_name(char c)
{
    return isalnum((unsigned char)c) != 0 || strchr("_-./+@", c) != NULL ||
            (unsigned char)c >= 0x80;
}

static void learn_word(
        struct assay_data_names *names, struct assay_text text, size_t begin, size_t end)
{
    struct assay_text word = {text.data + begin, end - begin}, last;
    const bool quoted = begin > 0 && end < text.len &&
            strchr("'\"`", text.data[begin - 1]) != NULL && text.data[begin - 1] == text.data[end];

    if (!quoted && memchr(word.data, '.', word.len) == NULL &&
            memchr(word.data, '/', word.len) == NULL)
        return;
    word = plain(word);
    if (word.len < NAME_BYTES_MIN || word.len > NAME_BYTES_MAX ||
            names->count == ASSAY_DATA_NAMES_MAX)
        return;
    last = last_of(word);
    names->items[names->count++] =
            (struct assay_data_name){assay_hash64(last.data, last.len), word};
}

void assay_data_names_learn(struct assay_data_names *names, struct assay_text text)
{
    for (size_t at = 0; at < text.len;) {
        const size_t begin = at;

        while (at < text.len && text.data[at] != '\0' && is_of_name(text.data[at]))
            at++;
        if (at > begin)
            learn_word(names, text, begin, at);
        else
            at++;
    }
}

static int compare_names(const void *left, const void *right)
{
    const struct assay_data_name *a = left, *b = right;

    return (a->last > b->last) - (a->last < b->last);
}

void assay_data_names_sort(struct assay_data_names *names)
{
    qsort(names->items, names->count, sizeof(*names->items), compare_names);
}

static bool is_called(const struct assay_data_names *names, struct assay_text called)
{
    const struct assay_text last = last_of(called);
    const uint64_t hash = assay_hash64(last.data, last.len);
    size_t low = 0, high = names->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (names->items[middle].last < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < names->count && names->items[low].last == hash; low++)
        if (ends_with(called, names->items[low].text))
            return true;
    return false;
}

bool assay_data_names_mean(const struct assay_data_names *names, const char *path)
{
    const struct assay_text whole = assay_text_of(path);
    struct assay_text called = whole;
    unsigned dots = 0;

    do {
        if (is_called(names, called))
            return true;
    } while (next_called(&called, whole, &dots));
    return false;
}

// --- where they lie -----------------------------------------------------------------------------

// The outermost folder of tests that the path is in, "/" included; 0: it is in none.
static size_t folder_length(struct assay_text path)
{
    for (size_t begin = 0, at = 0; at < path.len; at++) {
        if (path.data[at] != '/')
            continue;
        if (is_among((struct assay_text){path.data + begin, at - begin}, test_folders))
            return at + 1;
        begin = at + 1;
    }
    return 0;
}

enum assay_status assay_data_folders(struct assay_strings *out, const struct assay_strings *paths,
        struct assay_arena *arena, struct assay_error *err)
{
    static const char *const beside[] = {"testdata", "data", "golden", "goldens", "fixtures",
            "expected", "snapshots", "__snapshots__", "cases"};
    const size_t each = sizeof(beside) / sizeof(beside[0]);
    const char **items = assay_arena_array(arena, paths->count * each + 1, sizeof(*items));
    bool failed = items == NULL;

    *out = (struct assay_strings){items, 0};
    for (size_t i = 0; i < paths->count && !failed; i++) {
        const struct assay_text path = assay_text_of(paths->items[i]);
        const size_t len = folder_length(path);

        for (size_t j = 0; j < (len > 0 ? 1 : each); j++) {
            const size_t own = path.len - last_of(path).len;
            const char *folder = len > 0
                    ? assay_arena_printf(arena, "%.*s", (int)len, path.data)
                    : assay_arena_printf(arena, "%.*s%s/", (int)own, path.data, beside[j]);

            failed = failed || folder == NULL;
            items[out->count++] = folder;
        }
    }
    return failed ? assay_fail(err, ASSAY_ENOMEM, "no memory for folders of data") : ASSAY_OK;
}
