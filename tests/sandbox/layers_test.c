// SPDX-License-Identifier: MIT
// What must hold: what a box writes goes where the plan says, and lowers never change.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fs.h"
#include "tests/sandbox/boxes.h"

static void everything_can_be_changed_and_the_lower_stays(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char base[PATH_MAX];
    char path[PATH_MAX];
    const char *const lowers[] = {base};
    char text[64];

    (void)state;
    boxes_directory(base, "base");
    boxes_directory(path, "base/dir");
    boxes_directory(path, "base/dir/deep");
    boxes_file(path, "base/dir/deep/file", "kept\n");
    boxes_file(path, "base/file", "kept\n");

    boxes_plan_init(&plan,
            "set -e; cat file; rm -rf dir; mkdir dir; touch dir/new; "
            "echo changed > file; chmod 755 file; mv file other; cat other; ls -A; "
            "ls dir; rm -rf /testbed/* ; ls -A | wc -l");
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "kept\nchanged\ndir\nother\nnew\n0\n");
    assay_box_result_release(&result);

    (void)snprintf(path, sizeof(path), "%s/file", base);
    boxes_read(text, sizeof(text), path);
    assert_string_equal(text, "kept\n");
    (void)snprintf(path, sizeof(path), "%s/dir/deep/file", base);
    boxes_read(text, sizeof(text), path);
    assert_string_equal(text, "kept\n");
}

static void upper_layers_hide_and_replace(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char trusted[PATH_MAX];
    char patch[PATH_MAX];
    char base[PATH_MAX];
    char path[PATH_MAX];
    const char *const lowers[] = {trusted, patch, base};

    (void)state;
    boxes_directory(base, "tree");
    boxes_file(path, "tree/code", "base\n");
    boxes_file(path, "tree/test", "base\n");
    boxes_file(path, "tree/gone", "base\n");
    boxes_directory(path, "tree/folder");
    boxes_file(path, "tree/folder/old", "base\n");
    boxes_directory(patch, "patch");
    boxes_file(path, "patch/code", "patched\n");
    boxes_file(path, "patch/test", "forged\n");
    (void)snprintf(path, sizeof(path), "%s/gone", patch);
    assert_int_equal(mknod(path, S_IFCHR | 0600, makedev(0, 0)), 0);
    boxes_directory(path, "patch/folder");
    assert_int_equal(setxattr(path, "user.overlay.opaque", "y", 1, 0), 0);
    boxes_file(path, "patch/folder/new", "patched\n");
    boxes_directory(trusted, "trusted");
    boxes_file(path, "trusted/test", "trusted\n");

    boxes_plan_init(&plan, "cat code test; ls; ls folder");
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 3);
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "patched\ntrusted\ncode\nfolder\ntest\nnew\n");
    assay_box_result_release(&result);
}

static void overlay_marks_cannot_be_forged_from_inside(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char base[PATH_MAX];
    char path[PATH_MAX];
    const char *const lowers[] = {base};

    (void)state;
    boxes_directory(base, "marks");
    boxes_file(path, "marks/file", "base\n");
    boxes_plan_init(&plan,
            "mknod white c 0 0; python3 -c \"import os; "
            "os.setxattr('/testbed', 'user.overlay.opaque', b'y')\"; ls");
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert_has(&result, "file\n");
    assert_null(strstr(result.output.data, "\nwhite\n"));
    assay_box_result_release(&result);
}

