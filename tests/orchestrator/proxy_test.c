// SPDX-License-Identifier: MIT
// What must hold: through the proxy a box reaches what its list permits and nothing else; what was
// refused stands in the report; no sender can hold the proxy up, and it ends when it is told to.
#include "orchestrator/proxy.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "orchestrator/proxy_rig.h"
#include "support/harness.h"

// --- what is permitted ---------------------------------------------------------------------------

static void a_plain_request_reaches_a_listed_host(void **state)
{
    struct host host;
    struct setting setting;
    struct assay_buf answer;
    char request[256], wanted[256];

    (void)state;
    start_host(&host, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
    start_simple(&setting, &host);
    (void)snprintf(request, sizeof(request),
            "GET http://127.0.0.1:%u/a?b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX: y\r\n"
            "Proxy-Connection: keep-alive\r\n\r\n",
            host.port, host.port);
    for (unsigned i = 0; i < 2; i++) {
        const int fd = connect_to(setting.port);
        char bytes[256] = "";
        size_t len = 0;
        ssize_t got = 0;

        say(fd, request, strlen(request));
        // The host here says no more than this and waits for our end, which is the proxy's.
        while (strstr(bytes, "\r\n\r\nok") == NULL &&
                (got = recv(fd, bytes + len, sizeof(bytes) - 1 - len, 0)) > 0)
            len += (size_t)got;
        assert_memory_equal(bytes, "HTTP/1.1 200 OK\r\n", 17);
        close(fd);
    }
    assay_proxy_stop(setting.proxy, NULL);
    stop_host(&host);
    (void)snprintf(wanted, sizeof(wanted),
            "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX: y\r\nConnection: close\r\n\r\n",
            host.port);
    assert_int_equal(host.heard.len, 2 * strlen(wanted));
    assert_memory_equal(host.heard.data, wanted, strlen(wanted));
    assay_buf_init(&answer, 1);
    assay_buf_free(&host.heard);
}

static void a_tunnel_carries_bytes_both_ways_and_half_closes(void **state)
{
    struct host host;
    struct setting setting;
    struct assay_proxy_report report;
    struct assay_buf answer;
    char request[256];

    (void)state;
    start_host(&host, "welcome;");
    start_simple(&setting, &host);
    // What follows the head in one piece with it is the tunnel's already.
    (void)snprintf(request, sizeof(request), "CONNECT 127.0.0.1:%u HTTP/1.1\r\n\r\nfirst\r\n\r\n",
            host.port);
    {
        const int fd = connect_to(setting.port);

        say(fd, request, strlen(request));
        say(fd, "second", 6);
        shutdown(fd, SHUT_WR);
        read_all(fd, &answer);
        close(fd);
    }
    assert_memory_equal(answer.data, "HTTP/1.1 200 Connection established\r\n\r\nwelcome;", 47);
    assay_proxy_stop(setting.proxy, &report);
    stop_host(&host);
    assert_string_equal(host.heard.data, "first\r\n\r\nsecond");
    assert_int_equal(report.allowed, 1);
    assert_int_equal(report.refusal_count, 0);
    assay_buf_free(&answer);
    assay_buf_free(&host.heard);
}

struct pour {
    int fd;
    size_t bytes;
};

static void *pour_in(void *argument)
{
    const struct pour *pour = argument;
    static const char chunk[65536];

    for (size_t sent = 0; sent < pour->bytes; sent += sizeof(chunk))
        say(pour->fd, chunk, sizeof(chunk));
    shutdown(pour->fd, SHUT_WR);
    return NULL;
}

// Far more than all buffers together, back and forth at once.
static void a_tunnel_carries_much(void **state)
{
    struct host host;
    struct setting setting;
    struct assay_buf answer;
    struct pour pour = {.bytes = (size_t)3 << 20};
    pthread_t thread;
    char request[128];

    (void)state;
    start_host(&host, "");
    start_simple(&setting, &host);
    pour.fd = connect_to(setting.port);
    (void)snprintf(request, sizeof(request), "CONNECT 127.0.0.1:%u HTTP/1.1\r\n\r\nhead\r\n\r\n",
            host.port);
    say(pour.fd, request, strlen(request));
    assert_int_equal(pthread_create(&thread, NULL, pour_in, &pour), 0);
    read_all(pour.fd, &answer);
    pthread_join(thread, NULL);
    close(pour.fd);
    assay_proxy_stop(setting.proxy, NULL);
    stop_host(&host);
    assert_int_equal(host.heard.len, pour.bytes + strlen("head\r\n\r\n"));
    assert_true(answer.len + 4096 >= pour.bytes); // all but what came with the head
    assay_buf_free(&answer);
    assay_buf_free(&host.heard);
}

// --- what is refused -----------------------------------------------------------------------------

static void everything_else_is_refused_and_reported(void **state)
{
    static const struct {
        const char *head, *where;
        int status;
    } rows[] = {
            {"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "evil.example:443", 403},
            {"CONNECT pypi.example:22 HTTP/1.1\r\n\r\n", "pypi.example:22", 403},
            {"CONNECT pypi.example.evil.example:443 HTTP/1.1\r\n\r\n",
                    "pypi.example.evil.example:443", 403},
            {"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", "169.254.169.254:80", 403},
            {"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "[::1]:443", 403},
            {"CONNECT [::ffff:169.254.169.254]:80 HTTP/1.1\r\n\r\n", "[::ffff:169.254.169.254]:80",
                    403},
            {"CONNECT 0xa9fea9fe:80 HTTP/1.1\r\n\r\n", "0xa9fea9fe:80", 400},
            {"CONNECT 0251.0376.0251.0376:80 HTTP/1.1\r\n\r\n", "0251.0376.0251.0376:80", 400},
            {"CONNECT pypi.example:443@evil.example:443 HTTP/1.1\r\n\r\n",
                    "pypi.example:443@evil.example:443", 400},
            {"GET http://evil.example/ HTTP/1.1\r\n\r\n", "evil.example:80", 403},
            {"GET http://evil.example/ HTTP/1.1\r\nHost: pypi.example\r\n\r\n", "evil.example:80",
                    400},
            {"GET / HTTP/1.1\r\nHost: pypi.example\r\n\r\n", "(no host)", 400},
            {"\x16\x03\x01 tls to a proxy\r\n\r\n", "(no host)", 400},
    };
    const char *const entries[] = {"pypi.example", "*.files.example:8080"};
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    const struct assay_proxy_options options = {.head_ms_max = 0};
    struct setting setting;
    struct assay_proxy_report report;

    (void)state;
    start_proxy(&setting, options, entries, 2);
    for (size_t i = 0; i < count; i++) {
        struct assay_buf answer;

        print_message("row %zu: %s\n", i, rows[i].where);
        exchange(&setting, rows[i].head, i % 2 == 0, &answer);
        assert_status(&answer, rows[i].status);
        assert_non_null(strstr(answer.data, "\r\n\r\nassay: "));
        assay_buf_free(&answer);
    }
    assay_proxy_stop(setting.proxy, &report);
    assert_int_equal(report.allowed, 0);
    for (size_t i = 0; i < count; i++) {
        bool found = false;

        for (size_t at = 0; at < report.refusal_count; at++)
            found |= strcmp(report.refusals[at].where, rows[i].where) == 0;
        if (!found)
            fail_msg("not reported: %s", rows[i].where);
    }
}

static void the_report_is_bounded_and_counts(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 0};
    struct setting setting;
    struct assay_proxy_report report;

    (void)state;
    start_proxy(&setting, options, NULL, 0);
    for (unsigned i = 0; i < ASSAY_PROXY_REFUSALS_MAX + 20; i++) {
        struct assay_buf answer;
        char head[128];

        (void)snprintf(head, sizeof(head), "CONNECT h%u.example:443 HTTP/1.1\r\n\r\n", i);
        for (unsigned twice = 0; twice < 2; twice++) {
            exchange(&setting, head, true, &answer);
            assert_status(&answer, 403);
            assay_buf_free(&answer);
        }
    }
    assay_proxy_stop(setting.proxy, &report);
    assert_int_equal(report.refusal_count, ASSAY_PROXY_REFUSALS_MAX);
    assert_string_equal(report.refusals[0].where, "h0.example:443");
    assert_int_equal(report.refusals[0].count, 2);
    assert_int_equal(report.more, 40);
}

// A listed name is not a way to what is never permitted; only its own address on the list is.
static void a_name_that_leads_home_is_refused(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 0};
    struct host host;
    struct setting setting;
    struct assay_proxy_report report;
    struct assay_buf answer;
    char entry[32], head[128];
    const char *const entries[] = {entry};

    (void)state;
    start_host(&host, "HTTP/1.1 200 OK\r\n\r\n");
    (void)snprintf(entry, sizeof(entry), "localhost:%u", host.port);
    start_proxy(&setting, options, entries, 1);
    (void)snprintf(head, sizeof(head), "CONNECT localhost:%u HTTP/1.1\r\n\r\n", host.port);
    exchange(&setting, head, false, &answer);
    assert_status(&answer, 403);
    assert_non_null(strstr(answer.data, "never permitted"));
    assay_buf_free(&answer);
    (void)snprintf(head, sizeof(head), "CONNECT 127.0.0.1:%u HTTP/1.1\r\n\r\n", host.port);
    exchange(&setting, head, false, &answer);
    assert_status(&answer, 403);
    assay_buf_free(&answer);
    assay_proxy_stop(setting.proxy, &report);
    stop_host(&host);
    assert_int_equal(report.refusal_count, 2);
    assert_int_equal(atomic_load(&host.accepted), 0);
    assay_buf_free(&host.heard);
}

// A second request behind the first never leaves, nor does a byte beyond the body.
static void what_follows_a_request_is_not_passed_on(void **state)
{
    struct host host;
    struct setting setting;
    const char *body = NULL;
    char request[512];
    int fd = -1;
    char byte = 0;

    (void)state;
    start_host(&host, "HTTP/1.1 200 OK\r\n\r\n");
    start_simple(&setting, &host);
    (void)snprintf(request, sizeof(request),
            "POST http://127.0.0.1:%u/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
            "GET http://127.0.0.1:%u/smuggled HTTP/1.1\r\nHost: other\r\n\r\n",
            host.port, host.port);
    fd = connect_to(setting.port);
    say(fd, request, strlen(request));
    say(fd, request, strlen(request));
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
    assay_proxy_stop(setting.proxy, NULL);
    stop_host(&host);
    body = strstr(host.heard.data, "\r\n\r\n");
    assert_non_null(body);
    assert_string_equal(body, "\r\n\r\nabc");
    assert_int_equal(atomic_load(&host.accepted), 1);
    assay_buf_free(&host.heard);
}

// --- senders that waste time ---------------------------------------------------------------------

static void a_head_that_does_not_come_is_not_waited_for(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 100};
    struct setting setting;
    struct assay_buf answer;
    int silent = -1, slow = -1;

    (void)state;
    start_proxy(&setting, options, NULL, 0);
    silent = connect_to(setting.port);
    slow = connect_to(setting.port);
    say(slow, "CONNECT ", 8);
    read_all(slow, &answer);
    assert_status(&answer, 408);
    assay_buf_free(&answer);
    read_all(silent, &answer);
    assert_int_equal(answer.len, 0);
    close(silent);
    close(slow);
    assay_proxy_stop(setting.proxy, NULL);
}

