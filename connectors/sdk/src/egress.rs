//! Where the hub may connect to. What a tenant types in as a system's address must not lead into the
//! network the hub runs in: its database, its cloud's metadata, somebody's printer (server-side request
//! forgery). Names are resolved once, and what is connected to is what was checked, so that a name
//! which changes its address between two look-ups (DNS rebinding) gains nothing.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use futures::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use crate::{ConnectorError, Result};

/// A part of the address space: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// As IPv6; IPv4 is mapped.
    bits: u128,
    mask: u128,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        bits(address) & self.mask == self.bits
    }
}

/// An address as IPv6, whichever way it is written.
fn bits(address: IpAddr) -> u128 {
    let six = match address.to_canonical() {
        IpAddr::V4(four) => four.to_ipv6_mapped(),
        IpAddr::V6(six) => six,
    };
    six.to_bits()
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network of the form 10.0.0.0/8")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> std::result::Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.chars().take(60).collect());
        let (address, length) = text.split_once('/').ok_or_else(bad)?;
        let address: IpAddr = address.parse().map_err(|_error| bad())?;
        let length: u32 = length.parse().map_err(|_error| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if length > most {
            return Err(bad());
        }
        let mask = u128::MAX.checked_shl(most - length).unwrap_or(0);
        Ok(Self {
            bits: bits(address) & mask,
            mask,
        })
    }
}

/// Where may be connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Egress {
    /// Anywhere: for tests, and for what whoever runs the hub has set.
    #[default]
    Anywhere,
    /// To public addresses, and into these networks.
    Public(Vec<Network>),
}

impl Egress {
    /// Whether this address may be connected to.
    pub fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Public(also) => {
                is_public(address) || also.iter().any(|network| network.holds(address))
            }
        }
    }

    /// As it is, and the machine itself.
    #[must_use]
    pub fn and_this_machine(self) -> Self {
        match self {
            Self::Anywhere => Self::Anywhere,
            Self::Public(mut also) => {
                let own = ["127.0.0.0/8", "::1/128"].into_iter();
                also.extend(own.filter_map(|text| text.parse::<Network>().ok()));
                Self::Public(also)
            }
        }
    }

    /// Refuses an address that is written out in a URL: those are not looked up.
    pub(crate) fn check(&self, url: &url::Url) -> Result<()> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(_)) | None => return Ok(()),
        };
        if self.allows(address) {
            return Ok(());
        }
        Err(ConnectorError::config(REFUSED))
    }
}

/// Names no address: it would tell which names lead where inside.
const REFUSED: &str = "the system's address is not public; whoever runs the hub can allow its network \
     (--peers-at)";

/// Whether an address belongs to the internet, by the registries of special addresses (RFC 6890 and
/// those that add to it).
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => is_public_v4(four),
        IpAddr::V6(six) => is_public_v6(six),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        // Shared by carriers, protocol assignments, benchmarks, what is reserved.
        || (a == 100 && (64..128).contains(&b))
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let last = address.to_bits() as u32;
    // An IPv4 address inside: translated (64:ff9b::/96), in a tunnel (2002::/16), compatible (::/96).
    if (a, b) == (0x64, 0xff9b) {
        return address.segments()[2..6] == [0; 4] && is_public_v4(Ipv4Addr::from(last));
    }
    if a == 0x2002 {
        let inside = (address.to_bits() >> 80) as u32;
        return is_public_v4(Ipv4Addr::from(inside));
    }
    // Global unicast is 2000::/3 only; of it, protocol assignments with Teredo, and documentation, are
    // nobody's.
    (0x2000..0x4000).contains(&a)
        && !(a == 0x2001 && b < 0x200)
        && (a, b) != (0x2001, 0xdb8)
        && !(a == 0x3fff && b < 0x1000)
}

type LookUp =
    Arc<dyn Fn(String) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// Looks names up and hands out only addresses that may be connected to.
pub(crate) struct Guarded {
    egress: Egress,
    look_up: LookUp,
}

impl Guarded {
    pub(crate) fn new(egress: Egress) -> Self {
        Self::with(
            egress,
            Arc::new(|name| {
                Box::pin(async move {
                    // The port is set by the client.
                    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
                })
            }),
        )
    }

