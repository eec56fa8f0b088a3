// SPDX-License-Identifier: MIT
// What must hold: a box sees the base tree under the model patch under the trusted tests; what it
// writes reaches none of them; and what it leaves for us is read with suspicion.
#include "envs/runner.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/box_fixture.h"
#include "envs/workspace.h"
#include "support/harness.h"

static struct assay_sandbox *sandbox;
static const struct assay_recipe recipe = {.name = "plain", .base = "host", .workdir = "/testbed"};

static const char test_patch[] = "--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1 +1 @@\n-old "
                                 "test\n+trusted test\n"
                                 "--- a/tests/gone.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
                                 "--- /dev/null\n+++ b/tests/new/deep.py\n@@ -0,0 +1 @@\n+added\n"
                                 "--- a/log.txt\n+++ b/log.txt\n@@ -1 +1 @@\n-log\n+test log\n";

// One instance over a small tree, and what a test asks of it.
struct scene {
    struct fixture *f;
    struct assay_arena *arena;
    struct assay_instance instance;
    struct assay_workspace workspace;
    struct assay_environment environment;
    char trusted[PATH_MAX];
};

static void scene_make(struct scene *scene, struct fixture *f, const char *const *allowed)
{
    memset(scene, 0, sizeof(*scene));
    scene->f = f;
    scene->instance = (struct assay_instance){.instance_id = "scene-1",
            .limits = {.wall_ms = 20000, .cpu_ms = 20000, .memory_bytes = (uint64_t)512 << 20},
            .test_patch = {test_patch, sizeof(test_patch) - 1}};
    if (allowed != NULL)
        scene->instance.protected_allowed = (struct assay_strings){allowed, 1};
    fixture_shell(f,
            "rm -rf src; mkdir -p src/tests src/lib; echo 'old test' > src/tests/test_a.py; "
            "echo gone > src/tests/gone.py; echo other > src/tests/other.py; echo code > "
            "src/lib/code.py; echo log > src/log.txt; echo drop > src/lib/drop.py");
    fixture_import(f, "src", scene->instance.tree);
    assert_int_equal(assay_arena_create(&scene->arena, (size_t)64 << 20, &f->err), ASSAY_OK);
    scene->environment.host_usr = true;
}

static enum assay_status scene_layer(struct scene *scene, const char *model_patch, bool with_tests)
{
    struct assay_workspace_options options = {
            .with_test_patch = with_tests, .mode = ASSAY_APPLY_TOLERANT};
    struct assay_patch *patch = NULL;

    if (model_patch != NULL)
        assert_int_equal(assay_patch_parse(&patch, model_patch, strlen(model_patch), scene->arena,
                                 &scene->f->err),
                ASSAY_OK);
    options.model_patch = patch;
    return assay_workspace_make(&scene->workspace, scene->f->depot, &scene->instance, &options,
            scene->arena, &scene->f->err);
}

// Run a shell command in the scene's box: its output must be `wanted`.
static void scene_run(
        struct scene *scene, const char *command, const char *const *env, const char *wanted)
{
    const char *const argv[] = {"/bin/sh", "-c", command};
    const struct assay_runner_job job = {.instance = &scene->instance,
            .recipe = &recipe,
            .environment = &scene->environment,
            .workspace = &scene->workspace,
            .trusted_dir = scene->trusted[0] == '\0' ? NULL : scene->trusted,
            .argv = {argv, 3},
            .env = env,
            .out_dir = "/run/assay",
            .log_path = fixture_path(scene->f, "log")};
    struct assay_box_result result;
    struct assay_buf log;

    if (assay_runner_run(sandbox, &job, &result, &scene->f->err) != ASSAY_OK)
        fail_msg("%s", scene->f->err.message);
    if (result.cause != ASSAY_BOX_EXITED)
        fail_msg("%s %s %d", assay_box_cause_name(result.cause), result.step, result.sys_errno);
    assert_string_equal(result.output.data, wanted);
    assay_buf_init(&log, 65536);
    assert_int_equal(assay_fs_read_file(&log, job.log_path, NULL), ASSAY_OK);
    assert_string_equal(log.data, wanted);
    assay_buf_free(&log);
    assay_box_result_release(&result);
}

static void scene_free(struct scene *scene)
{
    assay_workspace_release(&scene->workspace, scene->f->depot);
    assay_arena_destroy(scene->arena);
}

#define SHOW "find . -type f | sort | while read f; do echo \"$f: $(cat $f)\"; done"

