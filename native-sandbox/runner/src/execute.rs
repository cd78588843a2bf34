//! One task: loaded, started, and its end told.

use crate::control::Control;
use crate::fault::{Fault, FaultCode};
use crate::frames::{self, CHECKPOINT, COMPILED, GO, HELLO, INPUT, LOAD, READY, RESULT};
use crate::host::{self, Counters, Host};
use crate::state::{self, Words};
use crate::task::Task;
use crate::traps::{self, TrapCode};
use crate::{Mode, engine, seal};
use wasmtime::{Engine, Instance, Memory, Module, Store, Trap, TypedFunc};

/// Value of `askee_stack` after a growth of memory that this machine refused.
const HOST_SHORTAGE: i32 = i32::MIN;
/// Smallest unit of memory, and largest number of them.
const PAGE_BYTES: u64 = 65_536;

enum Entry {
    Run(TypedFunc<(), ()>),
    Step(TypedFunc<(), i32>),
}

/// A task that can be started.
struct Loaded {
    store: Store<Host>,
    memory: Memory,
    counters: Counters,
    /// None when the module has no state to save.
    words: Option<Words>,
    entry: Entry,
}

/// How an instance came out: a trap in an active segment is an answer, and there is no instance then.
enum Start {
    Loaded(Box<Loaded>),
    Trapped(TrapCode),
}

pub fn serve(mode: Mode) -> i32 {
    if let Err(fault) = serve_one(mode) {
        fault.send();
    }
    // Nothing is left to do, and threads of the direct mode may wait for ever.
    seal::end(0)
}

fn serve_one(mode: Mode) -> Result<(), Fault> {
    let failed = |text: String| Fault::new(FaultCode::Engine, text);
    let engine = engine::create().map_err(failed)?;
    Engine::tls_eager_initialize();
    let mut control = match mode {
        Mode::Confined => Some(Control::of_warden().map_err(failed)?),
        Mode::Direct => None,
    };
    #[cfg(target_os = "macos")]
    if mode == Mode::Confined {
        seal::into_sandbox().map_err(failed)?;
    }
    frames::write(HELLO, &[&engine::hello(&engine)]);
    let module = match mode {
        Mode::Confined => {
            let (_, compiled) = frames::read(&[COMPILED])?;
            // SAFETY: the warden hands over only what its own compiling child made, or carries the agent's MAC.
            let module = unsafe { Module::deserialize(&engine, &compiled) };
            Some(module.map_err(|error| failed(format!("{error:#}")))?)
        }
        Mode::Direct => None,
    };
    let (_, load) = frames::read(&[LOAD])?;
    let mut task = Task::parse(load)?;
    let module = match module {
        Some(module) => module,
        None => Module::new(&engine, &task.module)
            .map_err(|error| Fault::new(FaultCode::Module, format!("{error:#}")))?,
    };
    let start = load_module(&engine, &module, &task)?;
    if mode == Mode::Confined {
        seal::for_task().map_err(failed)?;
        frames::write(READY, &[]);
    }
    let (_, input) = frames::read(&[INPUT])?;
    let (kind, checkpoint) = frames::read(&[CHECKPOINT, GO])?;
    if kind == CHECKPOINT {
        frames::read(&[GO])?;
    }
    let control = control.take().unwrap_or_else(Control::of_threads);
    match start {
        Start::Trapped(code) => send_result(code as u8, 0, &[]),
        Start::Loaded(mut loaded) => {
            let host = loaded.store.data_mut();
            (host.input, host.control) = (input, Some(control));
            let state = (kind == CHECKPOINT).then_some(checkpoint);
            run(&mut loaded, &mut task, state)?;
        }
    }
    Ok(())
}

