// SPDX-License-Identifier: MIT
// hosts.h - which hosts a box with an allow-list may reach: entries as people write them.
//
//   pypi.example        this name, ports 80 and 443
//   pypi.example:8443   this name, this port
//   *.pypi.example      every name below it, not itself
//   127.0.0.1:8080      this address, whatever it is; the port must be there. Only a user may
//                       write one: the readers of suites refuse it.
//
// An entry without an address never permits one: a name that resolves to a loopback,
// link-local, multicast or metadata address is refused when it is looked up.
// IPv6 addresses cannot be listed.
#ifndef ASSAY_TASKS_HOSTS_H
#define ASSAY_TASKS_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "tasks/instance.h"

#define ASSAY_HOST_BYTES_MAX 254 // of a name, with its NUL
#define ASSAY_HOSTS_MAX 256      // entries of one list

enum assay_host_kind { ASSAY_HOST_INVALID, ASSAY_HOST_NAME, ASSAY_HOST_ADDRESS };

// A host name or address as programs write it, into its one plain form: lower case,
// one trailing dot taken off. What ends in a number is an address, and it is one only as four
// decimal numbers without leading zeros; so no other way to write an address is a name.
// IPv6, in brackets, is an ADDRESS that no list permits.
enum assay_host_kind assay_host_read(char out[ASSAY_HOST_BYTES_MAX], const char *text, size_t len);

struct assay_host_rule {
    char name[ASSAY_HOST_BYTES_MAX];
    bool below;    // names below `name`
    bool address;  // `name` is an IPv4 address
    uint16_t port; // 0: 80 and 443
};

// ASSAY_EINVAL names the entry and what is wrong with it.
ASSAY_MUST_USE enum assay_status assay_host_rule_read(
        struct assay_host_rule *out, const char *entry, struct assay_error *err);

// Does the rule permit this host (as assay_host_read() gave it) at this port?
bool assay_host_rule_match(const struct assay_host_rule *rule, enum assay_host_kind kind,
        const char *host, uint16_t port);

// Every entry of a suite's list is a rule for names. On ASSAY_EINVAL *index is the entry's.
ASSAY_MUST_USE enum assay_status assay_hosts_check(
        const struct assay_strings *hosts, size_t *index, struct assay_error *err);

#endif
