// SPDX-License-Identifier: MIT
// protect.c - the table of what each framework reads, and what an instance adds to it.
#include "rewards/protect.h"

#include <string.h>

#include "rewards/match.h"
#include "rewards/reader.h"
#include "tasks/patch.h"

#define GLOBS_MAX 4096
#define COMMAND_WORDS_MAX 64
#define RECENT 8

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

// Tests of one file, and files of one folder, stand beside each other.
static bool is_recent(const struct list *list, const char *glob)
{
    const size_t first = list->count > RECENT ? list->count - RECENT : 0;

    for (size_t i = first; i < list->count; i++)
        if (strcmp(list->items[i], glob) == 0)
            return true;
    return false;
}

static void push(struct list *list, const char *glob)
{
    if (glob == NULL)
        list->no_memory = true;
    else if (list->count < GLOBS_MAX && !is_recent(list, glob))
        list->items[list->count++] = glob;
}

static bool begin_list(struct list *list, struct assay_arena *arena)
{
    *list = (struct list){.arena = arena};
    list->items = assay_arena_array(arena, GLOBS_MAX, sizeof(*list->items));
    return list->items != NULL;
}

// --- what an instance adds ----------------------------------------------------------------------

// A '*' or '?' in a path would be one of the glob's.
static bool is_plain(struct assay_text path)
{
    return path.len > 0 && memchr(path.data, '*', path.len) == NULL &&
            memchr(path.data, '?', path.len) == NULL;
}

static bool is_test_folder(struct assay_text name)
{
    static const char *const names[] = {"test", "tests", "t", "spec", "specs", "__tests__",
            "unittests", "testsuite", "testdata"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (assay_text_is(name, names[i]))
            return true;
    return false;
}

// The folder of tests that the path is in, with all that is in it. Other folders hold products,
// too.
static void push_folder(struct list *list, const char *front, struct assay_text path)
{
    size_t begin = 0;

    for (size_t i = 0; i < path.len; i++) {
        if (path.data[i] != '/')
            continue;
        if (is_test_folder((struct assay_text){path.data + begin, i - begin})) {
            push(list, assay_arena_printf(list->arena, "%s%.*s/**", front, (int)i, path.data));
            return;
        }
        begin = i + 1;
    }
}

// A file of tests, wherever its path begins, and its folder.
static void push_test_file(struct list *list, struct assay_text path)
{
    if (!is_plain(path))
        return;
    push(list, assay_arena_printf(list->arena, "**/%.*s", (int)path.len, path.data));
    push_folder(list, "**/", path);
}

// "path::test". Next to each other in the lists are tests of one file.
static void push_test_paths(struct list *list, const struct assay_strings *ids)
{
    struct assay_text before = {"", 0};

    for (size_t i = 0; i < ids->count; i++) {
        struct assay_text rest = assay_text_of(ids->items[i]), path;

        if (!assay_text_split(&rest, "::", &path) ||
                (path.len == before.len && memcmp(path.data, before.data, path.len) == 0))
            continue;
        before = path;
        push_test_file(list, path);
    }
}

// "a.b.Class.test" is in a/b.py.
static void push_test_module(struct list *list, const char *id)
{
    const char *full = assay_match_unittest_id(list->arena, id);
    char *path = assay_arena_printf(list->arena, "%s", full != NULL ? full : id);

    if (path == NULL) {
        list->no_memory = true;
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        char *dot = strrchr(path, '.');

        if (dot == NULL)
            return;
        *dot = '\0';
    }
    for (char *at = path; *at != '\0'; at++)
        if (*at == '.')
            *at = '/';
    path = assay_arena_printf(list->arena, "%s.py", path);
    if (path != NULL)
        push_test_file(list, assay_text_of(path));
    else
        list->no_memory = true;
}

static void push_tests(struct list *list, const struct assay_instance *instance)
{
    const struct assay_strings *const lists[] = {&instance->fail_to_pass, &instance->pass_to_pass};

    for (size_t i = 0; i < 2; i++) {
        if (strcmp(instance->framework, "unittest") != 0) {
            push_test_paths(list, lists[i]);
            continue;
        }
        for (size_t j = 0; j < lists[i]->count; j++)
            push_test_module(list, lists[i]->items[j]);
    }
}

// "run.sh", "tests/run.py", "./check" of the command, or of a script in it.
static void push_command(struct list *list, const struct assay_instance *instance)
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
            push(list, assay_arena_printf(list->arena, "%.*s", (int)word.len, word.data));
        }
    }
}

// A patch that cannot be read changes nothing.
static const struct assay_patch *read_patch(
        const struct assay_bytes *text, struct assay_arena *arena)
{
    struct assay_patch *patch = NULL;

    if (text->data == NULL ||
            assay_patch_parse(&patch, text->data, text->len, arena, NULL) != ASSAY_OK)
        return NULL;
    return patch;
}

static void push_patch(struct list *list, const struct assay_patch *patch, bool folders)
{
    for (size_t i = 0; patch != NULL && i < patch->file_count; i++) {
        const char *const paths[] = {patch->files[i].old_path, patch->files[i].new_path};

        for (size_t j = 0; j < 2; j++) {
            if (paths[j] == NULL)
                continue;
            if (!folders)
                push(list, paths[j]);
            else if (is_plain(assay_text_of(paths[j])))
                push_folder(list, "", assay_text_of(paths[j]));
        }
    }
}

static struct assay_strings finished(const struct list *list)
{
    return (struct assay_strings){list->items, list->count};
}

enum assay_status assay_protection_make(struct assay_protection *out,
        const struct assay_instance *instance, struct assay_arena *arena, struct assay_error *err)
{
    struct list globs, partly, tests, exempt;

    if (!begin_list(&globs, arena) || !begin_list(&partly, arena) || !begin_list(&tests, arena) ||
            !begin_list(&exempt, arena))
        return assay_fail(err, ASSAY_ENOMEM, "no memory for protected files");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].framework, instance->framework) != 0)
            continue;
        for (const char *const *glob = rows[i].globs; *glob != NULL; glob++)
            push(&globs, *glob);
        for (const char *const *glob = rows[i].partly; *glob != NULL; glob++)
            push(&partly, *glob);
    }
    push_tests(&tests, instance);
    push_command(&tests, instance);
    push_patch(&tests, read_patch(&instance->test_patch, arena), true);
    push_patch(&exempt, read_patch(&instance->gold_patch, arena), false);
    if (tests.no_memory)
        return assay_fail(err, ASSAY_ENOMEM, "no memory for protected files");
    *out = (struct assay_protection){
            finished(&globs), finished(&partly), finished(&tests), finished(&exempt)};
    return ASSAY_OK;
}
