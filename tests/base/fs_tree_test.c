// SPDX-License-Identifier: MIT
// What must hold: whatever tree code under test leaves behind can be walked in one order and
// removed whole, with a handful of descriptors, and nothing outside of it is touched.
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "support/harness.h"
#include "support/temp.h"

enum { DEPTH = 100000 };

// A chain of `depth` directories called `name` below the test's folder.
static void make_chain(const struct assay_temp *temp, const char *name, int depth)
{
    int fd = dup(temp->fd);

    for (int i = 0; i < depth; i++) {
        int next = -1;

        assert_int_equal(mkdirat(fd, name, 0755), 0);
        next = openat(fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        close(fd);
        fd = next;
    }
    close(fd);
}

static rlim_t limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    rlim_t before = 0;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    before = limit.rlim_cur;
    limit.rlim_cur = count;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    return before;
}

static bool exists(const struct assay_temp *temp, const char *path)
{
    return faccessat(temp->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum assay_status list_visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    struct assay_buf *list = user;
    struct stat st;

    (void)err;
    assert_int_equal(fstatat(entry->dir_fd, entry->name, &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_int_equal(st.st_ino, entry->stat.st_ino);
    assert_true(assay_buf_addf(list, "%s%s\n", entry->path, S_ISDIR(st.st_mode) ? "/" : ""));
    return ASSAY_OK;
}

static void a_walk_goes_parents_first_in_byte_order(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_buf list;

    assert_int_equal(assay_fs_mkdirs(temp->fd, "b/deep/er", 0755, NULL), ASSAY_OK);
    assert_int_equal(mkdirat(temp->fd, "empty", 0755), 0);
    assay_temp_write(temp, "b/deep/er/f", "");
    assay_temp_write(temp, "b/z", "");
    assay_temp_write(temp, "a", "");
    assay_temp_write(temp, "B", "");
    assay_temp_write(temp, "b.c", ""); // '.' sorts before '/', yet "b/" is one entry
    assay_temp_write(temp, "\xc3\xa9", "");
    assert_int_equal(symlinkat("b", temp->fd, "link"), 0);

    assay_buf_init(&list, 1000);
    assert_int_equal(assay_fs_walk(temp->fd, 4, list_visit, &list, NULL), ASSAY_OK);
    assert_string_equal(list.data,
            "B\na\nb/\nb/deep/\nb/deep/er/\nb/deep/er/f\nb/z\nb.c\nempty/\n"
            "link\n\xc3\xa9\n");
    assay_buf_free(&list);
}

static void a_walk_ends_at_its_depth_and_says_where(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    struct assay_buf list;

    make_chain(temp, "d", 3);
    assay_buf_init(&list, 1000);
    assert_int_equal(assay_fs_walk(temp->fd, 4, list_visit, &list, &err), ASSAY_OK);
    assert_int_equal(assay_fs_walk(temp->fd, 3, list_visit, &list, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "d/d/d: nested deeper than 3 directories");
    assay_buf_free(&list);
}

static enum assay_status refuse_visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    int *count = user;

    (*count)++;
    return strcmp(entry->name, "d") == 0 && *count == 2
            ? assay_fail(err, ASSAY_EREFUSED, "not this one")
            : ASSAY_OK;
}

static void a_failing_visit_ends_the_walk_with_its_error(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    int count = 0;

    make_chain(temp, "d", 5);
    assert_int_equal(assay_fs_walk(temp->fd, 10, refuse_visit, &count, &err), ASSAY_EREFUSED);
    assert_string_equal(err.message, "d/d: not this one");
    assert_int_equal(count, 2);
}

static void a_tree_of_a_hundred_thousand_levels_is_removed(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    rlim_t before = 0;

    make_chain(temp, "d", DEPTH);
    before = limit_descriptors(32);
    if (assay_fs_remove_tree(temp->fd, "d", &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    (void)limit_descriptors(before);
    assert_false(exists(temp, "d"));
}

static void paths_longer_than_path_max_are_walked_and_removed(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    char name[256];
    int count = 0;

    memset(name, 'n', 255);
    name[255] = '\0';
    make_chain(temp, name, 100);
    assert_int_equal(assay_fs_walk(temp->fd, 200, refuse_visit, &count, &err), ASSAY_OK);
    assert_int_equal(count, 100);
    if (assay_fs_remove_tree(temp->fd, name, &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_false(exists(temp, name));
}

static void a_wide_and_bushy_tree_is_removed(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};

    for (int i = 0; i < 60; i++) {
        for (int j = 0; j < 60; j++) {
            char path[64];

            (void)snprintf(path, sizeof(path), "w/%d/%d", i, j);
            assert_int_equal(assay_fs_mkdirs(temp->fd, path, 0755, NULL), ASSAY_OK);
            (void)snprintf(path, sizeof(path), "w/%d/%d/f", i, j);
            assay_temp_write(temp, path, "");
        }
    }
    if (assay_fs_remove_tree(temp->fd, "w", &err) != ASSAY_OK)
        fail_msg("%s", err.message);
    assert_false(exists(temp, "w"));
}

static void removing_goes_through_no_link_and_beside_nothing(void **state)
{
    const struct assay_temp *temp = *state;

    assert_int_equal(assay_fs_mkdirs(temp->fd, "kept/sub", 0755, NULL), ASSAY_OK);
    assay_temp_write(temp, "kept/file", "");
    assert_int_equal(assay_fs_mkdirs(temp->fd, "gone/sub", 0755, NULL), ASSAY_OK);
    assert_int_equal(symlinkat("../kept", temp->fd, "gone/link"), 0);
    assert_int_equal(symlinkat("../../kept", temp->fd, "gone/sub/link"), 0);
    assert_int_equal(linkat(temp->fd, "kept/file", temp->fd, "gone/sub/hard", 0), 0);
    assert_int_equal(mkfifoat(temp->fd, "gone/fifo", 0600), 0);
    assert_int_equal(symlinkat("kept", temp->fd, "to_kept"), 0);

    assert_int_equal(assay_fs_remove_tree(temp->fd, "gone", NULL), ASSAY_OK);
    assert_int_equal(assay_fs_remove_tree(temp->fd, "to_kept", NULL), ASSAY_OK);
    assert_false(exists(temp, "gone"));
    assert_false(exists(temp, "to_kept"));
    assert_true(exists(temp, "kept/sub"));
    assert_true(exists(temp, "kept/file"));
}

static void what_is_missing_is_removed_already(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};

    assert_int_equal(assay_fs_remove_tree(temp->fd, "none", NULL), ASSAY_OK);
    assert_int_equal(assay_fs_remove_tree(temp->fd, "none/at/all", NULL), ASSAY_OK);
    assert_int_equal(assay_fs_remove_tree(temp->fd, "../x", &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "remove ../x: not a plain relative path");
    assert_int_equal(assay_fs_remove_tree(temp->fd, "", NULL), ASSAY_EINVAL);
}

// Runs `child` in a process of its own, so that it can give up rights; its exit code.
static int in_child(int (*child)(const struct assay_temp *), const struct assay_temp *temp)
{
    int wait_status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child(temp));
    assert_int_equal(waitpid(pid, &wait_status, 0), pid);
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
}

static int remove_as_nobody(const struct assay_temp *temp)
{
    struct assay_error err = {0};

    // Root may read and write anything, so modes would not be tested.
    if (geteuid() == 0 &&
            (fchown(temp->fd, 65534, 65534) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
        return 2;
    if (mkdirat(temp->fd, "m", 0755) != 0 || mkdirat(temp->fd, "m/shut", 0755) != 0 ||
            mkdirat(temp->fd, "m/shut/in", 0755) != 0 || mkdirat(temp->fd, "m/ro", 0755) != 0 ||
            mknodat(temp->fd, "m/ro/f", S_IFREG | 0400, 0) != 0 ||
            mknodat(temp->fd, "m/shut/in/f", S_IFREG | 0600, 0) != 0)
        return 3;
    if (fchmodat(temp->fd, "m/shut/in", 0, 0) != 0 || fchmodat(temp->fd, "m/shut", 0, 0) != 0 ||
            fchmodat(temp->fd, "m/ro", 0500, 0) != 0 || fchmodat(temp->fd, "m", 0111, 0) != 0)
        return 4;
    if (assay_fs_remove_tree(temp->fd, "m", &err) != ASSAY_OK) {
        (void)fprintf(stderr, "%s\n", err.message);
        return 5;
    }
    return exists(temp, "m") ? 6 : 0;
}

static void directories_without_permissions_are_removed_by_their_owner(void **state)
{
    assert_int_equal(in_child(remove_as_nobody, *state), 0);
}

static int meet_a_mount(const struct assay_temp *temp)
{
    struct assay_error err = {0};
    struct assay_buf list;
    char inner[128];
    char outer[128];

    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return ASSAY_EXIT_SKIPPED;
    (void)snprintf(outer, sizeof(outer), "%s/outer", temp->path);
    (void)snprintf(inner, sizeof(inner), "%s/t/inner", temp->path);
    if (mount(outer, inner, NULL, MS_BIND, NULL) != 0)
        return 2;
    // A bind mount of the very same file system.
    if (assay_fs_remove_tree(temp->fd, "t", &err) != ASSAY_EIO)
        return 3;
    assay_buf_init(&list, 1000);
    if (assay_fs_walk(temp->fd, 9, list_visit, &list, &err) != ASSAY_OK)
        return 4;
    if (strcmp(list.data, "outer/\nouter/precious\nt/\nt/inner/\n") != 0)
        return 5;
    assay_buf_free(&list);
    return umount(inner) == 0 ? 0 : 6;
}

static void a_mount_that_was_left_over_is_not_entered(void **state)
{
    const struct assay_temp *temp = *state;
    int code = 0;

    assert_int_equal(assay_fs_mkdirs(temp->fd, "t/inner", 0755, NULL), ASSAY_OK);
    assert_int_equal(mkdirat(temp->fd, "outer", 0755), 0);
    assay_temp_write(temp, "outer/precious", "");
    code = in_child(meet_a_mount, temp);
    assert_true(exists(temp, "outer/precious"));
    if (code == ASSAY_EXIT_SKIPPED)
        ASSAY_SKIP("no right to mount here");
    assert_int_equal(code, 0);
}

static void a_copy_has_the_same_files_links_and_permissions(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_buf src_list;
    struct assay_buf dst_list;
    struct assay_buf text;
    struct stat st;
    char target[64];
    int file = -1;
    int src = -1;
    int dst = -1;

    assert_int_equal(assay_fs_mkdirs(temp->fd, "src/ro/in", 0755, NULL), ASSAY_OK);
    assert_int_equal(mkdirat(temp->fd, "src/empty", 0700), 0);
    assert_int_equal(mkdirat(temp->fd, "dst", 0755), 0);
    assay_temp_write(temp, "src/ro/in/f", "content");
    assay_temp_write(temp, "src/run", "#!");
    assert_int_equal(fchmodat(temp->fd, "src/run", 04755, 0), 0);
    assert_int_equal(symlinkat("/nowhere", temp->fd, "src/link"), 0);
    assert_int_equal(fchmodat(temp->fd, "src/ro", 0555, 0), 0);

    src = openat(temp->fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dst = openat(temp->fd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(assay_fs_copy_tree(src, dst, NULL), ASSAY_OK);
    assay_buf_init(&src_list, 1000);
    assay_buf_init(&dst_list, 1000);
    assert_int_equal(assay_fs_walk(src, 9, list_visit, &src_list, NULL), ASSAY_OK);
    assert_int_equal(assay_fs_walk(dst, 9, list_visit, &dst_list, NULL), ASSAY_OK);
    assert_string_equal(src_list.data, dst_list.data);
    assert_int_equal(fstatat(dst, "ro", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0555);
    assert_int_equal(fstatat(dst, "run", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755); // no set-user-id in a copy
    assay_buf_init(&text, 100);
    file = assay_fs_open_beneath(dst, "ro/in/f", O_RDONLY, 0);
    assert_int_equal(assay_fs_read_fd(&text, file, NULL), ASSAY_OK);
    assert_string_equal(text.data, "content");
    assert_int_equal(readlinkat(dst, "link", target, sizeof(target)), strlen("/nowhere"));
    assert_memory_equal(target, "/nowhere", strlen("/nowhere"));
    close(file);
    close(src);
    close(dst);
    assay_buf_free(&text);
    assay_buf_free(&src_list);
    assay_buf_free(&dst_list);
}

static void a_copy_refuses_what_is_no_file_and_names_it(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    int src = -1;
    int dst = -1;

    assert_int_equal(assay_fs_mkdirs(temp->fd, "src/d", 0755, NULL), ASSAY_OK);
    assert_int_equal(mkdirat(temp->fd, "dst", 0755), 0);
    assert_int_equal(mkfifoat(temp->fd, "src/d/fifo", 0600), 0);
    src = openat(temp->fd, "src", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    dst = openat(temp->fd, "dst", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(assay_fs_copy_tree(src, dst, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "d/fifo: neither file nor directory nor link");
    assert_int_equal(unlinkat(src, "d/fifo", 0), 0);
    assay_temp_write(temp, "src/d/f", "");
    assay_temp_write(temp, "dst/d/f", "");
    assert_int_equal(assay_fs_copy_tree(src, dst, &err), ASSAY_EIO);
    assert_string_equal(err.message, "d/f: create: File exists");
    close(src);
    close(dst);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define IN_TEMP(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)
            IN_TEMP(a_walk_goes_parents_first_in_byte_order),
            IN_TEMP(a_walk_ends_at_its_depth_and_says_where),
            IN_TEMP(a_failing_visit_ends_the_walk_with_its_error),
            cmocka_unit_test_setup_teardown(a_tree_of_a_hundred_thousand_levels_is_removed,
                    assay_temp_setup_memory, assay_temp_teardown),
            IN_TEMP(paths_longer_than_path_max_are_walked_and_removed),
            IN_TEMP(a_wide_and_bushy_tree_is_removed),
            IN_TEMP(removing_goes_through_no_link_and_beside_nothing),
            IN_TEMP(what_is_missing_is_removed_already),
            IN_TEMP(directories_without_permissions_are_removed_by_their_owner),
            IN_TEMP(a_mount_that_was_left_over_is_not_entered),
            IN_TEMP(a_copy_has_the_same_files_links_and_permissions),
            IN_TEMP(a_copy_refuses_what_is_no_file_and_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
