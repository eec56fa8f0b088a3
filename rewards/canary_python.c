// SPDX-License-Identifier: MIT
// canary_python.c - canaries among Python tests: pytest and unittest.
//
// They are put in behind functions of expected tests, in the module or class of
// those. A copy stands behind its original and sorts behind it: what the first
// of the two leaves behind may make the second fail, which a copy must do anyhow.
#include "rewards/canary_python.h"

#include <stdint.h>
#include <string.h>

#include "rewards/match.h"

#define FILES_MAX 2
#define NAME_TRIES 48
#define SLOTS_MAX 64
#define COPIES_MAX 4 // of a file; first of tests that the patch has to mend
#define OTHERS_MAX 1
#define INSERTS_MAX 24
#define SAYS_BYTES_MAX 200 // of a changed line, for people

// A function of an expected test.
struct slot {
    const struct assay_python_block *function;
    const char *front; // of the id, up to the function's name
    const char *id;    // NULL: the function is more tests than one
    bool to_mend;      // of FAIL_TO_PASS
};

struct python_file {
    struct assay_canary_file file;
    const char *key; // module or path in the ids
    struct assay_python_source source;
    bool bearable;
    struct slot slots[SLOTS_MAX];
    size_t slot_count;
    struct assay_canary_insert inserts[INSERTS_MAX];
    size_t insert_count;
};

struct python_bed {
    struct assay_canary_bed *bed;
    bool unittest;
    struct python_file *files; // in the arena
    size_t file_count;
    const char *missed; // key of the last file that was not found
};

// --- finding the functions of expected tests ----------------------------------------------------

// An id in its parts, all inside it.
struct python_id {
    const char *key;               // the path, or the module, in the arena
    struct assay_text owner, name; // owner: class, may be empty
    const char *front;             // up to the name, in the arena
    const char *id;                // NULL when the test has parameters
};

static bool split_pytest(struct assay_canary_bed *bed, const char *id, struct python_id *out)
{
    struct assay_text rest = assay_text_of(id), path;
    const char *bracket = NULL;

    if (!assay_text_split(&rest, "::", &path))
        return false;
    bracket = memchr(rest.data, '[', rest.len);
    if (bracket != NULL)
        rest.len = (size_t)(bracket - rest.data);
    out->name = rest;
    out->owner = (struct assay_text){"", 0};
    if (assay_text_split(&rest, "::", &out->owner))
        out->name = rest;
    if (assay_text_has(out->name, "::"))
        return false; // a class in a class
    out->key = assay_canary_print(bed, "%.*s", (int)path.len, path.data);
    out->front = assay_canary_print(bed, "%.*s", (int)(out->name.data - id), id);
    out->id = bracket == NULL ? id : NULL;
    return true;
}

static bool split_unittest(struct assay_canary_bed *bed, const char *id, struct python_id *out)
{
    const char *full = assay_match_unittest_id(bed->arena, id);
    struct assay_text rest, head, module;

    if (full == NULL)
        full = id;
    rest = assay_text_of(full);
    if (!assay_text_split_last(&rest, ".", &head))
        return false;
    out->name = rest;
    rest = head;
    if (!assay_text_split_last(&rest, ".", &module))
        return false;
    out->owner = rest;
    out->key = assay_canary_print(bed, "%.*s", (int)module.len, module.data);
    out->front = assay_canary_print(bed, "%.*s.", (int)head.len, head.data);
    out->id = full;
    return true;
}

static bool find_module(
        struct assay_canary_bed *bed, const char *module, struct assay_canary_file *out)
{
    char *path = assay_arena_printf(bed->arena, "%s.py", module);

    if (path == NULL) {
        bed->no_memory = true;
        return false;
    }
    for (size_t i = 0; module[i] != '\0'; i++)
        if (path[i] == '.')
            path[i] = '/';
    return assay_canary_find_file(bed, path, out);
}

