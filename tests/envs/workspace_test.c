// SPDX-License-Identifier: MIT
// The layers of a run: how old they are.
#include "envs/workspace.h"

#include <stdio.h>
#include <sys/stat.h>

#include "envs/fixture.h"
#include "support/harness.h"

#define RUNS 40

static struct timespec changed(const char *folder, const char *name)
{
    char path[PATH_MAX + 32];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    assert_int_equal(lstat(path, &st), 0);
    return st.st_ctim;
}

// By the time of their change, which code can read and nobody can set.
static void what_is_planted_is_later_than_the_model(void **state)
{
    struct fixture *f = *state;
    struct assay_edit model[] = {
            {.path = "a.py", .kind = ASSAY_FILE_REGULAR, .content = {"1\n", 2}},
            {.path = "gone.py", .kind = ASSAY_FILE_NONE}};
    struct assay_edit test = {
            .path = "test_a.py", .kind = ASSAY_FILE_REGULAR, .content = {"2\n", 2}};
    struct assay_edits edits = {.items = model, .count = 2};
    const struct assay_edits planted = {.items = &test, .count = 1};
    struct assay_instance instance = {.instance_id = "a"};
    struct assay_workspace workspace;

    fixture_shell(f, "mkdir tree; echo 0 >tree/a.py; echo 0 >tree/gone.py");
    fixture_import(f, "tree", instance.tree);
    assert_int_equal(assay_workspace_make_edited(&workspace, f->depot, &instance, &edits, &f->err),
            ASSAY_OK);
    for (unsigned i = 0; i < RUNS; i++) {
        struct timespec first, second;

        assert_int_equal(assay_workspace_plant(&workspace, f->depot, &planted, &f->err), ASSAY_OK);
        first = changed(workspace.model_path, "a.py");
        second = changed(workspace.lowers[0], "test_a.py");
        assert_true(second.tv_sec > first.tv_sec ||
                (second.tv_sec == first.tv_sec && second.tv_nsec > first.tv_nsec));
    }
    assay_workspace_release(&workspace, f->depot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test_setup_teardown(
                    what_is_planted_is_later_than_the_model, fixture_setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
