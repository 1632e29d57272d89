//! The `scope` parameter (RFC 6749 §3.3) and the set that it becomes.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use postern::{
    authorization_server::client_credentials::{GrantProblem, GrantRequest, granted_scope},
    protocol::{
        json,
        scope::{SCOPE_LIMIT, Scope, is_scope_token},
    },
};

/// `1*( %x21 / %x23-5B / %x5D-7E )`: visible ASCII but the quote and the backslash.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|one| one.is_ascii_graphic() && one != '"' && one != '\\')
}

/// The tokens of a text in the order in which they are first named, if it is a scope.
fn expected(text: &str) -> Option<Vec<&str>> {
    let (mut seen, mut tokens) = (BTreeSet::new(), Vec::new());
    for token in text.split(' ') {
        if !is_token(token) || tokens.len() == SCOPE_LIMIT {
            return None;
        }
        if seen.insert(token) {
            tokens.push(token);
        }
    }
    Some(tokens)
}

/// What must hold for any two sets.
fn check_pair(left: &Scope, right: &Scope) {
    let (both, only) = (left.intersection(right), left.without(right));
    assert!(left.covers(&both) && right.covers(&both) && left.covers(&only));
    assert!(only.tokens().all(|token| !right.contains(token)));
    assert_eq!(both.tokens().count() + only.tokens().count(), left.tokens().count());
    assert_eq!(right.covers(left), only.is_empty());
    assert_eq!(both, right.intersection(left).intersection(&both).intersection(left).intersection(right));

    // What is granted is what was asked for, all of it or nothing (RFC 6749 §3.3).
    match granted_scope(&GrantRequest { scope: Some(left.clone()), resource: None }, right) {
        Ok(granted) => {
            assert!(right.covers(left) && granted.covers(left) && left.covers(&granted));
            assert_eq!(granted, right.intersection(left));
        }
        Err(problem) => assert!(problem == GrantProblem::ScopeNotHeld && !only.is_empty()),
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let scope = Scope::parse(text).ok();
    let tokens = expected(text);
    assert_eq!(scope.as_ref().map(|scope| scope.tokens().collect::<Vec<_>>()), tokens);
    assert_eq!(is_scope_token(text), is_token(text));
    let (Some(scope), Some(tokens)) = (scope, tokens) else { return };

    assert!(!scope.is_empty() && tokens.len() <= SCOPE_LIMIT);
    assert_eq!(scope.to_string(), tokens.join(" "));
    // Large sets are slow, and show nothing that small ones do not.
    if tokens.len() > 16 {
        return;
    }
    assert_eq!(Scope::parse(&scope.to_string()).as_ref(), Ok(&scope));
    assert_eq!(tokens.iter().copied().collect::<Scope>(), scope);
    let stored = serde_json::to_vec(&scope).expect("a scope is JSON");
    assert_eq!(json::read::<Scope>(&stored).expect("a scope is read again"), scope);

    // A token is in the set as a whole or not at all.
    let longest = tokens.iter().max_by_key(|token| token.len()).expect("not empty");
    assert!(scope.contains(longest) && !scope.contains(&format!("{longest}x")));
    assert!(scope.contains(text) != text.contains(' '));

    let part = |remainder: usize| -> Scope { tokens.iter().copied().skip(remainder).step_by(2 + remainder).collect() };
    for (left, right) in [(&part(0), &scope), (&scope, &part(1)), (&part(0), &part(1)), (&scope, &Scope::default())] {
        check_pair(left, right);
        check_pair(right, left);
    }
});