fn load_module(engine: &Engine, module: &Module, task: &Task) -> Result<Start, Fault> {
    let wrong = |text: String| Fault::new(FaultCode::Module, text);
    let host = Host {
        input: Vec::new(),
        output: Vec::new(),
        output_limit: task.output_bytes,
        log_left: task.log_bytes,
        fuel_limit: task.fuel,
        memory: None,
        counters: None,
        control: None,
    };
    let mut store = Store::new(engine, host);
    let imports = host::imports(&mut store, module).map_err(wrong)?;
    let instance = match Instance::new(&mut store, module, &imports) {
        Ok(instance) => instance,
        Err(error) if error.is::<Trap>() => {
            let code = traps::code_of(&error, &task.module);
            return code.map(Start::Trapped).ok_or_else(|| Fault::new(FaultCode::Engine, format!("{error:#}")));
        }
        // Its imports are right and it was compiled: what is left is that something could not be allocated.
        Err(error) => return Err(Fault::memory(format!("{error:#}"))),
    };
    let memory = instance.get_memory(&mut store, "memory").ok_or_else(|| wrong("expected a memory".to_owned()))?;
    let most = memory.ty(&store).maximum().map(|pages| pages * PAGE_BYTES);
    if most.is_none_or(|most| most > task.memory_bytes) {
        return Err(wrong(format!("expected a memory of at most {} bytes, declared {most:?}", task.memory_bytes)));
    }
    let mut global = |name: &str| {
        instance.get_global(&mut store, name).ok_or_else(|| wrong(format!("expected a global {name}")))
    };
    let counters = Counters { fuel: global("askee_fuel")?, stack: global("askee_stack")? };
    let words = Words::find(&mut store, &instance, task.state_words);
    let entry = match instance.get_typed_func::<(), ()>(&mut store, "run") {
        Ok(run) => Entry::Run(run),
        Err(_) => Entry::Step(
            instance
                .get_typed_func::<(), i32>(&mut store, "step")
                .map_err(|error| wrong(format!("expected run or step: {error:#}")))?,
        ),
    };
    let fuel = i64::try_from(task.fuel).map_err(|_| wrong("expected fuel below 2^63".to_owned()))?;
    host::set_fuel(&mut store, counters, fuel).map_err(wrong)?;
    (store.data_mut().memory, store.data_mut().counters) = (Some(memory), Some(counters));
    Ok(Start::Loaded(Box::new(Loaded { store, memory, counters, words, entry })))
}

fn run(loaded: &mut Loaded, task: &mut Task, state: Option<Vec<u8>>) -> Result<(), Fault> {
    if let Some(state) = state {
        let words = loaded.words.as_ref();
        let words = words.ok_or_else(|| Fault::new(FaultCode::BadCheckpoint, "this module has no checkpoints"))?;
        state::restore(&mut loaded.store, words, loaded.counters, loaded.memory, &state)?;
    }
    let ended = match drive(loaded) {
        Ok(true) => return Ok(()),
        Ok(false) => None,
        Err(error) => Some(error),
    };
    let code = end_code(loaded, ended, &task.module)?;
    let fuel = host::fuel_used(&mut loaded.store);
    send_result(code, fuel, &loaded.store.data().output);
    Ok(())
}

/// True when the task stopped for a checkpoint, which is out then.
fn drive(loaded: &mut Loaded) -> Result<bool, wasmtime::Error> {
    let step = match &loaded.entry {
        Entry::Run(run) => return run.call(&mut loaded.store, ()).map(|()| false),
        Entry::Step(step) => step.clone(),
    };
    loop {
        if step.call(&mut loaded.store, ())? == 0 {
            return Ok(false);
        }
        host::progress(&mut loaded.store);
        let control = loaded.store.data_mut().control.as_mut();
        let is_suspended = control.is_some_and(Control::is_suspended);
        if let (true, Some(words)) = (is_suspended, &loaded.words)
            && state::write(&mut loaded.store, words, loaded.memory)?
        {
            return Ok(true);
        }
    }
}

/// What the counters say goes before what the engine says.
fn end_code(loaded: &mut Loaded, error: Option<wasmtime::Error>, module: &[u8]) -> Result<u8, Fault> {
    let Counters { fuel, stack } = loaded.counters;
    let stack = stack.get(&mut loaded.store).i32().unwrap_or(0);
    if stack == HOST_SHORTAGE {
        return Err(Fault::memory("this machine could not grow the memory"));
    }
    let trap = match &error {
        None => 0,
        Some(error) if error.is::<std::collections::TryReserveError>() => {
            return Err(Fault::memory("this machine has no room for the output"));
        }
        Some(error) => match traps::code_of(error, module) {
            Some(code) => code as u8,
            None => return Err(Fault::new(FaultCode::Engine, format!("{error:#}"))),
        },
    };
    if fuel.get(&mut loaded.store).i64().unwrap_or(0) < 0 {
        return Ok(TrapCode::OutOfFuel as u8);
    }
    Ok(if stack < 0 { TrapCode::StackOverflow as u8 } else { trap })
}

fn send_result(code: u8, fuel: u64, output: &[u8]) {
    frames::write(RESULT, &[&[code], &fuel.to_le_bytes(), &[0; 16], output]);
}
