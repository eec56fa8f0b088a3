// SPDX-License-Identifier: MIT
// protect.c - the table of what each framework reads, and what an instance adds to it.
#include "rewards/protect.h"

#include <string.h>

#include "rewards/match.h"
#include "rewards/reader.h"
#include "tasks/patch.h"

#define GLOBS_MAX 4096
#define COMMAND_WORDS_MAX 64

// Python loads these at start; a package's entry points name plugins that pytest loads.
#define PYTHON_START                                                                               \
    "**/sitecustomize.py", "**/usercustomize.py", "sitecustomize/**", "usercustomize/**",          \
            "**/*.pth", "**/pyvenv.cfg", "**/*.dist-info/**", "**/*.egg-info/**"
// In the working folder they would take the place of what they are named after.
#define PYTHON_SHADOWS                                                                             \
    "**/assay_*.py", "**/assay_*/**", "**/unittest.py", "**/unittest/__init__.py",                 \
            "**/unittest/__main__.py"

static const char *const pytest_globs[] = {"**/conftest.py", "**/conftest/**", "**/pytest.ini",
        "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml", "**/.coveragerc", "**/pytest.py",
        "**/pytest/__init__.py", "**/_pytest/**", "**/pluggy.py", "**/pluggy/**", "**/iniconfig.py",
        "**/iniconfig/**", PYTHON_START, PYTHON_SHADOWS, NULL};
static const char *const pytest_partly[] = {
        "**/tox.ini", "**/setup.cfg", "**/pyproject.toml", NULL};
static const char *const unittest_globs[] = {PYTHON_START, PYTHON_SHADOWS, NULL};
static const char *const make_partly[] = {"**/Makefile", "**/makefile", "**/GNUmakefile", "**/*.mk",
        "**/CMakeLists.txt", "**/*.cmake", NULL};
static const char *const tap_globs[] = {"**/.proverc", "**/*.t", NULL};
static const char *const ctest_globs[] = {"**/CTestCustom.cmake", "**/CTestConfig.cmake",
        "**/CTestTestfile.cmake", "**/DartConfiguration.tcl", "**/CMakePresets.json",
        "**/CMakeUserPresets.json", "**/CMakeCache.txt", NULL};
// Every test file of a package is in one program with the others, TestMain among them.
static const char *const go_globs[] = {
        "**/*_test.go", "**/go.work", "**/go.env", "**/testdata/**", NULL};
static const char *const go_partly[] = {"**/go.mod", NULL};
static const char *const cargo_globs[] = {"**/build.rs", "**/.cargo/**", "**/rust-toolchain",
        "**/rust-toolchain.toml", "tests/**", "**/tests/**", NULL};
static const char *const cargo_partly[] = {"**/Cargo.toml", NULL};
static const char *const node_globs[] = {"**/jest.config.*", "**/vitest.config.*", "**/.mocharc*",
        "**/karma.conf.*", "**/ava.config.*", "**/.npmrc", "**/.nycrc*", "**/.c8rc*",
        "**/node_modules/**", "**/*.test.*", "**/*.spec.*", "**/*_test.*", "**/*-test.*",
        "**/test.js", "**/test.mjs", "**/test.cjs", "**/test-*.*", "**/__tests__/**",
        "**/__mocks__/**", "**/test/**", "**/tests/**", NULL};
static const char *const node_partly[] = {"**/package.json", NULL};
static const char *const ruby_globs[] = {"**/Rakefile", "**/rakefile", "**/*.rake", "**/.rspec",
        "**/*_helper.rb", "**/minitest.rb", "**/minitest/**", "**/*_plugin.rb", "**/test_*.rb",
        "**/*_test.rb", "**/*_spec.rb", "test/**", "spec/**", NULL};
static const char *const junit_globs[] = {"**/.mvn/**", "**/gradle.properties",
        "**/gradle/wrapper/**", "**/junit-platform.properties", "**/src/test/**", NULL};
static const char *const none[] = {NULL};

static const struct {
    const char *framework;
    const char *const *globs, *const *partly;
} rows[] = {
        {"pytest", pytest_globs, pytest_partly},
        {"unittest", unittest_globs, none},
        {"tap", tap_globs, make_partly},
        {"tap-log", tap_globs, make_partly},
        {"ctest", ctest_globs, make_partly},
        {"gotest", go_globs, go_partly},
        {"cargo", cargo_globs, cargo_partly},
        {"node", node_globs, node_partly},
        {"minitest", ruby_globs, none},
        {"junit", junit_globs, make_partly},
        {"exit", none, make_partly},
};

struct list {
    const char **items;
    size_t count;
    struct assay_arena *arena;
    bool no_memory;
};

static void push(struct list *list, const char *glob)
{
    if (glob == NULL)
        list->no_memory = true;
    else if (list->count < GLOBS_MAX &&
            (list->count == 0 || strcmp(list->items[list->count - 1], glob) != 0))
        list->items[list->count++] = glob;
}

