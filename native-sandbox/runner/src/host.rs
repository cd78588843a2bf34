//! The four functions a task may import, and what they keep.

use crate::control::Control;
use crate::frames::{self, LOG, PROGRESS};
use crate::traps::TrapCode;
use wasmtime::{AsContext, AsContextMut, Caller, Extern, Func, Global, Memory, Module, Store, Val};

const MOST_LOG_LINE: usize = 4096;
/// What a shorter line counts for, so that empty lines are no flood.
const LEAST_LOG_CHARGE: usize = 16;

/// The task's own fault, raised by a host function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostTrap(pub TrapCode);

impl std::fmt::Display for HostTrap {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "host trap {:?}", self.0)
    }
}

impl std::error::Error for HostTrap {}

/// What the two counters of the pass are in this instance.
#[derive(Clone, Copy)]
pub struct Counters {
    pub fuel: Global,
    pub stack: Global,
}

pub struct Host {
    pub input: Vec<u8>,
    pub output: Vec<u8>,
    pub output_limit: usize,
    pub log_left: usize,
    pub fuel_limit: u64,
    pub memory: Option<Memory>,
    pub counters: Option<Counters>,
    pub control: Option<Control>,
}

/// Fuel used so far: never below 0, never over the limit, whatever the module did to its counter.
pub fn fuel_used(store: &mut impl AsContextMut<Data = Host>) -> u64 {
    let host = store.as_context().data().fuel_limit;
    let Some(Counters { fuel, .. }) = store.as_context().data().counters else { return 0 };
    let left = fuel.get(store).i64().unwrap_or(0);
    let used = i128::from(host) - i128::from(left);
    u64::try_from(used.clamp(0, i128::from(host))).unwrap_or(0)
}

/// Says PROGRESS when it is time. Processor time and memory are for the warden to tell.
pub fn progress(store: &mut impl AsContextMut<Data = Host>) {
    let mut context = store.as_context_mut();
    if context.data_mut().control.as_mut().is_some_and(Control::is_time) {
        let used = fuel_used(&mut context);
        frames::write(PROGRESS, &[&used.to_le_bytes(), &[0; 16]]);
    }
}

/// The module's imports, in its order; `Err` names one that no task may have.
pub fn imports(store: &mut Store<Host>, module: &Module) -> Result<Vec<Extern>, String> {
    let mut functions = Vec::new();
    for import in module.imports() {
        let function = match (import.module(), import.name()) {
            ("askee", "input_size") => Func::wrap(&mut *store, input_size),
            ("askee", "input_read") => Func::wrap(&mut *store, input_read),
            ("askee", "output_write") => Func::wrap(&mut *store, output_write),
            ("askee", "log") => Func::wrap(&mut *store, log),
            (from, name) => return Err(format!("expected an import of the host, received {from}.{name}")),
        };
        functions.push(function.into());
    }
    Ok(functions)
}

fn trap(code: TrapCode) -> wasmtime::Error {
    HostTrap(code).into()
}

/// The bytes a task names, and the host beside them. Both numbers are unsigned; their sum may pass 2^32.
fn range<'a>(
    caller: &'a mut Caller<'_, Host>,
    pointer: u32,
    length: u32,
) -> Result<(&'a mut [u8], &'a mut Host), wasmtime::Error> {
    let memory = caller.data().memory.ok_or_else(|| trap(TrapCode::MemoryOutOfBounds))?;
    let (bytes, host) = memory.data_and_store_mut(caller);
    let start = pointer as usize;
    match bytes.get_mut(start..start + length as usize) {
        Some(part) => Ok((part, host)),
        None => Err(trap(TrapCode::MemoryOutOfBounds)),
    }
}

fn input_size(caller: Caller<'_, Host>) -> u32 {
    caller.data().input.len() as u32
}

fn input_read(
    mut caller: Caller<'_, Host>,
    pointer: u32,
    offset: u32,
    length: u32,
) -> Result<u32, wasmtime::Error> {
    let (target, host) = range(&mut caller, pointer, length)?;
    let rest = &host.input[(offset as usize).min(host.input.len())..];
    let count = rest.len().min(target.len());
    target[..count].copy_from_slice(&rest[..count]);
    progress(&mut caller);
    Ok(count as u32)
}

fn output_write(mut caller: Caller<'_, Host>, pointer: u32, length: u32) -> Result<(), wasmtime::Error> {
    let (source, host) = range(&mut caller, pointer, length)?;
    if host.output.len() + source.len() > host.output_limit {
        return Err(trap(TrapCode::OutputTooLarge));
    }
    // Not a trap: this machine's shortage is no answer of the task.
    host.output.try_reserve(source.len())?;
    host.output.extend_from_slice(source);
    progress(&mut caller);
    Ok(())
}

fn log(mut caller: Caller<'_, Host>, pointer: u32, length: u32) -> Result<(), wasmtime::Error> {
    let (source, host) = range(&mut caller, pointer, length)?;
    if host.log_left > 0 {
        let line = &source[..source.len().min(MOST_LOG_LINE).min(host.log_left)];
        host.log_left = host.log_left.saturating_sub(line.len().max(LEAST_LOG_CHARGE));
        frames::write(LOG, &[line]);
    }
    Ok(())
}

/// Sets the fuel that is left.
pub fn set_fuel(store: &mut Store<Host>, counters: Counters, left: i64) -> Result<(), String> {
    counters.fuel.set(store, Val::I64(left)).map_err(|error| error.to_string())
}
