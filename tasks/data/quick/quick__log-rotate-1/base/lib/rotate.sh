# SPDX-License-Identifier: MIT
# Rotation of one log. Uses: keep, force, compress.

# rotate_numbers LOG: the numbers of the old logs, in the order in which they must move.
rotate_numbers() {
    for rotate_old in "$1".[0-9]*; do
        rotate_number=${rotate_old#"$1".}
        rotate_number=${rotate_number%.gz}
        case $rotate_number in
        *[!0-9]*) ;;
        *) echo "$rotate_number" ;;
        esac
    done | LC_ALL=C sort
}

# rotate_name LOG NUMBER: the file with that number, packed or not.
rotate_name() {
    if [ -e "$1.$2.gz" ]; then
        echo "$1.$2.gz"
    else
        echo "$1.$2"
    fi
}

rotate_log() {
    if [ ! -f "$1" ]; then
        echo "rotate: $1: no such log" >&2
        return 1
    fi
    for number in $(rotate_numbers "$1"); do
        old=$(rotate_name "$1" "$number")
        if [ "$number" -gt "$keep" ]; then
            rm -f "$old"
            continue
        fi
        [ "$number" -lt 10 ] || continue
        new=$1.$((number + 1))
        case $old in
        *.gz) new=$new.gz ;;
        esac
        cp "$old" "$new"
    done
    mv "$1" "$1.1"
    : >"$1"
    if [ "$compress" = yes ]; then
        gzip -n "$1.1"
    fi
}
