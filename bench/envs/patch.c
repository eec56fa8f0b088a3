// SPDX-License-Identifier: MIT
// patch.c - how long a patch of two files takes in a tree of 15,000, beside `git apply`.
//
// Ours: parse, read the two files, place the hunks; and the same with an overlay
// layer written. Git's: the process that patches the work tree. In turns, in the
// same run, on tmpfs where there is one; medians.
//
//     patch [--json]
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/fs.h"
#include "envs/apply.h"

enum { FOLDERS = 150, FILES = 100, LINES = 80, ROUNDS = 200 };

struct bench {
    const char *parent; // where the folder `base` is made
    char base[64], tree_path[80], patch_path[80];
    int base_fd, tree_fd;
    struct assay_buf patch;
    uint64_t apply_us[ROUNDS], layer_us[ROUNDS], gits_us[ROUNDS];
};

static void must(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(1); // NOLINT(concurrency-mt-unsafe): one thread
    }
}

static void write_file(int dir_fd, const char *path, const char *bytes, size_t len)
{
    const int fd = openat(dir_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    must(fd >= 0 && assay_fs_write_all(fd, bytes, len, NULL) == ASSAY_OK, path);
    close(fd);
}

static void make_tree(struct bench *bench)
{
    struct assay_buf text;

    assay_buf_init(&text, 1 << 20);
    for (int folder = 0; folder < FOLDERS; folder++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "d%d", folder);
        must(mkdirat(bench->tree_fd, path, 0755) == 0, path);
        for (int file = 0; file < FILES; file++) {
            assay_buf_clear(&text);
            for (int line = 0; line < LINES; line++)
                (void)assay_buf_addf(&text, "line %d of file %d of %d\n", line, file, folder);
            (void)snprintf(path, sizeof(path), "d%d/f%d", folder, file);
            write_file(bench->tree_fd, path, text.data, text.len);
        }
    }
    assay_buf_free(&text);
}

static void add_change(struct assay_buf *patch, int folder, int file, int line)
{
    (void)assay_buf_addf(patch, "diff --git a/d%d/f%d b/d%d/f%d\n--- a/d%d/f%d\n+++ b/d%d/f%d\n",
            folder, file, folder, file, folder, file, folder, file);
    (void)assay_buf_addf(patch, "@@ -%d,7 +%d,7 @@\n", line - 2, line - 2);
    for (int i = line - 3; i <= line + 3; i++) {
        if (i == line)
            (void)assay_buf_addf(patch, "-line %d of file %d of %d\n+changed\n", i, file, folder);
        else
            (void)assay_buf_addf(patch, " line %d of file %d of %d\n", i, file, folder);
    }
}

