//! Checklist rows S1 to S6, S9, S10, S12 to S14: every input goes through the URL parser first, as in the product.

use super::*;

/// What becomes of a text: the parser may refuse it, else the check judges it.
fn judge(text: &str, policy: &OutboundPolicy) -> Result<(), Option<OutboundProblem>> {
    let url = Url::parse(text).map_err(|_| None)?;
    check(&url, policy, &HostList::default()).map_err(Some)
}

fn refused(text: &str) -> Option<OutboundProblem> {
    judge(text, &OutboundPolicy::default()).expect_err(text)
}

fn list(texts: &[&str]) -> HostList {
    let mut list = HostList::default();
    for text in texts {
        list.add(text).unwrap();
    }
    list
}

fn patterns(texts: &[&str]) -> OutboundPolicy {
    OutboundPolicy { allowed_hosts: list(texts), ..OutboundPolicy::default() }
}

fn development() -> OutboundPolicy {
    OutboundPolicy { allow_loopback: true, own_host: Some("127.0.0.1:8787".to_owned()), ..OutboundPolicy::default() }
}

#[test]
fn public_names_over_https_are_allowed() {
    for text in [
        "https://login.example.com/token?x=1",
        "https://login.example.com:443/",
        "https://LOGIN.Example.com./",
        "https://a_b.example.com/",
    ] {
        assert_eq!(judge(text, &OutboundPolicy::default()), Ok(()), "{text}");
    }
}

/// S1, S14: other schemes.
#[test]
fn only_https_is_allowed() {
    for text in [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "data:text/plain,x",
        "gopher://example.com/",
        "ws://example.com/",
        "wss://example.com/",
        "javascript:alert(1)",
    ] {
        assert_eq!(refused(text), Some(OutboundProblem::Scheme), "{text}");
        assert!(judge(text, &development()).is_err(), "{text}");
    }
}

/// S2: every spelling of an IPv4 address.
#[test]
fn literal_ipv4_addresses_are_refused_however_they_are_written() {
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f.1",
        "2130706433",
        "017700000001",
        "0x7f.0x0.0x0.0x1",
        "0",
        "1.1.1",
        "127.0.0.1.",
        "8.8.8.8",
    ] {
        let text = format!("https://{host}/");
        assert_eq!(refused(&text), Some(OutboundProblem::LiteralAddress), "{host}");
    }
    // With Unicode tables the parser makes an address of it, without them it refuses it.
    assert!(matches!(refused("https://①②⑦.⓪.⓪.①/"), None | Some(OutboundProblem::LiteralAddress)));
}

/// S3: the parsed host counts.
#[test]
fn parser_tricks_are_judged_on_the_parsed_host() {
    assert_eq!(refused("http:/127.0.0.1"), Some(OutboundProblem::Scheme));
    assert_eq!(refused("http:127.0.0.1"), Some(OutboundProblem::Scheme));
    assert_eq!(refused("https:/127.0.0.1"), Some(OutboundProblem::LiteralAddress));
    assert_eq!(refused("https:127.0.0.1"), Some(OutboundProblem::LiteralAddress));
    assert_eq!(refused("https://example.com%2f@127.0.0.1"), Some(OutboundProblem::UserInfo));
    assert_eq!(refused("https://a@127.0.0.1:80@example.com"), Some(OutboundProblem::UserInfo));
    // The backslash is a slash: the host is example.com, on which the list decides.
    let list = patterns(&["login.example.org"]);
    assert_eq!(judge(r"https://example.com\@127.0.0.1", &list), Err(Some(OutboundProblem::NotAllowed)));
    assert_eq!(judge("https://exam%70le.com", &patterns(&["example.com"])), Ok(()));
    assert_eq!(judge("https://exam%70le.com", &list), Err(Some(OutboundProblem::NotAllowed)));
}

