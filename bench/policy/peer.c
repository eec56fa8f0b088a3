// SPDX-License-Identifier: MIT
#include "peer.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "figure.h"

struct peer {
    FILE *ask, *answer; // Python's stdin and stdout
    pid_t pid;
};

struct peer *peer_start(const char *script, const char *model_dir)
{
    const char *python = getenv("ASSAY_BENCH_PYTHON"); // NOLINT(concurrency-mt-unsafe): one thread
    char program[512], path[256], dir[256];
    char *argv[] = {program, path, dir, NULL};
    struct peer *peer = NULL;
    posix_spawn_file_actions_t actions;
    int ask[2], answer[2];

    if (python == NULL) {
        (void)fprintf(stderr,
                "%s: skipped: no peer. ASSAY_BENCH_PYTHON names a Python that has it: python3 -m "
                "venv build/peer && build/peer/bin/pip install torch transformers trl, then "
                "ASSAY_BENCH_PYTHON=$PWD/build/peer/bin/python make bench\n",
                script);
        return NULL;
    }
    peer = calloc(1, sizeof(*peer));
    must(peer != NULL, "memory");
    (void)snprintf(program, sizeof(program), "%s", python);
    (void)snprintf(path, sizeof(path), "%s", script);
    (void)snprintf(dir, sizeof(dir), "%s", model_dir);
    must(pipe2(ask, O_CLOEXEC) == 0 && pipe2(answer, O_CLOEXEC) == 0, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ask[0], 0);
    posix_spawn_file_actions_adddup2(&actions, answer[1], 1);
    must(posix_spawn(&peer->pid, program, &actions, NULL, argv, environ) == 0, program);
    posix_spawn_file_actions_destroy(&actions);
    close(ask[0]);
    close(answer[1]);
    peer->ask = fdopen(ask[1], "w");
    peer->answer = fdopen(answer[0], "r");
    must(peer->ask && peer->answer, "pipe");
    return peer;
}

void peer_ask(struct peer *peer, const char *what, double *seconds, unsigned long *checksum)
{
    must(fprintf(peer->ask, "%s\n", what) > 0 && fflush(peer->ask) == 0, "ask Python");
    // NOLINTNEXTLINE(cert-err34-c): what Python printed is checked here
    must(fscanf(peer->answer, "%lf %lu", seconds, checksum) == 2, "Python's answer");
}

void peer_stop(struct peer *peer)
{
    int wait_status = 0;

    if (peer == NULL)
        return;
    (void)fclose(peer->ask);
    (void)fclose(peer->answer);
    must(waitpid(peer->pid, &wait_status, 0) == peer->pid, "python");
    free(peer);
}
