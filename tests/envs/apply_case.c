// SPDX-License-Identifier: MIT
#include "envs/apply_case.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/rng.h"
#include "support/harness.h"

enum { LINES_MAX = 40, FILES_MAX = 4, REAL_BYTES_MAX = 1 << 20 };

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
static void put_old(struct apply_case *c, const struct change *change, struct assay_rng *rng)
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

static void make_case(struct apply_case *c, struct assay_rng *rng)
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

// --- real diffs ---

// Take out whatever stands before `len` bytes of every line that starts with `what`; or the line.
static void cut_lines(struct assay_buf *text, const char *what, const char *with, bool whole)
{
    const size_t len = strlen(what);

    for (size_t at = 0; at < text->len; at += line_length(text, at)) {
        while (at + len <= text->len && memcmp(text->data + at, what, len) == 0) {
            replace(text, at, whole ? line_length(text, at) : len, with, strlen(with));
            if (!whole)
                break;
        }
    }
}

static void end_all_lines(struct assay_buf *text, const char *end, bool strip)
{
    for (size_t at = 0; at < text->len;) {
        size_t len = line_length(text, at);

        if (text->data[at + len - 1] != '\n')
            return;
        while (strip && len > 1 && strchr(" \t", text->data[at + len - 2]) != NULL) {
            replace(text, at + len - 2, 1, "", 0);
            len--;
        }
        replace(text, at + len - 1, 1, end, strlen(end));
        at += len - 1 + strlen(end);
    }
}

// What a model, or the way from it to here, does to a whole diff.
static void damage_all(struct assay_buf *text, struct assay_rng *rng)
{
    static const char intro[] = "Here is the patch:\n\n```diff\n";

    switch (assay_rng_below(rng, 12)) {
    case 0:
        cut_lines(text, "diff --git ", "", true);
        break;
    case 1:
        cut_lines(text, "diff --git ", "", true);
        cut_lines(text, "index ", "", true);
        break;
    case 2:
        cut_lines(text, "--- a/", "--- ", false);
        cut_lines(text, "+++ b/", "+++ ", false);
        break;
    case 3:
        end_all_lines(text, "\r\n", false);
        break;
    case 4:
        end_all_lines(text, "\n", true);
        break;
    case 5:
        replace(text, 0, 0, intro, strlen(intro));
        (void)assay_buf_adds(text, "```\nIt does what was asked.\n");
        break;
    case 6:
        if (text->len > 0)
            text->len--;
        break;
    case 7:
        while (text->len > 0 && strchr(" \n", text->data[text->len - 1]) != NULL)
            text->len--;
        break;
    case 8:
        for (size_t at = 0; at < text->len; at += line_length(text, at))
            replace(text, at, 0, "    ", 4);
        break;
    default:
        break;
    }
}

// Lines more somewhere in a file, so that line numbers are off, or context is gone.
static void drift(struct apply_case *c, struct assay_rng *rng)
{
    struct tree_node *node = NULL;
    struct assay_buf text;
    size_t at = 0;

    if (c->before.count == 0)
        return;
    node = &c->before.nodes[assay_rng_below(rng, c->before.count)];
    if (node->file.kind != ASSAY_FILE_REGULAR)
        return;
    assay_buf_init(&text, REAL_BYTES_MAX + 4096);
    (void)assay_buf_add(&text, node->file.content.data, node->file.content.len);
    at = assay_rng_below(rng, 2) == 0 ? 0 : random_line_start(&text, rng);
    for (size_t i = assay_rng_below(rng, 12); i > 0; i--) {
        const char *line = random_line(rng);

        replace(&text, at, 0, line, strlen(line));
    }
    node->file.content.data = assay_arena_memdup(c->arena, text.data, text.len);
    node->file.content.len = text.len;
    assay_buf_free(&text);
}

static struct apply_case *new_case(void)
{
    struct apply_case *c = calloc(1, sizeof(*c));

    assert_non_null(c);
    assert_int_equal(assay_arena_create(&c->arena, (size_t)256 << 20, NULL), ASSAY_OK);
    assay_buf_init(&c->patch, (size_t)4 * REAL_BYTES_MAX);
    c->before.arena = c->arena;
    return c;
}

