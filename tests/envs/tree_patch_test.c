// SPDX-License-Identifier: MIT
// What must hold: the patch of a box's uppers, applied to the base by git or by our own engine,
// gives exactly the tree that the box left; it is what git itself would say; and nothing that a
// payload leaves can make the walk endless, follow it out, or show what the box did not do.
#include "envs/tree_patch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "envs/box_fixture.h"
#include "envs/patched.h"
#include "sandbox/snapshot.h"
#include "support/harness.h"

#define LAYERS_MAX 3
#define ARENA_BYTES_MAX ((size_t)1 << 30)

static struct assay_sandbox *sandbox; // NULL: no boxes here
static char *edits_script;

// --- helpers -------------------------------------------------------------------------------------

static size_t rounds(void)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    return getenv("ASSAY_SOAK") != NULL ? 2000 : 15;
}

static int open_dir(const struct fixture *f, const char *name)
{
    const int fd = open(fixture_path(f, name), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

// The patch of <temp>/<uppers[0]>... over <temp>/base, in <temp>/patch too.
static enum assay_status try_patch(struct fixture *f, const char *const *uppers, size_t count,
        const struct assay_tree_patch_options *options, struct assay_tree_patch_report *report,
        struct assay_buf *text, struct assay_arena *arena)
{
    int fds[LAYERS_MAX] = {-1, -1, -1};
    const int base_fd = open_dir(f, "base");
    const struct assay_tree_layers layers = {
            .upper_fds = fds, .upper_count = count, .lower_fds = &base_fd, .lower_count = 1};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < count; i++)
        fds[i] = open_dir(f, uppers[i]);
    status = assay_tree_patch(text, &layers, options, report, arena, &f->err);
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    close(base_fd);
    return status;
}

struct patch {
    struct assay_arena *arena;
    struct assay_buf text;
    struct assay_tree_patch_report report;
};

static void patch_make(struct patch *patch, struct fixture *f, const char *const *uppers,
        size_t count, const struct assay_tree_patch_options *options)
{
    assert_int_equal(assay_arena_create(&patch->arena, ARENA_BYTES_MAX, NULL), ASSAY_OK);
    assay_buf_init(&patch->text, (size_t)256 << 20);
    if (try_patch(f, uppers, count, options, &patch->report, &patch->text, patch->arena) !=
            ASSAY_OK)
        fail_msg("%s", f->err.message);
    assert_int_equal(assay_fs_replace_file(fixture_path(f, "patch"), patch->text.data,
                             patch->text.len, 0644, NULL),
            ASSAY_OK);
}

static void patch_of_fds(struct patch *patch, struct fixture *f, const int *fds, size_t count)
{
    const int base_fd = open_dir(f, "base");
    const struct assay_tree_layers layers = {
            .upper_fds = fds, .upper_count = count, .lower_fds = &base_fd, .lower_count = 1};

    assert_int_equal(assay_arena_create(&patch->arena, ARENA_BYTES_MAX, NULL), ASSAY_OK);
    assay_buf_init(&patch->text, 1 << 20);
    assert_int_equal(
            assay_tree_patch(&patch->text, &layers, NULL, &patch->report, patch->arena, &f->err),
            ASSAY_OK);
    close(base_fd);
    assert_int_equal(assay_fs_replace_file(fixture_path(f, "patch"), patch->text.data,
                             patch->text.len, 0644, NULL),
            ASSAY_OK);
}

static void patch_free(struct patch *patch)
{
    assay_buf_free(&patch->text);
    assay_arena_destroy(patch->arena);
}

static const char *find_skip(const struct patch *patch, const char *path)
{
    for (size_t i = 0; i < patch->report.skipped_count && i < ASSAY_TREE_SKIPS_MAX; i++)
        if (strcmp(patch->report.skips[i].path, path) == 0)
            return patch->report.skips[i].reason;
    return NULL;
}

static void make_base(const struct fixture *f)
{
    fixture_shell(f,
            "rm -rf base repo; mkdir -p base/lib/deep base/pkg/sub base/doc; cd base; seq 100 > a; "
            "seq 5 > b.txt; printf 'def f():\\n    return 1\\n\\n\\ndef g():\\n    return 2\\n' > "
            "code.py; head -c 3000 /dev/urandom > data.bin; echo '#!/bin/sh' > run.sh; chmod 755 "
            "run.sh; printf 'no newline' > README; : > lib/empty; seq 30 > lib/a; seq 9 > "
            "lib/deep/b.txt; printf 'x\\0y' > lib/deep/data.bin; ln -s a lib/link; ln -s "
            "../lib/deep pkg/way; echo p > pkg/sub/code.py; echo q > 'pkg/with space'; echo d > "
            "doc/README; cp -a ../base ../repo; cd ../repo; git init -q .; git add -A; git commit "
            "-qm base");
}

// --- boxes ---------------------------------------------------------------------------------------

// COUNT random changes in a box over the layers so far; what it leaves is <temp>/box-N/upper, and
// the whole tree as it saw it at its end is <temp>/final.
static void edit_in_box(struct fixture *f, const char *const *lowers, size_t lower_count, int layer,
        int seed, bool plain)
{
    char folder[16], upper[PATH_MAX], work[PATH_MAX], command[256];
    const char *const argv[] = {"/bin/sh", "-c", command, "sh", edits_script, NULL};
    const char *const env[] = {"PATH=/usr/bin:/bin", "HOME=/home/box", "LC_ALL=C.UTF-8", NULL};
    const struct assay_mount mount = {.kind = ASSAY_MOUNT_OVERLAY,
            .target = "/testbed",
            .lowers = lowers,
            .lower_count = lower_count,
            .upper = upper,
            .work = work};
    struct assay_box_result result;
    struct assay_box_plan plan;
    uid_t uid = 0;
    gid_t gid = 0;

    assay_sandbox_store_ids(&uid, &gid);
    snprintf(folder, sizeof(folder), "box-%d", layer);
    fixture_shell(f, "rm -rf %s final; mkdir -p %s/upper %s/work; chown -R %u:%u %s base", folder,
            folder, folder, (unsigned)uid, (unsigned)gid, folder);
    snprintf(upper, sizeof(upper), "%s/%s/upper", f->temp->path, folder);
    snprintf(work, sizeof(work), "%s/%s/work", f->temp->path, folder);
    snprintf(command, sizeof(command),
            "python3 -c \"$1\" %d 12%s && cp -a --no-preserve=ownership . /run/out/final", seed,
            plain ? " plain" : "");
    assay_box_plan_default(&plan);
    plan.host_usr = true;
    plan.mounts = &mount;
    plan.mount_count = 1;
    plan.cwd = "/testbed";
    plan.argv = argv;
    plan.env = env;
    plan.out_dir = "/run/out";
    if (assay_box_run(sandbox, &plan, &result, &f->err) != ASSAY_OK)
        fail_msg("%s", f->err.message);
    if (result.cause != ASSAY_BOX_EXITED || result.exit_code != 0)
        fail_msg("seed %d: %s %d: %s", seed, assay_box_cause_name(result.cause), result.exit_code,
                result.output.data);
    fixture_shell(f,
            "cp -a --no-preserve=ownership /proc/%d/fd/%d/final final; find final -type p -delete; find final "
            "-type s -delete; find final -mindepth 1 -type d -empty -delete",
            (int)getpid(), result.out_dir_fd);
    assay_box_result_release(&result);
}

// Layers of boxes over the base, one to three of them. uppers[]: topmost first.
static size_t make_layers(
        struct fixture *f, int seed, bool plain, char names[LAYERS_MAX][32], const char **uppers)
{
    const size_t count = (size_t)seed % LAYERS_MAX + 1;
    char paths[LAYERS_MAX + 1][PATH_MAX];

    make_base(f);
    for (size_t layer = 0; layer < count; layer++) {
        const char *lowers[LAYERS_MAX + 1];

        for (size_t i = 0; i < layer; i++) {
            snprintf(paths[i], sizeof(paths[i]), "%s/box-%zu/upper", f->temp->path, layer - 1 - i);
            lowers[i] = paths[i];
        }
        snprintf(paths[layer], sizeof(paths[layer]), "%s/base", f->temp->path);
        lowers[layer] = paths[layer];
        edit_in_box(f, lowers, layer + 1, (int)layer, seed * 10 + (int)layer, plain);
    }
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], 32, "box-%zu/upper", count - 1 - i);
        uppers[i] = names[i];
    }
    return count;
}

