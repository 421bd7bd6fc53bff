//! Rules of length: a file holds one idea, a function fits on a screen.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use super::source::{Finding, Role, Source, Syntax, keep};

/// Lines that hold code; comments, blank lines and unit tests do not count.
const MAX_FILE: usize = 400;

/// Lines from the head of a function to its closing brace, all counted.
const MAX_FUNCTION: usize = 70;

#[test]
fn a_file_holds_one_idea() {
    keep(long_file);
}

#[test]
fn a_function_fits_on_a_screen() {
    keep(long_functions);
}

fn long_file(source: &Source) -> Vec<Finding> {
    let Some(syntax) = judged(source) else {
        return Vec::new();
    };
    let lines: BTreeSet<usize> = syntax
        .words
        .iter()
        .flat_map(|word| word.lines.clone())
        .collect();
    let code = lines
        .into_iter()
        .filter(|line| !syntax.is_test(*line))
        .count();
    if code <= MAX_FILE {
        return Vec::new();
    }
    vec![source.finding(
        1,
        format!("split the file: it has {code} lines of code, {MAX_FILE} are allowed"),
    )]
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let Some(syntax) = judged(source) else {
        return Vec::new();
    };
    let mut functions = Functions(Vec::new());
    functions.visit_file(&syntax.file);
    let long = functions
        .0
        .iter()
        .filter(|function| function.lines > MAX_FUNCTION);
    long.filter(|function| !syntax.is_test(function.start))
        .map(|Function { start, lines, name }| {
            source.finding(
                *start,
                format!("split `{name}`: it has {lines} lines, {MAX_FUNCTION} are allowed"),
            )
        })
        .collect()
}

fn judged(source: &Source) -> Option<Syntax> {
    if source.role() == Role::Test {
        return None;
    }
    source.syntax()
}

struct Function {
    name: String,
    start: usize,
    lines: usize,
}

/// The functions of a file, however deeply they stand; those made by macros are not seen.
struct Functions(Vec<Function>);

impl Functions {
    fn add(&mut self, head: &syn::Signature, end: Span) {
        let start = head.span().start().line;
        self.0.push(Function {
            name: head.ident.to_string(),
            start,
            lines: end.end().line - start + 1,
        });
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, function.block.span());
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add(&function.sig, function.span());
        visit::visit_trait_item_fn(self, function);
    }
}

fn planted(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::planted(path, text))
        .iter()
        .map(|finding| finding.line)
        .collect()
}

#[test]
fn finds_a_file_with_too_much_code_and_counts_nothing_else() {
    let full = "const _: () = ();\n".repeat(MAX_FILE);
    let quiet = "//! Top.\n\n// why\n/// What.\n/* more\n   of it */\n";
    let tests = "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n";
    let library = "crates/x/src/lib.rs";
    assert_eq!(
        planted(long_file, library, &format!("{quiet}{full}{tests}")),
        []
    );
    assert_eq!(
        planted(
            long_file,
            library,
            &format!("{quiet}{full}const _: () = ();\n")
        ),
        [1]
    );
    let long_string = format!("const A: &str = \"{}\";\n", "\n".repeat(MAX_FILE));
    assert_eq!(planted(long_file, library, &long_string), [1]);
    assert_eq!(
        planted(
            long_file,
            "examples/a.rs",
            &format!("{full}fn main() {{}}\n")
        ),
        [1]
    );
    assert_eq!(
        planted(long_file, "crates/x/tests/a.rs", &full.repeat(2)),
        []
    );
}

#[test]
fn finds_a_long_function_wherever_it_stands() {
    let body = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
    let (fits, long) = (body(MAX_FUNCTION), body(MAX_FUNCTION + 1));
    let library = "crates/x/src/lib.rs";
    assert_eq!(planted(long_functions, library, &fits), []);
    assert_eq!(
        planted(
            long_functions,
            library,
            &format!("/// Docs.\n#[inline]\n{long}")
        ),
        [3]
    );
    assert_eq!(
        planted(long_functions, library, &format!("impl A {{\n{long}}}\n")),
        [2]
    );
    assert_eq!(
        planted(long_functions, library, &format!("trait A {{\n{long}}}\n")),
        [2]
    );
    assert_eq!(
        planted(long_functions, library, &format!("mod b {{\n{long}}}\n")),
        [2]
    );
    assert_eq!(
        planted(
            long_functions,
            library,
            &format!("#[cfg(test)]\nmod tests {{\n{long}}}\n")
        ),
        []
    );
    assert_eq!(planted(long_functions, "crates/x/tests/a.rs", &long), []);
}
