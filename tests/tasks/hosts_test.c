// SPDX-License-Identifier: MIT
// What must hold: a host has one plain form, no spelling of an address passes for a name, and a
// list permits exactly what it says.
#include "tasks/hosts.h"

#include <string.h>

#include "support/harness.h"

static void a_host_has_one_plain_form(void **state)
{
    static const struct {
        const char *text;
        enum assay_host_kind kind;
        const char *plain;
    } rows[] = {
            {"pypi.example", ASSAY_HOST_NAME, "pypi.example"},
            {"PyPI.Example.", ASSAY_HOST_NAME, "pypi.example"},
            {"localhost", ASSAY_HOST_NAME, "localhost"},
            {"a_b.example", ASSAY_HOST_NAME, "a_b.example"},
            {"3com.example", ASSAY_HOST_NAME, "3com.example"},
            {"1.2.3.example", ASSAY_HOST_NAME, "1.2.3.example"},
            {"127.0.0.1", ASSAY_HOST_ADDRESS, "127.0.0.1"},
            {"255.255.255.255", ASSAY_HOST_ADDRESS, "255.255.255.255"},
            {"[::1]", ASSAY_HOST_ADDRESS, "[::1]"},
            {"[FE80::1]", ASSAY_HOST_ADDRESS, "[fe80::1]"},
            {"[::ffff:127.0.0.1]", ASSAY_HOST_ADDRESS, "[::ffff:127.0.0.1]"},
            // Addresses in disguise, and things that are no host at all.
            {"127.0.0.1.", ASSAY_HOST_INVALID, ""},
            {"127.1", ASSAY_HOST_INVALID, ""},
            {"2130706433", ASSAY_HOST_INVALID, ""},
            {"0177.0.0.1", ASSAY_HOST_INVALID, ""},
            {"127.0.0.01", ASSAY_HOST_INVALID, ""},
            {"0x7f.0.0.1", ASSAY_HOST_INVALID, ""},
            {"0x7f000001", ASSAY_HOST_INVALID, ""},
            {"127.0.0.0x1", ASSAY_HOST_INVALID, ""},
            {"evil.example.1", ASSAY_HOST_INVALID, ""},
            {"256.0.0.1", ASSAY_HOST_INVALID, ""},
            {"1.2.3.4.5", ASSAY_HOST_INVALID, ""},
            {"::1", ASSAY_HOST_INVALID, ""},
            {"[::1", ASSAY_HOST_INVALID, ""},
            {"[fe80::1%eth0]", ASSAY_HOST_INVALID, ""},
            {"", ASSAY_HOST_INVALID, ""},
            {".", ASSAY_HOST_INVALID, ""},
            {"a..b", ASSAY_HOST_INVALID, ""},
            {".a", ASSAY_HOST_INVALID, ""},
            {"a..", ASSAY_HOST_INVALID, ""},
            {"-a.example", ASSAY_HOST_INVALID, ""},
            {"a-.example", ASSAY_HOST_INVALID, ""},
            {"a b", ASSAY_HOST_INVALID, ""},
            {"user@host", ASSAY_HOST_INVALID, ""},
            {"a/b", ASSAY_HOST_INVALID, ""},
            {"a%00b", ASSAY_HOST_INVALID, ""},
            {"\xc3\xa4.example", ASSAY_HOST_INVALID, ""},
    };
    char out[ASSAY_HOST_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu: %s\n", i, rows[i].text);
        assert_int_equal(assay_host_read(out, rows[i].text, strlen(rows[i].text)), rows[i].kind);
        assert_string_equal(out, rows[i].plain);
    }
    assert_int_equal(assay_host_read(out, "a\0b", 3), ASSAY_HOST_INVALID);
}

static void long_names_and_labels_are_no_hosts(void **state)
{
    char text[400], out[ASSAY_HOST_BYTES_MAX];

    (void)state;
    memset(text, 'a', sizeof(text));
    assert_int_equal(assay_host_read(out, text, 63), ASSAY_HOST_NAME);
    assert_int_equal(assay_host_read(out, text, 64), ASSAY_HOST_INVALID);
    for (size_t i = 50; i < sizeof(text); i += 50)
        text[i] = '.';
    assert_int_equal(assay_host_read(out, text, 253), ASSAY_HOST_NAME);
    assert_int_equal(assay_host_read(out, text, 254), ASSAY_HOST_INVALID);
    assert_int_equal(assay_host_read(out, text, 399), ASSAY_HOST_INVALID);
}

