//! The system calls that serving an action in QuickJS needs; all others fail. There is no way left
//! to open a file or a socket, to start a process or thread, or to make memory executable.

use nix::libc;

use super::bpf::{Rule, Verdict, When};

/// Of a call that is not on the list.
pub const OTHERWISE: Verdict = Verdict::Errno(libc::EPERM);

/// What is allowed.
pub fn rules() -> Vec<Rule> {
    let not_executable = When::None {
        argument: 2,
        bits: libc::PROT_EXEC.cast_unsigned(),
    };
    let rule = |when| move |&call| Rule::new(call, when, Verdict::Allow);
    let calls = ALLOWED.iter().map(rule(When::Always));
    calls
        .chain(MAPPING.iter().map(rule(not_executable)))
        .collect()
}

/// The calls that say with their third argument what may be done with memory.
#[cfg(not(target_arch = "arm"))]
const MAPPING: [libc::c_long; 2] = [libc::SYS_mmap, libc::SYS_mprotect];
#[cfg(target_arch = "arm")]
const MAPPING: [libc::c_long; 2] = [libc::SYS_mmap2, libc::SYS_mprotect];

/// The calls with times of 64 bits, which C libraries prefer and for which the libc crate has no
/// names. Their numbers are the same on all 32-bit processors.
#[cfg(target_arch = "arm")]
mod time64 {
    use nix::libc::c_long;

    pub const CLOCK_GETTIME64: c_long = 403;
    pub const CLOCK_NANOSLEEP_TIME64: c_long = 407;
    pub const PPOLL_TIME64: c_long = 414;
    pub const FUTEX_TIME64: c_long = 422;
}

const ALLOWED: &[libc::c_long] = {
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
        #[cfg(target_arch = "arm")]
        SYS_recv,
        #[cfg(target_arch = "arm")]
        SYS_send,
        SYS_shutdown,
        SYS_close,
        SYS_ppoll,
        #[cfg(target_arch = "arm")]
        time64::PPOLL_TIME64,
        #[cfg(not(target_arch = "aarch64"))]
        SYS_poll,
        SYS_fcntl,
        #[cfg(target_arch = "arm")]
        SYS_fcntl64,
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
        #[cfg(target_arch = "arm")]
        time64::FUTEX_TIME64,
        // Time.
        SYS_clock_gettime,
        #[cfg(target_arch = "arm")]
        time64::CLOCK_GETTIME64,
        SYS_clock_nanosleep,
        #[cfg(target_arch = "arm")]
        time64::CLOCK_NANOSLEEP_TIME64,
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
        #[cfg(target_arch = "arm")]
        SYS_sigreturn,
        SYS_sigaltstack,
        SYS_tgkill,
        SYS_tkill,
        SYS_exit,
        SYS_exit_group,
    ]
};

#[cfg(test)]
mod tests {
    use super::super::{Profile, apply};

    #[test]
    fn what_is_not_needed_fails() {
        // Filters are per thread: this one ends with the thread that it is tried on.
        std::thread::spawn(|| {
            apply(Profile::Script).unwrap();
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
