# SPDX-License-Identifier: MIT
# Paths as text: nothing here looks at the file system.

# path_normal PATH: without ., .. and doubled slashes.
path_normal() {
    local part out=() IFS=/
    for part in $1; do
        case $part in
        '' | .) ;;
        ..) unset 'out[-1]' ;;
        *) out+=("$part") ;;
        esac
    done
    case $1 in
    /*) printf '/%s\n' "${out[*]}" ;;
    *) printf '%s\n' "${out[*]}" ;;
    esac
}

# path_join A B: B if it is absolute, else A/B.
path_join() {
    path_normal "$1/$2"
}

# path_ext PATH: the part behind the last dot of the name.
path_ext() {
    printf '%s\n' "${1##*.}"
}