static bool permits(const char *entry, const char *host, uint16_t port)
{
    struct assay_host_rule rule;
    char plain[ASSAY_HOST_BYTES_MAX];
    const enum assay_host_kind kind = assay_host_read(plain, host, strlen(host));

    assert_int_equal(assay_host_rule_read(&rule, entry, NULL), ASSAY_OK);
    return assay_host_rule_match(&rule, kind, plain, port);
}

static void a_rule_permits_exactly_what_it_says(void **state)
{
    static const struct {
        const char *entry, *host;
        uint16_t port;
        bool permitted;
    } rows[] = {
            {"pypi.example", "pypi.example", 443, true},
            {"pypi.example", "PYPI.example.", 80, true},
            {"Pypi.Example.", "pypi.example", 443, true},
            {"pypi.example", "pypi.example", 8443, false},
            {"pypi.example:8443", "pypi.example", 8443, true},
            {"pypi.example:8443", "pypi.example", 443, false},
            {"pypi.example", "a.pypi.example", 443, false},
            {"pypi.example", "xpypi.example", 443, false},
            {"pypi.example", "pypi.example.evil.example", 443, false},
            {"*.pypi.example", "a.pypi.example", 443, true},
            {"*.pypi.example", "a.b.pypi.example", 443, true},
            {"*.pypi.example", "pypi.example", 443, false},
            {"*.pypi.example", "xpypi.example", 443, false},
            {"*.pypi.example:81", "a.pypi.example", 81, true},
            {"127.0.0.1:8080", "127.0.0.1", 8080, true},
            {"127.0.0.1:8080", "127.0.0.1", 80, false},
            {"127.0.0.1:8080", "127.1", 8080, false},
            {"127.0.0.1:8080", "localhost", 8080, false},
            {"pypi.example", "127.0.0.1", 443, false},
            {"pypi.example", "[::1]", 443, false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        print_message("row %zu: %s %s:%u\n", i, rows[i].entry, rows[i].host, rows[i].port);
        assert_int_equal(permits(rows[i].entry, rows[i].host, rows[i].port), rows[i].permitted);
    }
}

static void entries_that_say_nothing_clear_are_refused(void **state)
{
    static const char *const entries[] = {"", "*", "*.", "*.*", "a.*.b", "*a.example", "a:", "a:0",
            "a:01", "a:65536", "a:http", "a:80:80", "http://a", "a/b", "127.0.0.1", "*.127.0.0.1:1",
            "[::1]:80", "127.1:80", "a b", "user@a"};

    (void)state;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        struct assay_host_rule rule = {.port = 7};
        struct assay_error err;

        print_message("row %zu: %s\n", i, entries[i]);
        assert_int_equal(assay_host_rule_read(&rule, entries[i], &err), ASSAY_EINVAL);
        assert_int_equal(rule.port, 7); // untouched
        assert_non_null(strstr(err.message, entries[i]));
    }
}

static void a_suite_cannot_list_an_address(void **state)
{
    static const char *const items[] = {"a.example", "10.0.0.1:80"};
    const struct assay_strings hosts = {items, 2};
    struct assay_error err;
    size_t index = 9;

    (void)state;
    assert_int_equal(assay_hosts_check(&hosts, &index, &err), ASSAY_EINVAL);
    assert_int_equal(index, 1);
    assert_non_null(strstr(err.message, "the user's to allow"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
            cmocka_unit_test(a_host_has_one_plain_form),
            cmocka_unit_test(long_names_and_labels_are_no_hosts),
            cmocka_unit_test(a_rule_permits_exactly_what_it_says),
            cmocka_unit_test(entries_that_say_nothing_clear_are_refused),
            cmocka_unit_test(a_suite_cannot_list_an_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
