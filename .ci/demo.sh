#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The session that `make demo` shows. build/release/assay is built when this runs.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ ! -x build/release/assay ]; then
    echo "demo: this tree builds no assay program yet" >&2
    exit 1
fi
exec build/release/assay demo "$@"
