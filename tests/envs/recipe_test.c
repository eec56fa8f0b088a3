// SPDX-License-Identifier: MIT
// What must hold: a layer is built once, whoever asks and how many at a time; what failed leaves a
// log and nothing else; and nothing of the host's configuration stays in a layer.
#include "envs/recipe.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "envs/box_fixture.h"
#include "envs/fetch.h"
#include "envs/host.h"
#include "support/harness.h"

static struct assay_sandbox *sandbox;
static const struct assay_access host_access = {.network = ASSAY_NETWORK_HOST};

static struct assay_recipe make_recipe(const char *const *setup, size_t count)
{
    return (struct assay_recipe){
            .name = "r", .base = "host", .setup = {setup, count}, .workdir = "/testbed"};
}

static void no_commands_make_no_layer(void **state)
{
    struct fixture *f = *state;
    struct assay_recipe recipe = make_recipe(NULL, 0);
    struct assay_environment one, two;

    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &one, &f->err),
            ASSAY_OK);
    assert_true(one.host_usr);
    assert_string_equal(one.layer, "");
    assert_int_equal(one.network, ASSAY_NETWORK_NONE);
    assert_int_equal(strlen(one.key), 64);
    recipe.workdir = "/elsewhere";
    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &two, &f->err),
            ASSAY_OK);
    assert_string_not_equal(one.key, two.key);
    fixture_shell(f, "test -z \"$(ls home/layers)\"");
}

static void commands_build_on_each_other_and_the_layer_is_clean(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {
            "mkdir /env/bin; echo 'echo tool' > /env/bin/tool; echo t > "
            "/tmp/t; echo v > /var/tmp/v; test \"$PIP_NO_CACHE_DIR\" = 1",
            "cat /tmp/t; sh /env/bin/tool >> /env/out; pwd >> /env/out; echo $HOME >> /env/out; touch "
            "/home/box/mine; test -s /etc/resolv.conf || test ! -s /etc/resolv.conf",
            "rm /env/bin/tool"};
    const struct assay_recipe recipe = make_recipe(setup, 3);
    struct assay_environment environment;
    char *text = NULL;

    if (assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &environment, &f->err) !=
            ASSAY_OK)
        fail_msg("%s", f->err.message);
    assert_int_equal(environment.network, ASSAY_NETWORK_HOST);
    text = fixture_read(f,
            "cd %s; cat env/out; ls env/bin home/box; ls etc | grep -E "
            "'resolv|hosts$|pip.conf' || true; ls -d tmp run dev proc var/tmp 2>/dev/null || "
            "true; ls ..",
            environment.layer);
    assert_string_equal(
            text, "tool\n/\n/home/box\nenv/bin:\n\nhome/box:\nmine\nlog\nmeta.json\nroot");
    free(text);
    fixture_shell(f,
            "grep -q '^+ rm /env/bin/tool' %s/../log; grep -q '\"network\": \"host\"' "
            "%s/../meta.json; test -z \"$(ls home/tmp/*/ | grep -v lock | grep .)\"",
            environment.layer, environment.layer);
}

struct builder {
    struct fixture *f;
    const struct assay_recipe *recipe;
    struct assay_environment environment;
    struct assay_error err;
    enum assay_status status;
};

static void *build(void *arg)
{
    struct builder *b = arg;

    b->status = assay_recipe_prepare(
            b->f->depot, sandbox, b->recipe, &host_access, &b->environment, &b->err);
    return NULL;
}

static void eight_who_ask_at_once_get_one_build(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {"echo built > /env/once; sleep 0.3"};
    const struct assay_recipe recipe = make_recipe(setup, 1);
    struct builder *builders = calloc(8, sizeof(*builders));
    pthread_t threads[8];

    assert_non_null(builders);
    for (size_t i = 0; i < 8; i++) {
        builders[i] = (struct builder){.f = f, .recipe = &recipe};
        assert_int_equal(pthread_create(&threads[i], NULL, build, &builders[i]), 0);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 8; i++) {
        if (builders[i].status != ASSAY_OK)
            fail_msg("%s", builders[i].err.message);
        assert_string_equal(builders[i].environment.layer, builders[0].environment.layer);
        assert_string_equal(builders[i].environment.key, builders[0].environment.key);
    }
    fixture_shell(f,
            "test \"$(grep -c '^+ ' %s/../log)\" = 1; ls home/layers | grep -v lock | grep -c . "
            "| grep -qx 1",
            builders[0].environment.layer);
    free(builders);
}