static void layers_lie_in_order_and_writes_stay_in_the_box(void **state)
{
    struct scene scene;
    static const char model[] =
            "--- a/lib/code.py\n+++ b/lib/code.py\n@@ -1 +1 @@\n-code\n+fixed\n"
            "--- a/lib/drop.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-drop\n"
            "--- /dev/null\n+++ b/lib/more.py\n@@ -0,0 +1 @@\n+more\n"
            "--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1 +1 @@\n-old test\n+fake test\n"
            "--- /dev/null\n+++ b/tests/new/deep.py\n@@ -0,0 +1 @@\n+fake\n"
            "--- /dev/null\n+++ b/tests/__pycache__/test_a.cpython-311.pyc\n@@ -0,0 +1 @@\n+fake\n"
            "--- a/log.txt\n+++ b/log.txt\n@@ -1 +1 @@\n-log\n+model log\n";
    static const char all[] = "./lib/code.py: fixed\n./lib/more.py: more\n./log.txt: test "
                              "log\n./tests/new/deep.py: added\n./tests/other.py: "
                              "other\n./tests/test_a.py: trusted test\n";

    scene_make(&scene, *state, NULL);
    assert_int_equal(scene_layer(&scene, model, true), ASSAY_OK);
    assert_int_equal(scene.workspace.lower_count, 3);
    assert_int_equal(scene.workspace.model_edits->dropped.count, 4);
    scene_run(&scene, SHOW, NULL, all);
    scene_run(&scene, "rm -rf lib tests; echo x > log.txt; ls", NULL, "log.txt\n");
    scene_run(&scene, SHOW, NULL, all);
    fixture_import(scene.f, "src", scene.instance.tree);
    scene_free(&scene);
    fixture_shell(scene.f,
            "test \"$(ls home/layers | wc -l)\" = 1; test -z \"$(find home/tmp ! -type d | "
            "grep -v lock)\"");
}

static void without_a_model_patch_or_tests_there_are_fewer_layers(void **state)
{
    struct scene scene;

    scene_make(&scene, *state, NULL);
    assert_int_equal(scene_layer(&scene, NULL, false), ASSAY_OK);
    assert_int_equal(scene.workspace.lower_count, 1);
    scene_run(&scene, "cat tests/test_a.py tests/gone.py", NULL, "old test\ngone\n");
    assert_int_equal(scene_layer(&scene, NULL, true), ASSAY_OK);
    assert_int_equal(scene.workspace.lower_count, 2);
    assert_null(scene.workspace.model_edits);
    scene_run(&scene, "cat tests/test_a.py; test -e tests/gone.py || echo none", NULL,
            "trusted test\nnone\n");
    scene_free(&scene);
}

static void an_allowed_protected_file_stays_as_the_model_left_it(void **state)
{
    struct scene scene;
    static const char *const allowed[] = {"*.txt"};
    static const char model[] =
            "--- a/log.txt\n+++ b/log.txt\n@@ -1 +1 @@\n-log\n+model log\n"
            "--- a/tests/test_a.py\n+++ b/tests/test_a.py\n@@ -1 +1 @@\n-old test\n+fake test\n";

    scene_make(&scene, *state, allowed);
    assert_int_equal(scene_layer(&scene, model, true), ASSAY_OK);
    assert_int_equal(scene.workspace.model_edits->dropped.count, 1);
    assert_string_equal(scene.workspace.model_edits->dropped.items[0], "tests/test_a.py");
    scene_run(&scene, "cat log.txt tests/test_a.py", NULL, "model log\ntrusted test\n");
    scene_free(&scene);
}

static void a_patch_that_does_not_apply_says_which(void **state)
{
    struct scene scene;
    static const char wrong[] =
            "--- a/lib/code.py\n+++ b/lib/code.py\n@@ -1 +1 @@\n-else\n+fixed\n";

    scene_make(&scene, *state, NULL);
    assert_int_equal(scene_layer(&scene, wrong, true), ASSAY_EPATCH);
    assert_int_equal(strncmp(scene.f->err.message, "model patch: ", 13), 0);
    scene.instance.test_patch = (struct assay_bytes){wrong, sizeof(wrong) - 1};
    assert_int_equal(scene_layer(&scene, NULL, true), ASSAY_EPATCH);
    assert_int_equal(strncmp(scene.f->err.message, "test patch: ", 12), 0);
    memset(scene.instance.tree, '0', 64);
    assert_int_equal(scene_layer(&scene, NULL, true), ASSAY_ENOTFOUND);
    scene_free(&scene);
}

static void variables_come_in_order_and_ours_come_first_in_path(void **state)
{
    struct scene scene;
    static const struct assay_runner_file files[] = {
            {"bin/tool", "#!/bin/sh\necho ours\n", true}, {"python/p.py", "x = 1\n", false}};
    static const char *const env[] = {
            "PATH=/assay/extra", "PYTHONPATH=/assay/python", "FROM=job", "CI=", NULL};
    char again[PATH_MAX];

    scene_make(&scene, *state, NULL);
    assert_int_equal(assay_runner_lay_files(scene.f->depot, files, 2, scene.trusted, &scene.f->err),
            ASSAY_OK);
    assert_int_equal(
            assay_runner_lay_files(scene.f->depot, files, 2, again, &scene.f->err), ASSAY_OK);
    assert_string_equal(again, scene.trusted);
    assert_int_equal(scene_layer(&scene, NULL, false), ASSAY_OK);
    scene_run(&scene,
            "tool; echo $PATH $PYTHONPATH $FROM $HOME $TZ $LC_ALL $PYTHONHASHSEED "
            "$PYTHONDONTWRITEBYTECODE; pwd; cat /assay/python/p.py; touch /assay/x 2>/dev/null || "
            "echo sealed",
            env,
            "ours\n/assay/bin:/assay/extra:/usr/bin:/bin /assay/python job /home/box UTC C.UTF-8 0 "
            "1\n/testbed\nx = 1\nsealed\n");
    scene_free(&scene);
}