static void assert_applies(struct fixture *f, int seed, bool git)
{
    const char *const tree = git ? "by-git" : "by-engine";
    char hash[65], wanted[65];

    fixture_shell(f, "rm -rf %s; cp -a base %s", tree, tree);
    if (git)
        patched_by_git(f, tree, seed);
    else
        patched_by_engine(f, tree, seed);
    fixture_import(f, tree, hash);
    fixture_import(f, "final", wanted);
    if (strcmp(hash, wanted) != 0) {
        (void)fixture_try(f, "diff -r --no-dereference %s final | head -20", tree);
        fail_msg("seed %d: %s is not what the box left", seed, tree);
    }
}

static void a_patch_of_real_boxes_gives_their_tree(void **state)
{
    struct fixture *f = *state;

    if (sandbox == NULL)
        ASSAY_SKIP("no sandbox");
    for (int seed = 0; seed < (int)rounds(); seed++) {
        char names[LAYERS_MAX][32];
        const char *uppers[LAYERS_MAX];
        struct patch patch, again;
        const size_t count = make_layers(f, seed, false, names, uppers);

        patch_make(&patch, f, uppers, count, NULL);
        assert_applies(f, seed, true);
        assert_applies(f, seed, false);
        patch_make(&again, f, uppers, count, NULL);
        assert_int_equal(again.text.len, patch.text.len);
        assert_memory_equal(again.text.data, patch.text.data, patch.text.len);
        patch_free(&again);
        patch_free(&patch);
    }
}

