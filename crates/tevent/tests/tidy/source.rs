//! What the rules look at: the files of the workspace, their words and the lines that are tests.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Item};

/// The folders that hold the project's own code.
const FOLDERS: [&str; 3] = ["crates", "examples", "benches"];

/// A violation: where, and how to cure it.
pub(crate) struct Finding {
    path: String,
    pub(crate) line: usize,
    cure: String,
}

/// One `.rs` file.
pub(crate) struct Source {
    /// Relative to the workspace, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What a file is there for, as its path says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Library,
    Test,
    Example,
    Bench,
}

/// A file that has been parsed.
pub(crate) struct Syntax {
    pub(crate) file: syn::File,
    /// All tokens in order, groups taken apart, without doc comments.
    pub(crate) words: Vec<Word>,
    /// The lines of items under `#[cfg(test)]` or `#[test]`.
    tests: Vec<RangeInclusive<usize>>,
}

/// One token and the lines it covers.
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) lines: RangeInclusive<usize>,
}

/// Applies a rule to every file of the workspace, and fails with all its findings.
pub(crate) fn keep(rule: impl Fn(&Source) -> Vec<Finding>) {
    assert_none(sources().iter().flat_map(rule).collect());
}

pub(crate) fn assert_none(findings: Vec<Finding>) {
    let list: String = findings
        .iter()
        .map(|finding| format!("\n{finding}"))
        .collect();
    assert!(findings.is_empty(), "{} violations:{list}", findings.len());
}

pub(crate) fn sources() -> Vec<Source> {
    files(|name| name.ends_with(".rs"))
}

/// All files below the folders of code whose name is wanted, in the order of their paths.
pub(crate) fn files(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    let root = root();
    FOLDERS
        .iter()
        .flat_map(|folder| walkdir::WalkDir::new(root.join(folder)).sort_by_file_name())
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file() && wanted(&entry.file_name().to_string_lossy()))
        .map(|entry| read(&root, entry.path()))
        .collect()
}

pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize()
        .expect("the workspace is two floors above the facade")
}

fn read(root: &Path, path: &Path) -> Source {
    let relative = path.strip_prefix(root).expect("the walk began at the root");
    let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
    let text =
        std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Source {
        path: parts.join("/"),
        text,
    }
}

impl Source {
    /// A file that exists only in a test of a rule.
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn role(&self) -> Role {
        let parts: Vec<&str> = self.path.split('/').collect();
        match parts[..] {
            _ if parts.contains(&"tests") || self.path.ends_with("/tests.rs") => Role::Test,
            ["crates", "tevent-testing", ..] => Role::Test,
            ["examples", ..] | ["crates", _, "examples", ..] => Role::Example,
            ["benches", ..] | ["crates", _, "benches", ..] => Role::Bench,
            _ => Role::Library,
        }
    }

    /// `None` for a file that does not parse, which a rule of its own finds.
    pub(crate) fn syntax(&self) -> Option<Syntax> {
        self.parse().ok()
    }

    pub(crate) fn parse(&self) -> syn::Result<Syntax> {
        let file = syn::parse_file(&self.text)?;
        let mut words = Vec::new();
        collect(self.text.parse()?, &mut words);
        let mut tests = TestLines(Vec::new());
        tests.visit_file(&file);
        Ok(Syntax {
            file,
            words,
            tests: tests.0,
        })
    }

    pub(crate) fn finding(&self, line: usize, cure: impl Into<String>) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            cure: cure.into(),
        }
    }
}

impl Syntax {
    pub(crate) fn is_test(&self, line: usize) -> bool {
        self.tests.iter().any(|lines| lines.contains(&line))
    }

    /// The lines on which this sequence of words begins, with the words from there on.
    pub(crate) fn find<'a>(
        &'a self,
        sequence: &'a [&str],
    ) -> impl Iterator<Item = (usize, &'a [Word])> {
        let fits = move |words: &[Word]| {
            words
                .iter()
                .zip(sequence)
                .all(|(word, text)| word.text == *text)
        };
        self.words
            .windows(sequence.len())
            .enumerate()
            .filter(move |(_, words)| fits(words))
            .map(|(start, words)| (words[0].line(), &self.words[start..]))
    }
}

impl Word {
    fn new(text: String, span: Span) -> Self {
        Self {
            text,
            lines: span.start().line..=span.end().line,
        }
    }

    pub(crate) fn line(&self) -> usize {
        *self.lines.start()
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.cure)
    }
}

pub(crate) fn collect(tokens: TokenStream, words: &mut Vec<Word>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) if is_doc(&group) => drop_attribute_head(words),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                words.push(Word::new(open.to_owned(), group.span_open()));
                collect(group.stream(), words);
                words.push(Word::new(close.to_owned(), group.span_close()));
            }
            single => words.push(Word::new(single.to_string(), single.span())),
        }
    }
}

