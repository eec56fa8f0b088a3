// SPDX-License-Identifier: MIT
#include "envs/patch_text.h"

#include <git2.h>
#include <string.h>

#define BASE85_LINE_BYTES 52

mode_t assay_patch_mode(const struct stat *st)
{
    if (S_ISLNK(st->st_mode))
        return S_IFLNK;
    return (st->st_mode & S_IXUSR) ? S_IFREG | 0755 : S_IFREG | 0644;
}

static bool is_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void assay_patch_text_path(struct assay_buf *out, const char *prefix, const char *path)
{
    static const char special[] = "\a\b\t\n\v\f\r\"\\", letters[] = "abtnvfr\"\\";
    const char *odd = path;

    while (is_plain(*odd))
        odd++;
    // git cannot read "diff --git" of a folder that ends in a blank unless it is quoted.
    if (*odd == '\0' && strstr(path, " /") == NULL) {
        assay_buf_adds(out, prefix);
        assay_buf_adds(out, path);
        return;
    }
    assay_buf_addc(out, '"');
    assay_buf_adds(out, prefix);
    for (const char *c = path; *c != '\0'; c++) {
        const char *found = strchr(special, *c);

        if (is_plain(*c))
            assay_buf_addc(out, *c);
        else if (found != NULL)
            assay_buf_addf(out, "\\%c", letters[found - special]);
        else
            assay_buf_addf(out, "\\%03o", (unsigned)(unsigned char)*c);
    }
    assay_buf_addc(out, '"');
}

// What the callbacks of libgit2 write into.
struct hunks {
    struct assay_buf *out;
    const char *path;
    bool begun;  // "---" and "+++" are written
    bool is_new; // there is no old side
    bool is_gone;
};

static int write_hunk(const git_diff_delta *delta, const git_diff_hunk *hunk, void *user)
{
    struct hunks *hunks = user;
    // git marks the end of a name with blanks by a tab, for readers that split at blanks.
    const char *end = strchr(hunks->path, ' ') != NULL ? "\t\n" : "\n";

    (void)delta;
    if (!hunks->begun) {
        assay_buf_adds(hunks->out, "--- ");
        assay_patch_text_path(
                hunks->out, hunks->is_new ? "" : "a/", hunks->is_new ? "/dev/null" : hunks->path);
        assay_buf_adds(hunks->out, hunks->is_new ? "\n" : end);
        assay_buf_adds(hunks->out, "+++ ");
        assay_patch_text_path(
                hunks->out, hunks->is_gone ? "" : "b/", hunks->is_gone ? "/dev/null" : hunks->path);
        assay_buf_adds(hunks->out, hunks->is_gone ? "\n" : end);
        hunks->begun = true;
    }
    assay_buf_add(hunks->out, hunk->header, hunk->header_len);
    return 0;
}

static int write_line(const git_diff_delta *delta, const git_diff_hunk *hunk,
        const git_diff_line *line, void *user)
{
    struct hunks *hunks = user;

    (void)delta;
    (void)hunk;
    if (line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
            line->origin == GIT_DIFF_LINE_DELETION)
        assay_buf_addc(hunks->out, line->origin);
    // The others are "\n\ No newline at end of file\n", whole.
    assay_buf_add(hunks->out, line->content, line->content_len);
    return 0;
}

// git's base 85: five digits for four bytes, a letter for the length before each line.
static void add_base85(struct assay_buf *out, const unsigned char *bytes, size_t size)
{
    static const char digits[] =
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

    for (size_t at = 0; at < size; at += BASE85_LINE_BYTES) {
        const size_t line = size - at < BASE85_LINE_BYTES ? size - at : BASE85_LINE_BYTES;

        assay_buf_addc(out, (char)(line <= 26 ? 'A' + line - 1 : 'a' + line - 27));
        for (size_t i = 0; i < line; i += 4) {
            char group[5];
            uint32_t word = 0;

            for (size_t k = 0; k < 4; k++)
                word = word << 8 | (i + k < line ? bytes[at + i + k] : 0u);
            for (size_t k = 5; k > 0; k--, word /= 85)
                group[k - 1] = digits[word % 85];
            assay_buf_add(out, group, sizeof(group));
        }
        assay_buf_addc(out, '\n');
    }
}

static void add_binary(struct assay_buf *out, const git_diff_binary_file *file)
{
    assay_buf_addf(out, "%s %zu\n", file->type == GIT_DIFF_BINARY_DELTA ? "delta" : "literal",
            file->inflatedlen);
    add_base85(out, (const unsigned char *)file->data, file->datalen);
    assay_buf_addc(out, '\n');
}

