// SPDX-License-Identifier: MIT
#include "orchestrator/serve_calls.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "orchestrator/serve_parts.h"

#define BEAT_MS 5000 // clients take a stream that is silent for 30 s for dead
#define LOOK_MS 100
#define KEPT_MS 60000
#define PIECE_BYTES 4096                // of a result in one event
#define PIECE_BYTES_MAX ((size_t)32768) // aiohttp reads lines of 64 KiB
#define EVENTS "text/event-stream"

struct assay_call {
    char id[ASSAY_ID_BYTES], owner[ASSAY_ID_BYTES];
    struct assay_http_stream *stream; // NULL: nobody listens
    bool done, failed;
    struct assay_buf result; // owned; of one that is done
    uint64_t done_ms;
    struct assay_call *next;
};

struct assay_calls {
    pthread_mutex_t lock; // around what follows
    struct assay_call *first;
    bool ending;
    pthread_t beat;
    bool has_beat;
};

// --- events -------------------------------------------------------------------------------------

static bool tell(struct assay_http_stream *stream, const char *name, const char *data, size_t len,
        bool blank)
{
    struct assay_buf piece;
    bool told;

    assay_buf_init(&piece, ASSAY_SERVE_REPLY_BYTES_MAX);
    assay_buf_addf(&piece, "event: %s\ndata: ", name);
    if (blank)
        assay_buf_adds(&piece, "\\u0020");
    assay_buf_add(&piece, data, len);
    assay_buf_adds(&piece, "\n\n");
    told = !piece.failed && assay_http_stream_write(stream, piece.data, piece.len);
    assay_buf_free(&piece);
    return told;
}

// May a piece begin with this byte? Its reader strips blanks, Unicode's too, which begin with one
// of four bytes; and a character is not parted.
static bool begins_well(char byte)
{
    const unsigned char b = (unsigned char)byte;

    return b < 0x80 ? b > ' ' : b >= 0xc3 && (b < 0xe1 || b > 0xe3);
}

// JSON in pieces. Where a blank has to be the first of a piece, it is told as its escape: blanks
// stand in strings alone.
static void tell_result(struct assay_http_stream *stream, const struct assay_buf *json)
{
    size_t at = 0;
    bool told = true, blank = false;

    while (told && at < json->len) {
        size_t end = at + PIECE_BYTES < json->len ? at + PIECE_BYTES : json->len;

        while (end < json->len && !begins_well(json->data[end]) && end - at < PIECE_BYTES_MAX)
            end++;
        told = tell(stream, end < json->len ? "chunk" : "end", json->data + at, end - at, blank);
        blank = end < json->len && json->data[end] == ' ';
        at = end + blank;
    }
}

static void tell_text(struct assay_http_stream *stream, const char *name, const char *text)
{
    struct assay_buf line;

    assay_buf_init(&line, ASSAY_SERVE_REPLY_BYTES_MAX);
    for (const char *at = text; *at; at++)
        assay_buf_addc(&line, *at == '\n' || *at == '\r' ? ' ' : *at);
    if (!line.failed)
        (void)tell(stream, name, line.data, line.len, false);
    assay_buf_free(&line);
}

void assay_calls_tell(struct assay_http_request *request, const char *name, const char *data)
{
    struct assay_http_stream *stream = assay_http_stream(request, EVENTS);

    if (stream == NULL)
        return;
    tell_text(stream, name, data);
    if (strcmp(name, "error") != 0)
        (void)tell(stream, "end", "", 0, false);
    assay_http_stream_end(stream);
}

// All that is left to say. The lock is held.
static void end_stream(struct assay_call *call)
{
    if (call->stream == NULL)
        return;
    if (call->done && call->failed)
        tell_text(call->stream, "error", call->result.data);
    else if (call->done)
        tell_result(call->stream, &call->result);
    assay_http_stream_end(call->stream);
    call->stream = NULL;
}

// --- the list -----------------------------------------------------------------------------------

static void forget(struct assay_call **at)
{
    struct assay_call *call = *at;

    *at = call->next;
    end_stream(call);
    assay_buf_free(&call->result);
    free(call);
}

static void beat_once(struct assay_calls *calls)
{
    const uint64_t now_ms = assay_clock_ms();
    struct assay_call **at = &calls->first;

    while (*at != NULL) {
        struct assay_call *call = *at;

        if (call->done && now_ms - call->done_ms > KEPT_MS) {
            forget(at);
            continue;
        }
        if (call->stream != NULL && !assay_http_stream_write(call->stream, ":\n\n", 3)) {
            assay_http_stream_end(call->stream);
            call->stream = NULL;
        }
        at = &call->next;
    }
}