/// Doc comments reach us as `#[doc = "..."]`.
fn is_doc(group: &proc_macro2::Group) -> bool {
    let mut inner = group.stream().into_iter();
    group.delimiter() == Delimiter::Bracket
        && matches!(inner.next(), Some(TokenTree::Ident(name)) if name == "doc")
        && matches!(inner.next(), Some(TokenTree::Punct(sign)) if sign.as_char() == '=')
}

fn drop_attribute_head(words: &mut Vec<Word>) {
    while words
        .pop_if(|word| word.text == "!" || word.text == "#")
        .is_some()
    {}
}

struct TestLines(Vec<RangeInclusive<usize>>);

impl TestLines {
    fn add(&mut self, attributes: &[Attribute], span: Span) -> bool {
        let found = attributes.iter().any(is_test_attribute);
        if found {
            self.0.push(span.start().line..=span.end().line);
        }
        found
    }
}

impl<'ast> Visit<'ast> for TestLines {
    fn visit_item(&mut self, item: &'ast Item) {
        if !self.add(attributes(item), syn::spanned::Spanned::span(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !self.add(&function.attrs, syn::spanned::Spanned::span(function)) {
            visit::visit_impl_item_fn(self, function);
        }
    }
}

fn is_test_attribute(attribute: &Attribute) -> bool {
    let mut words = Vec::new();
    collect(quote(attribute), &mut words);
    let has = |text: &str| words.iter().any(|word| word.text == text);
    attribute.path().is_ident("test")
        || (attribute.path().is_ident("cfg") && has("test") && !has("not") && !has("any"))
}

fn quote(attribute: &Attribute) -> TokenStream {
    match &attribute.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

#[test]
fn the_rules_see_the_whole_house() {
    let sources = sources();
    let count = |role| {
        sources
            .iter()
            .filter(|source| source.role() == role)
            .count()
    };
    assert!(
        count(Role::Library) >= 20,
        "{} library files",
        count(Role::Library)
    );
    assert!(count(Role::Test) >= 8, "{} test files", count(Role::Test));
    assert!(
        count(Role::Example) >= 1,
        "{} examples",
        count(Role::Example)
    );
    for crate_ in std::fs::read_dir(root().join("crates")).expect("the crates can be listed") {
        let name = crate_.expect("a crate can be looked at").file_name();
        let lib = format!("crates/{}/src/lib.rs", name.to_string_lossy());
        assert!(
            sources.iter().any(|source| source.path == lib),
            "{lib} was not seen"
        );
    }
    assert!(
        sources
            .iter()
            .any(|source| source.path == "crates/tevent/tests/tidy.rs")
    );
}

#[test]
fn every_file_parses() {
    keep(|source| match source.parse() {
        Ok(_) => Vec::new(),
        Err(error) => {
            vec![source.finding(error.span().start().line, format!("make it parse: {error}"))]
        }
    });
}

#[test]
fn a_role_follows_from_the_path() {
    let role = |path| Source::planted(path, "").role();
    assert_eq!(role("crates/tevent-core/src/line.rs"), Role::Library);
    assert_eq!(role("crates/tevent-core/tests/line.rs"), Role::Test);
    assert_eq!(role("crates/tevent-core/src/line/tests.rs"), Role::Test);
    assert_eq!(role("crates/tevent-testing/src/lib.rs"), Role::Test);
    assert_eq!(role("examples/serialized_writes.rs"), Role::Example);
    assert_eq!(role("benches/gate.rs"), Role::Bench);
}

#[test]
fn the_lines_of_tests_are_known() {
    let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n#[cfg(not(test))]\nfn b() {}\n#[test]\nfn c() {\n}\n";
    let syntax = Source::planted("crates/x/src/lib.rs", text)
        .parse()
        .expect("it parses");
    let tests: Vec<usize> = (1..=9).filter(|line| syntax.is_test(*line)).collect();
    assert_eq!(tests, [2, 3, 4, 7, 8, 9]);
}

#[test]
fn words_are_without_comments_and_strings_stay_whole() {
    let text =
        "//! Top.\n/// Docs of `unsafe`.\n#[must_use]\n// unsafe\nfn a() { b(\"unsafe { }\") }\n";
    let syntax = Source::planted("crates/x/src/lib.rs", text)
        .parse()
        .expect("it parses");
    let words: Vec<&str> = syntax.words.iter().map(|word| word.text.as_str()).collect();
    let expected = [
        "#",
        "[",
        "must_use",
        "]",
        "fn",
        "a",
        "(",
        ")",
        "{",
        "b",
        "(",
        "\"unsafe { }\"",
        ")",
        "}",
    ];
    assert_eq!(words, expected);
}
