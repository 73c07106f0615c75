//! TLS in this process: rustls with ring. The certificate is read again when its files change, or on
//! SIGHUP; who is connected stays so.

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::serve::Listener;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{Error, ServerConfig};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(2);
/// Longest time a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Most handshakes at once; further callers wait to be accepted until one ends.
const HANDSHAKES: usize = 1024;

/// Where certificate and key are, both PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The hub's own certificate first, then those that lead to its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    /// # Errors
    /// A file cannot be read or holds no certificate or key, or the two do not belong together; the
    /// message names the file.
    fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        let text = fs::read(&self.certificate)
            .with_context(|| format!("cannot read the TLS certificate {certificate}"))?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let chain = chain.with_context(|| format!("{certificate} holds no PEM certificates"))?;
        if chain.is_empty() {
            bail!("{certificate} holds no PEM certificate");
        }
        // What reads keys may quote what it read: it is not asked for its words.
        let text = fs::read(&self.key).with_context(|| format!("cannot read the TLS key {key}"))?;
        let Ok(private) = PrivateKeyDer::from_pem_slice(&text) else {
            bail!("{key} holds no PEM private key");
        };
        CertifiedKey::from_der(chain, private, provider).map_err(|error| match error {
            Error::InconsistentKeys(_) => {
                anyhow::anyhow!(
                    "the TLS key {key} does not belong to the certificate {certificate}"
                )
            }
            Error::InvalidCertificate(_) => {
                anyhow::anyhow!("the certificate in {certificate} cannot be used")
            }
            _ => anyhow::anyhow!("the TLS key {key} cannot be used with {certificate}"),
        })
    }

    /// Changes whenever a file is replaced or written.
    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for path in [&self.certificate, &self.key] {
            look(path).hash(&mut hasher);
        }
        hasher.finish()
    }
}

/// What tells one state of a file from another; `None` where it is not there.
fn look(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let file = fs::metadata(path).ok()?;
    Some((file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
}

/// The certificate that is shown to whoever connects next.
struct Shown {
    files: TlsFiles,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shown").field("files", &self.files).finish()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

impl Shown {
    /// Reads the files again; where they are not in order, the old certificate stays.
    fn reload(&self) {
        let certificate = self.files.certificate.display();
        match self.files.load(&self.provider) {
            Ok(new) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                if current.cert == new.cert {
                    return;
                }
                *current = Arc::new(new);
                tracing::info!(%certificate, "the TLS certificate was exchanged");
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "the new TLS certificate is not used; the old one stays"
                );
            }
        }
    }
}

/// Certificate and settings of TLS, ready to serve.
pub(crate) struct Tls {
    shown: Arc<Shown>,
    config: Arc<ServerConfig>,
    /// Of the files, before they were read.
    state: u64,
}

impl Tls {
    /// # Errors
    /// As [`TlsFiles::load`].
    pub(crate) fn new(files: TlsFiles) -> Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let state = files.state();
        let first = files.load(&provider)?;
        let shown = Arc::new(Shown {
            files,
            provider: Arc::clone(&provider),
            current: RwLock::new(Arc::new(first)),
        });
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .context("cannot set up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&shown) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            shown,
            config: Arc::new(config),
            state,
        })
    }

    /// Takes connections from `tcp`, and looks after the certificate until `stop`.
    ///
    /// # Errors
    /// The system refuses to hand over its signals.
    pub(crate) fn listen(self, tcp: TcpListener, stop: CancellationToken) -> Result<TlsListener> {
        let mut hang_up = signal(SignalKind::hangup()).context("cannot listen to SIGHUP")?;
        let (shown, mut state) = (self.shown, self.state);
        tokio::spawn(async move {
            loop {
                let is_asked = tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    _ = hang_up.recv() => true,
                    () = tokio::time::sleep(LOOK) => false,
                };
                // Before they are read: a change in between is seen the next time.
                let now = shown.files.state();
                if is_asked || now != state {
                    state = now;
                    shown.reload();
                }
            }
        });
        Ok(TlsListener {
            tcp,
            acceptor: TlsAcceptor::from(self.config),
            handshakes: JoinSet::new(),
            longest: HANDSHAKE,
            most: HANDSHAKES,
        })
    }
}

/// Hands over connections whose handshake is done; a slow one keeps nobody else waiting.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<Connection>>,
    longest: Duration,
    most: usize,
}

