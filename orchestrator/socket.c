// SPDX-License-Identifier: MIT
#include "orchestrator/socket.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "base/clock.h"
#include "base/hash.h"
#include "orchestrator/serve_parts.h"

#define EVENTS 64
#define LOOK_MS 500
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_BYTES 24
#define CLOSE_TRY_LATER 1013
#define CLOSE_POLICY 1008

struct message {
    struct message *next;
    size_t len;
    char text[];
};

struct assay_socket {
    struct assay_sockets *sockets;
    const struct assay_socket_kind *kind;
    void *state;
    struct assay_socket *next; // of all
    // The network thread's.
    struct assay_http_socket *http; // NULL: its client was gone before
    int fd;
    wslay_event_context_ptr wslay; // owned
    struct assay_buf early;        // what came with the request; `early_taken` of it is read
    size_t early_taken;
    uint64_t heard_ms;
    uint32_t watched; // events that the kernel was asked for
    struct message *first, *last;
    size_t waiting;
    bool dead; // nothing is read or written any more
    // Under the lock.
    bool busy; // a message is with a worker, or with whoever answers it
    bool over; // closed, once what is queued is sent
    struct assay_buf reply;
};

struct assay_sockets {
    struct assay_workers *workers;
    size_t count_max;
    uint64_t silence_ms_max;
    int epoll_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; // around what follows
    struct assay_socket *all;
    size_t count;
    bool ending;
};

static void wake(const struct assay_sockets *sockets)
{
    const uint64_t one = 1;

    if (write(sockets->wake_fd, &one, sizeof(one)) < 0)
        return; // it is full of wakes
}

