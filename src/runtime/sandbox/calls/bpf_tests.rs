//! Programs are run by an interpreter of the instructions that there are in them, for each processor.

use nix::libc::{EPERM, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS};

use super::super::{Profile, filter};
use super::*;

const MACHINES: [Machine; 3] = [Machine::X86_64, Machine::Aarch64, Machine::Arm];
const DENIED: Verdict = Verdict::Errno(EPERM);

/// A call as the kernel shows it to a program.
struct Call {
    machine: Machine,
    number: u32,
    arguments: [u64; 6],
}

impl Call {
    fn bytes(&self) -> Vec<u8> {
        let mut data = self.number.to_le_bytes().to_vec();
        data.extend(self.machine.audit_arch().to_le_bytes());
        data.extend([0; 8]);
        data.extend(self.arguments.iter().flat_map(|value| value.to_le_bytes()));
        data
    }
}

/// What a program says of a call.
fn run(program: &BpfProgram, call: &Call) -> u32 {
    let data = call.bytes();
    let (mut at, mut loaded) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        let is = match code {
            0x20 => {
                let offset = k as usize;
                let word = data[offset..offset + 4].try_into().unwrap();
                loaded = u32::from_le_bytes(word);
                at += 1;
                continue;
            }
            0x06 => return k,
            0x15 => loaded == k,
            0x35 => loaded >= k,
            0x45 => loaded & k != 0,
            _ => panic!("an instruction {code:#x}"),
        };
        at += 1 + usize::from(if is { jt } else { jf });
    }
}

/// What becomes of a call of the processor that the program is for.
fn outcome(program: &BpfProgram, machine: Machine, number: u32, first: &[u64]) -> u32 {
    let mut arguments = [0; 6];
    arguments[..first.len()].copy_from_slice(first);
    let call = Call {
        machine,
        number,
        arguments,
    };
    run(program, &call)
}

const fn always(call: c_long, verdict: Verdict) -> Rule {
    Rule::new(call, When::Always, verdict)
}

#[test]
fn each_number_has_the_verdict_of_its_rule() {
    for machine in MACHINES {
        for count in 0..=70 {
            // Not in order, with gaps, and ARM's own numbers.
            let numbers: Vec<u32> = (0..count)
                .map(|index| index * 37 % 71 * 3 + 1)
                .chain([0x0f_0002])
                .collect();
            let rules = numbers
                .iter()
                .map(|&number| always(c_long::from(number as i32), Verdict::Allow))
                .collect();
            let program = assemble(machine, rules, DENIED).unwrap();
            for number in (0..240).chain([0x0f_0001, 0x0f_0002, 0x0f_0003, u32::MAX >> 2]) {
                let expected = match numbers.contains(&number) {
                    true => SECCOMP_RET_ALLOW,
                    false => DENIED.value(),
                };
                let got = outcome(&program, machine, number, &[]);
                assert_eq!(got, expected, "{machine:?}, {count} rules, {number}");
            }
        }
    }
}

#[test]
fn another_processors_calls_end_the_process() {
    for machine in MACHINES {
        let rules = vec![always(1, Verdict::Allow)];
        let program = assemble(machine, rules, Verdict::Allow).unwrap();
        for other in MACHINES {
            let expected = match other == machine {
                true => SECCOMP_RET_ALLOW,
                false => SECCOMP_RET_KILL_PROCESS,
            };
            let got = outcome(&program, other, 1, &[]);
            assert_eq!(got, expected, "{machine:?}, called as {other:?}");
        }
    }
}

#[test]
fn the_numbers_of_x32_are_no_way_around_a_list() {
    let rules = vec![always(101, DENIED)];
    let program = assemble(Machine::X86_64, rules, Verdict::Allow).unwrap();
    for (number, expected) in [
        (100, SECCOMP_RET_ALLOW),
        (101, DENIED.value()),
        (0x4000_0000 | 100, DENIED.value()),
        (0x4000_0000 | 101, DENIED.value()),
        (u32::MAX, DENIED.value()),
    ] {
        assert_eq!(outcome(&program, Machine::X86_64, number, &[]), expected);
    }
}

