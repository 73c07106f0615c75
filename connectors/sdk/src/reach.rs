//! Where requests may go. An address that somebody outside chose must not lead into the network the
//! hub stands in (server-side request forgery): neither by its digits nor by what a name resolves to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::{ConnectorError, Result};

/// Which addresses a client connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All: systems stand in private networks too, and whoever connects them is trusted to.
    #[default]
    Anywhere,
    /// Addresses of the public internet, over https.
    Public,
}

impl Reach {
    /// Whether a request to this address may be made at all; names are looked at when they are
    /// resolved.
    ///
    /// # Errors
    /// `Config`.
    pub fn check(self, url: &Url) -> Result<()> {
        if self == Self::Anywhere {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(ConnectorError::config("the address must begin with https"));
        }
        let address = match url.host() {
            None => return Err(ConnectorError::config("the address names no host")),
            Some(Host::Domain(_)) => return Ok(()),
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
        };
        if is_public(address) {
            Ok(())
        } else {
            Err(inside())
        }
    }
}

pub(crate) fn inside() -> ConnectorError {
    ConnectorError::config("the address lies in a private network, which is not allowed here")
}

/// Resolves names, and leaves out what lies inside. What is connected to is what was looked at: a
/// second answer of the name server changes nothing.
#[derive(Debug)]
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|found| is_public(found.ip())).collect();
            if public.is_empty() {
                return Err(inside().into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet (IANA's special-purpose registries).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _d] = address.octets();
    let special = address.is_unspecified()
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // relays of 6to4
        || (a == 198 && (b == 18 || b == 19)); // benchmarks
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let embedded = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match parts {
        // An IPv4 address in other clothes: mapped, translated (NAT64), 6to4.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            embedded(high, low)
        }
        [0x2002, high, low, ..] => embedded(high, low),
        // Of what was given out (2000::/3): not Teredo and the other protocols, not documentation.
        [0x2001, second, ..] => second >= 0x200 && second != 0xdb8,
        [0x3fff, second, ..] => second >= 0x1000,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_public_internet_are_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a00:1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "8.8.8.8",
            "100.128.0.1",
            "172.32.0.1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn digits_in_whatever_clothes_and_other_schemes_are_refused_before_anything_is_sent() {
        for bad in [
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "http://8.8.8.8/",
            "ftp://8.8.8.8/",
            "file:///etc/passwd",
        ] {
            let url: Url = bad.parse().unwrap();
            assert!(Reach::Public.check(&url).is_err(), "{bad}");
        }
        assert!(
            Reach::Public
                .check(&"https://8.8.8.8/".parse().unwrap())
                .is_ok()
        );
        assert!(
            Reach::Anywhere
                .check(&"http://127.0.0.1/".parse().unwrap())
                .is_ok()
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_connected_to() {
        let options = crate::HttpOptions {
            reach: Reach::Public,
            ..crate::HttpOptions::default()
        };
        #[expect(clippy::disallowed_methods, reason = "a test's clock")]
        let http = crate::Http::new(&options, std::time::SystemTime::now).unwrap();
        for inside in ["https://localhost:9/", "https://127.0.0.1:9/"] {
            let request = http.request(::http::Method::GET, inside.parse().unwrap());
            let error = http.send(request).await.unwrap_err();
            assert_eq!(error.message, super::inside().message, "{inside}");
        }
    }
}