static void a_failing_command_says_which_how_and_where_the_log_is(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {"echo fine > /env/x", "echo no such thing >&2; exit 7"};
    const struct assay_recipe recipe = make_recipe(setup, 2);
    struct assay_environment environment = {.key = "untouched"};
    char *text = NULL;

    assert_int_equal(
            assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &environment, &f->err),
            ASSAY_EIO);
    print_message("%s\n", f->err.message);
    assert_string_equal(environment.key, "untouched");
    assert_non_null(strstr(f->err.message, "recipe r: set-up (log: layers/"));
    assert_non_null(
            strstr(f->err.message, "'echo no such thing >&2; exit 7': exit status 7: no such"));
    text = fixture_read(f,
            "ls home/layers | sed 's/^[0-9a-f]*//' | sort; grep -c . "
            "home/layers/*.failed.log");
    assert_string_equal(text, ".failed.log\n.lock\n3");
    free(text);
    fixture_shell(f, "test -z \"$(ls home/tmp/*/ | grep -v lock | grep .)\"");
}

static void a_base_has_to_be_one(void **state)
{
    struct fixture *f = *state;
    struct assay_recipe recipe = make_recipe(NULL, 0);
    struct assay_environment one, two;
    char base[128];

    recipe.base = "docker:python";
    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &one, &f->err),
            ASSAY_EINVAL);
    recipe.base = "dir:/no/such/image";
    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &one, &f->err),
            ASSAY_ENOTFOUND);
    fixture_shell(f, "mkdir -p image/rootfs/bin; echo x > image/rootfs/bin/x");
    snprintf(base, sizeof(base), "oci:%s", fixture_path(f, "image"));
    recipe.base = base;
    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &one, &f->err),
            ASSAY_OK);
    assert_string_equal(one.image, fixture_path(f, "image/rootfs"));
    assert_false(one.host_usr);
    fixture_shell(f, "echo yy > image/rootfs/bin/x");
    assert_int_equal(assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &two, &f->err),
            ASSAY_OK);
    assert_string_not_equal(one.key, two.key);
}

static void a_fetched_file_arrives_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *command;
        enum assay_status status;
        const char *text;
    } rows[] = {
            {"echo no >&2; exit 3", ASSAY_EIO, "exit status 3: no"},
            {"true", ASSAY_ENOTFOUND, "left no regular file wanted"},
            {"mkdir /out/wanted", ASSAY_ENOTFOUND, "left no regular file wanted"},
            {"ln -s /etc/passwd /out/wanted", ASSAY_ENOTFOUND, "left no regular file wanted"},
            {"echo got > /out/wanted", ASSAY_OK, ""},
    };
    char *text = NULL;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *const argv[] = {"/bin/sh", "-c", rows[i].command, NULL};
        const enum assay_status status = assay_fetch_run(f->depot, sandbox, NULL, argv, "wanted",
                fixture_path(f, "home/downloads/x"), &f->err);

        if (status != ASSAY_OK)
            print_message("%s\n", f->err.message);
        assert_int_equal(status, rows[i].status);
        assert_true(status == ASSAY_OK || strstr(f->err.message, rows[i].text) != NULL);
    }
    text = fixture_read(f, "cat home/downloads/x/wanted; stat -c %%a home/downloads/x/wanted");
    assert_string_equal(text, "got\n644");
    free(text);
    fixture_shell(f, "test -z \"$(ls home/tmp/*/ | grep -v lock | grep .)\"");
}

// --- the host's configuration -------------------------------------------------------------------

