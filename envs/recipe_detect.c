// SPDX-License-Identifier: MIT
#include "envs/recipe_detect.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "envs/apply.h"
#include "tasks/toml.h"

#define FILE_BYTES_MAX ((size_t)8 << 20)
#define TEXT_BYTES_MAX ((size_t)32 << 20)
#define STEP_BYTES_MAX 60000u // of a file in one command: the kernel takes 128 KiB of one argument
#define WORDS_MAX 16
#define STEPS_MAX 256
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct detection {
    int dir_fd;
    struct assay_arena *arena;
    struct assay_detected *items;
    size_t count;
};

// One ecosystem being told.
struct telling {
    struct assay_detected *out;
    struct assay_arena *arena;
    const char **steps; // [STEPS_MAX] of the set-up
    bool failed;        // out of memory, or too much
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory, or a file of too many lines");
}

// --- reading ------------------------------------------------------------------------------------

static enum assay_status read_file(struct assay_bytes *out, const struct detection *d,
        const char *path, struct assay_error *err)
{
    struct assay_file file;
    int fd = d->dir_fd;
    const enum assay_status status = assay_file_read_dir(&fd, path, d->arena, &file, err);

    *out = (struct assay_bytes){NULL, 0};
    if (status != ASSAY_OK)
        return status;
    if (file.kind != ASSAY_FILE_REGULAR)
        return ASSAY_OK;
    if (file.content.len > FILE_BYTES_MAX)
        return assay_fail(err, ASSAY_EINVAL, "%s is larger than 8 MiB", path);
    *out = file.content;
    return ASSAY_OK;
}

// The first of these that the tree has; path NULL: none.
static enum assay_status first_file(const char **path, struct assay_bytes *text,
        const struct detection *d, const char *const *names, struct assay_error *err)
{
    *path = NULL;
    *text = (struct assay_bytes){NULL, 0};
    for (size_t i = 0; names[i] && !*path; i++) {
        const enum assay_status status = read_file(text, d, names[i], err);

        if (status != ASSAY_OK)
            return status;
        if (text->data)
            *path = names[i];
    }
    return ASSAY_OK;
}

static bool has_dir(const struct detection *d, const char *path)
{
    struct assay_strings names = {NULL, 0};
    int fd = d->dir_fd;

    return assay_dir_list_dir(&fd, path, d->arena, &names, NULL) == ASSAY_OK && names.count > 0;
}

// --- telling ------------------------------------------------------------------------------------

static struct assay_strings list(struct telling *t, const char *const *words)
{
    const char **items = assay_arena_array(t->arena, WORDS_MAX, sizeof(*items));
    size_t count = 0;

    t->failed = t->failed || !items;
    while (items && words[count] && count < WORDS_MAX) {
        items[count] = words[count];
        count++;
    }
    return (struct assay_strings){items, count};
}
#define LIST(t, ...) list(t, (const char *const[]){__VA_ARGS__, NULL})

static void add_step(struct telling *t, const char *step)
{
    if (!step || t->out->recipe.setup.count == STEPS_MAX) {
        t->failed = true;
        return;
    }
    t->steps[t->out->recipe.setup.count++] = step;
}

// A file into the layer: as many commands as its length asks for. `path` is ours.
static void add_file(struct telling *t, const char *path, struct assay_bytes text)
{
    const char *at = text.data, *const end = text.data + text.len;
    bool first = true;

    do {
        const size_t most =
                (size_t)(end - at) < STEP_BYTES_MAX ? (size_t)(end - at) : STEP_BYTES_MAX;
        size_t len = most;
        struct assay_buf step;

        // Whole lines, where there is a line end to cut at.
        while (at + len < end && len > 1 && at[len - 1] != '\n')
            len--;
        len = at + len < end && at[len - 1] != '\n' ? most : len;
        assay_buf_init(&step, TEXT_BYTES_MAX);
        assay_buf_addf(&step, "printf %%s '");
        for (size_t i = 0; i < len; i++) {
            if (at[i] == '\'')
                assay_buf_adds(&step, "'\\''");
            else
                assay_buf_addc(&step, at[i]);
        }
        assay_buf_addf(&step, "' %s %s", first ? ">" : ">>", path);
        t->failed = t->failed || assay_buf_check(&step, "step", NULL) != ASSAY_OK ||
                memchr(text.data, '\0', text.len) != NULL;
        add_step(t, t->failed ? NULL : assay_arena_strdup(t->arena, step.data));
        assay_buf_free(&step);
        at += len;
        first = false;
    } while (at < end && !t->failed);
}

