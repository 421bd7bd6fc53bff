//! Rules of the manifests: a crate uses lower floors only, and mio stands in two manifests.

use toml::{Table, Value};

use super::source::{Finding, Source, assert_none, files};

/// Every crate and its floor. A new crate gets its line here.
const FLOORS: [(&str, usize); 11] = [
    ("tevent-core", 0),
    ("tevent-testing", 0),
    ("tevent-executor", 1),
    ("tevent-reactor", 1),
    ("tevent-queue", 1),
    ("tevent-dispatch", 1),
    ("tevent-context", 2),
    ("tevent-net", 3),
    ("tevent-request", 3),
    ("tevent-thread", 3),
    ("tevent", 4),
];

/// The process blocks in one place, the reactor's poll, and net hands it the sockets.
const MAY_USE_MIO: [&str; 2] = [
    "crates/tevent-reactor/Cargo.toml",
    "crates/tevent-net/Cargo.toml",
];

#[test]
fn a_crate_uses_lower_floors_only() {
    let crates = manifests()
        .into_iter()
        .filter(|manifest| manifest.path.starts_with("crates/"));
    assert_none(
        crates
            .flat_map(|manifest| upward_dependencies(&manifest))
            .collect(),
    );
}

#[test]
fn mio_stands_in_two_manifests() {
    assert_none(manifests().iter().flat_map(stray_mio).collect());
}

#[test]
fn the_rules_see_all_manifests() {
    let paths: Vec<String> = manifests()
        .into_iter()
        .map(|manifest| manifest.path)
        .collect();
    for name in ["core", "executor", "reactor", "queue", "context", "net"] {
        let path = format!("crates/tevent-{name}/Cargo.toml");
        assert!(paths.contains(&path), "{path} was not seen");
    }
    assert!(paths.contains(&"crates/tevent/Cargo.toml".to_owned()));
    assert!(paths.contains(&"examples/Cargo.toml".to_owned()));
}

fn manifests() -> Vec<Source> {
    files(|name| name == "Cargo.toml")
}

fn upward_dependencies(manifest: &Source) -> Vec<Finding> {
    let table = parse(manifest);
    let name = table
        .get("package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str);
    let Some(floor) = name.and_then(floor) else {
        let cure = "give the crate its floor in the table of crates/tevent/tests/tidy/floors.rs";
        return vec![manifest.finding(line_of(manifest, "name"), cure)];
    };
    let used = dependencies(&table, &["dependencies", "build-dependencies"]);
    used.into_iter()
        .filter(|dependency| dependency.package.starts_with("tevent"))
        .filter_map(|dependency| {
            let cure = match self::floor(&dependency.package) {
                Some(other) if other < floor => return None,
                Some(other) => {
                    format!("floor {floor} may not use floor {other}: put a seam below both")
                }
                None => {
                    "give this crate its floor in the table of crates/tevent/tests/tidy/floors.rs"
                        .to_owned()
                }
            };
            Some(manifest.finding(line_of(manifest, &dependency.key), cure))
        })
        .collect()
}

fn stray_mio(manifest: &Source) -> Vec<Finding> {
    if MAY_USE_MIO.contains(&manifest.path.as_str()) {
        return Vec::new();
    }
    let cure = "only the reactor and net may use mio: ask the reactor for what is needed";
    dependencies(
        &parse(manifest),
        &["dependencies", "build-dependencies", "dev-dependencies"],
    )
    .into_iter()
    .filter(|dependency| dependency.package == "mio")
    .map(|dependency| manifest.finding(line_of(manifest, &dependency.key), cure))
    .collect()
}

fn parse(manifest: &Source) -> Table {
    manifest
        .text
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", manifest.path))
}

fn floor(name: &str) -> Option<usize> {
    FLOORS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, floor)| *floor)
}

struct Dependency {
    /// The name in the manifest.
    key: String,
    /// The package behind it.
    package: String,
}

/// What stands in these sections, for all targets.
fn dependencies(manifest: &Table, sections: &[&str]) -> Vec<Dependency> {
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets
        .into_iter()
        .flat_map(|targets| targets.values())
        .filter_map(Value::as_table);
    std::iter::once(manifest)
        .chain(targets)
        .flat_map(|place| {
            sections
                .iter()
                .filter_map(|section| place.get(*section)?.as_table())
        })
        .flatten()
        .map(|(key, value)| Dependency {
            key: key.clone(),
            package: value
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(key)
                .to_owned(),
        })
        .collect()
}

fn line_of(manifest: &Source, key: &str) -> usize {
    let names = |line: &str| {
        line.strip_prefix(key)
            .is_some_and(|rest| rest.starts_with([' ', '=', '.', ']']))
    };
    let header = |line: &str| {
        line.rsplit_once("dependencies.")
            .is_some_and(|(_, rest)| names(rest))
    };
    manifest
        .text
        .lines()
        .position(|line| names(line) || header(line))
        .map_or(1, |index| index + 1)
}

fn planted(rule: fn(&Source) -> Vec<Finding>, name: &str, rest: &str) -> Vec<usize> {
    let text = format!("[package]\nname = \"{name}\"\n{rest}\n");
    let manifest = Source::planted(&format!("crates/{name}/Cargo.toml"), &text);
    rule(&manifest).iter().map(|finding| finding.line).collect()
}

#[test]
fn finds_a_dependency_on_the_same_or_a_higher_floor() {
    let lines = |name, rest| planted(upward_dependencies, name, rest);
    assert_eq!(
        lines(
            "tevent-queue",
            "[dependencies]\ntevent-core.workspace = true\nfutures = \"0.3\""
        ),
        []
    );
    assert_eq!(
        lines(
            "tevent-queue",
            "[dependencies]\ntevent-executor.workspace = true"
        ),
        [4]
    );
    assert_eq!(
        lines(
            "tevent-core",
            "[dependencies]\na = \"1\"\ntevent = { workspace = true }"
        ),
        [5]
    );
    assert_eq!(
        lines(
            "tevent-core",
            "[target.'cfg(unix)'.dependencies]\ntevent-net = \"1\""
        ),
        [4]
    );
    assert_eq!(
        lines(
            "tevent-core",
            "[dependencies]\nup = { package = \"tevent-context\" }"
        ),
        [4]
    );
    assert_eq!(
        lines(
            "tevent-core",
            "[dependencies.tevent-queue]\nworkspace = true"
        ),
        [3]
    );
    assert_eq!(
        lines(
            "tevent-queue",
            "[dev-dependencies]\ntevent-context.workspace = true"
        ),
        []
    );
}

#[test]
fn finds_a_crate_without_a_floor() {
    assert_eq!(planted(upward_dependencies, "tevent-attic", ""), [2]);
    assert_eq!(
        planted(
            upward_dependencies,
            "tevent",
            "[dependencies]\ntevent-attic = \"1\""
        ),
        [4]
    );
}

#[test]
fn finds_mio_where_it_does_not_belong() {
    for section in [
        "dependencies",
        "dev-dependencies",
        "target.'cfg(unix)'.dependencies",
    ] {
        let rest = format!("[{section}]\nmio.workspace = true");
        assert_eq!(
            planted(stray_mio, "tevent-context", &rest),
            [4],
            "{section}"
        );
        assert_eq!(planted(stray_mio, "tevent-reactor", &rest), []);
    }
}
