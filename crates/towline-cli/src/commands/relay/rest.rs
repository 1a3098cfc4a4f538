//! The rest of answers whose programs are gone is written into their conversations.
//!
//! The history says which answers have no writer any more; the relay has all of them, and tells when one ends. So nobody has to
//! come back before the relay's copy is deleted.

use std::future::pending;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use towline::client::Endpoint;
use towline::relay::{READER_TIMEOUTS, RelayConfig, Start, Via};
use towline::{Client, Event, Item, Outcome};
use towline_app::history::{History, Rest, place_of};
use towline_relay::OnAnswer;

/// Ends that are remembered while one is looked at.
const ENDS: usize = 256;
/// How long an answer that has ended is left to its writer, which lives, before that is looked at again.
const AGAIN: Duration = Duration::from_secs(20);

/// What the relay at `own` is to call, and the work, which does not end: the rest of its answers gets into the history at `path`.
pub fn keeper(own: Endpoint, path: PathBuf) -> Option<(OnAnswer, impl Future<Output = ()>)> {
    let config = towline::Config {
        via: Via::Relay(RelayConfig::default()),
        timeouts: READER_TIMEOUTS,
        ..towline::Config::default()
    };
    let client = Client::with_config(own, config).ok()?;
    let (tell, mut told) = mpsc::channel(ENDS);
    let on_answer = OnAnswer::new(move |id| {
        // Of more at once, only those are lost whose program was gone before it could say which they are.
        let _full = tell.try_send(id.as_str().to_owned());
    });
    Some((on_answer, async move {
        loop {
            let waits = write(&client, &path).await;
            let again = async {
                match waits {
                    true => tokio::time::sleep(AGAIN).await,
                    false => pending().await,
                }
            };
            tokio::select! {
                told = told.recv() => match told {
                    Some(id) => link(&client, &path, &id).await,
                    None => pending().await,
                },
                () = again => {}
            }
        }
    }))
}

/// Where the program that asked for an answer was gone before it could say which, its place in the history is found.
async fn link(client: &Client, path: &Path, id: &str) {
    let job = client.relay().job(id).await.ok();
    let Some(job) = job.filter(|job| place_of(job).is_some()) else { return };
    // What cannot be found now is found by nobody: the answer is the relay's alone.
    let _found = with(path, move |history| history.link(&job)).await;
}

/// Writes what can be written. Whether something has ended that cannot be yet.
async fn write(client: &Client, path: &Path) -> bool {
    let left = with(path, |history| {
        let without = history.without_writer()?;
        Ok(history
            .left_at_relay()?
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
        // What the relay does not know is another one's; of what runs, it will tell the end.
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
        Ok(Rest::Written | Rest::Unknown) => true,
        Ok(Rest::Held) | Err(()) => false,
    }
}

/// All that the relay has of an answer that has ended.
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

/// Does something with the history, which waits for the disk. A history that nobody has begun is not made.
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