static enum assay_status begin(struct telling *t, struct detection *d, const char *ecosystem,
        const char *file, const char *why, struct assay_error *err)
{
    struct assay_detected *out = &d->items[d->count];

    *t = (struct telling){.out = out,
            .arena = d->arena,
            .steps = assay_arena_array(d->arena, STEPS_MAX, sizeof(*t->steps))};
    if (!t->steps)
        return no_memory(err);
    *out = (struct assay_detected){.ecosystem = ecosystem,
            .file = file,
            .why = why,
            .recipe = {.name = ecosystem, .base = "host", .workdir = "/testbed"}};
    out->recipe.setup = (struct assay_strings){t->steps, 0};
    return ASSAY_OK;
}

static enum assay_status end_telling(
        struct telling *t, struct detection *d, struct assay_error *err)
{
    if (t->failed)
        return no_memory(err);
    d->count++;
    return ASSAY_OK;
}

// --- Python -------------------------------------------------------------------------------------

static bool is_requirement_list(const char *key)
{
    static const char *const lists[] = {"project.dependencies[",
            "project.optional-dependencies.test[", "project.optional-dependencies.tests[",
            "project.optional-dependencies.testing[", "project.optional-dependencies.dev[",
            "dependency-groups.test[", "dependency-groups.tests[", "dependency-groups.dev["};

    for (size_t i = 0; i < COUNT(lists); i++)
        if (strncmp(key, lists[i], strlen(lists[i])) == 0)
            return true;
    return false;
}

// What pyproject.toml asks for, a line each, as pip reads them; nothing where it is none of TOML.
static struct assay_bytes requirements_of(struct telling *t, struct assay_bytes toml)
{
    struct assay_toml_entry *entries = NULL;
    struct assay_buf text;
    struct assay_bytes out = {NULL, 0};
    size_t count = 0;

    if (assay_toml_flatten(&entries, &count, toml.data, toml.len, "pyproject.toml", t->arena,
                NULL) != ASSAY_OK)
        return out;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    for (size_t i = 0; i < count; i++)
        if (entries[i].kind == ASSAY_TOML_TEXT && is_requirement_list(entries[i].key))
            assay_buf_addf(&text, "%s\n", entries[i].value);
    if (text.len > 0)
        t->failed = assay_bytes_keep(&out, &text, "requirements", t->arena, NULL) != ASSAY_OK;
    assay_buf_free(&text);
    return out;
}

// Lines that name the tree itself or other files of it mean nothing in a layer.
static struct assay_bytes without_local(struct telling *t, struct assay_bytes text)
{
    struct assay_buf kept;
    struct assay_bytes out = {"", 0};

    assay_buf_init(&kept, TEXT_BYTES_MAX);
    for (size_t at = 0; at < text.len;) {
        const char *feed = memchr(text.data + at, '\n', text.len - at);
        const size_t stop = feed ? (size_t)(feed - text.data) + 1 : text.len;
        const char *line = text.data + at;

        if (strncmp(line, "-r", 2) != 0 && strncmp(line, "-c", 2) != 0 &&
                strncmp(line, "-e", 2) != 0 && *line != '.')
            assay_buf_add(&kept, line, stop - at);
        at = stop;
    }
    t->failed =
            t->failed || assay_bytes_keep(&out, &kept, "requirements", t->arena, NULL) != ASSAY_OK;
    assay_buf_free(&kept);
    return out;
}

