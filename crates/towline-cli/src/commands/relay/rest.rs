//! Writes the rest of answers into their conversations after the programs that asked have exited.
//!
//! The history knows which answers have no writer any more; the relay has all of them, and reports when one
//! ends. So no program has to come back before the relay deletes its copy.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use towline::client::Endpoint;
use towline::relay::{READER_TIMEOUTS, RelayConfig, Start, Via};
use towline::{Client, Event, Item, Outcome};
use towline_app::history::{History, RestOutcome, place_of};
use towline_relay::OnAnswer;

/// Maximum number of ends that wait while one is handled.
const ENDS: usize = 256;
/// How long an ended answer is left to its running writer before it is checked again.
const RETRY_INTERVAL: Duration = Duration::from_secs(20);

/// The callback for the relay at `own`, and the work, which never ends: it writes the rest of the relay's
/// answers to the history at `path`.
pub fn keeper(own: Endpoint, path: PathBuf) -> Option<(OnAnswer, impl Future<Output = ()>)> {
    let config = towline::Config {
        via: Via::Relay(RelayConfig::default()),
        timeouts: READER_TIMEOUTS,
        ..towline::Config::default()
    };
    let client = Client::with_config(own, config).ok()?;
    let (sender, mut ids) = mpsc::channel(ENDS);
    let on_answer = OnAnswer::new(move |id| {
        // If there are more at once, only those are lost whose program exited before it could link them.
        let _full = sender.try_send(id.as_str().to_owned());
    });
    Some((on_answer, async move {
        loop {
            let waits = write(&client, &path).await;
            let again = async {
                match waits {
                    true => tokio::time::sleep(RETRY_INTERVAL).await,
                    false => pending().await,
                }
            };
            tokio::select! {
                id = ids.recv() => match id {
                    Some(id) => link(&client, &path, &id).await,
                    None => pending().await,
                },
                () = again => {}
            }
        }
    }))
}

/// Finds the place of an answer in the history, if the program that asked exited before it could link it.
async fn link(client: &Client, path: &Path, id: &str) {
    let job = client.relay().job(id).await.ok();
    let Some(job) = job.filter(|job| place_of(job).is_some()) else { return };
    // If it cannot be found now, the answer stays only on the relay.
    let _found = with(path, move |history| history.link(&job)).await;
}

/// Writes the answers that can be written. Returns whether there is an ended one that cannot be written yet.
async fn write(client: &Client, path: &Path) -> bool {
    let left = with(path, |history| {
        let without = history.without_writer()?;
        Ok(history
            .detached_at_relay()?
            .into_iter()
            .map(|(chat, id)| {
                let is_free = without.iter().any(|(of, other)| (*of, other) == (chat, &id));
                (id, is_free)
            })
            .collect::<Vec<_>>())
    });
    let Ok(left) = left.await else { return path.exists() };
    let mut waits = false;
    for (id, is_free) in left {
        // An unknown answer belongs to another relay, and for a running one, the relay will report the end.
        if !client.relay().job(&id).await.is_ok_and(|job| job.state.is_ended()) {
            continue;
        }
        waits |= !is_free || !complete(client, path, id).await;
    }
    waits
}

async fn complete(client: &Client, path: &Path, id: String) -> bool {
    let Some((events, outcome)) = all(client, &id).await else { return false };
    let done = with(path, move |history| history.complete(&id, &events, &outcome)).await;
    match done {
        Ok(RestOutcome::Written | RestOutcome::Unknown) => true,
        Ok(RestOutcome::Held) | Err(()) => false,
    }
}

/// The complete text of an ended answer on the relay.
async fn all(client: &Client, id: &str) -> Option<(Vec<Event>, Outcome)> {
    let mut stream = client.attach_snapshot(id, Start::Beginning);
    let mut events = Vec::new();
    loop {
        match stream.next().await? {
            Item::Event(event) => events.push(event),
            Item::End(outcome) => return Some((events, *outcome)),
        }
    }
}

/// Runs an operation on the history, which may block. Does not create a missing history.
async fn with<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&mut History) -> Result<T, towline_app::history::HistoryError> + Send + 'static,
) -> Result<T, ()> {
    let path = path.to_owned();
    let working = tokio::task::spawn_blocking(move || {
        if !path.exists() {
            return Err(());
        }
        let done = History::open(&path).and_then(|mut history| work(&mut history));
        done.map_err(drop)
    });
    working.await.unwrap_or(Err(()))
}
