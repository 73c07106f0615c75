//! Where a request was sent to and comes from. A proxy is believed only if it is one of ours: everybody
//! else could name any host and any address.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::tenant_domains;
use engine::ids::TenantId;
use identity::host;

use crate::error::{ApiError, Slug};
use crate::portal::Portal;

/// Names the tenant where neither the host nor a credential does.
const TENANT: HeaderName = HeaderName::from_static("x-syncline-tenant");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Addresses with the same beginning: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or network such as 10.0.0.0/8")]
pub struct BadNetwork(String);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let bad = || BadNetwork(text.chars().take(80).collect());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_error| bad())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().map_err(|_error| bad())?,
        };
        if bits > most {
            return Err(bad());
        }
        Ok(Self { address, bits })
    }
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let bits = u32::from(self.bits);
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(32 - bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                differ.checked_shr(128 - bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Where a request was sent to and comes from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// Who sent it, as far as our own proxies say.
    pub(crate) address: Option<IpAddr>,
    /// Where this browser reaches the hub: `https://hub.example`.
    pub(crate) origin: String,
    /// The browser reached us over https, as far as we and our own proxies know.
    pub(crate) is_https: bool,
    /// By host or header; a credential has its own.
    pub(crate) tenant: Option<TenantId>,
}

/// Notes the place of a request, or refuses it.
pub(crate) async fn find(
    State(portal): State<Portal>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(address)| address.ip());
    let is_api = request.uri().path().starts_with("/api/");
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str().to_owned());
    let is_set = portal.https;
    let place = match read(&portal, request.headers(), authority.as_deref(), peer) {
        Ok(said) if is_api => said.resolve(&portal, request.headers()).await,
        Ok(said) => Ok(said.place),
        Err(error) => Err(error),
    };
    match place {
        Ok(place) => {
            let is_https = place.is_https;
            request.extensions_mut().insert(place);
            let mut response = next.run(request).await;
            // A browser believes it only over https (RFC 6797, 7.2).
            if is_https {
                let value = HeaderValue::from_static("max-age=31536000");
                let headers = response.headers_mut();
                headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
            }
            if is_https || is_set {
                mark_secure(response.headers_mut());
            }
            response
        }
        Err(error) => error.into_response(),
    }
}

/// Marks all cookies secure: the browser sends them over https only.
fn mark_secure(headers: &mut HeaderMap) {
    let cookies = headers
        .iter_mut()
        .filter(|(name, _)| *name == header::SET_COOKIE);
    for (_name, value) in cookies {
        let marked = [value.as_bytes(), b"; Secure"].concat();
        *value = HeaderValue::from_bytes(&marked).expect("a header and letters are a header");
    }
}

/// What a request says of its place.
struct Said {
    place: Place,
    /// A name that is not the hub's own.
    other_host: Option<String>,
}

fn nowhere() -> ApiError {
    ApiError::new(Slug::NotFound, "no tenant is at this address")
}

fn read(
    portal: &Portal,
    headers: &HeaderMap,
    authority: Option<&str>,
    peer: Option<IpAddr>,
) -> Result<Said, ApiError> {
    let proxies = &portal.trusted_proxies;
    let is_ours = |address: IpAddr| proxies.iter().any(|network| network.holds(address));
    let by_proxy = peer.is_some_and(is_ours);
    let direct = host_of(headers, authority)?;
    let named = forwarded_host(headers);
    let full = match named {
        Some(named) if by_proxy => Some(named),
        Some(named)
            if !direct
                .as_deref()
                .is_some_and(|host| host.eq_ignore_ascii_case(&named)) =>
        {
            return Err(ApiError::forbidden(
                "the host is said by a proxy that is not trusted: see --trusted-proxy",
            ));
        }
        _ => direct,
    };
    let host = match &full {
        None => None,
        Some(full) => Some(host::of_header(full).ok_or_else(nowhere)?),
    };
    let address = match peer {
        Some(peer) if by_proxy => Some(forwarded_for(headers, is_ours).unwrap_or(peer)),
        peer => peer,
    };
    let is_https = portal.tls
        || match forwarded_proto(headers) {
            Some(proto) if by_proxy => proto.eq_ignore_ascii_case("https"),
            // What was set counts where nobody can know better.
            _ => portal.https && (by_proxy || proxies.is_empty()),
        };
    let other_host = host.filter(|host| !portal.is_own_host(host));
    let origin = match (&other_host, full) {
        (Some(_other), Some(full)) => {
            let is_https = portal.https || is_https;
            let scheme = if is_https { "https" } else { "http" };
            format!("{scheme}://{}", full.to_ascii_lowercase())
        }
        _ => portal.public_url.clone(),
    };
    let place = Place {
        address: address.map(|address| address.to_canonical()),
        origin,
        is_https,
        tenant: None,
    };
    Ok(Said { place, other_host })
}

/// The host that the request itself names: once, and nothing else in its first line.
fn host_of(headers: &HeaderMap, authority: Option<&str>) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(header::HOST).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(nowhere());
    }
    let host = match first {
        None => None,
        Some(value) => Some(value.to_str().map_err(|_error| nowhere())?.to_owned()),
    };
    match (host, authority) {
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => Err(nowhere()),
        (host, authority) => Ok(host.or_else(|| authority.map(str::to_owned))),
    }
}

/// The host that the nearest proxy names.
fn forwarded_host(headers: &HeaderMap) -> Option<String> {
    last(headers, &FORWARDED_HOST).or_else(|| forwarded(headers, "host"))
}

