// SPDX-License-Identifier: MIT
// What must hold: the engine accepts what the other programs accept, and makes the same tree:
// exact mode beside `git apply`, the last rung beside `patch --batch --forward --fuzz=5 -p1`,
// strict-swebench beside the whole ladder. Where it does not, the class of the difference is listed
// here and explained in docs/patches.md; there is no other one. Tolerant mode makes what exact
// mode makes.
//
// Random trees, random changes to them, and real diffs, all with random damage.
// ASSAY_ORACLE_COUNT cases a program and kind (default 150; with ASSAY_SOAK=1 5,000) from
// ASSAY_ORACLE_SEED (default 1); ASSAY_ORACLE_FIRST: the first case; ASSAY_ORACLE_REAL: a folder
// of real diffs (default: those of this repository's history, where there is one).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "envs/apply_case.h"
#include "envs/apply_ladder.h"
#include "support/harness.h"
#include "support/temp.h"

enum program { GIT, GNU, LADDER };

// A class of cases in which we differ on purpose. Told by our message when we refuse, else by
// what the other program said or by what is odd in the patch.
struct difference {
    const char *message;  // of ours
    const char *output;   // of theirs; NULL: anything
    const char *in_patch; // NULL: anything
    const char *reason;
    size_t count;
};

static struct difference git_classes[] = {
        {"may not name this path", NULL, NULL, "names that a patch may not have"},
        {"is not 100644, 100755 or 120000", NULL, NULL, "other modes than git's three, gitlinks"},
        {"is no file and no symbolic link", NULL, NULL, "submodules, which git skips"},
        {": not a file", NULL, NULL, "a directory, which git takes for a submodule"},
        {"symbolic link may only lead", NULL, NULL, "links that lead out of the tree"},
        {"exists already", NULL, NULL, "git overwrites where names differ without \"rename\""},
        {"binary", NULL, NULL, "git passes over a broken binary patch behind good ones"},
};

static struct difference gnu_classes[] = {
        {"may not name this path", NULL, NULL, "names that a patch may not have"},
        {"symbolic link may only lead", NULL, NULL, "links that lead out of the tree"},
        {"would change nothing", NULL, NULL, "GNU patch exits 0 and changes nothing"},
        {"changed again", NULL, NULL, "a file that is renamed or copied, and changed twice"},
        {"only garbage was found", NULL, NULL, "an empty text"},
        {"a directory is in the way", NULL, NULL,
                "a file to be made where a directory is, which git finds made"},
        {"its folder is a file", NULL, NULL, "a folder in the place of a file"},
        {"GNU patch would read", NULL, NULL, "context diffs, normal diffs, ed scripts"},
};

struct oracle_case {
    struct apply_case *c;
    struct tree ours, theirs;
    struct assay_patch *parsed; // of our last try
    struct assay_edits *edits;
};

// Counts of one run, for the table at its end.
struct tally {
    struct difference *classes;
    size_t class_count, accepted, same, listed, failed;
};

static struct difference *find_class(const struct tally *tally, const char *message, bool we_accept,
        const char *output, const struct assay_buf *patch)
{
    for (size_t i = 0; i < tally->class_count; i++) {
        struct difference *row = &tally->classes[i];

        if ((row->message == NULL) != we_accept)
            continue;
        if ((row->message == NULL || strstr(message, row->message) != NULL) &&
                (row->output == NULL || strstr(output, row->output) != NULL) &&
                (row->in_patch == NULL ||
                        memmem(patch->data, patch->len, row->in_patch, strlen(row->in_patch)) !=
                                NULL))
            return row;
    }
    return NULL;
}

static enum assay_status apply_ours(struct oracle_case *o, enum assay_apply_mode mode,
        struct tree *after, struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = mode, .list = tree_list};
    enum assay_status status = mode == ASSAY_APPLY_SWEBENCH
            ? assay_patch_read_exact(
                      &o->parsed, o->c->patch.data, o->c->patch.len, o->c->arena, err)
            : assay_patch_parse(&o->parsed, o->c->patch.data, o->c->patch.len, o->c->arena, err);

    if (status == ASSAY_OK)
        status = assay_patch_apply(
                &o->edits, o->parsed, tree_read, &o->c->before, &options, o->c->arena, err);
    if (status == ASSAY_OK)
        tree_edit(after, &o->c->before, o->edits);
    return status;
}

static enum assay_status apply_gnu_rung(struct oracle_case *o, struct assay_error *err)
{
    const struct assay_apply_options options = {.list = tree_list};
    const struct assay_bytes text = {.data = o->c->patch.data, .len = o->c->patch.len};
    struct assay_gnu_patch *patch = NULL;
    enum assay_status status = assay_patch_read_gnu(&patch, text, o->c->arena, err);

    if (status == ASSAY_OK)
        status = gnu_apply(&o->edits, patch, tree_read, &o->c->before, &options, o->c->arena, err);
    if (status == ASSAY_OK)
        tree_edit(&o->ours, &o->c->before, o->edits);
    return status;
}

