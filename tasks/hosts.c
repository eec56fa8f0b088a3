// SPDX-License-Identifier: MIT
#include "tasks/hosts.h"

#include <string.h>

#define LABEL_BYTES_MAX 63

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

// Four decimal numbers up to 255 without leading zeros, and nothing else.
static bool is_ipv4(const char *text, size_t len)
{
    unsigned parts = 0;

    for (size_t at = 0; at <= len; at++, parts++) {
        const size_t begin = at;
        unsigned value = 0;

        while (at < len && is_digit(text[at]) && at - begin < 3)
            value = value * 10 + (unsigned)(text[at++] - '0');
        if (at == begin || value > 255 || (at - begin > 1 && text[begin] == '0'))
            return false;
        if (at < len && text[at] != '.')
            return false;
    }
    return parts == 4;
}

// Would a resolver take the last label for a part of an address: 127.1, 0x7f000001, 017700000001?
static bool ends_in_number(const char *text, size_t len)
{
    size_t begin = len;

    while (begin > 0 && text[begin - 1] != '.')
        begin--;
    if (begin < len && is_digit(text[begin])) {
        for (size_t i = begin; i < len; i++)
            if (!is_digit(text[i]))
                return len - begin >= 2 && text[begin] == '0' && text[begin + 1] == 'x';
        return true;
    }
    return false;
}

// Letters, digits, '-' and '_', in labels of 1..63 that do not begin or end with '-'.
static bool is_name(const char *text, size_t len)
{
    size_t label = 0;

    for (size_t i = 0; i <= len; i++) {
        const int c = i < len ? text[i] : '.';

        if (c == '.') {
            if (label == 0 || label > LABEL_BYTES_MAX || text[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '_' && (c != '-' || label == 0))
            return false;
        label++;
    }
    return true;
}

static bool is_bracketed(const char *text, size_t len)
{
    if (len < 4 || text[0] != '[' || text[len - 1] != ']')
        return false;
    for (size_t i = 1; i < len - 1; i++)
        if (!is_digit(text[i]) && !(text[i] >= 'a' && text[i] <= 'f') && text[i] != ':' &&
                text[i] != '.')
            return false;
    return true;
}

enum assay_host_kind assay_host_read(char out[ASSAY_HOST_BYTES_MAX], const char *text, size_t len)
{
    const bool dotted = len > 1 && text[len - 1] == '.';

    out[0] = '\0';
    len -= dotted;
    if (len == 0 || len >= ASSAY_HOST_BYTES_MAX)
        return ASSAY_HOST_INVALID;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] - 'A' + 'a' : (int)text[i]);
    out[len] = '\0';
    if (is_bracketed(out, len) || (is_ipv4(out, len) && !dotted))
        return ASSAY_HOST_ADDRESS;
    if (is_name(out, len) && !ends_in_number(out, len))
        return ASSAY_HOST_NAME;
    out[0] = '\0';
    return ASSAY_HOST_INVALID;
}

static bool read_port(uint16_t *out, const char *text)
{
    unsigned value = 0;
    size_t len = 0;

    for (; len < 6 && is_digit(text[len]); len++)
        value = value * 10 + (unsigned)(text[len] - '0');
    if (len == 0 || text[len] != '\0' || text[0] == '0' || value > UINT16_MAX)
        return false;
    *out = (uint16_t)value;
    return true;
}

enum assay_status assay_host_rule_read(
        struct assay_host_rule *out, const char *entry, struct assay_error *err)
{
    struct assay_host_rule rule = {.below = strncmp(entry, "*.", 2) == 0};
    const char *name = entry + (rule.below ? 2 : 0);
    const size_t len = strcspn(name, ":");
    enum assay_host_kind kind = ASSAY_HOST_INVALID;

    if (entry[0] == '[')
        return assay_fail(err, ASSAY_EINVAL, "'%.100s': an IPv6 address cannot be listed", entry);
    kind = assay_host_read(rule.name, name, len);
    rule.address = kind == ASSAY_HOST_ADDRESS;
    if (kind == ASSAY_HOST_INVALID || (rule.address && rule.below))
        return assay_fail(err, ASSAY_EINVAL,
                "'%.100s' is not NAME, NAME:PORT, *.NAME or ADDRESS:PORT", entry);
    if (name[len] == ':' && !read_port(&rule.port, name + len + 1))
        return assay_fail(err, ASSAY_EINVAL, "'%.100s': the port is not 1..65535", entry);
    if (rule.address && rule.port == 0)
        return assay_fail(err, ASSAY_EINVAL, "'%.100s': an address needs a port", entry);
    *out = rule;
    return ASSAY_OK;
}

bool assay_host_rule_match(const struct assay_host_rule *rule, enum assay_host_kind kind,
        const char *host, uint16_t port)
{
    const size_t host_len = strlen(host);
    const size_t name_len = strlen(rule->name);

    if (kind == ASSAY_HOST_INVALID || rule->address != (kind == ASSAY_HOST_ADDRESS))
        return false;
    if (rule->port != 0 ? port != rule->port : port != 80 && port != 443)
        return false;
    if (!rule->below)
        return strcmp(host, rule->name) == 0;
    return host_len > name_len + 1 && host[host_len - name_len - 1] == '.' &&
            strcmp(host + host_len - name_len, rule->name) == 0;
}

enum assay_status assay_hosts_check(
        const struct assay_strings *hosts, size_t *index, struct assay_error *err)
{
    for (size_t i = 0; i < hosts->count; i++) {
        struct assay_host_rule rule;

        *index = i;
        if (i == ASSAY_HOSTS_MAX)
            return assay_fail(err, ASSAY_EINVAL, "more than %d hosts", ASSAY_HOSTS_MAX);
        if (assay_host_rule_read(&rule, hosts->items[i], err) != ASSAY_OK)
            return ASSAY_EINVAL;
        if (rule.address)
            return assay_fail(err, ASSAY_EINVAL,
                    "'%.100s': a suite names hosts by name; addresses are the user's to allow",
                    hosts->items[i]);
    }
    return ASSAY_OK;
}
