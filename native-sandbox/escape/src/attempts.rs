//! The list: names begin with the number of the escape suite.

use crate::call::Attempt;
use crate::{files, kernel, memory, processes, sockets};

type Function = fn() -> Attempt;

const ATTEMPTS: &[(&str, Function)] = &[
    ("19-read", files::read_file),
    ("19-create", files::create_file),
    ("19-list-root", files::list_root),
    ("19-write-listed", files::write_listed),
    ("19-execute-listed", files::execute_listed),
    ("20-inet", sockets::inet),
    ("20-unix", sockets::unix),
    ("20-netlink", sockets::netlink),
    ("20-vsock", sockets::vsock),
    ("21-exec", processes::exec),
    ("21-memfd-exec", processes::memfd_exec),
    ("22-fork", processes::fork),
    ("23-ptrace", processes::ptrace),
    ("23-process-vm", processes::process_vm),
    ("23-pidfd-getfd", processes::pidfd_getfd),
    ("24-kill-parent", processes::signal_parent),
    ("24-kill-all", processes::signal_all),
    ("25-unshare-user", kernel::unshare_user),
    ("25-mount", kernel::mount),
    ("25-setns", kernel::setns),
    ("25-chroot", kernel::chroot),
    ("26-io-uring", kernel::io_uring),
    ("27-bpf", kernel::bpf),
    ("27-userfaultfd", kernel::userfaultfd),
    ("27-perf", kernel::perf),
    ("27-keyctl", kernel::keyctl),
    ("28-int80", kernel::int80),
    ("28-x32", kernel::x32),
    ("29-map-exec", memory::map_exec),
    ("29-make-exec", memory::make_exec),
    ("30-rdtsc", memory::rdtsc),
    ("31-scan-fds", files::scan_descriptors),
    ("32-proc-1", files::proc_1),
    ("33-abstract-socket", sockets::abstract_socket),
    ("33-socket-file", sockets::socket_file),
    ("33-sysv", sockets::shared_memory),
    ("34-rlimit", processes::raise_limit),
    ("34-priority", processes::raise_priority),
    ("35-private-memory", memory::exceed_private),
    ("35-shared-memory", memory::exceed_shared),
    ("35-stack-memory", memory::exceed_stack),
    ("35-table-memory", memory::exceed_tables),
    ("36-fill-disk", files::fill_disk),
    ("37-daemonise", processes::daemonise),
];

pub fn find(name: &str) -> Option<Function> {
    ATTEMPTS.iter().find(|(known, _)| *known == name).map(|(_, function)| *function)
}

pub fn names() -> Vec<&'static str> {
    ATTEMPTS.iter().map(|(name, _)| *name).collect()
}
