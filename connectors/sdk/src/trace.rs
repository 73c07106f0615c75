//! Where work stands in a trace across systems: the `traceparent` of W3C Trace Context, carried with
//! the task that does the work and sent with each of its requests.

use std::fmt;
use std::future::Future;

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

tokio::task_local! {
    static CURRENT: Option<TraceParent>;
}

/// Where the work of this task stands, if it is part of a trace.
pub fn current() -> Option<TraceParent> {
    CURRENT.try_with(|current| *current).ok().flatten()
}

/// Does work as a part of a trace: [`current`] is `parent` in it. What it spawns is not part of it.
pub fn within<F: Future>(parent: Option<TraceParent>, work: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(parent, work)
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

    #[tokio::test]
    async fn work_stands_where_it_was_put_and_nowhere_else() {
        let parent = TraceParent::read(HEADER);
        assert_eq!(current(), None);
        assert_eq!(within(parent, async { current() }).await, parent);
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
            for _ in 0..2 {
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
        within(TraceParent::read(HEADER), ask()).await;
        ask().await;
        let heard = heard.await.unwrap();
        assert!(
            heard[0].contains(&format!("traceparent: {HEADER}\r\n")),
            "{}",
            heard[0]
        );
        assert!(!heard[1].contains("traceparent"), "{}", heard[1]);
    }
}