static bool run_git(struct oracle_case *o, const char *base, const char *option)
{
    char git[] = "git", apply[] = "apply", patch[] = "../patch", text[32] = "", check[] = "--check";
    char *argv[] = {git, apply, patch, text, NULL, NULL};

    (void)snprintf(text, sizeof(text), "%s", option != NULL ? option : "-v");
    if (option != NULL && strcmp(option, "--reverse") == 0)
        argv[4] = check;
    return apply_case_run(o->c, base, argv, &o->theirs) == 0;
}

static bool is_leftover(const struct tree *before, const char *path)
{
    const size_t len = strlen(path);

    return len > 5 && strcmp(path + len - 5, ".orig") == 0 && tree_find(before, path) == NULL;
}

// The copies that GNU patch leaves behind where it was not sure are no part of what it makes.
static bool run_gnu(struct oracle_case *o, const char *base)
{
    char program[] = "patch", batch[] = "--batch", forward[] = "--forward", fuzz[] = "--fuzz=5",
         strip[] = "-p1", input[] = "-i", patch[] = "../patch";
    char *const argv[] = {program, batch, forward, fuzz, strip, input, patch, NULL};
    const bool accepts = apply_case_run(o->c, base, argv, &o->theirs) == 0;
    size_t kept = 0;

    for (size_t i = 0; i < o->theirs.count; i++) {
        if (!is_leftover(&o->c->before, o->theirs.nodes[i].path))
            o->theirs.nodes[kept++] = o->theirs.nodes[i];
    }
    o->theirs.count = kept;
    return accepts;
}

static bool run_ladder(struct oracle_case *o, const char *base)
{
    if (run_git(o, base, NULL) || run_git(o, base, "--reject") || run_gnu(o, base))
        return true;
    return run_git(o, base, "--reverse");
}

static bool they_accept(struct oracle_case *o, const char *base, enum program program)
{
    if (program == GIT)
        return run_git(o, base, NULL);
    return program == GNU ? run_gnu(o, base) : run_ladder(o, base);
}

static void read_output(char output[4096], const char *base)
{
    char path[4200];
    FILE *file = NULL;

    (void)snprintf(path, sizeof(path), "%s/out", base);
    file = fopen(path, "re");
    assert_non_null(file);
    output[fread(output, 1, 4095, file)] = '\0';
    (void)fclose(file);
}

static void tell(const struct oracle_case *o, uint64_t number, const char *mine, const char *theirs,
        const char *message, const char *path)
{
    print_message("case %llu: they %s: %s\nwe %s: %s; first difference: %s\n"
                  "--- the patch:\n%.*s---\n",
            (unsigned long long)number, theirs[0] != '\0' ? "say" : "say nothing", theirs, mine,
            message, path != NULL ? path : "none", (int)o->c->patch.len, o->c->patch.data);
    apply_case_show("before", &o->c->before);
    apply_case_show("ours", &o->ours);
    apply_case_show("theirs", &o->theirs);
}

static void compare(struct oracle_case *o, const char *base, uint64_t number, enum program program,
        struct tally *tally)
{
    struct assay_error err = {0};
    const enum assay_apply_mode mode = program == GIT ? ASSAY_APPLY_EXACT : ASSAY_APPLY_SWEBENCH;
    const bool we = (program == GNU ? apply_gnu_rung(o, &err)
                                    : apply_ours(o, mode, &o->ours, &err)) == ASSAY_OK;
    const bool they = they_accept(o, base, program);
    const char *path = we && they ? tree_difference(&o->ours, &o->theirs) : NULL;
    char output[4096];
    struct difference *row = NULL;

    tally->accepted += they;
    if (we == they && path == NULL) {
        tally->same++;
        return;
    }
    read_output(output, base);
    row = find_class(tally, err.message, we, output, &o->c->patch);
    if (row != NULL) {
        row->count++;
        tally->listed++;
        return;
    }
    tally->failed++;
    tell(o, number, we ? "accept" : "refuse", output, err.message, path);
}

static uint64_t case_count(void)
{
    const bool soak = apply_case_number("ASSAY_SOAK", 0) != 0;

    return apply_case_number("ASSAY_ORACLE_COUNT", soak ? 5000 : 150);
}

// Real diffs: given, or those of the repository that this program was built from.
static uint64_t real_diffs(char dir[4096], const struct assay_temp *temp)
{
    const char *given = getenv("ASSAY_ORACLE_REAL"); // NOLINT(concurrency-mt-unsafe): one thread
    char command[8192];
    uint64_t count = 0;

    (void)snprintf(dir, 4096, "%s", given != NULL ? given : temp->path);
    if (given == NULL) {
        (void)snprintf(dir, 4096, "%s/real", temp->path);
        (void)snprintf(
                command, sizeof(command), "sh tests/support/real_diffs.sh . %s 60 2>&1", dir);
        // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): a script of ours
        if (system(command) != 0)
            print_message("no history to take real diffs from\n");
    }
    count = apply_case_reals(dir);
    print_message("%llu real diffs\n", (unsigned long long)count);
    return count;
}

