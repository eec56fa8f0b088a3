// SPDX-License-Identifier: MIT
// What must hold: exact mode accepts what `git apply` accepts, and makes the same
// tree; tolerant mode makes that tree, too. Random trees, random changes to them, diffs of those
// with random damage; the real git is asked about each. ASSAY_ORACLE_COUNT cases (default 500, with
// ASSAY_SOAK=1 10,000) from ASSAY_ORACLE_SEED (default 1).
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fs.h"
#include "base/rng.h"
#include "envs/apply_tree.h"
#include "support/harness.h"
#include "support/temp.h"

enum { LINES_MAX = 40, FILES_MAX = 4 };

// Where assay refuses, on purpose, what git accepts. Each is found by our own message.
static const struct {
    const char *message, *reason;
} differences[] = {
        {"may not name this path", "git takes names with control bytes, on request even \"..\""},
        {"is not 100644, 100755 or 120000", "git rounds other modes; we refuse them"},
        {"is no file and no symbolic link", "git skips submodules; we refuse them"},
        {": not a file", "git takes a directory for a submodule and leaves it as it is"},
        {"symbolic link may only lead", "git makes links that lead out of the tree; we do not"},
        {"exists already", "git overwrites a file when two names differ without \"rename\""},
        {"binary", "git ignores a broken binary patch behind good ones and applies those"},
};

// --- random content ---

static const char *random_line(struct assay_rng *rng)
{
    static const char *const lines[] = {"alpha\n", "beta\n", "\n", "    return x\n", "}\n",
            "    x = 1\n", "\n", "def f(a, b):\n", "- item\n", "+ plus\n", "\ttab\n",
            "-- sql comment\n", "++ i\n", "end \n", "crlf\r\n", "@@ not a hunk @@\n",
            "diff --git a/x b/x\n", "\\ backslash\n"};

    return lines[assay_rng_below(rng, sizeof(lines) / sizeof(lines[0]))];
}

enum change_kind { EDIT, CREATE, REMOVE, RENAME, COPY, CHMOD };

// A file and what becomes of it, line by line.
struct change {
    const char *path, *new_path;
    enum change_kind what;
    bool executable, traditional, stamped;
    bool old_open, new_open; // without a newline at the end
    struct {
        char kind; // ' ', '-', '+'
        const char *text;
    } lines[2 * LINES_MAX];
    size_t count;
};

static void make_lines(struct change *change, struct assay_rng *rng)
{
    const size_t count = assay_rng_below(rng, LINES_MAX);
    const uint64_t rate = 2 + assay_rng_below(rng, 12);

    for (size_t i = 0; i < count; i++) {
        char kind = ' ';

        if (change->what == CREATE)
            kind = '+';
        else if (change->what == REMOVE)
            kind = '-';
        else if (assay_rng_below(rng, rate) == 0)
            kind = assay_rng_below(rng, 2) == 0 ? '-' : '+';
        change->lines[change->count].text = random_line(rng);
        change->lines[change->count++].kind = kind;
        if (kind == '-' && change->what != REMOVE && assay_rng_below(rng, 2) == 0) {
            change->lines[change->count].text = random_line(rng);
            change->lines[change->count++].kind = '+';
        }
    }
    change->old_open = assay_rng_below(rng, 4) == 0;
    change->new_open = assay_rng_below(rng, 4) == 0;
}

static void add_side(struct assay_buf *out, const struct change *change, char other)
{
    for (size_t i = 0; i < change->count; i++) {
        if (change->lines[i].kind != other)
            (void)assay_buf_adds(out, change->lines[i].text);
    }
    // The newline of a last line that is context belongs to both sides.
    if (out->len > 0 && (other == '+' ? change->old_open : change->new_open))
        out->len--;
}

// --- the diff of a change ---

static const char *mode_name(bool executable)
{
    return executable ? "100755" : "100644";
}

