//! Which client a request comes from. Behind proxies, the connection is theirs, and
//! they say in `X-Forwarded-For` from whom they have the request. Only those that are
//! known can be believed: anybody can send that header.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::header::{HeaderMap, HeaderName};
use ipnet::{AddrParseError, IpNet};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies that say the truth about their clients. There may be none.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The last address on the way to the service that is no trusted proxy's, where
    /// `peer` is who has connected.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lists = headers.get_all(FORWARDED_FOR).into_iter().rev();
        let mut hops = lists.flat_map(|list| list.to_str().unwrap_or_default().rsplit(','));
        let mut client = peer.to_canonical();
        while self.trust(client) {
            // What cannot be read ends what is known of the way.
            let Some(hop) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = hop.to_canonical();
        }
        client
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The address of a hop: some proxies add the port, or brackets around one of IPv6.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    let host = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']'));
    host.unwrap_or(hop).parse().ok().or_else(with_port)
}

impl FromStr for TrustedProxies {
    type Err = AddrParseError;

    /// Reads addresses and networks, such as `10.0.0.0/8,192.0.2.7`.
    fn from_str(list: &str) -> Result<TrustedProxies, AddrParseError> {
        let network = |text: &str| match text.parse() {
            Ok(address) => Ok(IpNet::from(IpAddr::to_canonical(&address))),
            Err(_) => text.parse(),
        };
        let networks: Result<_, _> = list.split(',').map(|text| network(text.trim())).collect();
        networks.map(TrustedProxies)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(trusted: &str, peer: &str, forwarded: &[&'static str]) -> String {
        let proxies: TrustedProxies = trusted.parse().expect("networks");
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(list));
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn nobody_is_believed_who_is_not_trusted() {
        assert_eq!(client("10.0.0.0/8", "192.0.2.1", &["198.51.100.1"]), "192.0.2.1");
        let forged = &["203.0.113.9, 198.51.100.1"];
        assert_eq!(client("10.0.0.0/8", "10.1.2.3", forged), "198.51.100.1");
    }

    #[test]
    fn the_way_is_followed_through_all_trusted_proxies() {
        let way = &["198.51.100.1,10.0.0.9", "10.0.0.8"];
        assert_eq!(client("10.0.0.0/8", "10.0.0.7", way), "198.51.100.1");
        assert_eq!(client("::1, 192.0.2.1", "::1", &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client("10.0.0.0/8", "::ffff:10.0.0.7", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn a_hop_may_have_a_port_or_brackets() {
        for (hop, expected) in [
            ("198.51.100.1:5678", "198.51.100.1"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(client("10.0.0.0/8", "10.0.0.7", &[hop]), expected);
        }
    }

    #[test]
    fn what_cannot_be_read_ends_the_way() {
        for broken in ["", "unknown", "198.51.100.1,"] {
            assert_eq!(client("10.0.0.0/8", "10.0.0.7", &[broken]), "10.0.0.7", "{broken}");
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for list in ["localhost", "10.0.0.0/33", "10.0.0.0/8,", "10.0.0.0/8 192.0.2.1"] {
            assert!(list.parse::<TrustedProxies>().is_err(), "{list}");
        }
    }
}