    fn with(egress: Egress, look_up: LookUp) -> Self {
        Self { egress, look_up }
    }
}

/// Why a name led nowhere.
#[derive(Debug)]
struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REFUSED)
    }
}

impl std::error::Error for Refused {}

/// Whether a request failed because its address is not allowed.
pub(crate) fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<Refused>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The error of a request to an address that is not allowed.
pub(crate) fn refused() -> ConnectorError {
    ConnectorError::config(REFUSED)
}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.look_up)(name.as_str().to_owned());
        let egress = self.egress.clone();
        Box::pin(async move {
            let found = found.await?;
            let mut allowed = found;
            // One address inside among others outside is none to try either.
            let is_clean = allowed.iter().all(|address| egress.allows(address.ip()));
            if !is_clean {
                allowed.clear();
            }
            if allowed.is_empty() {
                return Err(Refused.into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn public() -> Egress {
        Egress::Public(Vec::new())
    }

    fn url(text: &str) -> url::Url {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_inside_are_refused_however_they_are_written() {
        for inside in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://10.1.2.3/",
            "http://172.16.0.1/",
            "http://192.168.1.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://240.0.0.1/",
            "http://192.0.2.1/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[::127.0.0.1]/",
            "http://[fe80::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::]/",
            "http://[2001::1]/",
            "http://[2001:db8::1]/",
        ] {
            let error = public().check(&url(inside)).expect_err(inside);
            assert_eq!(error.kind, crate::ErrorKind::Config, "{inside}");
            assert!(!error.to_string().contains("127"), "{error}");
        }
        for outside in [
            "https://93.184.216.34/",
            "https://[2606:2800:220:1::1]/",
            "https://8.8.8.8:8443/x",
            "https://[64:ff9b::808:808]/",
            "https://login.salesforce.com/",
        ] {
            assert!(public().check(&url(outside)).is_ok(), "{outside}");
        }
    }

    #[test]
    fn a_network_that_is_allowed_is_and_no_other() {
        let ours = Egress::Public(vec![
            "10.1.0.0/16".parse().unwrap(),
            "fd00::/8".parse().unwrap(),
        ]);
        for (address, allowed) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("10.2.0.1", false),
            ("fd00::5", true),
            ("fe80::1", false),
            ("127.0.0.1", false),
            ("1.1.1.1", true),
        ] {
            assert_eq!(ours.allows(address.parse().unwrap()), allowed, "{address}");
        }
        let everything: Network = "0.0.0.0/0".parse().unwrap();
        assert!(everything.holds("10.0.0.1".parse().unwrap()));
        assert!(!everything.holds("fd00::1".parse().unwrap()));
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "x/8",
            "10.0.0.0/-1",
            "::/129",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    /// A resolver that answers one address the first time and another one later.
    fn rebinding(first: &str, later: &str) -> Guarded {
        let asked = Arc::new(AtomicUsize::new(0));
        let address = |text: &str| SocketAddr::new(text.parse().unwrap(), 0);
        let (first, later) = (address(first), address(later));
        let look_up: LookUp = Arc::new(move |_name| {
            let is_first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            Box::pin(async move { Ok(vec![if is_first { first } else { later }]) })
        });
        Guarded::with(public(), look_up)
    }

    #[tokio::test]
    async fn what_is_connected_to_is_what_was_checked() {
        let name = || "rebind.example".parse::<Name>().unwrap();
        let guarded = rebinding("93.184.216.34", "127.0.0.1");
        let first: Vec<_> = guarded.resolve(name()).await.unwrap().collect();
        assert_eq!(first[0].ip().to_string(), "93.184.216.34");
        // The name leads inside by now: the next connection is refused, not made.
        let later = guarded.resolve(name()).await.err().unwrap();
        assert!(is_refused(&*later));
        let mixed: LookUp = Arc::new(|_name| {
            let all = ["93.184.216.34:0", "10.0.0.1:0"].map(|text| text.parse().unwrap());
            Box::pin(async move { Ok(all.to_vec()) })
        });
        assert!(
            Guarded::with(public(), mixed)
                .resolve(name())
                .await
                .is_err()
        );
    }
}