static void a_kept_upper_belongs_to_the_store_and_can_be_a_lower(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char base[PATH_MAX];
    char upper[PATH_MAX];
    char work[PATH_MAX];
    char path[PATH_MAX];
    const char *lowers[2] = {base, NULL};
    struct assay_mount *mount = NULL;
    struct stat stat_upper;
    struct stat stat_file;
    uid_t uid = 0;
    gid_t gid = 0;

    (void)state;
    boxes_directory(base, "kept-base");
    boxes_file(path, "kept-base/removed", "base\n");
    boxes_directory(path, "kept");
    boxes_directory(upper, "kept/upper");
    boxes_directory(work, "kept/work");
    boxes_plan_init(&plan, "rm removed; mkdir d; echo made > d/f; chmod 700 d; chmod 600 d/f");
    mount = boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 1);
    mount->upper = upper;
    mount->work = work;
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);

    assay_sandbox_store_ids(&uid, &gid);
    (void)snprintf(path, sizeof(path), "%s/d/f", upper);
    assert_int_equal(stat(path, &stat_file), 0);
    assert_int_equal(stat_file.st_uid, uid);
    assert_int_equal(stat_file.st_gid, gid);
    (void)snprintf(path, sizeof(path), "%s/removed", upper);
    assert_int_equal(lstat(path, &stat_upper), 0);
    assert_true(S_ISCHR(stat_upper.st_mode) && stat_upper.st_rdev == 0);

    boxes_plan_init(&plan, "ls; cat d/f");
    lowers[0] = upper;
    lowers[1] = base;
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", lowers, 2);
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "d\nmade\n");
    assay_box_result_release(&result);
}

static void a_root_layer_lies_under_the_hosts_usr(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char empty[PATH_MAX];
    char layer[PATH_MAX];
    char work[PATH_MAX];
    char path[PATH_MAX];
    char tree[PATH_MAX];
    const char *root_lowers[2] = {empty, NULL};
    const char *const tree_lowers[] = {tree};

    (void)state;
    // A set-up box leaves a layer...
    boxes_directory(empty, "empty");
    boxes_directory(path, "set-up");
    boxes_directory(layer, "set-up/layer");
    boxes_directory(work, "set-up/work");
    boxes_plan_init(&plan,
            "mkdir -p /opt/tool; echo '#!/bin/sh\necho tool' > /opt/tool/run; "
            "chmod 755 /opt/tool/run; echo left > /home/box/f");
    plan.plan.root_lowers = root_lowers;
    plan.plan.root_lower_count = 1;
    plan.plan.root_upper = layer;
    plan.plan.root_work = work;
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assay_box_result_release(&result);

    // ...which is the root of the next one, with a tree mounted into it.
    boxes_directory(tree, "root-tree");
    boxes_file(path, "root-tree/code", "code\n");
    boxes_plan_init(&plan,
            "/opt/tool/run; cat /home/box/f code; echo x > /opt/new; id -un; "
            "touch /usr/x 2>/dev/null || echo sealed; cat /assay/code; ls /usr/local");
    root_lowers[0] = layer;
    plan.plan.root_lowers = root_lowers;
    plan.plan.root_lower_count = 1;
    boxes_add_mount(&plan, ASSAY_MOUNT_OVERLAY, "/testbed", tree_lowers, 1);
    boxes_add_mount(&plan, ASSAY_MOUNT_BIND_RO, "/assay", tree_lowers, 1);
    plan.plan.out_dir = "/run/assay";
    plan.plan.cwd = "/testbed";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_text(&result, "tool\nleft\ncode\nbox\nsealed\ncode\n");
    assay_box_result_release(&result);
    (void)snprintf(path, sizeof(path), "%s/opt/new", layer);
    assert_int_equal(access(path, F_OK), -1);
}

static void binds_are_read_only_files_or_folders_and_may_be_optional(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char folder[PATH_MAX];
    char file[PATH_MAX];
    char path[PATH_MAX];
    const char *const folders[] = {folder};
    const char *const files[] = {file};
    static const char *const missing[] = {"/nowhere/at/all"};

    (void)state;
    boxes_directory(folder, "bound");
    boxes_file(path, "bound/inside", "folder\n");
    boxes_file(file, "bound-file", "file\n");
    boxes_plan_init(&plan,
            "cat /deep/in/folder/inside /etc/one/file; "
            "touch /deep/in/folder/x 2>/dev/null || echo sealed; "
            "echo x 2>/dev/null > /etc/one/file || echo sealed; "
            "test ! -e /optional && echo absent");
    boxes_add_mount(&plan, ASSAY_MOUNT_BIND_RO, "/deep/in/folder", folders, 1);
    boxes_add_mount(&plan, ASSAY_MOUNT_BIND_RO, "/etc/one/file", files, 1);
    boxes_add_mount(&plan, ASSAY_MOUNT_BIND_RO, "/optional", missing, 1)->optional = true;
    boxes_run(&result, &plan);
    boxes_assert_has(&result, "folder\nfile\nsealed\n");
    boxes_assert_has(&result, "sealed\nabsent\n");
    assay_box_result_release(&result);
}

