//! Mail by SMTP. The message is written here: a text of ours to one address needs no library for that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use domain::mails::{Letter, Outbox};
use engine::ids::MailId;
use engine::runtime::{Class, StepError};
use lettre::address::Envelope;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use secrecy::{ExposeSecret, SecretString};

/// Characters of base64 in a line (RFC 2045).
const LINE: usize = 76;

/// How mail is sent.
#[derive(Clone)]
pub struct MailerOptions {
    /// `smtps://user:password@host` or `smtp://host:25?tls=required`.
    pub server: SecretString,
    /// Address that mails come from.
    pub from: String,
}

/// Why mail cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("the mail server's URL is none: smtp://host:25 or smtps://user:password@host")]
    Server,
    #[error("{0:?} is no address to send from")]
    From(String),
}

/// Sends mail.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Address,
    outbox: Outbox,
}

impl Mailer {
    /// Asks nobody yet.
    ///
    /// # Errors
    /// [`MailerError`].
    pub fn new(options: &MailerOptions, outbox: Outbox) -> Result<Self, MailerError> {
        let server = options.server.expose_secret();
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(server)
            .map_err(|_may_quote_the_password| MailerError::Server)?;
        let from = options.from.parse();
        Ok(Self {
            transport: transport.build(),
            from: from.map_err(|_bad| MailerError::From(options.from.clone()))?,
            outbox,
        })
    }

    pub(crate) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Hands a mail to the server. What the server says is not repeated: it may quote the address.
    pub(crate) async fn send(
        &self,
        id: MailId,
        letter: &Letter,
        now: DateTime<Utc>,
    ) -> Result<(), StepError> {
        let rejected = || StepError::permanent(Class::Rejected, "this is no address for mail");
        let to: Address = letter.recipient.parse().map_err(|_bad| rejected())?;
        let text = message(id, &self.from, &to, letter, now);
        let envelope = Envelope::new(Some(self.from.clone()), vec![to]);
        let envelope = envelope.map_err(|_empty| rejected())?;
        let sent = self.transport.send_raw(&envelope, text.as_bytes()).await;
        match sent {
            Ok(_accepted) => Ok(()),
            Err(error) if error.is_permanent() => Err(StepError::permanent(
                Class::Rejected,
                "the mail server refused the mail",
            )),
            Err(_later) => Err(StepError::transient("the mail server took no mail")),
        }
    }
}

fn message(
    id: MailId,
    from: &Address,
    to: &Address,
    letter: &Letter,
    now: DateTime<Utc>,
) -> String {
    let subject = STANDARD.encode(&letter.subject);
    let body = STANDARD.encode(letter.text.replace('\n', "\r\n"));
    let lines: Vec<&str> = (0..body.len())
        .step_by(LINE)
        .map(|at| &body[at..body.len().min(at + LINE)])
        .collect();
    format!(
        "Message-ID: <{id}@{}>\r\nDate: {}\r\nFrom: {from}\r\nTo: {to}\r\n\
         Subject: =?utf-8?B?{subject}?=\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\
         Auto-Submitted: auto-generated\r\n\r\n{}\r\n",
        from.domain(),
        now.to_rfc2822(),
        lines.join("\r\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_carries_its_text_whatever_is_in_it() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        let letter = Letter {
            recipient: "ada@example.com".to_owned(),
            subject: "Grüße\r\nBcc: eve@example.com".to_owned(),
            text: "Ein Satz mit Ärger.\n.\nNoch einer.".repeat(5),
        };
        let (from, to) = (address("hub@example.com"), address("ada@example.com"));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let text = message(MailId::fresh(), &from, &to, &letter, now);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("Bcc:"), "{head}");
        assert!(
            body.lines()
                .all(|line| line.len() <= LINE && !line.starts_with('.'))
        );
        let decoded = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        let expected = letter.text.replace('\n', "\r\n");
        assert_eq!(String::from_utf8(decoded).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_bad_server_or_sender_is_refused_without_its_password() {
        let vault = engine::vault::Vault::new(&engine::vault::Vault::fresh_key().unwrap()).unwrap();
        let make = |server: &str, from: &str| {
            let options = MailerOptions {
                server: server.into(),
                from: from.to_owned(),
            };
            Mailer::new(&options, Outbox::new(vault.clone()))
                .err()
                .unwrap()
                .to_string()
        };
        let error = make("http://user:hunter2@host", "hub@example.com");
        assert!(!error.contains("hunter2"), "{error}");
        assert!(make("smtp://127.0.0.1:25", "nobody").contains("nobody"));
    }
}
