//! Host names as people write them, and what they look like to others: a name in other scripts must
//! not pass for one that it is not (UTS 46, UTS 39).

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

/// A host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    ascii: String,
    unicode: String,
    looks_like: String,
}

/// Why a text is no host name that can be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHost {
    #[error("this is no host name, such as portal.example.com")]
    Malformed,
    #[error("an address of digits is no name")]
    Address,
    #[error("this name leads nowhere outside its own network")]
    Local,
    #[error("a part of this name mixes scripts")]
    Mixed,
    #[error("a part of this name looks like Latin letters but is none")]
    Disguised,
}

impl HostName {
    /// Reads a name, in Unicode or as it travels (`xn--…`), in whatever case.
    ///
    /// # Errors
    /// [`BadHost`].
    pub fn parse(text: &str) -> Result<Self, BadHost> {
        let text = text.trim().trim_end_matches('.');
        let idna = Uts46::new();
        let ascii = idna
            .to_ascii(
                text.as_bytes(),
                AsciiDenyList::STD3,
                Hyphens::CheckFirstLast,
                DnsLength::Verify,
            )
            .map_err(|_errors| BadHost::Malformed)?
            .into_owned();
        match url::Host::parse(&ascii) {
            Ok(url::Host::Domain(_)) => {}
            Ok(_) => return Err(BadHost::Address),
            Err(_not_a_host) => return Err(BadHost::Malformed),
        }
        let last = ascii.rsplit('.').next().unwrap_or_default();
        let local = ["localhost", "local", "internal", "arpa", "onion"];
        if !ascii.contains('.') || local.contains(&last) {
            return Err(BadHost::Local);
        }
        let (unicode, read) = idna.to_unicode(
            ascii.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
        );
        read.map_err(|_errors| BadHost::Malformed)?;
        let unicode = unicode.into_owned();
        let mut looks_like = Vec::new();
        for label in unicode.split('.') {
            if label.detect_restriction_level() > RestrictionLevel::HighlyRestrictive {
                return Err(BadHost::Mixed);
            }
            let skeleton: String = unicode_security::skeleton(label).collect();
            // Cyrillic "аррӏе" is of one script, and still nothing but a disguise.
            if !label.is_ascii() && skeleton.is_ascii() {
                return Err(BadHost::Disguised);
            }
            looks_like.push(skeleton.to_lowercase());
        }
        Ok(Self {
            ascii,
            unicode,
            looks_like: looks_like.join("."),
        })
    }

    /// As it travels: lower case, `xn--…` for what is not ASCII.
    pub fn ascii(&self) -> &str {
        &self.ascii
    }

    /// As people read it.
    pub fn unicode(&self) -> &str {
        &self.unicode
    }

    /// The same for all names that look alike.
    pub fn looks_like(&self) -> &str {
        &self.looks_like
    }
}

/// The name of a `Host` header without its port, as [`HostName::ascii`] writes it; digits and names
/// of one part are taken as they are. `None` where it is none.
pub fn of_header(value: &str) -> Option<String> {
    let url = url::Url::parse(&format!("http://{value}/")).ok()?;
    let plain = url.path() == "/" && url.username().is_empty() && url.password().is_none();
    let bare = !value.contains(['/', '\\', '?', '#', '@']);
    let host = url.host_str().filter(|_| plain && bare)?;
    Some(host.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_however_it_is_written() {
        for text in [
            "Bücher.Example",
            "bücher.example.",
            "xn--bcher-kva.example",
            " BÜCHER.example ",
        ] {
            let host = HostName::parse(text).unwrap();
            assert_eq!(host.ascii(), "xn--bcher-kva.example", "{text}");
            assert_eq!(host.unicode(), "bücher.example");
        }
        assert_eq!(
            HostName::parse("例え.example").unwrap().unicode(),
            "例え.example"
        );
    }

    #[test]
    fn names_that_look_like_others_are_refused_or_told_apart() {
        // Cyrillic letters among Latin ones; Cyrillic letters only, in the shape of Latin ones.
        assert_eq!(HostName::parse("pаypal.example"), Err(BadHost::Mixed));
        assert_eq!(
            HostName::parse("xn--pypal-4ve.example"),
            Err(BadHost::Mixed)
        );
        assert_eq!(HostName::parse("аррӏе.example"), Err(BadHost::Disguised));
        let looks = |text: &str| HostName::parse(text).unwrap().looks_like().to_owned();
        assert_eq!(looks("corp1.example"), looks("corpl.example"));
        assert_eq!(looks("rnodern.example"), looks("modern.example"));
        assert_ne!(looks("one.example"), looks("two.example"));
    }

    #[test]
    fn what_is_no_name_of_the_internet_is_refused() {
        for (text, why) in [
            ("", BadHost::Malformed),
            ("a..example", BadHost::Malformed),
            ("-a.example", BadHost::Malformed),
            ("a_b.example", BadHost::Malformed),
            ("a b.example", BadHost::Malformed),
            ("https://a.example", BadHost::Malformed),
            ("a.example:443", BadHost::Malformed),
            ("a.example/x", BadHost::Malformed),
            ("xn--a.example", BadHost::Malformed),
            ("127.0.0.1", BadHost::Address),
            ("0x7f.1", BadHost::Address),
            ("localhost", BadHost::Local),
            ("hub.localhost", BadHost::Local),
            ("printer.local", BadHost::Local),
        ] {
            assert_eq!(HostName::parse(text), Err(why), "{text:?}");
        }
        assert!(HostName::parse(&format!("{}.example", "a".repeat(64))).is_err());
    }

    #[test]
    fn a_host_header_is_a_name_with_or_without_a_port_and_nothing_else() {
        assert_eq!(
            of_header("Hub.Example:8080").as_deref(),
            Some("hub.example")
        );
        assert_eq!(of_header("[::1]:80").as_deref(), Some("[::1]"));
        assert_eq!(
            of_header("xn--bcher-kva.example").as_deref(),
            Some("xn--bcher-kva.example")
        );
        for bad in [
            "", "a/b", "a@b", "user:x@b", "a b", "a?b", "a#b", "a:99999", "a\\b", "a,b c",
        ] {
            assert_eq!(of_header(bad), None, "{bad:?}");
        }
    }
}
