//! `ALLOWED_HOSTS`: the only providers that this deployment talks to.

use crate::protocol::host::HostList;

/// Reads the setting: patterns, comma-separated.
pub(super) fn read(text: &str) -> Result<HostList, &'static str> {
    let mut hosts = HostList::default();
    for pattern in text.split(',') {
        hosts
            .add(pattern.trim())
            .map_err(|_| "must be host names such as login.example.com or *.example.com, separated by commas")?;
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S12: one bad pattern spoils the list, so that a typing error is seen and allows nothing.
    #[test]
    fn patterns_are_listed_with_commas() {
        let hosts = read("login.example.com, *.example.org").unwrap();
        assert!(hosts.allows("login.example.com") && hosts.allows("eu.example.org"));
        assert!(!hosts.allows("example.com") && !hosts.allows("example.org"));
        for bad in
            ["", "*", "login.example.com,", "login.example.com;*.example.org", "https://login.example.com", "*.com"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