struct apply_case *apply_case_random(uint64_t seed, uint64_t number)
{
    struct apply_case *c = new_case();
    struct assay_rng rng;

    assay_rng_seed(&rng, seed, number);
    make_case(c, &rng);
    return c;
}

struct apply_case *apply_case_real(const char *dir, uint64_t count, uint64_t seed, uint64_t number)
{
    struct apply_case *c = new_case();
    char path[4200];
    struct assay_rng rng;
    int tree_fd = -1;

    assay_rng_seed(&rng, seed, number);
    (void)snprintf(path, sizeof(path), "%s/%llu/patch", dir,
            (unsigned long long)assay_rng_below(&rng, count));
    assert_int_equal(assay_fs_read_file(&c->patch, path, NULL), ASSAY_OK);
    memcpy(strrchr(path, '/'), "/tree", sizeof("/tree"));
    tree_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(tree_fd >= 0);
    tree_read_dir(&c->before, tree_fd, c->arena);
    close(tree_fd);
    if (assay_rng_below(&rng, 2) == 0)
        drift(c, &rng);
    damage_all(&c->patch, &rng);
    if (assay_rng_below(&rng, 2) == 0 && c->patch.len > 0) {
        for (size_t i = 1 + assay_rng_below(&rng, 2); i > 0; i--)
            damage_once(&c->patch, &rng);
    }
    return c;
}

void apply_case_free(struct apply_case *c)
{
    assay_buf_free(&c->patch);
    assay_arena_destroy(c->arena);
    free(c);
}

uint64_t apply_case_reals(const char *dir)
{
    char path[4200];

    for (uint64_t count = 0;; count++) {
        (void)snprintf(path, sizeof(path), "%s/%llu/patch", dir, (unsigned long long)count);
        if (access(path, R_OK) != 0)
            return count;
    }
}

// --- the other programs ---

static int spawn_in(const char *dir, char *const argv[])
{
    char ceiling[4200];
    char no_system[] = "GIT_CONFIG_NOSYSTEM=1", no_global[] = "GIT_CONFIG_GLOBAL=/dev/null";
    char language[] = "LC_ALL=C", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *const env[] = {no_system, no_global, language, path, ceiling, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int wait_status = 0;

    (void)snprintf(ceiling, sizeof(ceiling), "GIT_CEILING_DIRECTORIES=%s", dir);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "../out", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, env) != 0)
        return -1;
    posix_spawn_file_actions_destroy(&actions);
    if (waitpid(pid, &wait_status, 0) != pid)
        return -1;
    return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128; // some patches abort git
}

int apply_case_run(struct apply_case *c, const char *base, char *const argv[], struct tree *after)
{
    char dir[4096];
    int base_fd = -1, dir_fd = -1, patch_fd = -1, exit_status = 0;

    (void)snprintf(dir, sizeof(dir), "%s/tree", base);
    base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(base_fd >= 0);
    assert_int_equal(assay_fs_remove_tree(base_fd, "tree", NULL), ASSAY_OK);
    assert_int_equal(assay_fs_mkdirs(base_fd, "tree", 0755, NULL), ASSAY_OK);
    dir_fd = openat(base_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    patch_fd = openat(base_fd, "patch", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(dir_fd >= 0 && patch_fd >= 0);
    assert_int_equal(assay_fs_write_all(patch_fd, c->patch.data, c->patch.len, NULL), ASSAY_OK);
    tree_write_dir(&c->before, dir_fd);
    exit_status = spawn_in(dir, argv);
    assert_true(exit_status >= 0);
    *after = (struct tree){0};
    if (exit_status == 0)
        tree_read_dir(after, dir_fd, c->arena);
    close(patch_fd);
    close(dir_fd);
    close(base_fd);
    return exit_status;
}

void apply_case_show(const char *name, const struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++)
        print_message("%s %s (%d%s)\n%.*s", name, tree->nodes[i].path, tree->nodes[i].file.kind,
                tree->nodes[i].file.executable ? " x" : "", (int)tree->nodes[i].file.content.len,
                tree->nodes[i].file.content.data);
}

uint64_t apply_case_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name); // NOLINT(concurrency-mt-unsafe): one thread

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}
