// SPDX-License-Identifier: MIT
// What must hold: a commit becomes the tree that git itself would show, byte for byte, without
// filters, hooks or history, whatever form the repository has.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "envs/depot.h"
#include "envs/fixture.h"
#include "support/harness.h"

// libgit2 1.5 loses the match data of every pattern of its configuration that does not match
// (src/util/regexp.c): 20 KB a clone, none of it ours.
// NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libpcre2-8.so\n";
}
// NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp,readability-identifier-naming)

// Two commits, tagged one and two, with all that could make a checkout differ from the objects.
static void make_repository(const struct fixture *f)
{
    fixture_shell(f,
            "git init -q -b main repo; cd repo; mkdir -p src/deep; printf 'a\\r\\nb\\r\\n' > "
            "src/crlf.txt; printf 'x\\n' > src/lf.txt; printf '*.txt text eol=crlf\\n*.up "
            "filter=up ident export-ignore\\n' > .gitattributes; printf '$Id$\\n' > a.up; "
            "printf 'run' > src/deep/run; chmod 755 src/deep/run; ln -s ../lf.txt src/deep/link; ln -s "
            "missing dangling; : > nil; git config core.autocrlf false; git config filter.up.smudge "
            "'tr a-z A-Z'; git -c core.safecrlf=false add -A; git commit -qm one; git tag one; "
            "echo two > only-two; git rm -q nil; git add -A; git commit -qm two; git tag two; git "
            "update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub; git commit -qm sub; git "
            "tag three");
}

static void import(struct fixture *f, const char *where, const char *commit, char hash[65])
{
    const enum assay_status status = assay_depot_add_git(f->depot, where, commit, hash, &f->err);

    if (status != ASSAY_OK)
        print_error("%s: %s\n", where, f->err.message);
    assert_int_equal(status, ASSAY_OK);
}

static void a_commit_is_what_its_objects_say(void **state)
{
    struct fixture *f = *state;
    char hash[65], wanted[65], path[PATH_MAX];
    char *commit = NULL, *text = NULL;

    make_repository(f);
    commit = fixture_read(f, "git -C repo rev-parse one");
    import(f, fixture_path(f, "repo"), commit, hash);
    free(commit);
    // What git has in its objects, written out by hand: no command of git's does that unfiltered.
    fixture_shell(f,
            "mkdir raw; cd repo; git ls-tree -r one | while IFS='\t' read -r m p; do set -- "
            "$m; mkdir -p \"../raw/$(dirname $p)\"; if [ $1 = 120000 ]; then ln -s \"$(git "
            "cat-file blob $3)\" ../raw/$p; else git cat-file blob $3 > ../raw/$p; fi; if "
            "[ $1 = 100755 ]; then chmod 755 ../raw/$p; fi; done");
    fixture_import(f, "raw", wanted);
    assert_string_equal(hash, wanted);
    assert_int_equal(assay_depot_tree(f->depot, hash, path, &f->err), ASSAY_OK);
    text = fixture_read(f, "cat %s/a.up; test ! -e %s/.git", path, path);
    assert_string_equal(text, "$Id$");
    free(text);
}

static void every_form_of_a_repository_gives_the_same_tree(void **state)
{
    struct fixture *f = *state;
    static const char *const forms[][2] = {
            {"repo", "true"},
            {"repo/.git", "true"},
            {"bare.git", "git clone -q --bare repo bare.git"},
            {"packed.git", "git clone -q --bare repo packed.git; git -C packed.git gc -q"},
            {"shallow", "git clone -q --depth 1 --branch two file://$PWD/repo shallow 2>/dev/null"},
            {"a.tar.gz", "tar -czf a.tar.gz repo"},
            {"b.tar", "tar -C bare.git -cf b.tar ."},
            {"c.tar.xz", "tar -cJf c.tar.xz packed.git"},
    };
    char wanted[65], hash[65], url[256];

    make_repository(f);
    import(f, fixture_path(f, "repo"), "two", wanted);
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        fixture_shell(f, "rm -rf home/index/*; %s", forms[i][1]);
        import(f, fixture_path(f, forms[i][0]), "two", hash);
        assert_string_equal(hash, wanted);
    }
    snprintf(url, sizeof(url), "file://%s/repo", f->temp->path);
    fixture_shell(f, "rm -rf home/index/*");
    import(f, url, "two", hash);
    assert_string_equal(hash, wanted);
    // A tarball of the plain tree at that commit.
    fixture_shell(f, "cp -a home/trees/%s plain; tar -czf plain.tgz plain", wanted);
    import(f, fixture_path(f, "plain.tgz"), "two", hash);
    assert_string_equal(hash, wanted);
    // A submodule is an empty directory.
    import(f, fixture_path(f, "repo"), "three", hash);
    fixture_shell(f, "test -d home/trees/%s/sub; rmdir plain/sub 2>/dev/null || true", hash);
}