static void add_git_lines(struct assay_buf *out, const struct change *change)
{
    const char *const verb = change->what == COPY ? "copy" : "rename";

    (void)assay_buf_addf(out, "diff --git a/%s b/%s\n", change->path, change->new_path);
    if (change->what == CREATE)
        (void)assay_buf_adds(out, "new file mode 100644\n");
    if (change->what == REMOVE)
        (void)assay_buf_addf(out, "deleted file mode %s\n", mode_name(change->executable));
    if (change->what == CHMOD)
        (void)assay_buf_addf(out, "old mode %s\nnew mode %s\n", mode_name(change->executable),
                mode_name(!change->executable));
    if (change->what == RENAME || change->what == COPY)
        (void)assay_buf_addf(out, "similarity index 80%%\n%s from %s\n%s to %s\n", verb,
                change->path, verb, change->new_path);
    (void)assay_buf_addf(out, "index 1234567..89abcde%s\n",
            change->what == EDIT && !change->executable ? " 100644" : "");
}

static void add_header(struct assay_buf *out, const struct change *change)
{
    const char *const stamp = change->stamped ? "\t2026-01-02 03:04:05.000000000 +0100" : "";

    if (!change->traditional)
        add_git_lines(out, change);
    if (change->what == CREATE)
        (void)assay_buf_addf(out, "--- /dev/null%s\n", stamp);
    else
        (void)assay_buf_addf(out, "--- a/%s%s\n", change->path, stamp);
    if (change->what == REMOVE)
        (void)assay_buf_addf(out, "+++ /dev/null%s\n", stamp);
    else
        (void)assay_buf_addf(out, "+++ b/%s%s\n", change->new_path, stamp);
}

// Is `i` the last line of the side that does not have `other` lines?
static bool is_last(const struct change *change, size_t i, char other)
{
    for (size_t k = i + 1; k < change->count; k++) {
        if (change->lines[k].kind != other)
            return false;
    }
    return change->lines[i].kind != other;
}

static void add_line(struct assay_buf *out, const struct change *change, size_t i)
{
    (void)assay_buf_addc(out, change->lines[i].kind);
    (void)assay_buf_adds(out, change->lines[i].text);
    if ((change->old_open && is_last(change, i, '+')) ||
            (change->new_open && is_last(change, i, '-')))
        (void)assay_buf_adds(out, "\\ No newline at end of file\n");
}

static void add_hunk(struct assay_buf *out, const struct change *change, size_t begin, size_t end)
{
    size_t old_start = 0, new_start = 0, old_count = 0, new_count = 0;

    for (size_t i = 0; i < end; i++) {
        const char kind = change->lines[i].kind;

        old_start += kind != '+' && i < begin;
        new_start += kind != '-' && i < begin;
        old_count += kind != '+' && i >= begin;
        new_count += kind != '-' && i >= begin;
    }
    (void)assay_buf_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", old_start + (old_count > 0), old_count,
            new_start + (new_count > 0), new_count);
    for (size_t i = begin; i < end; i++)
        add_line(out, change, i);
}

static void add_hunks(struct assay_buf *out, const struct change *change, size_t context)
{
    for (size_t i = 0; i < change->count;) {
        size_t begin = i, last = i, end = 0;

        if (change->lines[i].kind == ' ') {
            i++;
            continue;
        }
        for (size_t k = i; k < change->count && k <= last + 2 * context + 1; k++) {
            if (change->lines[k].kind != ' ')
                last = k;
        }
        while (begin > 0 && i - begin < context && change->lines[begin - 1].kind == ' ')
            begin--;
        end = last + 1;
        while (end < change->count && end - last - 1 < context)
            end++;
        add_hunk(out, change, begin, end);
        i = end;
    }
}

// --- damage ---

static size_t random_line_start(const struct assay_buf *text, struct assay_rng *rng)
{
    size_t at = assay_rng_below(rng, text->len + 1);

    while (at > 0 && text->data[at - 1] != '\n')
        at--;
    return at;
}

static size_t line_length(const struct assay_buf *text, size_t at)
{
    const char *newline = memchr(text->data + at, '\n', text->len - at);

    return newline != NULL ? (size_t)(newline + 1 - text->data) - at : text->len - at;
}

