// SPDX-License-Identifier: MIT
#include "orchestrator/mine_releases.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"
#include "orchestrator/registries.h"

#define JSON_BYTES_MAX ((size_t)64 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NO_TESTS "no two neighbouring releases bring tests"
#define NO_NEIGHBOURS "there is one release"
#define NO_ARCHIVES "no source archives"
#define NO_PATCHES "no patches"
#define NO_TOLD "no patch changes both tests and something else"
#define ID_MAX 200 // of an instance

static const char pypi[] = "pypi:";
static const char debian[] = "debian:";
static const char series[] = "debian-patches:"; // what Debian changes in a release

#define RUBY_TESTS "Dir['test/**/{test_*,*_test}.rb'].sort.each { |f| require File.expand_path(f) }"

// A folder of the package's own may be called build.
#define C_TESTS                                                                                    \
    "cmake -S . -B obj-assay -DBUILD_TESTING=ON >/dev/null && cmake --build obj-assay >/dev/null " \
    "&& ctest --test-dir obj-assay --output-on-failure"

// How the tests of a language are run by what the host has: enough for packages that need nothing
// but their language. Lists end with NULL.
struct language {
    const char *name;
    const char *framework;
    const char *tests[13]; // globs
    const char *command[12];
};

static const struct language languages[] = {
        {"python", "pytest",
                {"tests/**", "test/**", "**/tests/**", "**/test/**", "test_*.py", "**/test_*.py",
                        "*_test.py", "**/*_test.py", "conftest.py", "**/conftest.py"},
                {"/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                        "--continue-on-collection-errors",
                        // What a project asks for by default is often of plugins (--cov) that are
                        // not there.
                        "-o", "addopts="}},
        {"perl", "tap-log", {"t/**", "xt/**"}, {"/usr/bin/prove", "-lrv", "--norc", "t"}},
        {"ruby", "minitest", {"test/**", "tests/**"},
                {"/usr/bin/ruby", "-Ilib", "-Itest", "-I.", "-e", RUBY_TESTS, "--", "-v", "--seed",
                        "1"}},
        // Without a download there is no module but the standard library and what is vendored.
        {"go", "gotest", {"**/*_test.go", "*_test.go", "testdata/**", "**/testdata/**"},
                {"/usr/bin/go", "test", "-v", "./..."}},
        {"javascript", "mocha", {"test/**", "tests/**", "test.js"},
                {"/usr/bin/mocha", "--reporter", "spec", "--no-color", "--exit"}},
        {"c", "ctest", {"tests/**", "test/**", "**/tests/**", "**/test/**"},
                {"/bin/sh", "-c", C_TESTS}},
};

struct planning {
    struct assay_context *context;
    const struct assay_mine_releases_options *options;
    struct assay_mine_package *packages;
    struct assay_json **plans;          // owned; of each package of PyPI, NULL: none
    struct assay_json *debian, *series; // owned; of Debian's
    struct assay_progress *progress;
    struct assay_arena *arena;
    pthread_mutex_t lock; // around the arena
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// The name behind the registry's; NULL: it is of another.
static const char *name_in(const char *package, const char *registry)
{
    return strncmp(package, registry, strlen(registry)) == 0 ? package + strlen(registry) : NULL;
}

static const char *registry_of(const char *package)
{
    return name_in(package, pypi) != NULL      ? pypi
            : name_in(package, series) != NULL ? series
                                               : debian;
}

bool assay_mine_package_valid(const char *text)
{
    const char *name = name_in(text, registry_of(text));

    return name != NULL && assay_instance_id_valid(name) && name[0] != '-';
}

// --- asking -------------------------------------------------------------------------------------

static enum assay_status ask(struct planning *p, size_t index, struct assay_error *err)
{
    const char *name = name_in(p->packages[index].name, pypi);

    return name == NULL ? ASSAY_OK // Debian's were asked for together
                        : assay_registry_ask_pypi(&p->plans[index], p->context, name,
                                  p->options->releases_max, err);
}

// Of all packages that are named with `registry`, at once.
static enum assay_status ask_debian(
        struct assay_json **out, struct planning *p, const char *registry, struct assay_error *err)
{
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    const char **items =
            assay_arena_array(p->arena, p->options->packages.count + 1, sizeof(*items));
    struct assay_strings names = {items, 0};