static enum assay_status detect_python(struct detection *d, struct assay_error *err)
{
    static const char *const files[] = {"requirements.lock", "requirements-dev.txt",
            "requirements-test.txt", "test-requirements.txt", "requirements.txt", "pyproject.toml",
            "setup.cfg", "setup.py", NULL};
    struct assay_bytes text, wanted = {NULL, 0};
    const char *path;
    struct telling t;
    enum assay_status status = first_file(&path, &text, d, files, err);

    if (status != ASSAY_OK || !path)
        return status;
    status = begin(&t, d, "python", path,
            strstr(path, "requirements") ? "it lists what the tests need, as pip reads it"
                                         : "it makes a Python package of the tree",
            err);
    if (status != ASSAY_OK)
        return status;
    if (strstr(path, "requirements"))
        wanted = without_local(&t, text);
    else if (strcmp(path, "pyproject.toml") == 0)
        wanted = requirements_of(&t, text);
    add_step(&t, "/usr/bin/python3 -m venv --system-site-packages --without-pip /env/venv");
    if (wanted.len > 0) {
        add_file(&t, "/env/requirements.txt", wanted);
        add_step(&t,
                "/usr/bin/python3 -m pip --python /env/venv/bin/python install --quiet "
                "--disable-pip-version-check --no-cache-dir -r /env/requirements.txt");
    }
    t.out->recipe.env = LIST(
            &t, has_dir(d, "src") ? "PYTHONPATH=/testbed/src:/testbed" : "PYTHONPATH=/testbed");
    t.out->framework = "pytest";
    t.out->test_cmd =
            LIST(&t, "/env/venv/bin/python", "-m", "pytest", "-q", "-p", "no:cacheprovider");
    t.out->needs = LIST(&t, "/usr/bin/python3");
    return end_telling(&t, d, err);
}

// --- Node ---------------------------------------------------------------------------------------

static bool has_member(struct assay_bytes text, const char *object, const char *key)
{
    const struct assay_json_limits limits = {.bytes_max = FILE_BYTES_MAX, .depth_max = 32};
    struct assay_json *json = NULL;
    bool found = false;

    if (assay_json_parse(&json, text.data, text.len, limits, "package.json", 1, NULL) == ASSAY_OK)
        found = assay_json_get(assay_json_get(json, object), key) != NULL;
    assay_json_free(json);
    return found;
}

static enum assay_status detect_node(struct detection *d, struct assay_error *err)
{
    static const char *const locks[] = {"package-lock.json", "npm-shrinkwrap.json", NULL};
    struct assay_bytes package, lock;
    const char *path;
    bool jest;
    struct telling t;
    enum assay_status status = read_file(&package, d, "package.json", err);

    if (status == ASSAY_OK && package.data)
        status = first_file(&path, &lock, d, locks, err);
    if (status != ASSAY_OK || !package.data)
        return status;
    status = begin(&t, d, "node", path ? path : "package.json",
            path ? "npm ci installs exactly what it locks"
                 : "it has no lock: what npm installs can change from day to day",
            err);
    if (status != ASSAY_OK)
        return status;
    add_step(&t, "mkdir -p /env/node");
    add_file(&t, "/env/node/package.json", package);
    if (path)
        add_file(&t, "/env/node/package-lock.json", lock);
    add_step(&t,
            path ? "cd /env/node && npm ci --ignore-scripts --no-audit --no-fund"
                 : "cd /env/node && npm install --ignore-scripts --no-audit --no-fund");
    jest = has_member(package, "devDependencies", "jest") ||
            has_member(package, "dependencies", "jest");
    t.out->recipe.env = LIST(&t, "NODE_PATH=/env/node/node_modules");
    t.out->framework = jest ? "jest" : "mocha";
    t.out->test_cmd = LIST(&t, "/bin/sh", "-c",
            jest ? "ln -sfn /env/node/node_modules node_modules && exec node_modules/.bin/jest"
                 : "ln -sfn /env/node/node_modules node_modules && exec node_modules/.bin/mocha");
    t.out->needs = LIST(&t, "/usr/bin/node", "/usr/bin/npm");
    return end_telling(&t, d, err);
}

