//! Where work stands in a trace across systems: the `traceparent` and `tracestate` of W3C Trace Context,
//! carried with the task that does the work and sent with each of its requests.

use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

/// A `traceparent` of version 00: the trace, the span that caused this, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    /// Never zero.
    pub trace: u128,
    /// Never zero.
    pub span: u64,
    pub flags: u8,
}

impl TraceParent {
    /// Reads a header; `None` for what is none, which is to be ignored (section 3.2 of the standard).
    /// A later version may say more after what is known here.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let version = hex(parts.next()?, 2)?;
        let parent = Self {
            trace: hex(parts.next()?, 32)?,
            span: u64::try_from(hex(parts.next()?, 16)?).ok()?,
            flags: u8::try_from(hex(parts.next()?, 2)?).ok()?,
        };
        let fits = version < 0xff && (version > 0 || parts.next().is_none());
        (fits && parent.trace != 0 && parent.span != 0).then_some(parent)
    }
}

/// A number of lower-case hexadecimal digits, exactly so many.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

impl fmt::Display for TraceParent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, flags } = self;
        write!(formatter, "00-{trace:032x}-{span:016x}-{flags:02x}")
    }
}

/// A `tracestate`: what the systems on the way wrote for themselves. Nobody here reads it or adds to it;
/// it is handed on as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceState(Arc<str>);

impl TraceState {
    /// As much as everybody has to hand on (section 3.3.1.5 of the standard).
    const LONGEST: usize = 512;
    const MOST_MEMBERS: usize = 32;

    /// Reads the headers of this name, several of which are one list. `None` for what is none, longer
    /// than 512 characters, or empty: it is left out then, and the `traceparent` still counts.
    pub fn read<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut members = Vec::new();
        let mut keys = HashSet::new();
        for header in headers {
            for member in header.split(',') {
                let member = member.trim_matches([' ', '\t']);
                if member.is_empty() {
                    continue;
                }
                let (key, value) = member.split_once('=')?;
                if !is_key(key) || !is_value(value) || !keys.insert(key) {
                    return None;
                }
                members.push(member);
            }
        }
        let text = members.join(",");
        let fits = members.len() <= Self::MOST_MEMBERS && text.len() <= Self::LONGEST;
        (fits && !text.is_empty()).then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_key(key: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_other = |byte: u8| is_first(byte) || b"_-*/@".contains(&byte);
    key.len() <= 256 && key.bytes().next().is_some_and(is_first) && key.bytes().all(is_other)
}

fn is_value(value: &str) -> bool {
    let is_printed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'=';
    !value.is_empty() && value.len() <= 256 && value.bytes().all(is_printed)
}

/// Where work stands in a trace, with all that is handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    pub parent: TraceParent,
    pub state: Option<TraceState>,
}

impl TraceContext {
    /// Reads the headers `traceparent` and `tracestate`; without the first the second says nothing.
    pub fn read<'a>(parent: &str, states: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        Some(Self {
            parent: TraceParent::read(parent)?,
            state: TraceState::read(states),
        })
    }

    /// Reads what its `to_string` gave: the parent, and the state behind a space.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            Some((parent, state)) => Self::read(parent, [state]),
            None => Self::read(text, []),
        }
    }
}

