// SPDX-License-Identifier: MIT
// overhead.c - what the service adds to a grading: the same grading called in process, as a job of
// the service in process, and by HTTP, in turn (A B C A B C), of one process.
//
// Every answer is new. One kind is the instance's gold patch and a file that nobody else has: it is
// run in a box, which takes tens of milliseconds and as many of the host's moods. The other is a
// patch of a file that is not there: it is read, judged and recorded in the same way, and nothing
// is run, so that a millisecond more or less can be seen. A job is a row on disk before anybody
// hears of it, and so is its verdict; the call in process records nothing. Differences are of
// neighbours.
//
//     overhead [--json]
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fs.h"
#include "orchestrator/grade.h"
#include "orchestrator/serve_parts.h"
#include "orchestrator/suite_add.h"

#define INSTANCE "quick__ini-reader-1"
#define ROUNDS_MAX 401
#define WARM 3
#define WAYS 3
#define BOUND_MS 2.0
#define TEXT_BYTES_MAX ((size_t)1 << 20)

struct bench {
    char folder[32];
    struct assay_context *context;
    struct assay_service *service;
    struct assay_arena *arena;
    const struct assay_served *task;
    int fd; // to the service, kept open
    unsigned number;
    bool runs; // the kind of answer
    size_t rounds;
};

static enum assay_status set_up(struct bench *b, struct assay_error *err)
{
    static const struct assay_option home = {"home", 0, "DIR", "", false};
    static const volatile bool never = false;
    char home_path[64], program[4096];
    const struct assay_given given = {&home, home_path};
    const struct assay_invocation invocation = {.given = &given,
            .given_count = 1,
            .log = {.fd = STDERR_FILENO, .level_max = ASSAY_LOG_WARN},
            .interrupted = &never};
    const struct assay_suite_add_options add = {.path = "tasks/data/quick", .threads = 2};
    struct assay_service_options options = {.http = {.address = "127.0.0.1",
                                                    .body_bytes_max = TEXT_BYTES_MAX,
                                                    .connections_max = 16},
            .threads = 1,
            .queue_max = 64,
            .episodes_max = 1,
            .idle_ms_max = 60000,
            .version = "bench",
            .tier = ""};
    struct assay_suite_add_result added;
    const char *build = secure_getenv("ASSAY_BUILD_DIR");
    enum assay_status status;

    (void)snprintf(b->folder, sizeof(b->folder), "/tmp/assay-overhead-XXXXXX");
    (void)snprintf(program, sizeof(program), "%s/assay-box", build != NULL ? build : ".");
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread yet
    if (mkdtemp(b->folder) == NULL || setenv("ASSAY_BOX_PROGRAM", program, 0) != 0)
        return assay_fail(err, ASSAY_EIO, "%s", b->folder);
    (void)snprintf(home_path, sizeof(home_path), "%s/home", b->folder);
    status = assay_arena_create(&b->arena, ASSAY_GRADE_ARENA_BYTES, err);
    if (status == ASSAY_OK)
        status = assay_context_open(&b->context, &invocation, true, err);
    if (status == ASSAY_OK)
        status = assay_suite_add(&added, b->context, &add, b->arena, err);
    options.context = b->context;
    if (status == ASSAY_OK)
        status = assay_service_start(&b->service, &options, err);
    if (status == ASSAY_OK)
        status = assay_served_find(&b->task, b->service->suites, NULL, INSTANCE, err);
    return status;
}

