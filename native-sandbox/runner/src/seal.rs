//! Where there is no seccomp, the warden alone holds the runner.

pub fn for_task() -> Result<(), String> {
    Ok(())
}

pub fn for_compiling() -> Result<(), String> {
    Ok(())
}

pub fn end(code: i32) -> ! {
    std::process::exit(code)
}
