//! One connection to Redis. One task uses it at a time; a failed connection is dropped and replaced.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::{RedisAddress, ServerAddress};
use super::resp::{Commands, NotResp, Reply};
use super::scripts::PREFIX;

/// The time limit for connecting, and for each reply. The servers of an address share it, because the primary must be
/// found before the lease of the relay expires.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);
/// How many servers of a cluster may refer to the next one.
const REFERRALS: usize = 5;

/// An error of Redis. Messages include the cause, so there is no `source()`.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    /// It cannot be reached, or the connection broke.
    #[error("Redis at {0} cannot be reached: {1}")]
    Away(String, std::io::Error),
    /// It did not reply in time.
    #[error("Redis at {0} does not answer")]
    Silent(String),
    /// It is something else.
    #[error("{0} is not a Redis server: {1}")]
    NotRedis(String, &'static str),
    /// It refused, with its own message.
    #[error("Redis refused: {0}")]
    Refused(String),
    /// A file that the configuration names.
    #[error("{0} cannot be used: {1}")]
    File(String, String),
}

trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

pub(crate) struct Connection {
    shown: String,
    socket: Box<dyn Socket>,
    /// Bytes that have arrived and are not parsed yet.
    come: BytesMut,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("to", &self.shown).finish_non_exhaustive()
    }
}

