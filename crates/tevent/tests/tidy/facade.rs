//! The facade has no code of its own: re-exports only.

use syn::{Attribute, Item, Visibility};

use super::source::{Finding, Source, keep};

const FACADE: &str = "crates/tevent/src/";

#[test]
fn the_facade_only_re_exports() {
    keep(code_in_facade);
}

fn code_in_facade(source: &Source) -> Vec<Finding> {
    match source.syntax() {
        Some(syntax) if source.path.starts_with(FACADE) => code(source, &syntax.file.items),
        _ => Vec::new(),
    }
}

fn code(source: &Source, items: &[Item]) -> Vec<Finding> {
    let cure =
        "move it to the crate whose subject it is; the facade holds `pub use` and modules of them";
    let mut findings = Vec::new();
    for item in items {
        let line = syn::spanned::Spanned::span(item).start().line;
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => {}
            Item::Mod(item) => {
                let content = item.content.as_ref().map(|(_, items)| code(source, items));
                findings.extend(content.into_iter().flatten());
            }
            Item::Struct(item) if item.attrs.iter().any(is_doctest) => {}
            _ => findings.push(source.finding(line, cure)),
        }
    }
    findings
}

/// The usual hook for the examples of the README: a struct under `#[cfg(doctest)]`.
fn is_doctest(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && attribute
            .parse_args::<syn::Ident>()
            .is_ok_and(|name| name == "doctest")
}

#[test]
fn finds_code_in_the_facade() {
    let lines = |path: &str, text: &str| -> Vec<usize> {
        let findings = code_in_facade(&Source::planted(path, text));
        findings.iter().map(|finding| finding.line).collect()
    };
    let facade = "crates/tevent/src/lib.rs";
    let good =
        "pub use a::B;\n#[cfg(doctest)]\nstruct Readme;\npub mod net {\n    pub use c::D;\n}\n";
    assert_eq!(lines(facade, good), []);
    for bad in [
        "fn a() {}",
        "struct A;",
        "impl A {}",
        "use a::B;",
        "macro_rules! a { () => {} }",
    ] {
        assert_eq!(lines(facade, &format!("{bad}\n")), [1], "{bad}");
        assert_eq!(
            lines(facade, &format!("pub mod net {{\n    {bad}\n}}\n")),
            [2],
            "{bad}"
        );
        assert_eq!(
            lines("crates/tevent-net/src/lib.rs", &format!("{bad}\n")),
            [],
            "{bad}"
        );
    }
}
