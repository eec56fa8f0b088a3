// SPDX-License-Identifier: MIT
//! One line of comma-separated values.

/// Split a line into fields.
pub fn split(line: &str) -> Vec<String> {
    line.split(',').map(|field| field.to_string()).collect()
}

/// Join fields into a line.
pub fn join(fields: &[&str]) -> String {
    fields.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain() {
        assert_eq!(split("a,b"), ["a", "b"]);
        assert_eq!(join(&["a", "b"]), "a,b");
    }
}
