// SPDX-License-Identifier: MIT
// store.c - opening, closing, and the two ways in: the writer's queue and the reader.
//
// One thread owns the writing connection. Callers hang their work into a queue
// and sleep until it is done; the writer takes all that hangs there, runs it in
// one transaction, each piece under a savepoint of its own, and commits once.
// While a commit waits for the disk the next group gathers: that is what lifts
// a hundred durable commits a second to thousands of durable writes.
#include "tasks/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tasks/fields.h"
#include "tasks/store_db.h"

#define GROUP_COUNT_MAX 256

#define POSTED_COUNT_MAX 4096 // of posted jobs that wait; who posts more waits, too

// A piece of work in the queue. It lives on its caller's stack, or, when posted, by itself.
struct store_job {
    assay_store_work work;
    void *args;
    void (*free_args)(void *args); // posted: nobody waits for it
    enum assay_status status;
    struct assay_error error;
    bool done;
    struct store_job *next;
};

struct assay_store {
    sqlite3 *writer; // used by the writer thread alone
    sqlite3 *reader; // under read_lock
    pthread_mutex_t read_lock;
    pthread_mutex_t queue_lock; // guards all below, and `done` of every job
    pthread_cond_t queue_filled, jobs_done;
    struct store_job *first, **last_next;
    size_t posted; // jobs that are in the queue or at work
    bool closing;
    pthread_t thread;
};

// --- the writer ----------------------------------------------------------------------------------

static void job_fail(struct store_job *job, const struct assay_error *error)
{
    if (job->status != ASSAY_OK)
        return; // keeps its own reason
    job->status = error->status;
    job->error = *error;
}

// Run one job under a savepoint. False when the whole transaction is lost:
// on a full disk or an I/O error SQLite may have rolled all of it back.
static bool job_run(sqlite3 *db, struct store_job *job)
{
    struct assay_error ignored;

    job->status = assay_store_exec(db, "SAVEPOINT job", "write", &job->error);
    if (job->status != ASSAY_OK)
        return false;
    job->status = job->work(db, job->args, &job->error);
    if (sqlite3_get_autocommit(db) != 0)
        return false;
    if (job->status != ASSAY_OK)
        return assay_store_exec(db, "ROLLBACK TO job; RELEASE job", "write", &ignored) == ASSAY_OK;
    job->status = assay_store_exec(db, "RELEASE job", "write", &job->error);
    return job->status == ASSAY_OK;
}

static void group_run(sqlite3 *db, struct store_job *jobs)
{
    struct assay_error error = {
            .status = ASSAY_EIO, .message = "store: the transaction was rolled back"};
    bool whole = true;

    if (assay_store_exec(db, "BEGIN IMMEDIATE", "write", &error) != ASSAY_OK)
        whole = false;
    for (struct store_job *job = jobs; job != NULL && whole; job = job->next) {
        whole = job_run(db, job);
        if (!whole && job->status != ASSAY_OK)
            error = job->error;
    }
    if (whole)
        whole = assay_store_exec(db, "COMMIT", "commit", &error) == ASSAY_OK;
    if (whole)
        return;
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL); // may have happened already
    for (struct store_job *job = jobs; job != NULL; job = job->next)
        job_fail(job, &error);
}

// Cut up to GROUP_COUNT_MAX jobs off the queue. Under queue_lock.
static struct store_job *queue_take(struct assay_store *store)
{
    struct store_job *jobs = store->first;
    struct store_job *last = jobs;

    for (size_t i = 1; i < GROUP_COUNT_MAX && last->next != NULL; i++)
        last = last->next;
    store->first = last->next;
    if (store->first == NULL)
        store->last_next = &store->first;
    last->next = NULL;
    return jobs;
}

static void *writer_main(void *user)
{
    struct assay_store *store = user;

    pthread_mutex_lock(&store->queue_lock);
    for (;;) {
        struct store_job *jobs;

        while (store->first == NULL && !store->closing)
            pthread_cond_wait(&store->queue_filled, &store->queue_lock);
        if (store->first == NULL)
            break; // closing, and all is written
        jobs = queue_take(store);
        pthread_mutex_unlock(&store->queue_lock);
        group_run(store->writer, jobs);
        pthread_mutex_lock(&store->queue_lock);
        while (jobs != NULL) {
            struct store_job *job = jobs;

            jobs = job->next; // its caller may be gone once it is done
            job->done = true;
            if (job->free_args != NULL) {
                job->free_args(job->args);
                free(job);
                store->posted--;
            }
        }
        pthread_cond_broadcast(&store->jobs_done);
    }
    pthread_mutex_unlock(&store->queue_lock);
    return NULL;
}

