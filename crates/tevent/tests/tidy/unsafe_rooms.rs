//! `unsafe` lives in two rooms, and each use of it there is argued for.

use std::collections::BTreeSet;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Signature};

use super::source::{Finding, Role, Source, Syntax, assert_none, collect, keep, sources};

/// The folders whose files may use `unsafe`.
const ROOMS: [&str; 2] = [
    "crates/tevent-executor/src/task/",
    "crates/tevent-reactor/src/signal/",
];

const ARGUE: &str =
    "argue directly above, in a comment that begins with `SAFETY:`, why this is sound";

#[test]
fn unsafe_stays_in_its_rooms() {
    keep(stray_unsafe);
}

#[test]
fn unsafe_blocks_and_impls_are_argued_for() {
    keep(unargued);
}

#[test]
fn unsafe_functions_say_what_they_ask_for() {
    keep(undocumented);
}

#[test]
fn crates_without_a_room_forbid_unsafe() {
    let sources = sources();
    assert_none(
        sources
            .iter()
            .flat_map(|source| unforbidden(source, &sources))
            .collect(),
    );
}

fn stray_unsafe(source: &Source) -> Vec<Finding> {
    if source.role() != Role::Library || is_room(&source.path) {
        return Vec::new();
    }
    let cure = "do without `unsafe`, or move the code to one of its rooms";
    let syntax = source.syntax();
    let words = syntax.iter().flat_map(|syntax| syntax.find(&["unsafe"]));
    words.map(|(line, _)| source.finding(line, cure)).collect()
}

fn unargued(source: &Source) -> Vec<Finding> {
    let Some(syntax) = in_room(source) else {
        return Vec::new();
    };
    let mut uses = Uses::default();
    uses.visit_file(&syntax.file);
    let lines: Vec<&str> = source.text.lines().collect();
    let bare = uses
        .found
        .into_iter()
        .filter(|place| !place.iter().any(|line| is_argued(&lines, *line)));
    let starts: BTreeSet<usize> = bare.map(|[line, _]| line).collect();
    let judged = starts.into_iter().filter(|line| !syntax.is_test(*line));
    judged.map(|line| source.finding(line, ARGUE)).collect()
}

fn undocumented(source: &Source) -> Vec<Finding> {
    let Some(syntax) = in_room(source) else {
        return Vec::new();
    };
    let mut functions = UnsafeFunctions(Vec::new());
    functions.visit_file(&syntax.file);
    let bare = functions
        .0
        .into_iter()
        .filter(|line| !syntax.is_test(*line));
    bare.map(|line| {
        source.finding(
            line,
            "add a `# Safety` section to the docs: what must the caller see to?",
        )
    })
    .collect()
}

fn unforbidden(source: &Source, all: &[Source]) -> Option<Finding> {
    let folder = source
        .path
        .strip_suffix("lib.rs")
        .filter(|folder| folder.ends_with("/src/") && source.role() == Role::Library)?;
    let has_room = all
        .iter()
        .any(|other| is_room(&other.path) && other.path.starts_with(folder));
    let forbids = source
        .syntax()?
        .find(&["#", "!", "[", "forbid", "(", "unsafe_code", ")", "]"])
        .next()
        .is_some();
    let cure = "add `#![forbid(unsafe_code)]`: this crate has no room for unsafe code";
    (!has_room && !forbids).then(|| source.finding(1, cure))
}

fn is_room(path: &str) -> bool {
    ROOMS.iter().any(|room| path.starts_with(room))
}

fn in_room(source: &Source) -> Option<Syntax> {
    if source.role() == Role::Library && is_room(&source.path) {
        return source.syntax();
    }
    None
}

/// Whether there is an argument on this line, on the first one inside the block, or in the comment above.
fn is_argued(lines: &[&str], line: usize) -> bool {
    let above = lines[..line - 1].iter().rev().map(|text| text.trim_start());
    let mut comment = above.take_while(|text| text.starts_with("//") || text.starts_with("#["));
    let inside = lines
        .get(line)
        .filter(|text| text.trim_start().starts_with("//"));
    comment.any(argues) || inside.is_some_and(|text| argues(text)) || argues(lines[line - 1])
}

