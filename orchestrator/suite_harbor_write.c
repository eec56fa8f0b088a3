// SPDX-License-Identifier: MIT
// suite_harbor_write.c - a repair of another family as a Harbor task.
//
//   task.toml               names, limits, network
//   instruction.md          the problem
//   environment/Dockerfile  the recipe; environment/tree is what it copies
//   tests/test.sh           lays tests/files over the working folder, takes away what tests/removed
//                           lists, runs the tests, writes 1 or 0
//   solution/solve.sh       applies solution/gold.patch
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/edits_tree.h"
#include "orchestrator/suite_harbor.h"
#include "orchestrator/suite_write.h"
#include "orchestrator/tree_view.h"
#include "rewards/narrow.h"

#define ARENA_BYTES ((size_t)4 << 30)
#define TEXT_BYTES_MAX ((size_t)64 << 20)
#define AGENT_SECONDS 1800u

struct task {
    struct assay_context *context;
    const struct assay_instance *instance;
    const struct assay_recipe *recipe;
    int dir_fd;
    struct assay_arena *arena;
};

static enum assay_status put(const struct task *t, const char *path, struct assay_buf *text,
        mode_t mode, struct assay_error *err)
{
    enum assay_status status = assay_buf_check(text, path, err);

    if (status == ASSAY_OK)
        status = assay_suite_write_file(
                t->dir_fd, path, (struct assay_bytes){text->data, text->len}, mode, err);
    assay_buf_free(text);
    return status;
}

// --- task.toml ----------------------------------------------------------------------------------

static void put_toml_text(struct assay_buf *out, const char *text)
{
    assay_buf_addc(out, '"');
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\')
            assay_buf_addf(out, "\\%c", *at);
        else if ((unsigned char)*at < ' ' || *at == 0x7f)
            assay_buf_addf(out, "\\u%04x", (unsigned)(unsigned char)*at);
        else
            assay_buf_addc(out, *at);
    }
    assay_buf_addc(out, '"');
}

static void put_toml_list(struct assay_buf *out, const char *key, const struct assay_strings *list)
{
    assay_buf_addf(out, "%s = [", key);
    for (size_t i = 0; i < list->count; i++) {
        assay_buf_adds(out, i > 0 ? ", " : "");
        put_toml_text(out, list->items[i]);
    }
    assay_buf_adds(out, "]\n");
}

// The reader makes "a__b" of the name "a/b".
static enum assay_status write_toml(const struct task *t, struct assay_error *err)
{
    const struct assay_instance *instance = t->instance;
    const char *split = strstr(instance->instance_id, "__");
    const char *name = split && split > instance->instance_id && split[2] && !strchr(split + 2, '/')
            ? assay_arena_printf(t->arena, "%.*s/%s", (int)(split - instance->instance_id),
                      instance->instance_id, split + 2)
            : instance->instance_id;
    struct assay_buf text;

    if (!name)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_adds(&text, "version = \"1.0\"\n\n[task]\nname = ");
    put_toml_text(&text, name);
    assay_buf_adds(&text, "\n\n[metadata]\n");
    put_toml_list(&text, "tags", &instance->tags);
    assay_buf_addf(&text, "\n[verifier]\ntimeout_sec = %.3f\n\n[agent]\ntimeout_sec = %u.0\n",
            (double)instance->limits.wall_ms / 1000.0, AGENT_SECONDS);
    assay_buf_addf(&text, "\n[environment]\ncpus = 1\nmemory_mb = %llu\nworkdir = ",
            (unsigned long long)((instance->limits.memory_bytes + 1048575) >> 20));
    put_toml_text(&text, t->recipe->workdir);
    assay_buf_addc(&text, '\n');
    if (instance->network) {
        assay_buf_adds(&text, "network_mode = \"allowlist\"\n");
        put_toml_list(&text, "allowed_hosts", &instance->hosts);
    }
    return put(t, "task.toml", &text, 0644, err);
}

// --- environment --------------------------------------------------------------------------------

// What Debian calls the programs that a framework's tests are run with.
static const char *packages_of(const char *framework)
{
    static const struct {
        const char *framework, *packages;
    } rows[] = {{"pytest", "python3 python3-pytest"}, {"unittest", "python3"}, {"gotest", "golang"},
            {"cargo", "cargo"}, {"ctest", "cmake g++ make"}, {"tap-log", "perl"},
            {"minitest", "ruby ruby-minitest"}, {"mocha", "nodejs npm"}, {"jest", "nodejs npm"},
            {"maven", "maven"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].framework, framework) == 0)
            return rows[i].packages;
    return "build-essential";
}