enum assay_status assay_store_write(
        struct assay_store *store, assay_store_work work, void *args, struct assay_error *err)
{
    struct store_job job = {.work = work, .args = args};

    pthread_mutex_lock(&store->queue_lock);
    *store->last_next = &job;
    // cppcheck-suppress autoVariables; the job is out of the queue before this call returns
    store->last_next = &job.next;
    pthread_cond_signal(&store->queue_filled);
    while (!job.done)
        pthread_cond_wait(&store->jobs_done, &store->queue_lock);
    pthread_mutex_unlock(&store->queue_lock);
    if (job.status != ASSAY_OK && err != NULL)
        *err = job.error;
    return job.status;
}

enum assay_status assay_store_post(struct assay_store *store, assay_store_work work, void *args,
        void (*free_args)(void *args), struct assay_error *err)
{
    struct store_job *job = malloc(sizeof(*job));

    if (job == NULL) {
        free_args(args);
        return assay_fail(err, ASSAY_ENOMEM, "store: out of memory");
    }
    *job = (struct store_job){.work = work, .args = args, .free_args = free_args};
    pthread_mutex_lock(&store->queue_lock);
    while (store->posted >= POSTED_COUNT_MAX)
        pthread_cond_wait(&store->jobs_done, &store->queue_lock);
    store->posted++;
    *store->last_next = job;
    store->last_next = &job->next;
    pthread_cond_signal(&store->queue_filled);
    pthread_mutex_unlock(&store->queue_lock);
    return ASSAY_OK;
}

enum assay_status assay_store_read(
        struct assay_store *store, assay_store_work work, void *args, struct assay_error *err)
{
    enum assay_status status;

    pthread_mutex_lock(&store->read_lock);
    status = assay_store_exec(store->reader, "BEGIN", "read", err);
    if (status == ASSAY_OK) {
        status = work(store->reader, args, err);
        sqlite3_exec(store->reader, "ROLLBACK", NULL, NULL, NULL); // nothing was written
    }
    pthread_mutex_unlock(&store->read_lock);
    return status;
}

// --- opening and closing -------------------------------------------------------------------------

// Signals are the main thread's: the writer must not be the one that handles Ctrl-C.
static enum assay_status writer_start(struct assay_store *store, struct assay_error *err)
{
    sigset_t all;
    sigset_t before;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    code = pthread_create(&store->thread, NULL, writer_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code == 0 ? ASSAY_OK : assay_fail_errno(err, code, "store: start the writer thread");
}

static void store_free(struct assay_store *store)
{
    pthread_cond_destroy(&store->jobs_done);
    pthread_cond_destroy(&store->queue_filled);
    pthread_mutex_destroy(&store->queue_lock);
    pthread_mutex_destroy(&store->read_lock);
    sqlite3_close(store->reader);
    sqlite3_close(store->writer);
    free(store);
}

// A store holds gold patches, so nobody else may read it; the files that SQLite
// makes beside it take over its mode. Only a new file is opened here: closing
// any descriptor of the database would drop this process's locks on it.
static enum assay_status make_private(const char *path, struct assay_error *err)
{
    char file[ASSAY_PATH_SHORT_BYTES];
    const int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return assay_fail_errno(err, errno, "store: %s", assay_path_short(file, path));
    return ASSAY_OK;
}

enum assay_status assay_store_open(
        struct assay_store **out, const char *path, struct assay_error *err)
{
    struct assay_store *store;
    enum assay_status status = make_private(path, err);

    if (status != ASSAY_OK)
        return status;
    store = calloc(1, sizeof(*store));
    if (store == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "store: out of memory");
    store->last_next = &store->first;
    pthread_mutex_init(&store->read_lock, NULL);
    pthread_mutex_init(&store->queue_lock, NULL);
    pthread_cond_init(&store->queue_filled, NULL);
    pthread_cond_init(&store->jobs_done, NULL);

    status = assay_store_connect(&store->writer, path, err);
    if (status == ASSAY_OK)
        status = assay_store_migrate(store->writer, err);
    if (status == ASSAY_OK)
        status = assay_store_connect(&store->reader, path, err);
    if (status == ASSAY_OK)
        status = writer_start(store, err);
    if (status == ASSAY_OK)
        *out = store;
    else
        store_free(store);
    return status;
}

void assay_store_close(struct assay_store *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->queue_lock);
    store->closing = true;
    pthread_cond_signal(&store->queue_filled);
    pthread_mutex_unlock(&store->queue_lock);
    pthread_join(store->thread, NULL);
    store_free(store);
}
