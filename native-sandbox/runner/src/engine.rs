//! How wasmtime is set up: what admission lets through, nothing more, and nothing that depends on time.

use std::hash::{DefaultHasher, Hash, Hasher};
use wasmtime::{Config, Engine, OptLevel, Strategy};

/// Native stack for a task. The accounting of packages/wasm lets it use a fraction; beyond it is a fault of the engine.
const STACK_BYTES: usize = 8 * 1024 * 1024;
const GIB: u64 = 1024 * 1024 * 1024;

/// @throws when this processor cannot run wasmtime's code
pub fn create() -> Result<Engine, String> {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // The pass of packages/wasm writes canonical NaN into the module.
        .cranelift_nan_canonicalization(false)
        .wasm_simd(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_extended_const(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        // Fuel is injected by the pass; interruption is the operating system's.
        .consume_fuel(false)
        .epoch_interruption(false)
        .max_wasm_stack(STACK_BYTES)
        // A trap is a hardware fault whose handler ends in rt_sigreturn, which the last filter allows.
        .signals_based_traps(true)
        // On macOS by signals as well: no Mach port and no second thread for them.
        .macos_use_mach_ports(false)
        // The whole of 32-bit addressing is reserved, not committed: no bounds checks, no moving when memory grows.
        .memory_reservation(4 * GIB)
        .memory_may_move(false)
        // Copy-on-write images would need memfd_create.
        .memory_init_cow(false)
        .native_unwind_info(false)
        // Tells a division's overflow from a conversion's.
        .generate_address_map(true);
    Engine::new(&config).map_err(|error| format!("{error:#}"))
}

/// Payload of HELLO: protocol version, then engine, version, and a hash of all that makes compiled code differ.
pub fn hello(engine: &Engine) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let text = format!(
        "wasmtime {WASMTIME} askee-runner {} {} {:016x}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        hasher.finish()
    );
    [&1u16.to_le_bytes(), text.as_bytes()].concat()
}

/// As pinned in Cargo.toml; a test compares them.
pub const WASMTIME: &str = "36.0.19";
