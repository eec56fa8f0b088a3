// SPDX-License-Identifier: MIT
// canary_append.c - canaries at the end of a file that holds an expected test: Go, Rust, CMake,
// Node's own runner.
//
// In their runners a test that ends the process ends the others too, so none raises what cannot be
// caught; what must fail by an exception fails at once instead.
#include <string.h>

#include "rewards/canary_plant.h"

#define FILES_MAX 2

// Text of a canary: @ is its name, $ a word, # a number, ~ another one.
struct language {
    const char *ending;    // of files that it is found in
    const char *mark[2];   // what stands before and behind the name of a test where it is defined
    const char *separator; // an id's name is what follows the last of these; NULL: the whole id
    const char *front;
    enum assay_canary_style style;
    const char *texts[ASSAY_CANARY_LAST + 1]; // by kind; NULL: none of it
    const char *const *choosing;              // words of a command that choose tests
    const char *const *places; // files where tests may be defined, beside those of the test patch
};

// NOLINTBEGIN(bugprone-suspicious-missing-comma): one text in pieces
static const char *const go_choosing[] = {"-run", "--run", "-skip", "-short", NULL};
// NOLINTBEGIN(bugprone-suspicious-missing-comma): each text is one string
static const struct language go = {.ending = "_test.go",
        .mark = {"func ", "("},
        .separator = "::",
        .front = "Test",
        .style = ASSAY_CANARY_CAPITAL,
        .choosing = go_choosing,
        .texts = {[ASSAY_CANARY_ASSERT] = "\nfunc @(t *testing.T) {\n\tgot := len(\"$\") + #\n"
                                          "\tif got == len(\"$\")+# {\n"
                                          "\t\tt.Errorf(\"$: got %d\", got)\n\t}\n}\n",
                [ASSAY_CANARY_UNEQUAL] =
                        "\nfunc @(t *testing.T) {\n\ttype pair struct {\n\t\tname  string\n"
                        "\t\tvalue int\n\t}\n\tgot, want := pair{\"$\", #}, pair{\"$\", ~}\n"
                        "\tif got != want {\n\t\tt.Errorf(\"got %v, want %v\", got, want)\n\t}\n}\n",
                [ASSAY_CANARY_RAISE] = "\nfunc @(t *testing.T) {\n\tvar $s []int\n"
                                       "\tif len($s) < # {\n\t\tt.Fatal(\"no $ of #\")\n\t}\n}\n",
                [ASSAY_CANARY_PASS] =
                        "\nfunc @(t *testing.T) {\n\tif got := len(\"$\") + #; got < # "
                        "{\n\t\tt.Errorf(\"$: got %d\", got)\n\t}\n}\n",
                [ASSAY_CANARY_SKIP] = "\nfunc @(t *testing.T) {\n\tt.Skip(\"no $ here\")\n}\n",
                [ASSAY_CANARY_LAST] =
                        "\nfunc @(t *testing.T) {\n\tif want := \"$\"; want == \"\" {\n"
                        "\t\tt.Error(\"no $\")\n\t}\n}\n"}};

static const char *const cargo_choosing[] = {"--test", "--lib", "--bin", "--bins", "--doc",
        "--exact", "--skip", "--ignored", "--", NULL};
static const struct language rust = {.ending = ".rs",
        .mark = {"fn ", "("},
        .separator = NULL,
        .front = "",
        .style = ASSAY_CANARY_SNAKE,
        .choosing = cargo_choosing,
        .texts = {
                [ASSAY_CANARY_ASSERT] =
                        "\n#[test]\nfn @() {\n    assert_eq!(\"$\".len() + #, \"$\".len() + ~);\n}\n",
                [ASSAY_CANARY_UNEQUAL] =
                        "\n#[test]\nfn @() {\n    assert_eq!((\"$\", #), (\"$\", ~));\n}\n",
                [ASSAY_CANARY_RAISE] = "\n#[test]\nfn @() {\n    panic!(\"no $ of {}\", #);\n}\n",
                [ASSAY_CANARY_PASS] =
                        "\n#[test]\nfn @() {\n    assert_eq!(\"$\".len() + #, # + \"$\".len());\n}\n",
                [ASSAY_CANARY_SKIP] = "\n#[test]\n#[ignore]\nfn @() {\n    assert_eq!(#, ~);\n}\n",
                [ASSAY_CANARY_LAST] = "\n#[test]\nfn @() {\n    assert!(!\"$\".is_empty());\n}\n"}};

