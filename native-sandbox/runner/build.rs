//! The main thread's stack. On Linux the warden's limit says how large it is; elsewhere the program itself does.
//! The engine lets a task use half of it at most.

use std::env::var;

const STACK_BYTES: u32 = 16 * 1024 * 1024;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let of = |name: &str| var(name).unwrap_or_default();
    match (of("CARGO_CFG_TARGET_OS").as_str(), of("CARGO_CFG_TARGET_ENV").as_str()) {
        ("windows", "msvc") => println!("cargo:rustc-link-arg-bins=/STACK:{STACK_BYTES}"),
        ("windows", _) => println!("cargo:rustc-link-arg-bins=-Wl,--stack,{STACK_BYTES}"),
        ("macos", _) => println!("cargo:rustc-link-arg-bins=-Wl,-stack_size,{STACK_BYTES:#x}"),
        _ => {}
    }
}
