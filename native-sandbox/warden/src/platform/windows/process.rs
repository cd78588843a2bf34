//! Starts one confined process: suspended, put into its job, looked at, and only then let go.

use super::app_container::AppContainer;
use super::attributes::{AttributeList, Values};
use super::command_line::{join, wide};
use super::job::{IDLE_PRIORITY_CLASS, Job};
use super::limits::JobLimits;
use super::{ffi, inspect, suspend, sys};
use crate::platform::thread_loop::{End, Started, Who};
use crate::report::Layer;
use std::io;
use std::mem::size_of;
use std::os::windows::io::{AsRawHandle, OwnedHandle, RawHandle};
use std::path::Path;
use std::ptr::{null, null_mut};

const STARTF_USESTDHANDLES: u32 = 0x100;
const CREATE_SUSPENDED: u32 = 0x4;
const DETACHED_PROCESS: u32 = 0x8;
const CREATE_UNICODE_ENVIRONMENT: u32 = 0x400;
const EXTENDED_STARTUPINFO_PRESENT: u32 = 0x8_0000;
const CREATE_DEFAULT_ERROR_MODE: u32 = 0x400_0000;
const ACCESS_DENIED: i32 = 5;

pub struct Spec<'a> {
    pub who: Who,
    pub program: &'a Path,
    pub limits: JobLimits,
    /// Given to the process, which is told its number.
    pub page: Option<&'a OwnedHandle>,
}

/// A confined process; ended when dropped. The fields go in this order: job before container.
pub struct Work {
    pub job: Job,
    process: OwnedHandle,
    thread: OwnedHandle,
    pub layers: Vec<Layer>,
    _container: AppContainer,
}

/// Starts the program. Every layer of the result was seen in force, or is named as missing.
pub fn start(spec: &Spec) -> io::Result<(Work, Started)> {
    let purpose = if spec.who == Who::Runner { "Runner" } else { "Compiler" };
    let container = AppContainer::create(purpose)?;
    let job = Job::create(&spec.limits)?;
    let (its_input, input) = sys::pipe()?;
    let (output, its_output) = sys::pipe()?;
    let page = spec.page.map(|page| sys::duplicate(page.as_raw_handle(), None)).transpose()?;
    let its: Vec<&OwnedHandle> =
        [Some(&its_input), Some(&its_output), page.as_ref()].into_iter().flatten().collect();
    its.iter().try_for_each(|handle| sys::let_inherit(handle))?;
    let page_number = page.as_ref().map(|page| (page.as_raw_handle() as usize).to_string());
    let mode = if spec.who == Who::Runner { "confined" } else { "compile" };
    let arguments: Vec<&str> = ["askee-runner", mode].into_iter().chain(page_number.as_deref()).collect();
    let values = Values::new(its.iter().map(|handle| handle.as_raw_handle()).collect(), container.sid);
    let standard = (its_input.as_raw_handle(), its_output.as_raw_handle());
    let created = create(spec.program, &arguments, &values, standard)?;
    // It has not run yet. From here on every way out ends it.
    let mut work = Work {
        job,
        process: sys::own(created.process)?,
        thread: sys::own(created.thread)?,
        layers: Vec::new(),
        _container: container,
    };
    work.confine(&spec.limits, values.handles.len(), values.capabilities.container)?;
    // SAFETY: the thread that was created suspended.
    if unsafe { ffi::ResumeThread(work.thread.as_raw_handle()) } == u32::MAX {
        return Err(io::Error::last_os_error());
    }
    let process = sys::duplicate(work.process.as_raw_handle(), None)?;
    let started = Started {
        who: spec.who,
        input: Box::new(sys::file(input)),
        output: Box::new(sys::file(output)),
        wait: Box::new(move || sys::wait_for(&process)),
    };
    Ok((work, started))
}

