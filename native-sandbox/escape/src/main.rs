//! Native code in the runner's place, trying to get out: the attempts N19 to N37 of the escape suite.
//!
//! `askee-escape ATTEMPT [v8-]full|unsealed|no-filter|not-sealed|none TOKEN`: does what a runner does before a task, then one attempt, and writes
//! one line: `blocked ERRNO` or `SUCCEEDED what`. Being killed is the third outcome. Every attempt is harmless where it
//! succeeds: signal 0, files of its own, children that end at once. `askee-escape list` names them all.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod attempts;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod call;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod files;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod hungry;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod kernel;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod memory;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod outside;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod processes;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod sockets;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["list"] {
        println!("{}", attempts::names().join("\n"));
        return;
    }
    if let [role] = arguments.as_slice()
        && hungry::serve(role)
    {
        return;
    }
    let [name, mode, token] = arguments.as_slice() else { std::process::exit(2) };
    if !outside::take_token(token) {
        std::process::exit(2);
    }
    let Some(attempt) = attempts::find(name) else { std::process::exit(2) };
    let sealed = match mode.as_str() {
        "full" => askee_filter::seal::for_task(),
        "no-filter" => askee_filter::seal::without_filter(),
        "v8-full" => askee_filter::seal::for_v8(),
        "v8-no-filter" => askee_filter::seal::v8_without_filter(),
        _ => Ok(()),
    };
    if let Err(why) = sealed {
        call::say(&format!("not sealed: {why}"));
        askee_filter::seal::end(3);
    }
    let line = match attempt() {
        Ok(what) => format!("SUCCEEDED {what}"),
        Err(error) => format!("blocked errno {error}"),
    };
    call::say(&line);
    askee_filter::seal::end(0);
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn main() {
    println!("not run here: the attempts are written for Linux on x86-64");
}