    if (items == NULL)
        return no_memory(err);
    for (size_t i = 0; i < p->options->packages.count; i++)
        if ((items[names.count] = name_in(p->packages[i].name, registry)) != NULL)
            names.count++;
    return names.count == 0 ? ASSAY_OK
                            : assay_registry_ask_debian(out, p->context, &names,
                                      p->options->releases_max, registry == series, err);
}

static enum assay_status plan_one(void *user, size_t index, struct assay_error *err)
{
    struct planning *p = user;
    struct assay_error why = {0};
    enum assay_status status;

    assay_progress_begin(p->progress);
    status = ask(p, index, &why);
    if (*assay_context_interrupted(p->context)) {
        assay_progress_drop(p->progress);
        return assay_fail(err, ASSAY_EINTERRUPTED, "interrupted");
    }
    if (status != ASSAY_OK) {
        pthread_mutex_lock(&p->lock);
        p->packages[index].reason = assay_arena_strdup(p->arena, why.message);
        pthread_mutex_unlock(&p->lock);
        if (p->packages[index].reason == NULL)
            return no_memory(err);
    }
    assay_progress_end(p->progress, status == ASSAY_OK, true);
    return ASSAY_OK;
}

// --- writing the plan ---------------------------------------------------------------------------

static void put_list(struct assay_json_writer *w, const char *key, const char *const *items)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; items[i] != NULL; i++)
        assay_json_put_text(w, NULL, items[i]);
    assay_json_end_array(w);
}

static const char *text_of(const struct assay_json *release, const char *key)
{
    const char *text = assay_json_text(assay_json_get(release, key));

    return text == NULL ? "" : text;
}

// `patch` NULL: it is no series of patches.
static void put_release(struct assay_json_writer *w, const char *key,
        const struct assay_json *release, const char *patch)
{
    assay_json_begin_object(w, key);
    assay_json_put_text(w, "version", text_of(release, "version"));
    assay_json_put_text(w, "file", text_of(release, "file"));
    assay_json_put_text(w, "sha256", text_of(release, "sha256"));
    if (assay_json_get(release, "path") != NULL)
        assay_json_put_text(w, "path", text_of(release, "path"));
    if (patch != NULL)
        assay_json_put_text(w, "patch", patch);
    assay_json_end_object(w);
}

// What becomes of the one when the other is done to it.
struct sides {
    const struct assay_json *older, *newer;  // releases; newer NULL: a patch
    const struct assay_json *archive, *name; // of a patch: of debian/, and in its series
};

static void put_id(struct assay_json_writer *w, const char *package, const struct sides *sides)
{
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_buf_addf(&text, "%s__%s-%s", package, package,
            text_of(sides->newer != NULL ? sides->newer : sides->archive, "version"));
    if (sides->newer == NULL)
        assay_buf_addf(&text, "-%s", assay_json_text(sides->name));
    for (size_t i = 0; i < text.len; i++) // Debian's versions may have "+" and "~"
        if (!isalnum((unsigned char)text.data[i]) && strchr("_.-", text.data[i]) == NULL)
            text.data[i] = '_';
    assay_json_put_bytes(w, "instance_id", text.data, text.len < ID_MAX ? text.len : ID_MAX);
    assay_buf_free(&text);
}

static void put_sides(struct assay_json_writer *w, const struct sides *sides)
{
    put_release(w, "old", sides->older, NULL);
    if (sides->newer != NULL)
        put_release(w, "new", sides->newer, NULL);
    else
        put_release(w, "series", sides->archive, assay_json_text(sides->name));
}

static void put_problem(struct assay_json_writer *w, const char *package, const struct sides *sides)
{
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    // A patch says itself what it is for.
    if (sides->newer != NULL)
        assay_buf_addf(&text,
                "Make this %s %s do what its release %s does, as far as the tests of that release tell.\n",
                package, text_of(sides->older, "version"), text_of(sides->newer, "version"));
    assay_json_put_bytes(w, "problem", text.data, text.len);
    assay_buf_free(&text);
}

