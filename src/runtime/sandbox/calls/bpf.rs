//! Filters of system calls, as classic BPF programs: from rules to instructions, for any processor.
//!
//! A program first looks which table of system calls a call is of: a kernel that runs programs of
//! two kinds of processors has two, with other numbers. Then it finds the call's rule in a tree.

use nix::libc::{
    self, BPF_ABS, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W, c_long,
};
use seccompiler::{BpfProgram, sock_filter};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is made.
    Allow,
    /// It is not made, and fails with this number.
    Errno(i32),
}

impl Verdict {
    const fn value(self) -> u32 {
        match self {
            Verdict::Allow => libc::SECCOMP_RET_ALLOW,
            Verdict::Errno(error) => {
                libc::SECCOMP_RET_ERRNO | error.cast_unsigned() & libc::SECCOMP_RET_DATA
            }
        }
    }
}

/// What the lower 32 bits of an argument, counted from 0, must be. What is an `int` to the kernel,
/// or has its flags there, has nothing to be looked at in the upper ones.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Anything.
    Always,
    /// Has at least one of these bits.
    Any { argument: u8, bits: u32 },
    /// Has none of these bits.
    None { argument: u8, bits: u32 },
    /// Is none of these values.
    NotAmong {
        argument: u8,
        values: &'static [i32],
    },
}

/// What becomes of a call if its argument is so; if not, it is as if there were no rule.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    call: u32,
    when: When,
    verdict: Verdict,
}

impl Rule {
    /// `call` is its number on the processor that the program is for.
    pub const fn new(call: c_long, when: When, verdict: Verdict) -> Self {
        // Numbers of system calls are small; ARM's own have the bits 16 to 19.
        let call = call as u32;
        Self {
            call,
            when,
            verdict,
        }
    }
}

/// A table of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
    /// 32 bits, EABI. A kernel that knows the earlier ABI's numbers, too, has no filters.
    Arm,
}

/// Of a number on x86-64: the call is of the x32 ABI.
const X32: u32 = 1 << 30;

impl Machine {
    /// That of this program.
    pub const OWN: Machine = if cfg!(target_arch = "x86_64") {
        Machine::X86_64
    } else if cfg!(target_arch = "aarch64") {
        Machine::Aarch64
    } else {
        Machine::Arm
    };

    /// How the kernel names it: the number of the processor in ELF files, with the bits 31 for 64-bit
    /// and 30 for little-endian.
    const fn audit_arch(self) -> u32 {
        match self {
            Machine::X86_64 => 62 | 1 << 31 | 1 << 30,
            Machine::Aarch64 => 183 | 1 << 31 | 1 << 30,
            Machine::Arm => 40 | 1 << 30,
        }
    }
}

/// Applies rules to this thread and all that it starts, for good. With several filters the
/// strictest verdict holds.
pub fn apply(rules: Vec<Rule>, otherwise: Verdict) -> Result<(), String> {
    let program = assemble(Machine::OWN, rules, otherwise)?;
    seccompiler::apply_filter(&program).map_err(|error| error.to_string())
}

// Where `struct seccomp_data` has what.
const NUMBER: u32 = 0;
const AUDIT_ARCH: u32 = 4;
/// Of the lower half, on little-endian processors.
const fn argument_at(argument: u8) -> u32 {
    16 + 8 * argument as u32
}

const fn load(offset: u32) -> sock_filter {
    instruction(BPF_LD | BPF_W | BPF_ABS, offset, 0, 0)
}

const fn end(value: u32) -> sock_filter {
    instruction(BPF_RET | BPF_K, value, 0, 0)
}

/// Compares what was loaded with `value`; the number of instructions to pass over if it is so, and
/// if not.
const fn jump(comparison: u32, value: u32, yes: u8, no: u8) -> sock_filter {
    instruction(BPF_JMP | BPF_K | comparison, value, yes, no)
}

const fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = code as u16;
    sock_filter { code, jt, jf, k }
}

/// The program. Two rules for one call are an error.
fn assemble(
    machine: Machine,
    mut rules: Vec<Rule>,
    otherwise: Verdict,
) -> Result<BpfProgram, String> {
    rules.sort_unstable_by_key(|rule| rule.call);
    if let Some(twice) = rules.windows(2).find(|pair| pair[0].call == pair[1].call) {
        return Err(format!("two rules for system call {}", twice[0].call));
    }
    let mut program = vec![
        load(AUDIT_ARCH),
        jump(BPF_JEQ, machine.audit_arch(), 1, 0),
        end(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER),
    ];
    if machine == Machine::X86_64 {
        // The same calls again: no list says anything about these numbers.
        program.push(jump(BPF_JSET, X32, 0, 1));
        program.push(end(Verdict::Errno(libc::EPERM).value()));
    }
    program.extend(tree(&rules, otherwise)?);
    Ok(program)
}

/// What finds the rule of the number that was loaded.
fn tree(rules: &[Rule], otherwise: Verdict) -> Result<Vec<sock_filter>, String> {
    match rules {
        [] => Ok(vec![end(otherwise.value())]),
        [rule] => leaf(rule, otherwise),
        _ => {
            let (below, rest) = rules.split_at(rules.len() / 2);
            let mut parts = tree(below, otherwise)?;
            let over = u8::try_from(parts.len()).map_err(|_| "too many rules")?;
            parts.insert(0, jump(BPF_JGE, rest[0].call, over, 0));
            parts.extend(tree(rest, otherwise)?);
            Ok(parts)
        }
    }
}

fn leaf(rule: &Rule, otherwise: Verdict) -> Result<Vec<sock_filter>, String> {
    let mut parts = match rule.when {
        When::Always => Vec::new(),
        When::Any { argument, bits } => {
            vec![load(argument_at(argument)), jump(BPF_JSET, bits, 0, 1)]
        }
        When::None { argument, bits } => {
            vec![load(argument_at(argument)), jump(BPF_JSET, bits, 1, 0)]
        }
        When::NotAmong { argument, values } => {
            let mut parts = vec![load(argument_at(argument))];
            for (value, over) in values.iter().zip((1..=values.len()).rev()) {
                let over = u8::try_from(over).map_err(|_| "too many values")?;
                parts.push(jump(BPF_JEQ, value.cast_unsigned(), over, 0));
            }
            parts
        }
    };
    parts.extend([end(rule.verdict.value()), end(otherwise.value())]);
    let over = u8::try_from(parts.len() - 1).map_err(|_| "too many values")?;
    parts.insert(0, jump(BPF_JEQ, rule.call, 0, over));
    Ok(parts)
}

#[cfg(test)]
#[path = "bpf_tests.rs"]
mod tests;