// A shell command on one line: what no line of a Dockerfile can hold is spelt out.
static void put_run(struct assay_buf *out, const char *command)
{
    const size_t len = strlen(command);

    if (command[0] != '[' && command[0] != '-' && len > 0 && command[len - 1] != '\\' &&
            !strpbrk(command, "\n\r") && !strstr(command, "<<")) {
        assay_buf_addf(out, "RUN %s\n", command);
        return;
    }
    assay_buf_adds(out, "RUN sh -ec \"$(printf '%b' '");
    for (size_t i = 0; i < len; i++) {
        const char c = command[i];

        if (strchr("\n\r'\\\"`$<", c))
            assay_buf_addf(out, "\\0%03o", (unsigned)(unsigned char)c);
        else
            assay_buf_addc(out, c);
    }
    assay_buf_adds(out, "')\"\n");
}

static void put_env(struct assay_buf *out, const char *pair)
{
    const char *equals = strchr(pair, '=');

    assay_buf_addf(out, "ENV %.*s=\"", (int)(equals - pair), pair);
    for (const char *at = equals + 1; *at; at++) {
        if (strchr("\"\\$", *at))
            assay_buf_addc(out, '\\');
        assay_buf_addc(out, *at);
    }
    assay_buf_adds(out, "\"\n");
}

static enum assay_status copy_tree(const struct task *t, struct assay_error *err)
{
    char path[PATH_MAX];
    int from = -1, to = -1;
    enum assay_status status =
            assay_depot_tree(assay_context_depot(t->context), t->instance->tree, path, err);

    if (status == ASSAY_OK)
        status = assay_fs_mkdirs(t->dir_fd, "environment/tree", 0755, err);
    if (status != ASSAY_OK)
        return status;
    from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    to = openat(t->dir_fd, "environment/tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    status = from < 0 || to < 0 ? assay_fail_errno(err, errno, "open a base tree")
                                : assay_fs_copy_tree(from, to, err);
    if (from >= 0)
        close(from);
    if (to >= 0)
        close(to);
    return status;
}

static enum assay_status write_environment(const struct task *t, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status = copy_tree(t, err);

    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_addf(&text,
            "# Tests were measured on a Debian with these packages; assay takes its host's.\n"
            "FROM debian:bookworm\n"
            "RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates git %s\n",
            packages_of(t->instance->framework));
    for (size_t i = 0; i < t->recipe->env.count; i++)
        put_env(&text, t->recipe->env.items[i]);
    for (size_t i = 0; i < t->recipe->setup.count; i++)
        put_run(&text, t->recipe->setup.items[i]);
    assay_buf_addf(&text, "WORKDIR %s\nCOPY tree %s\n", t->recipe->workdir, t->recipe->workdir);
    return put(t, "environment/Dockerfile", &text, 0644, err);
}

// --- tests --------------------------------------------------------------------------------------

static void put_word(struct assay_buf *out, const char *word)
{
    assay_buf_addc(out, '\'');
    for (; *word; word++) {
        if (*word == '\'')
            assay_buf_adds(out, "'\\''");
        else
            assay_buf_addc(out, *word);
    }
    assay_buf_addc(out, '\'');
}

// The files of tests as they have to be, and the names of those that have to go.
static enum assay_status write_test_files(const struct task *t, struct assay_error *err)
{
    struct assay_edits kept = {.count = 0}, *edits = NULL;
    struct assay_tree_view view = {.fd = -1};
    struct assay_buf removed;
    int fd = -1;
    enum assay_status status = assay_fs_mkdirs(t->dir_fd, "tests/files", 0755, err);

    if (status == ASSAY_OK)
        status = assay_tree_view_open(&view, t->context, t->instance, t->arena, err);
    if (status == ASSAY_OK && t->instance->test_patch.len > 0)
        status = assay_tree_view_apply(&edits, &view, t->instance->test_patch, NULL, NULL, err);
    assay_buf_init(&removed, TEXT_BYTES_MAX);
    if (status == ASSAY_OK) {
        kept.items =
                assay_arena_array(t->arena, (edits ? edits->count : 0) + 1, sizeof(*kept.items));
        if (!kept.items)
            status = assay_fail(err, ASSAY_ENOMEM, "out of memory");
    }
    for (size_t i = 0; status == ASSAY_OK && edits && i < edits->count; i++) {
        if (edits->items[i].kind == ASSAY_FILE_NONE)
            assay_buf_addf(&removed, "%s\n", edits->items[i].path);
        else
            kept.items[kept.count++] = edits->items[i];
    }
    if (status == ASSAY_OK) {
        fd = openat(t->dir_fd, "tests/files", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = fd < 0 ? assay_fail_errno(err, errno, "open tests/files")
                        : assay_edits_write_tree(&kept, fd, err);
    }
    if (fd >= 0)
        close(fd);
    assay_tree_view_close(&view);
    if (status == ASSAY_OK)
        return put(t, "tests/removed", &removed, 0644, err);
    assay_buf_free(&removed);
    return status;
}

// By ids where the command can be asked for them; else all of it.
static enum assay_status choose_command(
        struct assay_strings *argv, bool *by_id, const struct task *t, struct assay_error *err)
{
    static const char *const ids[] = {"\"${ids[@]}\""};
    const struct assay_strings placeholder = {ids, 1};

