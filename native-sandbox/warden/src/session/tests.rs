//! The session against a containment that does what a test tells it.

use super::*;
use crate::report::{Layer, Report, Tier};

#[derive(Default)]
struct Told {
    tier_is_low: bool,
    is_sealed: bool,
    killed: u32,
    compiles: u32,
    suspended: bool,
    began: bool,
}

impl Containment for Told {
    fn start(&mut self, _: &Policy) -> Result<Report, String> {
        let names = [
            "user-namespace",
            "pid-namespace",
            "network-namespace",
            "mount-namespace",
            "no-capabilities",
            "no-new-privileges",
            "parent-death",
            "data-limit",
            "stack-limit",
            "empty-root",
        ];
        let mut layers: Vec<Layer> = names.into_iter().map(|name| Layer::enforced(name, "")).collect();
        layers.push(if self.tier_is_low {
            Layer::missing("seccomp", "a test")
        } else {
            Layer::enforced("seccomp", "")
        });
        Ok(Report { layers })
    }
    fn start_compiler(&mut self, _: &Policy) -> Result<(), String> {
        self.compiles += 1;
        Ok(())
    }
    fn stop_compiler(&mut self) {}
    fn is_sealed(&self) -> bool {
        self.is_sealed
    }
    fn request_suspend(&mut self) {
        self.suspended = true;
    }
    fn work_begins(&mut self) {}
    fn task_began(&mut self) {
        self.began = true;
    }
    fn freeze(&mut self) -> Result<u32, String> {
        Ok(7)
    }
    fn thaw(&mut self) -> Result<(), String> {
        Ok(())
    }
    fn kill(&mut self) {
        self.killed += 1;
    }
    fn usage(&mut self) -> Usage {
        Usage::default()
    }
}

fn kinds(session: &Session) -> Vec<u8> {
    let mut bytes = session.to_agent.front();
    let mut kinds = Vec::new();
    while !bytes.is_empty() {
        kinds.push(bytes[3]);
        bytes = &bytes[8 + u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize..];
    }
    kinds
}

/// A session whose runner was loaded and says READY.
fn loaded(host: &mut Told) -> Session {
    let mut session = Session::new();
    let load = encode(inner::LOAD, &[0; 40]);
    let task = [load, encode(inner::INPUT, b"in"), encode(inner::GO, b"")].concat();
    session.on_agent(&[encode(outer::POLICY, b""), encode(outer::TASK, &task)].concat(), host).unwrap();
    session.on_runner(&encode(inner::HELLO, b"\x01\x00engine"), host);
    assert_eq!(host.compiles, 1);
    session.on_compiler(&encode(inner::COMPILED, b"code"), host);
    session.on_runner(&encode(inner::READY, b""), host);
    session
}

fn drain(session: &mut Session) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(front) = session.for_runner() {
        let part = front.to_vec();
        session.sent_to_runner(part.len());
        out.extend(part);
    }
    out
}

#[test]
fn sbx_3_a_tier_that_is_not_reached_is_refused_and_the_runner_killed() {
    let mut host = Told { tier_is_low: true, ..Told::default() };
    let mut session = Session::new();
    session.on_agent(&encode(outer::POLICY, b"tier contained"), &mut host).unwrap();
    assert_eq!((kinds(&session), host.killed, session.is_over), (vec![outer::REPORT, outer::REFUSED], 1, true));

    let mut session = Session::new();
    session.on_agent(&encode(outer::POLICY, b"tier process"), &mut host).unwrap();
    assert_eq!((kinds(&session), session.is_over), (vec![outer::REPORT], false));
    assert_eq!(Tier::parse("process"), Some(Tier::Process));
}

