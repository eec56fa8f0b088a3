// SPDX-License-Identifier: MIT
// swebench_base.c - where the repository of a SWE-bench row is found.
//
// In a folder of repositories these are tried, the first that is there wins:
//   owner__name, owner/name, name     a repository, bare or not; also with .git behind it
//   the same + a tarball's ending     a repository in a tarball
//   the same + -<base_commit> + it    a tarball of the tree at that commit
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/hash.h"
#include "tasks/suite_read.h"
#include "tasks/swebench.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define WHERE_BYTES_MAX ((size_t)8192)

static const char *const repository_endings[] = {"", ".git"};
static const char *const tarball_endings[] = {".tar.gz", ".tgz", ".tar", ".tar.xz", ".zip"};

// What is looked for and where.
struct repo_search {
    const char *folder;
    const char *owner; // "" when the row names none
    const char *name, *commit;
    struct assay_buf path; // of the candidate, and of what was found
};

static bool exists(const char *path, const char *below, mode_t type)
{
    char full[WHERE_BYTES_MAX];
    struct stat stat_path;

    return (size_t)snprintf(full, sizeof(full), "%s%s", path, below) < sizeof(full) &&
            stat(full, &stat_path) == 0 && (type == 0 || (stat_path.st_mode & S_IFMT) == type);
}

// A bare repository has HEAD and objects at its top, another one .git (a file in a worktree).
static bool is_repository(const char *path)
{
    return exists(path, "/.git", 0) ||
            (exists(path, "/HEAD", S_IFREG) && exists(path, "/objects", S_IFDIR));
}

// How owner and name are joined in a file name; NULL: the name alone.
static const char *const joins[] = {"__", "/", NULL};

// What kind of thing one round of the search is after.
struct repo_kind {
    const char *const *endings;
    size_t ending_count;
    bool tarball, with_commit;
};

static bool try_one(struct repo_search *search, const struct repo_kind *kind, const char *join,
        const char *ending)
{
    assay_buf_clear(&search->path);
    assay_buf_addf(&search->path, "%s/", search->folder);
    if (join != NULL)
        assay_buf_addf(&search->path, "%s%s", search->owner, join);
    assay_buf_adds(&search->path, search->name);
    if (kind->with_commit)
        assay_buf_addf(&search->path, "-%s", search->commit);
    assay_buf_adds(&search->path, ending);
    if (search->path.failed)
        return false;
    return kind->tarball ? exists(search->path.data, "", S_IFREG)
                         : is_repository(search->path.data);
}

static bool try_kind(struct repo_search *search, const struct repo_kind *kind)
{
    for (size_t i = 0; i < COUNT(joins); i++) {
        if (joins[i] != NULL && search->owner[0] == '\0')
            continue;
        for (size_t j = 0; j < kind->ending_count; j++) {
            if (try_one(search, kind, joins[i], kind->endings[j]))
                return true;
        }
    }
    return false;
}

