//! A client and its configuration.

pub use towline_core::dialect::ThinkTags;
pub use towline_core::endpoint::{Credentials, Endpoint, Scheme};
pub use towline_core::host;
pub use towline_core::http1::Method;
pub use towline_core::retry::RetryPolicy;
pub use towline_core::timeouts::{Limits, Timeouts};

pub use crate::blob::Upload;
pub use crate::config::{Api, ApiKey, Config};
pub use crate::endpoints::Operation;
pub use crate::handle::Client;
pub use crate::resume::Resume;
pub use crate::transport::{
    Http2Config, Http2Policy, NetworkVariables, PoolConfig, ProxyConfig, RedirectPolicy, TcpConfig,
    TlsConfig, TransportConfig,
};