// --- Go, Rust, Java -----------------------------------------------------------------------------

static enum assay_status detect_go(struct detection *d, struct assay_error *err)
{
    const bool vendored = has_dir(d, "vendor");
    struct assay_bytes module, sums;
    struct telling t;
    enum assay_status status = read_file(&module, d, "go.mod", err);

    if (status == ASSAY_OK && module.data)
        status = read_file(&sums, d, "go.sum", err);
    if (status != ASSAY_OK || !module.data)
        return status;
    status = begin(&t, d, "go", "go.mod",
            vendored            ? "its modules lie in vendor/: nothing is fetched"
                    : sums.data ? "its modules are fetched once, as go.sum says"
                                : "it needs no other module",
            err);
    if (status != ASSAY_OK)
        return status;
    if (!vendored && sums.data) {
        add_step(&t, "mkdir -p /env/go/src");
        add_file(&t, "/env/go/src/go.mod", module);
        add_file(&t, "/env/go/src/go.sum", sums);
        add_step(
                &t, "cd /env/go/src && GOMODCACHE=/env/go/mod GOFLAGS=-modcacherw go mod download");
    }
    t.out->recipe.env = vendored ? LIST(&t, "GOFLAGS=-mod=vendor", "GOTOOLCHAIN=local")
                                 : LIST(&t, "GOMODCACHE=/env/go/mod", "GOPROXY=off",
                                           "GOFLAGS=-mod=mod", "GOTOOLCHAIN=local");
    t.out->framework = "gotest";
    t.out->test_cmd = LIST(&t, "/usr/bin/go", "test", "-json", "./...");
    t.out->needs = LIST(&t, "/usr/bin/go");
    return end_telling(&t, d, err);
}

static enum assay_status detect_cargo(struct detection *d, struct assay_error *err)
{
    const bool vendored = has_dir(d, "vendor");
    struct assay_bytes manifest, lock;
    struct telling t;
    enum assay_status status = read_file(&manifest, d, "Cargo.toml", err);

    if (status == ASSAY_OK && manifest.data)
        status = read_file(&lock, d, "Cargo.lock", err);
    if (status != ASSAY_OK || !manifest.data)
        return status;
    status = begin(&t, d, "cargo", lock.data ? "Cargo.lock" : "Cargo.toml",
            vendored            ? "its crates lie in vendor/: nothing is fetched"
                    : lock.data ? "its crates are fetched once, as the lock says"
                                : "it has no lock: the newest crates that fit are fetched",
            err);
    if (status != ASSAY_OK)
        return status;
    if (!vendored) {
        // cargo wants a target before it fetches anything.
        add_step(&t, "mkdir -p /env/cargo/src/src && : > /env/cargo/src/src/lib.rs");
        add_file(&t, "/env/cargo/src/Cargo.toml", manifest);
        if (lock.data)
            add_file(&t, "/env/cargo/src/Cargo.lock", lock);
        add_step(&t,
                lock.data ? "cd /env/cargo/src && CARGO_HOME=/env/cargo/home cargo fetch --locked"
                          : "cd /env/cargo/src && CARGO_HOME=/env/cargo/home cargo fetch");
    }
    t.out->recipe.env = LIST(&t, "CARGO_HOME=/env/cargo/home", "CARGO_NET_OFFLINE=true");
    t.out->framework = "cargo";
    t.out->test_cmd = LIST(&t, "/usr/bin/cargo", "test");
    t.out->needs = LIST(&t, "/usr/bin/cargo");
    return end_telling(&t, d, err);
}

static enum assay_status detect_maven(struct detection *d, struct assay_error *err)
{
    struct assay_bytes pom;
    struct telling t;
    enum assay_status status = read_file(&pom, d, "pom.xml", err);

