//! Rules of words: what may stand in code only with a reason, or not at all.

use super::source::{Finding, Role, Source, Syntax, Word, keep};

/// An `expect` shorter than this says nothing.
const MIN_REASON: usize = 10;

/// Put together here, so that this file does not break its own rule.
const MARKS: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

#[test]
fn nothing_is_unwrapped_without_a_reason() {
    keep(unwraps);
}

#[test]
fn nothing_is_left_unfinished() {
    keep(unfinished);
}

#[test]
fn no_test_is_ignored() {
    keep(ignored);
}

#[test]
fn nothing_sleeps_but_examples_and_benches() {
    keep(sleeps);
}

fn unwraps(source: &Source) -> Vec<Finding> {
    let Some(syntax) = source.syntax().filter(|_| source.role() != Role::Test) else {
        return Vec::new();
    };
    let unwrap =
        ".unwrap() says nothing: return the error, or `.expect(\"why this can never fail\")`";
    let expect =
        "give `.expect` a literal of at least 10 characters that says why it can never fail";
    let bare = syntax
        .find(&[".", "unwrap", "("])
        .map(|(line, _)| (line, unwrap));
    let wordless = syntax
        .find(&[".", "expect", "("])
        .filter(|(_, words)| !has_reason(&words[3..]))
        .map(|(line, _)| (line, expect));
    bare.chain(wordless)
        .filter(|(line, _)| !syntax.is_test(*line))
        .map(|(line, cure)| source.finding(line, cure))
        .collect()
}

/// Whether the arguments of an `expect` are one literal that is long enough.
fn has_reason(arguments: &[Word]) -> bool {
    let [reason, end, ..] = arguments else {
        return false;
    };
    let literal = syn::parse_str::<syn::LitStr>(&reason.text);
    matches!(end.text.as_str(), ")" | ",")
        && literal.is_ok_and(|reason| reason.value().chars().count() >= MIN_REASON)
}

fn unfinished(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if words.any(|word| MARKS.contains(&word)) {
            findings.push(source.finding(
                index + 1,
                "do it now, or write down as a fact what is missing",
            ));
        }
    }
    let Some(syntax) = source.syntax() else {
        return findings;
    };
    for name in ["todo", "unimplemented", "dbg"] {
        let calls = syntax
            .find(&[name, "!"])
            .map(|(line, _)| line)
            .collect::<Vec<_>>();
        let cure = format!("take `{name}!` out");
        findings.extend(calls.into_iter().map(|line| source.finding(line, &*cure)));
    }
    findings
}

fn ignored(source: &Source) -> Vec<Finding> {
    let Some(syntax) = source.syntax() else {
        return Vec::new();
    };
    let cure =
        "run the test or delete it; only what Miri cannot run may be `cfg_attr(miri, ignore)`";
    syntax
        .find(&["#", "["])
        .filter(|(_, words)| ignores(&words[2..]))
        .map(|(line, _)| source.finding(line, cure))
        .collect()
}

/// Whether an attribute ignores a test, seen from behind its bracket.
fn ignores(words: &[Word]) -> bool {
    let starts = |sequence: &[&str]| {
        words
            .iter()
            .zip(sequence)
            .all(|(word, text)| word.text == *text)
    };
    if starts(&["cfg_attr", "(", "miri", ","]) {
        return false;
    }
    let attribute = words.iter().take_while(|word| word.text != "]");
    starts(&["ignore"])
        || (starts(&["cfg_attr"]) && attribute.skip(1).any(|word| word.text == "ignore"))
}

fn sleeps(source: &Source) -> Vec<Finding> {
    let Some(syntax) = source
        .syntax()
        .filter(|_| !matches!(source.role(), Role::Example | Role::Bench))
    else {
        return Vec::new();
    };
    let cure = "do not sleep: a loop blocks in its poll only, a test moves the virtual clock or waits for an event";
    sleep_lines(&syntax)
        .into_iter()
        .map(|line| source.finding(line, cure))
        .collect()
}

