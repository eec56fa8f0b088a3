// SPDX-License-Identifier: MIT
// What must hold: set-up steps and tests reach what is listed for them through the one who serves
// their door, and what was refused is told where people look.
#include "envs/access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/box_fixture.h"
#include "envs/recipe.h"
#include "envs/registry.h"
#include "envs/runner.h"
#include "support/harness.h"

static struct assay_sandbox *sandbox;

// --- one who serves doors, and lets nobody in ----------------------------------------------------

static struct {
    char hosts[4096]; // of the last box, a line each
    unsigned begun, served, ended;
} server;

static enum assay_status begin(
        void *user, void **out, const struct assay_strings *hosts, struct assay_error *err)
{
    (void)user;
    (void)err;
    server.hosts[0] = '\0';
    for (size_t i = 0; i < hosts->count; i++) {
        const size_t len = strlen(server.hosts);

        (void)snprintf(server.hosts + len, sizeof(server.hosts) - len, "%s\n", hosts->items[i]);
    }
    server.begun++;
    *out = &server;
    return ASSAY_OK;
}

static void serve(void *passage, int listen_fd)
{
    assert_ptr_equal(passage, &server);
    server.served++;
    close(listen_fd);
}

static void end(void *passage, struct assay_buf *refused)
{
    assert_ptr_equal(passage, &server);
    server.ended++;
    if (refused != NULL)
        assay_buf_adds(refused, "evil.example:443, 2 times: not on this box's allow-list\n");
}

static const char *const user_hosts[] = {"mine.example"};
static const struct assay_access access_listed = {.network = ASSAY_NETWORK_ALLOWLIST,
        .hosts = {user_hosts, 1},
        .begin = begin,
        .serve = serve,
        .end = end};

static int start(void **state)
{
    memset(&server, 0, sizeof(server));
    return box_fixture_setup(state);
}

// --- set-up --------------------------------------------------------------------------------------

static void set_up_reaches_registries_and_what_is_listed(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {
            "env | grep -i -E '^(https?_proxy|all_proxy|no_proxy|pip_proxy)=' | sort > /env/seen"};
    static const char *const hosts[] = {"files.example:8080"};
    const struct assay_recipe recipe = {.name = "r",
            .base = "host",
            .setup = {setup, 1},
            .hosts = {hosts, 1},
            .workdir = "/testbed"};
    struct assay_environment environment;
    char *text = NULL;

    setenv("PIP_INDEX_URL", "http://u:p@10.1.2.3/simple", 1); // NOLINT(concurrency-mt-unsafe)
    setenv("https_proxy", "http://outer.example:1", 1);       // NOLINT(concurrency-mt-unsafe)
    if (assay_recipe_prepare(f->depot, sandbox, &recipe, &access_listed, &environment, &f->err) !=
            ASSAY_OK)
        fail_msg("%s", f->err.message);
    unsetenv("https_proxy"); // NOLINT(concurrency-mt-unsafe)
    assert_int_equal(environment.network, ASSAY_NETWORK_ALLOWLIST);
    assert_int_equal(server.begun, 1);
    assert_int_equal(server.served, 1);
    assert_int_equal(server.ended, 1);
    assert_memory_equal(server.hosts, "files.example:8080\n10.1.2.3:80\n", 31);
    assert_non_null(strstr(server.hosts, "\nmine.example\n"));
    text = fixture_read(f, "cat %s/env/seen", environment.layer);
    assert_string_equal(text,
            "ALL_PROXY=http://127.0.0.1:61080\nHTTPS_PROXY=http://127.0.0.1:61080\n"
            "HTTP_PROXY=http://127.0.0.1:61080\nNO_PROXY=localhost,127.0.0.1,::1\n"
            "PIP_PROXY=http://127.0.0.1:61080\nall_proxy=http://127.0.0.1:61080\n"
            "http_proxy=http://127.0.0.1:61080\nhttps_proxy=http://127.0.0.1:61080\n"
            "no_proxy=localhost,127.0.0.1,::1");
    free(text);
    fixture_shell(f,
            "grep -q '\"network\": \"allowlist\"' %s/../meta.json; grep -q files.example "
            "%s/../meta.json; grep -qx 'evil.example:443, 2 times: not on this box.s allow-list' "
            "%s/../log; ! grep -q u:p %s/../meta.json",
            environment.layer, environment.layer, environment.layer, environment.layer);
}

static void a_layer_that_is_there_says_what_it_was_made_with(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {"true"};
    const struct assay_recipe recipe = {
            .name = "r", .base = "host", .setup = {setup, 1}, .workdir = "/testbed"};
    struct assay_environment one, two;

    assert_int_equal(
            assay_recipe_prepare(f->depot, sandbox, &recipe, NULL, &one, &f->err), ASSAY_OK);
    assert_int_equal(one.network, ASSAY_NETWORK_NONE);
    assert_int_equal(
            assay_recipe_prepare(f->depot, sandbox, &recipe, &access_listed, &two, &f->err),
            ASSAY_OK);
    assert_int_equal(two.network, ASSAY_NETWORK_NONE);
    assert_string_equal(one.layer, two.layer);
    assert_int_equal(server.begun, 0);
}

