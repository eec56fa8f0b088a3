// SPDX-License-Identifier: MIT
// What must hold: a box starts where another ended, any number of them, and none sees what the
// others do; neither the base nor a snapshot ever changes.
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/hash.h"
#include "tests/sandbox/snapshots.h"

#define CHILDREN 16

// --- hashes --------------------------------------------------------------------------------------

static enum assay_status hash_entry(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct assay_sha256 *sha = user;
    const struct stat *st = &entry->stat;
    const uint64_t numbers[] = {st->st_mode, st->st_uid, st->st_rdev, (uint64_t)st->st_mtim.tv_sec,
            (uint64_t)st->st_mtim.tv_nsec, S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size};
    struct assay_buf text;
    int fd = -1;

    assay_sha256_field_text(sha, entry->path);
    assay_sha256_field(sha, numbers, sizeof(numbers));
    if (!S_ISREG(st->st_mode))
        return ASSAY_OK;
    assay_buf_init(&text, 1 << 20);
    fd = openat(entry->dir_fd, entry->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0) {
        const enum assay_status status = assay_fs_read_fd(&text, fd, err);

        close(fd);
        assert_int_equal(status, ASSAY_OK);
    }
    assay_sha256_field(sha, text.data, text.len);
    assay_buf_free(&text);
    return ASSAY_OK;
}

static void hash_fd(char hex[ASSAY_SHA256_HEX_BYTES], int dir_fd)
{
    struct assay_sha256 *sha = NULL;

    assert_int_equal(assay_sha256_create(&sha, NULL), ASSAY_OK);
    assert_int_equal(assay_fs_walk(dir_fd, 64, hash_entry, sha, NULL), ASSAY_OK);
    assay_sha256_hex(sha, hex);
    assay_sha256_destroy(sha);
}

// Of the base and of every layer of the snapshot.
static void hash_all(struct assay_buf *out, const struct assay_snapshot *snapshot)
{
    static const char *const targets[] = {"/testbed", "/tmp", "/var/tmp", "/home/box"};
    char hex[ASSAY_SHA256_HEX_BYTES];
    int fd = open(snapshots_base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assay_buf_init(out, 1 << 16);
    hash_fd(hex, fd);
    assay_buf_adds(out, hex);
    close(fd);
    for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
        int fds[ASSAY_SNAPSHOT_DEPTH_MAX];
        size_t count = 0;

        assert_int_equal(assay_snapshot_open(snapshot, targets[t], fds, &count, NULL), ASSAY_OK);
        for (size_t i = 0; i < count; i++) {
            hash_fd(hex, fds[i]);
            assay_buf_adds(out, hex);
            close(fds[i]);
        }
    }
}

// --- what is kept --------------------------------------------------------------------------------

static void a_box_starts_where_another_ended(void **state)
{
    struct assay_snapshot *one = NULL;
    struct assay_snapshot *two = NULL;

    (void)state;
    snapshots_make_base("ended");
    one = snapshots_step(NULL,
            "echo one >> file; rm other; mkdir new; echo n > new/n; ln -s file link; echo t > "
            "/tmp/t; mkdir -m 700 /tmp/d; echo v > /var/tmp/v; echo h > /home/box/h; echo s > "
            "/dev/shm/s",
            "");
    assert_int_equal(assay_snapshot_depth(one), 1);
    two = snapshots_step(one,
            "cat file new/n /tmp/t /var/tmp/v /home/box/h; readlink link; ls; stat -c '%a %U' /tmp "
            "/tmp/d /home/box; ls /dev/shm; echo two >> file; rm -r new; echo back > other; echo t2 "
            ">> /tmp/t",
            "base\none\nn\nt\nv\nh\nfile\ndir\nfile\nlink\nnew\n1777 box\n700 box\n755 box\n");
    assert_int_equal(assay_snapshot_depth(two), 2);
    snapshots_look(two, "cat file other /tmp/t; ls",
            "base\none\ntwo\nback\nt\nt2\ndir\nfile\nlink\nother\n");
    // The first one is as it was.
    snapshots_look(one, "cat file /tmp/t; ls", "base\none\nt\ndir\nfile\nlink\nnew\n");
    assay_snapshot_release(one);
    snapshots_look(two, "cat file", "base\none\ntwo\n"); // it has what it needs
    assay_snapshot_release(two);
}

// The lower is 755 and the payload's to change; so is a mount's own top.
static void the_top_of_a_tree_keeps_its_mode(void **state)
{
    struct assay_snapshot *snapshot = NULL;

    (void)state;
    snapshots_make_base("mode");
    snapshot = snapshots_step(NULL, "chmod 750 /testbed /home/box", "");
    snapshots_look(snapshot, "stat -c %a /testbed /home/box", "750\n750\n");
    assay_snapshot_release(snapshot);
}

