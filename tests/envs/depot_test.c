// SPDX-License-Identifier: MIT
// What must hold: a tree holds exactly what its source held, each content is on disk once, and a
// tree that can be seen is whole, whatever was killed and when.
#include "envs/depot.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envs/depot_tree.h"
#include "envs/fixture.h"
#include "support/harness.h"

static void make_sample(const struct fixture *f)
{
    fixture_shell(f,
            "mkdir -p src/a/b src/empty src/.git/objects src/a/.git; "
            "printf one > src/one; printf one > src/a/same; printf one > src/a/run; "
            "chmod 755 src/a/run; chmod 600 src/one; : > src/nil; : > src/a/nilx; "
            "chmod 711 src/a/nilx; ln -s ../one src/a/up; ln -s nowhere src/dangling; "
            "ln -s b/../../one src/a/round; printf x > src/.git/HEAD; "
            "printf 'a b' > 'src/a/b/with space'; dd if=/dev/urandom of=src/big bs=1000 "
            "count=700 2>/dev/null; printf z > \"src/$(printf 'tab\\there')\"");
}

static void a_tree_is_what_the_directory_was(void **state)
{
    struct fixture *f = *state;
    char hash[65], again[65], path[PATH_MAX];
    char *text = NULL;

    make_sample(f);
    fixture_import(f, "src", hash);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    fixture_shell(f, "rm -r src/.git src/a/.git; diff -r --no-dereference src %s", path);
    text = fixture_read(f, "cd %s; find . ! -type l -printf '%%p %%m %%Ts\\n' | sort", path);
    assert_string_equal(text,
            ". 755 1000000000\n"
            "./a 755 1000000000\n"
            "./a/b 755 1000000000\n"
            "./a/b/with space 644 1000000000\n"
            "./a/nilx 755 1000000000\n"
            "./a/run 755 1000000000\n"
            "./a/same 644 1000000000\n"
            "./big 644 1000000000\n"
            "./empty 755 1000000000\n"
            "./nil 644 1000000000\n"
            "./one 644 1000000000\n"
            "./tab\there 644 1000000000");
    free(text);
    fixture_shell(f, "touch src/one; mkdir src/z; rmdir src/z");
    fixture_import(f, "src", again);
    assert_string_equal(hash, again);
    fixture_shell(f, "chmod 755 src/one");
    fixture_import(f, "src", again);
    assert_string_not_equal(hash, again);
}

static void globs_leave_out_what_they_match_and_all_below(void **state)
{
    struct fixture *f = *state;
    static const char *const items[] = {"*.egg-info", "**/__pycache__", "docs/*.html"};
    const struct assay_strings ignore = {items, 3};
    char hash[65], path[PATH_MAX];
    char *text = NULL;

    fixture_shell(f,
            "mkdir -p src/p.egg-info/sub src/a/__pycache__ src/docs; for i in "
            "src/p.egg-info/sub/x src/a/__pycache__/y src/docs/i.html src/docs/i.txt "
            "src/a/code; do echo $i > $i; done; mkfifo src/p.egg-info/fifo");
    assert_int_equal(assay_depot_add_dir(f->depot, fixture_path(f, "src"), &ignore, hash, &f->err),
            ASSAY_OK);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    text = fixture_read(f, "cd %s; find . | sort", path);
    assert_string_equal(text, ".\n./a\n./a/code\n./docs\n./docs/i.txt");
    free(text);
}

static void what_leaves_the_tree_or_is_no_file_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *script, *text;
    } rows[] = {
            {"ln -s /etc/passwd src/d/abs", "d/abs: link leaves the tree: '/etc/passwd'"},
            {"ln -s ../../x src/d/up", "d/up: link leaves the tree"},
            {"ln -s e/../../.. src/d/round", "d/round: link leaves the tree"},
            {"ln -s .. src/top", "top: link leaves the tree"},
            {"mkfifo src/d/fifo", "d/fifo: neither file, directory nor link"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char hash[65] = "untouched";

        fixture_shell(f, "rm -rf src; mkdir -p src/d; %s", rows[i].script);
        fixture_refuse(f,
                assay_depot_add_dir(f->depot, fixture_path(f, "src"), &nothing, hash, &f->err),
                ASSAY_EINVAL, rows[i].text, hash);
    }
    fixture_shell(f,
            "ls home/trees | wc -l | grep -qx 0; test -z \"$(find home/tmp -mindepth 2 "
            "! -name lock)\"");
}