static void put_pair(struct assay_json_writer *w, const struct planning *p, const char *registry,
        const char *package, const struct language *language, const struct sides *sides)
{
    const struct assay_instance_limits *limits = &p->options->limits;
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_json_begin_object(w, NULL);
    put_id(w, package, sides);
    assay_json_put_text(w, "package", package);
    assay_buf_addf(&text, "%.*s/%s", (int)strcspn(registry, "-:"), registry, package);
    assay_json_put_bytes(w, "repo", text.data, text.len);
    put_sides(w, sides);
    put_list(w, "tests", language->tests);
    assay_json_put_text(w, "recipe", "plain");
    assay_json_put_text(w, "framework", language->framework);
    put_list(w, "test_cmd", language->command);
    assay_json_begin_object(w, "limits");
    assay_json_put_u64(w, "wall_ms", limits->wall_ms);
    assay_json_put_u64(w, "cpu_ms", limits->cpu_ms);
    assay_json_put_u64(w, "memory_bytes", limits->memory_bytes);
    assay_json_end_object(w);
    put_problem(w, package, sides);
    assay_json_end_object(w);
    assay_buf_free(&text);
}

static const struct language *find_language(const char *name)
{
    for (size_t i = 0; i < COUNT(languages); i++)
        if (strcmp(languages[i].name, name) == 0)
            return &languages[i];
    return NULL;
}

// Does an archive bring tests, as far as is known? Debian's have not been looked into.
static bool may_have_tests(const struct assay_json *release)
{
    const struct assay_json *tests = assay_json_get(release, "tests");

    return tests == NULL || assay_json_number(tests) >= 1;
}

static void put_releases(struct assay_json_writer *w, struct planning *p,
        struct assay_mine_package *package, const struct assay_json *plan,
        const struct language *language)
{
    const char *registry = registry_of(package->name);
    const struct assay_json *list = assay_json_get(plan, "releases");
    const struct assay_json *newer = NULL;

    for (const struct assay_json *one = list == NULL ? NULL : assay_json_first(list); one != NULL;
            newer = one, one = assay_json_next(one)) {
        const struct sides sides = {.older = one, .newer = newer};

        package->releases++;
        if (language == NULL || newer == NULL || !may_have_tests(one) || !may_have_tests(newer))
            continue;
        put_pair(w, p, registry, name_in(package->name, registry), language, &sides);
        package->pairs++;
    }
}

static bool is_test(const struct language *language, const char *path)
{
    for (size_t i = 0; path != NULL && language->tests[i] != NULL; i++)
        if (assay_glob_match(language->tests[i], path))
            return true;
    return false;
}

// Does a patch change tests, and something else?
static bool may_tell(const struct assay_json *patch, const struct language *language)
{
    const struct assay_json *files = assay_json_get(patch, "files");
    bool tests = false, rest = false;

    for (const struct assay_json *one = files == NULL ? NULL : assay_json_first(files); one != NULL;
            one = assay_json_next(one)) {
        const bool test = is_test(language, assay_json_text(one));

        tests = tests || test;
        rest = rest || !test;
    }
    return tests && rest;
}

static void put_series(struct assay_json_writer *w, struct planning *p,
        struct assay_mine_package *package, const struct assay_json *plan,
        const struct language *language)
{
    const struct assay_json *list = assay_json_get(plan, "series");

    for (const struct assay_json *one = list == NULL ? NULL : assay_json_first(list); one != NULL;
            one = assay_json_next(one)) {
        const struct assay_json *patches = assay_json_get(one, "patches");

        for (const struct assay_json *patch = patches == NULL ? NULL : assay_json_first(patches);
                patch != NULL; patch = assay_json_next(patch)) {
            const struct sides sides = {.older = assay_json_get(one, "orig"),
                    .archive = assay_json_get(one, "archive"),
                    .name = assay_json_get(patch, "name")};

            package->releases++;
            if (language == NULL || assay_json_text(sides.name) == NULL || sides.older == NULL ||
                    sides.archive == NULL || !may_tell(patch, language))
                continue;
            put_pair(w, p, series, name_in(package->name, series), language, &sides);
            package->pairs++;
        }
    }
}