static bool begin_list(struct list *list, struct assay_arena *arena)
{
    *list = (struct list){.arena = arena};
    list->items = assay_arena_array(arena, GLOBS_MAX, sizeof(*list->items));
    return list->items != NULL;
}

// --- what an instance adds
// ------------------------------------------------------------------------

// Does the gold patch change a file that the glob means?
static bool is_of_gold(const struct assay_patch *gold, const char *glob)
{
    for (size_t i = 0; gold != NULL && i < gold->file_count; i++) {
        const char *const paths[] = {gold->files[i].old_path, gold->files[i].new_path};

        for (size_t j = 0; j < 2; j++)
            if (paths[j] != NULL && assay_glob_match(glob, paths[j]))
                return true;
    }
    return false;
}

// A '*' or '?' in a path would be one of the glob's.
static bool is_plain(struct assay_text path)
{
    return path.len > 0 && memchr(path.data, '*', path.len) == NULL &&
            memchr(path.data, '?', path.len) == NULL;
}

static void push_path(struct list *list, const struct assay_patch *gold, const char *glob)
{
    if (glob == NULL)
        list->no_memory = true;
    else if (!is_of_gold(gold, glob))
        push(list, glob);
}

// "path::test", wherever the path begins. A doctest's id names product code.
static void push_test_path(struct list *list, const struct assay_patch *gold, const char *id)
{
    struct assay_text rest = assay_text_of(id), path;

    if (!assay_text_split(&rest, "::", &path) || !is_plain(path))
        return;
    push_path(list, gold, assay_arena_printf(list->arena, "**/%.*s", (int)path.len, path.data));
}

// "a.b.Class.test" is in a/b.py.
static void push_test_module(struct list *list, const struct assay_patch *gold, const char *id)
{
    const char *full = assay_match_unittest_id(list->arena, id);
    char *glob = assay_arena_printf(list->arena, "**/%s", full != NULL ? full : id);
    char *dot = NULL;

    if (glob == NULL) {
        list->no_memory = true;
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        dot = strrchr(glob, '.');
        if (dot == NULL)
            return;
        *dot = '\0';
    }
    for (char *at = glob + 3; *at != '\0'; at++)
        if (*at == '.')
            *at = '/';
    if (is_plain(assay_text_of(glob + 3)))
        push_path(list, gold, assay_arena_printf(list->arena, "%s.py", glob));
}

static void push_tests(
        struct list *list, const struct assay_instance *instance, const struct assay_patch *gold)
{
    const struct assay_strings *const lists[] = {&instance->fail_to_pass, &instance->pass_to_pass};
    const bool modules = strcmp(instance->framework, "unittest") == 0;

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < lists[i]->count; j++)
            (modules ? push_test_module : push_test_path)(list, gold, lists[i]->items[j]);
}

// "run.sh", "tests/run.py", "./check" of the command, or of a script in it.
static void push_command(
        struct list *list, const struct assay_instance *instance, const struct assay_patch *gold)
{
    size_t pushed = 0;

    for (size_t i = 0; i < instance->test_cmd.count; i++) {
        for (const char *at = instance->test_cmd.items[i]; *at != '\0';) {
            struct assay_text word = {at, strcspn(at, " \t\n;&|()<>'\"=")};

            at += word.len + (at[word.len] != '\0');
            while (assay_text_skip(&word, "./"))
                ;
            if (!is_plain(word) || word.data[0] == '/' || word.data[0] == '-' ||
                    memchr(word.data, '.', word.len) == NULL || pushed == COMMAND_WORDS_MAX)
                continue;
            pushed++;
            push_path(
                    list, gold, assay_arena_printf(list->arena, "%.*s", (int)word.len, word.data));
        }
    }
}

enum assay_status assay_protection_make(struct assay_protection *out,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err)
{
    struct list globs, partly;
    struct assay_patch *gold = NULL;

    if (!begin_list(&globs, arena) || !begin_list(&partly, arena))
        return assay_fail(err, ASSAY_ENOMEM, "no memory for protected files");
    // A gold patch that cannot be read changes nothing.
    if (instance->gold_patch.data != NULL &&
            assay_patch_parse(&gold, instance->gold_patch.data, instance->gold_patch.len, arena,
                    NULL) != ASSAY_OK)
        gold = NULL;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].framework, instance->framework) != 0)
            continue;
        for (const char *const *glob = rows[i].globs; *glob != NULL; glob++)
            push(&globs, *glob);
        for (const char *const *glob = rows[i].partly; *glob != NULL; glob++)
            push(&partly, *glob);
    }
    push_tests(&globs, instance, gold);
    push_command(&globs, instance, gold);
    if (globs.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for protected files");
    out->globs = (struct assay_strings){globs.items, globs.count};
    out->partly = (struct assay_strings){partly.items, partly.count};
    return ASSAY_OK;
}
