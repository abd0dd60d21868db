//! Networks of addresses, as `10.0.0.0/8` writes them.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    str::FromStr,
};

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    /// How many leading bits count, at most 32 (IPv4) or 128 (IPv6).
    bits: u8,
}

impl Network {
    /// The addresses of this machine that only this machine reaches.
    pub const LOOPBACK: [Self; 2] = [
        Self { address: IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), bits: 8 },
        Self { address: IpAddr::V6(std::net::Ipv6Addr::LOCALHOST), bits: 128 },
    ];

    /// Whether an address is one of these. An IPv4 address is the same one when it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.leading_zeros() >= u32::from(self.bits)
            }
            _ => false,
        }
    }
}

/// What one subscriber has of addresses: of IPv6, a network of 64 bits.
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let read = || {
            let address: IpAddr = address.parse().ok()?;
            let most = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
            (bits <= most).then_some(Self { address, bits })
        };
        read().ok_or_else(|| "write an address or a network: 10.0.0.7, 10.0.0.0/8, fd00::/8".to_owned())
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network.parse::<Network>().unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (network, address) in [
            ("10.0.0.0/8", "10.255.1.2"),
            ("10.0.0.7", "10.0.0.7"),
            ("10.0.0.7", "::ffff:10.0.0.7"),
            ("0.0.0.0/0", "203.0.113.9"),
            ("fd00::/8", "fd12::1"),
            ("::1", "::1"),
        ] {
            assert!(contains(network, address), "{network} {address}");
        }
        for (network, address) in [
            ("10.0.0.0/8", "11.0.0.1"),
            ("10.0.0.7", "10.0.0.6"),
            ("10.0.0.4/31", "10.0.0.6"),
            ("0.0.0.0/0", "::1"),
            ("fd00::/8", "fe80::1"),
        ] {
            assert!(!contains(network, address), "{network} {address}");
        }
        assert!(Network::LOOPBACK[0].contains("127.1.2.3".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/", "10.0.0.0/-1"] {
            assert!(text.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{text}");
        }
    }

    #[test]
    fn a_subscriber_has_one_ipv4_address_and_a_network_of_ipv6() {
        let of = |text: &str| subscriber(text.parse().unwrap());
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
    }
}