/// How the browser came to the nearest proxy, by its word: `https` or `http`.
fn forwarded_proto(headers: &HeaderMap) -> Option<String> {
    last(headers, &FORWARDED_PROTO).or_else(|| forwarded(headers, "proto"))
}

/// The last part of a header, which the nearest proxy wrote.
fn last(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    let part = value.rsplit(',').next().unwrap_or_default();
    Some(part.trim().to_owned())
}

/// What the nearest proxy says in `Forwarded` (RFC 7239).
fn forwarded(headers: &HeaderMap, what: &str) -> Option<String> {
    let element = last(headers, &FORWARDED)?;
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        let value = value.trim_matches('"');
        name.eq_ignore_ascii_case(what).then(|| value.to_owned())
    })
}

/// The last address of the chain that is not one of our own proxies.
fn forwarded_for(headers: &HeaderMap, is_ours: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let chain: Vec<IpAddr> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|part| part.trim().parse().ok())
        // What stands before something that is no address was not written by a proxy of ours.
        .fold(Vec::new(), |mut chain, address: Option<IpAddr>| {
            match address {
                Some(address) => chain.push(address),
                None => chain.clear(),
            }
            chain
        });
    chain.into_iter().rev().find(|address| !is_ours(*address))
}

impl Said {
    /// Which tenant the host and the header name.
    async fn resolve(self, portal: &Portal, headers: &HeaderMap) -> Result<Place, ApiError> {
        let Self {
            mut place,
            other_host,
        } = self;
        let named = match headers.get(TENANT) {
            None => None,
            Some(value) => {
                let id = value
                    .to_str()
                    .ok()
                    .and_then(|id| id.parse::<TenantId>().ok());
                Some(id.ok_or_else(nowhere)?)
            }
        };
        if other_host.is_none() && named.is_none() {
            return Ok(place);
        }
        let mut tx = portal.store.begin_system_relaxed().await?;
        let by_host = match &other_host {
            None => None,
            Some(host) => tenant_domains::tenant_of(&mut tx, host).await?,
        };
        if other_host.is_some() && by_host.is_none() {
            if portal.only_known_hosts {
                return Err(nowhere());
            }
            place.origin.clone_from(&portal.public_url);
        }
        if let Some(named) = named
            && !tenant_domains::exists(&mut tx, named).await?
        {
            return Err(nowhere());
        }
        place.tenant = match (by_host, named) {
            (Some(host), Some(named)) if host != named => return Err(nowhere()),
            (by_host, named) => by_host.or(named),
        };
        Ok(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_alike() {
        let holds = |network: &str, address: &str| {
            let network: Network = network.parse().unwrap();
            network.holds(address.parse().unwrap())
        };
        assert!(holds("10.0.0.0/8", "10.200.1.2"));
        assert!(!holds("10.0.0.0/8", "11.0.0.1"));
        assert!(holds("10.1.2.3", "10.1.2.3"));
        assert!(holds("10.1.2.3", "::ffff:10.1.2.3"));
        assert!(!holds("10.1.2.3", "10.1.2.4"));
        assert!(holds("0.0.0.0/0", "8.8.8.8") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fd12::1") && !holds("fd00::/8", "fe80::1"));
        for bad in [
            "",
            "10.0.0.0/33",
            "::/129",
            "ten",
            "10.0.0.0/-1",
            "10.0.0.0/",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_caller_is_the_last_address_that_is_no_proxy_of_ours() {
        let ours: Network = "10.0.0.0/8".parse().unwrap();
        let of = |value: &'static str| {
            forwarded_for(&headers(&[("x-forwarded-for", value)]), |address| {
                ours.holds(address)
            })
        };
        assert_eq!(of("1.1.1.1, 2.2.2.2, 10.0.0.5"), Some([2, 2, 2, 2].into()));
        // Whatever the caller wrote stands to the left of what our proxy saw.
        assert_eq!(of("127.0.0.1, 3.3.3.3"), Some([3, 3, 3, 3].into()));
        assert_eq!(of("unknown, 3.3.3.3"), Some([3, 3, 3, 3].into()));
        assert_eq!(of("3.3.3.3, unknown"), None);
        assert_eq!(of("10.0.0.1"), None);
    }

    #[test]
    fn the_nearest_proxy_says_the_host() {
        let of = |pairs: &[(&'static str, &'static str)]| forwarded_host(&headers(pairs));
        assert_eq!(of(&[]), None);
        assert_eq!(
            of(&[("x-forwarded-host", "a.example, b.example")]).unwrap(),
            "b.example"
        );
        let two = [
            ("x-forwarded-host", "a.example"),
            ("x-forwarded-host", "b.example"),
        ];
        assert_eq!(of(&two).unwrap(), "b.example");
        let forwarded = [("forwarded", "for=1.1.1.1;Host=\"c.example:80\";proto=https")];
        assert_eq!(of(&forwarded).unwrap(), "c.example:80");
        let proto = |pairs: &[(&'static str, &'static str)]| forwarded_proto(&headers(pairs));
        assert_eq!(proto(&forwarded).unwrap(), "https");
        // The first was written by the caller.
        assert_eq!(
            proto(&[("x-forwarded-proto", "https, http")]).unwrap(),
            "http"
        );
        assert_eq!(proto(&[]), None);
    }

    #[test]
    fn two_hosts_are_none() {
        assert!(host_of(&headers(&[("host", "a"), ("host", "b")]), None).is_err());
        assert!(host_of(&headers(&[("host", "a")]), Some("b")).is_err());
        let one = host_of(&headers(&[("host", "a")]), Some("A")).unwrap();
        assert_eq!(one.as_deref(), Some("a"));
    }
}