    if (status != ASSAY_OK || !pom.data)
        return status;
    status = begin(&t, d, "maven", "pom.xml",
            "what its plugins and dependencies need is fetched once into a repository of its own",
            err);
    if (status != ASSAY_OK)
        return status;
    add_step(&t, "mkdir -p /env/maven/src");
    add_file(&t, "/env/maven/src/pom.xml", pom);
    add_step(&t,
            "cd /env/maven/src && mvn -q -B -Dmaven.repo.local=/env/maven/repository "
            "dependency:go-offline");
    t.out->recipe.env = LIST(&t, "MAVEN_OPTS=-Dmaven.repo.local=/env/maven/repository");
    t.out->framework = "maven";
    t.out->test_cmd = LIST(&t, "/usr/bin/mvn", "-B", "-o", "test");
    t.out->needs = LIST(&t, "/usr/bin/mvn");
    return end_telling(&t, d, err);
}

// --- what is built where its tests run ----------------------------------------------------------

static enum assay_status detect_builds(struct detection *d, struct assay_error *err)
{
    static const char *const makefiles[] = {
            "GNUmakefile", "Makefile", "makefile", "configure", NULL};
    static const struct {
        const char *ecosystem, *file, *why, *framework, *command, *needs[3];
    } rows[] = {
            {"meson", "meson.build", "meson sets up the build, ninja makes it", "exit",
                    "meson setup build && meson test -C build --print-errorlogs",
                    {"/usr/bin/meson", "/usr/bin/ninja"}},
            {"cmake", "CMakeLists.txt", "CMake sets up the build, ctest runs its tests", "ctest",
                    "cmake -S . -B build && cmake --build build && exec ctest --test-dir build",
                    {"/usr/bin/cmake"}},
    };
    struct assay_bytes text;
    const char *path;
    struct telling t;
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < COUNT(rows) && status == ASSAY_OK; i++) {
        status = read_file(&text, d, rows[i].file, err);
        if (status == ASSAY_OK && text.data)
            status = begin(&t, d, rows[i].ecosystem, rows[i].file, rows[i].why, err);
        if (status != ASSAY_OK || !text.data)
            continue;
        t.out->framework = rows[i].framework;
        t.out->test_cmd = LIST(&t, "/bin/sh", "-ec", rows[i].command);
        t.out->needs = list(&t, rows[i].needs);
        status = end_telling(&t, d, err);
    }
    if (status == ASSAY_OK)
        status = first_file(&path, &text, d, makefiles, err);
    if (status == ASSAY_OK && path)
        status = begin(&t, d, "make", path, "make check builds it and runs its tests", err);
    if (status != ASSAY_OK || !path)
        return status;
    t.out->framework = "exit";
    t.out->test_cmd = LIST(&t, "/bin/sh", "-ec",
            strcmp(path, "configure") == 0 ? "./configure && exec make check" : "exec make check");
    t.out->needs = LIST(&t, "/usr/bin/make");
    return end_telling(&t, d, err);
}

enum assay_status assay_recipe_detect(struct assay_detected **out, size_t *count, int dir_fd,
        struct assay_arena *arena, struct assay_error *err)
{
    // A package of another language often has a Makefile; what names its dependencies tells more.
    static enum assay_status (*const detectors[])(struct detection *, struct assay_error *) = {
            detect_cargo, detect_go, detect_node, detect_maven, detect_python, detect_builds};
    struct detection d = {.dir_fd = dir_fd, .arena = arena};
    enum assay_status status = ASSAY_OK;

    d.items = assay_arena_array(arena, COUNT(detectors) + 3, sizeof(*d.items));
    if (!d.items)
        return no_memory(err);
    for (size_t i = 0; i < COUNT(detectors) && status == ASSAY_OK; i++)
        status = detectors[i](&d, err);
    *out = d.items;
    *count = d.count;
    return status;
}