fn argues(text: &str) -> bool {
    text.split_once("//")
        .is_some_and(|(_, comment)| comment.contains("SAFETY:"))
}

/// Unsafe blocks and impls: the line of each, and the line on which the statement around it begins.
#[derive(Default)]
struct Uses {
    statement: Option<usize>,
    found: Vec<[usize; 2]>,
}

impl Uses {
    fn add(&mut self, line: usize) {
        self.found.push([line, self.statement.unwrap_or(line)]);
    }
}

impl<'ast> Visit<'ast> for Uses {
    fn visit_stmt(&mut self, statement: &'ast syn::Stmt) {
        let outer = self.statement.replace(statement.span().start().line);
        visit::visit_stmt(self, statement);
        self.statement = outer;
    }

    fn visit_expr_unsafe(&mut self, block: &'ast syn::ExprUnsafe) {
        self.add(block.unsafe_token.span().start().line);
        visit::visit_expr_unsafe(self, block);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if let Some(word) = &item.unsafety {
            self.add(word.span().start().line);
        }
        visit::visit_item_impl(self, item);
    }

    /// What stands in a macro has not been parsed, so its words have to do.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let mut words = Vec::new();
        collect(call.tokens.clone(), &mut words);
        for pair in words.windows(2) {
            if pair[0].text == "unsafe" && ["{", "impl"].contains(&pair[1].text.as_str()) {
                self.add(pair[0].line());
            }
        }
    }
}

/// The lines of unsafe functions without a `# Safety` section. Methods of a trait have it in the trait.
struct UnsafeFunctions(Vec<usize>);

impl UnsafeFunctions {
    fn add(&mut self, head: &Signature, attributes: &[Attribute]) {
        if matches!(head.safety, syn::Safety::Unsafe(_))
            && !attributes.iter().any(has_safety_section)
        {
            self.0.push(head.span().start().line);
        }
    }
}

impl<'ast> Visit<'ast> for UnsafeFunctions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.attrs);
        visit::visit_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        self.add(&function.sig, &function.attrs);
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let functions = item.items.iter().filter_map(|item| match item {
            syn::ImplItem::Fn(function) => Some(function),
            _ => None,
        });
        for function in functions.filter(|_| item.trait_.is_none()) {
            self.add(&function.sig, &function.attrs);
        }
        visit::visit_item_impl(self, item);
    }
}

fn has_safety_section(attribute: &Attribute) -> bool {
    let text = attribute
        .meta
        .require_name_value()
        .ok()
        .map(|docs| &docs.value);
    let Some(syn::Expr::Lit(syn::ExprLit {
        lit: syn::Lit::Str(text),
        ..
    })) = text
    else {
        return false;
    };
    attribute.path().is_ident("doc") && text.value().lines().any(|line| line.trim() == "# Safety")
}

fn planted(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::planted(path, text))
        .iter()
        .map(|finding| finding.line)
        .collect()
}

const ROOM: &str = "crates/tevent-executor/src/task/cell.rs";
const ELSEWHERE: &str = "crates/tevent-executor/src/spawner.rs";

#[test]
fn finds_unsafe_outside_its_rooms() {
    for bad in [
        "fn a() { unsafe { b() } }",
        "unsafe fn a() {}",
        "unsafe impl Send for A {}",
        "a!(unsafe { b() });",
        "macro_rules! a { () => { unsafe { b() } } }",
    ] {
        assert_eq!(
            planted(stray_unsafe, ELSEWHERE, &format!("\n{bad}\n")),
            [2],
            "{bad}"
        );
        assert_eq!(planted(stray_unsafe, ROOM, bad), [], "{bad}");
        assert_eq!(
            planted(stray_unsafe, "crates/tevent/tests/fork.rs", bad),
            [],
            "{bad}"
        );
    }
    assert_eq!(
        planted(
            stray_unsafe,
            ELSEWHERE,
            "#![forbid(unsafe_code)]\n// unsafe\n"
        ),
        []
    );
}