fn sleep_lines(syntax: &Syntax) -> Vec<usize> {
    let is_sleep = |word: &Word| word.text.starts_with("sleep");
    let direct = |rest: &[Word]| rest.first().is_some_and(is_sleep);
    let imported = |rest: &[Word]| {
        rest.first().is_some_and(|word| word.text == "{")
            && rest
                .iter()
                .take_while(|word| word.text != "}")
                .any(is_sleep)
    };
    syntax
        .find(&["thread", ":", ":"])
        .filter(|(_, words)| direct(&words[3..]) || imported(&words[3..]))
        .map(|(line, _)| line)
        .collect()
}

fn planted(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::planted(path, text))
        .iter()
        .map(|finding| finding.line)
        .collect()
}

const LIBRARY: &str = "crates/x/src/lib.rs";
const TEST: &str = "crates/x/tests/a.rs";

#[test]
fn finds_an_unwrap_outside_tests() {
    let bad = "fn a() {\n    b().unwrap();\n    assert!(b()\n        .unwrap());\n}\n";
    assert_eq!(planted(unwraps, LIBRARY, bad), [2, 4]);
    assert_eq!(planted(unwraps, "examples/a.rs", bad), [2, 4]);
    assert_eq!(planted(unwraps, TEST, bad), []);
    assert_eq!(
        planted(
            unwraps,
            LIBRARY,
            &format!("#[cfg(test)]\nmod tests {{\n{bad}}}\n")
        ),
        []
    );
    assert_eq!(
        planted(
            unwraps,
            LIBRARY,
            "/// a.unwrap()\nfn a() {\n    b().unwrap_or(1);\n}\n"
        ),
        []
    );
}

#[test]
fn finds_an_expect_without_a_reason() {
    let call = |argument: &str| format!("fn a() {{\n    b().expect({argument});\n}}\n");
    assert_eq!(
        planted(unwraps, LIBRARY, &call("\"the head was just seen\"")),
        []
    );
    assert_eq!(
        planted(unwraps, LIBRARY, &call("\n\"the head was just seen\",\n")),
        []
    );
    for bad in ["\"failed\"", "REASON", "&format!(\"the head was {x}\")", ""] {
        assert_eq!(planted(unwraps, LIBRARY, &call(bad)), [2], "{bad}");
    }
    assert_eq!(planted(unwraps, TEST, &call("\"\"")), []);
}

#[test]
fn finds_what_is_left_unfinished() {
    for mark in MARKS {
        assert_eq!(
            planted(
                unfinished,
                TEST,
                &format!("fn a() {{}}\n// {mark}: later\n")
            ),
            [2]
        );
        assert_eq!(
            planted(
                unfinished,
                LIBRARY,
                &format!("/// {mark}(me)\nfn a() {{}}\n")
            ),
            [1]
        );
    }
    for name in ["todo", "unimplemented", "dbg"] {
        assert_eq!(
            planted(
                unfinished,
                TEST,
                &format!("fn a() {{\n    {name}!(b)\n}}\n")
            ),
            [2]
        );
    }
    assert_eq!(
        planted(
            unfinished,
            LIBRARY,
            "// todo list, mastodon\nfn todo() {}\n"
        ),
        []
    );
}

#[test]
fn finds_an_ignored_test() {
    for bad in [
        "ignore",
        "ignore = \"slow\"",
        "cfg_attr(all(), ignore)",
        "cfg_attr(not(miri), ignore)",
    ] {
        assert_eq!(
            planted(ignored, TEST, &format!("#[test]\n#[{bad}]\nfn a() {{}}\n")),
            [2],
            "{bad}"
        );
    }
    let miri = "#[cfg_attr(miri, ignore = \"Miri has no sockets\")]\n#[test]\nfn ignore() {}\n";
    assert_eq!(planted(ignored, TEST, miri), []);
}

#[test]
fn finds_a_sleep_in_tests_and_libraries() {
    for bad in [
        "std::thread::sleep(d);",
        "use std::thread::{self, sleep};",
        "thread::sleep_ms(1);",
    ] {
        let text = format!("fn a() {{\n    {bad}\n}}\n");
        assert_eq!(planted(sleeps, TEST, &text), [2], "{bad}");
        assert_eq!(planted(sleeps, LIBRARY, &text), [2], "{bad}");
        assert_eq!(planted(sleeps, "examples/a.rs", &text), []);
    }
    assert_eq!(
        planted(
            sleeps,
            TEST,
            "fn a() {\n    tevent::sleep(d);\n    thread::spawn(b);\n}\n"
        ),
        []
    );
}
