#!/bin/sh
# SPDX-License-Identifier: MIT
# make conformance: heavy peers and real packages. Writes docs/conformance.md, dated, with versions;
# a bound is met when its table says so.
set -eu
cd "$(dirname "$0")/../.."
table=build/conformance/table.md
mkdir -p build/conformance
: >"$table"
code=0
sh tests/conformance/pypi.sh "$table" || code=1
{
    echo "# Conformance"
    echo
    echo "Written by \`make conformance\` on $(date -u +%Y-%m-%d) at commit $(git rev-parse --short HEAD)."
    echo "$(uname -sr), $(nproc) CPUs, $(/usr/bin/python3 --version), pytest $(/usr/bin/python3 -c 'import pytest; print(pytest.__version__)')."
    echo
    echo "| what | result | bound |"
    echo "| --- | --- | --- |"
    cat "$table"
} >docs/conformance.md
cat docs/conformance.md
exit "$code"