#[test]
fn finds_an_unsafe_block_or_impl_without_an_argument() {
    for bad in [
        "fn a() {\n    unsafe { b() }\n}\n",
        "fn a() {\n    x(|| unsafe { b() });\n}\n",
        "/// Docs.\nunsafe impl Send for A {}\n",
        "fn a() {\n    assert!(unsafe { b() });\n}\n",
        "fn a() {\n    unsafe { b(\"// SAFE\") }\n}\n",
    ] {
        assert_eq!(planted(unargued, ROOM, bad), [2], "{bad}");
    }
    let distant = "fn a() {\n    // SAFETY: of b.\n    b();\n    unsafe { c() }\n}\n";
    assert_eq!(planted(unargued, ROOM, distant), [4]);
    let second = "fn a() {\n    // SAFETY: of b.\n    unsafe { b() };\n    unsafe { c() };\n}\n";
    assert_eq!(planted(unargued, ROOM, second), [4]);
}

#[test]
fn accepts_an_argument_above_or_inside() {
    for good in [
        "fn a() {\n    // SAFETY: it holds.\n    // For sure.\n    unsafe { b() }\n}\n",
        "fn a() {\n    // SAFETY: it holds.\n    let x = b(\n        c,\n        unsafe { d() },\n    );\n}\n",
        "fn a() {\n    unsafe {\n        // SAFETY: it holds.\n        b()\n    }\n}\n",
        "// SAFETY: it holds.\n#[allow(a)]\nunsafe impl Send for A {}\n",
        "#[cfg(test)]\nmod tests {\n    fn a() {\n        unsafe { b() }\n    }\n}\n",
        "/// # Safety\n/// Ask.\nunsafe fn a() {}\n",
    ] {
        assert_eq!(planted(unargued, ROOM, good), [], "{good}");
    }
}

#[test]
fn finds_an_unsafe_function_without_a_safety_section() {
    assert_eq!(
        planted(undocumented, ROOM, "/// Docs.\nunsafe fn a() {}\n"),
        [2]
    );
    assert_eq!(
        planted(
            undocumented,
            ROOM,
            "impl A {\n    pub unsafe fn a() {}\n}\n"
        ),
        [2]
    );
    assert_eq!(
        planted(undocumented, ROOM, "trait A {\n    unsafe fn a();\n}\n"),
        [2]
    );
    assert_eq!(
        planted(
            undocumented,
            ROOM,
            "/// Docs.\n///\n/// # Safety\n///\n/// Ask.\nunsafe fn a() {}\n"
        ),
        []
    );
    assert_eq!(
        planted(
            undocumented,
            ROOM,
            "impl B for A {\n    unsafe fn a() {}\n}\n"
        ),
        []
    );
}

#[test]
fn finds_a_crate_that_does_not_forbid_unsafe() {
    let forbids = |path: &str, text: &str, rest: &[Source]| {
        unforbidden(&Source::planted(path, text), rest).is_none()
    };
    let room = [Source::planted(ROOM, "")];
    assert!(forbids(
        "crates/tevent-core/src/lib.rs",
        "#![forbid(unsafe_code)]\n",
        &room
    ));
    assert!(!forbids(
        "crates/tevent-core/src/lib.rs",
        "#![deny(unsafe_code)]\n",
        &room
    ));
    assert!(!forbids(
        "crates/tevent-core/src/lib.rs",
        "//! #![forbid(unsafe_code)]\n",
        &room
    ));
    assert!(forbids("crates/tevent-executor/src/lib.rs", "", &room));
    assert!(!forbids("crates/tevent-executor/src/lib.rs", "", &[]));
}