static void a_missing_directory_or_tree_is_not_found(void **state)
{
    struct fixture *f = *state;
    char hash[65] = "untouched", path[PATH_MAX] = "untouched";

    fixture_refuse(f,
            assay_depot_add_dir(f->depot, fixture_path(f, "none"), &nothing, hash, &f->err),
            ASSAY_ENOTFOUND, "/none", hash);
    fixture_refuse(f, assay_depot_tree(f->depot, "../home", path, &f->err), ASSAY_ENOTFOUND,
            "not the hash of a tree", path);
    memset(hash, 'a', 64);
    hash[64] = '\0';
    fixture_refuse(f, assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_ENOTFOUND,
            "no tree aaa", path);
}

static void each_content_is_stored_once(void **state)
{
    struct fixture *f = *state;
    char one[65], two[65];
    char *text = NULL;

    fixture_shell(f,
            "mkdir -p one/d two; for i in 1 2 3 4 5; do echo $i > one/$i; echo $i > "
            "one/d/$i; echo $i > two/$i; done; echo 6 > two/6; : > two/nil");
    fixture_import(f, "one", one);
    fixture_import(f, "two", two);
    text = fixture_read(f,
            "find home/blobs -type f | wc -l; cd home/trees; stat -c %%i %s/1 %s/d/1 "
            "%s/1 | sort -u | wc -l; stat -c %%h %s/nil",
            one, one, two, two);
    assert_string_equal(text, "6\n1\n1");
    free(text);
}

static void a_blob_out_of_links_starts_a_new_copy(void **state)
{
    struct fixture *f = *state;
    char hash[65], again[65], path[PATH_MAX];
    char *text = NULL;

    f->depot->bounds.links_max = 4; // one is the blob's own name
    fixture_shell(f,
            "mkdir src; for i in 1 2 3 4 5 6 7 8 9 10; do echo same > src/$i; done; "
            "chmod 755 src/10");
    fixture_import(f, "src", hash);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    text = fixture_read(f,
            "cd %s; stat -c %%i [1-9] | sort | uniq -c | awk '{print $1}' | xargs; "
            "cat [1-9] | sort -u; find ../../blobs -type f | wc -l; stat -c %%Y 9",
            path);
    assert_string_equal(text, "3 3 3\nsame\n2\n1000000000");
    free(text);
    fixture_shell(f, "cp -a %s copy", path);
    fixture_import(f, "copy", again);
    assert_string_equal(hash, again);
}

static void a_blob_whose_data_was_lost_is_written_again(void **state)
{
    struct fixture *f = *state;
    char hash[65], path[PATH_MAX];

    fixture_shell(f, "mkdir src; echo precious > src/x");
    fixture_import(f, "src", hash);
    fixture_shell(f, "rm -r home/trees/*; : > \"$(find home/blobs -type f)\"");
    fixture_import(f, "src", hash);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    fixture_shell(f, "cmp src/x %s/x", path);
}

static void bounds_end_an_import(void **state)
{
    struct fixture *f = *state;
    char hash[65] = "untouched";

    fixture_shell(f, "mkdir src; head -c 3000 /dev/zero > src/a; head -c 3000 /dev/zero > src/b");
    f->depot->bounds.bytes_max = 5000;
    fixture_refuse(f,
            assay_depot_add_dir(f->depot, fixture_path(f, "src"), &nothing, hash, &f->err),
            ASSAY_ENOMEM, "more than 5000 bytes", hash);
    f->depot->bounds.bytes_max = 10000;
    f->depot->bounds.entries_max = 1;
    fixture_refuse(f,
            assay_depot_add_dir(f->depot, fixture_path(f, "src"), &nothing, hash, &f->err),
            ASSAY_ENOMEM, "more than 1 entries", hash);
}

// Every tree that can be seen hashes to its name.
static void check_trees(struct fixture *f)
{
    char *names = fixture_read(f, "ls home/trees"), *save = NULL;

    for (char *name = strtok_r(names, "\n", &save); name != NULL;
            name = strtok_r(NULL, "\n", &save)) {
        char path[96], hash[65];

        snprintf(path, sizeof(path), "home/trees/%s", name);
        fixture_import(f, path, hash);
        assert_string_equal(hash, name);
    }
    free(names);
}

