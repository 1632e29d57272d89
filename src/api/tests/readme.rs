//! What the README says of routes, settings, counterparts and definitions is what the code has.

use std::{cell::RefCell, collections::BTreeSet, fs, path::Path};

use serde_json::Value;

use super::routes::every_route;
use crate::{
    api::route::{Routed, route},
    config,
    connection::{
        definition::{Action, Definition},
        outbound::OutboundPolicy,
        yaml,
    },
};

/// A file of the repository.
fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The rows of the first table below a heading of the README, by cell, without head and line.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = file("README.md");
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    let rows = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.skip(2).map(cells).collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_routes_has_each_route_with_its_scope() {
    let mut listed = BTreeSet::new();
    for row in table("Routes") {
        for place in quoted(&row[0]) {
            let (method, path) = place.split_once(' ').unwrap_or_else(|| panic!("{place}"));
            let Routed::To(route) = route(&method.parse().unwrap(), path) else { panic!("no route: {place}") };
            assert_eq!(quoted(&row[1]).next(), route.required_scope(), "{place}");
            listed.insert((method.to_owned(), route.template()));
        }
    }
    let there: BTreeSet<_> =
        every_route().map(|route| (super::routes::sample(&route).0.to_owned(), route.template())).collect();
    assert_eq!(listed, there);
}

#[test]
fn the_table_of_settings_has_each_setting() {
    let asked = RefCell::new(BTreeSet::new());
    // What is wrong with a deployment that sets nothing is of no interest here.
    let _ = config::read(|name| {
        let own = name.strip_prefix("FIDES__").or_else(|| name.strip_prefix("FIDESOPS__")).unwrap_or(name);
        asked.borrow_mut().insert(own.strip_prefix("SECURITY__").unwrap_or(own).to_owned());
        None
    });
    let rows = table("Settings");
    let listed: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[0])).map(str::to_owned).collect();
    assert_eq!(listed, asked.into_inner());
    let without_default: Vec<_> = rows.iter().filter(|row| row[2].is_empty()).collect();
    assert!(without_default.is_empty(), "{without_default:?}");
}

/// The version of each is the one that is installed.
#[test]
fn the_table_of_counterparts_has_the_versions_that_are_pinned() {
    let packages: Value = serde_json::from_str(&file("package.json")).unwrap();
    let (lock, requirements) = (file("Cargo.lock"), file("tests/interop/requirements.txt"));
    for row in table("Proven by software of others") {
        let (name, version) = (quoted(&row[0]).next().unwrap(), row[1].as_str());
        let is_pinned = match row[0].rsplit(", ").next().unwrap() {
            "npm" => packages["devDependencies"][name] == version,
            "crates.io" => lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")),
            "PyPI" => {
                let pin = format!("{}=={version} \\", name.to_ascii_lowercase().replace('_', "-"));
                requirements.lines().any(|line| line == pin)
            }
            _ => version == "the machine's",
        };
        assert!(is_pinned, "{row:?}");
    }
}

/// The example of a definition can be saved as it is printed, and has the requests that its comments speak of.
#[test]
fn the_example_of_a_definition_is_one() {
    let readme = file("README.md");
    let example = readme.split("```yaml\n").find(|block| block.starts_with("saas_config:")).unwrap();
    let document = yaml::parse(example.split("```").next().unwrap()).unwrap();
    let definition = Definition::from_document(document).unwrap();
    assert!(definition.check_hosts(&OutboundPolicy::default()).is_empty());
    for action in [Action::Authorize, Action::Access, Action::Refresh, Action::Test] {
        assert!(definition.request(action).is_some(), "{action:?}");
    }
    assert!(definition.is_sensitive("client_secret"));
}