/// S4: names that are not public.
#[test]
fn reserved_and_single_label_names_are_refused() {
    for host in [
        "localhost",
        "localhost.",
        "LOCALHOST",
        "x.localhost",
        "x.localhost.",
        "printer.local",
        "metadata.google.internal",
        "nas.home.arpa",
        "home.arpa",
        "internal",
        "intranet",
        "a..b",
        "example.com..",
        "-a.example.com",
    ] {
        let text = format!("https://{host}/");
        assert!(matches!(refused(&text), None | Some(OutboundProblem::NotPublic)), "{host}");
    }
    assert_eq!(judge("https://notlocal.mylocal/", &OutboundPolicy::default()), Ok(()));
}

/// S4, S13: our own host, however it is spelled, and our neighbours on `workers.dev`.
#[test]
fn own_host_is_refused() {
    let policy = |own: &str| OutboundPolicy { own_host: Some(own.to_owned()), ..OutboundPolicy::default() };
    for text in ["https://auth.example.com/", "https://AUTH.example.com./api", "https://auth.example.com:443/"] {
        for own in ["auth.example.com", "Auth.Example.com.", "auth.example.com:443"] {
            assert_eq!(judge(text, &policy(own)), Err(Some(OutboundProblem::OwnHost)), "{text} {own}");
        }
    }
    assert_eq!(judge("https://xauth.example.com/", &policy("auth.example.com")), Ok(()));
    let on_workers = policy("postern.acme.workers.dev");
    for (text, verdict) in [
        ("https://other.acme.workers.dev/", Err(Some(OutboundProblem::OwnHost))),
        ("https://acme.workers.dev/", Err(Some(OutboundProblem::OwnHost))),
        ("https://other.else.workers.dev/", Ok(())),
    ] {
        assert_eq!(judge(text, &on_workers), verdict, "{text}");
    }
}

/// S5: special IPv4 ranges.
#[test]
fn special_ipv4_ranges_are_refused() {
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.0.1",
        "192.0.2.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
    ] {
        for policy in [OutboundPolicy::default(), development()] {
            assert_eq!(
                judge(&format!("https://{host}/"), &policy),
                Err(Some(OutboundProblem::LiteralAddress)),
                "{host}"
            );
        }
    }
}

/// S6: IPv6, embedded IPv4 included.
#[test]
fn literal_ipv6_addresses_are_refused() {
    for host in [
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fc00::1]",
        "[fe80::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "[2001:0:7f00:1::]",
        "[2606:4700::1111]",
    ] {
        for policy in [OutboundPolicy::default(), development()] {
            assert_eq!(
                judge(&format!("https://{host}/"), &policy),
                Err(Some(OutboundProblem::LiteralAddress)),
                "{host}"
            );
        }
    }
    assert_eq!(refused("https://[::1]/"), Some(OutboundProblem::LiteralAddress));
}

/// S9: only the port that https has anyway.
#[test]
fn other_ports_are_refused() {
    for port in ["22", "25", "6379", "80", "0", "8443"] {
        let text = format!("https://example.com:{port}/");
        assert_eq!(refused(&text), Some(OutboundProblem::Port), "{port}");
    }
    assert_eq!(refused("https://example.com:65536/"), None);
}

/// S10: credentials and fragments.
#[test]
fn user_info_and_fragments_are_refused() {
    for text in ["https://u:p@example.com/", "https://u@example.com/", "https://:p@example.com/"] {
        assert_eq!(refused(text), Some(OutboundProblem::UserInfo), "{text}");
    }
    for text in ["https://example.com/#f", "https://example.com/#"] {
        assert_eq!(refused(text), Some(OutboundProblem::Fragment), "{text}");
    }
    for text in ["http://u@127.0.0.1:4010/", "http://127.0.0.1:4010/#f"] {
        assert!(judge(text, &development()).is_err(), "{text}");
    }
}

