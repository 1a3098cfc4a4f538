use std::{io::ErrorKind, net::TcpStream, time::Duration};

use towline_testkit::ports::{BlackHole, Refusing};

use crate::client::SOON;

#[test]
fn a_refusing_port_refuses() {
    let port = Refusing::new().unwrap();
    let error = TcpStream::connect_timeout(&port.addr(), SOON).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[cfg(target_os = "linux")]
#[test]
fn a_black_hole_does_not_answer() {
    let port = BlackHole::new().unwrap();
    let error = TcpStream::connect_timeout(&port.addr(), Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}