static void replace(
        struct assay_buf *text, size_t at, size_t remove, const char *insert, size_t insert_len)
{
    char *tail = malloc(text->len + 1);
    const size_t tail_len = text->len - at - remove;

    assert_non_null(tail);
    memcpy(tail, text->data + at + remove, tail_len);
    text->len = at;
    (void)assay_buf_add(text, insert, insert_len);
    (void)assay_buf_add(text, tail, tail_len);
    free(tail);
}

static void damage_header_number(struct assay_buf *text, struct assay_rng *rng)
{
    size_t digits[64], count = 0;

    for (size_t i = 0; i + 3 < text->len && count < 64; i++) {
        if ((i == 0 || text->data[i - 1] == '\n') && memcmp(text->data + i, "@@ -", 4) == 0) {
            for (; i < text->len && text->data[i] != '\n' && count < 64; i++) {
                if (text->data[i] >= '0' && text->data[i] <= '9')
                    digits[count++] = i;
            }
        }
    }
    if (count > 0)
        text->data[digits[assay_rng_below(rng, count)]] = (char)('0' + assay_rng_below(rng, 10));
}

static void damage_once(struct assay_buf *text, struct assay_rng *rng)
{
    static const char *const inserts[] = {"\n", " \n", "+new\n", "-old\n", " context\n", "prose\n",
            "\\ No newline at end of file\n", "@@ -1,2 +1,2 @@\n", "--- a/f0\n+++ b/f0\n", "```\n",
            "diff --git a/f0 b/f0\n", "-- \n2.39.5\n", "new file mode 100644\n", "rename from f0\n",
            "index 000..111 100755\n", "Binary files a/f0 and b/f0 differ\n"};
    const size_t at = random_line_start(text, rng);
    const size_t len = line_length(text, at);
    char line[256];

    memcpy(line, text->data + at, len < sizeof(line) ? len : sizeof(line));
    switch (assay_rng_below(rng, 12)) {
    case 0:
        replace(text, at, len, "", 0);
        break;
    case 1:
        replace(text, at, 0, line, len < sizeof(line) ? len : 0);
        break;
    case 2: { // swap with the next line
        const size_t next = line_length(text, at + len);

        replace(text, at, len, "", 0);
        replace(text, at + next, 0, line, len < sizeof(line) ? len : 0);
        break;
    }
    case 3: {
        const char *insert = inserts[assay_rng_below(rng, sizeof(inserts) / sizeof(inserts[0]))];

        replace(text, at, 0, insert, strlen(insert));
        break;
    }
    case 4:
        text->len = assay_rng_below(rng, text->len + 1);
        break;
    case 5:
        if (text->len > 0)
            text->len--;
        break;
    case 6:
        if (len > 0)
            replace(text, at + assay_rng_below(rng, len), 1, "", 0);
        break;
    case 7:
        if (len > 0)
            replace(text, at + len - 1, 0, "\r", 1);
        break;
    case 8:
        if (len > 0)
            replace(text, at + len - 1, 0, " ", 1);
        break;
    case 9:
        if (len == 2 && line[0] == ' ')
            replace(text, at, 1, "", 0);
        break;
    default:
        damage_header_number(text, rng);
    }
}

// --- one case ---

struct oracle_case {
    struct assay_arena *arena;
    struct tree before, ours, gits;
    struct assay_buf patch;
    struct assay_patch *parsed; // of our last try
    struct assay_edits *edits;
};

static const char *pick_path(struct assay_rng *rng, bool new)
{
    static const char *const paths[] = {"f0", "d/f1", "d/e/f2", "g h", "q\303\244"};
    static const char *const fresh[] = {"n0", "n4", "d/n1", "d/n5", "new/n2", "new/er/n6",
            "d/e/n 3", "n7", "n8", "f0", "d", "f0/x"};

    return new ? fresh[assay_rng_below(rng, sizeof(fresh) / sizeof(fresh[0]))]
               : paths[assay_rng_below(rng, sizeof(paths) / sizeof(paths[0]))];
}

