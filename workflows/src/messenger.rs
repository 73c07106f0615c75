//! Messages to phones, by a provider behind a webhook of ours: a signed request with number and text.
//! Whoever has a contract with a provider puts twenty lines between this and its interface.

use std::time::{Duration, UNIX_EPOCH};

use connector_sdk::{Http, HttpOptions};
use domain::factors::sms::{Message, Sending, SmsError, SmsSender};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::Sha256;
use url::Url;

/// Somebody waits for the code.
const PATIENCE: Duration = Duration::from_secs(10);
/// Fewest bytes of the secret that signs.
const SECRET: usize = 16;

/// How messages are sent.
#[derive(Clone)]
pub struct MessengerOptions {
    /// `https://…`; `http` only to this machine.
    pub url: SecretString,
    /// Signs requests, so that the receiver knows them as ours.
    pub secret: SecretString,
}

/// Why messages cannot be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum MessengerError {
    #[error("the address of the messages' provider is none: https://…")]
    Url,
    #[error("the secret of the messages' provider is shorter than {SECRET} bytes")]
    Secret,
    #[error("the client for messages cannot be set up")]
    Client(#[source] connector_sdk::ConnectorError),
}

/// Sends messages.
pub struct Messenger {
    http: Http,
    url: Url,
    secret: SecretString,
}

impl Messenger {
    /// Asks nobody yet; `now` is the process's clock.
    ///
    /// # Errors
    /// [`MessengerError`].
    pub fn new(
        options: &MessengerOptions,
        now: impl Fn() -> std::time::SystemTime + Send + Sync + 'static,
    ) -> Result<Self, MessengerError> {
        let url = Url::parse(options.url.expose_secret());
        let url = url.map_err(|_may_hold_a_password| MessengerError::Url)?;
        let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if !(url.scheme() == "https" || (url.scheme() == "http" && is_here)) {
            return Err(MessengerError::Url);
        }
        if options.secret.expose_secret().len() < SECRET {
            return Err(MessengerError::Secret);
        }
        let limits = HttpOptions {
            connect_timeout: PATIENCE,
            timeout: PATIENCE,
            read_timeout: PATIENCE,
            max_body: 64 << 10,
            ..HttpOptions::default()
        };
        Ok(Self {
            http: Http::new(&limits, now).map_err(MessengerError::Client)?,
            url,
            secret: options.secret.clone(),
        })
    }

    /// `v1=` and the HMAC-SHA-256 of `<seconds>.<body>`, in hexadecimal digits.
    fn signature(&self, seconds: u64, body: &str) -> Result<String, SmsError> {
        let key = self.secret.expose_secret().as_bytes();
        let mac = Hmac::<Sha256>::new_from_slice(key);
        let mut mac = mac.map_err(|_any_length_is_taken| SmsError::Refused)?;
        mac.update(format!("{seconds}.{body}").as_bytes());
        let digest = mac.finalize().into_bytes();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(format!("v1={hex}"))
    }

    async fn hand_over(&self, message: Message) -> Result<(), SmsError> {
        let id = message.id.to_string();
        let body = json!({
            "id": id,
            "to": message.number.expose_secret(),
            "text": message.text.expose_secret(),
        })
        .to_string();
        let now = self.http.now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        let request = self
            .http
            .request(http::Method::POST, self.url.clone())
            .header("content-type", "application/json")
            .header("idempotency-key", id)
            .header("syncline-timestamp", seconds.to_string())
            .header("syncline-signature", self.signature(seconds, &body)?)
            .body(body);
        // What the provider says may quote the number: its status is enough.
        let reply = self.http.send(request).await;
        let reply = reply.map_err(|_unreachable| SmsError::Unreachable)?;
        match reply.status.as_u16() {
            200..=299 => Ok(()),
            500..=599 | 429 => Err(SmsError::Unreachable),
            _ => Err(SmsError::Refused),
        }
    }
}

impl SmsSender for Messenger {
    fn send(&self, message: Message) -> Sending<'_> {
        Box::pin(self.hand_over(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str, secret: &str) -> MessengerOptions {
        MessengerOptions {
            url: url.into(),
            secret: secret.into(),
        }
    }

    fn made(url: &str, secret: &str) -> Result<Messenger, MessengerError> {
        Messenger::new(&options(url, secret), || UNIX_EPOCH)
    }

    #[test]
    fn messages_do_not_leave_the_machine_unencrypted_or_unsigned() {
        let secret = "0123456789abcdef";
        assert!(made("https://sms.example/send", secret).is_ok());
        assert!(made("http://127.0.0.1:9000/", secret).is_ok());
        for url in [
            "http://sms.example/",
            "ftp://127.0.0.1/",
            "",
            "sms.example",
            "http://localhost.evil.example/",
        ] {
            assert!(
                matches!(made(url, secret), Err(MessengerError::Url)),
                "{url}"
            );
        }
        assert!(matches!(
            made("https://sms.example/", "short"),
            Err(MessengerError::Secret)
        ));
    }

    /// Made with Python: `hmac.new(b"0123456789abcdef", b"1700000000.{}", "sha256").hexdigest()`.
    #[test]
    fn a_signature_covers_time_and_body() {
        let messenger = made("https://sms.example/", "0123456789abcdef").unwrap();
        assert_eq!(
            messenger.signature(1_700_000_000, "{}").unwrap(),
            "v1=e4f8e2ecae2295b2ddb2f0b5584c8275e226c0ebe9b3b819e70156bb67122e3e"
        );
    }
}
