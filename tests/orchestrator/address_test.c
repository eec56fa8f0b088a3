// SPDX-License-Identifier: MIT
// What must hold: no address that leads home, to a neighbour's cable or to a cloud's metadata is
// permitted in any of its forms; and the host's own proxy is read as other programs read it.
#include "orchestrator/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "orchestrator/upstream.h"
#include "support/harness.h"

static struct assay_address make(const char *text)
{
    struct assay_address address;
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

    if (assay_address_read(&address, text, 80))
        return address;
    memset(&address, 0, sizeof(address));
    assert_int_equal(inet_pton(AF_INET6, text, &ipv6.sin6_addr), 1);
    memcpy(&address.storage, &ipv6, sizeof(ipv6));
    address.len = sizeof(ipv6);
    return address;
}

static void some_addresses_are_never_permitted(void **state)
{
    static const struct {
        const char *text;
        bool forbidden;
    } rows[] = {
            {"0.0.0.0", true},
            {"0.1.2.3", true},
            {"127.0.0.1", true},
            {"127.255.255.254", true},
            {"169.254.0.1", true},
            {"169.254.169.254", true},
            {"100.100.100.200", true},
            {"168.63.129.16", true},
            {"192.0.0.192", true},
            {"224.0.0.1", true},
            {"239.255.255.255", true},
            {"240.0.0.1", true},
            {"255.255.255.255", true},
            {"::", true},
            {"::1", true},
            {"fe80::1", true},
            {"febf::1", true},
            {"fec0::1", true},
            {"ff02::1", true},
            {"fd00:ec2::254", true},
            {"::ffff:127.0.0.1", true},
            {"::ffff:169.254.169.254", true},
            {"::127.0.0.1", true},
            {"64:ff9b::127.0.0.1", true},
            {"64:ff9b::a9fe:a9fe", true},
            {"2002:7f00:1::", true},
            {"2002:a9fe:a9fe::1", true},
            {"2001:0:1:2:3:4:5:6", true},
            {"1.1.1.1", false},
            {"10.0.0.1", false},
            {"126.255.255.255", false},
            {"128.0.0.1", false},
            {"169.253.255.255", false},
            {"169.255.0.0", false},
            {"223.255.255.255", false},
            {"192.168.1.1", false},
            {"2606:4700::1111", false},
            {"::ffff:1.1.1.1", false},
            {"64:ff9b::1.1.1.1", false},
            {"2002:101:101::", false},
            {"fd00:ec2::253", false},
            {"fe00::1", false},
    };
    struct assay_address unknown = {.storage = {.ss_family = AF_UNIX}, .len = 2};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct assay_address address = make(rows[i].text);

        print_message("row %zu: %s\n", i, rows[i].text);
        assert_int_equal(assay_address_is_forbidden(&address), rows[i].forbidden);
    }
    assert_true(assay_address_is_forbidden(&unknown));
}

static void this_hosts_own_addresses_are_known(void **state)
{
    const struct assay_address loopback = make("127.0.0.1"), other = make("203.0.113.7");

    (void)state;
    assert_true(assay_address_is_own(&loopback));
    assert_false(assay_address_is_own(&other));
}

static void a_proxys_url_is_read(void **state)
{
    static const struct {
        const char *url, *host, *authorization;
        unsigned port;
    } rows[] = {
            {"http://proxy.example:3128", "proxy.example", "", 3128},
            {"http://proxy.example:3128/", "proxy.example", "", 3128},
            {"proxy.example:3128", "proxy.example", "", 3128},
            {"HTTP://Proxy.Example", "proxy.example", "", 80},
            {"http://127.0.0.1:8080", "127.0.0.1", "", 8080},
            {"http://a:b@proxy.example:1", "proxy.example", "Basic YTpi", 1},
            {"http://a%3Ab:c%@d@proxy.example:1", "proxy.example", "Basic YTpiOmMlQGQ=", 1},
            {"http://abcd@proxy.example:1", "proxy.example", "Basic YWJjZA==", 1},
            {"", "", "", 80},
    };
    static const char *const wrong[] = {"https://proxy.example", "socks5://proxy.example:1",
            "http://", "http://proxy.example:0", "http://proxy.example:x",
            "http://proxy.example:65536", "http://[::1]:80", "http://a b:1"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct assay_upstream upstream;

        print_message("row %zu: %s\n", i, rows[i].url);
        assert_int_equal(assay_upstream_read(&upstream, rows[i].url, NULL), ASSAY_OK);
        assert_string_equal(upstream.host, rows[i].host);
        assert_string_equal(upstream.authorization, rows[i].authorization);
        assert_int_equal(upstream.port, rows[i].port);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct assay_upstream upstream;

        print_message("wrong row %zu: %s\n", i, wrong[i]);
        assert_int_equal(assay_upstream_read(&upstream, wrong[i], NULL), ASSAY_EINVAL);
    }
}

