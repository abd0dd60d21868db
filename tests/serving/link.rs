//! A slow link: a TCP proxy that lets bytes through at a rate and after a time, as a long and narrow path does.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use socket2::{Domain, Socket, Type};

/// What the proxy takes from its neighbours ahead of time, and what waits before the narrow place: as little as a home
/// router that is well set up.
const BUFFER: usize = 16 << 10;
const WAITING: Duration = Duration::from_millis(50);

/// The two directions of a link are alike.
#[derive(Clone, Copy)]
pub struct Link {
    /// Bits a second, one way.
    pub rate: f64,
    /// From one end to the other.
    pub one_way: Duration,
}

/// The proxy; it ends when this is dropped, connections with it.
pub struct Proxy {
    pub address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Link {
    /// Puts this link in front of an address.
    pub fn to(self, server: SocketAddr) -> Proxy {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_recv_buffer_size(BUFFER).expect("an option");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        socket.listen(64).expect("a port to listen on");
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().expect("an address");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let accepting = std::thread::spawn(move || {
            let mut ends = Vec::new();
            while let Ok((near, _)) = listener.accept() {
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                let far = TcpStream::connect(server).expect("the server listens");
                for end in [&near, &far] {
                    end.set_nodelay(true).expect("an option");
                    ends.push(end.try_clone().expect("a handle"));
                }
                self.carry(near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
                self.carry(far, near);
            }
            for end in ends {
                let _ = end.shutdown(Shutdown::Both);
            }
        });
        Proxy { address, stop, accepting: Some(accepting) }
    }

    /// Carries bytes one way until an end is closed.
    fn carry(self, mut from: TcpStream, mut to: TcpStream) {
        let (sender, receiver): (Sender<(Instant, Vec<u8>)>, Receiver<_>) = channel();
        std::thread::spawn(move || {
            let (mut piece, mut free_at) = ([0; 1400], Instant::now());
            while let Ok(length @ 1..) = from.read(&mut piece) {
                let bits = f64::from(u16::try_from(length).expect("a short piece")) * 8.0;
                let through = Duration::from_secs_f64(bits / self.rate);
                free_at = free_at.max(Instant::now()) + through;
                let arrives = free_at + self.one_way;
                if sender.send((arrives, piece[..length].to_vec())).is_err() {
                    break;
                }
                std::thread::sleep(free_at.saturating_duration_since(Instant::now() + WAITING));
            }
        });
        std::thread::spawn(move || {
            for (arrives, bytes) in receiver {
                std::thread::sleep(arrives.saturating_duration_since(Instant::now()));
                if to.write_all(&bytes).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Both);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}
