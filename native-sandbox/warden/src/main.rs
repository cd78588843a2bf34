//! Holds one task with all that the operating system has. See PROTOCOL.md.

mod cache;
mod chacha20;
mod frames;
mod platform;
mod policy;
mod report;
mod session;
mod sha256;

use std::process::exit;

const USAGE: &str = "usage: askee-warden [--probe | --version]\nWithout an argument it speaks PROTOCOL.md on standard input and output.";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        None => exit(platform::run()),
        Some("--probe") => println!("{}", platform::probe().to_json()),
        Some("--version") => println!("askee-warden {}", env!("CARGO_PKG_VERSION")),
        // Said by a file that an attempt could execute though it was listed for reading only.
        #[cfg(feature = "escape")]
        Some("--executed") => println!("SUCCEEDED executed a listed file"),
        #[cfg(feature = "escape")]
        Some("--escape-test") => exit(platform::escape_test(&arguments[1..])),
        Some(_) => {
            eprintln!("{USAGE}");
            exit(2);
        }
    }
}
