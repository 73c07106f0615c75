//! The little of Postgres' protocol that a private cluster needs: log in over the socket without a
//! password, send statements, read errors. For everything else the hub has sqlx.
//!
//! Why not sqlx here: the task runner stands on this crate, and must be there in seconds, with no
//! checked query compiled yet. Why not `psql`: the npm packages bring the server without it.
//! Protocol: Postgres manual, "Frontend/Backend Protocol", simple query.

use std::io::{BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// Longest wait for one answer; a migration on an empty database takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// Nothing that we ask for answers with more.
const LARGEST_MESSAGE: usize = 64 << 20;

pub(crate) fn execute(socket: &Path, database: &str, statements: &str) -> Result<Vec<String>> {
    if statements.contains('\0') || database.contains('\0') {
        bail!("statements for Postgres must not contain a zero byte");
    }
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("no Postgres answers at {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = &stream;

    writer.write_all(&startup(database)?)?;
    read_until_ready(&mut reader)?;
    writer.write_all(&message(b'Q', format!("{statements}\0").as_bytes())?)?;
    let rows = read_until_ready(&mut reader)?;
    writer.write_all(&message(b'X', &[])?)?;
    Ok(rows)
}

fn startup(database: &str) -> Result<Vec<u8>> {
    let mut body = 196_608_u32.to_be_bytes().to_vec(); // protocol 3.0
    for text in [
        "user",
        "syncline",
        "database",
        database,
        "client_encoding",
        "UTF8",
    ] {
        body.extend_from_slice(text.as_bytes());
        body.push(0);
    }
    body.push(0);
    let mut packet = u32::try_from(body.len() + 4)?.to_be_bytes().to_vec();
    packet.append(&mut body);
    Ok(packet)
}

fn message(kind: u8, body: &[u8]) -> Result<Vec<u8>> {
    let mut packet = vec![kind];
    packet.extend_from_slice(&u32::try_from(body.len() + 4)?.to_be_bytes());
    packet.extend_from_slice(body);
    Ok(packet)
}

/// Reads to the next ReadyForQuery; the first column of all rows, or the first error.
fn read_until_ready(reader: &mut impl Read) -> Result<Vec<String>> {
    let mut rows = Vec::new();
    let mut failure = None;
    loop {
        let mut head = [0; 5];
        if let Err(error) = reader.read_exact(&mut head) {
            // A refused log-in is an error message and then the end of the stream.
            return Err(failure.unwrap_or_else(|| error.into()))
                .context("Postgres closed the connection");
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if !(4..LARGEST_MESSAGE).contains(&length) {
            bail!("Postgres sent a message of {length} bytes, which makes no sense here");
        }
        let mut body = vec![0; length - 4];
        reader
            .read_exact(&mut body)
            .context("Postgres closed the connection")?;
        match head[0] {
            b'Z' => return failure.map_or(Ok(rows), Err),
            b'E' => failure = failure.or_else(|| Some(anyhow::Error::msg(describe_error(&body)))),
            b'D' => rows.push(first_column(&body)?),
            b'R' if body != [0, 0, 0, 0] => {
                bail!("Postgres asks for a password: this is not a private cluster of ours")
            }
            _ => {}
        }
    }
}

fn first_column(body: &[u8]) -> Result<String> {
    let broken = || anyhow::Error::msg("Postgres sent a broken row");
    let Some(length) = body.get(2..6) else {
        return Ok(String::new());
    };
    let Ok(length) = usize::try_from(i32::from_be_bytes(length.try_into()?)) else {
        return Ok(String::new()); // -1: null
    };
    let value = body.get(6..6 + length).ok_or_else(broken)?;
    Ok(String::from_utf8_lossy(value).into_owned())
}

/// `relation "x" does not exist (at character 15; hint: …)` from the fields of an error message.
fn describe_error(body: &[u8]) -> String {
    let mut text = String::from("Postgres refused the statement");
    let mut notes = Vec::new();
    for field in body
        .split(|byte| *byte == 0)
        .filter(|field| !field.is_empty())
    {
        let value = String::from_utf8_lossy(&field[1..]);
        match field[0] {
            b'M' => text = value.into_owned(),
            b'P' => notes.push(format!("at character {value}")),
            b'D' => notes.push(format!("detail: {value}")),
            b'H' => notes.push(format!("hint: {value}")),
            _ => {}
        }
    }
    if notes.is_empty() {
        text
    } else {
        format!("{text} ({})", notes.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_place_and_hint() {
        let body = b"SERROR\0C42P01\0Mrelation \"x\" does not exist\0P15\0Hmake it\0\0";
        assert_eq!(
            describe_error(body),
            "relation \"x\" does not exist (at character 15; hint: make it)"
        );
    }

    #[test]
    fn a_refused_login_is_told_although_the_stream_ends() {
        let error = message(b'E', b"Mdatabase \"x\" does not exist\0\0").unwrap();
        let told = read_until_ready(&mut error.as_slice()).unwrap_err();
        assert!(format!("{told:#}").contains("database \"x\" does not exist"));
    }

    #[test]
    fn a_row_is_its_first_column_and_null_is_empty() {
        assert_eq!(first_column(b"\0\x01\0\0\0\x02ok").unwrap(), "ok");
        assert_eq!(first_column(b"\0\x01\xff\xff\xff\xff").unwrap(), "");
        assert!(first_column(b"\0\x01\0\0\0\x09ok").is_err());
    }
}