static void a_password_is_in_no_message(void **state)
{
    struct assay_upstream upstream;
    struct assay_error err;

    (void)state;
    assert_int_equal(assay_upstream_read(&upstream, "http://me:secret@h:0", &err), ASSAY_EINVAL);
    assert_null(strstr(err.message, "secret"));
    assert_int_equal(assay_upstream_read(&upstream, "https://me:secret@h", &err), ASSAY_EINVAL);
    assert_null(strstr(err.message, "secret"));
}

static void no_proxy_is_a_list_of_names(void **state)
{
    static const struct {
        const char *list, *host;
        unsigned port;
        bool named;
    } rows[] = {
            {"a.example", "a.example", 443, true},
            {"a.example", "b.a.example", 443, true},
            {"a.example", "ba.example", 443, false},
            {".a.example", "b.a.example", 443, true},
            {"*.a.example", "b.a.example", 443, true},
            {"x, a.example ,y", "a.example", 80, true},
            {"A.Example", "a.example", 80, true},
            {"a.example:80", "a.example", 80, true},
            {"a.example:80", "a.example", 443, false},
            {"*", "a.example", 443, true},
            {"", "a.example", 443, false},
            {",,", "a.example", 443, false},
            {"10.0.0.1", "10.0.0.1", 80, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu: %s %s\n", i, rows[i].list, rows[i].host);
        assert_int_equal(assay_no_proxy_names(rows[i].list, rows[i].host, (uint16_t)rows[i].port),
                rows[i].named);
    }
}

// NOLINTBEGIN(concurrency-mt-unsafe): there is one thread
static void the_environment_says_which_proxy(void **state)
{
    struct assay_upstreams upstreams;

    (void)state;
    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    unsetenv("https_proxy");
    unsetenv("all_proxy");
    setenv("HTTPS_PROXY", "http://s.example:1", 1);
    setenv("ALL_PROXY", "http://all.example:2", 1);
    setenv("no_proxy", "direct.example", 1);
    assert_int_equal(assay_upstreams_read(&upstreams, NULL), ASSAY_OK);
    assert_string_equal(assay_upstream_for(&upstreams, true, "a.example", 443)->host, "s.example");
    assert_string_equal(
            assay_upstream_for(&upstreams, false, "a.example", 80)->host, "all.example");
    assert_null(assay_upstream_for(&upstreams, true, "direct.example", 443));
    assay_upstreams_free(&upstreams);
    unsetenv("HTTPS_PROXY");
    unsetenv("ALL_PROXY");
    unsetenv("no_proxy");
    assert_int_equal(assay_upstreams_read(&upstreams, NULL), ASSAY_OK);
    assert_null(assay_upstream_for(&upstreams, true, "a.example", 443));
    assay_upstreams_free(&upstreams);
}

// NOLINTEND(concurrency-mt-unsafe)

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(some_addresses_are_never_permitted),
            cmocka_unit_test(this_hosts_own_addresses_are_known),
            cmocka_unit_test(a_proxys_url_is_read),
            cmocka_unit_test(a_password_is_in_no_message),
            cmocka_unit_test(no_proxy_is_a_list_of_names),
            cmocka_unit_test(the_environment_says_which_proxy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