static int write_binary(const git_diff_delta *delta, const git_diff_binary *binary, void *user)
{
    struct hunks *hunks = user;

    (void)delta;
    assay_buf_adds(hunks->out, "GIT binary patch\n");
    add_binary(hunks->out, &binary->new_file);
    add_binary(hunks->out, &binary->old_file);
    return 0;
}

static enum assay_status hash_side(char hex[GIT_OID_HEXSZ + 1], const char *path,
        const struct assay_patch_side *side, struct assay_error *err)
{
    git_oid oid = {0};

    if (side->mode != 0 &&
            git_odb_hash(&oid, side->content.data, side->content.len, GIT_OBJECT_BLOB) != 0)
        return assay_fail(err, ASSAY_EIO, "hash %.150s", path);
    git_oid_tostr(hex, GIT_OID_HEXSZ + 1, &oid);
    return ASSAY_OK;
}

static enum assay_status write_header(struct assay_buf *out, const char *path,
        const struct assay_patch_side *old_side, const struct assay_patch_side *new_side,
        bool content_differs, struct assay_error *err)
{
    char old_hex[GIT_OID_HEXSZ + 1], new_hex[GIT_OID_HEXSZ + 1];
    const bool both = old_side->mode != 0 && new_side->mode != 0;
    enum assay_status status = hash_side(old_hex, path, old_side, err);

    if (status == ASSAY_OK)
        status = hash_side(new_hex, path, new_side, err);
    if (status != ASSAY_OK)
        return status;
    assay_buf_adds(out, "diff --git ");
    assay_patch_text_path(out, "a/", path);
    assay_buf_addc(out, ' ');
    assay_patch_text_path(out, "b/", path);
    assay_buf_addc(out, '\n');
    if (old_side->mode == 0)
        assay_buf_addf(out, "new file mode %o\n", (unsigned)new_side->mode);
    else if (new_side->mode == 0)
        assay_buf_addf(out, "deleted file mode %o\n", (unsigned)old_side->mode);
    else if (old_side->mode != new_side->mode)
        assay_buf_addf(out, "old mode %o\nnew mode %o\n", (unsigned)old_side->mode,
                (unsigned)new_side->mode);
    if (!content_differs && both)
        return ASSAY_OK;
    // In full: `git apply` checks a binary patch by these.
    assay_buf_addf(out, "index %s..%s", old_hex, new_hex);
    if (both && old_side->mode == new_side->mode)
        assay_buf_addf(out, " %o", (unsigned)new_side->mode);
    assay_buf_addc(out, '\n');
    return ASSAY_OK;
}

static bool same_bytes(const struct assay_buf *a, const struct assay_buf *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

static enum assay_status write_change(struct assay_buf *out, const char *path,
        const struct assay_patch_side *old_side, const struct assay_patch_side *new_side,
        struct assay_error *err)
{
    const struct assay_buf *old_content = &old_side->content, *new_content = &new_side->content;
    const bool differs = !same_bytes(old_content, new_content);
    struct hunks hunks = {.out = out,
            .path = path,
            .is_new = old_side->mode == 0,
            .is_gone = new_side->mode == 0};
    git_diff_options options;
    enum assay_status status = ASSAY_OK;

    if (!differs && old_side->mode == new_side->mode)
        return ASSAY_OK;
    status = write_header(out, path, old_side, new_side, differs, err);
    if (status != ASSAY_OK || !differs)
        return status;
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    // Its own guess at what is binary looks at the first bytes and at the encoding.
    options.flags |= GIT_DIFF_SHOW_BINARY | GIT_DIFF_INDENT_HEURISTIC;
    options.flags |= memchr(old_content->data, '\0', old_content->len) != NULL ||
                    memchr(new_content->data, '\0', new_content->len) != NULL
            ? GIT_DIFF_FORCE_BINARY
            : GIT_DIFF_FORCE_TEXT;
    if (git_diff_buffers(old_content->data, old_content->len, path, new_content->data,
                new_content->len, path, &options, NULL, write_binary, write_hunk, write_line,
                &hunks) != 0)
        return assay_fail(err, ASSAY_EIO, "diff %.150s", path);
    return assay_buf_check(out, "diff", err);
}

enum assay_status assay_patch_text_add(struct assay_buf *out, const char *path,
        const struct assay_patch_side *old_side, const struct assay_patch_side *new_side,
        struct assay_error *err)
{
    static char empty[1] = "";
    const struct assay_patch_side nothing = {.content = {.data = empty}};
    enum assay_status status = ASSAY_OK;

    if (old_side->mode == 0 || new_side->mode == 0 ||
            S_ISLNK(old_side->mode) == S_ISLNK(new_side->mode))
        return write_change(out, path, old_side, new_side, err);
    status = write_change(out, path, old_side, &nothing, err);
    if (status == ASSAY_OK)
        status = write_change(out, path, &nothing, new_side, err);
    return status;
}
