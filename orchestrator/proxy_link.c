// SPDX-License-Identifier: MIT
#include "orchestrator/proxy_link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

#define FLOW_BYTES_MAX ((size_t)65536) // of one direction
#define READ_BYTES 16384
#define ANSWER_MS_MAX 2000
#define DISCARD_BYTES_MAX ((uint64_t)1 << 20)
#define ASK_BYTES_MAX 8192 // of another proxy's answer

_Static_assert(FLOW_BYTES_MAX / 2 >= ASSAY_PROXY_HEAD_BYTES_MAX, "a head, and one written anew");

struct assay_link *assay_link_create(const struct assay_link_world *world, int box_fd)
{
    struct assay_link *link = calloc(1, sizeof(*link));
    const int on = 1;

    if (link == NULL)
        return NULL;
    (void)setsockopt(box_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    link->state = LINK_HEAD;
    link->box_fd = box_fd;
    link->host_fd = -1;
    assay_buf_init(&link->up.buf, FLOW_BYTES_MAX);
    assay_buf_init(&link->down.buf, FLOW_BYTES_MAX);
    link->up.left = link->down.left = UINT64_MAX;
    link->deadline_ms = assay_clock_ms() + world->options.head_ms_max;
    return link;
}

void assay_link_destroy(struct assay_link *link)
{
    assay_lookup_drop(link->lookup);
    close(link->box_fd);
    if (link->host_fd >= 0)
        close(link->host_fd);
    assay_buf_free(&link->up.buf);
    assay_buf_free(&link->down.buf);
    free(link);
}

// --- flows ---------------------------------------------------------------------------------------

static size_t waiting(const struct assay_flow *flow)
{
    return flow->buf.len - flow->sent;
}

static bool wants_in(const struct assay_flow *flow)
{
    return !flow->source_over && flow->left > 0 && waiting(flow) < FLOW_BYTES_MAX - READ_BYTES;
}

// False: that side is dead.
static bool take_in(struct assay_flow *flow, int fd)
{
    const size_t most = flow->left < READ_BYTES ? (size_t)flow->left : READ_BYTES;
    ssize_t got = 0;

    if (flow->sent > 0) {
        memmove(flow->buf.data, flow->buf.data + flow->sent, waiting(flow));
        assay_buf_truncate(&flow->buf, waiting(flow));
        flow->sent = 0;
    }
    if (!assay_buf_reserve(&flow->buf, most))
        return false;
    got = recv(fd, flow->buf.data + flow->buf.len, most, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        flow->source_over = true;
    flow->buf.len += (size_t)got;
    flow->buf.data[flow->buf.len] = '\0';
    flow->left -= (uint64_t)got;
    return true;
}

// What the box says that nobody is to hear; only its end matters. False: it is dead, or never ends.
static bool throw_away(struct assay_link *link)
{
    char bytes[READ_BYTES];
    const ssize_t got = recv(link->box_fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    link->up.source_over = got == 0;
    link->discarded_bytes += (uint64_t)got;
    return link->discarded_bytes <= DISCARD_BYTES_MAX;
}

// False: that side is dead.
static bool give_out(struct assay_flow *flow, int fd)
{
    const ssize_t gone = waiting(flow) == 0
            ? 0
            : send(fd, flow->buf.data + flow->sent, waiting(flow), MSG_DONTWAIT | MSG_NOSIGNAL);

    if (gone < 0)
        return errno == EAGAIN || errno == EINTR;
    flow->sent += (size_t)gone;
    if (flow->source_over && waiting(flow) == 0 && !flow->sink_over) {
        flow->sink_over = true;
        (void)shutdown(fd, SHUT_WR);
    }
    return true;
}

// --- refusing ------------------------------------------------------------------------------------

static const char *reason_phrase(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } rows[] = {{400, "Bad Request"}, {403, "Forbidden"}, {408, "Request Timeout"},
            {411, "Length Required"}, {431, "Request Header Fields Too Large"},
            {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
            {504, "Gateway Timeout"}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].status == status)
            return rows[i].phrase;
    return "Error";
}

static void name_target(const struct assay_link *link, char out[ASSAY_HOST_BYTES_MAX + 8])
{
    const struct assay_proxy_request *request = &link->request;

    if (request->kind == ASSAY_HOST_INVALID)
        (void)snprintf(out, ASSAY_HOST_BYTES_MAX + 8, "%s",
                request->shown[0] != '\0' ? request->shown : "(no host)");
    else
        (void)snprintf(out, ASSAY_HOST_BYTES_MAX + 8, "%s:%u", request->host, request->port);
}

// Tell the box, and count it where the box is to blame.
static void answer(
        struct assay_link *link, const struct assay_link_world *world, int status, const char *why)
{
    char where[ASSAY_HOST_BYTES_MAX + 8];
    char body[ASSAY_HOST_BYTES_MAX + 200];
    int len = 0;

    name_target(link, where);
    if (status < 500)
        assay_proxy_note(world->report, where, why);
    len = snprintf(body, sizeof(body), "assay: %s: %s\n", where, why);
    assay_lookup_drop(link->lookup);
    link->lookup = NULL;
    if (link->host_fd >= 0)
        close(link->host_fd);
    link->host_fd = -1;
    assay_buf_clear(&link->up.buf);
    assay_buf_clear(&link->down.buf);
    link->up.sent = link->down.sent = 0;
    assay_buf_addf(&link->down.buf,
            "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
            "Connection: close\r\n\r\n%s",
            status, reason_phrase(status), len, body);
    link->down.source_over = true;
    link->state = LINK_ANSWER;
    link->deadline_ms = assay_clock_ms() + ANSWER_MS_MAX;
}

// --- from a head to a connection -----------------------------------------------------------------

static const struct assay_host_rule *find_rule(
        const struct assay_link_world *world, const struct assay_proxy_request *request)
{
    for (size_t i = 0; i < world->options.rule_count; i++)
        if (assay_host_rule_match(
                    &world->options.rules[i], request->kind, request->host, request->port))
            return &world->options.rules[i];
    return NULL;
}

static void start_connect(struct assay_link *link, const struct assay_link_world *world);

static void go_there(struct assay_link *link, const struct assay_link_world *world)
{
    const struct assay_proxy_request *request = &link->request;
    const char *host = link->upstream != NULL ? link->upstream->host : request->host;
    const uint16_t port = link->upstream != NULL ? link->upstream->port : request->port;

    link->deadline_ms = assay_clock_ms() + world->options.connect_ms_max;
    if (assay_address_read(&link->addresses[0], host, port)) {
        link->address_count = 1;
        start_connect(link, world);
        return;
    }
    link->state = LINK_LOOKUP;
    link->lookup = assay_lookup_start(host, port, world->wake_fd);
    if (link->lookup == NULL)
        answer(link, world, 503, "too many names are being looked up");
}

// What goes to the host in front of everything else.
static void prepare_up(struct assay_link *link)
{
    const struct assay_proxy_request *request = &link->request;
    const struct assay_upstream *upstream = link->upstream;
    const char *authorization =
            upstream != NULL && upstream->authorization[0] != '\0' ? upstream->authorization : NULL;
    const size_t early = link->up.buf.len - request->head_bytes;
    struct assay_buf ready;
    size_t body = early;

    assay_buf_init(&ready, FLOW_BYTES_MAX);
    if (!request->connect) {
        assay_proxy_request_write(
                &ready, request, link->up.buf.data, upstream != NULL, authorization);
        // Beyond its body the box has nothing to say: what it sends is never looked at.
        body = early < request->body_bytes ? early : (size_t)request->body_bytes;
        link->up.left = request->body_bytes - body;
    }
    assay_buf_add(&ready, link->up.buf.data + request->head_bytes, body);
    assay_buf_free(&link->up.buf);
    link->up.buf = ready;
    link->up.sent = 0;
}

static void read_head(struct assay_link *link, const struct assay_link_world *world)
{
    const int status =
            assay_proxy_request_read(&link->request, link->up.buf.data, link->up.buf.len);
    const struct assay_host_rule *rule = NULL;

    if (status == 0)
        return;
    if (status != 200) {
        answer(link, world, status, "not a well-formed request of a proxy");
        return;
    }
    rule = find_rule(world, &link->request);
    if (rule == NULL) {
        answer(link, world, 403, "not on this box's allow-list");
        return;
    }
    link->listed_address = rule->address;
    if (!rule->address && world->options.upstreams != NULL)
        link->upstream = assay_upstream_for(world->options.upstreams, link->request.connect,
                link->request.host, link->request.port);
    prepare_up(link);
    if (link->up.buf.failed)
        answer(link, world, 431, "the head is too large");
    else
        go_there(link, world);
}

// Another proxy is the user's own choice, as is an address on the list; a name must not lead home.
static bool may_connect(const struct assay_link *link, const struct assay_address *address)
{
    return link->upstream != NULL || link->listed_address ||
            (!assay_address_is_forbidden(address) && !assay_address_is_own(address));
}

static void start_connect(struct assay_link *link, const struct assay_link_world *world)
{
    bool forbidden = false;

    while (link->address_next < link->address_count) {
        const struct assay_address *address = &link->addresses[link->address_next++];
        const int on = 1;

        if (!may_connect(link, address)) {
            forbidden = true;
            continue;
        }
        link->host_fd =
                socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (link->host_fd < 0)
            continue;
        (void)setsockopt(link->host_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(link->host_fd, (const struct sockaddr *)(const void *)&address->storage,
                    address->len) == 0 ||
                errno == EINPROGRESS) {
            link->state = LINK_CONNECT;
            return;
        }
        close(link->host_fd);
        link->host_fd = -1;
    }
    if (forbidden)
        answer(link, world, 403, "the name leads to an address that is never permitted");
    else
        answer(link, world, 502, "cannot be reached");
}

static void finish_lookup(struct assay_link *link, const struct assay_link_world *world)
{
    if (!assay_lookup_done(link->lookup, link->addresses, &link->address_count))
        return;
    assay_lookup_drop(link->lookup);
    link->lookup = NULL;
    if (link->address_count == 0)
        answer(link, world, 502, "the name is not known");
    else
        start_connect(link, world);
}

static void start_relay(struct assay_link *link, const struct assay_link_world *world)
{
    if (link->request.connect)
        assay_buf_adds(&link->down.buf, "HTTP/1.1 200 Connection established\r\n\r\n");
    link->state = LINK_RELAY;
    link->deadline_ms = assay_clock_ms() + world->options.idle_ms_max;
    world->report->allowed++;
}

static void finish_connect(struct assay_link *link, const struct assay_link_world *world)
{
    socklen_t len = sizeof(int);
    int problem = 0;

    if (getsockopt(link->host_fd, SOL_SOCKET, SO_ERROR, &problem, &len) < 0 || problem != 0) {
        close(link->host_fd);
        link->host_fd = -1;
        start_connect(link, world);
        return;
    }
    if (link->upstream == NULL || !link->request.connect) {
        start_relay(link, world);
        return;
    }
    // The box's early bytes stay in `up` until the other proxy has answered.
    assay_buf_addf(&link->down.buf, "CONNECT %s:%u HTTP/1.1\r\nHost: %s:%u\r\n", link->request.host,
            link->request.port, link->request.host, link->request.port);
    if (link->upstream->authorization[0] != '\0')
        assay_buf_addf(
                &link->down.buf, "Proxy-Authorization: %s\r\n", link->upstream->authorization);
    assay_buf_adds(&link->down.buf, "\r\n");
    link->state = LINK_ASK;
}

// --- another proxy's answer ----------------------------------------------------------------------

// The answer of another proxy, as far as it has come. False: it refuses, or is no proxy.
static bool read_upstream_answer(struct assay_link *link, const struct assay_link_world *world)
{
    const struct assay_buf *heard = &link->down.buf;
    const char *end = memmem(heard->data, heard->len, "\r\n\r\n", 4);
    struct assay_buf early;

    if (end == NULL)
        return heard->len <= ASK_BYTES_MAX;
    if (heard->len < 12 || strncmp(heard->data, "HTTP/1.", 7) != 0 || heard->data[8] != ' ' ||
            heard->data[9] != '2')
        return false;
    end += 4;
    assay_buf_init(&early, FLOW_BYTES_MAX); // what the host said at once
    assay_buf_add(&early, end, heard->len - (size_t)(end - heard->data));
    assay_buf_clear(&link->down.buf);
    start_relay(link, world);
    assay_buf_add(&link->down.buf, early.data, early.len);
    assay_buf_free(&early);
    return true;
}

// In LINK_ASK `down` holds our question, and once that is sent the answer.
static bool ask_upstream(struct assay_link *link, const struct assay_link_world *world)
{
    struct assay_flow *flow = &link->down;

    if (!link->asked) {
        if (!give_out(flow, link->host_fd))
            return false;
        link->asked = waiting(flow) == 0;
        if (link->asked) {
            assay_buf_clear(&flow->buf);
            flow->sent = 0;
        }
        return true;
    }
    return take_in(flow, link->host_fd) && !flow->source_over && read_upstream_answer(link, world);
}

// --- one step ------------------------------------------------------------------------------------

static bool hear_box(struct assay_link *link, short seen)
{
    if (wants_in(&link->up))
        return take_in(&link->up, link->box_fd);
    if (link->up.left == 0) // a plain request is complete: what follows is not passed on
        return throw_away(link);
    return (seen & (POLLHUP | POLLERR)) == 0;
}

static bool relay(
        struct assay_link *link, const struct assay_link_world *world, const struct pollfd seen[2])
{
    const short in = POLLIN | POLLHUP | POLLERR;

    if (seen[0].revents != 0 || seen[1].revents != 0)
        link->deadline_ms = assay_clock_ms() + world->options.idle_ms_max;
    if ((seen[0].revents & in) != 0 && !link->up.source_over && !hear_box(link, seen[0].revents))
        return false;
    if ((seen[1].revents & in) != 0 && wants_in(&link->down) &&
            !take_in(&link->down, link->host_fd))
        return false;
    if (!give_out(&link->up, link->host_fd) || !give_out(&link->down, link->box_fd))
        return false;
    // A plain request is over with its answer; a tunnel when both sides are.
    return !(link->down.sink_over && (link->up.sink_over || !link->request.connect));
}

static bool send_answer(struct assay_link *link, const struct pollfd seen[2])
{
    if (!give_out(&link->down, link->box_fd))
        return false;
    // What the box still sends is thrown away: closing on it would cost the box the answer.
    if ((seen[0].revents & (POLLIN | POLLHUP | POLLERR)) != 0 && !link->up.source_over &&
            !throw_away(link))
        return false;
    return !(link->up.source_over && link->down.sink_over);
}

static bool late(struct assay_link *link, const struct assay_link_world *world)
{
    if (link->state == LINK_HEAD && link->up.buf.len > 0)
        answer(link, world, 408, "took too long to say what it wants");
    else if (link->state == LINK_LOOKUP || link->state == LINK_CONNECT || link->state == LINK_ASK)
        answer(link, world, 504, "took too long to answer");
    else
        return false;
    return true;
}

bool assay_link_step(
        struct assay_link *link, const struct assay_link_world *world, const struct pollfd seen[2])
{
    if (assay_clock_ms() >= link->deadline_ms && !late(link, world))
        return false;
    switch (link->state) {
    case LINK_HEAD:
        if (seen[0].revents != 0) {
            if (!take_in(&link->up, link->box_fd))
                return false;
            read_head(link, world);
            // It hung up before it had asked: there is nobody to answer.
            if (link->state == LINK_HEAD && link->up.source_over)
                return false;
        }
        return true;
    case LINK_LOOKUP:
        finish_lookup(link, world);
        return (seen[0].revents & (POLLHUP | POLLERR)) == 0;
    case LINK_CONNECT:
        if (seen[1].revents != 0)
            finish_connect(link, world);
        return (seen[0].revents & (POLLHUP | POLLERR)) == 0;
    case LINK_ASK:
        if (seen[1].revents != 0 && !ask_upstream(link, world))
            answer(link, world, 502, "the host's own proxy refused");
        return (seen[0].revents & (POLLHUP | POLLERR)) == 0;
    case LINK_RELAY:
        return relay(link, world, seen);
    case LINK_ANSWER:
        return send_answer(link, seen);
    }
    return false;
}

static bool hears_box(const struct assay_link *link)
{
    return !link->up.source_over &&
            (link->state == LINK_ANSWER || link->up.left == 0 || wants_in(&link->up));
}

void assay_link_watch(const struct assay_link *link, struct pollfd watched[2])
{
    watched[0] = (struct pollfd){.fd = link->box_fd};
    watched[1] = (struct pollfd){.fd = link->host_fd};
    switch (link->state) {
    case LINK_HEAD:
        watched[0].events = POLLIN;
        break;
    case LINK_LOOKUP:
        break;
    case LINK_CONNECT:
        watched[1].events = POLLOUT;
        break;
    case LINK_ASK:
        watched[1].events = link->asked ? POLLIN : POLLOUT;
        break;
    case LINK_RELAY:
    case LINK_ANSWER:
        watched[0].events =
                (short)((hears_box(link) ? POLLIN : 0) | (waiting(&link->down) > 0 ? POLLOUT : 0));
        watched[1].events = (short)((wants_in(&link->down) ? POLLIN : 0) |
                (waiting(&link->up) > 0 ? POLLOUT : 0));
        // A side that has said all, and is to be told nothing now, would hang up again and again.
        if (link->up.source_over && watched[0].events == 0)
            watched[0].fd = -1;
        if (watched[1].events == 0)
            watched[1].fd = -1;
        break;
    }
}
