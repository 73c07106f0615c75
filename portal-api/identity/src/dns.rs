//! Text records of the domain name system (RFC 1035): whoever can write one under a name controls it.
//! One question, one answer; no cache, so that a record that was just made counts.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::net::UdpSocket;

const TXT: u16 = 16;
const INTERNET: u16 = 1;
/// Each server is waited for so long.
const PATIENCE: Duration = Duration::from_secs(3);
/// Longest answer over UDP that we ask for (EDNS is not used). Bytes.
const LONGEST: usize = 512;

/// Why nothing was found out.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    #[error("no name server is configured on this machine")]
    NoServer,
    #[error("name is too long to be asked for")]
    BadName,
    #[error("name server did not answer in time")]
    Silent,
    #[error("answer of the name server is cut off or damaged")]
    Damaged,
    #[error("name server cannot say just now")]
    Failed,
    #[error("name server cannot be asked")]
    Io(#[from] std::io::Error),
    #[error("system gives no random numbers")]
    NoRandomness,
}

/// Who is asked.
#[derive(Clone, Debug)]
pub struct Resolver(Vec<SocketAddr>);

impl Resolver {
    /// These servers, in this order.
    pub fn at(servers: Vec<SocketAddr>) -> Self {
        Self(servers)
    }

    /// The servers of `/etc/resolv.conf`.
    pub fn system() -> Self {
        Self(servers(Path::new("/etc/resolv.conf")))
    }

    /// The text records of a name; none where the name does not exist.
    ///
    /// # Errors
    /// [`DnsError`].
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let mut last = DnsError::NoServer;
        for server in &self.0 {
            match ask(*server, name).await {
                Ok(texts) => return Ok(texts),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

fn servers(file: &Path) -> Vec<SocketAddr> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next().filter(|word| *word == "nameserver");
        address.and(words.next())?.parse().ok()
    });
    addresses
        .map(|address| SocketAddr::new(address, 53))
        .collect()
}

async fn ask(server: SocketAddr, name: &str) -> Result<Vec<String>, DnsError> {
    let mut id = [0; 2];
    getrandom::fill(&mut id).map_err(|_error| DnsError::NoRandomness)?;
    let question = question(id, name)?;
    let any: SocketAddr = if server.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0; 16], 0).into()
    };
    // A port of the system's choice, and only this server's answers are taken.
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&question).await?;
    let mut answer = [0; LONGEST];
    let listening = async {
        loop {
            let length = socket.recv(&mut answer).await?;
            let came = answer.get(..length).unwrap_or_default();
            // Of somebody who guesses, or to a question of before.
            if came.get(..2) == Some(&id) && came.get(12..question.len()) == question.get(12..) {
                return read(came, question.len());
            }
        }
    };
    tokio::time::timeout(PATIENCE, listening)
        .await
        .map_err(|_elapsed| DnsError::Silent)?
}

