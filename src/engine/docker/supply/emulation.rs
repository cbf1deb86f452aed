//! Which machines' programs this machine emulates: what is registered with the kernel's
//! `binfmt_misc`.

use std::path::Path;

/// Where the kernel shows it.
pub(super) const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// What is emulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Emulation {
    /// Nobody can tell: the engine is elsewhere, or the kernel's list is not to be seen here.
    Unknown,
    /// Programs with these marks.
    Of(Vec<Machine>),
}

/// What the head of an ELF file says of the machine that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// 1 for 32 bits, 2 for 64.
    class: u8,
    /// 1 for little endian, 2 for big.
    data: u8,
    /// The architecture's number.
    number: u16,
}

impl Emulation {
    /// Reads the kernel's list. Blocks, if it has to be mounted first.
    pub(super) fn read(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name));
        // There in every mount of it, and nowhere else.
        let Ok(status) = text("status") else {
            return Self::Unknown;
        };
        let Ok(entries) = folder.read_dir() else {
            return Self::Unknown;
        };
        if status.trim() != "enabled" {
            return Self::Of(Vec::new());
        }
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let handlers = names.filter(|name| name != "status" && name != "register");
        let texts = handlers.filter_map(|name| text(&name).ok());
        Self::Of(texts.filter_map(|text| handled(&text)).collect())
    }

    /// Whether programs of an architecture, by Go's name, may be emulated.
    pub(super) fn may_run(&self, architecture: &str) -> bool {
        match (self, machine(architecture)) {
            (Self::Unknown, _) | (_, None) => true,
            (Self::Of(handled), Some(machine)) => handled.contains(&machine),
        }
    }
}

/// The machine whose programs a handler takes, by the kernel's description of it.
fn handled(text: &str) -> Option<Machine> {
    let value = |name: &str| {
        let lines = text.lines();
        let mut values = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next()
    };
    let enabled = text.lines().next() == Some("enabled");
    if !enabled || value("offset") != Some("0") {
        return None;
    }
    let magic = value("magic")?;
    let byte = |at: usize| u8::from_str_radix(magic.get(at * 2..at * 2 + 2)?, 16).ok();
    let is_elf = [0x7f, b'E', b'L', b'F'];
    if (0..4).any(|at| byte(at) != Some(is_elf[at])) {
        return None;
    }
    let data = byte(5)?;
    let number = [byte(18)?, byte(19)?];
    Some(Machine {
        class: byte(4)?,
        data,
        number: match data {
            2 => u16::from_be_bytes(number),
            _ => u16::from_le_bytes(number),
        },
    })
}

/// The marks of an architecture's programs; none for one that is not known here.
fn machine(architecture: &str) -> Option<Machine> {
    let (class, data, number) = match architecture {
        "386" => (1, 1, 3),
        "amd64" => (2, 1, 62),
        "arm" => (1, 1, 40),
        "arm64" => (2, 1, 183),
        "loong64" => (2, 1, 258),
        "mips64le" => (2, 1, 8),
        "ppc64le" => (2, 1, 21),
        "riscv64" => (2, 1, 243),
        "s390x" => (2, 2, 22),
        _ => return None,
    };
    Some(Machine {
        class,
        data,
        number,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARM: &str = "enabled\ninterpreter /usr/bin/qemu-arm-static\nflags: F\noffset 0\n\
        magic 7f454c4601010100000000000000000002002800\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";
    const S390X: &str = "enabled\ninterpreter /usr/bin/qemu-s390x\nflags: OCF\noffset 0\n\
        magic 7f454c4602020100000000000000000000020016\n";

    #[test]
    fn what_handlers_take() {
        assert_eq!(handled(ARM), machine("arm"));
        assert_eq!(handled(S390X), machine("s390x"));
        for other in [
            &*ARM.replace("enabled", "disabled"),
            &ARM.replace("7f45", "cafe"),
            &ARM.replace("offset 0", "offset 1"),
            "enabled\ninterpreter /usr/bin/python3\nflags: \nextension .py\n",
            "enabled\noffset 0\nmagic 7f45\n",
            "",
        ] {
            assert_eq!(handled(other), None, "{other}");
        }
    }

    #[test]
    fn read_from_the_kernels_folder() {
        let folder = tempfile::tempdir().expect("is made");
        let write = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).expect("is written");
        };
        // A folder where nothing is mounted says nothing.
        assert_eq!(Emulation::read(folder.path()), Emulation::Unknown);
        assert!(Emulation::Unknown.may_run("s390x"));
        write("status", "enabled\n");
        let nothing = Emulation::read(folder.path());
        assert!(!nothing.may_run("arm") && !nothing.may_run("s390x"));
        // Of what is not known here nobody can say that it does not run.
        assert!(nothing.may_run("sparc64"));
        write("register", "");
        write("qemu-arm", ARM);
        let arm = Emulation::read(folder.path());
        assert!(arm.may_run("arm") && !arm.may_run("arm64"));
        write("status", "disabled\n");
        assert!(!Emulation::read(folder.path()).may_run("arm"));
    }
}
