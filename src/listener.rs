//! The socket that the server listens on: a supervisor's, or one of its own.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Connections that may wait to be taken: a crowd that comes back at once after a restart. The system may allow fewer.
const BACKLOG: i32 = 4096;

/// Listens on an address.
///
/// # Errors
/// When the system refuses.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // The connections of a server that has ended keep nobody from its address.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// The socket that a supervisor such as systemd holds for the server (`LISTEN_FDS`), if there is one. While one server has ended and
/// the next has not begun, connections wait there, and nobody else can have the address.
///
/// # Errors
/// When it is not one socket that listens for TCP connections.
pub fn inherited() -> io::Result<Option<TcpListener>> {
    let mut given = ListenFd::from_env();
    let listener = match given.len() {
        0 => return Ok(None),
        1 => given.take_tcp_listener(0)?,
        more => return Err(io::Error::other(format!("LISTEN_FDS says {more} sockets: hand over one"))),
    };
    let listener = listener.ok_or_else(|| io::Error::other("LISTEN_FDS says a socket that is not there"))?;
    // Of the supervisor's.
    SockRef::from(&listener).listen(BACKLOG)?;
    Ok(Some(listener))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn a_herd_that_comes_at_once_finds_room_before_the_first_is_taken() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = listener.local_addr().unwrap();
        // More than the 128 of the standard library's.
        let herd: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert_eq!(herd.len(), 200);
    }
}
