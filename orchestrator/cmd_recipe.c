// SPDX-License-Identifier: MIT
// cmd_recipe.c - `recipe detect`, `show`, `edit`, `rebuild`: what environments are made of.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/recipe_detect.h"
#include "orchestrator/commands.h"
#include "orchestrator/context.h"
#include "orchestrator/gate.h"
#include "orchestrator/page.h"
#include "tasks/suite_read.h"

#define ARENA_BYTES ((size_t)1 << 30)
#define LOG_BYTES_MAX ((size_t)256 << 20)
#define LOG_LINES 20u // of the end of a log that are shown
#define STEP_SHOWN 100

const struct assay_option assay_recipe_detect_options[] = {
        {"build", 0, NULL, "make the first one's layer, to see whether it can be made", false},
        ASSAY_GATE_OPTIONS,
        {"json", 0, NULL, "print one JSON object, with recipes as suite.json has them", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_recipe_show_options[] = {
        {"json", 0, NULL, "print one JSON object, with recipes as suite.json has them", false},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_recipe_edit_options[] = {
        {"base", 0, "BASE", "host, image:NAME, dir:/PATH or oci:/PATH", false},
        {"setup", 0, "COMMAND", "a set-up step; those given take the place of all", true},
        {"no-setup", 0, NULL, "no set-up step at all", false},
        {"env", 0, "NAME=VALUE", "a variable; those given take the place of all", true},
        {"workdir", 0, "PATH", "where the tree lies in the box", false},
        {"host", 0, "HOST", "what set-up may reach beside registries; takes the place of all",
                true},
        {NULL, 0, NULL, NULL, false},
};

const struct assay_option assay_recipe_rebuild_options[] = {
        ASSAY_GATE_OPTIONS,
        {NULL, 0, NULL, NULL, false},
};

// One command at work.
struct recipe_command {
    const struct assay_invocation *in;
    struct assay_context *context;
    struct assay_arena *arena;
};

// --- telling ------------------------------------------------------------------------------------

static void write_recipe(struct assay_json_writer *w, const struct assay_recipe *recipe)
{
    assay_json_begin_object(w, recipe->name);
    assay_json_put_text(w, "base", recipe->base);
    assay_strings_write(w, "setup", &recipe->setup);
    assay_json_begin_object(w, "env");
    for (size_t i = 0; i < recipe->env.count; i++) {
        const char *equals = strchr(recipe->env.items[i], '=');
        char name[256];

        (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - recipe->env.items[i]),
                recipe->env.items[i]);
        assay_json_put_text(w, name, equals + 1);
    }
    assay_json_end_object(w);
    assay_json_put_text(w, "workdir", recipe->workdir);
    if (recipe->hosts.count > 0)
        assay_strings_write(w, "hosts", &recipe->hosts);
    assay_json_end_object(w);
}

// A step in one line: what it writes into files is told by its length.
static void print_step(const char *step)
{
    const size_t len = strlen(step);
    const char *feed = strchr(step, '\n');
    const size_t line = feed ? (size_t)(feed - step) : len;
    char shown[STEP_SHOWN + 1];

    (void)snprintf(
            shown, sizeof(shown), "%.*s", (int)(line < STEP_SHOWN ? line : STEP_SHOWN), step);
    fputs("  + ", stdout);
    assay_cli_put(stdout, shown);
    if (len > strlen(shown))
        printf(" ... (%zu bytes) ... %s", len, step + len - (len > 40 ? 40 : 0));
    fputc('\n', stdout);
}

static void print_recipe(const struct assay_recipe *recipe)
{
    printf("recipe %s: base %s, tree at %s\n", recipe->name, recipe->base, recipe->workdir);
    for (size_t i = 0; i < recipe->env.count; i++) {
        fputs("  ", stdout);
        assay_cli_put(stdout, recipe->env.items[i]);
        fputc('\n', stdout);
    }
    for (size_t i = 0; i < recipe->setup.count; i++)
        print_step(recipe->setup.items[i]);
    if (recipe->setup.count == 0)
        puts("  no set-up");
}

// The last lines of a log, indented.
static void print_log_end(struct recipe_command *c, const char *log)
{
    char path[PATH_MAX];
    struct assay_buf text;
    size_t from, lines = 0;

    (void)snprintf(path, sizeof(path), "%.*s/%s", PATH_MAX - 160,
            assay_depot_home(assay_context_depot(c->context)), log);
    assay_buf_init(&text, LOG_BYTES_MAX);
    if (assay_fs_read_file(&text, path, NULL) == ASSAY_OK) {
        for (from = text.len; from > 0 && lines <= LOG_LINES; from--)
            lines += text.data[from - 1] == '\n';
        from += from > 0 || lines > LOG_LINES;
        printf("the end of its log (%s):\n", path);
        for (const char *at = text.data + from; *at;) {
            const size_t len = strcspn(at, "\n");

            printf("    %.*s\n", (int)len, at);
            at += len + (at[len] == '\n');
        }
    }
    assay_buf_free(&text);
}

// --- building -----------------------------------------------------------------------------------

// A build that fails shows the end of its log, and what to type next.
static enum assay_status build(struct recipe_command *c, const struct assay_recipe *recipe,
        const char *next, struct assay_error *err)
{
    struct assay_recipe_state state;
    struct assay_environment environment;
    struct assay_error trouble = {0};
    enum assay_status status =
            assay_recipe_prepare(assay_context_depot(c->context), assay_context_sandbox(c->context),
                    recipe, assay_context_access(c->context), &environment, &trouble);

    if (status == ASSAY_OK) {
        printf("recipe %s: ready (%s)\n", recipe->name,
                environment.layer[0] ? environment.layer : "no layer: it has no set-up");
        return ASSAY_OK;
    }
    if (status != ASSAY_EINTERRUPTED &&
            assay_recipe_look(&state, assay_context_depot(c->context), recipe, NULL) == ASSAY_OK &&
            state.log[0]) {
        print_log_end(c, state.log);
        printf("to go on: %s\n", next);
    }
    return assay_fail(err, status, "%s", trouble.message);
}

// --- detect -------------------------------------------------------------------------------------

// The tree that is meant: a directory of the host, or an instance's base tree.
static enum assay_status open_tree(struct recipe_command *c, int *fd, struct assay_error *err)
{
    const struct assay_invocation *in = c->in;
    struct assay_suite *suite = NULL;
    const struct assay_instance *instance;
    char path[PATH_MAX];
    enum assay_status status = ASSAY_OK;

    (void)snprintf(path, sizeof(path), "%s", in->arguments[0]);
    if (in->argument_count == 2) {
        status = assay_store_load_suite(
                assay_context_store(c->context), in->arguments[0], &suite, err);
        instance = status == ASSAY_OK ? assay_suite_find(suite, in->arguments[1]) : NULL;
        if (status == ASSAY_OK && !instance)
            status = assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no instance '%s'",
                    in->arguments[0], in->arguments[1]);
        if (status == ASSAY_OK)
            status = assay_depot_tree(assay_context_depot(c->context), instance->tree, path, err);
        assay_suite_free(suite);
    }
    if (status != ASSAY_OK)
        return status;
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? assay_fail_errno(err, errno, "open %.150s", path) : ASSAY_OK;
}

static const char *missing_program(const struct assay_detected *found)
{
    for (size_t i = 0; i < found->needs.count; i++)
        if (access(found->needs.items[i], X_OK) != 0)
            return found->needs.items[i];
    return NULL;
}

static void print_detected(const struct assay_detected *found)
{
    const char *missing = missing_program(found);

    printf("%s: %s (%s)\n", found->ecosystem, found->why, found->file);
    print_recipe(&found->recipe);
    printf("  tests (%s):", found->framework);
    for (size_t i = 0; i < found->test_cmd.count; i++)
        printf(strchr(found->test_cmd.items[i], ' ') ? " '%s'" : " %s", found->test_cmd.items[i]);
    fputc('\n', stdout);
    if (missing)
        printf("  this host lacks %s: install it, or take a base that has it\n", missing);
}

static enum assay_status print_detected_json(
        const struct assay_detected *found, size_t count, struct assay_error *err)
{
    struct assay_page page;
    struct assay_json_writer *const w = assay_page_begin(&page);

    assay_json_begin_array(w, "detected");
    for (size_t i = 0; i < count; i++) {
        assay_json_begin_object(w, NULL);
        assay_json_put_text(w, "ecosystem", found[i].ecosystem);
        assay_json_put_text(w, "file", found[i].file);
        assay_json_put_text(w, "why", found[i].why);
        assay_json_put_text(w, "framework", found[i].framework);
        assay_strings_write(w, "test_cmd", &found[i].test_cmd);
        assay_json_put_text(w, "missing", missing_program(&found[i]));
        assay_json_begin_object(w, "recipes");
        write_recipe(w, &found[i].recipe);
        assay_json_end_object(w);
        assay_json_end_object(w);
    }
    assay_json_end_array(w);
    return assay_page_print(&page, err);
}

static enum assay_status detect(struct recipe_command *c, struct assay_error *err)
{
    struct assay_detected *found = NULL;
    size_t count = 0;
    int fd = -1;
    enum assay_status status = open_tree(c, &fd, err);

    if (status == ASSAY_OK)
        status = assay_recipe_detect(&found, &count, fd, c->arena, err);
    if (fd >= 0)
        close(fd);
    if (status == ASSAY_OK && count == 0)
        status = assay_fail(err, ASSAY_ENOTFOUND,
                "nothing here tells an ecosystem: no pyproject.toml, package.json, go.mod, "
                "Cargo.toml, pom.xml, CMakeLists.txt, meson.build or Makefile");
    if (status != ASSAY_OK)
        return status;
    if (assay_cli_flag(c->in, "json"))
        status = print_detected_json(found, count, err);
    for (size_t i = 0; i < count && !assay_cli_flag(c->in, "json"); i++)
        print_detected(&found[i]);
    if (status == ASSAY_OK && assay_cli_flag(c->in, "build"))
        status = build(c, &found[0].recipe,
                "put the recipe into suite.json (--json prints it), mend its steps there", err);
    return status;
}

// --- show, edit, rebuild ------------------------------------------------------------------------

static enum assay_status load(
        struct recipe_command *c, struct assay_suite **suite, struct assay_error *err)
{
    const struct assay_invocation *in = c->in;
    const enum assay_status status =
            assay_store_load_suite(assay_context_store(c->context), in->arguments[0], suite, err);

    if (status != ASSAY_OK)
        return status;
    if (in->argument_count == 2 && !assay_suite_recipe(*suite, in->arguments[1]))
        return assay_fail(err, ASSAY_ENOTFOUND, "suite %s has no recipe '%s'", in->arguments[0],
                in->arguments[1]);
    return ASSAY_OK;
}

static bool is_meant(const struct recipe_command *c, const struct assay_recipe *recipe)
{
    return c->in->argument_count < 2 || strcmp(c->in->arguments[1], recipe->name) == 0;
}

static void print_state(struct recipe_command *c, const struct assay_recipe *recipe)
{
    struct assay_recipe_state state;
    struct assay_error trouble = {0};

    if (assay_recipe_look(&state, assay_context_depot(c->context), recipe, &trouble) != ASSAY_OK) {
        printf("  its base is not to be had: %s\n", trouble.message);
        return;
    }
    if (state.key[0])
        printf("  layer %.12s: %s\n", state.key,
                state.ready            ? "ready"
                        : state.log[0] ? "its set-up failed"
                                       : "not made yet");
    if (!state.ready && state.log[0])
        print_log_end(c, state.log);
}

static enum assay_status show(struct recipe_command *c, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    enum assay_status status = load(c, &suite, err);

    if (status == ASSAY_OK && assay_cli_flag(c->in, "json")) {
        struct assay_page page;
        struct assay_json_writer *const w = assay_page_begin(&page);

        assay_json_begin_object(w, "recipes");
        for (size_t i = 0; i < suite->recipe_count; i++)
            if (is_meant(c, &suite->recipes[i]))
                write_recipe(w, &suite->recipes[i]);
        assay_json_end_object(w);
        status = assay_page_print(&page, err);
    } else if (status == ASSAY_OK) {
        for (size_t i = 0; i < suite->recipe_count; i++) {
            if (!is_meant(c, &suite->recipes[i]))
                continue;
            print_recipe(&suite->recipes[i]);
            print_state(c, &suite->recipes[i]);
        }
    }
    assay_suite_free(suite);
    return status;
}

static enum assay_status rebuild(struct recipe_command *c, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    enum assay_status status = load(c, &suite, err);

    for (size_t i = 0; status == ASSAY_OK && i < suite->recipe_count; i++) {
        const struct assay_recipe *recipe = &suite->recipes[i];
        const char *next = assay_arena_printf(c->arena,
                "assay recipe edit %s %s --setup '...', then assay recipe rebuild %s %s",
                suite->name, recipe->name, suite->name, recipe->name);

        if (!is_meant(c, recipe))
            continue;
        status = assay_recipe_forget(assay_context_depot(c->context), recipe, err);
        if (status == ASSAY_OK)
            status = build(c, recipe, next ? next : "", err);
    }
    assay_suite_free(suite);
    return status;
}

// What the options say in place of what stood there.
static enum assay_status change(
        struct recipe_command *c, struct assay_recipe *recipe, struct assay_error *err)
{
    const struct {
        const char *option;
        struct assay_strings *out;
    } lists[] = {{"setup", &recipe->setup}, {"env", &recipe->env}, {"host", &recipe->hosts}};
    struct assay_fault fault = {.field = ""};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct assay_strings given = {NULL, 0};
        const enum assay_status status =
                assay_cli_values(&given, c->in, lists[i].option, c->arena, err);

        if (status != ASSAY_OK)
            return status;
        if (given.count > 0)
            *lists[i].out = given;
    }
    if (assay_cli_flag(c->in, "no-setup"))
        recipe->setup = (struct assay_strings){NULL, 0};
    if (assay_cli_value(c->in, "base"))
        recipe->base = assay_cli_value(c->in, "base");
    if (assay_cli_value(c->in, "workdir"))
        recipe->workdir = assay_cli_value(c->in, "workdir");
    if (assay_recipe_fault(&fault, recipe))
        return assay_fail(
                err, ASSAY_EUSAGE, "recipe %s: %s: %s", recipe->name, fault.field, fault.reason);
    return ASSAY_OK;
}