#[test]
fn arguments_are_looked_at_in_their_lower_half() {
    let high = 1 << 40;
    let any = When::Any {
        argument: 0,
        bits: 0b110,
    };
    let none = When::None {
        argument: 2,
        bits: 0b100,
    };
    let not_among = When::NotAmong {
        argument: 1,
        values: &[1, 5, -1],
    };
    let rules = vec![
        Rule::new(10, any, Verdict::Allow),
        Rule::new(20, none, Verdict::Allow),
        Rule::new(30, not_among, Verdict::Allow),
    ];
    for machine in MACHINES {
        let program = assemble(machine, rules.clone(), DENIED).unwrap();
        for (number, arguments, allowed) in [
            (10, [0b010, 0, 0], true),
            (10, [high | 0b100, 0, 0], true),
            (10, [high | 0b001, 0, 0], false),
            (10, [0, 0b110, 0b110], false),
            (20, [0, 0, high | 0b011], true),
            (20, [0b100, 0b100, 0], true),
            (20, [0, 0, 0b101], false),
            (30, [0, 0, 0], true),
            (30, [1, 2, 1], true),
            (30, [0, 1, 0], false),
            (30, [0, high | 5, 0], false),
            (30, [0, 0xffff_ffff, 0], false),
            (11, [0b110, 0, 0], false),
        ] {
            let expected = match allowed {
                true => SECCOMP_RET_ALLOW,
                false => DENIED.value(),
            };
            let got = outcome(&program, machine, number, &arguments);
            assert_eq!(got, expected, "{machine:?}, {number} of {arguments:x?}");
        }
    }
}

#[test]
fn two_rules_for_one_call_are_refused() {
    let rules = vec![always(1, DENIED), always(1, Verdict::Allow)];
    assert!(assemble(Machine::Arm, rules, DENIED).is_err());
}

#[test]
fn the_profiles_rules_make_programs() {
    for machine in MACHINES {
        for profile in [Profile::Script, Profile::Interpreter] {
            let (rules, otherwise) = filter(profile);
            let program = assemble(machine, rules, otherwise).unwrap();
            // What the kernel takes.
            assert!(program.len() <= 4096);
        }
    }
}

#[test]
fn memory_is_not_made_executable_and_namespaces_are_not_made() {
    let own = |profile, call: c_long, arguments: [u64; 3]| {
        let (rules, otherwise) = filter(profile);
        let program = assemble(Machine::OWN, rules, otherwise).unwrap();
        outcome(&program, Machine::OWN, call as u32, &arguments)
    };
    let denied = DENIED.value();
    let script = |call, arguments| own(Profile::Script, call, arguments);
    assert_eq!(script(libc::SYS_mprotect, [0, 0, 3]), SECCOMP_RET_ALLOW);
    assert_eq!(script(libc::SYS_mprotect, [0, 0, 7]), denied);
    assert_eq!(script(libc::SYS_openat, [0, 0, 0]), denied);
    assert_eq!(script(libc::SYS_socket, [1, 1, 0]), denied);
    let interpreter = |call, arguments| own(Profile::Interpreter, call, arguments);
    let thread = (libc::CLONE_VM | libc::CLONE_THREAD) as u64;
    assert_eq!(
        interpreter(libc::SYS_clone, [thread, 0, 0]),
        SECCOMP_RET_ALLOW
    );
    let user = libc::CLONE_NEWUSER as u64;
    assert_eq!(interpreter(libc::SYS_clone, [thread | user, 0, 0]), denied);
    let unknown = Verdict::Errno(libc::ENOSYS).value();
    assert_eq!(interpreter(libc::SYS_clone3, [0, 0, 0]), unknown);
    assert_eq!(interpreter(libc::SYS_openat, [0, 0, 0]), SECCOMP_RET_ALLOW);
    let vsock = libc::AF_VSOCK as u64;
    assert_eq!(interpreter(libc::SYS_socket, [vsock, 1, 0]), denied);
}