static enum assay_status reach(struct bench *b, struct assay_error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    address.sin_port = htons(assay_service_port(b->service));
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->fd < 0 || connect(b->fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        return assay_fail(err, ASSAY_EIO, "the service is not reached");
    return ASSAY_OK;
}

// Gold, and a file of its own; or a file that is not there.
static void write_answer(struct bench *b, struct assay_buf *out)
{
    const struct assay_bytes gold = b->task->instance->gold_patch;

    assay_buf_init(out, TEXT_BYTES_MAX);
    b->number++;
    if (!b->runs) {
        assay_buf_addf(out, "--- a/none-%u.txt\n+++ b/none-%u.txt\n@@ -1 +1 @@\n-%u\n+x\n",
                b->number, b->number, b->number);
        return;
    }
    assay_buf_add(out, gold.data, gold.len);
    assay_buf_addf(
            out, "--- /dev/null\n+++ b/notes-%u.txt\n@@ -0,0 +1 @@\n+%u\n", b->number, b->number);
}

// --- three ways ---------------------------------------------------------------------------------

static enum assay_status in_process(
        struct bench *b, const struct assay_buf *answer, struct assay_error *err)
{
    const struct assay_grade_request request = {.suite = b->task->suite,
            .instance = b->task->instance,
            .candidate = ASSAY_CANDIDATE_PATCH,
            .patch = {answer->data, answer->len},
            .run_id = "bench"};
    struct assay_arena *arena = NULL;
    struct assay_grade graded;
    enum assay_status status = assay_arena_create(&arena, ASSAY_GRADE_ARENA_BYTES, err);

    if (status == ASSAY_OK)
        status = assay_grade(&graded, b->context, &request, arena, err);
    if (status == ASSAY_OK) {
        assay_grade_release(b->context, &graded, false);
        if (graded.executed != b->runs || graded.verdict.resolved != b->runs ||
                graded.verdict.cached)
            status = assay_fail(err, ASSAY_EIO, "in process: %s", graded.verdict.reason);
    }
    assay_arena_destroy(arena);
    return status;
}

struct told {
    pthread_mutex_t lock;
    pthread_cond_t change;
    bool over, known, resolved;
};

static void tell(void *user, size_t index, const struct assay_graded *graded)
{
    struct told *told = user;

    (void)index;
    pthread_mutex_lock(&told->lock);
    told->over = true;
    told->known = graded->state != ASSAY_GRADED_DONE || graded->wall_us == 0;
    told->resolved = graded->resolved;
    pthread_cond_signal(&told->change);
    pthread_mutex_unlock(&told->lock);
}

static enum assay_status as_job(
        struct bench *b, const struct assay_buf *answer, struct assay_error *err)
{
    const struct assay_submission submission = {
            .task = b->task, .answer = {answer->data, answer->len}};
    struct told told = {.over = false};
    char ids[1][ASSAY_ID_BYTES];
    enum assay_status status;

    pthread_mutex_init(&told.lock, NULL);
    pthread_cond_init(&told.change, NULL);
    status = assay_grader_submit(
            b->service->grader, &submission, 1, UINT64_MAX, tell, &told, ids, err);
    pthread_mutex_lock(&told.lock);
    while (status == ASSAY_OK && !told.over)
        pthread_cond_wait(&told.change, &told.lock);
    pthread_mutex_unlock(&told.lock);
    pthread_cond_destroy(&told.change);
    pthread_mutex_destroy(&told.lock);
    if (status == ASSAY_OK && (told.known || told.resolved != b->runs))
        status = assay_fail(err, ASSAY_EIO, "as a job: no verdict, or another");
    return status;
}

// Until the verdict's last line.
static bool hear(int fd, bool resolved)
{
    char text[65536];
    size_t len = 0;

    while (len < sizeof(text) - 1) {
        const ssize_t got = recv(fd, text + len, sizeof(text) - 1 - len, 0);

        if (got <= 0)
            return false;
        len += (size_t)got;
        text[len] = '\0';
        if (len >= 2 && strcmp(text + len - 2, "}\n") == 0)
            return strstr(text, " 200 ") != NULL &&
                    (strstr(text, "\"resolved\":true") != NULL) == resolved &&
                    strstr(text, "\"cached\":false") != NULL;
    }
    return false;
}

static enum assay_status by_http(
        struct bench *b, const struct assay_buf *answer, struct assay_error *err)
{
    struct assay_json_writer w;
    struct assay_buf body, request;
    bool good;

    assay_buf_init(&body, TEXT_BYTES_MAX);
    assay_buf_init(&request, TEXT_BYTES_MAX);
    assay_json_writer_init(&w, &body, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "instance_id", INSTANCE);
    assay_json_put_bytes(&w, "patch", answer->data, answer->len);
    assay_json_end_object(&w);
    assay_buf_addf(&request,
            "POST /v1/grade HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n\r\n", body.len);
    assay_buf_add(&request, body.data, body.len);
    good = !request.failed &&
            assay_fs_write_all(b->fd, request.data, request.len, NULL) == ASSAY_OK &&
            hear(b->fd, b->runs);
    assay_buf_free(&body);
    assay_buf_free(&request);
    return good ? ASSAY_OK : assay_fail(err, ASSAY_EIO, "by HTTP: no verdict, or another");
}

// --- figures ------------------------------------------------------------------------------------

static enum assay_status measure(
        struct bench *b, double ms[WAYS][ROUNDS_MAX], struct assay_error *err)
{
    static enum assay_status (*const ways[WAYS])(struct bench *, const struct assay_buf *,
            struct assay_error *) = {in_process, as_job, by_http};
    enum assay_status status = ASSAY_OK;

    for (size_t i = 0; i < b->rounds + WARM && status == ASSAY_OK; i++) {
        for (size_t way = 0; way < WAYS && status == ASSAY_OK; way++) {
            struct assay_buf answer;
            uint64_t before_us;

            write_answer(b, &answer);
            before_us = assay_clock_us();
            status = ways[way](b, &answer, err);
            if (i >= WARM)
                ms[way][i - WARM] = (double)(assay_clock_us() - before_us) / 1000;
            assay_buf_free(&answer);
        }
    }
    return status;
}

static int compare(const void *a, const void *b)
{
    const double left = *(const double *)a;
    const double right = *(const double *)b;

    return (left > right) - (left < right);
}

struct figure {
    const char *what, *of;
    double bound_ms; // 0: none
};

static void print_figure(struct figure f, double *ms, size_t count, bool json)
{
    struct assay_json_writer w;
    struct assay_buf buf;
    char metric[128], spread[64];
    bool met;

    qsort(ms, count, sizeof(*ms), compare);
    met = f.bound_ms > 0 && ms[count / 2] <= f.bound_ms;
    (void)snprintf(metric, sizeof(metric), "%s: %s", f.of, f.what);
    (void)snprintf(spread, sizeof(spread), "quartiles %.2f..%.2f", ms[count / 4],
            ms[count - 1 - count / 4]);
    if (!json) {
        (void)printf("%-70s %8.2f ms  %-28s %s\n", metric, ms[count / 2], spread,
                f.bound_ms <= 0 ? "-"
                        : met   ? "met"
                                : "NOT MET");
        return;
    }
    assay_buf_init(&buf, 4096);
    assay_json_writer_init(&w, &buf, 0);
    assay_json_begin_object(&w, NULL);
    assay_json_put_text(&w, "bench", "serve");
    assay_json_put_text(&w, "metric", metric);
    assay_json_put_double(&w, "value", ms[count / 2]);
    assay_json_put_text(&w, "unit", "ms");
    assay_json_put_text(&w, "spread", spread);
    assay_json_put_null(&w, "peer");
    assay_json_put_null(&w, "peer_value");
    assay_json_put_null(&w, "ratio");
    assay_json_put_text(&w, "bound", f.bound_ms > 0 ? "<= 2" : "-");
    if (f.bound_ms > 0)
        assay_json_put_bool(&w, "met", met);
    else
        assay_json_put_null(&w, "met");
    assay_json_end_object(&w);
    (void)printf("%s\n", buf.data);
    assay_buf_free(&buf);
}

static void print_figures(double ms[WAYS][ROUNDS_MAX], const char *of, size_t count, bool json)
{
    double over_call[ROUNDS_MAX] = {0}, over_job[ROUNDS_MAX] = {0};

    for (size_t i = 0; i < count; i++) {
        over_call[i] = ms[2][i] - ms[0][i];
        over_job[i] = ms[2][i] - ms[1][i];
    }
    print_figure((struct figure){"a call in process", of, 0}, ms[0], count, json);
    print_figure((struct figure){"as a job, in process", of, 0}, ms[1], count, json);
    print_figure((struct figure){"by HTTP", of, 0}, ms[2], count, json);
    print_figure((struct figure){"HTTP over the job", of, BOUND_MS}, over_job, count, json);
    print_figure((struct figure){"HTTP over the call", of, BOUND_MS}, over_call, count, json);
}

static enum assay_status measure_kind(struct bench *b, const char *of, bool runs, size_t rounds,
        bool json, struct assay_error *err)
{
    static double ms[WAYS][ROUNDS_MAX];
    enum assay_status status;

    b->runs = runs;
    b->rounds = rounds;
    status = measure(b, ms, err);
    if (status == ASSAY_OK)
        print_figures(ms, of, rounds, json);
    return status;
}

static void clean_up(struct bench *b)
{
    const int tmp_fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (b->fd >= 0)
        close(b->fd);
    assay_service_stop(b->service);
    assay_context_close(b->context);
    assay_arena_destroy(b->arena);
    if (assay_fs_remove_tree(tmp_fd, strrchr(b->folder, '/') + 1, NULL) != ASSAY_OK)
        (void)fprintf(stderr, "overhead: %s is left\n", b->folder);
    close(tmp_fd);
}

int main(int argc, char **argv)
{
    struct bench bench = {.fd = -1};
    struct assay_error err = {0};
    const bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    enum assay_status status = set_up(&bench, &err);

    if (status == ASSAY_OK)
        status = reach(&bench, &err);
    if (status == ASSAY_OK)
        status = measure_kind(&bench, "a new answer that does not apply", false, 401, json, &err);
    if (status == ASSAY_OK)
        status = measure_kind(&bench, "a new answer that is run", true, 41, json, &err);
    if (status != ASSAY_OK)
        (void)fprintf(stderr, "overhead: %s\n", err.message);
    clean_up(&bench);
    return status == ASSAY_OK ? 0 : 1;
}
