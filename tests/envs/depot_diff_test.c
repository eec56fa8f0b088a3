// SPDX-License-Identifier: MIT
// What must hold: the difference of two trees, applied to the old one by git or by our own engine,
// gives the new one, byte for byte and mode for mode.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "envs/depot.h"
#include "envs/fixture.h"
#include "envs/patched.h"
#include "support/harness.h"

#define TEXT_BYTES 4096

// --- random trees -------------------------------------------------------------------------------

static void put(const struct fixture *f, const char *tree, const char *name, const char *bytes,
        size_t len, mode_t mode)
{
    char path[256];
    int fd = -1;

    snprintf(path, sizeof(path), "%s/%s/%s", f->temp->path, tree, name);
    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

// Lines with any of the line ends, maybe without the last one; or bytes with NULs among them.
static size_t random_text(struct assay_rng *rng, char text[TEXT_BYTES], bool binary)
{
    static const char *const ends[] = {"\n", "\n", "\r\n", "\r\r\n", " \n", "\t\n"};
    const size_t lines = assay_rng_below(rng, 30);
    size_t len = 0;

    if (binary) {
        len = assay_rng_below(rng, TEXT_BYTES);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)assay_rng_below(rng, i % 7 == 0 ? 256 : 3);
        return len;
    }
    for (size_t i = 0; i < lines; i++)
        len += (size_t)snprintf(text + len, TEXT_BYTES - len, "%s%llu%s",
                assay_rng_below(rng, 9) == 0 ? "-- \\ @@ +\xff\xc3" : "line ",
                (unsigned long long)assay_rng_below(rng, 5), ends[assay_rng_below(rng, 6)]);
    if (lines > 0 && assay_rng_below(rng, 3) == 0)
        len--;
    return len;
}

static void mutate_text(struct assay_rng *rng, char text[TEXT_BYTES], size_t *len)
{
    static const char insertion[] = {'n', 'e', 'w', '\n', '+'};

    for (uint64_t n = assay_rng_below(rng, 4); n > 0 && *len > 1 && *len < TEXT_BYTES - 64; n--) {
        const size_t at = assay_rng_below(rng, *len);

        if (assay_rng_below(rng, 2) == 0) {
            memmove(text + at, text + at + 1, *len - at - 1);
            (*len)--;
        } else {
            memmove(text + at + sizeof(insertion), text + at, *len - at);
            memcpy(text + at, insertion, sizeof(insertion));
            *len += sizeof(insertion);
        }
    }
}

static void random_pair(const struct fixture *f, struct assay_rng *rng, bool control_bytes)
{
    static const char *const names[] = {"a", "b.txt", "dir/c", "dir/sub/d", "dir/with space",
            "e\"q", "z/caf\xc3\xa9", "z/back\\slash", "z/-dash", "n", "m", "tab\there"};

    const size_t count = sizeof(names) / sizeof(names[0]) - (control_bytes ? 0 : 1);

    fixture_shell(f, "rm -rf old new; mkdir -p old/dir/sub old/z new/dir/sub new/z");
    for (size_t i = 0; i < count; i++) {
        const bool binary = assay_rng_below(rng, 5) == 0;
        const mode_t mode = assay_rng_below(rng, 4) == 0 ? 0755 : 0644;
        char text[TEXT_BYTES];
        size_t len = random_text(rng, text, binary);
        const uint64_t what = assay_rng_below(rng, 8);

        if (what != 0) // else: it is new
            put(f, "old", names[i], text, len, mode);
        if (what == 1) // it goes
            continue;
        if (what == 2) { // it becomes a link
            char path[256];

            snprintf(path, sizeof(path), "%s/new/%s", f->temp->path, names[i]);
            assert_int_equal(symlink("somewhere", path), 0);
            continue;
        }
        if (what > 3)
            mutate_text(rng, text, &len);
        put(f, "new", names[i], text, len, what == 4 ? mode ^ 0111 : mode);
    }
    if (assay_rng_below(rng, 2) == 0)
        fixture_shell(f, "ln -s one old/link; ln -s two new/link");
    if (assay_rng_below(rng, 3) == 0) // a directory becomes a file
        fixture_shell(f, "mkdir old/turn; echo x > old/turn/x; echo file > new/turn");
    if (assay_rng_below(rng, 3) == 0) // and the reverse
        fixture_shell(f, "echo file > old/nrut; mkdir new/nrut; echo x > new/nrut/x");
    // git keeps no empty directories.
    fixture_shell(f, "find old new -type d -empty -delete; mkdir -p old new");
}

static void make_diff(struct fixture *f, const char *old_hash, const char *new_hash)
{
    struct assay_buf text;

    assay_buf_init(&text, (size_t)64 << 20);
    assert_int_equal(
            assay_depot_diff(f->depot, old_hash, new_hash, NULL, NULL, &text, &f->err), ASSAY_OK);
    assert_int_equal(
            assay_fs_replace_file(fixture_path(f, "patch"), text.data, text.len, 0644, NULL),
            ASSAY_OK);
    assay_buf_free(&text);
}