// --- libwslay -----------------------------------------------------------------------------------

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *out, size_t max, int flags, void *user)
{
    struct assay_socket *s = user;
    const size_t early = s->early.len - s->early_taken;
    ssize_t got;

    (void)flags;
    if (early > 0) {
        const size_t len = early < max ? early : max;

        memcpy(out, s->early.data + s->early_taken, len);
        s->early_taken += len;
        return (ssize_t)len;
    }
    do {
        got = recv(s->fd, out, max, MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        s->heard_ms = assay_clock_ms();
    if (got < 0 && errno == EAGAIN)
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
    else if (got <= 0)
        wslay_event_set_error(ctx, WSLAY_ERR_CALLBACK_FAILURE);
    return got > 0 ? got : -1;
}

static ssize_t on_send(
        wslay_event_context_ptr ctx, const uint8_t *bytes, size_t len, int flags, void *user)
{
    const struct assay_socket *s = user;
    ssize_t sent;

    (void)flags;
    do {
        sent = send(s->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0)
        wslay_event_set_error(
                ctx, errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return sent;
}

static void close_with(const struct assay_socket *s, uint16_t code)
{
    (void)wslay_event_queue_close(s->wslay, code, NULL, 0);
}

static void on_message(
        wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *arg, void *user)
{
    struct assay_socket *s = user;
    struct message *message;

    (void)ctx;
    if (wslay_is_ctrl_frame(arg->opcode))
        return;
    message = s->waiting < ASSAY_SOCKET_WAITING_MAX ? malloc(sizeof(*message) + arg->msg_length + 1)
                                                    : NULL;
    if (message == NULL) {
        close_with(s, CLOSE_POLICY);
        return;
    }
    message->next = NULL;
    message->len = arg->msg_length;
    if (arg->msg_length > 0)
        memcpy(message->text, arg->msg, arg->msg_length);
    message->text[arg->msg_length] = '\0';
    if (s->first == NULL)
        s->first = message;
    else
        s->last->next = message;
    s->last = message;
    s->waiting++;
}

// --- messages -----------------------------------------------------------------------------------

struct work {
    struct assay_socket *socket;
    struct message *message;
};

static void do_message(void *user)
{
    struct work *work = user;

    work->socket->kind->message(
            work->socket->state, work->socket, work->message->text, work->message->len);
    free(work->message);
    free(work);
}

static void do_close(void *user)
{
    struct assay_socket *s = user;
    struct assay_sockets *sockets = s->sockets;

    s->kind->close(s->state);
    free(s);
    pthread_mutex_lock(&sockets->lock);
    sockets->count--;
    pthread_mutex_unlock(&sockets->lock);
    wake(sockets);
}

// The next message goes to a worker, if none is there. Not under the lock.
static void go_on(struct assay_socket *s)
{
    struct message *message = s->first;
    struct work *work;
    bool idle;

    if (message == NULL || s->dead)
        return;
    pthread_mutex_lock(&s->sockets->lock);
    idle = !s->busy && !s->over;
    s->busy |= idle;
    pthread_mutex_unlock(&s->sockets->lock);
    if (!idle)
        return;
    work = malloc(sizeof(*work));
    s->first = message->next;
    s->waiting--;
    if (work != NULL)
        *work = (struct work){s, message};
    if (work != NULL && assay_workers_add(s->sockets->workers, do_message, work))
        return;
    free(work);
    free(message);
    close_with(s, CLOSE_TRY_LATER);
    pthread_mutex_lock(&s->sockets->lock);
    s->busy = false;
    pthread_mutex_unlock(&s->sockets->lock);
}

void assay_socket_answer(struct assay_socket *ticket, struct assay_buf *reply, bool over)
{
    struct assay_sockets *sockets = ticket->sockets;

    pthread_mutex_lock(&sockets->lock);
    ticket->reply = *reply;
    ticket->over |= over || reply->failed;
    ticket->busy = false;
    pthread_mutex_unlock(&sockets->lock);
    wake(sockets);
}

// --- the network thread -------------------------------------------------------------------------

// What was answered is queued.
static void take_reply(struct assay_socket *s)
{
    struct assay_buf reply;
    uint16_t code;
    bool over;

    pthread_mutex_lock(&s->sockets->lock);
    reply = s->reply;
    assay_buf_init(&s->reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    over = (s->over || s->sockets->ending) && !s->busy;
    code = s->sockets->ending ? WSLAY_CODE_GOING_AWAY : WSLAY_CODE_NORMAL_CLOSURE;
    pthread_mutex_unlock(&s->sockets->lock);
    if (reply.len > 0 && !s->dead) {
        const struct wslay_event_msg message = {
                WSLAY_TEXT_FRAME, (const uint8_t *)reply.data, reply.len};

        (void)wslay_event_queue_msg(s->wslay, &message);
    }
    assay_buf_free(&reply);
    if (over && !s->dead && !wslay_event_get_close_sent(s->wslay))
        close_with(s, code);
}

static void watch(struct assay_socket *s)
{
    const uint32_t wanted = (wslay_event_want_read(s->wslay) ? (uint32_t)EPOLLIN : 0U) |
            (wslay_event_want_write(s->wslay) ? (uint32_t)EPOLLOUT : 0U);
    struct epoll_event event = {.events = wanted, .data.ptr = s};

    if (wanted == 0) {
        s->dead = true; // both sides have said that it is over
    } else if (wanted != s->watched) {
        s->watched = wanted;
        s->dead |= epoll_ctl(s->sockets->epoll_fd, EPOLL_CTL_MOD, s->fd, &event) != 0;
    }
}

static void serve(struct assay_socket *s)
{
    take_reply(s);
    if (!s->dead)
        s->dead |= wslay_event_recv(s->wslay) != 0;
    if (!s->dead)
        go_on(s);
    if (!s->dead)
        s->dead |= wslay_event_send(s->wslay) != 0;
    if (!s->dead)
        watch(s);
    if (assay_clock_ms() - s->heard_ms > s->sockets->silence_ms_max)
        s->dead = true;
}

// The connection is gone. A worker tells its kind.
static void bury(struct assay_socket *s)
{
    if (s->http != NULL) {
        (void)epoll_ctl(s->sockets->epoll_fd, EPOLL_CTL_DEL, s->fd, NULL);
        assay_http_socket_close(s->http);
    }
    wslay_event_context_free(s->wslay);
    assay_buf_free(&s->early);
    assay_buf_free(&s->reply);
    while (s->first != NULL) {
        struct message *message = s->first;

        s->first = message->next;
        free(message);
    }
    if (!assay_workers_add(s->sockets->workers, do_close, s))
        do_close(s);
}

static void serve_all(struct assay_sockets *sockets)
{
    struct assay_socket **at = &sockets->all;

    pthread_mutex_lock(&sockets->lock);
    while (*at != NULL) {
        struct assay_socket *s = *at;
        bool gone;

        pthread_mutex_unlock(&sockets->lock);
        serve(s);
        pthread_mutex_lock(&sockets->lock);
        gone = s->dead && !s->busy;
        if (!gone) {
            at = &(*at)->next;
            continue;
        }
        while (*at != s) // another may have been put before it meanwhile
            at = &(*at)->next;
        *at = s->next;
        pthread_mutex_unlock(&sockets->lock);
        bury(s);
        pthread_mutex_lock(&sockets->lock);
        at = &sockets->all; // the list may have changed; who was served is served again
    }
    pthread_mutex_unlock(&sockets->lock);
}

static void *run(void *user)
{
    struct assay_sockets *sockets = user;
    struct epoll_event events[EVENTS];
    bool over = false;

    while (!over) {
        uint64_t wakes;

        if (epoll_wait(sockets->epoll_fd, events, EVENTS, LOOK_MS) < 0 && errno != EINTR)
            break;
        if (read(sockets->wake_fd, &wakes, sizeof(wakes)) < 0 && errno != EAGAIN)
            break;
        serve_all(sockets);
        pthread_mutex_lock(&sockets->lock);
        over = sockets->ending && sockets->count == 0;
        pthread_mutex_unlock(&sockets->lock);
    }
    return NULL;
}

// --- accepting ----------------------------------------------------------------------------------

static void on_upgraded(
        void *user, struct assay_http_socket *http, int fd, const char *early, size_t early_len)
{
    struct assay_socket *s = user;
    struct assay_sockets *sockets = s->sockets;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};

    s->fd = fd;
    s->http = http;
    s->heard_ms = assay_clock_ms();
    s->watched = EPOLLIN;
    if (early_len > 0)
        (void)assay_buf_add(&s->early, early, early_len);
    s->dead = http == NULL || s->early.failed ||
            epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0;
    pthread_mutex_lock(&sockets->lock);
    s->next = sockets->all;
    sockets->all = s;
    pthread_mutex_unlock(&sockets->lock);
    wake(sockets);
}

static bool has_word(const char *list, const char *word)
{
    const size_t len = strlen(word);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += strspn(at, ", \t");
        if (strncasecmp(at, word, len) == 0 && strchr(", \t", at[len]) != NULL)
            return true;
    }
    return false;
}

// The value that says that we understood.
static bool shake_hands(struct assay_http_request *request, char accept[ASSAY_SHA1_BASE64_BYTES])
{
    const char *key = assay_http_header(request, "Sec-WebSocket-Key");
    const char *version = assay_http_header(request, "Sec-WebSocket-Version");
    char text[KEY_BYTES + sizeof(GUID)];

    if (!has_word(assay_http_header(request, "Upgrade"), "websocket") ||
            !has_word(assay_http_header(request, "Connection"), "upgrade") || key == NULL ||
            strlen(key) != KEY_BYTES || version == NULL || strcmp(version, "13") != 0)
        return false;
    snprintf(text, sizeof(text), "%s" GUID, key);
    return assay_sha1_base64(accept, text, strlen(text), NULL) == ASSAY_OK;
}

static struct assay_socket *make(struct assay_sockets *sockets)
{
    static const struct wslay_event_callbacks callbacks = {
            .recv_callback = on_recv, .send_callback = on_send, .on_msg_recv_callback = on_message};
    struct assay_socket *s = calloc(1, sizeof(*s));

    if (s == NULL || wslay_event_context_server_init(&s->wslay, &callbacks, s) != 0) {
        free(s);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(s->wslay, ASSAY_SOCKET_MESSAGE_BYTES_MAX);
    s->sockets = sockets;
    assay_buf_init(&s->early, ASSAY_SOCKET_MESSAGE_BYTES_MAX);
    assay_buf_init(&s->reply, ASSAY_SERVE_REPLY_BYTES_MAX);
    return s;
}

bool assay_sockets_accept(struct assay_sockets *sockets, struct assay_http_request *request,
        const struct assay_socket_kind *kind, void *state)
{
    char accept[ASSAY_SHA1_BASE64_BYTES];
    struct assay_socket *s = NULL;
    bool room;

    if (!shake_hands(request, accept)) {
        assay_http_add_header(request, "Sec-WebSocket-Version", "13");
        assay_service_refuse(request, 400, "websocket", "a WebSocket handshake is wanted");
        return false;
    }
    pthread_mutex_lock(&sockets->lock);
    room = sockets->count < sockets->count_max && !sockets->ending;
    sockets->count += room;
    pthread_mutex_unlock(&sockets->lock);
    s = room ? make(sockets) : NULL;
    if (s == NULL) {
        pthread_mutex_lock(&sockets->lock);
        sockets->count -= room;
        pthread_mutex_unlock(&sockets->lock);
        assay_service_refuse(request, 429, "sockets", "too many connections");
        return false;
    }
    s->kind = kind;
    s->state = state;
    assay_http_add_header(request, "Sec-WebSocket-Accept", accept);
    assay_http_upgrade(request, "websocket", on_upgraded, s);
    return true;
}

// --- life ---------------------------------------------------------------------------------------

enum assay_status assay_sockets_create(struct assay_sockets **out, struct assay_workers *workers,
        size_t count_max, uint64_t silence_ms_max, struct assay_error *err)
{
    struct assay_sockets *sockets = calloc(1, sizeof(*sockets));
    struct epoll_event event = {.events = EPOLLIN};

    if (sockets == NULL)
        return assay_fail(err, ASSAY_ENOMEM, "out of memory");
    *sockets = (struct assay_sockets){
            .workers = workers, .count_max = count_max, .silence_ms_max = silence_ms_max};
    pthread_mutex_init(&sockets->lock, NULL);
    sockets->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    sockets->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (sockets->epoll_fd >= 0 && sockets->wake_fd >= 0 &&
            epoll_ctl(sockets->epoll_fd, EPOLL_CTL_ADD, sockets->wake_fd, &event) == 0)
        sockets->has_thread = pthread_create(&sockets->thread, NULL, run, sockets) == 0;
    if (!sockets->has_thread) {
        assay_sockets_destroy(sockets);
        return assay_fail(err, ASSAY_EIO, "no descriptors or threads for WebSockets");
    }
    *out = sockets;
    return ASSAY_OK;
}

void assay_sockets_end(struct assay_sockets *sockets)
{
    pthread_mutex_lock(&sockets->lock);
    sockets->ending = true;
    pthread_mutex_unlock(&sockets->lock);
    if (sockets->has_thread) {
        wake(sockets);
        pthread_join(sockets->thread, NULL);
    }
    sockets->has_thread = false;
}

void assay_sockets_destroy(struct assay_sockets *sockets)
{
    if (sockets == NULL)
        return;
    assay_sockets_end(sockets);
    if (sockets->epoll_fd >= 0)
        close(sockets->epoll_fd);
    if (sockets->wake_fd >= 0)
        close(sockets->wake_fd);
    pthread_mutex_destroy(&sockets->lock);
    free(sockets);
}

size_t assay_sockets_count(struct assay_sockets *sockets)
{
    size_t count;

    pthread_mutex_lock(&sockets->lock);
    count = sockets->count;
    pthread_mutex_unlock(&sockets->lock);
    return count;
}