#[test]
fn sbx_1_go_goes_out_when_the_last_filter_is_seen_and_never_without() {
    let mut host = Told { is_sealed: true, ..Told::default() };
    let mut session = loaded(&mut host);
    assert!(drain(&mut session).ends_with(&encode(inner::GO, b"")));
    assert!(host.began);

    let mut host = Told::default();
    let mut session = loaded(&mut host);
    assert!(!drain(&mut session).ends_with(&encode(inner::GO, b"")));
    assert_eq!((session.cause, host.killed, host.began), (Cause::NotSealed, 1, false));
}

#[test]
#[cfg(target_os = "linux")]
fn sbx_1_v8_compiles_by_itself_and_gets_go_when_its_last_filter_is_seen() {
    let mut host = Told { is_sealed: true, ..Told::default() };
    let mut session = Session::new();
    let policy = encode(outer::POLICY, b"profile v8\nrunner /usr/bin/node");
    let task = [encode(inner::LOAD, &[0; 40]), encode(inner::INPUT, b"in"), encode(inner::GO, b"")].concat();
    session.on_agent(&[policy, encode(outer::TASK, &task)].concat(), &mut host).unwrap();
    session.on_runner(&encode(inner::HELLO, b"\x01\x00v8"), &mut host);
    let before_ready = drain(&mut session);
    session.on_runner(&encode(inner::READY, b""), &mut host);
    assert_eq!(before_ready, encode(inner::LOAD, &[0; 40]), "not sealed yet");
    assert_eq!([before_ready, drain(&mut session)].concat(), task);
    session.on_agent(&encode(outer::TASK, &encode(inner::SUSPEND, b"")), &mut host).unwrap();
    assert_eq!(drain(&mut session), encode(inner::SUSPEND, b""));
    assert_eq!((host.compiles, host.began), (0, true));
}

#[test]
fn sbx_4_a_runner_that_breaks_the_rules_is_killed() {
    let mut host = Told { is_sealed: true, ..Told::default() };
    let mut session = loaded(&mut host);
    session.on_runner(&encode(inner::HELLO, b""), &mut host);
    assert_eq!((session.cause, host.killed), (Cause::Protocol, 1));
    let before = session.to_agent.len();
    session.on_runner(&encode(inner::RESULT, &[0; 25]), &mut host);
    assert_eq!(session.to_agent.len(), before, "nothing it says afterwards passes");
}

#[test]
fn sbx_5_control_frames_are_answered_between_the_bytes_of_a_task() {
    let mut host = Told { is_sealed: true, ..Told::default() };
    let mut session = loaded(&mut host);
    let frames = [
        encode(outer::FREEZE, b""),
        encode(outer::TASK, &encode(inner::SUSPEND, b"")),
        encode(outer::USAGE, b""),
        encode(outer::THAW, b""),
        encode(outer::KILL, b""),
    ];
    for byte in frames.concat() {
        session.on_agent(&[byte], &mut host).unwrap();
    }
    session.on_runner_end(0, 9, Cause::Crash, Usage::default());
    let said = kinds(&session);
    let answers: Vec<u8> = said.into_iter().filter(|kind| *kind != outer::RUNNER).collect();
    let expected = [outer::REPORT, outer::FROZEN, outer::USED, outer::THAWED, outer::USED, outer::EXIT];
    assert_eq!(answers, expected);
    assert!(host.suspended && session.is_over);
    assert_eq!(session.to_agent.front().last(), Some(&(Cause::Killed as u8)), "the first cause stands");
}

#[test]
fn sbx_1_an_agent_that_breaks_the_rules_gets_an_error() {
    let policy = encode(outer::POLICY, b"");
    for wrong in [
        encode(outer::TASK, b""),
        [policy.clone(), policy.clone()].concat(),
        [policy.clone(), encode(outer::FREEZE, b"x")].concat(),
        [policy.clone(), encode(outer::TASK, &encode(inner::GO, b""))].concat(),
        [policy, encode(outer::REPORT, b"")].concat(),
    ] {
        assert!(Session::new().on_agent(&wrong, &mut Told::default()).is_err());
    }
}
