// SPDX-License-Identifier: MIT
#include "orchestrator/suite_parquet.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NO_PYARROW 42
#define WORDS 5

// Numbers, texts, lists and objects are JSON's; times and the like as text.
static const char script[] =
        "import json, sys\n"
        "try:\n"
        "    import pyarrow.parquet as parquet\n"
        "except ImportError:\n"
        "    sys.exit(42)\n"
        "with open(sys.argv[2], 'w', encoding='utf-8', newline='') as out:\n"
        "    for batch in parquet.ParquetFile(sys.argv[1]).iter_batches(batch_size=64):\n"
        "        for row in batch.to_pylist():\n"
        "            out.write(json.dumps(row, ensure_ascii=False, default=str) + '\\n')\n";

enum assay_status assay_parquet_is(bool *out, const char *path, struct assay_error *err)
{
    const int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    char magic[4] = "";

    if (fd < 0)
        return assay_fail_errno(err, errno, "open %.150s", path);
    *out = read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
            memcmp(magic, "PAR1", sizeof(magic)) == 0;
    close(fd);
    return ASSAY_OK;
}

const char *assay_parquet_name(char out[128], const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dot;

    (void)snprintf(out, 100, "%s", slash == NULL ? path : slash + 1);
    dot = strrchr(out, '.');
    if (dot != NULL && dot != out)
        *dot = '\0';
    return out;
}

static enum assay_status run_python(
        const char *path, const char *file, int *exit_code, struct assay_error *err)
{
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets variables once the program runs
    const char *python = getenv("ASSAY_PYTHON");
    const char *const words[WORDS] = {
            python == NULL ? "python3" : python, "-c", script, path, file};
    char *argv[WORDS + 1] = {NULL}; // copies: a program may write to its own
    pid_t pid = 0;
    int status = 0, failed = 0;

    for (size_t i = 0; i < WORDS && failed == 0; i++) {
        argv[i] = strdup(words[i]);
        failed = argv[i] == NULL ? ENOMEM : 0;
    }
    if (failed == 0)
        failed = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
    for (size_t i = 0; i < WORDS; i++)
        free(argv[i]);
    if (failed != 0)
        return assay_fail_errno(err, failed, "start %.60s, which reads Parquet", words[0]);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return assay_fail_errno(err, errno, "wait for %.60s", words[0]);
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    return ASSAY_OK;
}

enum assay_status assay_parquet_to_rows(char file[PATH_MAX], struct assay_context *context,
        const char *path, struct assay_error *err)
{
    struct assay_depot *depot = assay_context_depot(context);
    char dir[PATH_MAX];
    int code = 0;
    enum assay_status status = assay_depot_tmp(depot, dir, err);

    if (status != ASSAY_OK)
        return status;
    (void)snprintf(file, PATH_MAX, "%.*s/rows.jsonl", PATH_MAX - 16, dir);
    status = run_python(path, file, &code, err);
    if (status == ASSAY_OK && code == NO_PYARROW)
        status = assay_fail(err, ASSAY_EREFUSED,
                "%.80s: Parquet is read by Python's pyarrow: install it (python3 -m pip install "
                "pyarrow) and name that Python in ASSAY_PYTHON, or write the file as .jsonl",
                path);
    else if (status == ASSAY_OK && code != 0)
        status = assay_fail(err, ASSAY_EINVAL, "%.150s: not read as Parquet", path);
    if (status != ASSAY_OK)
        assay_depot_drop_tmp(depot, dir);
    return status;
}

void assay_parquet_drop(struct assay_context *context, const char *file)
{
    char dir[PATH_MAX];

    (void)snprintf(dir, sizeof(dir), "%s", file);
    *strrchr(dir, '/') = '\0';
    assay_depot_drop_tmp(assay_context_depot(context), dir);
}