static void removed_opaque_and_moved_folders_stay_so(void **state)
{
    struct assay_snapshot *one = NULL;
    struct assay_snapshot *two = NULL;
    struct assay_snapshot *three = NULL;

    (void)state;
    snapshots_make_base("folders");
    one = snapshots_step(
            NULL, "mkdir dir/more; echo 1 > dir/more/1; mkdir gone; echo g > gone/g", "");
    two = snapshots_step(one, "rm -rf dir gone; mkdir dir; echo 2 > dir/2; ls dir", "2\n");
    three = snapshots_step(
            two, "ls dir; mv dir moved; mkdir dir; ls dir moved", "2\ndir:\n\nmoved:\n2\n");
    snapshots_look(three, "ls; ls dir moved; cat moved/2",
            "dir\nfile\nmoved\nother\ndir:\n\nmoved:\n2\n2\n");
    snapshots_look(one, "cat dir/deep dir/more/1 gone/g", "base\n1\ng\n");
    assay_snapshot_release(three);
    assay_snapshot_release(two);
    assay_snapshot_release(one);
}

static void modes_owners_and_links_are_a_payloads_own(void **state)
{
    struct assay_snapshot *snapshot = NULL;

    (void)state;
    snapshots_make_base("owners");
    snapshot = snapshots_step(NULL,
            "echo s > secret; chmod 000 secret; echo x > run; chmod 755 run; ln run again; mkdir "
            "shut; echo i > shut/in; chmod 000 shut",
            "");
    // Its owner, so it may change all of it: also what belongs to another host uid.
    snapshots_look(snapshot,
            "stat -c %a secret run shut; test $(stat -c %u secret) = $(id -u) && echo own; chmod 600 secret; cat secret; chmod 700 shut; cat "
            "shut/in; echo more >> run; rm again",
            "0\n755\n0\nown\ns\ni\n");
    assay_snapshot_release(snapshot);
}

static void mounts_of_every_kind_are_kept(void **state)
{
    struct assay_snapshot *snapshot = NULL;
    const struct assay_snapshot *from = NULL;
    char root[PATH_MAX], path[PATH_MAX];
    const char *const root_lowers[] = {root};

    (void)state;
    boxes_directory(root, "kinds-root");
    boxes_directory(path, "kinds-root/opt");
    snapshots_make_base("kinds");
    // With the root a tmpfs and with one that has lowers; each three boxes deep.
    for (int with_root = 0; with_root < 2; with_root++) {
        for (int turn = 0; turn < 3; turn++) {
            struct boxes_plan plan;
            struct assay_box_result result;
            char wanted[64] = "";

            snapshots_plan(&plan,
                    "for d in /small /shared /testbed /tmp $ROOT; do cat $d/f 2>/dev/null; echo -n "
                    "x >> $d/f; done",
                    from, true);
            boxes_add_mount(&plan, ASSAY_MOUNT_TMPFS, "/small", NULL, 0)->bytes_max = 1 << 20;
            boxes_add_mount(&plan, ASSAY_MOUNT_TMPFS, "/shared", NULL, 0);
            if (with_root) {
                plan.plan.root_lowers = root_lowers;
                plan.plan.root_lower_count = 1;
                plan.argv[2] = "for d in /small /shared /testbed /tmp /opt; do cat $d/f "
                               "2>/dev/null; echo -n x >> $d/f; done";
            }
            boxes_run(&result, &plan);
            boxes_assert(&result, ASSAY_BOX_EXITED, 0);
            memset(wanted, 'x', (with_root ? (size_t)5 : 4) * (size_t)turn);
            boxes_assert_text(&result, wanted);
            assay_snapshot_release(snapshot);
            snapshot = result.snapshot;
            from = snapshot;
            result.snapshot = NULL;
            assay_box_result_release(&result);
        }
        assay_snapshot_release(snapshot);
        snapshot = NULL;
        from = NULL;
    }
}

// --- forks ---------------------------------------------------------------------------------------

struct child {
    char script[256];
    struct boxes_plan plan;
    struct assay_box_result result;
    enum assay_status status;
};

static void *run_child(void *user)
{
    struct child *child = user;

    child->status = assay_box_run(boxes_sandbox, &child->plan.plan, &child->result, NULL);
    return NULL;
}