static enum assay_status set_where(struct assay_base *base, const struct assay_fields *fields,
        const char *path, struct assay_error *err)
{
    char *real = realpath(path, NULL);

    base->where = real == NULL ? NULL : assay_arena_strdup(fields->source->arena, real);
    free(real);
    if (base->where == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    return ASSAY_OK;
}

// The tarball is one tree, so its hash, taken now, says which.
static enum assay_status set_archive(
        struct assay_base *base, const struct assay_fields *fields, struct assay_error *err)
{
    const int fd = open(base->where, O_RDONLY | O_CLOEXEC);
    char hex[65];
    enum assay_status status;

    if (fd < 0)
        return assay_fields_fail(fields, "repo", err, "%.100s cannot be read", base->where);
    status = assay_sha256_fd(hex, fd, err);
    close(fd);
    if (status != ASSAY_OK)
        return status;
    base->kind = ASSAY_BASE_ARCHIVE;
    base->sha256 = assay_arena_strdup(fields->source->arena, hex);
    if (base->sha256 == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    return ASSAY_OK;
}

static enum assay_status find_in_folder(struct assay_base *base, const struct assay_fields *fields,
        struct repo_search *search, const char *repo, struct assay_error *err)
{
    static const struct repo_kind kinds[] = {
            {repository_endings, COUNT(repository_endings), false, false},
            {tarball_endings, COUNT(tarball_endings), true, false},
            {tarball_endings, COUNT(tarball_endings), true, true},
    };
    enum assay_status status;
    size_t i = 0;

    while (i < COUNT(kinds) && !try_kind(search, &kinds[i]))
        i++;
    if (i == COUNT(kinds))
        return assay_fields_fail(fields, "repo", err,
                "no repository or tarball of \"%.60s\" in %.80s", repo, search->folder);
    status = set_where(base, fields, search->path.data, err);
    if (status == ASSAY_OK && kinds[i].with_commit)
        status = set_archive(base, fields, err);
    return status;
}

// {owner}, {name} and {repo} replaced. NULL, or what is wrong with the template.
static const char *fill_template(struct assay_buf *out, const char *template, const char *repo,
        const struct repo_search *search)
{
    bool filled = false;

    while (*template != '\0') {
        const char *value = NULL;
        const char *end = strchr(template, '}');
        const size_t len = end == NULL ? 0 : (size_t)(end - template) + 1;

        if (*template != '{') {
            assay_buf_addc(out, *template ++);
            continue;
        }
        if (len == 7 && strncmp(template, "{owner}", len) == 0)
            value = search->owner;
        else if (len == 6 && strncmp(template, "{name}", len) == 0)
            value = search->name;
        else if (len == 6 && strncmp(template, "{repo}", len) == 0)
            value = repo;
        if (value == NULL)
            return "--repos: only {owner}, {name} and {repo} are replaced";
        if (value[0] == '\0')
            return "the row names no owner for the {owner} of --repos";
        assay_buf_adds(out, value);
        template += len;
        filled = true;
    }
    return filled ? NULL : "--repos: a URL needs {repo}, or {owner} and {name}";
}

static enum assay_status find_by_template(struct assay_base *base,
        const struct assay_fields *fields, struct repo_search *search, const char *template,
        const char *repo, struct assay_error *err)
{
    const char *wrong = fill_template(&search->path, template, repo, search);

    if (wrong != NULL)
        return assay_fields_fail(fields, "repo", err, "%s", wrong);
    if (search->path.failed)
        return assay_fields_fail(fields, "repo", err, "the URL is too long");
    base->where = assay_arena_strdup(fields->source->arena, search->path.data);
    if (base->where == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    return ASSAY_OK;
}

enum assay_status assay_swebench_find(struct assay_instance *instance,
        const struct assay_fields *fields, const char *repo_key, const char *commit_key,
        const struct assay_swebench_options *options, struct assay_error *err)
{
    struct assay_base *base = &instance->base;
    struct repo_search search = {.folder = options->repos, .owner = ""};
    struct assay_arena *arena = fields->source->arena;
    enum assay_status status;
    char *slash;
    char *repo;

    // Both become part of a path.
    if (!assay_repo_valid(instance->repo))
        return assay_fields_fail(fields, repo_key, err, "expected \"owner/name\"");
    if (!assay_commit_valid(base->commit))
        return assay_fields_fail(
                fields, commit_key, err, "expected 40 or 64 lower-case hex digits");
    if (options->repos == NULL)
        return assay_fields_fail(
                fields, repo_key, err, "--repos must tell where repositories are found");
    repo = assay_arena_strdup(arena, instance->repo);
    if (repo == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "%s: out of memory", fields->source->file);
    slash = strchr(repo, '/');
    search.name = slash == NULL ? repo : slash + 1;
    if (slash != NULL) {
        *slash = '\0';
        search.owner = repo;
    }
    search.commit = base->commit;
    base->kind = ASSAY_BASE_GIT;
    assay_buf_init(&search.path, WHERE_BYTES_MAX);
    if (strchr(options->repos, '{') != NULL || strstr(options->repos, "://") != NULL)
        status = find_by_template(base, fields, &search, options->repos, instance->repo, err);
    else
        status = find_in_folder(base, fields, &search, instance->repo, err);
    assay_buf_free(&search.path);
    return status;
}

enum assay_status assay_swebench_base(struct assay_instance *instance,
        const struct assay_fields *fields, const struct assay_swebench_options *options,
        struct assay_error *err)
{
    enum assay_status status = assay_fields_text(&instance->repo, fields, "repo", err);

    if (status == ASSAY_OK)
        status = assay_fields_text(&instance->base.commit, fields, "base_commit", err);
    if (status == ASSAY_OK)
        status = assay_swebench_find(instance, fields, "repo", "base_commit", options, err);
    return status;
}
