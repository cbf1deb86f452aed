//! The system calls that no action needs, and that have been ways out of sandboxes. Interpreters
//! and the modules of actions need too many others for a list of what is allowed.

/// Forbids them for this process and all that it starts.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub fn apply() -> Result<(), String> {
    for program in filters().map_err(|error| error.to_string())? {
        seccompiler::apply_filter(&program).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The filter compiler knows 64-bit processors only.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn apply() -> Result<(), String> {
    Err(format!("no filter for {}", std::env::consts::ARCH))
}

/// A filter that refuses, and one that makes the C library fall back from `clone3`, whose flags
/// no filter can see, to `clone`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn filters() -> Result<[seccompiler::BpfProgram; 2], seccompiler::BackendError> {
    use std::collections::BTreeMap;

    use nix::libc;
    use seccompiler::{
        SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    };

    let compile = |rules, error: i32| {
        SeccompFilter::new(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(error.unsigned_abs()),
            std::env::consts::ARCH.try_into()?,
        )?
        .try_into()
    };
    let condition = |argument, operator, value: i32| {
        let value = u64::from(value.cast_unsigned());
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
    };
    let mut rules = BTreeMap::new();
    for call in DENIED {
        rules.insert(*call, Vec::new());
    }
    // Each flag by itself: a process or thread is made without any of them.
    let clones = NAMESPACES
        .iter()
        .map(|&flag| {
            let mask = u64::from(flag.cast_unsigned());
            SeccompRule::new(vec![condition(0, SeccompCmpOp::MaskedEq(mask), flag)?])
        })
        .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_clone, clones);
    // What is neither local, IP, nor the list of the machine's addresses.
    let other_families = [
        libc::AF_UNIX,
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_NETLINK,
    ]
    .iter()
    .map(|&family| condition(0, SeccompCmpOp::Ne, family))
    .collect::<Result<Vec<_>, _>>()?;
    rules.insert(libc::SYS_socket, vec![SeccompRule::new(other_families)?]);
    let mut unseen = BTreeMap::new();
    unseen.insert(libc::SYS_clone3, Vec::new());
    Ok([compile(rules, libc::EPERM)?, compile(unseen, libc::ENOSYS)?])
}

/// Flags of `clone` that make namespaces.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const NAMESPACES: &[i32] = {
    use nix::libc::*;
    &[
        CLONE_NEWNS,
        CLONE_NEWCGROUP,
        CLONE_NEWUTS,
        CLONE_NEWIPC,
        CLONE_NEWUSER,
        CLONE_NEWPID,
        CLONE_NEWNET,
    ]
};

/// The libc crate does not have this one for each C library.
#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: nix::libc::c_long = 320;
#[cfg(target_arch = "aarch64")]
const KEXEC_FILE_LOAD: nix::libc::c_long = 294;

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const DENIED: &[nix::libc::c_long] = {
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
        SYS_adjtimex,
        SYS_sethostname,
        SYS_setdomainname,
    ]
};

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use nix::errno::Errno;
    use nix::mount::umount;
    use nix::sched::{CloneFlags, unshare};
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

    #[test]
    fn dangerous_calls_fail_and_others_do_not() {
        // Filters are per thread: this one ends with the thread that it is tried on.
        std::thread::spawn(|| {
            nix::sys::prctl::set_no_new_privs().unwrap();
            super::apply().unwrap();
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
