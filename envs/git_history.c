// SPDX-License-Identifier: MIT
#include "envs/git_history.h"

#include <git2.h>
#include <string.h>

#include "base/utf8.h"

struct reading {
    git_repository *repo;
    struct assay_git_commit *commits;
    size_t count;
    struct assay_arena *arena;
};

static const char *git_reason(void)
{
    const git_error *error = git_error_last();

    return error == NULL ? "no reason given" : error->message;
}

static enum assay_status no_memory(struct assay_error *err)
{
    return assay_fail(err, ASSAY_ENOMEM, "history: out of memory");
}

static bool is_text(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        const size_t step = assay_utf8_length(text, left);

        if (step == 0)
            return false;
        text += step;
        left -= step;
    }
    return true;
}

static enum assay_status keep_paths(
        struct reading *r, struct assay_git_commit *commit, git_diff *diff, struct assay_error *err)
{
    const size_t count = git_diff_num_deltas(diff);
    const char **paths;

    commit->too_many = count > ASSAY_GIT_PATHS_MAX;
    if (commit->too_many)
        return ASSAY_OK;
    paths = assay_arena_array(r->arena, count + 1, sizeof(*paths));
    if (paths == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++) {
        const git_diff_delta *delta = git_diff_get_delta(diff, i);

        paths[i] = assay_arena_strdup(r->arena,
                delta->new_file.path != NULL ? delta->new_file.path : delta->old_file.path);
        if (paths[i] == NULL)
            return no_memory(err);
    }
    commit->paths = (struct assay_strings){paths, count};
    return ASSAY_OK;
}

static enum assay_status read_paths(struct reading *r, struct assay_git_commit *out,
        git_commit *commit, git_commit *parent, struct assay_error *err)
{
    git_tree *new = NULL, *old = NULL;
    git_diff *diff = NULL;
    enum assay_status status = ASSAY_OK;

    if (git_commit_tree(&new, commit) != 0 || git_commit_tree(&old, parent) != 0 ||
            git_diff_tree_to_tree(&diff, r->repo, old, new, NULL) != 0)
        status = assay_fail(err, ASSAY_EIO, "commit %.12s: %.150s", out->id, git_reason());
    else
        status = keep_paths(r, out, diff, err);
    git_diff_free(diff);
    git_tree_free(old);
    git_tree_free(new);
    return status;
}

static enum assay_status add(
        struct reading *r, git_commit *commit, git_commit *parent, struct assay_error *err)
{
    struct assay_git_commit *out = &r->commits[r->count];
    const char *message = git_commit_message(commit);

    git_oid_tostr(out->id, GIT_OID_HEXSZ + 1, git_commit_id(commit));
    git_oid_tostr(out->parent, GIT_OID_HEXSZ + 1, git_commit_id(parent));
    out->time = git_commit_time(commit);
    out->message = assay_arena_strdup(r->arena, message != NULL && is_text(message) ? message : "");
    if (out->message == NULL)
        return no_memory(err);
    r->count++;
    return read_paths(r, out, commit, parent, err);
}

static enum assay_status walk(
        struct reading *r, git_commit *commit, size_t max, struct assay_error *err)
{
    enum assay_status status = ASSAY_OK;

    // Takes the commit, and frees each on the way.
    while (status == ASSAY_OK && commit != NULL && r->count < max) {
        git_commit *parent = NULL;

        if (git_commit_parentcount(commit) == 0)
            break;
        if (git_commit_parent(&parent, commit, 0) != 0) // a shallow clone ends somewhere
            break;
        if (git_commit_parentcount(commit) == 1)
            status = add(r, commit, parent, err);
        git_commit_free(commit);
        commit = parent;
    }
    git_commit_free(commit);
    return status;
}

enum assay_status assay_git_history(struct assay_git_commit **out, size_t *count, const char *where,
        const char *from, size_t max, struct assay_arena *arena, struct assay_error *err)
{
    struct reading r = {.arena = arena};
    git_object *object = NULL, *commit = NULL;
    enum assay_status status = ASSAY_OK;

    r.commits = assay_arena_array(arena, max, sizeof(*r.commits));
    if (r.commits == NULL)
        return no_memory(err);
    git_libgit2_init();
    if (git_repository_open_ext(&r.repo, where, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL) != 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "%.100s: %.120s", where, git_reason());
    else if (git_revparse_single(&object, r.repo, from == NULL ? "HEAD" : from) != 0 ||
            git_object_peel(&commit, object, GIT_OBJECT_COMMIT) != 0)
        status = assay_fail(err, ASSAY_ENOTFOUND, "%.80s: no commit %.60s: %.100s", where,
                from == NULL ? "HEAD" : from, git_reason());
    else
        status = walk(&r, (git_commit *)commit, max, err);
    git_object_free(object);
    git_repository_free(r.repo);
    git_libgit2_shutdown();
    if (status == ASSAY_OK) {
        *out = r.commits;
        *count = r.count;
    }
    return status;
}