static void a_crowd_that_says_nothing_holds_nobody_up_for_long(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 200};
    struct setting setting;
    struct assay_buf answer;
    int fds[150];

    (void)state;
    start_proxy(&setting, options, NULL, 0);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        fds[i] = connect_to(setting.port);
    exchange(&setting, "CONNECT evil.example:443 HTTP/1.1\r\n\r\n", false, &answer);
    assert_status(&answer, 403);
    assay_buf_free(&answer);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        close(fds[i]);
    assay_proxy_stop(setting.proxy, NULL);
}

static void a_huge_head_is_refused(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 0};
    static char head[100000];
    struct setting setting;
    struct assay_buf answer;
    int fd = -1;

    (void)state;
    memset(head, 'a', sizeof(head));
    start_proxy(&setting, options, NULL, 0);
    fd = connect_to(setting.port);
    say(fd, head, sizeof(head));
    shutdown(fd, SHUT_WR);
    read_all(fd, &answer);
    assert_status(&answer, 431);
    assay_buf_free(&answer);
    close(fd);
    assay_proxy_stop(setting.proxy, NULL);
}

static void a_host_that_is_not_there_is_told(void **state)
{
    const struct assay_proxy_options options = {.head_ms_max = 0};
    const char *const entries[] = {"127.0.0.1:1", "no-such-name.invalid"};
    struct setting setting;
    struct assay_buf answer;

    (void)state;
    start_proxy(&setting, options, entries, 2);
    exchange(&setting, "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", false, &answer);
    assert_status(&answer, 502);
    assay_buf_free(&answer);
    exchange(&setting, "CONNECT no-such-name.invalid:443 HTTP/1.1\r\n\r\n", false, &answer);
    assert_status(&answer, 502);
    assay_buf_free(&answer);
    assay_proxy_stop(setting.proxy, NULL);
}

