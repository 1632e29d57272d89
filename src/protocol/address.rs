//! The address of a request's sender.
//!
//! Decides: which of the platform's words is believed, how an address is written, and which addresses count as one
//! sender. Leaves to others: what is budgeted and what is recorded.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// The address of a request's sender, IPv4 also where it came as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(IpAddr);

impl ClientAddress {
    /// Decides between what the platform says of the connection (`cf.clientIp`) and the header that Cloudflare sets
    /// (`CF-Connecting-IP`): the header counts only where the platform says nothing, since a client can send it too.
    /// None where the words that count are no address.
    #[must_use]
    pub fn decide(platform: Option<&str>, header: Option<&str>) -> Option<Self> {
        Self::parse(platform.or(header)?)
    }

    /// Reads an address; it may have a port (workerd gives one), and then or without one IPv6 may stand in brackets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).filter(|text| text.contains(':'));
        let address = match text.parse::<SocketAddr>() {
            Ok(socket) => socket.ip(),
            Err(_) => bare.unwrap_or(text).parse().ok()?,
        };
        Some(Self(address.to_canonical()))
    }

    /// Whose failures count together: one IPv4 address, or the /56 of IPv6 that one household or server may have (RFC
    /// 6177 §2: a site gets a /48 or somewhat less, and can send from all of it).
    #[must_use]
    pub fn budget_key(&self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{}/56", Ipv6Addr::new(a, b, c, d & 0xFF00, 0, 0, 0, 0))
            }
        }
    }
}

/// As RFC 5952 §4 writes it.
impl fmt::Display for ClientAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An address as it is shown.
    fn shown(text: &str) -> Option<String> {
        ClientAddress::parse(text).map(|address| address.to_string())
    }

    #[test]
    fn ports_and_brackets_are_no_part_of_an_address() {
        for (text, address) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:51234", "192.0.2.7"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("[::ffff:c000:207]:80", "192.0.2.7"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_none() {
        for text in [
            "",
            " ",
            "localhost",
            "192.0.2.7, 192.0.2.8",
            " 192.0.2.7",
            "192.0.2",
            "192.0.2.07",
            "[192.0.2.7]",
            "[::1",
            "::1]",
            "192.0.2.7:x",
            "192.0.2.7:99999",
            "unix:/run/x",
            "\u{661}92.0.2.7",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    /// T38: a header that the client can send counts only where the platform says nothing; not even when what the
    /// platform says is no address.
    #[test]
    fn the_header_counts_only_where_the_platform_is_silent() {
        let decided = |platform, header| ClientAddress::decide(platform, header).map(|address| address.to_string());
        assert_eq!(decided(Some("192.0.2.7:1"), Some("198.51.100.1")).as_deref(), Some("192.0.2.7"));
        assert_eq!(decided(None, Some("198.51.100.1")).as_deref(), Some("198.51.100.1"));
        assert_eq!(decided(Some("somewhere"), Some("198.51.100.1")), None);
        assert_eq!(decided(None, None), None);
    }

    /// T37: a sender cannot have a budget for each address of its own network.
    #[test]
    fn ipv6_is_budgeted_by_network() {
        let key = |text| ClientAddress::parse(text).unwrap().budget_key();
        assert_eq!(key("2001:db8:1:2ff::1"), "2001:db8:1:200::/56");
        assert_eq!(key("2001:db8:1:ff:ffff:ffff:ffff:ffff"), key("2001:db8:1:2::1"));
        assert_ne!(key("2001:db8:1:100::1"), key("2001:db8:1:2::1"));
        assert_eq!(key("::ffff:192.0.2.7"), "192.0.2.7");
        assert_ne!(key("192.0.2.7"), key("192.0.2.8"));
    }
}