static void run_ours(struct bench *bench, int round)
{
    const struct assay_apply_options options = {
            .mode = ASSAY_APPLY_TOLERANT, .list = assay_dir_list_dir};
    const uint64_t start_us = assay_clock_us();
    struct assay_arena *arena = NULL;
    struct assay_patch *patch = NULL;
    struct assay_edits *edits = NULL;
    int layer_fd = -1;

    must(mkdirat(bench->base_fd, "layer", 0755) == 0, "layer");
    layer_fd = openat(bench->base_fd, "layer", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(assay_arena_create(&arena, (size_t)256 << 20, NULL) == ASSAY_OK, "arena");
    must(assay_patch_read(&patch, bench->patch.data, bench->patch.len, ASSAY_FORMAT_AUTO, arena,
                 NULL) == ASSAY_OK,
            "read");
    must(assay_patch_apply(&edits, patch, assay_file_read_dir, &bench->tree_fd, &options, arena,
                 NULL) == ASSAY_OK,
            "apply");
    must(edits->count == 2, "two edits");
    bench->apply_us[round] = assay_clock_us() - start_us;
    must(assay_edits_write_layer(edits, layer_fd, getuid(), getgid(), NULL) == ASSAY_OK, "write");
    assay_arena_destroy(arena);
    bench->layer_us[round] = assay_clock_us() - start_us;
    close(layer_fd);
    must(assay_fs_remove_tree(bench->base_fd, "layer", NULL) == ASSAY_OK, "remove");
}

static uint64_t run_git(struct bench *bench, bool reverse)
{
    char git[] = "git", apply[] = "apply", back[] = "-R";
    char no_system[] = "GIT_CONFIG_NOSYSTEM=1", no_global[] = "GIT_CONFIG_GLOBAL=/dev/null";
    char *const env[] = {no_system, no_global, NULL};
    char *const argv[] = {git, apply, bench->patch_path, reverse ? back : NULL, NULL};
    const uint64_t start_us = assay_clock_us();
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;
    int wait_status = 0;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addchdir_np(&actions, bench->tree_path);
    must(posix_spawnp(&pid, git, &actions, NULL, argv, env) == 0, "git");
    must(waitpid(pid, &wait_status, 0) == pid && wait_status == 0, "git apply");
    posix_spawn_file_actions_destroy(&actions);
    return assay_clock_us() - start_us;
}

static int by_size(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static double percentile_ms(const uint64_t sorted[ROUNDS], size_t percent)
{
    const size_t at = ROUNDS * percent / 100;

    return (double)sorted[at] / 1000.0;
}

// bound_ms 0: none.
static void report(const char *metric, uint64_t us[ROUNDS], double gits, double bound_ms, bool json)
{
    char bound[64] = "\"bound\":null,\"met\":null";
    double value = 0, spread = 0;

    qsort(us, ROUNDS, sizeof(us[0]), by_size);
    value = percentile_ms(us, 50);
    spread = percentile_ms(us, 90) - percentile_ms(us, 10);
    if (bound_ms > 0)
        (void)snprintf(bound, sizeof(bound), "\"bound\":%.3f,\"met\":%s", bound_ms,
                value <= bound_ms ? "true" : "false");
    if (json)
        (void)printf("{\"bench\":\"patch\",\"metric\":\"%s\",\"value\":%.3f,\"unit\":\"ms\","
                     "\"spread\":%.3f,\"peer\":\"git apply\",\"peer_value\":%.3f,"
                     "\"ratio\":%.3f,%s}\n",
                metric, value, spread, gits, value / gits, bound);
    else
        (void)printf("%-22s p50 of %d: %.3f ms (p10 to p90 %.3f), git apply %.3f ms\n", metric,
                ROUNDS, value, spread, gits);
}

int main(int argc, char **argv)
{
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    struct bench bench = {.parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"};
    double gits = 0;
    int parent_fd = -1;

    (void)snprintf(bench.base, sizeof(bench.base), "%s/assay-bench-patch-XXXXXX", bench.parent);
    must(mkdtemp(bench.base) != NULL, "mkdtemp");
    (void)snprintf(bench.tree_path, sizeof(bench.tree_path), "%s/tree", bench.base);
    (void)snprintf(bench.patch_path, sizeof(bench.patch_path), "%s/patch", bench.base);
    bench.base_fd = open(bench.base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(mkdirat(bench.base_fd, "tree", 0755) == 0, "tree");
    bench.tree_fd = openat(bench.base_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    make_tree(&bench);
    assay_buf_init(&bench.patch, 1 << 20);
    add_change(&bench.patch, 17, 23, 40);
    add_change(&bench.patch, 99, 7, 50);
    write_file(bench.base_fd, "patch", bench.patch.data, bench.patch.len);
    for (int i = 0; i < ROUNDS; i++) {
        run_ours(&bench, i);
        bench.gits_us[i] = run_git(&bench, false);
        (void)run_git(&bench, true); // the tree stays what it is
    }
    qsort(bench.gits_us, ROUNDS, sizeof(bench.gits_us[0]), by_size);
    gits = percentile_ms(bench.gits_us, 50);
    report("two_files_apply_p50", bench.apply_us, gits, 0.2, json);
    report("two_files_layer_p50", bench.layer_us, gits, 0, json);
    assay_buf_free(&bench.patch);
    close(bench.tree_fd);
    close(bench.base_fd);
    parent_fd = open(bench.parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(assay_fs_remove_tree(parent_fd, bench.base + strlen(bench.parent) + 1, NULL) == ASSAY_OK,
            "remove");
    close(parent_fd);
    return 0;
}