type Connection = (TlsStream<TcpStream>, std::net::SocketAddr);

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> Connection {
        loop {
            tokio::select! {
                biased;
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                (stream, address) = Listener::accept(&mut self.tcp),
                    if self.handshakes.len() < self.most =>
                {
                    let (acceptor, longest) = (self.acceptor.clone(), self.longest);
                    self.handshakes.spawn(async move {
                        let shake = tokio::time::timeout(longest, acceptor.accept(stream));
                        match shake.await {
                            Ok(Ok(stream)) => Some((stream, address)),
                            Ok(Err(error)) => {
                                tracing::debug!(%error, "a TLS handshake failed");
                                None
                            }
                            Err(_elapsed) => {
                                tracing::debug!("a TLS handshake took too long");
                                None
                            }
                        }
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    struct Files {
        _dir: tempfile::TempDir,
        files: TlsFiles,
    }

    fn files() -> Files {
        let dir = tempfile::tempdir().unwrap();
        let files = TlsFiles {
            certificate: dir.path().join("hub.pem"),
            key: dir.path().join("hub.key"),
        };
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(&files.certificate, made.cert.pem()).unwrap();
        fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        Files { _dir: dir, files }
    }

    fn refusal(files: &TlsFiles) -> String {
        let refused = Tls::new(files.clone()).err();
        format!("{:#}", refused.unwrap())
    }

    #[test]
    fn files_that_are_not_in_order_are_named() {
        let (good, other) = (files(), files());
        assert!(Tls::new(good.files.clone()).is_ok());
        let (certificate, key) = (&good.files.certificate, &good.files.key);
        let nowhere = PathBuf::from("/nowhere/hub.pem");
        let mixed = TlsFiles {
            key: other.files.key.clone(),
            ..good.files.clone()
        };
        let said = refusal(&mixed);
        assert!(said.contains("does not belong"), "{said}");
        assert!(
            said.contains(&other.files.key.display().to_string()),
            "{said}"
        );
        let swapped = TlsFiles {
            certificate: key.clone(),
            key: certificate.clone(),
        };
        let said = refusal(&swapped);
        assert!(said.contains(&key.display().to_string()), "{said}");
        for missing in [
            TlsFiles {
                certificate: nowhere.clone(),
                ..good.files.clone()
            },
            TlsFiles {
                key: nowhere,
                ..good.files.clone()
            },
        ] {
            let said = refusal(&missing);
            assert!(said.contains("/nowhere/hub.pem"), "{said}");
        }
        fs::write(
            key,
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        )
        .unwrap();
        let said = refusal(&good.files);
        assert!(said.contains(&key.display().to_string()), "{said}");
        assert!(!said.contains("AAAA"), "{said}");
        fs::write(certificate, "no certificate").unwrap();
        let said = refusal(&good.files);
        assert!(said.contains(&certificate.display().to_string()), "{said}");
    }

    #[test]
    fn what_is_not_in_order_leaves_the_old_certificate() {
        let given = files();
        let tls = Tls::new(given.files.clone()).unwrap();
        let shown = || tls.shown.current.read().unwrap().cert.clone();
        let first = shown();
        // Half of a pair is there.
        let new = files();
        fs::copy(&new.files.certificate, &given.files.certificate).unwrap();
        assert_ne!(given.files.state(), tls.state);
        tls.shown.reload();
        assert_eq!(shown(), first);
        fs::remove_file(&given.files.key).unwrap();
        tls.shown.reload();
        assert_eq!(shown(), first);
        fs::copy(&new.files.key, &given.files.key).unwrap();
        tls.shown.reload();
        assert_ne!(shown(), first);
    }

    #[tokio::test]
    async fn a_silent_handshake_ends_and_keeps_nobody_waiting() {
        let given = files();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stop = CancellationToken::new();
        let tls = Tls::new(given.files).unwrap();
        let mut listener = tls.listen(tcp, stop.clone()).unwrap();
        (listener.longest, listener.most) = (Duration::from_millis(200), 1);
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move { listener.accept().await });
        let mut silent = TcpStream::connect(address).await.unwrap();
        // It is hung up on, and only then is there a place for the next.
        assert_eq!(silent.read(&mut [0; 8]).await.unwrap(), 0);
        let mut noisy = TcpStream::connect(address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut noisy, b"GET / HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let mut answer = Vec::new();
        // An alert, and the end.
        noisy.read_to_end(&mut answer).await.unwrap();
        assert!(!accepting.is_finished());
        accepting.abort();
        stop.cancel();
    }
}
