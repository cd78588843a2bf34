//! N20 networks, N33 other ways to talk.

use crate::call::{Attempt, plain, succeeded, text};
use crate::outside;

const SOCKET: i64 = 41;
const CONNECT: i64 = 42;
const BIND: i64 = 49;
const STREAM: u64 = 1;
const ECONNREFUSED: i32 = 111;
const ENETDOWN: i32 = 100;

pub fn inet() -> Attempt {
    let fd = plain(SOCKET, &[2, STREAM, 0])? as u64;
    // 127.0.0.1:9; that nobody listens there is an answer of the machine's own network.
    let address: [u8; 16] = [2, 0, 0, 9, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    match plain(CONNECT, &[fd, address.as_ptr() as u64, 16]) {
        Ok(_) | Err(ECONNREFUSED) => succeeded("reached the machine's loopback"),
        Err(error) => Err(error),
    }
}

fn unix_address(name: &[u8]) -> (Vec<u8>, u64) {
    let address = [&[1, 0], name].concat();
    let length = address.len() as u64;
    (address, length)
}

pub fn unix() -> Attempt {
    let fd = plain(SOCKET, &[1, STREAM, 0])? as u64;
    let path = outside::path("bound");
    let (address, length) = unix_address(path.to_bytes_with_nul());
    plain(BIND, &[fd, address.as_ptr() as u64, length])?;
    plain(87, &[text(&path)])?;
    succeeded("bound a socket file")
}

pub fn netlink() -> Attempt {
    let fd = plain(SOCKET, &[16, 3, 0])? as u64;
    // SIOCGIFFLAGS of lo: up means the machine's own network, a new network's is down.
    let mut request = [0u8; 40];
    request[..2].copy_from_slice(b"lo");
    plain(16, &[fd, 0x8913, request.as_mut_ptr() as u64])?;
    if request[16] & 1 == 1 { succeeded("saw the machine's interfaces") } else { Err(ENETDOWN) }
}

pub fn vsock() -> Attempt {
    plain(SOCKET, &[40, STREAM, 0])?;
    succeeded("made a socket to the hypervisor")
}

pub fn abstract_socket() -> Attempt {
    connect(format!("\0{}", outside::socket_name()).as_bytes())
}

pub fn socket_file() -> Attempt {
    connect(outside::path("listener").to_bytes_with_nul())
}

fn connect(name: &[u8]) -> Attempt {
    let fd = plain(SOCKET, &[1, STREAM, 0])? as u64;
    let (address, length) = unix_address(name);
    plain(CONNECT, &[fd, address.as_ptr() as u64, length])?;
    succeeded("connected to a listener outside")
}

pub fn shared_memory() -> Attempt {
    plain(29, &[outside::memory_key(), 0, 0])?;
    succeeded("found shared memory of outside")
}