impl From<TraceParent> for TraceContext {
    fn from(parent: TraceParent) -> Self {
        Self {
            parent,
            state: None,
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parent.fmt(formatter)?;
        match &self.state {
            Some(state) => write!(formatter, " {}", state.as_str()),
            None => Ok(()),
        }
    }
}

tokio::task_local! {
    static CURRENT: Option<TraceContext>;
}

/// Where the work of this task stands, if it is part of a trace.
pub fn current() -> Option<TraceContext> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Does work as a part of a trace: [`current`] is `place` in it. What it spawns is not part of it.
pub fn within<F: Future>(place: Option<TraceContext>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(place, work)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_header_is_read_and_written() {
        let parent = TraceParent::read(HEADER).unwrap();
        assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(parent.to_string(), HEADER);
        let later = HEADER.replacen("00", "01", 1) + "-more";
        assert_eq!(TraceParent::read(&later), Some(parent));
    }

    #[test]
    fn what_is_no_header_is_ignored() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ] {
            assert_eq!(TraceParent::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_state_is_one_list_however_many_headers_it_comes_in() {
        let read = |headers: &[&'static str]| {
            TraceState::read(headers.iter().copied()).map(|state| state.as_str().to_owned())
        };
        let one = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
        assert_eq!(read(&[one]).as_deref(), Some(one));
        assert_eq!(
            read(&["a=1 , t@v=x y", "", "b/c=2,"]).as_deref(),
            Some("a=1,t@v=x y,b/c=2")
        );
        for bad in [
            "",
            " , ",
            "a",
            "a=",
            "A=1",
            "=1",
            "a=1=2",
            "a=\u{e9}",
            "a=1\r\nx: y",
            "a=1,a=2",
            "-a=1",
        ] {
            assert_eq!(read(&[bad]), None, "{bad:?}");
        }
        let long = format!("a={}", "x".repeat(257));
        assert_eq!(TraceState::read([long.as_str()]), None);
        let two = format!("a={0},b={0}", "x".repeat(256));
        assert_eq!(TraceState::read([two.as_str()]), None, "513 and more");
        let member = |number: u8| format!("k{number}=1");
        let many: Vec<String> = (0..33).map(member).collect();
        let read = |count: usize| TraceState::read([many[..count].join(",").as_str()]);
        assert!(read(32).is_some() && read(33).is_none());
    }

    #[test]
    fn a_place_is_stored_as_one_text() {
        for state in [None, Some("rojo=1,congo=2 3")] {
            let place = TraceContext::read(HEADER, state).unwrap();
            assert_eq!(place.state.is_some(), state.is_some());
            assert_eq!(TraceContext::parse(&place.to_string()), Some(place));
        }
        let bad = TraceContext::read(HEADER, ["no list"]).unwrap();
        assert_eq!(bad.to_string(), HEADER);
        assert_eq!(TraceContext::read("", ["rojo=1"]), None);
    }

    #[tokio::test]
    async fn work_stands_where_it_was_put_and_nowhere_else() {
        let place = TraceContext::read(HEADER, ["rojo=1"]);
        assert_eq!(current(), None);
        assert_eq!(within(place.clone(), async { current() }).await, place);
        assert_eq!(current(), None);
    }

    #[tokio::test]
    async fn a_request_says_which_trace_it_belongs_to() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: url::Url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let heard = tokio::spawn(async move {
            let mut heard = Vec::new();
            for _ in 0..3 {
                let (mut caller, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(caller.read_u8().await.unwrap());
                }
                let answer = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                caller.write_all(answer.as_bytes()).await.unwrap();
                heard.push(String::from_utf8(request).unwrap());
            }
            heard
        });
        let now = || std::time::SystemTime::UNIX_EPOCH;
        let http = crate::Http::new(&crate::HttpOptions::default(), now).unwrap();
        let ask = async || {
            let request = http.request(::http::Method::GET, url.clone());
            http.send(request).await.unwrap();
        };
        let state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
        within(TraceContext::read(HEADER, [state]), ask()).await;
        within(TraceContext::read(HEADER, []), ask()).await;
        ask().await;
        let heard = heard.await.unwrap();
        for (request, parent, with_state) in [
            (&heard[0], true, true),
            (&heard[1], true, false),
            (&heard[2], false, false),
        ] {
            let parent_line = format!("traceparent: {HEADER}\r\n");
            assert_eq!(request.contains(&parent_line), parent, "{request}");
            let state_line = format!("tracestate: {state}\r\n");
            assert_eq!(request.contains(&state_line), with_state, "{request}");
            assert_eq!(request.contains("tracestate"), with_state, "{request}");
        }
    }
}
