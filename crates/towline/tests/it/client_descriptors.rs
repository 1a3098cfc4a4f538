//! Dropped and cancelled requests leave no open descriptor.

use std::process::Command;

use towline_testkit::records::ollama;
use towline_testkit::{Script, Server};

use crate::client_support::{chat, client, client_with, next_event, read, soon, yielding_until};

const ALONE: &str = "TOWLINE_TEST_ALONE";

/// Descriptors are counted for the whole process, so the test runs in its own process.
#[test]
fn a_thousand_drops_and_cancels_leave_no_descriptor() {
    if std::env::var_os(ALONE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(drop_and_cancel());
    }
    let run = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "client_descriptors::a_thousand_drops_and_cancels_leave_no_descriptor",
            "--nocapture",
        ])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(
        run.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn drop_and_cancel() {
    let server = Server::start(Script::ndjson_open([ollama::chat_text("Hel")]).stall());
    let client = client(&server);
    // Descriptors that are opened once and kept.
    let mut warm_up = client.chat(chat("m"));
    next_event(&mut warm_up).await;
    drop(warm_up);
    yielding_until(|| server.closed(0).is_some() && server.open_connections() == 0).await;
    let before = descriptors();

    for round in 0..1000 {
        let mut stream = client.chat(chat("m"));
        match round % 4 {
            // Before anything is sent, while connecting, and in the middle.
            0 => drop(stream),
            1 => {
                tokio::select! { biased; _ = stream.next() => {}, () = tokio::task::yield_now() => {} }
                drop(stream);
            }
            2 => {
                next_event(&mut stream).await;
                drop(stream);
            }
            _ => {
                next_event(&mut stream).await;
                stream.cancel("enough");
                assert_eq!(read(stream).await.1.ending.as_str(), "cancelled");
            }
        }
    }
    // Single answers too.
    let impatient = client_with(&server, |_| ());
    for _ in 0..50 {
        tokio::select! { biased; _ = impatient.list() => {}, () = tokio::task::yield_now() => {} }
    }
    // The server, in the same process, may accept a connection that the client has already closed; a leak remains.
    soon(async {
        while server.open_connections() > 0 || descriptors() > before {
            tokio::task::yield_now().await
        }
    })
    .await;
}