// No kept upper: the layers of two boxes in a row, from descriptors.
static void a_snapshot_becomes_a_patch(void **state)
{
    static const char *const scripts[] = {
            "echo one > new; rm a; mkdir d; echo x > d/x; chmod 700 run.sh",
            "echo two >> new; rm -r d lib; mkdir lib; echo l > lib/l; ln -s new link"};
    static const char *const env[] = {"PATH=/usr/bin:/bin", NULL};
    struct fixture *f = *state;
    struct assay_snapshot *snapshot = NULL;
    struct patch patch;
    int fds[ASSAY_SNAPSHOT_DEPTH_MAX];
    size_t count = 0;

    if (sandbox == NULL)
        ASSAY_SKIP("no sandbox");
    make_base(f);
    for (size_t i = 0; i < 2; i++) {
        const char *const argv[] = {"/bin/sh", "-c", scripts[i], NULL};
        const char *const lowers[] = {fixture_path(f, "base")};
        const struct assay_mount mount = {.kind = ASSAY_MOUNT_OVERLAY,
                .target = "/testbed",
                .lowers = lowers,
                .lower_count = 1};
        struct assay_box_result result;
        struct assay_box_plan plan;
        uid_t uid = 0;
        gid_t gid = 0;

        assay_sandbox_store_ids(&uid, &gid);
        fixture_shell(f, "chown -R %u:%u base", (unsigned)uid, (unsigned)gid);
        assay_box_plan_default(&plan);
        plan.host_usr = true;
        plan.mounts = &mount;
        plan.mount_count = 1;
        plan.cwd = "/testbed";
        plan.argv = argv;
        plan.env = env;
        plan.from = snapshot;
        plan.snapshot = true;
        assert_int_equal(assay_box_run(sandbox, &plan, &result, &f->err), ASSAY_OK);
        assert_int_equal(result.cause, ASSAY_BOX_EXITED);
        assert_int_equal(result.exit_code, 0);
        assay_snapshot_release(snapshot);
        snapshot = result.snapshot;
        result.snapshot = NULL;
        assay_box_result_release(&result);
    }
    assert_int_equal(assay_snapshot_open(snapshot, "/testbed", fds, &count, &f->err), ASSAY_OK);
    assert_int_equal(count, 2);
    patch_of_fds(&patch, f, fds, count);
    while (count > 0)
        close(fds[--count]);
    assay_snapshot_release(snapshot);
    fixture_shell(f,
            "cp -a base by-git; cp -a base final; cd final; printf 'one\ntwo\n' > new; rm -r a lib; "
            "chmod 700 run.sh; mkdir lib; echo l > lib/l; ln -s new link; rmdir d 2>/dev/null || :");
    assert_applies(f, 0, true);
    assert_applies(f, 0, false);
    patch_free(&patch);
}

