//! The processes that are measured: model server, relay, nginx.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use towline_relay::{Config, Fsync, Listen, Server, StoreConfig, UpstreamApi, UpstreamConfig};

use crate::Failure;

/// A process of ours. Dropping it ends it.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Its files, removed with it.
    _folder: tempfile::TempDir,
}

impl Running {
    fn start_self(words: &[&str]) -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words).arg(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()?, _folder: folder })
    }

    /// The model server: paced streams, each record with the moment of its write.
    pub(crate) fn server() -> Result<Self, Failure> {
        Self::start_self(&["--serve"])
    }

    /// The relay with its defaults, the store on disk, before `server`.
    pub(crate) fn relay(server: SocketAddr) -> Result<Self, Failure> {
        Self::start_self(&["--relay", &server.to_string()])
    }

    /// nginx, passing everything on unbuffered; `None` when it is not installed.
    pub(crate) fn nginx(server: SocketAddr) -> Result<Option<Self>, Failure> {
        let folder = tempfile::tempdir()?;
        let address = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let path = folder.path().display();
        let config = format!(
            "daemon off; pid {path}/pid; error_log {path}/error.log; worker_processes auto; worker_rlimit_nofile 60000;\n\
             events {{ worker_connections 20000; }}\n\
             http {{ access_log off; client_body_temp_path {path}/a; proxy_temp_path {path}/b; fastcgi_temp_path {path}/c;\n\
             uwsgi_temp_path {path}/d; scgi_temp_path {path}/e;\n\
             server {{ listen {address} backlog=4096; location / {{ proxy_pass http://{server}; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_buffering off; proxy_read_timeout 600s; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, config)?;
        let started = Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(folder.path()).spawn();
        let child = match started {
            Ok(child) => child,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let running = Self { child, address, _folder: folder };
        for _ in 0..1000 {
            if std::net::TcpStream::connect(address).is_ok() {
                return Ok(Some(running));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("nginx does not listen".into())
    }

    /// Processor time so far, its child processes' included.
    pub(crate) fn cpu(&self) -> Duration {
        let pid = self.child.id();
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
        std::iter::once(pid).chain(children).map(cpu_of).sum()
    }

    /// Memory in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/statm", self.child.id());
        let pages = std::fs::read_to_string(path).unwrap_or_default();
        pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to; ours end with their input.
        drop(self.child.stdin.take());
        let pid = rustix::process::Pid::from_child(&self.child);
        let _gone = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _reaped = self.child.wait();
    }
}

fn cpu_of(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

pub(crate) fn serve() -> Result<(), Failure> {
    let server = towline_testkit::paced::PacedServer::start();
    println!("{}", server.addr());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// `SERVER FOLDER`: a relay as `towline relay` starts it.
pub(crate) fn relay(words: &[String]) -> Result<(), Failure> {
    let [server, folder] = words else { return Err("SERVER FOLDER".into()) };
    let server: SocketAddr = server.parse()?;
    let upstream = UpstreamConfig {
        name: "paced".into(),
        endpoint: towline::Endpoint::http(server.ip().to_string(), server.port()),
        api: UpstreamApi::Ollama,
        api_key: None,
        extra_roots_pem: Vec::new(),
    };
    let config = Config {
        listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into())],
        upstreams: vec![upstream],
        store: StoreConfig::Disk { folder: Path::new(folder).join("store"), fsync: Fsync::default() },
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = Server::bind(config).await?;
        if let Some(Listen::Tcp(address)) = server.listening().first() {
            println!("{address}");
        }
        server.run(std::future::pending()).await;
        Ok(())
    })
}

pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        eprintln!("the limit of open files stays at {:?}", limit.current);
    }
}