static void forks_do_not_see_each_other_and_change_nothing_below(void **state)
{
    static struct child children[CHILDREN];
    struct assay_snapshot *parent = NULL;
    struct assay_buf before, after;
    pthread_t threads[CHILDREN];
    char wanted[64];

    (void)state;
    snapshots_make_base("forks");
    parent = snapshots_step(
            NULL, "echo parent > file; mkdir shared; echo p > shared/p; echo t > /tmp/t", "");
    hash_all(&before, parent);
    for (int i = 0; i < CHILDREN; i++) {
        struct child *child = &children[i];

        // Each removes, changes and adds; waits for the others; and looks.
        (void)snprintf(child->script, sizeof(child->script),
                "echo %d >> file; rm shared/p; echo %d > shared/c%d; echo %d >> /tmp/t; rm -rf dir; "
                "sleep 0.3; cat file /tmp/t; ls shared",
                i, i, i, i);
        snapshots_plan(&child->plan, child->script, parent, true);
        child->plan.plan.cpu_count = 0; // all at once
        assert_int_equal(pthread_create(&threads[i], NULL, run_child, child), 0);
    }
    for (int i = 0; i < CHILDREN; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(children[i].status, ASSAY_OK);
        boxes_assert(&children[i].result, ASSAY_BOX_EXITED, 0);
        (void)snprintf(wanted, sizeof(wanted), "parent\n%d\nt\n%d\nc%d\n", i, i, i);
        boxes_assert_text(&children[i].result, wanted);
    }
    hash_all(&after, parent);
    assert_string_equal(before.data, after.data);
    // Each can be gone on from.
    for (int i = 0; i < CHILDREN; i++) {
        (void)snprintf(wanted, sizeof(wanted), "c%d\n", i);
        snapshots_look(children[i].result.snapshot, "ls shared", wanted);
        assay_box_result_release(&children[i].result);
    }
    assay_buf_free(&before);
    assay_buf_free(&after);
    assay_snapshot_release(parent);
}

static void what_was_not_written_makes_no_layer(void **state)
{
    struct assay_snapshot *idle = NULL;
    struct assay_snapshot *one = NULL;
    struct assay_snapshot *two = NULL;
    int fds[ASSAY_SNAPSHOT_DEPTH_MAX];
    size_t count = 0;

    (void)state;
    snapshots_make_base("unwritten");
    idle = snapshots_step(NULL, "cat file > /dev/null", "");
    one = snapshots_step(idle, "echo 1 > /tmp/one", "");
    two = snapshots_step(one, "cat /tmp/one; chmod 700 /home/box; touch /testbed", "1\n");
    for (int i = 0; i < 3; i++) {
        static const char *const targets[] = {"/testbed", "/tmp", "/home/box"};
        static const size_t wanted[] = {0, 1, 1};

        assert_int_equal(assay_snapshot_open(two, targets[i], fds, &count, NULL), ASSAY_OK);
        assert_int_equal(count, wanted[i]);
        while (count > 0)
            close(fds[--count]);
    }
    assert_int_equal(assay_snapshot_depth(two), 3);
    assay_snapshot_release(idle);
    assay_snapshot_release(one);
    snapshots_look(two, "cat /tmp/one; stat -c %a /home/box; ls", "1\n700\ndir\nfile\nother\n");
    assay_snapshot_release(two);
}

static void long_chains_work_and_have_an_end(void **state)
{
    struct assay_snapshot *chain[ASSAY_SNAPSHOT_DEPTH_MAX] = {NULL};
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err = {0};
    char script[64], wanted[16];

    (void)state;
    snapshots_make_base("chain");
    for (size_t i = 0; i < ASSAY_SNAPSHOT_DEPTH_MAX; i++) {
        (void)snprintf(script, sizeof(script), "ls /tmp | wc -l; echo %zu > /tmp/f%zu; rm -f d%zu",
                i, i, i);
        (void)snprintf(wanted, sizeof(wanted), "%zu\n", i);
        chain[i] = snapshots_step(i == 0 ? NULL : chain[i - 1], script, wanted);
    }
    // The last can be started from, but not be the parent of one more snapshot.
    snapshots_look(chain[ASSAY_SNAPSHOT_DEPTH_MAX - 1], "cat /tmp/f* | wc -l", "64\n");
    snapshots_plan(&plan, "true", chain[ASSAY_SNAPSHOT_DEPTH_MAX - 1], true);
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "more than 64 layers for /tmp"));
    for (size_t i = 0; i < ASSAY_SNAPSHOT_DEPTH_MAX; i++)
        assay_snapshot_release(chain[i]);
}

// --- ends ----------------------------------------------------------------------------------------

