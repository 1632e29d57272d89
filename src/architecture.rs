//! Tests only: who may use whom. A line that breaks the table is a layer that leaks.

use std::{fs, path::Path};

/// For each top-level module, the others that it may name as `crate::…`.
const MAY_USE: [(&str, &[&str]); 10] = [
    ("protocol", &[]),
    ("recent", &[]),
    ("config", &["protocol"]),
    ("ports", &["protocol", "authorization_server", "connection"]),
    ("authorization_server", &["protocol", "config", "ports", "recent", "memory"]),
    ("connection", &["protocol", "config", "ports", "memory"]),
    ("api", &["protocol", "config", "ports", "recent", "authorization_server", "connection", "memory"]),
    ("edge", &["protocol", "config", "ports", "authorization_server", "connection", "api", "wire"]),
    ("wire", &["protocol", "ports", "authorization_server", "connection"]),
    ("memory", &["protocol", "config", "ports", "authorization_server", "connection"]),
];

/// Modules in which a function may be `async`.
const MAY_AWAIT: [&str; 5] = ["api", "connection/actor", "connection/sweep", "edge", "ports"];

/// Every file of `src`, as its path from there and its text.
fn sources() -> Vec<(String, String)> {
    /// Adds the files below a folder.
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

/// The top-level module that a file belongs to.
fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The names right after each `crate::` of a text, groups (`crate::{a, b::c}`) included.
fn used_modules(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut used = Vec::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => used.push(identifier(rest)),
            Some(group) => used.extend(top_level_names(group)),
        }
    }
    used
}

/// The names at the outer level of a group, up to its closing brace.
fn top_level_names(group: &str) -> Vec<String> {
    let (mut depth, mut names, mut at_start) = (0, Vec::new(), true);
    for (index, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ if at_start && character.is_alphabetic() => {
                names.push(identifier(&group[index..]));
                at_start = false;
            }
            _ => {}
        }
    }
    names
}

/// A file without its module of tests; whatever else is for tests only is read with the rest.
fn product(text: &str) -> &str {
    const CONDITION: &str = "#[cfg(test)]\n";
    let is_module = |rest: &str| ["mod tests", "pub(crate) mod tests"].iter().any(|module| rest.starts_with(module));
    let mut conditions = text.match_indices(CONDITION).map(|(at, _)| at);
    conditions.find(|at| is_module(&text[at + CONDITION.len()..])).map_or(text, |at| &text[..at])
}

/// The identifier that a text starts with.
fn identifier(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    for (file, text) in sources() {
        let own = module_of(&file);
        if matches!(own, "lib" | "architecture" | "checklist") {
            continue;
        }
        let (_, allowed) =
            MAY_USE.iter().find(|(module, _)| *module == own).unwrap_or_else(|| panic!("{file}: no rule"));
        for used in used_modules(&text) {
            assert!(used == own || allowed.contains(&used.as_str()), "{file} uses crate::{used}");
        }
    }
}

#[test]
fn test_doubles_are_used_by_tests_only() {
    for (file, text) in sources() {
        let product = product(&text);
        let is_test = matches!(file.as_str(), "memory.rs" | "architecture.rs" | "checklist.rs")
            || file.ends_with("tests.rs")
            || file.contains("tests/")
            || file == "lib.rs";
        assert!(is_test || !used_modules(product).contains(&"memory".to_owned()), "{file} uses memory");
    }
}

#[test]
fn only_the_edge_names_the_runtime() {
    for (file, text) in sources() {
        let names_it = text.lines().any(|line| line.contains("use worker") || line.contains("worker::"));
        assert!(!names_it || matches!(module_of(&file), "edge" | "architecture"), "{file} names the runtime");
    }
}

#[test]
fn decisions_are_synchronous() {
    for (file, text) in sources() {
        let product = product(&text);
        let is_async = product.contains("async fn") || product.contains(".await");
        let may = MAY_AWAIT.iter().any(|place| file.starts_with(place))
            || matches!(module_of(&file), "memory" | "architecture");
        assert!(may || !is_async, "{file} is asynchronous");
    }
}

/// M6: random bytes have one source, that of the platform.
#[test]
fn one_function_asks_the_platform_for_random_bytes() {
    let of = |name: &str| {
        let uses = |text: &str| {
            text.lines().filter(|line| !line.trim_start().starts_with("//")).any(|line| line.contains(name))
        };
        sources()
            .into_iter()
            .filter(|(file, text)| file != "architecture.rs" && uses(text))
            .map(|(file, _)| file)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("getrandom::"), ["ports.rs"]);
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    for other in ["rand", "fastrand", "oorandom", "uuid"] {
        assert!(!manifest.lines().any(|line| line.split([' ', '=']).next() == Some(other)), "{other} is a dependency");
    }
    for other in ["Math::random", "Math.random", "RandomState", "OsRng", "thread_rng"] {
        assert!(of(other).is_empty(), "{other} in {:?}", of(other));
    }
}

#[test]
fn no_file_is_longer_than_a_reader_wants() {
    for (file, text) in sources() {
        let lines = product(&text).lines().count();
        assert!(lines <= 400, "{file} has {lines} lines");
    }
}

/// What only tests call may stand high in a file: what follows it is read too.
#[test]
fn only_the_module_of_tests_is_cut_off() {
    let helper = "    #[cfg(test)]\n    fn helper() {}\n#[cfg(test)]\nmod other;\nfn product() {}\n";
    for module in ["mod tests;", "mod tests {\n}", "pub(crate) mod tests {\n}"] {
        assert_eq!(product(&format!("{helper}#[cfg(test)]\n{module}\n")), helper, "{module}");
    }
    assert_eq!(product(helper), helper);
}

/// rustfmt wraps code, and leaves comments as they are.
#[test]
fn no_comment_is_wider_than_the_code() {
    for (file, text) in sources() {
        let comments = text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("//"));
        for (index, line) in comments.filter(|(_, line)| !line.starts_with("//! |")) {
            assert!(line.chars().count() <= 120, "{file}:{}: {line}", index + 1);
        }
    }
}

#[test]
fn the_reader_of_paths_understands_groups() {
    let text = "use crate::{\n  a::b,\n  c::{d, e},\n};\nuse crate::f;\n// crate::g\n";
    assert_eq!(used_modules(text), ["a", "c", "f"]);
}
