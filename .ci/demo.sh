#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The session that `make demo` shows. build/release/assay is built when this runs.
set -euo pipefail
cd "$(dirname "$0")/.."

exec build/release/assay demo "$@"