static void random_change(struct change *change, struct assay_rng *rng)
{
    static const enum change_kind kinds[] = {
            EDIT, EDIT, EDIT, EDIT, EDIT, CREATE, CREATE, REMOVE, RENAME, COPY, CHMOD};

    *change = (struct change){.path = pick_path(rng, false)};
    change->what = kinds[assay_rng_below(rng, sizeof(kinds) / sizeof(kinds[0]))];
    change->traditional = change->what <= REMOVE && assay_rng_below(rng, 4) == 0;
    change->stamped = change->traditional && assay_rng_below(rng, 2) == 0;
    change->executable = assay_rng_below(rng, 3) == 0;
    if (change->what == CREATE)
        change->path = pick_path(rng, true);
    change->new_path =
            change->what == RENAME || change->what == COPY ? pick_path(rng, true) : change->path;
    make_lines(change, rng);
    if (change->what == CREATE || change->what == REMOVE) {
        if (change->what == CREATE)
            change->old_open = false;
        else
            change->new_open = false;
    }
}

// The tree that the patch will meet; sometimes with lines more than the patch was made for.
static void put_old(struct oracle_case *c, const struct change *change, struct assay_rng *rng)
{
    struct assay_buf text;

    if (change->what == CREATE || tree_find(&c->before, change->path) != NULL)
        return;
    assay_buf_init(&text, 1 << 20);
    if (assay_rng_below(rng, 3) == 0) {
        for (size_t i = assay_rng_below(rng, 9); i > 0; i--)
            (void)assay_buf_adds(&text, random_line(rng));
    }
    add_side(&text, change, '+');
    if (assay_rng_below(rng, 4) == 0) {
        for (size_t i = assay_rng_below(rng, 9); i > 0; i--)
            (void)assay_buf_adds(&text, random_line(rng));
    }
    tree_put(&c->before, change->path, ASSAY_FILE_REGULAR, change->executable, text.data, text.len);
    assay_buf_free(&text);
}

static void make_case(struct oracle_case *c, struct assay_rng *rng)
{
    const size_t count = 1 + assay_rng_below(rng, 1 + assay_rng_below(rng, FILES_MAX));

    c->before.arena = c->arena;
    tree_put(&c->before, "keep/me", ASSAY_FILE_REGULAR, false, "x\n", 2);
    if (assay_rng_below(rng, 8) == 0)
        tree_put(&c->before, "d/link", ASSAY_FILE_LINK, false, "f1", 2);
    for (size_t i = 0; i < count; i++) {
        struct change change;

        random_change(&change, rng);
        put_old(c, &change, rng);
        add_header(&c->patch, &change);
        add_hunks(&c->patch, &change, assay_rng_below(rng, 6) > 0 ? 3 : assay_rng_below(rng, 3));
    }
    if (assay_rng_below(rng, 2) > 0) {
        for (size_t i = 1 + assay_rng_below(rng, 3); i > 0; i--)
            damage_once(&c->patch, rng);
    }
}

// Exit status of `git apply` of the patch in the directory.
static int run_git(const char *dir, const char *patch_path)
{
    char git[] = "git", apply[] = "apply", path[4096], ceiling[4200];
    char no_system[] = "GIT_CONFIG_NOSYSTEM=1", no_global[] = "GIT_CONFIG_GLOBAL=/dev/null";
    char language[] = "LC_ALL=C";
    char *const argv[] = {git, apply, path, NULL};
    char *const env[] = {no_system, no_global, language, ceiling, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int wait_status = 0;

    (void)snprintf(path, sizeof(path), "%s", patch_path);
    (void)snprintf(ceiling, sizeof(ceiling), "GIT_CEILING_DIRECTORIES=%s", dir);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "../git.err", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (posix_spawnp(&pid, "git", &actions, NULL, argv, env) != 0)
        return -1;
    posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &wait_status, 0) != pid)
        return -1;
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128; // some patches abort it
}

