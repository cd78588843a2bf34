//! Compiles one module for somebody else: MODULE in, COMPILED or FAULT out.

use crate::fault::{Fault, FaultCode};
use crate::frames::{self, COMPILED, MODULE};
use crate::{engine, seal};

pub fn serve() -> i32 {
    match compile() {
        Ok(compiled) => frames::write(COMPILED, &[&compiled]),
        Err(fault) => fault.send(),
    }
    0
}

fn compile() -> Result<Vec<u8>, Fault> {
    let engine = engine::create().map_err(|text| Fault::new(FaultCode::Engine, text))?;
    // Compiling needs memory and the two pipes: the last filter fits it too.
    seal::for_compiling().map_err(|text| Fault::new(FaultCode::Engine, text))?;
    let (_, module) = frames::read(&[MODULE])?;
    engine.precompile_module(&module).map_err(|error| Fault::new(FaultCode::Module, format!("{error:#}")))
}