static void put_package(struct assay_json_writer *w, struct planning *p, size_t index)
{
    struct assay_mine_package *package = &p->packages[index];
    const char *registry = registry_of(package->name);
    const char *name = name_in(package->name, registry);
    const struct assay_json *plan = registry == pypi
            ? p->plans[index]
            : assay_json_get(registry == series ? p->series : p->debian, name);
    const struct language *language =
            find_language(registry == pypi || plan == NULL ? "python" : text_of(plan, "language"));

    if (plan != NULL && registry == series)
        put_series(w, p, package, plan, language);
    else if (plan != NULL)
        put_releases(w, p, package, plan, language);
    if (package->reason[0] != '\0' || package->pairs > 0)
        return;
    package->reason = package->releases == 0 ? (registry == series ? NO_PATCHES : NO_ARCHIVES)
            : language == NULL               ? "a language without a way to run its tests"
            : registry == series             ? NO_TOLD
            : package->releases == 1         ? NO_NEIGHBOURS
                                             : NO_TESTS;
}

static enum assay_status write_text(
        const char *dir, const char *file, struct assay_buf *text, struct assay_error *err)
{
    char path[PATH_MAX];
    enum assay_status status;

    assay_buf_addc(text, '\n');
    status = assay_buf_check(text, file, err);
    (void)snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 32, dir, file);
    if (status == ASSAY_OK)
        status = assay_fs_replace_file(path, text->data, text->len, 0644, err);
    assay_buf_free(text);
    return status;
}

static enum assay_status write_head(const struct planning *p, struct assay_error *err)
{
    static const char *const none[] = {NULL};
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "name", p->options->name);
    assay_json_put_text(&w, "version", "1");
    assay_json_begin_object(&w, "recipes");
    assay_json_begin_object(&w, "plain");
    assay_json_put_text(&w, "base", "host");
    put_list(&w, "setup", none);
    assay_json_begin_object(&w, "env");
    assay_json_put_text(&w, "PYTHONPATH", "/testbed/src:/testbed");
    assay_json_end_object(&w);
    assay_json_put_text(&w, "workdir", "/testbed");
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    return write_text(p->options->dir, "suite.json", &text, err);
}

static enum assay_status write_pairs(struct planning *p, struct assay_error *err)
{
    static const char *const ignore[] = {
            "PKG-INFO", "*.egg-info/**", "**/*.egg-info/**", "**/__pycache__/**", "**/*.pyc", NULL};
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 1);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    put_list(&w, "ignore", ignore);
    assay_json_begin_array(&w, "pairs");
    for (size_t i = 0; i < p->options->packages.count; i++)
        put_package(&w, p, i);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return write_text(p->options->dir, "releases.json", &text, err);
}

enum assay_status assay_mine_releases(struct assay_mine_package **out,
        struct assay_context *context, const struct assay_mine_releases_options *options,
        struct assay_arena *arena, struct assay_error *err)
{
    const size_t count = options->packages.count;
    struct planning p = {.context = context, .options = options, .arena = arena};
    enum assay_status status = ASSAY_OK;

    p.packages = assay_arena_array(arena, count + 1, sizeof(*p.packages));
    // NOLINTNEXTLINE(bugprone-sizeof-expression): an array of pointers
    p.plans = assay_arena_array(arena, count + 1, sizeof(*p.plans));
    if (p.packages == NULL || p.plans == NULL)
        return no_memory(err);
    if (mkdir(options->dir, 0755) != 0)
        return assay_fail_errno(err, errno, "make %.150s", options->dir);
    for (size_t i = 0; i < count; i++)
        p.packages[i] = (struct assay_mine_package){options->packages.items[i], 0, 0, ""};
    pthread_mutex_init(&p.lock, NULL);
    status = ask_debian(&p.debian, &p, debian, err);
    if (status == ASSAY_OK)
        status = ask_debian(&p.series, &p, series, err);
    if (status == ASSAY_OK)
        status = assay_progress_start(&p.progress, "plan", "packages", count, 0, 0, err);
    if (status == ASSAY_OK) {
        assay_context_log_around(context, assay_progress_around, p.progress);
        status = assay_jobs_run(
                options->threads, count, plan_one, &p, assay_context_interrupted(context), err);
        assay_context_log_around(context, NULL, NULL);
        assay_progress_stop(p.progress);
    }
    if (status == ASSAY_OK)
        status = write_pairs(&p, err);
    if (status == ASSAY_OK)
        status = write_head(&p, err);
    for (size_t i = 0; i < count; i++)
        assay_json_free(p.plans[i]);
    assay_json_free(p.debian);
    assay_json_free(p.series);
    if (status != ASSAY_OK)
        (void)rmdir(options->dir); // so that the command can be typed again
    pthread_mutex_destroy(&p.lock);
    *out = p.packages;
    return status;
}