// Tunnels that stand and heads that have not come do not keep the proxy alive.
static void it_ends_when_it_is_told_to(void **state)
{
    struct host host;
    struct setting setting;
    struct assay_buf answer;
    char request[64], byte = 0;
    int tunnel = -1, silent = -1;

    (void)state;
    start_host(&host, "welcome;");
    start_simple(&setting, &host);
    (void)snprintf(
            request, sizeof(request), "CONNECT 127.0.0.1:%u HTTP/1.1\r\n\r\na\r\n\r\n", host.port);
    tunnel = connect_to(setting.port);
    silent = connect_to(setting.port);
    say(tunnel, request, strlen(request));
    assert_int_equal(recv(tunnel, &byte, 1, 0), 1);
    assay_proxy_stop(setting.proxy, NULL);
    read_all(tunnel, &answer);
    assay_buf_free(&answer);
    assert_true(recv(silent, &byte, 1, 0) <= 0);
    close(tunnel);
    close(silent);
    stop_host(&host);
    assay_buf_free(&host.heard);
    assay_proxy_stop(NULL, NULL);
}

// --- through another proxy -----------------------------------------------------------------------

static void start_chained(struct setting *setting, const struct host *host, uint64_t connect_ms)
{
    const char *const entries[] = {"pypi.example"};
    const struct assay_proxy_options options = {
            .upstreams = &setting->upstreams, .connect_ms_max = connect_ms};
    char url[64];

    memset(setting, 0, sizeof(*setting));
    (void)snprintf(url, sizeof(url), "http://me:p%%40ss@127.0.0.1:%u/", host->port);
    assert_int_equal(assay_upstream_read(&setting->upstreams.http, url, NULL), ASSAY_OK);
    setting->upstreams.https = setting->upstreams.http;
    start_proxy(setting, options, entries, 1);
}