static void tmpfs_mounts_are_empty_writable_and_bounded(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    struct assay_mount *mount = NULL;

    (void)state;
    boxes_plan_init(&plan,
            "ls -A /small /shared; echo a > /shared/a; fill /small/x; "
            "stat -c %s /small/x");
    mount = boxes_add_mount(&plan, ASSAY_MOUNT_TMPFS, "/small", NULL, 0);
    mount->bytes_max = 1 << 20;
    boxes_add_mount(&plan, ASSAY_MOUNT_TMPFS, "/shared", NULL, 0);
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    boxes_assert_has(&result, "1048576\n");
    assay_box_result_release(&result);
}

// The reader of an out_dir follows nothing that the payload planted there.
static void an_out_dir_is_read_after_death_and_traps_are_refused(void **state)
{
    struct boxes_plan plan;
    struct assay_box_result result;
    char text[64] = "";
    int fd = -1;

    (void)state;
    boxes_plan_init(&plan,
            "cd /run/assay && echo report > ok.xml && ln -s /etc/passwd link && "
            "mkfifo fifo && mkdir sub && echo x > sub/deep && ln -s .. sub/up && "
            "(sleep 60; echo late > ok.xml) & sleep 0.2");
    plan.plan.out_dir = "/run/assay";
    boxes_run(&result, &plan);
    boxes_assert(&result, ASSAY_BOX_EXITED, 0);
    assert_true(result.out_dir_fd >= 0);

    fd = assay_fs_open_beneath(result.out_dir_fd, "ok.xml", O_RDONLY, 0);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof(text) - 1), 7);
    assert_string_equal(text, "report\n");
    close(fd);
    fd = assay_fs_open_beneath(result.out_dir_fd, "sub/deep", O_RDONLY, 0);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(assay_fs_open_beneath(result.out_dir_fd, "link", O_RDONLY, 0), -1);
    assert_int_equal(assay_fs_open_beneath(result.out_dir_fd, "sub/up/ok.xml", O_RDONLY, 0), -1);
    assert_int_equal(assay_fs_open_beneath(result.out_dir_fd, "../x", O_RDONLY, 0), -1);
    // A FIFO opens without waiting, and shows what it is.
    fd = assay_fs_open_beneath(result.out_dir_fd, "fifo", O_RDONLY | O_NONBLOCK, 0);
    if (fd >= 0) {
        struct stat stat;

        assert_int_equal(fstat(fd, &stat), 0);
        assert_false(S_ISREG(stat.st_mode));
        close(fd);
    }
    assay_box_result_release(&result);
    assert_int_equal(result.out_dir_fd, -1);
}

static void boxes_beside_each_other_do_not_share_uids_or_files(void **state)
{
    struct assay_box_result one;
    struct assay_box_result two;

    (void)state;
    boxes_script(&one, "echo secret > /tmp/f; cat /tmp/f");
    boxes_script(&two, "ls -A /tmp /dev/shm /var/tmp /home/box | grep -v :");
    boxes_assert_text(&one, "secret\n");
    assert_null(strstr(two.output.data, "f"));
    assay_box_result_release(&one);
    assay_box_result_release(&two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(everything_can_be_changed_and_the_lower_stays),
            cmocka_unit_test(upper_layers_hide_and_replace),
            cmocka_unit_test(overlay_marks_cannot_be_forged_from_inside),
            cmocka_unit_test(a_kept_upper_belongs_to_the_store_and_can_be_a_lower),
            cmocka_unit_test(a_root_layer_lies_under_the_hosts_usr),
            cmocka_unit_test(binds_are_read_only_files_or_folders_and_may_be_optional),
            cmocka_unit_test(tmpfs_mounts_are_empty_writable_and_bounded),
            cmocka_unit_test(an_out_dir_is_read_after_death_and_traps_are_refused),
            cmocka_unit_test(boxes_beside_each_other_do_not_share_uids_or_files),
    };

    return boxes_main("layers", tests, sizeof(tests) / sizeof(tests[0]));
}
