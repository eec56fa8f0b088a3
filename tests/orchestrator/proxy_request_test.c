// SPDX-License-Identifier: MIT
// What must hold: a head is one plain request to one host or it is refused, and what goes on says
// the same to every reader.
#include "orchestrator/proxy_request.h"

#include <stdlib.h>
#include <string.h>

#include "support/harness.h"

static int read_text(struct assay_proxy_request *out, const char *text)
{
    return assay_proxy_request_read(out, text, strlen(text));
}

static void plain_requests_are_read(void **state)
{
    static const struct {
        const char *head, *host, *path;
        unsigned port;
        bool connect;
        unsigned body;
    } rows[] = {
            {"CONNECT pypi.example:443 HTTP/1.1\r\n\r\n", "pypi.example", "", 443, true, 0},
            {"CONNECT PYPI.example.:443 HTTP/1.0\r\nHost: pypi.example:443\r\nX: y\r\n\r\n",
                    "pypi.example", "", 443, true, 0},
            {"CONNECT [::1]:443 HTTP/1.1\r\n\r\n", "[::1]", "", 443, true, 0},
            {"CONNECT 127.0.0.1:80 HTTP/1.1\r\n\r\n", "127.0.0.1", "", 80, true, 0},
            {"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n\r\n", "a.example", "/x?y",
                    80, false, 0},
            {"GET HTTP://A.example:8080 HTTP/1.1\r\nHost: A.EXAMPLE:8080\r\n\r\n", "a.example", "",
                    8080, false, 0},
            {"GET http://a.example?q HTTP/1.1\r\nhost:a.example:80\r\n\r\n", "a.example", "?q", 80,
                    false, 0},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 12\r\n\r\n", "a.example", "/", 80,
                    false, 12},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_proxy_request request;

        print_message("row %zu\n", i);
        assert_int_equal(read_text(&request, rows[i].head), 200);
        assert_string_equal(request.host, rows[i].host);
        assert_int_equal(request.port, rows[i].port);
        assert_int_equal(request.connect, rows[i].connect);
        assert_int_equal(request.body_bytes, rows[i].body);
        assert_int_equal(request.head_bytes, strlen(rows[i].head));
        if (!rows[i].connect) {
            assert_int_equal(request.path_len, strlen(rows[i].path));
            assert_memory_equal(request.path, rows[i].path, request.path_len);
        }
    }
}

static void what_is_not_plainly_one_request_is_refused(void **state)
{
    static const struct {
        const char *head;
        int status;
    } rows[] = {
            {"CONNECT pypi.example HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:0 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:0443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:99999 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:443:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT user@pypi.example:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:443@evil.example:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT 127.1:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT 0177.0.0.1:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT 2852039166:80 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT 0xa9fea9fe:80 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT ::1:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT [fe80::1%25eth0]:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT http://pypi.example:443 HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:443/x HTTP/1.1\r\n\r\n", 400},
            {"CONNECT pypi.example:443 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", 400},
            {"CONNECT pypi.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", 400},
            {"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n", 400},
            {"OPTIONS * HTTP/1.1\r\n\r\n", 400},
            {"GET https://a.example/ HTTP/1.1\r\n\r\n", 501},
            {"GET ftp://a.example/ HTTP/1.1\r\n\r\n", 501},
            {"GET file:///etc/passwd HTTP/1.1\r\n\r\n", 501},
            {"GET http:///x HTTP/1.1\r\n\r\n", 400},
            {"GET http://a.example#x HTTP/1.1\r\n\r\n", 400},
            {"GET http://u:p@a.example/ HTTP/1.1\r\n\r\n", 400},
            {"GET http://a.example\\@b.example/ HTTP/1.1\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nHost: b.example\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\nHost: a.example\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nHost: a.example:81\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nHost:\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/2.0\r\n\r\n", 400},
            {"GET http://a.example/\r\n\r\n", 400},
            {"GET  http://a.example/ HTTP/1.1\r\n\r\n", 400},
            {"GET http://a.example/ x HTTP/1.1\r\n\r\n", 400},
            {"G(T http://a.example/ HTTP/1.1\r\n\r\n", 400},
            {" GET http://a.example/ HTTP/1.1\r\n\r\n", 400},
            {"\r\nGET http://a.example/ HTTP/1.1\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\nHost: a.example\n\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nX : y\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nX: y\r\n folded\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nno colon\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nX: a\rb\r\n\r\n", 400},
            {"GET http://a.example/ HTTP/1.1\r\nX: \x80\r\n\r\n", 400},
            {"POST http://a.example/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\n"
             "Transfer-Encoding: chunked\r\n\r\n",
                    411},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                    400},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\n", 400},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 0x1\r\n\r\n", 400},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length:\r\n\r\n", 400},
            {"POST http://a.example/ HTTP/1.1\r\nContent-Length: 9999999999999999999\r\n\r\n", 400},
            {"\x16\x03\x01\x02\r\n\r\n", 400},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_proxy_request request;

        print_message("row %zu\n", i);
        assert_int_equal(read_text(&request, rows[i].head), rows[i].status);
    }
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    static const char head[] = "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
    char copy[sizeof(head)];

    (void)state;
    for (size_t i = 0; i < sizeof(head) - 5; i++) {
        struct assay_proxy_request request;

        memcpy(copy, head, sizeof(head));
        copy[i] = '\0';
        assert_int_equal(assay_proxy_request_read(&request, copy, sizeof(head) - 1), 400);
    }
}