static void import_and_exit(const struct fixture *f)
{
    struct assay_depot *depot = NULL;

    if (assay_depot_open(&depot, f->home, getuid(), getgid(), NULL) == ASSAY_OK) {
        char hash[65];

        (void)!assay_depot_add_dir(depot, fixture_path(f, "src"), &nothing, hash, NULL);
    }
    _exit(0);
}

static void a_killed_import_leaves_no_half_tree_and_no_litter(void **state)
{
    struct fixture *f = *state;
    struct assay_depot *other = NULL;
    char path[PATH_MAX];

    fixture_shell(f,
            "mkdir src; i=0; while [ $i -lt 400 ]; do mkdir -p src/d$((i %% 20)); echo $i > "
            "src/d$((i %% 20))/$i; i=$((i+1)); done");
    for (int round = 0; round < 15; round++) {
        pid_t pid = 0;

        fixture_shell(f, "echo %d > src/round", round);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            import_and_exit(f);
        usleep((useconds_t)(1000 + round * 2500));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        check_trees(f);
    }
    // Another open sweeps what the dead left, and nothing of the living.
    assert_int_equal(assay_depot_tmp(f->depot, path, &f->err), ASSAY_OK);
    assert_int_equal(assay_depot_open(&other, f->home, getuid(), getgid(), &f->err), ASSAY_OK);
    assert_int_equal(access(path, F_OK), 0);
    assay_depot_drop_tmp(f->depot, path);
    assert_int_not_equal(access(path, F_OK), 0);
    fixture_shell(f, "test \"$(ls home/tmp | wc -l)\" = 2");
    assay_depot_close(other);
    fixture_shell(f, "test \"$(ls home/tmp | wc -l)\" = 1");
}

static void drop_tmp_removes_nothing_but_scratch(void **state)
{
    struct fixture *f = *state;

    fixture_shell(f, "mkdir keep home/runs/r");
    assay_depot_drop_tmp(f->depot, "");
    assay_depot_drop_tmp(f->depot, fixture_path(f, "keep"));
    assay_depot_drop_tmp(f->depot, fixture_path(f, "home/runs/r"));
    assay_depot_drop_tmp(f->depot, f->depot->tmp);
    fixture_shell(f, "test -d keep; test -d home/runs/r; test -d %s", f->depot->tmp);
}

struct importer {
    struct fixture *f;
    const char *path;
    char hash[65];
    struct assay_error err;
    enum assay_status status;
};

static void *import_in_thread(void *arg)
{
    struct importer *importer = arg;

    importer->status = assay_depot_add_dir(
            importer->f->depot, importer->path, &nothing, importer->hash, &importer->err);
    return NULL;
}

static void threads_may_import_the_same_tree_at_once(void **state)
{
    struct fixture *f = *state;
    pthread_t threads[8];
    struct importer importers[8];
    const char *path = NULL;

    f->depot->bounds.links_max = 5; // with copies being made under each other's feet
    fixture_shell(f, "mkdir src; for i in $(seq 60); do echo $((i %% 5)) > src/$i; done");
    path = fixture_path(f, "src");
    for (size_t i = 0; i < 8; i++) {
        importers[i] = (struct importer){.f = f, .path = path};
        assert_int_equal(pthread_create(&threads[i], NULL, import_in_thread, &importers[i]), 0);
    }
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < 8; i++) {
        if (importers[i].status != ASSAY_OK)
            print_error("%s\n", importers[i].err.message);
        assert_int_equal(importers[i].status, ASSAY_OK);
        assert_string_equal(importers[i].hash, importers[0].hash);
    }
    check_trees(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_tree_is_what_the_directory_was),
            TEST(globs_leave_out_what_they_match_and_all_below),
            TEST(what_leaves_the_tree_or_is_no_file_is_refused_by_name),
            TEST(a_missing_directory_or_tree_is_not_found),
            TEST(each_content_is_stored_once),
            TEST(a_blob_out_of_links_starts_a_new_copy),
            TEST(a_blob_whose_data_was_lost_is_written_again),
            TEST(bounds_end_an_import),
            TEST(a_killed_import_leaves_no_half_tree_and_no_litter),
            TEST(drop_tmp_removes_nothing_but_scratch),
            TEST(threads_may_import_the_same_tree_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
