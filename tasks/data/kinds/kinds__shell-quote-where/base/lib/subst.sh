# SPDX-License-Identifier: MIT
# Replacing {} in a text.

# subst TEXT VALUE: the text with every {} replaced; the value is taken literally.
subst() {
    subst_rest=$1
    while :; do
        case $subst_rest in
        *'{}'*)
            printf '%s' "${subst_rest%%'{}'*}$2"
            subst_rest=${subst_rest#*'{}'}
            ;;
        *)
            printf '%s' "$subst_rest"
            return
            ;;
        esac
    done
}