static void a_listed_name_goes_through_the_hosts_own_proxy(void **state)
{
    struct host host;
    struct setting setting;
    struct assay_buf answer;

    (void)state;
    start_host(&host, "HTTP/1.1 200 fine\r\nX: y\r\n\r\nearly;");
    start_chained(&setting, &host, 0);
    exchange(&setting, "CONNECT pypi.example:443 HTTP/1.1\r\nX: z\r\n\r\nhello", true, &answer);
    assert_string_equal(answer.data, "HTTP/1.1 200 Connection established\r\n\r\nearly;hello");
    assay_buf_free(&answer);
    exchange(&setting, "CONNECT evil.example:443 HTTP/1.1\r\n\r\n", true, &answer);
    assert_status(&answer, 403);
    assay_buf_free(&answer);
    assay_proxy_stop(setting.proxy, NULL);
    stop_host(&host);
    assert_string_equal(host.heard.data,
            "CONNECT pypi.example:443 HTTP/1.1\r\nHost: pypi.example:443\r\n"
            "Proxy-Authorization: Basic bWU6cEBzcw==\r\n\r\nhello");
    assay_buf_free(&host.heard);
}

static void a_plain_request_goes_through_it_with_its_whole_url(void **state)
{
    struct host host;
    struct setting setting;
    int fd = -1;
    char byte = 0;

    (void)state;
    start_host(&host, "HTTP/1.1 200 fine\r\n\r\n");
    start_chained(&setting, &host, 0);
    fd = connect_to(setting.port);
    say(fd, "GET http://pypi.example/x HTTP/1.0\r\n\r\n", 38);
    assert_int_equal(recv(fd, &byte, 1, 0), 1);
    close(fd);
    assay_proxy_stop(setting.proxy, NULL);
    stop_host(&host);
    assert_string_equal(host.heard.data,
            "GET http://pypi.example/x HTTP/1.0\r\nHost: pypi.example\r\n"
            "Proxy-Authorization: Basic bWU6cEBzcw==\r\nConnection: close\r\n\r\n");
    assay_buf_free(&host.heard);
}

static void another_proxy_that_refuses_or_is_silent_is_told(void **state)
{
    static const char *const replies[] = {"HTTP/1.1 407 no\r\n\r\n", "nonsense\r\n\r\n", NULL};
    static const int statuses[] = {502, 502, 504};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct host host;
        struct setting setting;
        struct assay_buf answer;

        print_message("row %zu\n", i);
        start_host(&host, replies[i]);
        start_chained(&setting, &host, replies[i] == NULL ? 200 : 0);
        exchange(&setting, "CONNECT pypi.example:443 HTTP/1.1\r\n\r\n", false, &answer);
        assert_status(&answer, statuses[i]);
        assay_buf_free(&answer);
        assay_proxy_stop(setting.proxy, NULL);
        stop_host(&host);
        assay_buf_free(&host.heard);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_plain_request_reaches_a_listed_host),
            cmocka_unit_test(a_tunnel_carries_bytes_both_ways_and_half_closes),
            cmocka_unit_test(a_tunnel_carries_much),
            cmocka_unit_test(everything_else_is_refused_and_reported),
            cmocka_unit_test(the_report_is_bounded_and_counts),
            cmocka_unit_test(a_name_that_leads_home_is_refused),
            cmocka_unit_test(what_follows_a_request_is_not_passed_on),
            cmocka_unit_test(a_head_that_does_not_come_is_not_waited_for),
            cmocka_unit_test(a_crowd_that_says_nothing_holds_nobody_up_for_long),
            cmocka_unit_test(a_huge_head_is_refused),
            cmocka_unit_test(a_host_that_is_not_there_is_told),
            cmocka_unit_test(it_ends_when_it_is_told_to),
            cmocka_unit_test(a_listed_name_goes_through_the_hosts_own_proxy),
            cmocka_unit_test(a_plain_request_goes_through_it_with_its_whole_url),
            cmocka_unit_test(another_proxy_that_refuses_or_is_silent_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
