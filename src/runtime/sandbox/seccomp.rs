//! The system calls that serving an action needs; all others fail.

/// Forbids what is not on the list. From here on there is no way to open a file or a socket, to
/// start a process or thread, or to make memory executable.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub fn apply() -> Result<(), String> {
    let program = filter().map_err(|error| error.to_string())?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

/// The filter compiler knows 64-bit processors only.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn apply() -> Result<(), String> {
    Err(format!("no filter for {}", std::env::consts::ARCH))
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn filter() -> Result<seccompiler::BpfProgram, seccompiler::BackendError> {
    use nix::libc;
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    let not_executable = || {
        let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
        let condition = SeccompCondition::new(
            2,
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::MaskedEq(executable),
            0,
        )?;
        SeccompRule::new(vec![condition])
    };
    let mut rules = std::collections::BTreeMap::new();
    for call in ALLOWED {
        rules.insert(*call, Vec::new());
    }
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    let denied = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    SeccompFilter::new(
        rules,
        denied,
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?
    .try_into()
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const ALLOWED: &[nix::libc::c_long] = {
    use nix::libc::*;
    &[
        // The connections, the log, signals as a descriptor.
        SYS_accept,
        SYS_accept4,
        SYS_read,
        SYS_readv,
        SYS_recvfrom,
        SYS_recvmsg,
        SYS_write,
        SYS_writev,
        SYS_sendto,
        SYS_sendmsg,
        SYS_shutdown,
        SYS_close,
        SYS_ppoll,
        #[cfg(target_arch = "x86_64")]
        SYS_poll,
        SYS_fcntl,
        SYS_ioctl,
        SYS_getsockopt,
        SYS_setsockopt,
        SYS_getsockname,
        // Memory.
        SYS_brk,
        SYS_munmap,
        SYS_mremap,
        SYS_madvise,
        SYS_futex,
        // Time.
        SYS_clock_gettime,
        SYS_clock_nanosleep,
        SYS_nanosleep,
        SYS_gettimeofday,
        #[cfg(target_arch = "x86_64")]
        SYS_time,
        SYS_restart_syscall,
        // Itself.
        SYS_getrusage,
        SYS_getrandom,
        SYS_getpid,
        SYS_gettid,
        SYS_sched_yield,
        // Its end, also by abort.
        SYS_rt_sigaction,
        SYS_rt_sigprocmask,
        SYS_rt_sigreturn,
        SYS_sigaltstack,
        SYS_tgkill,
        SYS_tkill,
        SYS_exit,
        SYS_exit_group,
    ]
};

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    #[test]
    fn the_filter_compiles_and_forbids() {
        // Filters are per thread: this one ends with the thread that it is tried on.
        std::thread::spawn(|| {
            super::apply().unwrap();
            assert!(std::time::SystemTime::now().elapsed().is_ok());
            let error = std::fs::File::open("/proc/self/status").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            assert!(std::process::Command::new("/bin/true").spawn().is_err());
            assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err());
        })
        .join()
        .unwrap();
    }
}