fn create(
    program: &Path,
    arguments: &[&str],
    values: &Values,
    (input, output): (RawHandle, RawHandle),
) -> io::Result<ffi::ProcessInformation> {
    let text = |text: &str| wide(text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput));
    let application = text(program.to_str().ok_or(io::ErrorKind::InvalidInput)?)?;
    let mut command_line = text(&join(arguments))?;
    let root = std::env::var("SystemRoot").unwrap_or_else(|_| r"C:\Windows".to_owned());
    // Nothing of the agent's environment; each variable ends with NUL, and so does the block.
    let environment = [text(&format!("SystemRoot={root}"))?, vec![0]].concat();
    let directory = sys::system_directory()?;
    let mut attributes = AttributeList::new(values)?;
    let startup = ffi::StartupInfoEx {
        info: ffi::StartupInfo {
            size: size_of::<ffi::StartupInfoEx>() as u32,
            reserved: null_mut(),
            desktop: null_mut(),
            title: null_mut(),
            window: [0; 7],
            flags: STARTF_USESTDHANDLES,
            show: 0,
            reserved_bytes: 0,
            reserved_pointer: null_mut(),
            input,
            output,
            // What it says besides frames goes nowhere.
            error: null_mut(),
        },
        attributes: attributes.as_ptr(),
    };
    let flags = CREATE_SUSPENDED
        | DETACHED_PROCESS
        | CREATE_UNICODE_ENVIRONMENT
        | EXTENDED_STARTUPINFO_PRESENT
        | CREATE_DEFAULT_ERROR_MODE
        | IDLE_PRIORITY_CLASS;
    let mut created =
        ffi::ProcessInformation { process: null_mut(), thread: null_mut(), process_id: 0, thread_id: 0 };
    // SAFETY: texts end with NUL, the command line is ours to change, and all it points to lives through the call.
    let result = sys::check(unsafe {
        ffi::CreateProcessW(
            application.as_ptr(),
            command_line.as_mut_ptr(),
            null(),
            null(),
            1,
            flags,
            environment.as_ptr(),
            directory.as_ptr(),
            &raw const startup,
            &raw mut created,
        )
    });
    match result {
        Ok(()) => Ok(created),
        Err(error) if error.raw_os_error() == Some(ACCESS_DENIED) => Err(io::Error::other(format!(
            "{error} Its file must be readable in an AppContainer: icacls {} /grant *S-1-15-2-2:(RX)",
            program.display()
        ))),
        Err(error) => Err(error),
    }
}

impl Work {
    /// Everything that can be done to a process that has not run yet.
    fn confine(&mut self, limits: &JobLimits, handles: usize, container: ffi::Sid) -> io::Result<()> {
        let said = |name, result: io::Result<()>, how: &str| match result {
            Ok(()) => Layer::enforced(name, how),
            Err(error) => Layer::missing(name, error.to_string()),
        };
        let process = self.process.as_raw_handle();
        if let Err(error) = self.job.take(process, limits) {
            // Outside the job its end would not be ours to bring about.
            // SAFETY: the process that was just created.
            unsafe { ffi::TerminateProcess(process, super::job::KILLED) };
            return Err(error);
        }
        let mebibytes = limits.memory_bytes >> 20;
        let share = f64::from(limits.cpu_rate) / 100.0;
        self.layers = vec![
            Layer::enforced("job", format!("one process, {mebibytes} MiB committed")),
            Layer::enforced("parent-death", "the job's only handle is the warden's; end of standard input"),
            Layer::enforced("handle-list", format!("{handles} handles: pipes and the control page")),
            said("cpu-rate", self.job.cap_cpu(limits.cpu_rate), &format!("hard cap, {share} % of all processors")),
            said("ui-limits", self.job.restrict_ui(), ""),
        ];
        self.layers.extend(inspect::layers(&self.process, container));
        self.layers.extend(super::priority::lower(&self.process));
        Ok(())
    }

    pub fn is_sealed(&self) -> bool {
        inspect::is_sealed(&self.process)
    }

    pub fn end(&self) -> Option<End> {
        sys::exit_code(&self.process).map(End::Exited)
    }

    pub fn stop(&self) -> io::Result<()> {
        suspend::stop(&self.process, &self.thread)
    }

    pub fn go_on(&self) -> io::Result<()> {
        suspend::go_on(&self.process)
    }

    /// Its working set and the most that was.
    pub fn resident_bytes(&self) -> (u64, u64) {
        let mut counters = ffi::MemoryCounters::default();
        let size = size_of::<ffi::MemoryCounters>() as u32;
        counters.size = size;
        // SAFETY: an open handle and the structure of that size.
        let read = unsafe { ffi::K32GetProcessMemoryInfo(self.process.as_raw_handle(), &raw mut counters, size) };
        if read == 0 { (0, 0) } else { (counters.working_set as u64, counters.peak_working_set as u64) }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.job.kill();
        // Its container can be taken away only when nobody is in it.
        sys::wait_for(&self.process);
    }
}
