//! Whose process listens where the Hub's API is, on this machine.
//!
//! A port of this machine that nobody listens on is anybody's. When the Hub was killed, another user's program may listen there and
//! be sent tokens. The kernel tells which user a listening socket belongs to: the Hub's when this server started, root, or this
//! server's own, and nobody else's. Of addresses of other machines nothing is known; there TLS says who answers.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::MetadataExt,
};

use parking_lot::Mutex;
use url::{Host, Url};

/// A user of the operating system, by number.
type Uid = u32;

const ROOT: Uid = 0;
/// What the kernel calls the state of a socket that listens.
const LISTENS: &str = "0A";

/// Somebody else's process has the Hub's address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the process at {address} belongs to the user {found}, the Hub's to {expected}: nothing is sent there; restart this server if \
     the Hub has another user now"
)]
pub struct Stranger {
    address: SocketAddr,
    found: Uid,
    expected: Uid,
}

/// Who should be at the Hub's address.
#[derive(Debug)]
pub struct Peer {
    /// The addresses, if they are this machine's own.
    addresses: Vec<SocketAddr>,
    /// The user of the Hub's process, once one was seen.
    expected: Mutex<Option<Uid>>,
}

impl Peer {
    /// Whoever listens there now is the Hub. If nobody does, it is who does at the first question.
    pub fn new(api_url: &str) -> Self {
        let peer = Self { addresses: loopback(api_url), expected: Mutex::default() };
        // What is wrong shows with the first question.
        let _ = peer.check();
        peer
    }

    /// Finds out whose process has the address now.
    ///
    /// # Errors
    /// When it is a stranger's.
    pub fn check(&self) -> Result<(), Stranger> {
        let own = fs::metadata("/proc/self").map_or(ROOT, |own| own.uid());
        self.addresses.iter().try_for_each(|address| self.judge(*address, listener(*address), own))
    }

    fn judge(&self, address: SocketAddr, found: Option<Uid>, own: Uid) -> Result<(), Stranger> {
        // If nobody listens there, or the kernel does not say who, there is nobody to refuse.
        let Some(found) = found else { return Ok(()) };
        let expected = *self.expected.lock().get_or_insert(found);
        if [expected, ROOT, own].contains(&found) {
            Ok(())
        } else {
            Err(Stranger { address, found, expected })
        }
    }
}

/// The addresses of a URL, if they are this machine's own.
fn loopback(url: &str) -> Vec<SocketAddr> {
    let Ok(url) = Url::parse(url) else { return Vec::new() };
    let Some(port) = url.port_or_known_default() else { return Vec::new() };
    let hosts: Vec<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain("localhost")) => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        Some(Host::Domain(_)) | None => Vec::new(),
    };
    hosts.into_iter().filter(IpAddr::is_loopback).map(|host| SocketAddr::new(host, port)).collect()
}

/// The user whose process takes connections to an address, as Linux tells it.
fn listener(address: SocketAddr) -> Option<Uid> {
    let rows = |file| File::open(file).map_or_else(|_| Vec::new(), |file| listening(BufReader::new(file)));
    let six = rows("/proc/net/tcp6");
    let four = if address.is_ipv4() { rows("/proc/net/tcp") } else { Vec::new() };
    taker(address, &[four, six].concat())
}

/// The user of the socket that takes connections to an address: that of the address itself, else that of all of its kind, else that
/// of all.
fn taker(address: SocketAddr, rows: &[(SocketAddr, Uid)]) -> Option<Uid> {
    let any = |ip: IpAddr| SocketAddr::new(ip, address.port());
    [address, any(Ipv4Addr::UNSPECIFIED.into()), any(Ipv6Addr::UNSPECIFIED.into())]
        .into_iter()
        .find_map(|wanted| rows.iter().find(|(listens, _)| *listens == wanted))
        .map(|(_, uid)| *uid)
}

/// The sockets that listen, out of a table of the kernel's, which lists them before all others.
fn listening(table: impl BufRead) -> Vec<(SocketAddr, Uid)> {
    let rows = table.lines().skip(1).map_while(Result::ok);
    rows.map_while(|row| {
        let columns: Vec<_> = row.split_whitespace().collect();
        let [_, local, _, LISTENS, _, _, _, uid, ..] = columns[..] else { return None };
        Some((address(local)?, uid.parse().ok()?))
    })
    .collect()
}

/// An address as the kernel writes it: words of four bytes and the port, as hexadecimal digits.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip: IpAddr = match ip.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let bytes = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const ANN: Uid = 1001;
    const HUB: Uid = 900;
    const OWN: Uid = 901;

    #[test]
    fn a_stranger_at_the_hubs_address_is_refused_and_the_hub_root_and_the_own_user_are_not() {
        let peer = Peer { addresses: Vec::new(), expected: Mutex::default() };
        let at = SocketAddr::from(([127, 0, 0, 1], 8081));
        assert_eq!(peer.judge(at, None, OWN), Ok(()), "nobody is there yet");
        for (found, judged) in [
            (Some(HUB), Ok(())),
            (Some(ANN), Err(Stranger { address: at, found: ANN, expected: HUB })),
            (Some(ROOT), Ok(())),
            (Some(OWN), Ok(())),
            (None, Ok(())),
            (Some(HUB), Ok(())),
        ] {
            assert_eq!(peer.judge(at, found, OWN), judged);
        }
    }

    #[test]
    fn the_table_says_whose_a_listening_socket_is() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 1 1 0\n   \
            1: 00000000:1F92 00000000:0000 0A 00000000:00000000 00:00000000 00000000   900        0 1 1 0\n   \
            2: 0100007F:1F91 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0\n";
        let rows = listening(table.as_bytes());
        if cfg!(target_endian = "little") {
            let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
            assert_eq!([taker(at(0x1F91), &rows), taker(at(0x1F92), &rows)], [Some(1001), Some(900)]);
            assert_eq!(taker(at(0x1F93), &rows), None);
        }
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn an_own_listener_is_found_by_the_kernels_table() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(super::listener(address), Some(own));
        drop(listener);
        assert_eq!(super::listener(address), None);
    }

    #[test]
    fn only_addresses_of_this_machine_are_looked_at() {
        assert_eq!(loopback("http://127.0.0.1:8081/hub/api"), [SocketAddr::from(([127, 0, 0, 1], 8081))]);
        assert_eq!(loopback("http://localhost:8081/hub/api").len(), 2);
        assert_eq!(loopback("https://[::1]/hub/api"), ["[::1]:443".parse().unwrap()]);
        assert_eq!(loopback("http://10.0.0.7:8081/hub/api"), []);
        assert_eq!(loopback("http://hub:8081/hub/api"), []);
    }
}
