//! The proxies under test: a relay or nginx, each in its own process.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use towline_relay::{Config, Listen, Server, Store, StoreConfig, UpstreamApi, UpstreamConfig};

/// A process between the readers and the model server.
pub(crate) struct Proxy {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Deleted with it.
    folder: Option<tempfile::TempDir>,
}

/// This process as a relay; ends with its standard input.
pub(crate) fn be_relay(upstream: &str, store: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = match store {
            "memory" => StoreConfig::default(),
            redis if redis.starts_with("redis://") => {
                StoreConfig { place: redis.parse().unwrap(), ..StoreConfig::default() }
            }
            folder => StoreConfig { place: Store::Folder(folder.into()), ..StoreConfig::default() },
        };
        let endpoint = towline::client::host::parse(upstream).unwrap();
        let upstream = UpstreamConfig::new(endpoint, UpstreamApi::Ollama);
        let config = Config {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
            upstreams: vec![upstream],
            store,
            ..Config::default()
        };
        let server = Server::bind(config).await.unwrap();
        println!("{}", server.listening()[0]);
        server.run(std::future::pending()).await;
    });
}

pub(crate) fn relay(upstream: &str, in_memory: bool) -> Proxy {
    let folder = tempfile::tempdir().unwrap();
    let store = if in_memory { "memory" } else { folder.path().to_str().unwrap() };
    let mut relay = relay_on(upstream, store);
    relay.folder = Some(folder);
    relay
}

/// A relay with this store: `memory`, a folder, or the address of a Redis.
pub(crate) fn relay_on(upstream: &str, store: &str) -> Proxy {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.args(["relay", upstream, store]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    Proxy { child, address: line.trim().parse().unwrap(), folder: None }
}

/// nginx that forwards data at once; `None` if it is not installed.
pub(crate) fn nginx(upstream: &str) -> Option<Proxy> {
    let folder = tempfile::tempdir().unwrap();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (upstream, at) = (upstream.strip_prefix("http://").unwrap(), folder.path().display());
    let config = format!(
        "daemon off; master_process off; pid {at}/pid; error_log {at}/error;
         worker_rlimit_nofile 65536;
         events {{ worker_connections 16384; }}
         http {{ access_log off; client_body_temp_path {at}/b; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f;
           uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;
           server {{ listen {address}; location / {{ proxy_pass http://{upstream}; proxy_http_version 1.1;
             proxy_set_header Connection \"\"; proxy_buffering off; proxy_read_timeout 600; tcp_nodelay on; }} }} }}"
    );
    std::fs::write(folder.path().join("nginx.conf"), config).unwrap();
    let conf = folder.path().join("nginx.conf");
    let child = Command::new("nginx").arg("-c").arg(conf).stderr(Stdio::null()).spawn().ok()?;
    while std::net::TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(5));
    }
    Some(Proxy { child, address, folder: Some(folder) })
}

/// Processor time that a process has used.
pub(crate) fn cpu_of(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // Linux counts a hundred ticks a second for programs.
    Duration::from_millis(ticks * 10)
}

impl Proxy {
    /// Processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        cpu_of(self.child.id())
    }

    pub(crate) fn resident_bytes(&self) -> u64 {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.child.id())).unwrap();
        statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