fn question(id: [u8; 2], name: &str) -> Result<Vec<u8>, DnsError> {
    // Recursion is wanted; one question.
    let mut bytes = vec![id[0], id[1], 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        let length = u8::try_from(label.len()).map_err(|_too_long| DnsError::BadName)?;
        if length == 0 || length > 63 {
            return Err(DnsError::BadName);
        }
        bytes.push(length);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    if bytes.len() > 12 + 255 {
        return Err(DnsError::BadName);
    }
    bytes.extend_from_slice(&TXT.to_be_bytes());
    bytes.extend_from_slice(&INTERNET.to_be_bytes());
    Ok(bytes)
}

/// The texts of an answer whose records begin at `at`.
fn read(bytes: &[u8], mut at: usize) -> Result<Vec<String>, DnsError> {
    let flags = short(bytes, 2)?;
    let is_answer = flags & 0x8000 != 0;
    let is_cut = flags & 0x0200 != 0;
    if !is_answer || is_cut {
        return Err(DnsError::Damaged);
    }
    match flags & 0xf {
        0 => {}
        3 => return Ok(Vec::new()), // no such name
        _ => return Err(DnsError::Failed),
    }
    let mut texts = Vec::new();
    for _record in 0..short(bytes, 6)? {
        at = after_name(bytes, at)?;
        let (kind, class) = (short(bytes, at)?, short(bytes, at + 2)?);
        let length = usize::from(short(bytes, at + 8)?);
        let data = bytes.get(at + 10..at + 10 + length);
        let data = data.ok_or(DnsError::Damaged)?;
        if kind == TXT && class == INTERNET {
            texts.push(joined(data)?);
        }
        at += 10 + length;
    }
    Ok(texts)
}

fn short(bytes: &[u8], at: usize) -> Result<u16, DnsError> {
    match bytes.get(at..at + 2) {
        Some([high, low]) => Ok(u16::from_be_bytes([*high, *low])),
        _ => Err(DnsError::Damaged),
    }
}

/// Where a name ends: after its last label, or after the pointer to the rest of it.
fn after_name(bytes: &[u8], mut at: usize) -> Result<usize, DnsError> {
    loop {
        match *bytes.get(at).ok_or(DnsError::Damaged)? {
            0 => return Ok(at + 1),
            pointer if pointer & 0xc0 == 0xc0 => return Ok(at + 2),
            length if length & 0xc0 == 0 => at += 1 + usize::from(length),
            _ => return Err(DnsError::Damaged),
        }
    }
}

/// The pieces of up to 255 bytes that a text is cut into.
fn joined(mut data: &[u8]) -> Result<String, DnsError> {
    let mut text = Vec::new();
    while let Some((length, rest)) = data.split_first() {
        let length = usize::from(*length);
        let piece = rest.get(..length).ok_or(DnsError::Damaged)?;
        text.extend_from_slice(piece);
        data = rest.get(length..).unwrap_or_default();
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(question: &[u8], flags: u16, texts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = question.to_vec();
        bytes[2..4].copy_from_slice(&flags.to_be_bytes());
        bytes[6..8].copy_from_slice(&u16::try_from(texts.len()).unwrap().to_be_bytes());
        for text in texts {
            bytes.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60]);
            let length = u16::try_from(text.len()).unwrap();
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text);
        }
        bytes
    }

    #[test]
    fn texts_are_read_whole_and_a_damaged_answer_is_no_answer() {
        let question = question([1, 2], "_syncline.one.example").unwrap();
        let whole = answer(&question, 0x8180, &[b"\x03abc\x02de", b"\x01x"]);
        assert_eq!(read(&whole, question.len()).unwrap(), ["abcde", "x"]);
        for end in question.len()..whole.len() {
            assert!(read(&whole[..end], question.len()).is_err(), "cut at {end}");
        }
        let long = answer(&question, 0x8180, &[b"\x09abc"]);
        assert!(matches!(
            read(&long, question.len()),
            Err(DnsError::Damaged)
        ));
        let cut = answer(&question, 0x8380, &[]);
        assert!(matches!(read(&cut, question.len()), Err(DnsError::Damaged)));
        let unknown = answer(&question, 0x8183, &[]);
        assert_eq!(
            read(&unknown, question.len()).unwrap(),
            Vec::<String>::new()
        );
        let failed = answer(&question, 0x8182, &[]);
        assert!(matches!(
            read(&failed, question.len()),
            Err(DnsError::Failed)
        ));
    }

    #[test]
    fn a_name_that_cannot_be_asked_for_is_refused() {
        for bad in ["a..b", &"a".repeat(64), &"ab.".repeat(90)] {
            assert!(
                matches!(question([0, 0], bad), Err(DnsError::BadName)),
                "{bad}"
            );
        }
    }

    #[tokio::test]
    async fn an_answer_to_another_question_is_not_taken() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let resolver = Resolver::at(vec![server.local_addr().unwrap()]);
        let serving = async {
            let mut bytes = [0; 512];
            let (length, from) = server.recv_from(&mut bytes).await.unwrap();
            let asked = bytes[..length].to_vec();
            let mut forged = answer(&asked, 0x8180, &[b"\x06forged"]);
            forged[0] ^= 0xff;
            server.send_to(&forged, from).await.unwrap();
            let right = answer(&asked, 0x8180, &[b"\x05right"]);
            server.send_to(&right, from).await.unwrap();
        };
        let (texts, ()) = tokio::join!(resolver.texts("one.example"), serving);
        assert_eq!(texts.unwrap(), ["right"]);
    }

    #[tokio::test]
    async fn without_a_server_there_is_an_error() {
        let none = Resolver::at(Vec::new()).texts("one.example").await;
        assert!(matches!(none, Err(DnsError::NoServer)));
    }
}