static void git_says_the_same_where_names_are_ordinary(void **state)
{
    struct fixture *f = *state;

    if (sandbox == NULL)
        ASSAY_SKIP("no sandbox");
    for (int seed = 1000; seed < 1000 + (int)rounds(); seed++) {
        char names[LAYERS_MAX][32];
        const char *uppers[LAYERS_MAX];
        struct patch patch;
        const size_t count = make_layers(f, seed, true, names, uppers);

        patch_make(&patch, f, uppers, count, NULL);
        // Which files, from which content and mode to which; binary deltas may differ in size.
        if (fixture_try(f,
                    "cd repo; find . -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +; cp -a "
                    "../final/. .; git add -A; git diff --cached --no-renames --binary --full-index HEAD > "
                    "../wanted; cd ..; for i in wanted patch; do sed -e '/^GIT binary/,/^diff/{"
                    "/^diff/!d}' $i > $i.text; done; cmp wanted.text patch.text") != 0) {
            (void)fixture_try(f, "diff wanted.text patch.text | head -40");
            fail_msg("seed %d", seed);
        }
        patch_free(&patch);
    }
}

// --- what overlayfs leaves, written by hand ------------------------------------------------------

static void whiteout(const struct fixture *f, const char *name)
{
    if (mknod(fixture_path(f, name), S_IFCHR, makedev(0, 0)) != 0)
        fail_msg("whiteout %s", name);
}

static void opaque(const struct fixture *f, const char *name)
{
    assert_int_equal(setxattr(fixture_path(f, name), "user.overlay.opaque", "y", 1, 0), 0);
}

static void marks_of_each_layer_hide_what_is_below(void **state)
{
    static const char *const uppers[] = {"top", "mid"};
    struct fixture *f = *state;
    struct patch patch;

    fixture_shell(f,
            "mkdir -p base/d/sub base/gone base/back top/d mid/d/sub mid/back top/gone mid/mode; "
            "echo 1 > base/d/one; echo 2 > base/d/sub/two; echo 3 > base/gone/three; echo 4 > "
            "base/back/four; echo m > mid/d/mid; echo s > mid/d/sub/mid; echo t > top/d/top; echo "
            "n > top/gone/new; echo 4 > mid/back/four; echo kept > base/kept; touch mid/kept2");
    opaque(f, "top/d");         // what mid and base have there is gone
    opaque(f, "mid/back");      // made anew with the same content: no change
    whiteout(f, "mid/gone");    // removed, then made anew above
    whiteout(f, "mid/nothing"); // of something that never was
    whiteout(f, "top/kept2");   // made and removed again
    patch_make(&patch, f, uppers, 2, NULL);
    assert_int_equal(patch.report.skipped_count, 0);
    assert_int_equal(patch.report.changed_count, 5);
    fixture_shell(f, "cp -a base by-git");
    patched_by_git(f, "by-git", 0);
    fixture_shell(f,
            "mkdir -p wanted/d wanted/gone wanted/back; echo t > wanted/d/top; echo n > "
            "wanted/gone/new; echo 4 > wanted/back/four; echo kept > wanted/kept; diff -r wanted "
            "by-git");
    patch_free(&patch);
}

static void globs_leave_out_whole_folders(void **state)
{
    static const char *const uppers[] = {"top"};
    static const char *const globs[] = {".git", "__pycache__", "build/**/*.o", "*.pyc"};
    const struct assay_tree_patch_options options = {.excludes = {globs, 4}};
    struct fixture *f = *state;
    struct patch patch;

    fixture_shell(f,
            "mkdir -p base/__pycache__ top/.git/x top/a/__pycache__ top/build/x; echo 1 > "
            "base/__pycache__/old; echo 2 > top/a/__pycache__/new; echo 3 > top/.git/x/y; echo 4 > "
            "top/build/x/z.o; echo 5 > top/build/x/z.c; echo 6 > top/a/m.pyc");
    whiteout(f, "top/__pycache__");
    patch_make(&patch, f, uppers, 1, &options);
    assert_int_equal(patch.report.changed_count, 1);
    assert_int_equal(patch.report.skipped_count, 0);
    assert_non_null(strstr(patch.text.data, "+++ b/build/x/z.c\n"));
    patch_free(&patch);
}

// --- hostile content -----------------------------------------------------------------------------