static void *keep_alive(void *user)
{
    struct assay_calls *calls = user;
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint64_t next_ms = assay_clock_ms() + BEAT_MS;

    pthread_mutex_lock(&calls->lock);
    while (!calls->ending) {
        if (assay_clock_left_ms(next_ms) == 0) {
            beat_once(calls);
            next_ms = assay_clock_ms() + BEAT_MS;
        }
        pthread_mutex_unlock(&calls->lock);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&calls->lock);
    }
    pthread_mutex_unlock(&calls->lock);
    return NULL;
}

enum assay_status assay_calls_create(struct assay_calls **out, struct assay_error *err)
{
    struct assay_calls *calls = calloc(1, sizeof(*calls));

    if (calls == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    pthread_mutex_init(&calls->lock, NULL);
    calls->has_beat = pthread_create(&calls->beat, NULL, keep_alive, calls) == 0;
    if (!calls->has_beat) {
        assay_calls_destroy(calls);
        return assay_fail(err, ASSAY_EIO, "no more threads");
    }
    *out = calls;
    return ASSAY_OK;
}

void assay_calls_destroy(struct assay_calls *calls)
{
    if (calls == NULL)
        return;
    pthread_mutex_lock(&calls->lock);
    calls->ending = true;
    pthread_mutex_unlock(&calls->lock);
    if (calls->has_beat)
        pthread_join(calls->beat, NULL);
    while (calls->first != NULL)
        forget(&calls->first);
    pthread_mutex_destroy(&calls->lock);
    free(calls);
}

// --- a call -------------------------------------------------------------------------------------

// What this owner was told before. The lock is held.
static void forget_done(struct assay_calls *calls, const char *owner)
{
    struct assay_call **at = &calls->first;

    while (*at != NULL) {
        if ((*at)->done && strcmp((*at)->owner, owner) == 0)
            forget(at);
        else
            at = &(*at)->next;
    }
}

struct assay_call *assay_calls_begin(struct assay_calls *calls, struct assay_http_request *request,
        const char owner[ASSAY_ID_BYTES])
{
    struct assay_call *call = calloc(1, sizeof(*call));

    if (call == NULL || assay_id_new(call->id, NULL) != ASSAY_OK) {
        free(call);
        assay_service_refuse(request, 500, "memory", "out of memory");
        return NULL;
    }
    call->stream = assay_http_stream(request, EVENTS);
    if (call->stream == NULL) {
        free(call);
        return NULL;
    }
    assay_buf_init(&call->result, ASSAY_SERVE_REPLY_BYTES_MAX);
    memcpy(call->owner, owner, ASSAY_ID_BYTES);
    (void)tell(call->stream, "task_id", call->id, strlen(call->id), false);
    pthread_mutex_lock(&calls->lock);
    forget_done(calls, owner);
    call->next = calls->first;
    calls->first = call;
    pthread_mutex_unlock(&calls->lock);
    return call;
}

void assay_calls_finish(
        struct assay_calls *calls, struct assay_call *call, bool failed, struct assay_buf *result)
{
    pthread_mutex_lock(&calls->lock);
    assay_buf_free(&call->result);
    call->result = *result;
    call->failed = failed || result->failed;
    call->done = true;
    call->done_ms = assay_clock_ms();
    end_stream(call);
    pthread_mutex_unlock(&calls->lock);
    assay_buf_init(result, 1);
}

void assay_calls_resume(struct assay_calls *calls, struct assay_http_request *request,
        const char owner[ASSAY_ID_BYTES], const char *id)
{
    struct assay_http_stream *stream = assay_http_stream(request, EVENTS);
    struct assay_call *call;

    if (stream == NULL)
        return;
    pthread_mutex_lock(&calls->lock);
    for (call = calls->first; call != NULL; call = call->next) {
        if (strcmp(call->id, id) == 0 && strcmp(call->owner, owner) == 0)
            break;
    }
    if (call != NULL) {
        assay_http_stream_end(call->stream);
        call->stream = stream;
        (void)tell(stream, "task_id", id, strlen(id), false);
        if (call->done)
            end_stream(call);
    } else {
        tell_text(stream, "error", "unknown task_id");
        assay_http_stream_end(stream);
    }
    pthread_mutex_unlock(&calls->lock);
}
