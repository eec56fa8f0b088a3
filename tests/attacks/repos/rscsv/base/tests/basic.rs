// SPDX-License-Identifier: MIT
use rscsv::split;

#[test]
fn empty_fields() {
    assert_eq!(split(",a,"), ["", "a", ""]);
}
