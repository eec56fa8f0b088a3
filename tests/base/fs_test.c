// SPDX-License-Identifier: MIT
// What must hold: a path given to us never leads out of its root, and a file is replaced whole or
// not at all. Everything runs twice, the second time on a kernel that knows no openat2.
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/harness.h"
#include "support/temp.h"

// From here on openat2() is ENOSYS in this process. Returns 0 when that worked.
static int forget_openat2(void)
{
    struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void make_maze(const struct assay_temp *temp)
{
    assert_int_equal(assay_fs_mkdirs(temp->fd, "a/b", 0755, NULL), ASSAY_OK);
    assay_temp_write(temp, "a/b/file", "inside");
    assay_temp_write(temp, "top", "top");
    assert_int_equal(symlinkat("b", temp->fd, "a/to_b"), 0);
    assert_int_equal(symlinkat("/etc/passwd", temp->fd, "a/passwd"), 0);
    assert_int_equal(symlinkat("/", temp->fd, "a/root"), 0);
    assert_int_equal(symlinkat("../..", temp->fd, "a/b/up"), 0);
}

static void an_open_never_leaves_its_root(void **state)
{
    static const struct {
        const char *path;
        int error; // 0: it opens
    } rows[] = {
            {"a/b/file", 0},
            {"a//b/./file", 0},
            {"./top", 0},
            {".", 0},
            {"a/b/", 0},
            {"a/b/file/", ENOTDIR},
            {"top/x", ENOTDIR},
            {"a/none", ENOENT},
            {"none/file", ENOENT},
            {"", ENOENT},
            {"/etc/passwd", EXDEV},
            {"..", EXDEV},
            {"a/../top", EXDEV},
            {"a/b/..", EXDEV},
            {"a/passwd", ELOOP},
            {"a/to_b", ELOOP},
            {"a/to_b/file", ELOOP},
            {"a/root/etc/passwd", ELOOP},
            {"a/b/up/top", ELOOP},
    };
    const struct assay_temp *temp = *state;

    make_maze(temp);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const int fd = assay_fs_open_beneath(temp->fd, rows[i].path, O_RDONLY, 0);
        const int error = fd < 0 ? errno : 0;

        print_message("row %zu %s\n", i, rows[i].path);
        assert_int_equal(error, rows[i].error);
        if (fd >= 0) {
            assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
            close(fd);
        }
    }
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    const struct assay_temp *temp = *state;
    char path[600] = "a/";

    make_maze(temp);
    memset(path + 2, 'n', 300);
    assert_int_equal(assay_fs_open_beneath(temp->fd, path, O_RDONLY, 0), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    memcpy(path + 302, "/x", 3);
    assert_int_equal(assay_fs_open_beneath(temp->fd, path, O_RDONLY, 0), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void a_file_is_created_with_its_mode_but_not_through_a_link(void **state)
{
    const struct assay_temp *temp = *state;
    struct stat st;
    int fd = -1;

    make_maze(temp);
    fd = assay_fs_open_beneath(temp->fd, "a/new", O_WRONLY | O_CREAT | O_EXCL, 0700);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    close(fd);
    assert_int_equal(symlinkat("../made_by_link", temp->fd, "a/dangling"), 0);
    assert_int_equal(assay_fs_open_beneath(temp->fd, "a/dangling", O_WRONLY | O_CREAT, 0600), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(faccessat(temp->fd, "made_by_link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void no_descriptor_is_lost(void **state)
{
    static const char *const paths[] = {"a/b/file", "a/b/none", "a/to_b/file", "top/x/y", "a/b/up"};
    const struct assay_temp *temp = *state;
    const int before = dup(temp->fd);

    make_maze(temp);
    close(before);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const int fd = assay_fs_open_beneath(temp->fd, paths[i], O_RDONLY, 0);
        int after = -1;

        if (fd >= 0)
            close(fd);
        after = dup(temp->fd);
        assert_int_equal(after, before);
        close(after);
    }
}

static void plain_paths_are_told_from_others(void **state)
{
    static const struct {
        const char *path;
        bool is_plain;
    } rows[] = {
            {"a", true},
            {"a/b.c", true},
            {"...", true},
            {".git", true},
            {"a b/\xc3\xa9", true},
            {"", false},
            {"/a", false},
            {"a/", false},
            {"a//b", false},
            {".", false},
            {"a/./b", false},
            {"..", false},
            {"a/..", false},
            {"../a", false},
            {"a\nb", false},
            {"a\x7f", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu\n", i);
        assert_int_equal(assay_fs_path_is_plain(rows[i].path), rows[i].is_plain);
    }
}

static void directories_are_made_once_and_never_through_a_link(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};

    make_maze(temp);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "x/y/z", 0755, NULL), ASSAY_OK);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "x/y/z", 0755, NULL), ASSAY_OK);
    assert_int_equal(faccessat(temp->fd, "x/y/z", F_OK, 0), 0);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "a/to_b/new", 0755, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, ENOTDIR);
    assert_string_equal(err.message, "make directory a/to_b/new: Not a directory");
    assert_int_equal(faccessat(temp->fd, "a/b/new", F_OK, 0), -1);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "top", 0755, &err), ASSAY_EIO);
    assert_int_equal(assay_fs_mkdirs(temp->fd, "x/../q", 0755, &err), ASSAY_EINVAL);
    assert_string_equal(err.message, "not a plain relative path: x/../q");
}

