// SPDX-License-Identifier: MIT
#include "orchestrator/mine_pypi.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/json.h"
#include "envs/fetch.h"
#include "orchestrator/pool.h"
#include "orchestrator/progress.h"

#define PLAN_BYTES_MAX ((size_t)4 << 20)
#define JSON_BYTES_MAX ((size_t)64 << 20)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NO_TESTS "no two neighbouring releases bring tests"

// Newest first; a release whose sdist cannot be had is left out. Nothing of it is run but what pip
// runs to tell its name.
static const char script[] =
        "import hashlib, json, os, re, subprocess, sys, tarfile, tempfile, zipfile\n"
        "name, most = sys.argv[1], int(sys.argv[2])\n"
        "pip = [sys.executable, '-m', 'pip', '--disable-pip-version-check', '--no-color']\n"
        "said = subprocess.run(pip + ['index', 'versions', name], stdout=subprocess.PIPE, text=True).stdout\n"
        "line = re.search(r'^Available versions: (.*)$', said, re.M)\n"
        "found = []\n"
        "for version in line.group(1).split(', ') if line else []:\n"
        "    if len(found) == most:\n"
        "        break\n"
        "    with tempfile.TemporaryDirectory() as out:\n"
        "        got = subprocess.run(pip + ['download', '-q', '--no-deps', '--no-binary', name, '--no-cache-dir',\n"
        "            '--progress-bar', 'off', '--dest', out, name + '==' + version], stdout=subprocess.DEVNULL,\n"
        "            stderr=subprocess.DEVNULL)\n"
        "        files = os.listdir(out)\n"
        "        if got.returncode or len(files) != 1:\n"
        "            continue\n"
        "        path = os.path.join(out, files[0])\n"
        "        data = open(path, 'rb').read()\n"
        "        names = (tarfile.open(path).getnames() if not path.endswith('.zip') else zipfile.ZipFile(path).namelist())\n"
        "        inner = [n.split('/', 1)[1] for n in names if '/' in n]\n"
        "        tests = [n for n in inner if re.search(r'(^|/)(test_[^/]*|[^/]*_test)\\.py$', n)]\n"
        "        found.append({'version': version, 'file': files[0], 'sha256': hashlib.sha256(data).hexdigest(),\n"
        "            'tests': len(tests), 'src': any(n.startswith('src/') and n.endswith('.py') for n in inner)})\n"
        "json.dump({'releases': found}, open('/out/plan.json', 'w'))\n";

struct planning {
    struct assay_context *context;
    const struct assay_mine_pypi_options *options;
    struct assay_mine_package *packages;
    struct assay_json **plans; // owned; of each package, NULL: none
    struct assay_progress *progress;
    struct assay_arena *arena;
    pthread_mutex_t lock; // around the arena
};

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "out of memory");
}

// --- asking pip
// -----------------------------------------------------------------------------------

static enum assay_status read_plan(
        struct assay_json **out, const char *path, struct assay_error *err)
{
    const struct assay_json_limits limits = {.bytes_max = PLAN_BYTES_MAX, .depth_max = 8};
    struct assay_buf text;
    enum assay_status status;

    assay_buf_init(&text, PLAN_BYTES_MAX);
    status = assay_fs_read_file(&text, path, err);
    if (status == ASSAY_OK)
        status = assay_json_parse(out, text.data, text.len, limits, "plan", 1, err);
    assay_buf_free(&text);
    return status;
}

