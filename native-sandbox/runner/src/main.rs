//! One task in wasmtime. Speaks FRAMES.md on standard input and output, and nothing else.
//!
//! Started by the warden as `confined` (run a module that was compiled elsewhere) or `compile` (compile one module);
//! without an argument it does both by itself, held by nothing but the process it is in.

mod compile;
mod control;
mod engine;
mod execute;
mod fault;
mod frames;
mod host;
#[cfg(not(target_os = "linux"))]
mod seal;
mod state;
mod task;
mod traps;

#[cfg(target_os = "linux")]
use askee_filter::seal;
use std::process::exit;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Under a warden: the module comes compiled, the last filter is put on.
    Confined,
    Direct,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] => exit(execute::serve(Mode::Direct)),
        ["confined"] => exit(execute::serve(Mode::Confined)),
        // Not the library's exit: it makes calls that the last filter answers with death, in the system's log too.
        ["compile"] => seal::end(compile::serve()),
        // The number of the control page's handle.
        #[cfg(target_os = "windows")]
        ["confined", _] => exit(execute::serve(Mode::Confined)),
        // Seconds of processor time.
        #[cfg(target_os = "macos")]
        ["compile", _] => seal::end(compile::serve()),
        _ => exit(2),
    }
}
