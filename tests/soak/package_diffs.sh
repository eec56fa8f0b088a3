#!/bin/sh
# SPDX-License-Identifier: MIT
# package_diffs.sh OUT: diffs between releases of packages that nobody here wrote, for the oracle tests of
# the patch engine. Every file that changed from one release to the next is a commit of its own; OUT is
# filled as tests/support/real_diffs.sh does. Needs pip and a package index.
set -eu
out=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/assay-packages.XXXXXX")
trap 'rm -rf "$work"' EXIT
g() {
    git -C "$work/repository" -c user.name=a -c user.email=a@example.org -c core.autocrlf=false "$@"
}
while read -r package versions; do
    rm -rf "$work/repository"
    git init -q "$work/repository"
    for version in $versions; do
        rm -rf "$work/release" "$work/wheel"
        /usr/bin/python3 -m pip download -q --no-deps --only-binary :all: -d "$work/wheel" "$package==$version" >&2
        mkdir "$work/release"
        /usr/bin/python3 -m zipfile -e "$work"/wheel/*.whl "$work/release"
        rm -rf "$work/release"/*.dist-info
        find "$work/repository" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
        cp -R "$work/release/." "$work/repository/"
        g add -A
        if ! g rev-parse -q --verify HEAD >/dev/null; then
            g commit -q -m "$version"
            continue
        fi
        g reset -q
        g ls-files -z --modified --deleted --others --exclude-standard | sort -zu | xargs -0 -n 2 >"$work/pairs"
        while read -r first second; do
            g add -A -- "$first" ${second:+"$second"}
            g commit -q -m "$version: $first" || true
        done <"$work/pairs"
    done
    sh "$here/tests/support/real_diffs.sh" "$work/repository" "$out" 400
done <<'LIST'
attrs 21.4.0 22.2.0 23.2.0
click 8.0.4 8.1.7
flask 2.2.5 2.3.3
jinja2 3.0.3 3.1.4
packaging 21.3 23.2
requests 2.27.1 2.31.0
sqlparse 0.4.4 0.5.0
urllib3 1.26.18 2.2.1
werkzeug 2.2.3 3.0.3
LIST