static void a_head_is_waited_for_up_to_its_bound(void **state)
{
    static const char head[] = "GET http://a.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n";
    struct assay_proxy_request request;
    char *large = malloc(2 * ASSAY_PROXY_HEAD_BYTES_MAX);

    (void)state;
    for (size_t i = 0; i < sizeof(head) - 1; i++)
        assert_int_equal(assay_proxy_request_read(&request, head, i), 0);
    assert_non_null(large);
    memset(large, 'a', 2 * ASSAY_PROXY_HEAD_BYTES_MAX);
    assert_int_equal(assay_proxy_request_read(&request, large, ASSAY_PROXY_HEAD_BYTES_MAX - 1), 0);
    assert_int_equal(assay_proxy_request_read(&request, large, ASSAY_PROXY_HEAD_BYTES_MAX), 431);
    // The end of the head lies beyond the bound.
    for (size_t i = 0; i < 4; i++)
        large[ASSAY_PROXY_HEAD_BYTES_MAX + i] = i % 2 == 0 ? '\r' : '\n';
    assert_int_equal(
            assay_proxy_request_read(&request, large, 2 * ASSAY_PROXY_HEAD_BYTES_MAX), 431);
    free(large);
}

static void too_many_fields_are_refused(void **state)
{
    struct assay_proxy_request request;
    struct assay_buf head;

    (void)state;
    assay_buf_init(&head, ASSAY_PROXY_HEAD_BYTES_MAX);
    assay_buf_adds(&head, "GET http://a.example/ HTTP/1.1\r\n");
    for (unsigned i = 0; i < 101; i++)
        assay_buf_adds(&head, "X: y\r\n");
    assay_buf_adds(&head, "\r\n");
    assert_int_equal(assay_proxy_request_read(&request, head.data, head.len), 431);
    assay_buf_free(&head);
}

static void what_was_asked_for_is_shown_printably(void **state)
{
    struct assay_proxy_request request;

    (void)state;
    assert_int_equal(read_text(&request, "CONNECT a\"<b>:443 HTTP/1.1\r\n\r\n"), 400);
    assert_string_equal(request.shown, "a??b?:443");
    assert_int_equal(read_text(&request, "GET http://0x7f.1/ HTTP/1.1\r\n\r\n"), 400);
    assert_string_equal(request.shown, "0x7f.1");
    assert_int_equal(read_text(&request, "nonsense\r\n\r\n"), 400);
    assert_string_equal(request.shown, "");
}

static void a_head_goes_on_without_what_concerns_this_connection(void **state)
{
    static const char head[] = "POST http://A.example:81?q HTTP/1.1\r\n"
                               "Host: a.example:81\r\n"
                               "Accept: */*\r\n"
                               "Proxy-Authorization: Basic eDp5\r\n"
                               "Proxy-Connection: keep-alive\r\n"
                               "Connection: keep-alive, X-Hop , content-length\r\n"
                               "Keep-Alive: 5\r\n"
                               "Upgrade: h2c\r\n"
                               "TE: trailers\r\n"
                               "x-hop: 1\r\n"
                               "Close: x\r\n"
                               "Content-Length: 3\r\n"
                               "\r\n";
    struct assay_proxy_request request;
    struct assay_buf out;

    (void)state;
    assert_int_equal(read_text(&request, head), 200);
    assay_buf_init(&out, 4096);
    assay_proxy_request_write(&out, &request, head, false, NULL);
    assert_string_equal(out.data,
            "POST /?q HTTP/1.1\r\nHost: a.example:81\r\nAccept: */*\r\nContent-Length: 3\r\n"
            "Connection: close\r\n\r\n");
    assay_buf_clear(&out);
    assay_proxy_request_write(&out, &request, head, true, "Basic YTpi");
    assert_string_equal(out.data,
            "POST http://a.example:81/?q HTTP/1.1\r\nHost: a.example:81\r\n"
            "Proxy-Authorization: Basic YTpi\r\nAccept: */*\r\nContent-Length: 3\r\n"
            "Connection: close\r\n\r\n");
    assay_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(plain_requests_are_read),
            cmocka_unit_test(what_is_not_plainly_one_request_is_refused),
            cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
            cmocka_unit_test(a_head_is_waited_for_up_to_its_bound),
            cmocka_unit_test(too_many_fields_are_refused),
            cmocka_unit_test(what_was_asked_for_is_shown_printably),
            cmocka_unit_test(a_head_goes_on_without_what_concerns_this_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