// Marks that would give each test of the file parameters, or choose tests by hand.
static bool is_bearable(const struct python_file *file, bool unittest)
{
    const struct assay_python_source *source = &file->source;
    const struct assay_text load_tests = assay_text_of("load_tests");

    if (!source->sound)
        return false;
    for (size_t i = 0; i < source->line_count; i++) {
        const struct assay_text line = assay_python_line_text(source, i, 0);

        if (source->lines[i].logical && assay_text_has(line, "pytestmark"))
            return false;
    }
    return !unittest || assay_python_find(source, (struct assay_text){"", 0}, load_tests) == NULL;
}

static struct python_file *open_file(struct python_bed *python, const char *key)
{
    struct python_file *file = NULL;

    for (size_t i = 0; i < python->file_count; i++)
        if (strcmp(python->files[i].key, key) == 0)
            return &python->files[i];
    if (python->file_count == FILES_MAX ||
            (python->missed != NULL && strcmp(python->missed, key) == 0))
        return NULL;
    python->missed = key;
    file = &python->files[python->file_count];
    memset(file, 0, sizeof(*file));
    file->key = key;
    if (!(python->unittest ? find_module(python->bed, key, &file->file)
                           : assay_canary_find_file(python->bed, key, &file->file)))
        return NULL;
    if (!assay_python_source_read(&file->source,
                (struct assay_text){file->file.content.data, file->file.content.len},
                python->bed->arena)) {
        python->bed->no_memory = true;
        return NULL;
    }
    file->bearable = is_bearable(file, python->unittest);
    python->file_count++;
    return file;
}

static void add_slot(struct python_bed *python, const char *id, bool to_mend)
{
    struct python_id parts = {0};
    struct python_file *file = NULL;
    const struct assay_python_block *function = NULL;

    if (!(python->unittest ? split_unittest : split_pytest)(python->bed, id, &parts))
        return;
    file = open_file(python, parts.key);
    if (file == NULL || file->slot_count == SLOTS_MAX || !file->bearable)
        return;
    function = assay_python_find(&file->source, parts.owner, parts.name);
    if (function == NULL || function->is_class)
        return;
    if (function->owner != SIZE_MAX && file->source.blocks[function->owner].decorated)
        return;
    for (size_t i = 0; i < file->slot_count; i++)
        if (file->slots[i].function == function)
            return;
    assay_canary_learn(python->bed, parts.name);
    file->slots[file->slot_count++] = (struct slot){function, parts.front, parts.id, to_mend};
}

// --- planting -----------------------------------------------------------------------------------

static struct assay_text text_of(const struct python_file *file)
{
    return file->source.text;
}

static const char *new_name(struct python_bed *python, const struct python_file *file)
{
    return assay_canary_name(python->bed, text_of(file), "test_", ASSAY_CANARY_SNAKE);
}

// Do the tests of this slot's class say self.assert...?
static bool says_self(
        const struct python_bed *python, const struct python_file *file, const struct slot *slot)
{
    const struct assay_python_source *source = &file->source;
    const struct assay_python_block *owner = NULL;
    size_t begin = 0;

    if (slot->function->owner == SIZE_MAX)
        return false;
    if (python->unittest)
        return true;
    owner = &source->blocks[slot->function->owner];
    begin = source->lines[owner->body_line].begin;
    return assay_text_has((struct assay_text){source->text.data + begin,
                                  source->lines[owner->last_line].end - begin},
            "self.assert");
}

// Put `text` in behind the slot's function.
static bool put_behind(struct python_bed *python, struct python_file *file, const struct slot *slot,
        const char *text)
{
    const struct assay_text all = text_of(file);
    size_t at = file->source.lines[slot->function->last_line].end;

    if (file->insert_count == INSERTS_MAX)
        return false;
    while (at < all.len && all.data[at++] != '\n')
        ;
    // A last line without its end would go on in the canary.
    if (at == all.len && all.data[at - 1] != '\n')
        text = assay_canary_print(python->bed, "\n%s", text);
    file->inserts[file->insert_count++] = (struct assay_canary_insert){.at = at, .text = text};
    return true;
}

static struct slot *any_slot(struct python_bed *python, struct python_file *file)
{
    return &file->slots[assay_canary_below(python->bed, file->slot_count)];
}