static void a_full_disk_is_the_boxes_own_trouble(void **state)
{
    struct scene scene;

    scene_make(&scene, *state, NULL);
    scene.instance.limits.memory_bytes = (uint64_t)128 << 20;
    assert_int_equal(scene_layer(&scene, NULL, false), ASSAY_OK);
    scene_run(&scene,
            "head -c 300M /dev/zero > big 2>/dev/null || echo full; head -c 300M /dev/zero > "
            "/run/assay/big 2>/dev/null || echo full; echo alive",
            NULL, "full\nfull\nalive\n");
    scene_free(&scene);
}

// --- what a run leaves --------------------------------------------------------------------------

static void only_plain_files_are_read_from_an_out_dir(void **state)
{
    struct fixture *f = *state;
    struct assay_arena *arena = NULL;
    struct assay_bytes bytes = {NULL, 77};
    static const struct {
        const char *name;
        enum assay_status status;
    } rows[] = {
            {"none", ASSAY_ENOTFOUND},
            {"plain/below", ASSAY_ENOTFOUND},
            {"link", ASSAY_EREFUSED},
            {"dirlink/plain", ASSAY_EREFUSED},
            {"fifo", ASSAY_EREFUSED},
            {"twin", ASSAY_EREFUSED},
            {"dir", ASSAY_EREFUSED},
            {"socket", ASSAY_EREFUSED},
            {"../secret", ASSAY_EREFUSED},
            {"/etc/passwd", ASSAY_EREFUSED},
            {"large", ASSAY_ENOMEM},
            {"sparse", ASSAY_ENOMEM},
    };
    int dir_fd = -1;

    fixture_shell(f,
            "echo secret > secret; mkdir -p out/dir; cd out; echo plain > plain; echo p > "
            "dir/plain; ln -s ../secret link; ln -s dir dirlink; mkfifo fifo; echo t > twin; ln "
            "twin twin2; head -c 200 /dev/zero > large; truncate -s 1T sparse");
    assert_int_equal(mknod(fixture_path(f, "out/socket"), S_IFSOCK | 0644, 0), 0);
    dir_fd = open(fixture_path(f, "out"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(assay_arena_create(&arena, 65536, &f->err), ASSAY_OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("%s\n", rows[i].name);
        assert_int_equal(assay_runner_read_out(dir_fd, rows[i].name, 100, arena, &bytes, &f->err),
                rows[i].status);
        assert_int_equal(bytes.len, 77);
    }
    assert_int_equal(assay_runner_read_out(dir_fd, "plain", 100, arena, &bytes, &f->err), ASSAY_OK);
    assert_string_equal(bytes.data, "plain\n");
    assert_int_equal(
            assay_runner_read_out(dir_fd, "dir/plain", 2, arena, &bytes, &f->err), ASSAY_OK);
    assert_int_equal(bytes.len, 2);
    assay_arena_destroy(arena);
    close(dir_fd);
}

static void what_matches_in_an_out_dir_is_listed_in_order(void **state)
{
    struct fixture *f = *state;
    struct assay_arena *arena = NULL;
    struct assay_strings names = {NULL, 0};
    int dir_fd = -1;

    fixture_shell(f, "mkdir -p out/dir; cd out; touch b.xml a.xml c.txt dir/d.xml");
    dir_fd = open(fixture_path(f, "out"), O_RDONLY | O_DIRECTORY);
    assert_int_equal(assay_arena_create(&arena, 65536, &f->err), ASSAY_OK);
    assert_int_equal(assay_runner_list_out(dir_fd, "*.xml", 2, arena, &names, &f->err), ASSAY_OK);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "a.xml");
    assert_string_equal(names.items[1], "b.xml");
    assert_int_equal(
            assay_runner_list_out(dir_fd, "*.xml", 1, arena, &names, &f->err), ASSAY_ENOMEM);
    assert_int_equal(assay_runner_list_out(dir_fd, "none", 0, arena, &names, &f->err), ASSAY_OK);
    assert_int_equal(names.count, 0);
    assay_arena_destroy(arena);
    close(dir_fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(layers_lie_in_order_and_writes_stay_in_the_box),
            TEST(without_a_model_patch_or_tests_there_are_fewer_layers),
            TEST(an_allowed_protected_file_stays_as_the_model_left_it),
            TEST(a_patch_that_does_not_apply_says_which),
            TEST(variables_come_in_order_and_ours_come_first_in_path),
            TEST(a_full_disk_is_the_boxes_own_trouble),
            TEST(only_plain_files_are_read_from_an_out_dir),
            TEST(what_matches_in_an_out_dir_is_listed_in_order),
    };
    int failed = 0;

    if (!box_fixture_start(&sandbox))
        return ASSAY_EXIT_SKIPPED;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    assay_sandbox_stop(sandbox);
    return failed;
}
