// SPDX-License-Identifier: MIT
// canary_command.c - the test command: does it reach the canaries, and how it comes to.
#include <string.h>

#include "rewards/canary_plant.h"

// What ends a word of a shell's script.
static const char script_marks[] = " \t\n;&|()<>'\"";

// Words of the command, and of scripts in it, one after another.
struct words {
    const struct assay_strings *argv;
    size_t at;      // of the current argument
    const char *in; // where to go on in it
};

static bool next_word(struct words *words, struct assay_text *word)
{
    while (words->at < words->argv->count) {
        const char *text = words->in != NULL ? words->in : words->argv->items[words->at];

        text += strspn(text, script_marks);
        if (*text == '\0') {
            words->at++;
            words->in = NULL;
            continue;
        }
        *word = (struct assay_text){text, strcspn(text, script_marks)};
        words->in = text + word->len;
        return true;
    }
    return false;
}

static bool is_interpreter(struct assay_text word)
{
    struct assay_text head;

    (void)assay_text_split_last(&word, "/", &head);
    return assay_text_skip(&word, "python") || assay_text_skip(&word, "pypy");
}

bool assay_canary_command_chooses(const struct assay_instance *instance)
{
    struct words words = {.argv = &instance->test_cmd};
    struct assay_text word, before = {"", 0};
    bool of_python = false; // the options that come now are the interpreter's

    while (next_word(&words, &word)) {
        struct assay_text rest = word;

        if (assay_text_skip(&rest, "-k") || assay_text_is(word, "--failfast"))
            return true;
        // -m of python names a module, -m of pytest marks; "not ..." leaves those without marks.
        if (assay_text_is(before, "-m") && !of_python && !assay_text_is(word, "not"))
            return true;
        if (assay_text_is(before, "-m"))
            of_python = false;
        if (is_interpreter(word))
            of_python = true;
        before = word;
    }
    return false;
}

bool assay_canary_command_has(const struct assay_instance *instance, const char *const *words)
{
    struct words in = {.argv = &instance->test_cmd};
    struct assay_text word;

    while (next_word(&in, &word)) {
        for (size_t i = 0; words[i] != NULL; i++) {
            struct assay_text rest = word;

            if (assay_text_skip(&rest, words[i]) && (rest.len == 0 || rest.data[0] == '='))
                return true;
        }
    }
    return false;
}

// --- naming canaries ----------------------------------------------------------------------------

// The part of an id that names its file.
static struct assay_text file_of(const char *id, const char *separator, size_t from_end)
{
    struct assay_text rest = assay_text_of(id), head = rest;

    if (from_end == 0) {
        (void)assay_text_split(&rest, separator, &head);
        return head;
    }
    for (size_t i = 0; i < from_end; i++) {
        rest = head;
        if (!assay_text_split_last(&rest, separator, &head))
            break;
    }
    return head;
}

// Does `word` begin with `part`, and end there or go on with the separator?
static bool begins(struct assay_text word, struct assay_text part, const char *separator)
{
    if (part.len > word.len || memcmp(word.data, part.data, part.len) != 0)
        return false;
    return part.len == word.len ||
            assay_text_skip(
                    &(struct assay_text){word.data + part.len, word.len - part.len}, separator);
}

// The last word that names a test beside the canary, when none names the canary's class or file.
static const char *place_of(
        const struct assay_canary_bed *bed, const char *id, const char *separator, size_t from_end)
{
    const struct assay_text file = file_of(id, separator, from_end);
    struct words words = {.argv = &bed->argv};
    struct assay_text word;
    const char *place = NULL;

    while (next_word(&words, &word)) {
        if (begins(assay_text_of(id), word, separator))
            return NULL; // reached by it
        if (word.len > file.len && begins(word, file, separator))
            place = word.data + word.len;
    }
    return place;
}

// `argument` with `id` put in at `place`, which is inside it or at its end.
static bool add_word(struct assay_canary_bed *bed, const char **items, size_t *count,
        const char *place, const char *id)
{
    for (size_t i = 0; i < *count; i++) {
        const char *text = items[i];

        if (place < text || place > text + strlen(text))
            continue;
        if (strpbrk(text, " \t\n") == NULL) { // a word of its own
            memmove(items + i + 2, items + i + 1, (*count - i - 1) * sizeof(*items));
            items[i + 1] = id;
            (*count)++;
            return true;
        }
        // Behind the quote that closes the word, if one does.
        place += *place == '\'' || *place == '"';
        items[i] = assay_canary_print(bed, "%.*s '%s'%s", (int)(place - text), text, id, place);
        return true;
    }
    return false;
}

static struct assay_text base_of(struct assay_text path)
{
    struct assay_text head;

    (void)assay_text_split_last(&path, "/", &head);
    return path;
}

// Does the command name tests of a canary's file by another path than the ids do? Which of the
// canaries it reaches cannot be told then.
static bool is_unclear(const struct assay_canary_bed *bed)
{
    struct words words = {.argv = &bed->argv};
    struct assay_text rest;

    while (next_word(&words, &rest)) {
        struct assay_text path;

        if (!assay_text_split(&rest, "::", &path))
            continue;
        for (size_t i = 0; i < bed->count; i++) {
            const struct assay_text file = file_of(bed->items[i].id, "::", 0);
            const struct assay_text a = base_of(path), b = base_of(file);

            if (a.len == b.len && memcmp(a.data, b.data, a.len) == 0 &&
                    (path.len != file.len || memcmp(path.data, file.data, path.len) != 0))
                return true;
        }
    }
    return false;
}

void assay_canary_name_in_command(
        struct assay_canary_bed *bed, const char *separator, size_t from_end)
{
    const char **items =
            assay_arena_array(bed->arena, bed->argv.count + bed->count + 1, sizeof(*items));
    size_t count = bed->argv.count;

    if (from_end == 0 && is_unclear(bed)) {
        bed->count = bed->file_count = 0;
        return;
    }
    if (items == NULL) {
        bed->no_memory = true;
        return;
    }
    for (size_t i = 0; i < count; i++)
        items[i] = bed->argv.items[i];
    bed->argv.items = items;
    for (size_t i = 0; i < bed->count; i++) {
        const char *place = place_of(bed, bed->items[i].id, separator, from_end);

        if (place != NULL && add_word(bed, items, &count, place, bed->items[i].id))
            bed->argv.count = count;
    }
}