static void what_no_patch_can_say_is_left_out_and_told(void **state)
{
    static const char *const uppers[] = {"top"};
    static const struct {
        const char *path, *reason;
    } rows[] = {{"fifo", "FIFO"}, {"\"line\\nbreak\"", "name"}, {".GIT", "name"},
            {"d/git~1", "name"}, {"huge", "large"}, {"out", "leads out"}, {"d/up", "leads out"},
            {"was", "FIFO"}};
    struct fixture *f = *state;
    struct patch patch;

    fixture_shell(f,
            "mkdir -p base top/d top/.GIT top/d/git~1; echo x > base/was; cd top; mkfifo fifo was; "
            "printf x > 'line\nbreak'; echo x > .GIT/hooks; echo y > d/git~1/z; truncate -s 1T "
            "huge; ln -s /etc/passwd out; ln -s ../../x d/up; ln -s ../fine d/fine; echo ok > "
            "zz");
    patch_make(&patch, f, uppers, 1, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *reason = find_skip(&patch, rows[i].path);

        print_message("%s: %s\n", rows[i].path, reason == NULL ? "not told" : reason);
        assert_true(reason != NULL && strstr(reason, rows[i].reason) != NULL);
    }
    assert_int_equal(patch.report.skipped_count, sizeof(rows) / sizeof(rows[0]));
    assert_int_equal(patch.report.changed_count, 3); // d/fine, zz, and "was" is no file any more
    fixture_shell(f, "cp -a base by-git");
    patched_by_git(f, "by-git", 0);
    fixture_shell(f, "cd by-git; test \"$(find . -type f)\" = ./zz; test -L d/fine");
    patch_free(&patch);
}

static void depth_and_numbers_are_bounded(void **state)
{
    static const char *const uppers[] = {"top"};
    const struct assay_tree_patch_options few = {.entry_count_max = 1000};
    const struct assay_tree_patch_options small = {.total_bytes_max = 1000};
    struct assay_tree_patch_report report;
    struct assay_arena *arena = NULL;
    struct fixture *f = *state;
    struct assay_buf text;
    struct patch patch;

    // 20,000 folders inside each other: far beyond what a path can name.
    fixture_shell(f,
            "mkdir base top; echo x > top/x; python3 -c \"\nimport os\nos.chdir('top')\nfor i in "
            "range(20000): os.mkdir('deep'); os.chdir('deep')\n\"");
    patch_make(&patch, f, uppers, 1, NULL);
    assert_int_equal(patch.report.changed_count, 1);
    assert_int_equal(patch.report.skipped_count, 1);
    assert_string_equal(patch.report.skips[0].reason, "a name that no patch may have");
    patch_free(&patch);

    fixture_shell(f, "cd top; seq 1001 | xargs touch");
    assert_int_equal(assay_arena_create(&arena, ARENA_BYTES_MAX, NULL), ASSAY_OK);
    assay_buf_init(&text, 1 << 20);
    assay_buf_adds(&text, "before");
    assert_int_equal(try_patch(f, uppers, 1, &few, &report, &text, arena), ASSAY_EREFUSED);
    assert_non_null(strstr(f->err.message, "more than 1000 entries"));
    fixture_shell(f, "cd top; head -c 600 /dev/zero > 1; head -c 600 /dev/zero > 2");
    assert_int_equal(try_patch(f, uppers, 1, &small, &report, &text, arena), ASSAY_EREFUSED);
    assert_non_null(strstr(f->err.message, "more than 1000 bytes"));
    assert_string_equal(text.data, "before");
    assay_buf_free(&text);
    assay_arena_destroy(arena);
}

static void layers_are_counted(void **state)
{
    const int fds[ASSAY_TREE_LAYERS_MAX + 1] = {0};
    const struct assay_tree_layers wrong[] = {{.upper_fds = fds, .upper_count = 1},
            {fds, ASSAY_TREE_LAYERS_MAX, fds, 1}, {fds, 1, fds, SIZE_MAX}};
    struct assay_tree_patch_report report;
    struct assay_buf text;

    (void)state;
    assay_buf_init(&text, 100);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(
                assay_tree_patch(&text, &wrong[i], NULL, &report, NULL, NULL), ASSAY_EINVAL);
    assay_buf_free(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, box_fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_patch_of_real_boxes_gives_their_tree),
            TEST(a_snapshot_becomes_a_patch),
            TEST(git_says_the_same_where_names_are_ordinary),
            TEST(marks_of_each_layer_hide_what_is_below),
            TEST(globs_leave_out_whole_folders),
            TEST(what_no_patch_can_say_is_left_out_and_told),
            TEST(depth_and_numbers_are_bounded),
            cmocka_unit_test(layers_are_counted),
    };
    struct assay_buf script;
    int failed = 0;

    if (!box_fixture_start(&sandbox))
        sandbox = NULL;
    assay_buf_init(&script, 65536);
    if (assay_fs_read_file(&script, "tests/envs/tree_edits.py", NULL) != ASSAY_OK)
        return 1;
    edits_script = script.data;
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    assay_buf_free(&script);
    assay_sandbox_stop(sandbox);
    return failed;
}