static enum assay_status edit(struct recipe_command *c, struct assay_error *err)
{
    struct assay_suite *suite = NULL;
    enum assay_status status = load(c, &suite, err);

    for (size_t i = 0; status == ASSAY_OK && i < suite->recipe_count; i++) {
        if (!is_meant(c, &suite->recipes[i]))
            continue;
        status = change(c, &suite->recipes[i], err);
        if (status == ASSAY_OK)
            print_recipe(&suite->recipes[i]);
    }
    // Certificates and verdicts are of a content: those of the old one do not speak for this.
    if (status == ASSAY_OK)
        status = assay_store_add_suite(assay_context_store(c->context), suite, true, err);
    if (status == ASSAY_OK)
        printf("%s is changed; its folder is not. Next: assay recipe rebuild %s %s\n", suite->name,
                suite->name, c->in->arguments[1]);
    assay_suite_free(suite);
    return status;
}

// --- commands -----------------------------------------------------------------------------------

static enum assay_exit run(struct assay_invocation *in, bool with_sandbox,
        enum assay_status (*work)(struct recipe_command *c, struct assay_error *err))
{
    struct recipe_command c = {.in = in};
    struct assay_error err = {0};
    enum assay_status status = assay_arena_create(&c.arena, ARENA_BYTES, &err);

    if (status == ASSAY_OK)
        status = assay_context_open(&c.context, in, with_sandbox, &err);
    if (status == ASSAY_OK)
        status = work(&c, &err);
    assay_context_close(c.context);
    assay_arena_destroy(c.arena);
    return status == ASSAY_OK ? ASSAY_EXIT_OK : assay_cli_fail(&err);
}

enum assay_exit assay_cmd_recipe_detect(struct assay_invocation *invocation)
{
    return run(invocation, assay_cli_flag(invocation, "build"), detect);
}

enum assay_exit assay_cmd_recipe_show(struct assay_invocation *invocation)
{
    return run(invocation, false, show);
}

enum assay_exit assay_cmd_recipe_edit(struct assay_invocation *invocation)
{
    return run(invocation, false, edit);
}

enum assay_exit assay_cmd_recipe_rebuild(struct assay_invocation *invocation)
{
    return run(invocation, true, rebuild);
}
