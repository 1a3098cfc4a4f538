//! A copy of a store that is in use.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;
use towline_relay::{Config, Listen};
use towline_testkit::records::ollama;
use towline_testkit::{Routes, Script, Server};

use crate::support::{Relay, config, on_disk, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_a_store_of_its_own_as_it_was_at_that_moment() {
    let slow = Script::ndjson_open([ollama::chat_text("first")])
        .wait("go")
        .lines(ollama::chat(&["rest"]))
        .end_chunks();
    let whole = Script::ndjson(ollama::chat(&["x", "y"]));
    let server = Server::start(Routes::new().model("whole", whole).model("slow", slow));
    let folder = tempfile::tempdir().unwrap();
    let (own, copy) = (folder.path().join("own"), folder.path().join("copy"));
    let socket = Listen::Unix(folder.path().join("relay.sock"));
    let config = Config { listen: vec![socket], ..on_disk(config(&server.url()), &own) };
    let relay = Relay::start(config.clone()).await;
    let ended = relay.detached("whole").await;
    relay.ended(&ended).await;
    let running = relay.detached("slow").await;
    let first = format!("{}\n", ollama::chat_text("first"));
    let mut tail = relay.get(&format!("/streams/{running}?offset=-1&live=raw")).await;
    tail.until(first.len()).await;

    let backup = "/towline/v1/backup";
    let order = |folder: &std::path::Path| json!({ "folder": folder }).to_string();
    let mut made = relay.post(backup, &[], &order(&copy)).await;
    assert_eq!((made.status, made.json().await), (201, json!({ "streams": 2 })));
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
    let mut again = relay.post(backup, &[], &order(&copy)).await;
    assert_eq!(again.status, 409);
    assert!(again.text().await.contains("already exists"));
    assert_eq!(relay.post(backup, &[], &order("copy".as_ref())).await.status, 400);
    let nowhere = folder.path().join("no/such/folder");
    assert_eq!(relay.post(backup, &[], &order(&nowhere)).await.status, 503);
    assert!(!nowhere.exists());

    // The relay has continued meanwhile.
    server.open("go");
    assert_eq!(relay.ended(&running).await["state"], "completed");
    let later = relay.detached("whole").await;
    relay.ended(&later).await;
    let log = relay.log(&ended).await;
    relay.stop().await;

    let restored =
        Config { listen: vec![Listen::Unix(folder.path().join("other.sock"))], ..on_disk(config, &copy) };
    let relay = Relay::start(restored).await;
    assert_eq!(relay.log(&ended).await, log);
    assert_eq!(soon(relay.ended(&running)).await["state"], "interrupted");
    assert!(relay.log(&running).await.starts_with(&first));
    assert_eq!(relay.get(&format!("/towline/v1/jobs/{later}")).await.status, 404);
    relay.ended(&relay.detached("whole").await).await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_copied_over_the_unix_socket_only_and_where_there_is_one() {
    let server = Server::start(Routes::new());
    let folder = tempfile::tempdir().unwrap();
    let order = json!({ "folder": folder.path().join("copy") }).to_string();
    let relay = Relay::start(on_disk(config(&server.url()), &folder.path().join("own"))).await;
    assert_eq!(relay.post("/towline/v1/backup", &[], &order).await.status, 403);
    relay.stop().await;
    let memory =
        Config { listen: vec![Listen::Unix(folder.path().join("relay.sock"))], ..config(&server.url()) };
    let relay = Relay::start(memory).await;
    assert_eq!(relay.post("/towline/v1/backup", &[], &order).await.status, 409);
    relay.stop().await;
}