static enum assay_status ask(struct planning *p, size_t index, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(p->context);
    char most[24], dir[PATH_MAX], path[PATH_MAX];
    const char *const argv[] = {
            "/usr/bin/python3", "-c", script, p->packages[index].name, most, NULL};
    enum assay_status status = assay_depot_tmp(depot, dir, err);

    if (status != ASSAY_OK)
        return status;
    (void)snprintf(most, sizeof(most), "%zu", p->options->releases_max);
    (void)snprintf(path, sizeof(path), "%.*s/plan.json", PATH_MAX - 16, dir);
    status = assay_fetch_run(depot, assay_context_sandbox(p->context),
            assay_context_access(p->context), argv, "plan.json", dir, err);
    if (status == ASSAY_OK)
        status = read_plan(&p->plans[index], path, err);
    assay_depot_drop_tmp(depot, dir);
    return status;
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

// --- writing the plan
// -----------------------------------------------------------------------------

static void put_list(
        struct assay_json_writer *w, const char *key, const char *const *items, size_t count)
{
    assay_json_begin_array(w, key);
    for (size_t i = 0; i < count; i++)
        assay_json_put_text(w, NULL, items[i]);
    assay_json_end_array(w);
}

static const char *text_of(const struct assay_json *release, const char *key)
{
    const char *text = assay_json_text(assay_json_get(release, key));

    return text == NULL ? "" : text;
}

static void put_release(
        struct assay_json_writer *w, const char *key, const struct assay_json *release)
{
    assay_json_begin_object(w, key);
    assay_json_put_text(w, "version", text_of(release, "version"));
    assay_json_put_text(w, "file", text_of(release, "file"));
    assay_json_put_text(w, "sha256", text_of(release, "sha256"));
    assay_json_end_object(w);
}

static void put_pair(struct assay_json_writer *w, const struct planning *p, const char *package,
        const struct assay_json *older, const struct assay_json *newer)
{
    static const char *const tests[] = {"tests/**", "test/**", "**/tests/**", "**/test/**",
            "test_*.py", "**/test_*.py", "*_test.py", "**/*_test.py", "conftest.py",
            "**/conftest.py"};
    static const char *const command[] = {"/usr/bin/python3", "-m", "pytest", "-q", "-p",
            "no:cacheprovider", "--continue-on-collection-errors",
            // What a project asks for by default is often of plugins (--cov) that are not there.
            "-o", "addopts="};
    const struct assay_instance_limits *limits = &p->options->limits;
    struct assay_buf text;

    assay_buf_init(&text, 4096);
    assay_json_begin_object(w, NULL);
    assay_buf_addf(&text, "%s__%s-%s", package, package, text_of(newer, "version"));
    assay_json_put_bytes(w, "instance_id", text.data, text.len);
    assay_json_put_text(w, "package", package);
    assay_buf_clear(&text);
    assay_buf_addf(&text, "pypi/%s", package);
    assay_json_put_bytes(w, "repo", text.data, text.len);
    put_release(w, "old", older);
    put_release(w, "new", newer);
    put_list(w, "tests", tests, COUNT(tests));
    assay_json_put_text(
            w, "recipe", assay_json_bool(assay_json_get(newer, "src")) ? "src" : "plain");
    assay_json_put_text(w, "framework", "pytest");
    put_list(w, "test_cmd", command, COUNT(command));
    assay_json_begin_object(w, "limits");
    assay_json_put_u64(w, "wall_ms", limits->wall_ms);
    assay_json_put_u64(w, "cpu_ms", limits->cpu_ms);
    assay_json_put_u64(w, "memory_bytes", limits->memory_bytes);
    assay_json_end_object(w);
    assay_buf_clear(&text);
    assay_buf_addf(&text,
            "Make this %s %s do what its release %s does, as far as the tests of that release tell.\n",
            package, text_of(older, "version"), text_of(newer, "version"));
    assay_json_put_bytes(w, "problem", text.data, text.len);
    assay_json_end_object(w);
    assay_buf_free(&text);
}

static void put_package(struct assay_json_writer *w, struct planning *p, size_t index)
{
    struct assay_mine_package *package = &p->packages[index];
    const struct assay_json *releases = assay_json_get(p->plans[index], "releases");
    const struct assay_json *newer = NULL;

    for (const struct assay_json *one = releases == NULL ? NULL : assay_json_first(releases);
            one != NULL; newer = one, one = assay_json_next(one)) {
        package->releases++;
        if (newer == NULL || assay_json_number(assay_json_get(one, "tests")) < 1 ||
                assay_json_number(assay_json_get(newer, "tests")) < 1)
            continue;
        put_pair(w, p, package->name, one, newer);
        package->pairs++;
    }
    if (package->reason[0] == '\0' && package->pairs == 0)
        package->reason = package->releases == 0 ? "no sdists" : NO_TESTS;
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
    static const struct {
        const char *name, *path;
    } recipes[] = {{"plain", "/testbed"}, {"src", "/testbed/src"}};
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 2);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    assay_json_put_text(&w, "name", p->options->name);
    assay_json_put_text(&w, "version", "1");
    assay_json_begin_object(&w, "recipes");
    for (size_t i = 0; i < COUNT(recipes); i++) {
        assay_json_begin_object(&w, recipes[i].name);
        assay_json_put_text(&w, "base", "host");
        put_list(&w, "setup", NULL, 0);
        assay_json_begin_object(&w, "env");
        assay_json_put_text(&w, "PYTHONPATH", recipes[i].path);
        assay_json_end_object(&w);
        assay_json_put_text(&w, "workdir", "/testbed");
        assay_json_end_object(&w);
    }
    assay_json_end_object(&w);
    assay_json_end_object(&w);
    return write_text(p->options->dir, "suite.json", &text, err);
}

static enum assay_status write_pairs(struct planning *p, struct assay_error *err)
{
    static const char *const ignore[] = {
            "PKG-INFO", "*.egg-info/**", "**/*.egg-info/**", "**/__pycache__/**", "**/*.pyc"};
    struct assay_json_writer w;
    struct assay_buf text;

    assay_buf_init(&text, JSON_BYTES_MAX);
    assay_json_writer_init(&w, &text, 1);
    assay_json_begin_object(&w, NULL);
    assay_json_put_u64(&w, "schema", 1);
    put_list(&w, "ignore", ignore, COUNT(ignore));
    assay_json_begin_array(&w, "pairs");
    for (size_t i = 0; i < p->options->packages.count; i++)
        put_package(&w, p, i);
    assay_json_end_array(&w);
    assay_json_end_object(&w);
    return write_text(p->options->dir, "releases.json", &text, err);
}

enum assay_status assay_mine_pypi(struct assay_mine_package **out, struct assay_context *context,
        const struct assay_mine_pypi_options *options, struct assay_arena *arena,
        struct assay_error *err)
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
    pthread_mutex_destroy(&p.lock);
    *out = p.packages;
    return status;
}