// NOLINTBEGIN(concurrency-mt-unsafe): no other thread runs now
static void set_environment(const struct fixture *f)
{
    for (char **pair = environ; *pair != NULL;) {
        char name[128];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(*pair, "="), *pair);
        if (strncmp(name, "PIP_", 4) == 0 || strncmp(name, "SSL_", 4) == 0)
            unsetenv(name);
        else
            pair++;
    }
    setenv("XDG_CONFIG_HOME", fixture_path(f, "config"), 1);
    setenv("SSL_CERT_FILE", fixture_path(f, "bundle"), 1);
    setenv("PIP_EXTRA_PLACE", fixture_path(f, "place"), 1);
    setenv("PIP_TARGET", "/not/wanted", 1);
    setenv("PIP_INDEX_URL", "http://index.example/simple", 1);
    setenv("some_proxy", "http://proxy.example:1", 1);
    setenv("SECRET", "stays", 1);
}
// NOLINTEND(concurrency-mt-unsafe)

static void what_the_host_says_about_registries_reaches_a_set_up_box(void **state)
{
    struct fixture *f = *state;
    static const char *const setup[] = {
            "{ env | grep -E '^(PIP_|SSL_|some_proxy|SECRET)' | sort; cat $SSL_CERT_FILE; cat "
            "/home/box/.config/pip/pip.conf; cat $PIP_EXTRA_PLACE/inside; } > /env/seen"};
    const struct assay_recipe recipe = make_recipe(setup, 1);
    struct assay_environment environment;
    char *text = NULL;

    fixture_shell(f,
            "mkdir -p config/pip place; echo '[global]' > config/pip/pip.conf; echo bundle > "
            "bundle; echo inside > place/inside; chmod 600 bundle config/pip/pip.conf; chmod 755 "
            ". place");
    set_environment(f);
    if (assay_recipe_prepare(f->depot, sandbox, &recipe, &host_access, &environment, &f->err) !=
            ASSAY_OK)
        fail_msg("%s", f->err.message);
    text = fixture_read(f, "cat %s/env/seen", environment.layer);
    assert_string_equal(text,
            "PIP_DISABLE_PIP_VERSION_CHECK=1\n"
            "PIP_EXTRA_PLACE=/run/assay-host/PIP_EXTRA_PLACE\n"
            "PIP_INDEX_URL=http://index.example/simple\n"
            "PIP_NO_CACHE_DIR=1\n"
            "PIP_NO_INPUT=1\n"
            "SSL_CERT_FILE=/run/assay-host/SSL_CERT_FILE\n"
            "some_proxy=http://proxy.example:1\n"
            "bundle\n"
            "[global]\n"
            "inside");
    free(text);
    fixture_shell(f, "! grep -rq -e bundle -e index.example %s/home %s/etc %s/../meta.json",
            environment.layer, environment.layer, environment.layer);
}

static void the_hosts_digest_is_the_same_each_time(void **state)
{
    struct fixture *f = *state;
    char one[65], two[65];

    assert_int_equal(assay_host_digest(one, &f->err), ASSAY_OK);
    assert_int_equal(assay_host_digest(two, &f->err), ASSAY_OK);
    assert_int_equal(strlen(one), 64);
    assert_string_equal(one, two);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(no_commands_make_no_layer),
            TEST(commands_build_on_each_other_and_the_layer_is_clean),
            TEST(eight_who_ask_at_once_get_one_build),
            TEST(a_failing_command_says_which_how_and_where_the_log_is), TEST(a_base_has_to_be_one),
            TEST(a_fetched_file_arrives_whole_or_not_at_all),
            TEST(the_hosts_digest_is_the_same_each_time),
            TEST(what_the_host_says_about_registries_reaches_a_set_up_box), // changes the
                                                                            // environment
    };
    int failed = 0;

    if (!box_fixture_start(&sandbox))
        return ASSAY_EXIT_SKIPPED;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    assay_sandbox_stop(sandbox);
    return failed;
}
