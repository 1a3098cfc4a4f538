//! (b) One record a read: each is written when the one before has been taken in.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use towline::{ChatRequest, Client, Event, Item};
use towline_testkit::records::ollama;
use towline_testkit::{Body, http};

use crate::measure::{median, nanoseconds, runtime, thread_cpu};
use crate::{counter, flat};

const RECORDS: u64 = 40_000;
const ROUNDS: usize = 9;
/// 20,000 records a second.
const INTERVAL: Duration = Duration::from_micros(50);

pub(crate) fn run() {
    let taken = Arc::new(AtomicU64::new(0));
    let address = serve(Arc::clone(&taken));
    let runtime = runtime();
    let client = Client::new(&format!("http://{address}")).unwrap();
    let (mut by_counter, mut by_client) = (Vec::new(), Vec::new());
    for round in 0..2 * ROUNDS {
        taken.store(0, Ordering::Release);
        let before = thread_cpu();
        if round % 2 == 0 {
            runtime.block_on(async {
                let mut socket = counter::connect(address).await;
                let mut buffer = vec![0; 64 * 1024];
                let mut seen = 0;
                let look = |bytes: &[u8]| {
                    seen += memchr::memchr_iter(b'{', bytes).count() as u64 / 2;
                    taken.store(seen, Ordering::Release);
                };
                counter::count_with(&mut socket, "m", &mut buffer, look).await;
            });
            by_counter.push(thread_cpu() - before);
        } else {
            runtime.block_on(async {
                let mut stream = client.chat(ChatRequest::new("m").user("Hi"));
                let mut seen = 0;
                while let Some(item) = stream.next().await {
                    match item {
                        Item::Event(Event::Text(_)) => {
                            seen += 1;
                            taken.store(seen, Ordering::Release);
                        }
                        Item::Event(_) => {}
                        Item::End(outcome) => assert!(outcome.is_completed()),
                    }
                }
                assert_eq!(seen, RECORDS);
            });
            by_client.push(thread_cpu() - before);
        }
    }
    println!(
        "| {RECORDS} records at 20,000 a second, each read alone | CPU ns a record | × counter |\n|---|---|---|"
    );
    let floor = nanoseconds(median(&mut by_counter), RECORDS);
    for (name, times) in [(flat::COUNTER, &mut by_counter), (flat::CLIENT, &mut by_client)] {
        let each = nanoseconds(median(times), RECORDS);
        println!("| {name} | {each:.0} | {:.2} |", each / floor);
    }
}

/// Writes a record when it is time and the one before was taken.
fn serve(taken: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (socket, taken) = (socket.unwrap(), Arc::clone(&taken));
            std::thread::spawn(move || pace(socket, &taken));
        }
    });
    address
}

fn pace(mut socket: TcpStream, taken: &AtomicU64) {
    let head = http::response_head(200, &[("Content-Type", http::NDJSON)], Body::Chunked);
    let record = http::chunk(http::line(ollama::chat_text(" river")));
    let end = [&http::chunk(http::line(ollama::chat_done("stop", RECORDS)))[..], http::LAST_CHUNK].concat();
    socket.set_nodelay(true).unwrap();
    // The request is small enough to come at once.
    while let Ok(1..) = socket.read(&mut [0; 4096]) {
        socket.write_all(&head).unwrap();
        let mut due = Instant::now();
        for nth in 0..RECORDS {
            while taken.load(Ordering::Acquire) < nth || Instant::now() < due {
                std::hint::spin_loop();
            }
            due = Instant::now() + INTERVAL;
            socket.write_all(&record).unwrap();
        }
        while taken.load(Ordering::Acquire) < RECORDS {
            std::hint::spin_loop();
        }
        socket.write_all(&end).unwrap();
    }
}