static void a_set_up_that_fails_says_what_was_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {"exit 5"};
    const struct assay_recipe recipe = {
            .name = "r", .base = "host", .setup = {setup, 1}, .workdir = "/testbed"};
    struct assay_environment environment;

    assert_int_equal(
            assay_recipe_prepare(f->depot, sandbox, &recipe, &access_listed, &environment, &f->err),
            ASSAY_EIO);
    assert_non_null(strstr(f->err.message, "evil.example:443"));
    assert_non_null(strstr(f->err.message, "exit status 5"));
    assert_int_equal(server.begun, server.ended);
}

static void set_up_has_every_cpu_and_no_network_of_the_hosts(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {"nproc > /env/n; grep -c : /proc/net/dev > /env/dev"};
    const struct assay_recipe recipe = {
            .name = "r", .base = "host", .setup = {setup, 1}, .workdir = "/testbed"};
    struct assay_environment environment;
    char *text = NULL, wanted[32];

    assert_int_equal(
            assay_recipe_prepare(f->depot, sandbox, &recipe, &access_listed, &environment, &f->err),
            ASSAY_OK);
    text = fixture_read(f, "cat %s/env/n %s/env/dev", environment.layer, environment.layer);
    (void)snprintf(wanted, sizeof(wanted), "%u\n1", assay_sandbox_cpu_count(sandbox));
    assert_string_equal(text, wanted);
    free(text);
}

// --- URLs ----------------------------------------------------------------------------------------

static void urls_become_entries(void **state)
{
    static const struct {
        const char *text;
        const char *entries[4];
    } rows[] = {
            {"global.index-url='https://index.example/simple'", {"index.example:443"}},
            {"https://u:p@index.example:8443/x", {"index.example:8443"}},
            {"http://127.0.0.1:3141/root", {"127.0.0.1:3141"}},
            {"http://10.0.0.1", {"10.0.0.1:80"}},
            {"https://a.example,https://b.example|direct", {"a.example:443", "b.example:443"}},
            {"https://a.example/ https://a.example/b", {"a.example:443"}},
            {"://a.example p://b.example ftp://c.example s3://d", {NULL}},
            {"https:// https:///x https://[::1]/ https://*.a.example/ https://a b", {"a:443"}},
            {"/opt/wheels file:///x", {NULL}},
            {"", {NULL}},
    };
    struct assay_arena *arena = NULL;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_strings out;
        size_t count = 0;

        print_message("row %zu: %s\n", i, rows[i].text);
        while (count < 4 && rows[i].entries[count] != NULL)
            count++;
        assert_int_equal(assay_registry_urls(&out, rows[i].text, arena, NULL), ASSAY_OK);
        assert_int_equal(out.count, count);
        for (size_t at = 0; at < count; at++)
            assert_string_equal(out.items[at], rows[i].entries[at]);
    }
    assay_arena_destroy(arena);
}

// An address that the user means is the host's, though it looks like the box's own.
static void a_listed_loopback_is_not_left_out_of_the_proxy(void **state)
{
    struct assay_arena *arena = NULL;
    static const char *const hosts[] = {"127.0.0.1:3141"};
    const struct assay_access access = {
            .network = ASSAY_NETWORK_ALLOWLIST, .hosts = {hosts, 1}, .begin = NULL};
    const struct assay_strings none = {NULL, 0};
    struct assay_passage passage = {.access = NULL};
    struct assay_environ vars;
    struct assay_box_plan plan;

    (void)state;
    assert_int_equal(assay_arena_create(&arena, 1 << 20, NULL), ASSAY_OK);
    assay_box_plan_default(&plan);
    assert_int_equal(assay_environ_init(&vars, arena, NULL), ASSAY_OK);
    assert_int_equal(assay_passage_open(&passage, &access, &none, &plan, &vars, NULL), ASSAY_OK);
    assert_string_equal(assay_environ_get(&vars, "NO_PROXY"), "localhost,::1");
    assert_int_equal(plan.network, ASSAY_NETWORK_ALLOWLIST);
    assert_null(plan.on_listener); // nobody serves: the door is closed
    assay_passage_close(&passage, NULL);
    assay_passage_close(&passage, NULL);
    assay_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    set_up_reaches_registries_and_what_is_listed, start, fixture_teardown),
            cmocka_unit_test_setup_teardown(
                    a_layer_that_is_there_says_what_it_was_made_with, start, fixture_teardown),
            cmocka_unit_test_setup_teardown(
                    a_set_up_that_fails_says_what_was_refused, start, fixture_teardown),
            cmocka_unit_test_setup_teardown(
                    set_up_has_every_cpu_and_no_network_of_the_hosts, start, fixture_teardown),
            cmocka_unit_test(urls_become_entries),
            cmocka_unit_test(a_listed_loopback_is_not_left_out_of_the_proxy),
    };
    int failed = 0;

    if (!box_fixture_start(&sandbox))
        return ASSAY_EXIT_SKIPPED;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    assay_sandbox_stop(sandbox);
    return failed;
}
