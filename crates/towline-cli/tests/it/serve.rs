//! `towline serve`.

use crate::program::{Live, ended, run, towline};

#[test]
#[cfg(unix)]
fn it_says_where_it_listens_serves_and_ends_in_good_order() {
    use nix::sys::signal::Signal;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut server = Live::start(&mut towline(["serve", "--listen", "127.0.0.1:0"]));
        server.expect("\n");
        server.expect_error("brook");
        let url = url(&server);
        let missing = ended(&mut run(&url, &[]));
        assert_eq!(missing.code, Some(1), "{missing:?}");
        let answer = ended(&mut towline(["run", "--host", &url, "What is a river?"]));
        assert!(answer.code == Some(0) && answer.stdout.len() > 20, "{answer:?}");
        let list = ended(&mut towline(["list", "--host", &url]));
        assert!(list.stdout.contains("brook:latest"), "{list:?}");
        server.signal(signal);
        assert_eq!(server.finish().code, Some(0));
    }
}

#[cfg(unix)]
fn url(server: &Live) -> String {
    server.stdout_text().trim().strip_prefix("listening on ").unwrap().to_owned()
}

#[test]
#[cfg(unix)]
fn a_file_of_ones_own_runs_in_a_process_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.gguf");
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/brook-q8_0.gguf"), &file).unwrap();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--gguf", file.to_str().unwrap()];
    let mut server = Live::start(&mut towline(arguments));
    server.expect("\n");
    let url = url(&server);
    let answer = ended(&mut towline(["run", "--host", &url, "-m", "mine", "--json", "What is a river?"]));
    assert_eq!((answer.code, answer.stderr.as_str()), (Some(0), ""), "{answer:?}");
    assert!(answer.end()["text_bytes"].as_u64().unwrap() > 20, "{answer:?}");
    server.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(server.finish().code, Some(0));
}

#[test]
fn what_cannot_be_served_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.gguf");
    std::fs::write(&file, "not a model").unwrap();
    let broken = ended(&mut towline(["serve", "--listen", "127.0.0.1:0", "--gguf", file.to_str().unwrap()]));
    assert_eq!(broken.code, Some(2), "{broken:?}");
    assert!(broken.stderr.contains("not a GGUF file"), "{broken:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = ended(&mut towline(["serve", "--listen", &address]));
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("hint: something listens there already"), "{refused:?}");
    assert_eq!(ended(&mut towline(["serve", "--rate", "-1"])).code, Some(2));
}
