//! R11: input that is made to keep a reader busy. Every input is bounded before it is read, no reader backtracks, and
//! the worst that fits into the bounds is over in a moment.

use std::{process::Command, sync::mpsc, thread, time::Duration};

use serde_json::{Value, json};

use super::{
    Host, authorized, bare, form,
    stage::{CODE_FLOW, SERVICE, service_secrets},
    with_header,
};
use crate::{
    api::{Body, route::body_limit},
    connection::yaml,
};

/// How long all inputs of a test may take together. They take about a second; a reader that tries all ways to read an
/// input would not end, and one that reads each piece once for each other piece would need some thousand times as long.
const PATIENCE: Duration = Duration::from_secs(100);

/// Fails unless something is over in time.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, over) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    match over.recv_timeout(PATIENCE) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("still busy"),
        _ => worker.join().unwrap(),
    }
}

/// A piece again and again, up to a length.
fn filled(piece: &str, length: usize) -> String {
    piece.repeat(length / piece.len())
}

/// R11: nothing that the Worker is made of matches regular expressions, with backtracking or without.
#[test]
fn there_is_no_engine_for_regular_expressions() {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--package=postern", "--edges=normal", "--target=all", "--prefix=none"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    let packages: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains(&"serde_json"), "{}", String::from_utf8_lossy(&output.stderr));
    let engines = ["regex", "pcre", "onig", "glob"];
    let found: Vec<_> = packages.iter().filter(|name| engines.iter().any(|engine| name.contains(engine))).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// R11: forms, scopes and headers, each as long as it may be.
#[test]
fn the_worst_token_requests_are_answered_in_time() {
    in_time(|| {
        let host = Host::new();
        let limit = body_limit(&http::Method::POST, "/api/v1/oauth/token");
        for piece in ["&", "%", "%%", "%2", "%25", "+", "=", "a=&", "a&", "scope=a+", "\u{e9}", "\0", "a=b&a=b&"] {
            let answer = host.send(&form("/api/v1/oauth/token", &filled(piece, limit)));
            assert!((400..=401).contains(&answer.status), "{piece}: {answer:?}");
        }
        for piece in ["a ", "a", "a a b ", "\\", "client:create ", " "] {
            let scope = filled(piece, limit - 100).replace(' ', "+");
            let body =
                format!("grant_type=client_credentials&client_id=root-id&client_secret=root-secret&scope={scope}");
            assert!(matches!(host.send(&form("/api/v1/oauth/token", &body)).status, 200 | 400), "{piece}");
        }
        for piece in [".", "e30.", "=", "A", "a,", "Bearer ", "Basic ", " ", "\t", "~"] {
            for scheme in ["Bearer", "Basic"] {
                let value = format!("{scheme} {}", filled(piece, 16 * 1024));
                let request =
                    with_header(bare("GET", "/api/v1/connection"), "authorization", value.trim_end().as_bytes());
                assert!((400..=401).contains(&host.send(&request).status), "{scheme} {piece}");
            }
        }
        for piece in ["/", "%2f", "..%2f", "a/", ".", "<", "%"] {
            let path = format!("/api/v1/connection/{}", filled(piece, 8 * 1024));
            let request = http::Request::get(path).body(Body::Complete(Vec::new()));
            assert!(request.is_err() || host.send(&request.unwrap()).status >= 400, "{piece}");
        }
    });
}

/// R11: YAML, JSON and templates, each as long as a definition may be.
#[test]
fn the_worst_definitions_are_judged_in_time() {
    in_time(|| {
        let host = Host::new();
        host.save("shop");
        let limit = body_limit(&http::Method::PATCH, "/api/v1/connection/shop/saas_config");
        let pieces = [
            "[", "{", "]", "- ", "? ", ": ", "a: ", "a: {", "&a ", "*a ", "!", "!!x ", "\"", "'", "''", "\\", "\"\\",
            "|\n", ">\n ", "%", "# ", "\n", "\r", "\t", " ", "---\n", "...\n", "a\n", "a: b\n", "- - ", "[a, ",
            "{a: b, ", "a #", "@", "`", "\u{feff}", "<<: ",
        ];
        for piece in pieces {
            assert_eq!(host.define("shop", &filled(piece, limit)).status, 422, "{piece}");
            let inside = format!("saas_config:\n  name: {}\n", filled(piece, limit - 100));
            assert_eq!(host.define("shop", &inside).status, 422, "{piece}");
        }
        let document = yaml::parse(CODE_FLOW).unwrap_or_else(|_| panic!("the fixture is no YAML"));
        for piece in [
            "<",
            ">",
            "<>",
            "<a",
            "<scope>",
            "<scope.a[0]",
            "<<",
            "{",
            "\"",
            "\\",
            "[",
            "\"<scope>\",",
            "%2e",
            "/.",
            "{<scope>}",
        ] {
            for place in ["path", "body"] {
                let mut document = document.clone();
                let requests = &mut document["saas_config"]["client_config"]["authentication"]["configuration"];
                requests["token_request"][place] = format!("/{}", filled(piece, 64_000)).into();
                let status = host.as_root("PATCH", "/connection/shop/saas_config", &document).status;
                assert!(matches!(status, 200 | 422), "{piece}: {status}");
            }
        }
    });
}

/// R11: patterns of hosts are where regular expressions would stand: many stars against a host that fits almost.
#[test]
fn the_worst_patterns_are_matched_in_time() {
    in_time(|| {
        let label = "a".repeat(61);
        let domain = [label.as_str(); 4].join(".");
        for piece in ["*", "*a", "a*", "*a*", "*.a", "**"] {
            let host = Host::new();
            host.save("shop");
            let pattern = format!("{}*b", filled(piece, 15_000));
            let mut definition = yaml::parse(SERVICE).unwrap_or_else(|_| panic!("the fixture is no YAML"));
            definition["saas_config"]["connector_params"][0]["allowed_values"] = json!([pattern, pattern]);
            assert_eq!(host.as_root("PATCH", "/connection/shop/saas_config", &definition).status, 200, "{piece}");
            let mut secrets = service_secrets("canary");
            secrets["domain"] = domain.as_str().into();
            assert_eq!(host.put_secrets("shop", &secrets).status, 422, "{piece}");
        }
    });
}

/// R11: JSON bodies of management routes, each as long as it may be.
#[test]
fn the_worst_documents_are_judged_in_time() {
    in_time(|| {
        let host = Host::new();
        let root = host.root();
        for path in ["/api/v1/oauth/client", "/api/v1/connection"] {
            let method = if path.ends_with("client") { "POST" } else { "PATCH" };
            let limit = body_limit(&http::Method::from_bytes(method.as_bytes()).unwrap(), path);
            for piece in [
                "[",
                "{\"a\":",
                "\"",
                "\\",
                "\"\\u0041",
                "1",
                "1e",
                "0.",
                "-",
                "[1,",
                "\"a\",",
                " ",
                "{\"a\":1,",
                "\u{e9}",
            ] {
                for body in [filled(piece, limit), format!("[{}\"\"]", filled(piece, limit - 10))] {
                    let request = authorized(method, path, &root, &Value::Null);
                    let status = host.send(&request.map(|_| Body::Complete(body.clone().into_bytes()))).status;
                    assert!((400..500).contains(&status), "{path} {piece}: {status}");
                }
            }
        }
    });
}