/// S12: suffixes are compared label by label, on the ASCII form.
#[test]
fn the_list_of_hosts_is_compared_label_by_label() {
    let policy = patterns(&["*.salesforce.com", "Login.Example.com", "*.xn--bcher-kva.example"]);
    for host in [
        "acme.my.salesforce.com",
        "LOGIN.SALESFORCE.COM",
        "login.salesforce.com.",
        "login.example.com",
        "a.xn--bcher-kva.example",
    ] {
        assert_eq!(judge(&format!("https://{host}/"), &policy), Ok(()), "{host}");
    }
    for host in [
        "evilsalesforce.com",
        "salesforce.com",
        "salesforce.com.evil.com",
        "a.login.example.com",
        "xn--bcher-kva.example",
        "x.bucher.example",
    ] {
        assert_eq!(judge(&format!("https://{host}/"), &policy), Err(Some(OutboundProblem::NotAllowed)), "{host}");
    }
    // A Cyrillic letter: another name with Unicode tables in the parser, no name without them.
    for host in ["s\u{430}lesforce.com", "x.s\u{430}lesforce.com"] {
        let verdict = judge(&format!("https://{host}/"), &policy);
        assert!(matches!(verdict, Err(None | Some(OutboundProblem::NotAllowed))), "{host}");
    }
}

/// S12: a host must be on both lists, where there are two; loopback, in development, on none.
#[test]
fn a_host_must_be_on_the_lists_of_the_deployment_and_the_connector() {
    let verdict = |host: &str, deployment: &[&str], connector: &[&str]| {
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        check(&url, &OutboundPolicy { allow_loopback: true, ..patterns(deployment) }, &list(connector))
    };
    let (all, tenants, login) = (&[][..], &["*.example.com"][..], &["login.example.com", "login.example.org"][..]);
    for (host, deployment, connector, expected) in [
        ("login.example.org", all, all, Ok(())),
        ("login.example.com", tenants, login, Ok(())),
        ("login.example.com", login, tenants, Ok(())),
        ("tenant.example.com", tenants, all, Ok(())),
        ("tenant.example.com", all, tenants, Ok(())),
        ("tenant.example.com", tenants, login, Err(OutboundProblem::NotAllowed)),
        ("tenant.example.com", login, tenants, Err(OutboundProblem::NotAllowed)),
        ("login.example.org", tenants, login, Err(OutboundProblem::NotAllowed)),
        ("login.example.org", all, tenants, Err(OutboundProblem::NotAllowed)),
        ("localhost", tenants, login, Ok(())),
        ("printer.local", &["printer.local"], &["printer.local"], Err(OutboundProblem::NotPublic)),
    ] {
        assert_eq!(verdict(host, deployment, connector), expected, "{host} {deployment:?} {connector:?}");
    }
}

/// In development loopback may be spoken to with http and a port; our own port not.
#[test]
fn loopback_needs_the_setting() {
    for text in [
        "http://127.0.0.1:4010/token",
        "http://localhost:4010/token",
        "http://[::1]:4010/",
        "https://127.0.0.1:8443/",
        "http://127.9.9.9/",
    ] {
        assert_eq!(judge(text, &development()), Ok(()), "{text}");
        assert!(judge(text, &OutboundPolicy::default()).is_err(), "{text}");
    }
    for text in ["http://127.0.0.1:8787/", "http://localhost:8787/", "http://[::1]:8787/"] {
        assert_eq!(judge(text, &development()), Err(Some(OutboundProblem::OwnHost)), "{text}");
    }
    let behind_a_name = OutboundPolicy { own_host: Some("auth.example.com".to_owned()), ..development() };
    assert_eq!(judge("http://127.0.0.1/", &behind_a_name), Ok(()));
    for text in ["http://10.0.0.1/", "http://example.com/", "http://x.localhost:4010/", "ftp://127.0.0.1/"] {
        assert!(judge(text, &development()).is_err(), "{text}");
    }
}