static const char *why_different(const char *message)
{
    for (size_t i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        if (strstr(message, differences[i].message) != NULL)
            return differences[i].reason;
    }
    return NULL;
}

static void show(const char *name, const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        print_message("%s %s (%d%s)\n%.*s", name, tree->nodes[i].path, tree->nodes[i].file.kind,
                tree->nodes[i].file.executable ? " x" : "", (int)tree->nodes[i].file.content.len,
                tree->nodes[i].file.content.data);
}

static enum assay_status apply_ours(struct oracle_case *c, enum assay_apply_mode mode,
        struct tree *after, struct assay_error *err)
{
    const struct assay_apply_options options = {.mode = mode, .list = tree_list};
    enum assay_status status =
            assay_patch_parse(&c->parsed, c->patch.data, c->patch.len, c->arena, err);

    if (status == ASSAY_OK)
        status = assay_patch_apply(
                &c->edits, c->parsed, tree_read, &c->before, &options, c->arena, err);
    if (status == ASSAY_OK)
        tree_edit(after, &c->before, c->edits);
    return status;
}

static bool apply_gits(struct oracle_case *c, const char *base)
{
    char dir[4096], patch_path[4096];
    int base_fd = -1, dir_fd = -1, patch_fd = -1, exit_status = 0;

    (void)snprintf(dir, sizeof(dir), "%s/tree", base);
    (void)snprintf(patch_path, sizeof(patch_path), "%s/patch", base);
    base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(base_fd >= 0);
    assert_int_equal(assay_fs_remove_tree(base_fd, "tree", NULL), ASSAY_OK);
    assert_int_equal(assay_fs_mkdirs(base_fd, "tree", 0755, NULL), ASSAY_OK);
    dir_fd = openat(base_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    patch_fd = openat(base_fd, "patch", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(dir_fd >= 0 && patch_fd >= 0);
    assert_int_equal(assay_fs_write_all(patch_fd, c->patch.data, c->patch.len, NULL), ASSAY_OK);
    tree_write_dir(&c->before, dir_fd);
    exit_status = run_git(dir, patch_path);
    assert_true(exit_status >= 0);
    tree_read_dir(&c->gits, dir_fd, c->arena);
    close(patch_fd);
    close(dir_fd);
    close(base_fd);
    return exit_status == 0;
}

// 0: same; 1: different for a listed reason; aborts the test otherwise.
static int compare(struct oracle_case *c, const char *base, uint64_t number, size_t *accepted)
{
    struct assay_error err = {0};
    const bool we_accept = apply_ours(c, ASSAY_APPLY_EXACT, &c->ours, &err) == ASSAY_OK;
    const bool git_accepts = apply_gits(c, base);
    const char *path = NULL;

    *accepted += git_accepts;
    if (we_accept && git_accepts)
        path = tree_difference(&c->ours, &c->gits);
    if (we_accept == git_accepts && path == NULL)
        return 0;
    if (!we_accept && why_different(err.message) != NULL) {
        print_message("case %llu: we refuse: %s (%s)\n", (unsigned long long)number, err.message,
                why_different(err.message));
        return 1;
    }
    print_message("case %llu: git %s, we %s%s%s; first difference: %s\n--- the patch:\n%.*s---\n",
            (unsigned long long)number, git_accepts ? "accepts" : "refuses",
            we_accept ? "accept" : "refuse: ", err.message, "", path != NULL ? path : "none",
            (int)c->patch.len, c->patch.data);
    show("before", &c->before);
    if (we_accept)
        show("ours", &c->ours);
    if (git_accepts)
        show("git's", &c->gits);
    return 2;
}

static uint64_t number_from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); // NOLINT(concurrency-mt-unsafe): one thread

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static struct oracle_case *new_case(uint64_t seed, uint64_t number)
{
    struct oracle_case *c = calloc(1, sizeof(*c));
    struct assay_rng rng;

    assert_non_null(c);
    assay_rng_seed(&rng, seed, number);
    assert_int_equal(assay_arena_create(&c->arena, 64 << 20, NULL), ASSAY_OK);
    assay_buf_init(&c->patch, 1 << 20);
    make_case(c, &rng);
    return c;
}

static void free_case(struct oracle_case *c)
{
    assay_buf_free(&c->patch);
    assay_arena_destroy(c->arena);
    free(c);
}

static uint64_t case_count(void)
{
    const bool soak = number_from_env("ASSAY_SOAK", 0) != 0;

    return number_from_env("ASSAY_ORACLE_COUNT", soak ? 10000 : 500);
}

static void exact_mode_does_what_git_apply_does(void **state)
{
    const uint64_t count = case_count();
    const uint64_t seed = number_from_env("ASSAY_ORACLE_SEED", 1);
    const uint64_t first = number_from_env("ASSAY_ORACLE_FIRST", 0);
    const struct assay_temp *temp = *state;
    size_t accepted = 0, listed = 0, failed = 0;

    for (uint64_t i = first; i < first + count; i++) {
        struct oracle_case *c = new_case(seed, i);
        const int result = compare(c, temp->path, i, &accepted);

        listed += result == 1;
        failed += result == 2;
        free_case(c);
    }
    print_message("%llu cases: git accepted %zu, %zu differ for a listed reason, %zu for none\n",
            (unsigned long long)count, accepted, listed, failed);
    assert_true(accepted > count / 4);
    assert_int_equal(failed, 0);
}

// Where tolerant mode means to know better than git: lines that git would drop,
// hunks without context that git would move to the end, names without a prefix.
static bool knows_better(const struct oracle_case *c, enum assay_status status, const char *message)
{
    if (c->parsed->exact != c->parsed || status != ASSAY_OK)
        return c->parsed->exact != c->parsed || strstr(message, "nothing says where") != NULL;
    for (size_t i = 0; i < c->edits->hunk_count; i++) {
        if (strstr(c->edits->hunks[i].tolerance, "zero") != NULL ||
                strstr(c->edits->hunks[i].tolerance, "strip") != NULL)
            return true;
    }
    return false;
}

static void tolerant_mode_makes_what_exact_mode_makes(void **state)
{
    const uint64_t count = 4 * case_count();
    const uint64_t seed = number_from_env("ASSAY_ORACLE_SEED", 1) + 1;
    size_t accepted = 0, better = 0, more = 0, failed = 0;

    (void)state;
    for (uint64_t i = 0; i < count; i++) {
        struct oracle_case *c = new_case(seed, i);
        struct assay_error err = {0};
        const bool exact = apply_ours(c, ASSAY_APPLY_EXACT, &c->ours, NULL) == ASSAY_OK;
        const enum assay_status status = apply_ours(c, ASSAY_APPLY_TOLERANT, &c->gits, &err);

        accepted += exact;
        more += !exact && status == ASSAY_OK;
        if (exact && (status != ASSAY_OK || tree_difference(&c->ours, &c->gits) != NULL)) {
            const bool fine = knows_better(c, status, err.message);

            better += fine;
            failed += !fine;
            if (!fine)
                print_message("case %llu: %s\n--- the patch:\n%.*s---\n", (unsigned long long)i,
                        err.message, (int)c->patch.len, c->patch.data);
        }
        free_case(c);
    }
    print_message("%llu cases: exact %zu, tolerant %zu more, %zu otherwise on purpose, %zu not\n",
            (unsigned long long)count, accepted, more, better, failed);
    assert_int_equal(failed, 0);
}

static bool git_is_here(void)
{
    return access("/usr/bin/git", X_OK) == 0 || access("/usr/local/bin/git", X_OK) == 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(tolerant_mode_makes_what_exact_mode_makes),
            cmocka_unit_test_setup_teardown(
                    exact_mode_does_what_git_apply_does, assay_temp_setup, assay_temp_teardown),
    };

    if (!git_is_here()) {
        print_message("SKIP: git is not installed\n");
        return ASSAY_EXIT_SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
