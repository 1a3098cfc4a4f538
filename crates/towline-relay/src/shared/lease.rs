//! The lease of this relay. Its own task renews it over its own connection, so that no other work of the
//! relay lets it expire.

use std::convert::Infallible;
use std::time::Duration;

use super::{LEASE, RENEWAL, Shared, reaper};
use crate::store::RedisError;
use crate::store::redis::{Connection, PREFIX, scripts};

/// Time between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// Renews the lease until the relay ends. A relay that was declared dead takes a new number, and leaves its
/// answers to the others.
///
/// # Cancel safety
/// Dropping the future stops it; the lease expires.
pub(crate) async fn renew(shared: &Shared) -> Infallible {
    let mut connection = None;
    loop {
        let own = shared.relay();
        let pause = match renewed(shared, own, &mut connection).await {
            Ok(is_alive) => {
                shared.store.mark_writable();
                shared.mark_reachable();
                if is_alive { RENEWAL } else { register_again(shared).await }
            }
            Err(error) => {
                connection = None;
                shared.mark_unreachable(&error);
                PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Returns the time by which the lease must be renewed.
async fn register_again(shared: &Shared) -> Duration {
    tracing::warn!(relay = shared.relay(), "this relay was silent for too long: others end its answers");
    reaper::stop_taken_answers(shared);
    match shared.register().await {
        Ok(()) => {
            shared.poked.notify_one();
            RENEWAL
        }
        Err(error) => {
            shared.mark_unreachable(&error);
            PAUSE
        }
    }
}

/// `false` if the relay was declared dead.
async fn renewed(shared: &Shared, own: u64, connection: &mut Option<Connection>) -> Result<bool, RedisError> {
    let connection = match connection {
        Some(connection) => connection,
        None => connection.insert(Connection::open(shared.store.address()).await?),
    };
    let (own, lease) = (own.to_string(), LEASE.as_millis().to_string());
    let renewed = connection.one(&["EVAL", scripts::RENEW, "1", PREFIX, &own, &lease]).await?;
    Ok(renewed.number() != Some(0))
}