static const char *lines_of(struct python_bed *python, const struct python_file *file,
        enum assay_canary_kind kind, bool self)
{
    switch (kind) {
    case ASSAY_CANARY_ASSERT:
        return assay_python_assert_lines(python->bed, self);
    case ASSAY_CANARY_UNEQUAL:
        return assay_python_unequal_lines(python->bed, self);
    case ASSAY_CANARY_RAISE:
        return assay_python_raise_lines(python->bed, self);
    case ASSAY_CANARY_SKIP:
        return assay_python_skip_lines(python->bed, self, text_of(file));
    case ASSAY_CANARY_PASS:
    case ASSAY_CANARY_LAST:
    case ASSAY_CANARY_COPY:
        break;
    }
    return assay_python_pass_lines(python->bed, self);
}

// `lines` NULL: those of the kind.
static void plant_at(struct python_bed *python, struct python_file *file, const struct slot *slot,
        enum assay_canary_kind kind, const char *name, const char *lines)
{
    struct assay_canary_bed *bed = python->bed;
    const bool self = says_self(python, file, slot);

    if (lines == NULL)
        lines = lines_of(python, file, kind, self);
    if (put_behind(python, file, slot,
                assay_python_function(bed, &file->source, slot->function, name, lines)))
        (void)assay_canary_add(bed, kind, assay_canary_print(bed, "%s%s", slot->front, name), NULL);
}

static void plant_kind(
        struct python_bed *python, struct python_file *file, enum assay_canary_kind kind)
{
    plant_at(python, file, any_slot(python, file), kind, new_name(python, file), NULL);
}

// An assertion of the suite's own kind.
static void plant_used(struct python_bed *python, struct python_file *file)
{
    const struct slot *slot = any_slot(python, file);
    const char *lines =
            assay_python_used_lines(python->bed, says_self(python, file, slot), text_of(file));

    if (lines != NULL)
        plant_at(python, file, slot, ASSAY_CANARY_ASSERT, new_name(python, file), lines);
}

// Where a copy of the test at `original` may stand: behind it, in the same module or class.
static const struct slot *slot_for_copy(
        struct python_bed *python, struct python_file *file, const struct slot *original)
{
    const struct slot *chosen = original;
    size_t seen = 0;

    for (size_t i = 0; i < file->slot_count; i++) {
        const struct slot *slot = &file->slots[i];

        if (slot->function->owner == original->function->owner &&
                slot->function->first_line >= original->function->first_line &&
                assay_canary_once_in(python->bed, ++seen))
            chosen = slot;
    }
    return chosen;
}

// Behind its original in the order of the text, and in that of names.
static const char *name_of_copy(
        struct python_bed *python, const struct python_file *file, const struct slot *slot)
{
    struct assay_canary_bed *bed = python->bed;
    const struct assay_text name = slot->function->name;
    const char *own = assay_canary_print(bed, "%.*s", (int)name.len, name.data);

    // Whoever goes by a part of the name takes such a copy for the test itself.
    if (slot->to_mend && assay_canary_once_in(bed, 2))
        return assay_canary_name(
                bed, text_of(file), assay_canary_print(bed, "%s_", own), ASSAY_CANARY_SNAKE);
    for (unsigned i = 0; i < NAME_TRIES; i++) {
        const char *other = new_name(python, file);

        // Pytest goes by the text, but for unittest's classes.
        if (strcmp(other, own) > 0 || (!python->unittest && slot->function->owner == SIZE_MAX))
            return other;
    }
    return assay_canary_name(
            bed, text_of(file), assay_canary_print(bed, "%s_", own), ASSAY_CANARY_SNAKE);
}

static bool plant_copy(struct python_bed *python, struct python_file *file, const struct slot *slot)
{
    struct assay_canary_bed *bed = python->bed;
    const char *name = NULL, *text = NULL, *says = NULL;

    if (slot->id == NULL)
        return false;
    name = name_of_copy(python, file, slot);
    text = assay_python_copy(bed, &file->source, slot->function, name, &says);
    if (text == NULL || !put_behind(python, file, slot_for_copy(python, file, slot), text) ||
            !assay_canary_add(bed, ASSAY_CANARY_COPY,
                    assay_canary_print(bed, "%s%s", slot->front, name), slot->id))
        return false;
    bed->items[bed->count - 1].says =
            assay_canary_print(bed, "%.*s", SAYS_BYTES_MAX, says + strspn(says, " \t"));
    return true;
}