static void a_file_is_read_up_to_its_bound(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    struct assay_buf buf;
    char path[128];

    assay_temp_write(temp, "f", "12345");
    (void)snprintf(path, sizeof(path), "%s/f", temp->path);
    assay_buf_init(&buf, 8);
    assert_true(assay_buf_adds(&buf, "abc"));
    assert_int_equal(assay_fs_read_file(&buf, path, &err), ASSAY_OK); // 8 of 8
    assert_string_equal(buf.data, "abc12345");
    assay_buf_truncate(&buf, 4);
    assert_int_equal(assay_fs_read_file(&buf, path, &err), ASSAY_ENOMEM); // 9 of 8
    assert_non_null(strstr(err.message, "/f: file is larger than 8 bytes"));
    assert_string_equal(buf.data, "abc1");
    assert_false(buf.failed);
    assay_buf_free(&buf);
}

static void a_stream_without_size_is_read_to_its_end(void **state)
{
    struct assay_buf buf;
    int fds[2];

    (void)state;
    assay_buf_init(&buf, 1 << 20);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(assay_fs_write_all(fds[1], "from a pipe", 11, NULL), ASSAY_OK);
    close(fds[1]);
    assert_int_equal(assay_fs_read_fd(&buf, fds[0], NULL), ASSAY_OK);
    assert_string_equal(buf.data, "from a pipe");
    close(fds[0]);
    assay_buf_clear(&buf);
    assert_int_equal(assay_fs_read_file(&buf, "/proc/self/stat", NULL), ASSAY_OK);
    assert_true(buf.len > 0);
    assay_buf_free(&buf);
}

static void a_missing_file_is_not_found_and_a_directory_is_an_error(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    struct assay_buf buf;

    assay_buf_init(&buf, 100);
    assert_int_equal(assay_fs_read_file(&buf, "/tmp/assay-none", &err), ASSAY_ENOTFOUND);
    assert_string_equal(err.message, "/tmp/assay-none does not exist");
    assert_int_equal(assay_fs_read_file(&buf, temp->path, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EISDIR);
    assert_string_equal(buf.data, "");
    assay_buf_free(&buf);
}

static void a_replaced_file_has_the_new_content_and_mode(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_buf buf;
    struct stat st;
    char path[128];
    const mode_t old_umask = umask(077);

    assay_temp_write(temp, "f", "old");
    (void)snprintf(path, sizeof(path), "%s/f", temp->path);
    assert_int_equal(assay_fs_replace_file(path, "newer", 5, 0644, NULL), ASSAY_OK);
    (void)umask(old_umask);
    assay_buf_init(&buf, 100);
    assert_int_equal(assay_fs_read_file(&buf, path, NULL), ASSAY_OK);
    assert_string_equal(buf.data, "newer");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assay_buf_free(&buf);
}

static enum assay_status count_visit(
        const struct assay_fs_entry *entry, void *user, struct assay_error *err)
{
    int *count = user;

    (void)entry;
    (void)err;
    (*count)++;
    return ASSAY_OK;
}

static void a_replacement_that_fails_leaves_nothing_behind(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    char path[128];
    int count = 0;

    assert_int_equal(mkdirat(temp->fd, "full", 0755), 0);
    assay_temp_write(temp, "full/f", "");
    (void)snprintf(path, sizeof(path), "%s/full", temp->path);
    assert_int_equal(assay_fs_replace_file(path, "x", 1, 0644, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, EISDIR);
    assert_non_null(strstr(err.message, "/full: rename: Is a directory"));
    assert_int_equal(assay_fs_walk(temp->fd, 4, count_visit, &count, NULL), ASSAY_OK);
    assert_int_equal(count, 2);
    assert_int_equal(assay_fs_replace_file("/tmp/assay-none/f", "x", 1, 0644, &err), ASSAY_EIO);
    assert_int_equal(err.sys_errno, ENOENT);
}

static void a_lock_is_had_by_one_process_at_a_time(void **state)
{
    const struct assay_temp *temp = *state;
    struct assay_error err = {0};
    char path[128];
    int second = -7;
    int fd = -1;

    (void)snprintf(path, sizeof(path), "%s/lock", temp->path);
    assert_int_equal(assay_fs_lock(&fd, path, false, NULL), ASSAY_OK);
    assert_int_equal(assay_fs_lock(&second, path, false, &err), ASSAY_ECONFLICT);
    assert_non_null(strstr(err.message, "/lock is locked by another process"));
    assert_int_equal(second, -7);
    close(fd);
    assert_int_equal(assay_fs_lock(&second, path, true, NULL), ASSAY_OK);
    close(second);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
#define IN_TEMP(test) cmocka_unit_test_setup_teardown(test, assay_temp_setup, assay_temp_teardown)
            IN_TEMP(an_open_never_leaves_its_root),
            IN_TEMP(a_name_that_is_too_long_is_refused),
            IN_TEMP(a_file_is_created_with_its_mode_but_not_through_a_link),
            IN_TEMP(no_descriptor_is_lost),
            cmocka_unit_test(plain_paths_are_told_from_others),
            IN_TEMP(directories_are_made_once_and_never_through_a_link),
            IN_TEMP(a_file_is_read_up_to_its_bound),
            cmocka_unit_test(a_stream_without_size_is_read_to_its_end),
            IN_TEMP(a_missing_file_is_not_found_and_a_directory_is_an_error),
            IN_TEMP(a_replaced_file_has_the_new_content_and_mode),
            IN_TEMP(a_replacement_that_fails_leaves_nothing_behind),
            IN_TEMP(a_lock_is_had_by_one_process_at_a_time),
    };
    int failed = cmocka_run_group_tests_name("with openat2", tests, NULL, NULL);

    if (forget_openat2() != 0) {
        ASSAY_SKIP_NOTE("second run: seccomp filters are not allowed here");
        return failed;
    }
    failed += cmocka_run_group_tests_name("without openat2", tests, NULL, NULL);
    return failed;
}
