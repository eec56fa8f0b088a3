// SPDX-License-Identifier: MIT
#include "orchestrator/serve_events.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "tasks/store_view.h"

#define BEAT_MS 15000 // a stream that is silent for longer is taken for dead on the way
#define LOOK_MS 100
#define STORE_MS 500 // between two looks at the store
#define PIECE_BYTES (ASSAY_EVENT_BYTES_MAX + 128)

struct watcher {
    struct assay_http_stream *stream;
    struct watcher *next;
    bool store; // is told of the store, too
};

struct assay_events {
    struct assay_store *store; // borrowed
    uint64_t version;          // of the store, as the beat saw it last
    pthread_mutex_t lock;      // around what follows
    struct watcher *watchers;
    size_t store_watchers;         // of them
    uint64_t number;               // of the newest event
    char *kept[ASSAY_EVENTS_KEPT]; // owned, as they are sent; NULL: none yet
    bool ending;
    pthread_t beat;
    bool has_beat;
};

// To all, or to those who watch the store; who does not take it is let go. The lock is held.
static void send_all(struct assay_events *events, const char *text, size_t len, bool store)
{
    struct watcher **at = &events->watchers;

    while (*at != NULL) {
        struct watcher *watcher = *at;

        if ((store && !watcher->store) || assay_http_stream_write(watcher->stream, text, len)) {
            at = &watcher->next;
            continue;
        }
        *at = watcher->next;
        events->store_watchers -= watcher->store;
        assay_http_stream_end(watcher->stream);
        free(watcher);
    }
}

static const char changed[] = "event: changed\ndata: {}\n\n";

// Has anybody written to the store since the last time? Without the lock.
static bool is_changed(struct assay_events *events)
{
    uint64_t version = events->version;

    if (assay_store_version(events->store, &version, NULL) != ASSAY_OK ||
            version == events->version)
        return false;
    events->version = version;
    return true;
}

static void *keep_alive(void *user)
{
    static const char comment[] = ":\n\n";
    struct assay_events *events = user;
    const struct timespec pause = {.tv_nsec = LOOK_MS * 1000000L};
    uint64_t next_ms = assay_clock_ms() + BEAT_MS, look_ms = 0;

    pthread_mutex_lock(&events->lock);
    while (!events->ending) {
        const bool looks = events->store_watchers > 0 && assay_clock_left_ms(look_ms) == 0;

        if (assay_clock_left_ms(next_ms) == 0) {
            send_all(events, comment, sizeof(comment) - 1, false);
            next_ms = assay_clock_ms() + BEAT_MS;
        }
        pthread_mutex_unlock(&events->lock);
        nanosleep(&pause, NULL);
        if (looks)
            look_ms = assay_clock_ms() + STORE_MS;
        const bool tells = looks && is_changed(events);

        pthread_mutex_lock(&events->lock);
        if (tells)
            send_all(events, changed, sizeof(changed) - 1, true);
    }
    pthread_mutex_unlock(&events->lock);
    return NULL;
}

enum assay_status assay_events_create(
        struct assay_events **out, struct assay_store *store, struct assay_error *err)
{
    struct assay_events *events = calloc(1, sizeof(*events));

    if (events == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    events->store = store;
    pthread_mutex_init(&events->lock, NULL);
    events->has_beat = pthread_create(&events->beat, NULL, keep_alive, events) == 0;
    if (!events->has_beat) {
        assay_events_destroy(events);
        return assay_fail(err, ASSAY_EIO, "no more threads");
    }
    *out = events;
    return ASSAY_OK;
}

void assay_events_end(struct assay_events *events)
{
    pthread_mutex_lock(&events->lock);
    events->ending = true;
    pthread_mutex_unlock(&events->lock);
    if (events->has_beat)
        pthread_join(events->beat, NULL);
    events->has_beat = false;
    while (events->watchers != NULL) {
        struct watcher *watcher = events->watchers;

        events->watchers = watcher->next;
        assay_http_stream_end(watcher->stream);
        free(watcher);
    }
}

void assay_events_destroy(struct assay_events *events)
{
    if (events == NULL)
        return;
    assay_events_end(events);
    for (size_t i = 0; i < ASSAY_EVENTS_KEPT; i++)
        free(events->kept[i]);
    pthread_mutex_destroy(&events->lock);
    free(events);
}

void assay_events_tell(struct assay_events *events, const char *name, const char *data)
{
    char *piece = malloc(PIECE_BYTES);
    char **kept;
    int len;

    if (piece == NULL)
        return;
    pthread_mutex_lock(&events->lock);
    len = snprintf(piece, PIECE_BYTES, "id: %" PRIu64 "\nevent: %.40s\ndata: %s\n\n",
            events->number + 1, name, data);
    if (len > 0 && len < PIECE_BYTES) {
        kept = &events->kept[++events->number % ASSAY_EVENTS_KEPT];
        free(*kept);
        *kept = piece;
        send_all(events, piece, (size_t)len, false);
        piece = NULL;
    }
    pthread_mutex_unlock(&events->lock);
    free(piece);
}

// What was told after `after`, as far as it is kept. The lock is held.
static void catch_up(
        const struct assay_events *events, struct assay_http_stream *stream, uint64_t after)
{
    uint64_t first = after + 1;

    if (events->number >= ASSAY_EVENTS_KEPT && first <= events->number - ASSAY_EVENTS_KEPT)
        first = events->number - ASSAY_EVENTS_KEPT + 1;
    for (uint64_t i = first; i <= events->number; i++) {
        const char *kept = events->kept[i % ASSAY_EVENTS_KEPT];

        if (kept != NULL)
            (void)assay_http_stream_write(stream, kept, strlen(kept));
    }
}

void assay_events_watch(
        struct assay_events *events, struct assay_http_request *request, uint64_t after, bool store)
{
    static const char hello[] = "retry: 1000\n\n";
    struct watcher *watcher = malloc(sizeof(*watcher));
    struct assay_http_stream *stream = assay_http_feed(request, "text/event-stream");

    if (stream == NULL || watcher == NULL) {
        assay_http_stream_end(stream);
        free(watcher);
        return;
    }
    (void)assay_http_stream_write(stream, hello, sizeof(hello) - 1);
    if (store)
        (void)assay_http_stream_write(stream, changed, sizeof(changed) - 1);
    pthread_mutex_lock(&events->lock);
    if (after > 0)
        catch_up(events, stream, after);
    if (events->ending) {
        assay_http_stream_end(stream);
        free(watcher);
    } else {
        *watcher = (struct watcher){stream, events->watchers, store};
        events->watchers = watcher;
        events->store_watchers += store;
    }
    pthread_mutex_unlock(&events->lock);
}