impl Connection {
    /// Connects to the primary that has the relay's keys, and logs in. The servers of the address are tried in turn.
    ///
    /// # Errors
    /// The last server's.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub(crate) async fn open(address: &RedisAddress) -> Result<Self, RedisError> {
        let mut opened = Self::open_from(address, &address.first).await;
        for other in &address.others {
            if opened.is_ok() {
                break;
            }
            opened = Self::open_from(address, other).await;
        }
        opened
    }

    /// Connects to a server, or to the one of its cluster that has the keys.
    async fn open_from(address: &RedisAddress, server: &ServerAddress) -> Result<Self, RedisError> {
        let patience = PATIENCE / address.count();
        let mut server = server.clone();
        for _ in 0..=REFERRALS {
            let silent = |_| RedisError::Silent(address.shown(&server));
            let mut connection =
                timeout(patience, Self::connect(address, &server)).await.map_err(silent)??;
            let accepted = timeout(patience, connection.log_in(address)).await.map_err(silent)??;
            // Other failures are left to the commands.
            let Some(why) = accepted.failure().filter(|why| is_for_another(why)) else {
                return Ok(connection);
            };
            server = server.moved(why).ok_or_else(|| RedisError::Refused(why.to_owned()))?;
        }
        Err(RedisError::Refused("the servers of the cluster refer to each other".into()))
    }

    /// Logs in. Returns the reply to a command that changes nothing, but which only the primary that has the keys
    /// accepts.
    async fn log_in(&mut self, address: &RedisAddress) -> Result<Reply, RedisError> {
        let mut password = address.password.clone();
        if let Some(file) = &address.password_file {
            let wrong =
                |error: std::io::Error| RedisError::File(file.display().to_string(), error.to_string());
            password = Some(std::fs::read_to_string(file).map_err(wrong)?.trim().to_owned());
        }
        let mut commands = Commands::default();
        match (&address.user, &password) {
            (Some(user), Some(password)) => commands.push(&["AUTH", user, password]),
            (None, Some(password)) => commands.push(&["AUTH", password]),
            (Some(_) | None, None) => {}
        }
        if address.database != 0 {
            commands.push(&["SELECT".to_owned(), address.database.to_string()]);
        }
        commands.push(&["CLIENT", "SETNAME", "towline"]);
        commands.push(&["DEL", PREFIX]);
        let mut replies = self.ask(&commands).await?;
        let accepted = replies.pop().unwrap_or(Reply::None);
        for (at, reply) in replies.into_iter().enumerate() {
            if let Reply::Failed(mut why) = reply {
                if at == 0 && password.is_some() {
                    // A server that does not know the command repeats its arguments.
                    why.truncate(why.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(why.len()));
                    why.push_str(" (it does not take the password)");
                }
                return Err(RedisError::Refused(why));
            }
        }
        Ok(accepted)
    }

    async fn connect(address: &RedisAddress, server: &ServerAddress) -> Result<Self, RedisError> {
        let shown = address.shown(server);
        let away = |error| RedisError::Away(shown.clone(), error);
        let socket = TcpStream::connect((server.host.as_str(), server.port)).await.map_err(away)?;
        socket.set_nodelay(true).map_err(away)?;
        let socket: Box<dyn Socket> = if address.is_encrypted {
            let name = ServerName::try_from(server.host.clone())
                .map_err(|error| away(std::io::Error::other(error)))?;
            let connector = TlsConnector::from(Arc::new(tls(address)?));
            Box::new(connector.connect(name, socket).await.map_err(away)?)
        } else {
            Box::new(socket)
        };
        Ok(Self { shown, socket, come: BytesMut::new() })
    }

    /// The replies to all commands, in order. The reply to a failed command is its error.
    ///
    /// # Cancel safety
    /// Not safe: if the future is dropped, the connection must be dropped too.
    pub(crate) async fn ask(&mut self, commands: &Commands) -> Result<Vec<Reply>, RedisError> {
        let shown = self.shown.clone();
        let silent = |_| RedisError::Silent(shown.clone());
        timeout(PATIENCE, self.send(commands)).await.map_err(silent)??;
        let mut replies = Vec::with_capacity(commands.count());
        while replies.len() < commands.count() {
            replies.push(timeout(PATIENCE, self.next()).await.map_err(silent)??);
        }
        Ok(replies)
    }

    pub(crate) async fn send(&mut self, commands: &Commands) -> Result<(), RedisError> {
        let away = |error| RedisError::Away(self.shown.clone(), error);
        self.socket.write_all(commands.bytes()).await.map_err(away)?;
        self.socket.flush().await.map_err(away)
    }

    /// The next reply or message.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Reply, RedisError> {
        loop {
            let not_redis =
                |_: NotResp| RedisError::NotRedis(self.shown.clone(), "it does not speak the Redis protocol");
            if let Some(reply) = Reply::take(&mut self.come).map_err(not_redis)? {
                return Ok(reply);
            }
            let read = self.socket.read_buf(&mut self.come).await;
            let away = |error| RedisError::Away(self.shown.clone(), error);
            if read.map_err(away)? == 0 {
                return Err(away(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// One reply to one command.
    pub(crate) async fn one<T: AsRef<[u8]>>(&mut self, parts: &[T]) -> Result<Reply, RedisError> {
        let mut commands = Commands::default();
        commands.push(parts);
        // One reply for each command.
        Ok(none_failed(self.ask(&commands).await?)?.pop().unwrap_or(Reply::None))
    }
}

/// Whether a failure means that this server is not, or not yet, the primary that has the keys: a new connection may reach
/// it.
pub(super) fn is_for_another(why: &str) -> bool {
    let words = ["LOADING", "READONLY", "MASTERDOWN", "MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN"];
    words.iter().any(|word| why.starts_with(word))
}

/// The first failure of this kind.
pub(super) fn refusal(replies: &[Reply], is_meant: impl Fn(&str) -> bool) -> Option<RedisError> {
    let why = replies.iter().filter_map(Reply::failure).find(|why| is_meant(why))?;
    Some(RedisError::Refused(why.to_owned()))
}

/// Returns the replies if none is a failure.
///
/// # Errors
/// The first failure.
pub(crate) fn none_failed(replies: Vec<Reply>) -> Result<Vec<Reply>, RedisError> {
    refusal(&replies, |_| true).map_or(Ok(replies), Err)
}

fn tls(address: &RedisAddress) -> Result<ClientConfig, RedisError> {
    let mut roots = RootCertStore::empty();
    match &address.ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(file) => {
            let wrong = |why: String| RedisError::File(file.display().to_string(), why);
            let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it contains no certificate".into()));
            }
        }
    }
    let failed = |error| RedisError::Away(address.to_string(), std::io::Error::other(error));
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(failed)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}
