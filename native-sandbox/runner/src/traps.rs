//! How wasmtime's traps are called in docs/determinism.md.

use crate::host::HostTrap;
use wasmtime::{Trap, WasmBacktrace};

/// On the wire: 1 + index in TRAP_CODES of packages/wasm; 0 is no trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TrapCode {
    Unreachable = 1,
    MemoryOutOfBounds = 2,
    TableOutOfBounds = 3,
    IndirectCallMismatch = 4,
    DivideByZero = 5,
    IntegerOverflow = 6,
    InvalidConversion = 7,
    StackOverflow = 8,
    OutOfFuel = 9,
    OutputTooLarge = 10,
}

/// `i32.div_s` to `i32.rem_u` and the same for 64 bits.
const DIVISIONS: [u8; 4] = [0x6d, 0x6e, 0x7f, 0x80];

/// The trap that `error` is, or `None` when it is none of the task's doing (stack of the engine, its own failures).
///
/// @param module the bytes that were compiled: at the trap's offset stands the instruction
pub fn code_of(error: &wasmtime::Error, module: &[u8]) -> Option<TrapCode> {
    if let Some(HostTrap(code)) = error.downcast_ref::<HostTrap>() {
        return Some(*code);
    }
    match error.downcast_ref::<Trap>()? {
        Trap::UnreachableCodeReached => Some(TrapCode::Unreachable),
        Trap::MemoryOutOfBounds => Some(TrapCode::MemoryOutOfBounds),
        Trap::TableOutOfBounds => Some(TrapCode::TableOutOfBounds),
        Trap::IndirectCallToNull | Trap::BadSignature => Some(TrapCode::IndirectCallMismatch),
        Trap::IntegerDivisionByZero => Some(TrapCode::DivideByZero),
        Trap::BadConversionToInteger => Some(TrapCode::InvalidConversion),
        // wasmtime calls a float too large for an integer by the same name as the least integer divided by −1.
        Trap::IntegerOverflow => {
            let offset = error.downcast_ref::<WasmBacktrace>()?.frames().first()?.module_offset()?;
            let is_division = DIVISIONS.contains(module.get(offset)?);
            Some(if is_division { TrapCode::IntegerOverflow } else { TrapCode::InvalidConversion })
        }
        _ => None,
    }
}
