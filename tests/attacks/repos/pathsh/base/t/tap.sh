# SPDX-License-Identifier: MIT
# A very small producer of TAP for bash. Source it; call plan, then is.
tap_count=0
tap_bad=0

tap_line() {
    printf '%s\n' "$1"
    case ${ASSAY_REPORT_FD:-} in
    '' | *[!0-9]*) ;;
    *) printf '%s\t%s\n' "$0" "$1" >&"$ASSAY_REPORT_FD" ;;
    esac
}

plan() {
    tap_line "1..$1"
}

# is GOT WANTED NAME
is() {
    tap_count=$((tap_count + 1))
    if [ "$1" = "$2" ]; then
        tap_line "ok $tap_count - $3"
    else
        tap_bad=1
        tap_line "not ok $tap_count - $3"
    fi
}

done_testing() {
    exit "$tap_bad"
}