static void git_applies_the_difference(void **state)
{
    struct fixture *f = *state;
    struct assay_rng rng;

    assay_rng_seed(&rng, 1, 0);
    for (int round = 0; round < 20; round++) {
        char old_hash[65], new_hash[65], hash[65];

        random_pair(f, &rng, true);
        fixture_import(f, "old", old_hash);
        fixture_import(f, "new", new_hash);
        make_diff(f, old_hash, new_hash);
        patched_by_git(f, "old", round);
        fixture_import(f, "old", hash);
        assert_string_equal(hash, new_hash);
    }
}

static void our_engine_applies_the_difference(void **state)
{
    struct fixture *f = *state;
    struct assay_rng rng;

    assay_rng_seed(&rng, 2, 0);
    for (int round = 0; round < 20; round++) {
        char old_hash[65], new_hash[65], hash[65];

        random_pair(f, &rng, false); // a patch may not name such paths
        fixture_import(f, "old", old_hash);
        fixture_import(f, "new", new_hash);
        make_diff(f, old_hash, new_hash);
        patched_by_engine(f, "old", round);
        fixture_import(f, "old", hash);
        assert_string_equal(hash, new_hash);
    }
}

static void a_tree_with_the_difference_is_the_other_tree(void **state)
{
    struct fixture *f = *state;
    struct assay_rng rng;

    assay_rng_seed(&rng, 3, 0);
    for (int round = 0; round < 20; round++) {
        char old_hash[65], new_hash[65], patched[65];
        struct assay_buf text;

        random_pair(f, &rng, false);
        if (round == 0) // the last file of a folder takes the folder along
            fixture_shell(f, "mkdir -p old/.ci/sub; echo x > old/.ci/sub/only");
        fixture_import(f, "old", old_hash);
        fixture_import(f, "new", new_hash);
        assay_buf_init(&text, (size_t)64 << 20);
        assert_int_equal(assay_depot_diff(f->depot, old_hash, new_hash, NULL, NULL, &text, &f->err),
                ASSAY_OK);
        if (text.len > 0) {
            assert_int_equal(assay_depot_patch_tree(f->depot, old_hash,
                                     (struct assay_bytes){text.data, text.len}, patched, &f->err),
                    ASSAY_OK);
            assert_string_equal(patched, new_hash);
        }
        assay_buf_free(&text);
    }
}

static bool is_python(void *user, const char *path)
{
    const size_t len = strlen(path);

    (void)user;
    return len > 3 && strcmp(path + len - 3, ".py") == 0;
}

static void a_difference_reads_as_git_writes_it(void **state)
{
    struct fixture *f = *state;
    char old_hash[65], new_hash[65];
    struct assay_buf text;

    fixture_shell(f,
            "mkdir old new; printf 'a\\nb\\nc' > old/x.py; printf 'a\\nB\\nc\\n' > new/x.py; "
            "echo t > old/t.txt; echo u > new/t.txt; : > new/nil.py; echo run > old/run.py; "
            "echo run > new/run.py; chmod 755 new/run.py");
    fixture_import(f, "old", old_hash);
    fixture_import(f, "new", new_hash);
    assay_buf_init(&text, 65536);
    assert_int_equal(
            assay_depot_diff(f->depot, old_hash, new_hash, is_python, NULL, &text, &f->err),
            ASSAY_OK);
    assert_string_equal(text.data,
            "diff --git a/nil.py b/nil.py\n"
            "new file mode 100644\n"
            "index 0000000000000000000000000000000000000000..e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\n"
            "diff --git a/run.py b/run.py\n"
            "old mode 100644\n"
            "new mode 100755\n"
            "diff --git a/x.py b/x.py\n"
            "index 1c943a98887754f364fafaa1da3ac56e0e0875a9..7be73ce3c1b1cdaea86e8168dfee8575175953bf "
            "100644\n"
            "--- a/x.py\n"
            "+++ b/x.py\n"
            "@@ -1,3 +1,3 @@\n"
            " a\n"
            "-b\n"
            "-c\n"
            "\\ No newline at end of file\n"
            "+B\n"
            "+c\n");
    assay_buf_free(&text);
}

static void equal_trees_have_no_difference_and_a_missing_one_is_not_found(void **state)
{
    struct fixture *f = *state;
    char hash[65], untouched[65] = "untouched";
    struct assay_buf text;

    fixture_shell(f, "mkdir old; echo x > old/x");
    fixture_import(f, "old", hash);
    assay_buf_init(&text, 65536);
    assert_int_equal(assay_depot_diff(f->depot, hash, hash, NULL, NULL, &text, &f->err), ASSAY_OK);
    assert_int_equal(text.len, 0);
    fixture_refuse(f, assay_depot_diff(f->depot, hash, "0000", NULL, NULL, &text, &f->err),
            ASSAY_ENOTFOUND, "0000", untouched);
    assay_buf_free(&text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(git_applies_the_difference),
            TEST(our_engine_applies_the_difference),
            TEST(a_tree_with_the_difference_is_the_other_tree),
            TEST(a_difference_reads_as_git_writes_it),
            TEST(equal_trees_have_no_difference_and_a_missing_one_is_not_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
