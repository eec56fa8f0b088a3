#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Include rules: which room may see which, and where third-party code may be named.
#
#     .ci/layers.sh [ROOT]         check a tree; every violation is one line, exit 1
#     .ci/layers.sh --self-test    plant one violation a rule and see that each is caught
#
# The linker forgives what this does not: a static library links whatever is on the line.
# tests/<room>/x_test.c obeys the rules of <room>/x.c. Foreign code (task data, fixtures) is not ours.
set -euo pipefail

check() {
    cd "$1"
    local parts=()
    for part in base tasks sandbox envs rewards kernels policy orchestrator tests bench; do
        [ ! -d "$part" ] || parts+=("$part")
    done
    find "${parts[@]}" -name fixtures -prune -o -name corpus -prune -o -path tasks/data -prune -o -path tests/attacks/repos -prune -o \
        -type f \( -name '*.c' -o -name '*.h' -o -name '*.cu' -o -name '*.cuh' \) -print |
        sort | xargs -r awk '
    BEGIN {
        # Arrows of DESIGN section 3, transitive.
        may["base"] = "base"
        may["tasks"] = "tasks base"
        may["sandbox"] = "sandbox base"
        may["envs"] = "envs sandbox tasks base"
        may["rewards"] = "rewards tasks base"
        may["kernels"] = "kernels base"
        may["policy"] = "policy kernels base"
        may["orchestrator"] = "orchestrator envs rewards policy kernels sandbox tasks base"

        # A header, and the files that may name it (paths of the tree; tests map to their room).
        rule("cjson/", "^base/json\\.c$")
        rule("(openssl/|xxhash\\.h)", "^base/")
        rule("sqlite3\\.h", "^tasks/store")
        rule("(libpq-fe\\.h|postgresql/)", "^tasks/store")
        rule("(yaml|zlib|zstd)\\.h", "^tasks/")
        rule("seccomp\\.h", "^sandbox/")
        rule("(git2|archive)(\\.h|/|_entry\\.h)", "^envs/")
        rule("pcre2(posix)?\\.h", "^(envs|rewards|policy)/")
        rule("utf8proc\\.h", "^policy/")
        rule("expat(_external)?\\.h", "^rewards/")
        rule("(curl/|microhttpd\\.h|wslay/)", "^orchestrator/")
        rule("(cuda|cublas|cudnn|nccl|nvml|nvtx)[a-zA-Z0-9_]*(\\.h|/)", "^kernels/")
        rule("(cblas|openblas[a-z_]*|f77blas)\\.h", "^(kernels/.*_test|bench/)")
        rule("[a-z]*intrin\\.h", "^kernels/cpu_simd\\.h$")
        rule("cmocka\\.h", "^tests/support/harness\\.h$")
        rule("threads\\.h", "^$") # neither sanitizer nor glibc of Debian 12 knows it well: pthread.h
        # Sockets. A box has socket pairs, brings its loopback up and opens the door that the proxy
        # of orchestrator/ listens at, and that is all.
        rule("(sys/socket|sys/un|net/if|linux/(netlink|rtnetlink|if[a-z_]*))\\.h",
            "^(orchestrator/|sandbox/|kernels/collective_)")
        rule("(netinet/.*|arpa/.*|netdb\\.h|ifaddrs\\.h)",
            "^(orchestrator/|kernels/collective_|sandbox/(loopback\\.c$|attacks/|attack_.*_test\\.c$))")
        # Rewards are pure: no files, no clock, no chance.
        deny("rewards", "(fcntl|unistd|time|poll|dirent|pthread|sys/[a-z]+)\\.h")
        deny("rewards", "base/(fs|clock|rng|log)\\.h")
    }
    function rule(header, where) { rule_header[++rules] = "^" header; rule_where[rules] = where }
    function deny(room, header) { deny_room[++denies] = room; deny_header[denies] = "^" header "$" }
    function bad(why) { print FILENAME ":" FNR ": " why; failed = 1 }
    FNR == 1 {
        where = FILENAME
        free = where ~ /^(bench|tests\/(integration|fuzz|parity|support))\//
        is_test = where ~ /^tests\//
        if (is_test && !free)
            sub(/^tests\//, "", where)
        room = where
        sub(/\/.*/, "", room)
    }
    /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
        header = $0
        quoted = header ~ /include[ \t]*"/
        sub(/^[^<"]*[<"]/, "", header)
        sub(/[>"].*/, "", header)
        first = header
        sub(/\/.*/, "", first)
        for (i = 1; i <= rules; i++) {
            if (header !~ rule_header[i] || where ~ rule_where[i])
                continue
            # Whole commands and fuzz targets may look behind the doors; they still share the harness.
            if (free && rule_header[i] !~ /cmocka|threads/)
                continue
            bad("may not include <" header ">")
        }
        if (!is_test)
            for (i = 1; i <= denies; i++)
                if (room == deny_room[i] && header ~ deny_header[i])
                    bad(room " is pure and may not include " header)
        if (!quoted || free)
            next
        if (is_test && (first == "tests" || first == "support"))
            next
        if (!(first in may)) {
            bad("an include names its room: \"" header "\"")
            next
        }
        if (index(" " may[room] " ", " " first " ") == 0)
            bad(room " may not see " first ": \"" header "\"")
    }
    END { exit failed }'
}

# One planted file a row: path, include line, and whether it must be caught.
self_test() {
    local caught total=0 failed=0
    tree=$(mktemp -d) # not local: the trap outlives this function
    trap 'rm -rf "$tree"' EXIT
    while IFS='|' read -r expect path include; do
        [ -n "$expect" ] || continue
        rm -rf "${tree:?}"/*
        mkdir -p "$tree/$(dirname "$path")"
        printf '// planted\n%s\n' "$include" >"$tree/$path"
        caught=ok
        (check "$tree") >/dev/null 2>&1 || caught=bad
        total=$((total + 1))
        if [ "$caught" != "$expect" ]; then
            echo "self-test: $path with $include should be $expect, is $caught"
            failed=$((failed + 1))
        fi
    done <<'ROWS'
ok|base/json.c|#include <cjson/cJSON.h>
bad|base/hash.c|#include <cjson/cJSON.h>
bad|tasks/suite.c|#include <cjson/cJSON.h>
bad|tests/base/json_test.c|#include <cjson/cJSON.h>
ok|base/hash.c|#include <openssl/evp.h>
bad|envs/depot.c|#include <openssl/evp.h>
bad|base/fs.c|#include "tasks/suite.h"
ok|tasks/suite.c|#include "base/json.h"
bad|tasks/suite.c|#include "sandbox/box.h"
bad|tasks/suite.c|#include "rewards/verdict.h"
ok|tasks/store.c|#include <sqlite3.h>
ok|tasks/store_queue.c|#include <sqlite3.h>
bad|tasks/suite.c|#include <sqlite3.h>
bad|orchestrator/api.c|#include <sqlite3.h>
bad|sandbox/box.c|#include "tasks/suite.h"
bad|sandbox/box.c|#include "policy/model.h"
ok|sandbox/profile.c|#include <seccomp.h>
bad|envs/runner.c|#include <seccomp.h>
ok|sandbox/box.c|#include <sys/socket.h>
bad|sandbox/box.c|#include <netinet/in.h>
ok|sandbox/loopback.c|#include <netinet/in.h>
bad|sandbox/loopback.h|#include <netinet/in.h>
bad|envs/runner.c|#include <sys/socket.h>
bad|policy/model.c|# include <netdb.h>
ok|kernels/collective_nccl.c|#include <netinet/in.h>
bad|kernels/matmul.c|#include <sys/socket.h>
ok|orchestrator/http.c|#include <netinet/in.h>
ok|envs/runner.c|#include "sandbox/box.h"
bad|envs/env.c|#include "rewards/verdict.h"
bad|envs/env.c|#include "policy/model.h"
ok|envs/depot.c|#include <git2.h>
bad|rewards/verdict.c|#include <git2.h>
bad|tasks/patch.c|#include <archive.h>
ok|rewards/testlog.c|#include "tasks/outcome.h"
bad|rewards/testlog.c|#include "policy/model.h"
bad|rewards/testlog.c|#include "envs/env.h"
bad|rewards/testlog.c|#include "base/clock.h"
bad|rewards/testlog.c|#include <time.h>
bad|rewards/testlog.c|#include <unistd.h>
ok|tests/rewards/testlog_test.c|#include "base/fs.h"
bad|tests/rewards/testlog_test.c|#include "envs/env.h"
ok|kernels/ops_cuda.cu|#include <cuda_runtime.h>
bad|policy/model.c|#include <cuda_runtime.h>
bad|kernels/ops.h|#include "policy/model.h"
ok|kernels/cpu_simd.h|#include <immintrin.h>
bad|kernels/cpu_gemm.c|#include <immintrin.h>
bad|kernels/cpu_gemm.c|#include <cblas.h>
ok|bench/kernels/gemm.c|#include <cblas.h>
bad|policy/model.c|#include "tasks/suite.h"
ok|orchestrator/main.c|#include "policy/model.h"
ok|orchestrator/client.c|#include <curl/curl.h>
bad|envs/image.c|#include <curl/curl.h>
bad|base/log.c|#include <threads.h>
bad|tests/integration/cli_test.c|#include <threads.h>
bad|base/log.c|#include "error.h"
ok|tests/base/log_test.c|#include "support/harness.h"
bad|tests/base/log_test.c|#include <cmocka.h>
bad|base/log.c|#include "support/harness.h"
ok|tests/integration/cli_test.c|#include "envs/env.h"
ok|bench/tasks/store.c|#include "envs/env.h"
ok|tests/tasks/suite_test.c|#include "tests/tasks/fixture.h"
ok|tasks/data/quick/demo/base/src/a.c|#include "a.h"
ok|tests/envs/fixtures/a.c|#include <netdb.h>
ROWS
    echo "$((total - failed)) of $total planted includes judged rightly"
    [ "$failed" -eq 0 ] && [ "$total" -gt 0 ]
}

case "${1:-}" in
--self-test) self_test ;;
*) check "${1:-$(dirname "$0")/..}" ;;
esac