// Whoever is writing when the box ends is dead before anybody reads.
static void a_background_writer_is_stopped_first(void **state)
{
    struct assay_snapshot *snapshot = NULL;
    struct assay_buf before, after;

    (void)state;
    snapshots_make_base("writer");
    snapshot = snapshots_step(
            NULL, "(while :; do echo x >> log; echo y >> /tmp/log; done) & sleep 0.2", "");
    hash_all(&before, snapshot);
    snapshots_look(snapshot,
            "test -s log && sleep 0.2; a=$(wc -c < log); sleep 0.1; test $a = $(wc -c < log)", "");
    hash_all(&after, snapshot);
    assert_string_equal(before.data, after.data);
    assay_buf_free(&before);
    assay_buf_free(&after);
    assay_snapshot_release(snapshot);
}

static void a_box_that_was_killed_leaves_what_it_wrote(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    snapshots_make_base("killed");
    snapshots_plan(&plan, "echo early > early; sleep 60", NULL, true);
    plan.plan.limits.wall_ms_max = 300;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_WALL_LIMIT, 0);
    assert_non_null(result.snapshot);
    snapshots_look(result.snapshot, "cat early", "early\n");
    assay_box_result_release(&result);

    snapshots_plan(&plan, "true", NULL, true);
    plan.plan.cwd = "/nowhere";
    boxes_run(&result, &plan); // the command's fault: it is a box like others
    assert_int_equal(result.cause, ASSAY_BOX_EXITED);
    assay_box_result_release(&result);
}

static void a_full_disk_is_the_childs_own(void **state)
{
    struct assay_snapshot *snapshot = NULL;
    struct boxes_plan plan;
    struct assay_box_result result;

    (void)state;
    snapshots_make_base("full");
    snapshots_plan(&plan, "fill /tmp/x", NULL, true);
    plan.plan.limits.disk_bytes_max = (uint64_t)4 << 20;
    boxes_run(&result, &plan);
    snapshot = result.snapshot;
    result.snapshot = NULL;
    assay_box_result_release(&result);
    assert_non_null(snapshot);
    assert_in_range(assay_snapshot_bytes(snapshot), (uint64_t)3 << 20, (uint64_t)5 << 20);
    // Its own disk is empty again: a megabyte goes in.
    snapshots_plan(
            &plan, "head -c 1000000 /dev/zero > /tmp/y && stat -c %s /tmp/y", snapshot, false);
    plan.plan.limits.disk_bytes_max = (uint64_t)4 << 20;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "1000000\n");
    assay_box_result_release(&result);
    assay_snapshot_release(snapshot);
}

static void plans_that_cannot_be_are_refused(void **state)
{
    struct assay_snapshot *snapshot = NULL;
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_error err = {0};
    int fds[ASSAY_SNAPSHOT_DEPTH_MAX];
    size_t count = 0;
    char folder[PATH_MAX], upper[PATH_MAX], work[PATH_MAX];

    (void)state;
    snapshots_make_base("refused");
    boxes_directory(folder, "refused-kept");
    boxes_directory(upper, "refused-kept/upper");
    boxes_directory(work, "refused-kept/work");
    snapshot = snapshots_step(NULL, "touch new", "");
    boxes_plan_init(&plan, "true"); // without /testbed
    plan.plan.from = snapshot;
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "every target"));
    snapshots_plan(&plan, "true", NULL, true);
    plan.mounts[1].upper = upper;
    plan.mounts[1].work = work;
    assert_int_equal(assay_box_run(boxes_sandbox, &plan.plan, &result, &err), ASSAY_EINVAL);
    assert_non_null(strstr(err.message, "exclude each other"));
    assert_int_equal(assay_snapshot_open(snapshot, "/nowhere", fds, &count, &err), ASSAY_OK);
    assert_int_equal(count, 0);
    assay_snapshot_release(snapshot);
    assay_snapshot_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_box_starts_where_another_ended),
            cmocka_unit_test(the_top_of_a_tree_keeps_its_mode),
            cmocka_unit_test(removed_opaque_and_moved_folders_stay_so),
            cmocka_unit_test(modes_owners_and_links_are_a_payloads_own),
            cmocka_unit_test(mounts_of_every_kind_are_kept),
            cmocka_unit_test(forks_do_not_see_each_other_and_change_nothing_below),
            cmocka_unit_test(what_was_not_written_makes_no_layer),
            cmocka_unit_test(long_chains_work_and_have_an_end),
            cmocka_unit_test(a_background_writer_is_stopped_first),
            cmocka_unit_test(a_box_that_was_killed_leaves_what_it_wrote),
            cmocka_unit_test(a_full_disk_is_the_childs_own),
            cmocka_unit_test(plans_that_cannot_be_are_refused),
    };

    return boxes_main("snapshot", tests, sizeof(tests) / sizeof(tests[0]));
}
