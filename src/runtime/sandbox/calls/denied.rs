//! The system calls that no action needs, and that have been ways out of sandboxes. Interpreters
//! and the modules of actions need too many others for a list of what is allowed.

use nix::libc;

use super::bpf::{Rule, Verdict, When};

/// Of a call that is not on the list.
pub const OTHERWISE: Verdict = Verdict::Allow;

/// What is denied.
pub fn rules() -> Vec<Rule> {
    let denied = Verdict::Errno(libc::EPERM);
    let new_namespaces = When::Any {
        argument: 0,
        bits: NAMESPACES.cast_unsigned(),
    };
    let other_families = When::NotAmong {
        argument: 0,
        values: &FAMILIES,
    };
    let calls = DENIED.iter();
    let mut rules: Vec<_> = calls
        .map(|&call| Rule::new(call, When::Always, denied))
        .collect();
    rules.push(Rule::new(libc::SYS_clone, new_namespaces, denied));
    rules.push(Rule::new(libc::SYS_socket, other_families, denied));
    // Whose flags no filter can see: the C library falls back to `clone`.
    let unknown = Verdict::Errno(libc::ENOSYS);
    rules.push(Rule::new(libc::SYS_clone3, When::Always, unknown));
    rules
}

/// Flags of `clone` that make namespaces.
const NAMESPACES: i32 = {
    use nix::libc::*;
    CLONE_NEWNS
        | CLONE_NEWCGROUP
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET
};

/// What sockets may be of: local, IP, and the list of the machine's addresses.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// The libc crate does not have this one for each C library.
const KEXEC_FILE_LOAD: libc::c_long = if cfg!(target_arch = "x86_64") {
    320
} else if cfg!(target_arch = "aarch64") {
    294
} else {
    401
};

/// The calls with times of 64 bits, for which the libc crate has no names.
#[cfg(target_arch = "arm")]
const CLOCK_SETTIME64: libc::c_long = 404;
#[cfg(target_arch = "arm")]
const CLOCK_ADJTIME64: libc::c_long = 405;

const DENIED: &[libc::c_long] = {
    use nix::libc::*;
    &[
        // Namespaces, mounts, roots.
        SYS_unshare,
        SYS_setns,
        SYS_mount,
        SYS_umount2,
        SYS_pivot_root,
        SYS_chroot,
        SYS_open_tree,
        SYS_move_mount,
        SYS_mount_setattr,
        SYS_fsopen,
        SYS_fsconfig,
        SYS_fsmount,
        SYS_fspick,
        // Other processes.
        SYS_ptrace,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_pidfd_getfd,
        SYS_kcmp,
        // The kernel itself.
        SYS_bpf,
        SYS_perf_event_open,
        SYS_userfaultfd,
        SYS_io_uring_setup,
        SYS_io_uring_enter,
        SYS_io_uring_register,
        SYS_kexec_load,
        KEXEC_FILE_LOAD,
        SYS_init_module,
        SYS_finit_module,
        SYS_delete_module,
        SYS_reboot,
        SYS_syslog,
        #[cfg(target_arch = "x86_64")]
        SYS_iopl,
        #[cfg(target_arch = "x86_64")]
        SYS_ioperm,
        // Keys, files by handle, and what is root's to do.
        SYS_add_key,
        SYS_request_key,
        SYS_keyctl,
        SYS_name_to_handle_at,
        SYS_open_by_handle_at,
        SYS_swapon,
        SYS_swapoff,
        SYS_quotactl,
        SYS_acct,
        SYS_settimeofday,
        SYS_clock_settime,
        SYS_clock_adjtime,
        #[cfg(target_arch = "arm")]
        CLOCK_SETTIME64,
        #[cfg(target_arch = "arm")]
        CLOCK_ADJTIME64,
        SYS_adjtimex,
        SYS_sethostname,
        SYS_setdomainname,
    ]
};

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::mount::umount;
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

    use super::super::{Profile, apply};

    #[test]
    fn dangerous_calls_fail_and_others_do_not() {
        // Filters are per thread: this one ends with the thread that it is tried on.
        std::thread::spawn(|| {
            apply(Profile::Interpreter).unwrap();
            assert_eq!(unshare(CloneFlags::CLONE_NEWUSER), Err(Errno::EPERM));
            assert_eq!(umount("/nonexistent"), Err(Errno::EPERM));
            let open = |family| socket(family, SockType::Datagram, SockFlag::empty(), None);
            assert_eq!(open(AddressFamily::Alg).unwrap_err(), Errno::EPERM);
            assert!(open(AddressFamily::Inet).is_ok());
            assert!(std::thread::spawn(|| 1).join().is_ok());
            assert!(
                std::process::Command::new("/bin/true")
                    .status()
                    .unwrap()
                    .success()
            );
        })
        .join()
        .unwrap();
    }
}