    *argv = t->instance->test_cmd;
    *by_id = false;
    if (strcmp(t->instance->framework, "pytest") == 0 &&
            !assay_narrow_pytest(argv, by_id, &t->instance->test_cmd, &placeholder, t->arena))
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    if (!*by_id)
        *argv = t->instance->test_cmd;
    return ASSAY_OK;
}

static enum assay_status write_tests(const struct task *t, struct assay_error *err)
{
    const struct assay_strings *lists[2] = {&t->instance->fail_to_pass, &t->instance->pass_to_pass};
    struct assay_strings argv;
    struct assay_buf text, ids;
    bool by_id;
    enum assay_status status = write_test_files(t, err);

    if (status == ASSAY_OK)
        status = choose_command(&argv, &by_id, t, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&ids, TEXT_BYTES_MAX);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            assay_buf_addf(&ids, "%s\n", lists[l]->items[i]);
    status = put(t, "tests/ids", &ids, 0644, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_adds(&text,
            "#!/bin/bash\n"
            "# Lays the tests over the working folder, runs them, says 1 or 0.\n"
            "here=$(cd \"$(dirname \"$0\")\" && pwd)\nmkdir -p /logs/verifier\ncd ");
    put_word(&text, t->recipe->workdir);
    assay_buf_adds(&text,
            " || exit 1\n"
            "while IFS= read -r path; do rm -rf -- \"$path\"; done <\"$here/removed\"\n"
            "[ ! -d \"$here/files\" ] || cp -R --preserve=mode \"$here/files/.\" .\n"
            "mapfile -t ids <\"$here/ids\"\n");
    for (size_t i = 0; i < argv.count; i++) {
        assay_buf_adds(&text, i > 0 ? " " : "");
        if (by_id && argv.items[i][0] == '"')
            assay_buf_adds(&text, argv.items[i]);
        else
            put_word(&text, argv.items[i]);
    }
    assay_buf_adds(
            &text, "\nif [ $? -eq 0 ]; then echo 1; else echo 0; fi >/logs/verifier/reward.txt\n");
    return put(t, "tests/test.sh", &text, 0755, err);
}

// --- solution -----------------------------------------------------------------------------------

static enum assay_status write_solution(const struct task *t, struct assay_error *err)
{
    struct assay_buf text;
    enum assay_status status = assay_fs_mkdirs(t->dir_fd, "solution", 0755, err);

    if (status == ASSAY_OK)
        status = assay_suite_write_file(
                t->dir_fd, "solution/gold.patch", t->instance->gold_patch, 0644, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_init(&text, TEXT_BYTES_MAX);
    assay_buf_adds(&text, "#!/bin/bash\nset -e\nhere=$(cd \"$(dirname \"$0\")\" && pwd)\ncd ");
    put_word(&text, t->recipe->workdir);
    // Outside of any repository: a git folder around it would make it apply below that.
    assay_buf_adds(
            &text, "\nGIT_DIR=/nonexistent git apply --whitespace=nowarn \"$here/gold.patch\"\n");
    return put(t, "solution/solve.sh", &text, 0755, err);
}

// --- the whole ----------------------------------------------------------------------------------

enum assay_status assay_suite_harbor_write(struct assay_context *context,
        const struct assay_suite *suite, const struct assay_instance *instance, int dir_fd,
        struct assay_error *err)
{
    struct task t = {.context = context,
            .instance = instance,
            .recipe = assay_suite_recipe(suite, instance->recipe),
            .dir_fd = dir_fd};
    enum assay_status status;

    if (instance->task != ASSAY_TASK_REPAIR || instance->gold_patch.len == 0 ||
            instance->tests_at || !t.recipe)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: only repairs with a gold patch become Harbor tasks", instance->instance_id);
    if (strcmp(t.recipe->base, "host") != 0)
        return assay_fail(err, ASSAY_EINVAL,
                "%s: its recipe begins from %.60s, which no Dockerfile names",
                instance->instance_id, t.recipe->base);
    status = assay_arena_create(&t.arena, ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = write_toml(&t, err);
    if (status == ASSAY_OK)
        status = assay_suite_write_file(dir_fd, "instruction.md", instance->problem, 0644, err);
    if (status == ASSAY_OK)
        status = write_environment(&t, err);
    if (status == ASSAY_OK)
        status = write_tests(&t, err);
    if (status == ASSAY_OK)
        status = write_solution(&t, err);
    assay_arena_destroy(t.arena);
    return status == ASSAY_OK ? ASSAY_OK : assay_wrap(err, "%s", instance->instance_id);
}