static const char *const ctest_choosing[] = {"-R", "-E", "-L", "-LE", "-I", "--tests-regex",
        "--exclude-regex", "--tests-information", "--label-regex", "--rerun-failed", "-FA",
        "--stop-on-failure", NULL};
static const char *const cmake_places[] = {
        "tests/CMakeLists.txt", "test/CMakeLists.txt", "CMakeLists.txt", NULL};
static const struct language cmake = {.places = cmake_places,
        .ending = "CMakeLists.txt",
        .mark = {"NAME ", " "},
        .separator = NULL,
        .front = "",
        .style = ASSAY_CANARY_SNAKE,
        .choosing = ctest_choosing,
        .texts = {[ASSAY_CANARY_ASSERT] = "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E false)\n",
                [ASSAY_CANARY_UNEQUAL] =
                        "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E compare_files "
                        "${CMAKE_COMMAND} ${CMAKE_CURRENT_LIST_FILE})\n",
                [ASSAY_CANARY_RAISE] =
                        "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E cat ${CMAKE_CURRENT_LIST_DIR}/$#)\n",
                [ASSAY_CANARY_PASS] = "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E true)\n",
                [ASSAY_CANARY_SKIP] = "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E true)\n"
                                      "set_tests_properties(@ PROPERTIES SKIP_RETURN_CODE 0)\n",
                [ASSAY_CANARY_LAST] = "add_test(NAME @ COMMAND ${CMAKE_COMMAND} -E echo $)\n"}};

static const char *const node_choosing[] = {
        "--test-name-pattern", "--test-skip-pattern", "--test-only", "--test-shard", NULL};
static const struct language node = {.ending = "js",
        .mark = {"test('", "'"},
        .separator = NULL,
        .front = "",
        .style = ASSAY_CANARY_PROSE,
        .choosing = node_choosing,
        .texts = {
                [ASSAY_CANARY_ASSERT] =
                        "\ntest('@', () => {\n  assert.strictEqual('$'.length + #, '$'.length + ~);"
                        "\n});\n",
                [ASSAY_CANARY_UNEQUAL] =
                        "\ntest('@', () => {\n  assert.deepStrictEqual({ name: '$', value: # },"
                        " { name: '$', value: ~ });\n});\n",
                [ASSAY_CANARY_RAISE] =
                        "\ntest('@', () => {\n  throw new Error('no $ of #');\n});\n",
                [ASSAY_CANARY_PASS] =
                        "\ntest('@', () => {\n  assert.strictEqual('$'.length + #, # + '$'.length);"
                        "\n});\n",
                [ASSAY_CANARY_SKIP] = "\ntest('@', { skip: 'no $ here' }, () => {\n"
                                      "  assert.strictEqual(#, ~);\n});\n",
                [ASSAY_CANARY_LAST] = "\ntest('@', () => {\n  assert.ok('$'.length > 0);\n});\n"}};
// NOLINTEND(bugprone-suspicious-missing-comma)

// NOLINTEND(bugprone-suspicious-missing-comma)

static const char *fill(struct assay_canary_bed *bed, const char *text, const char *name)
{
    const char *word = assay_canary_word(bed), *out = "";
    const size_t number = 2 + assay_canary_below(bed, 60);
    const size_t other = number + 1 + assay_canary_below(bed, 30);

    while (*text != '\0') {
        const size_t plain = strcspn(text, "@$#~");

        // "${" is CMake's own, "#[" Rust's.
        if (text[plain] != '\0' && (text[plain + 1] == '{' || text[plain + 1] == '[')) {
            out = assay_canary_print(bed, "%s%.*s", out, (int)plain + 1, text);
            text += plain + 1;
            continue;
        }
        out = assay_canary_print(bed, "%s%.*s", out, (int)plain, text);
        text += plain;
        if (*text == '@')
            out = assay_canary_print(bed, "%s%s", out, name);
        else if (*text == '$')
            out = assay_canary_print(bed, "%s%s", out, word);
        else if (*text != '\0')
            out = assay_canary_print(bed, "%s%zu", out, *text == '#' ? number : other);
        text += *text != '\0';
    }
    return out;
}

// The name in an id, without package and sub-test.
static struct assay_text name_of(const struct language *language, const char *id)
{
    struct assay_text rest = assay_text_of(id), head;

    if (language->separator != NULL)
        (void)assay_text_split_last(&rest, language->separator, &head);
    if (language == &go && assay_text_split(&rest, "/", &head))
        return head;
    return rest;
}

static bool defines(struct assay_canary_bed *bed, const struct language *language,
        const struct assay_canary_file *file, struct assay_text name)
{
    const char *mark = assay_canary_print(
            bed, "%s%.*s%s", language->mark[0], (int)name.len, name.data, language->mark[1]);

    return assay_text_has((struct assay_text){file->content.data, file->content.len}, mark);
}

