// SPDX-License-Identifier: MIT
#include "orchestrator/ranks.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

#define SECRET_BYTES_MAX 4096
#define ADDRESS_BYTES 300

static const char *look(void *user, const char *name)
{
    (void)user;
    return getenv(name); // NOLINT(concurrency-mt-unsafe): nobody sets any
}

// --- the place -----------------------------------------------------------------------------------

static uint32_t local_of(const struct assay_ranks *ranks)
{
    static const char *const names[] = {
            "ASSAY_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID", "LOCAL_RANK"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = look(NULL, names[i]);
        char *end = NULL;
        const unsigned long value = text ? strtoul(text, &end, 10) : 0;

        if (text && *text && !*end && value < ASSAY_RANKS_MAX)
            return (uint32_t)value;
    }
    return ranks->rank;
}

// Whoever was started by a process that is gone by now is to end, too.
static enum assay_status tie_to_starter(const char *starter, struct assay_error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
        return assay_fail_errno(err, errno, "prctl");
    if (strtol(starter, NULL, 10) != (long)getppid())
        return assay_fail(err, ASSAY_EINTERRUPTED, "whoever started this rank is gone");
    return ASSAY_OK;
}

enum assay_status assay_place_find(struct assay_place *out, struct assay_error *err)
{
    const char *starter = look(NULL, "ASSAY_STARTER");
    struct assay_place place = {.is_started = starter != NULL};
    enum assay_status status = assay_ranks_find(&place.ranks, look, NULL, err);

    if (status == ASSAY_EINVAL && err)
        err->status = status = ASSAY_EUSAGE;
    if (status == ASSAY_OK && starter)
        status = tie_to_starter(starter, err);
    if (status != ASSAY_OK)
        return status;
    place.local = local_of(&place.ranks);
    *out = place;
    return ASSAY_OK;
}

// --- meeting -------------------------------------------------------------------------------------

static enum assay_status read_secret(struct assay_buf *out, struct assay_error *err)
{
    const char *text = look(NULL, "ASSAY_SECRET"), *path = look(NULL, "ASSAY_SECRET_FILE");
    enum assay_status status = ASSAY_OK;
    struct stat st;

    if (!text == !path)
        return assay_fail(err, ASSAY_EUSAGE,
                "ranks that meet at ASSAY_MASTER know a secret: ASSAY_SECRET or ASSAY_SECRET_FILE");
    if (text)
        (void)assay_buf_adds(out, text);
    else
        status = assay_fs_read_file(out, path, err);
    if (status == ASSAY_OK && path && stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        status = assay_fail(err, ASSAY_EUSAGE, "%s: others may read it; chmod 600 it", path);
    if (status == ASSAY_OK)
        status = assay_buf_check(out, "the secret", err);
    while (status == ASSAY_OK && out->len > 0 && out->data[out->len - 1] == '\n')
        assay_buf_truncate(out, out->len - 1);
    return status;
}

// Where rank 0 listens, or NULL.
static const char *find_master(char address[ADDRESS_BYTES])
{
    const char *ours = look(NULL, "ASSAY_MASTER");
    const char *host = look(NULL, "MASTER_ADDR"), *port = look(NULL, "MASTER_PORT");

    if (ours || !host || !port)
        return ours;
    (void)snprintf(address, ADDRESS_BYTES, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
    return address;
}

// All have left the door of the first group by the time that the next one is opened there.
static enum assay_status leave_door(struct assay_collective *before, struct assay_error *err)
{
    char all[ASSAY_RANKS_MAX];
    const char mine = 0;

    return before ? assay_collective_share(before, all, &mine, sizeof(mine), err) : ASSAY_OK;
}

// A board serves one group: the next one has another beside it.
static enum assay_status name_board(
        struct assay_buf *out, const char *path, bool is_next, struct assay_error *err)
{
    (void)assay_buf_addf(out, "%s%s", path, is_next ? ".next" : "");
    return assay_buf_check(out, "ASSAY_BOARD", err);
}

enum assay_status assay_ranks_join(struct assay_collective **out, const struct assay_place *place,
        struct assay_collective *before, uint64_t deadline_ms, struct assay_error *err)
{
    const char *path = look(NULL, "ASSAY_BOARD");
    struct assay_collective_options options = {.ranks = place->ranks, .deadline_ms = deadline_ms};
    char address[ADDRESS_BYTES]; // cppcheck-suppress variableScope; options.master points into it
    struct assay_buf secret, board;
    enum assay_status status = ASSAY_OK;

    *out = NULL;
    if (place->ranks.world == 1)
        return ASSAY_OK;
    assay_buf_init(&secret, SECRET_BYTES_MAX);
    assay_buf_init(&board, SECRET_BYTES_MAX);
    if (path) {
        status = name_board(&board, path, before != NULL, err);
        options.board = board.data;
    } else {
        options.master = find_master(address);
        status = options.master ? read_secret(&secret, err)
                                : assay_fail(err, ASSAY_EUSAGE,
                                          "rank %u of %u: ASSAY_MASTER (host:port) or ASSAY_BOARD "
                                          "(a file of this host) says where ranks meet",
                                          place->ranks.rank, place->ranks.world);
        options.secret = secret.data;
    }
    if (status == ASSAY_OK)
        status = leave_door(before, err);
    if (status == ASSAY_OK)
        status = assay_collective_create(out, &options, err);
    // All have it open by now, and no other group is to find it.
    if (status == ASSAY_OK && path && place->ranks.rank == 0)
        (void)unlink(board.data);
    assay_buf_free(&board);
    assay_buf_free(&secret);
    return status;
}
