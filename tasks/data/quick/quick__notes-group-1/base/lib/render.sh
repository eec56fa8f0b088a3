# SPDX-License-Identifier: MIT
# The notes as Markdown.

# section TITLE: the records of the input as a list; nothing if there are none.
section() {
    first=yes
    while IFS='|' read -r type scope text; do
        if [ "$first" = yes ]; then
            printf '## %s\n\n' "$1"
            first=no
        fi
        if [ -n "$scope" ]; then
            printf -- '- **%s:** %s\n' "$scope" "$text"
        else
            printf -- '- %s\n' "$text"
        fi
    done
    [ "$first" = yes ] || echo
}

render_notes() {
    records=$(parse_subjects)
    count=0
    printf '%s\n' "$records" | grep '^feat|' | section Features
    printf '%s\n' "$records" | grep '^fix|' | section Fixes
    printf '%s\n' "$records" | grep -v -e '^feat|' -e '^fix|' -e '^$' | section Other
    printf '%s\n' "$records" | while IFS= read -r record; do
        [ -z "$record" ] || count=$((count + 1))
    done
    if [ "$count" -eq 1 ]; then
        echo "1 change"
    else
        echo "$count changes"
    fi
}