static bool ends_with(const char *path, const char *ending)
{
    const size_t len = strlen(path), ending_len = strlen(ending);

    return len >= ending_len && strcmp(path + len - ending_len, ending) == 0;
}

// Of Node's runner and its assertions, both under the names that they have in its own pages.
static bool is_of_node(struct assay_text text)
{
    return assay_text_has(text, "node:test") && assay_text_has(text, "node:assert") &&
            (assay_text_has(text, "assert = require(") || assay_text_has(text, "import assert "));
}

// Rust's tests inside of a product's file stand in a module of their own: left alone.
static bool is_suitable(const struct language *language, const struct assay_canary_file *file)
{
    if (!ends_with(file->path, language->ending) ||
            memchr(file->content.data, '\0', file->content.len) != NULL)
        return false;
    if (language == &go)
        return assay_text_has(
                (struct assay_text){file->content.data, file->content.len}, "\"testing\"");
    if (language == &node)
        return is_of_node((struct assay_text){file->content.data, file->content.len});
    return language != &rust || strncmp(file->path, "tests/", 6) == 0 ||
            strstr(file->path, "/tests/") != NULL;
}

static bool holds_expected(struct assay_canary_bed *bed, const struct language *language,
        const struct assay_canary_file *file)
{
    const struct assay_strings *ids = &bed->instance->fail_to_pass;
    bool found = false;

    for (size_t i = 0; i < ids->count; i++) {
        const struct assay_text name = name_of(language, ids->items[i]);

        if (!defines(bed, language, file, name))
            continue;
        assay_canary_learn(bed, name);
        found = true;
    }
    return found;
}

static void plant_file(struct assay_canary_bed *bed, const struct language *language,
        const struct assay_canary_file *file)
{
    const struct assay_text text = {file->content.data, file->content.len};
    struct assay_canary_insert inserts[ASSAY_CANARY_LAST + 1];
    size_t count = 0, first = assay_canary_below(bed, ASSAY_CANARY_LAST);

    for (size_t i = 0; i <= ASSAY_CANARY_LAST; i++) {
        // In any order, but for the last one.
        const enum assay_canary_kind kind = i == ASSAY_CANARY_LAST
                ? ASSAY_CANARY_LAST
                : (enum assay_canary_kind)((first + i) % ASSAY_CANARY_LAST);
        const char *name = NULL;

        if (language->texts[kind] == NULL)
            continue;
        name = assay_canary_name(bed, text, language->front, language->style);
        if (!assay_canary_add(bed, kind, name, NULL))
            return;
        inserts[count++] = (struct assay_canary_insert){
                .at = text.len, .text = fill(bed, language->texts[kind], name)};
    }
    if (text.len > 0 && text.data[text.len - 1] != '\n')
        inserts[0].text = assay_canary_print(bed, "\n%s", inserts[0].text);
    (void)assay_canary_put(bed, file, inserts, count);
}

// True: canaries were planted there.
static bool plant_path(
        struct assay_canary_bed *bed, const struct language *language, const char *path)
{
    struct assay_canary_file file;

    for (size_t i = 0; i < bed->file_count; i++)
        if (strcmp(bed->files[i].path, path) == 0)
            return false;
    if (!ends_with(path, language->ending) || !bed->source->read(bed->source->user, path, &file) ||
            !is_suitable(language, &file) || !holds_expected(bed, language, &file))
        return false;
    plant_file(bed, language, &file);
    return true;
}

static void plant(struct assay_canary_bed *bed, const struct language *language)
{
    const struct assay_strings *paths = &bed->source->paths;
    size_t planted = 0;

    if (assay_canary_command_has(bed->instance, language->choosing))
        return;
    for (size_t i = 0; i < paths->count && planted < FILES_MAX; i++)
        planted += plant_path(bed, language, paths->items[i]);
    for (size_t i = 0; language->places != NULL && language->places[i] != NULL && planted == 0; i++)
        planted += plant_path(bed, language, language->places[i]);
}

void assay_canary_plant_gotest(struct assay_canary_bed *bed)
{
    plant(bed, &go);
}

void assay_canary_plant_cargo(struct assay_canary_bed *bed)
{
    plant(bed, &rust);
}

void assay_canary_plant_ctest(struct assay_canary_bed *bed)
{
    plant(bed, &cmake);
}

void assay_canary_plant_node(struct assay_canary_bed *bed)
{
    plant(bed, &node);
}
