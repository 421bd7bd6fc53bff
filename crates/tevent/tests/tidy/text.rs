//! Rules of the plain text: the first line, the length of lines, white space.

use super::source::{Finding, Source, keep};

const MAX_WIDTH: usize = 120;

#[test]
fn a_file_begins_with_one_sentence() {
    keep(first_line);
}

#[test]
fn lines_are_short_and_clean() {
    keep(lines);
}

fn first_line(source: &Source) -> Vec<Finding> {
    let first = source.text.lines().next().unwrap_or_default();
    let sentence = first
        .strip_prefix("//! ")
        .is_some_and(|words| words.trim().ends_with('.'));
    if sentence {
        return Vec::new();
    }
    vec![source.finding(
        1,
        "begin the file with `//! ` and one whole sentence on that line, with its full stop",
    )]
}

fn lines(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.split('\n').enumerate() {
        let mut find = |cure: &str| findings.push(source.finding(index + 1, cure));
        if line.chars().count() > MAX_WIDTH {
            find("break the line: it has more than 120 characters");
        }
        if line.ends_with(char::is_whitespace) {
            find("take away the white space at the end of the line");
        }
        if line.contains('\t') {
            find("indent with spaces, write \\t in strings");
        }
    }
    if !source.text.ends_with('\n') {
        findings.push(source.finding(
            source.text.lines().count(),
            "end the file with a line break",
        ));
    }
    findings
}

fn planted(rule: fn(&Source) -> Vec<Finding>, text: &str) -> Vec<usize> {
    let source = Source::planted("crates/tevent-core/src/line.rs", text);
    rule(&source).iter().map(|finding| finding.line).collect()
}

#[test]
fn finds_a_missing_or_unfinished_first_sentence() {
    assert_eq!(planted(first_line, "//! A sentence.\n"), []);
    for bad in [
        "",
        "use std::fmt;\n",
        "// A sentence.\n",
        "//! No full stop\n",
        "\n//! A sentence.\n",
        "//!\n",
    ] {
        assert_eq!(planted(first_line, bad), [1], "{bad:?}");
    }
}

#[test]
fn finds_long_lines_and_stray_white_space() {
    assert_eq!(planted(lines, "fn a() {}\n"), []);
    assert_eq!(planted(lines, &format!("//{}\n", "\u{e9}".repeat(118))), []);
    assert_eq!(planted(lines, &format!("//{}\n", "x".repeat(119))), [1]);
    assert_eq!(planted(lines, "fn a() {}\n// b \n"), [2]);
    assert_eq!(planted(lines, "fn a() {\n\tb();\n}\n"), [2]);
    assert_eq!(planted(lines, "fn a() {}\r\n"), [1]);
    assert_eq!(planted(lines, "fn a() {}"), [1]);
}