static void run_cases(const struct assay_temp *temp, enum program program, struct tally *tally)
{
    const uint64_t count = case_count();
    const uint64_t seed = apply_case_number("ASSAY_ORACLE_SEED", 1);
    const uint64_t first = apply_case_number("ASSAY_ORACLE_FIRST", 0);
    char dir[4096];
    const uint64_t reals = real_diffs(dir, temp);

    for (uint64_t i = first; i < first + (reals > 0 ? 2 * count : count); i++) {
        // Real ones have odd numbers.
        struct oracle_case o = {.c = reals > 0 && i % 2 == 1 ? apply_case_real(dir, reals, seed, i)
                                                             : apply_case_random(seed, i)};

        compare(&o, temp->path, i, program, tally);
        apply_case_free(o.c);
    }
    print_message("%llu cases: they accept %zu, the same %zu, different for a listed reason %zu, "
                  "for none %zu\n",
            (unsigned long long)(reals > 0 ? 2 * count : count), tally->accepted, tally->same,
            tally->listed, tally->failed);
    for (size_t i = 0; i < tally->class_count; i++)
        print_message("| %s | %zu |\n", tally->classes[i].reason, tally->classes[i].count);
    if (apply_case_number("ASSAY_ORACLE_COUNT", 100) >= 100)
        assert_true(tally->accepted > count / 5);
    assert_int_equal(tally->failed, 0);
}

#define TALLY(rows)                                                                                \
    {                                                                                              \
        .classes = (rows), .class_count = sizeof(rows) / sizeof((rows)[0])                         \
    }

static void exact_mode_does_what_git_apply_does(void **state)
{
    struct tally tally = TALLY(git_classes);

    run_cases(*state, GIT, &tally);
}

static void the_last_rung_does_what_gnu_patch_does(void **state)
{
    struct tally tally = TALLY(gnu_classes);

    run_cases(*state, GNU, &tally);
}

static void strict_mode_does_what_the_ladder_does(void **state)
{
    struct difference classes[sizeof(git_classes) / sizeof(git_classes[0]) +
            sizeof(gnu_classes) / sizeof(gnu_classes[0])];
    struct tally tally = TALLY(classes);

    memcpy(classes, git_classes, sizeof(git_classes));
    memcpy(classes + sizeof(git_classes) / sizeof(git_classes[0]), gnu_classes,
            sizeof(gnu_classes));
    for (size_t i = 0; i < tally.class_count; i++)
        classes[i].count = 0;
    run_cases(*state, LADDER, &tally);
}

// Where tolerant mode means to know better than git: lines that git would drop,
// hunks without context that git would move to the end, names without a prefix.
static bool knows_better(const struct oracle_case *o, enum assay_status status, const char *message)
{
    if (o->parsed->exact != o->parsed || status != ASSAY_OK)
        return o->parsed->exact != o->parsed || strstr(message, "nothing says where") != NULL;
    for (size_t i = 0; i < o->edits->hunk_count; i++) {
        if (strstr(o->edits->hunks[i].tolerance, "zero") != NULL ||
                strstr(o->edits->hunks[i].tolerance, "strip") != NULL)
            return true;
    }
    return false;
}

static void tolerant_mode_makes_what_exact_mode_makes(void **state)
{
    const uint64_t count = 8 * case_count();
    const uint64_t seed = apply_case_number("ASSAY_ORACLE_SEED", 1) + 1;
    size_t accepted = 0, better = 0, more = 0, failed = 0;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        struct oracle_case o = {.c = apply_case_random(seed, i)};
        struct assay_error err = {0};
        const bool exact = apply_ours(&o, ASSAY_APPLY_EXACT, &o.ours, NULL) == ASSAY_OK;
        const enum assay_status status = apply_ours(&o, ASSAY_APPLY_TOLERANT, &o.theirs, &err);

        accepted += exact;
        more += !exact && status == ASSAY_OK;
        if (exact && (status != ASSAY_OK || tree_difference(&o.ours, &o.theirs) != NULL)) {
            const bool fine = knows_better(&o, status, err.message);

            better += fine;
            failed += !fine;
            if (!fine)
                tell(&o, i, "say", "exact mode accepts", err.message, NULL);
        }
        apply_case_free(o.c);
    }
    print_message("%llu cases: exact %zu, tolerant %zu more, %zu otherwise on purpose, %zu not\n",
            (unsigned long long)count, accepted, more, better, failed);
    assert_int_equal(failed, 0);
}

static bool is_here(const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/usr/bin/%s", name);
    return access(path, X_OK) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(tolerant_mode_makes_what_exact_mode_makes),
            cmocka_unit_test_setup_teardown(exact_mode_does_what_git_apply_does,
                    assay_temp_setup_memory, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(the_last_rung_does_what_gnu_patch_does,
                    assay_temp_setup_memory, assay_temp_teardown),
            cmocka_unit_test_setup_teardown(strict_mode_does_what_the_ladder_does,
                    assay_temp_setup_memory, assay_temp_teardown),
    };

    if (!is_here("git") || !is_here("patch")) {
        print_message("SKIP: git or patch is not installed\n");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