// Of tests that the patch has to mend as many as may be, and one of the others.
static void plant_copies(struct python_bed *python, struct python_file *file)
{
    const size_t first = assay_canary_below(python->bed, file->slot_count);
    size_t made = 0, others = 0;

    for (unsigned pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < file->slot_count && made < COPIES_MAX && others < OTHERS_MAX; i++) {
            const struct slot *slot = &file->slots[(first + i) % file->slot_count];

            if (slot->to_mend != (pass == 0) || !plant_copy(python, file, slot))
                continue;
            made++;
            others += pass;
        }
}

// Behind the last of the expected tests, in the order of the text and of names.
static void plant_last(struct python_bed *python, struct python_file *file)
{
    const struct slot *last = &file->slots[0];
    const char *name = new_name(python, file);

    for (size_t i = 1; i < file->slot_count; i++)
        if (file->slots[i].function->first_line > last->function->first_line)
            last = &file->slots[i];
    for (unsigned i = 0; i < 8; i++) {
        const char *other = new_name(python, file);

        if (strcmp(other, name) > 0)
            name = other;
    }
    plant_at(python, file, last, ASSAY_CANARY_LAST, name, NULL);
}

static struct python_file *any_file(struct python_bed *python)
{
    return &python->files[assay_canary_below(python->bed, python->file_count)];
}

static void plant(struct python_bed *python)
{
    static const enum assay_canary_kind kinds[] = {ASSAY_CANARY_ASSERT, ASSAY_CANARY_UNEQUAL,
            ASSAY_CANARY_RAISE, ASSAY_CANARY_PASS, ASSAY_CANARY_SKIP};
    struct python_file *last = &python->files[0];

    for (size_t i = 0; i < python->file_count; i++) {
        plant_copies(python, &python->files[i]);
        if (strcmp(python->files[i].key, last->key) > 0)
            last = &python->files[i];
    }
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        plant_kind(python, any_file(python), kinds[i]);
    plant_used(python, any_file(python));
    plant_last(python, last);
    for (size_t i = 0; i < python->file_count; i++)
        (void)assay_canary_put(python->bed, &python->files[i].file, python->files[i].inserts,
                python->files[i].insert_count);
}

// Files without a slot hold no canary.
static void drop_empty_files(struct python_bed *python)
{
    size_t kept = 0;

    for (size_t i = 0; i < python->file_count; i++) {
        if (python->files[i].slot_count == 0)
            continue;
        if (kept < i)
            python->files[kept] = python->files[i];
        kept++;
    }
    python->file_count = kept;
}

static void plant_python(struct assay_canary_bed *bed, bool unittest)
{
    const struct assay_instance *instance = bed->instance;
    struct python_bed python = {.bed = bed, .unittest = unittest};

    python.files = assay_arena_array(bed->arena, FILES_MAX, sizeof(*python.files));
    if (python.files == NULL) {
        bed->no_memory = true;
        return;
    }
    for (size_t i = 0; i < instance->fail_to_pass.count; i++)
        add_slot(&python, instance->fail_to_pass.items[i], true);
    for (size_t i = 0; i < instance->pass_to_pass.count; i++)
        add_slot(&python, instance->pass_to_pass.items[i], false);
    drop_empty_files(&python);
    if (python.file_count > 0 && !assay_canary_command_chooses(instance)) {
        plant(&python);
        assay_canary_name_in_command(bed, unittest ? "." : "::", unittest ? 2 : 0);
    }
}

void assay_canary_plant_pytest(struct assay_canary_bed *bed)
{
    plant_python(bed, false);
}

void assay_canary_plant_unittest(struct assay_canary_bed *bed)
{
    plant_python(bed, true);
}