static void a_clone_is_made_once_and_fetched_for_a_younger_commit(void **state)
{
    struct fixture *f = *state;
    char hash[65], url[256];
    char *commit = NULL;

    make_repository(f);
    snprintf(url, sizeof(url), "file://%s/repo", f->temp->path);
    import(f, url, "one", hash);
    fixture_shell(f,
            "touch $(ls -d home/repos/*/)marker; echo new > repo/new; git -C repo add new; git -C repo "
            "commit -qm new");
    commit = fixture_read(f, "git -C repo rev-parse HEAD");
    import(f, url, commit, hash);
    free(commit);
    fixture_shell(f, "test -f home/repos/*/marker; test -f home/trees/%s/new", hash);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct fixture *f = *state;
    char hash[65] = "untouched", url[256];

    make_repository(f);
    fixture_shell(f, "mkdir empty");
    fixture_refuse(f,
            assay_depot_add_git(f->depot, fixture_path(f, "repo"),
                    "0123456789012345678901234567890123456789", hash, &f->err),
            ASSAY_ENOTFOUND, "no commit 0123456789012345678901234567890123456789", hash);
    fixture_refuse(f, assay_depot_add_git(f->depot, fixture_path(f, "none"), "one", hash, &f->err),
            ASSAY_ENOTFOUND, "no repository", hash);
    fixture_refuse(f, assay_depot_add_git(f->depot, fixture_path(f, "empty"), "one", hash, &f->err),
            ASSAY_ENOTFOUND, "empty", hash);
    snprintf(url, sizeof(url), "file://%s/none", f->temp->path);
    fixture_refuse(
            f, assay_depot_add_git(f->depot, url, "one", hash, &f->err), ASSAY_EIO, "clone", hash);
    fixture_refuse(f,
            assay_depot_add_git(f->depot, fixture_path(f, "repo"), "one:nil", hash, &f->err),
            ASSAY_ENOTFOUND, "is not a commit", hash);
}

static void a_hostile_repository_reaches_nothing_else(void **state)
{
    struct fixture *f = *state;
    char hash[65] = "untouched", *commit = NULL;

    make_repository(f);
    // Links out of the tree.
    fixture_shell(
            f, "ln -s /etc/passwd repo/evil; git -C repo add evil; git -C repo commit -qm evil");
    fixture_refuse(f, assay_depot_add_git(f->depot, fixture_path(f, "repo"), "HEAD", hash, &f->err),
            ASSAY_EINVAL, "evil: link leaves the tree: '/etc/passwd'", hash);
    // ".." and "x/y" as names, which git mktree takes from nobody: hash-object is asked to believe.
    fixture_shell(f,
            "cd repo; b=$(git rev-parse one:src/lf.txt); printf '100644 ..\\0' > ../t; printf "
            "%%s $b | sed 's/../\\\\x&/g' | xargs -0 printf '%%b' >> ../t; t=$(git hash-object "
            "-t tree -w --literally ../t); git tag dots $(git commit-tree -m x $t)");
    fixture_refuse(f, assay_depot_add_git(f->depot, fixture_path(f, "repo"), "dots", hash, &f->err),
            ASSAY_EINVAL, "..", hash);
    // A tarball whose objects are said to lie in a folder of the host.
    commit = fixture_read(f, "git -C repo rev-parse two");
    fixture_shell(f,
            "git init -q thief; echo %s/repo/.git/objects > "
            "thief/.git/objects/info/alternates; tar -czf thief.tgz thief",
            f->temp->path);
    fixture_refuse(f,
            assay_depot_add_git(f->depot, fixture_path(f, "thief.tgz"), commit, hash, &f->err),
            ASSAY_ENOTFOUND, "no commit", hash);
    free(commit);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
            TEST(a_commit_is_what_its_objects_say),
            TEST(every_form_of_a_repository_gives_the_same_tree),
            TEST(a_clone_is_made_once_and_fetched_for_a_younger_commit),
            TEST(what_is_not_there_is_not_found),
            TEST(a_hostile_repository_reaches_nothing_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
