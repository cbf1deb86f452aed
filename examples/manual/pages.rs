//! The manual pages, in troff's language.

use std::fmt::Write;

use owl::config::SETTINGS;

use crate::commands::Command;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `owl(1)`.
pub fn owl(commands: &[Command]) -> String {
    let mut page = title("OWL", 1);
    page += &format!(
        ".SH NAME\nowl \\- {}\n.SH SYNOPSIS\n.B owl\n.RI [ command ]\n.RI [ arguments ]\n",
        escaped("the Apache OpenWhisk API for gateways")
    );
    page += ".SH DESCRIPTION\n";
    page += &paragraphs(&[
        "OpenWhisk-Light gives one machine the REST API of Apache OpenWhisk. Actions run in containers of the local Docker Engine, or, of the kind quickjs:1, in locked-down child processes.",
        "As a service it is owl.service, whose settings are in /etc/owl/owl.conf: see owl.conf(5). It listens on loopback; the public key of the namespace guest, which everybody knows, opens the API there and nowhere else. Other namespaces get keys by owl key create, which has to be run as the user of the service:",
    ]);
    page += ".PP\n.RS\n.nf\nrunuser \\-u owl \\-\\- owl key \\-\\-data\\-dir /var/lib/owl create plant\\-1\n.fi\n.RE\n";
    page += ".SH COMMANDS\n";
    page += &paragraphs(&["Without a command it serves."]);
    for command in commands {
        page += &section(command);
    }
    page += ".SH FILES\n";
    for (file, about) in [
        ("/etc/owl/owl.conf", "Settings of the service."),
        (
            "/var/lib/owl",
            "Its state: actions, activations, keys. Its format depends on the word size of the machine.",
        ),
        (
            "/etc/credstore/owl-device-key",
            "Credential that seals the keys in the store, instead of /var/lib/owl/device.key; 32 bytes or more, and there before the first start.",
        ),
        (
            "/etc/credstore/owl-operator",
            "Credential with name:password of the operator, where OWL_OPERATOR_FILE is not set.",
        ),
    ] {
        page += &entry(file, about);
    }
    page += ".SH EXIT STATUS\n";
    page += &entry("0", "Success.");
    page += &entry("1", "It failed, and has said why on standard error.");
    page += &entry(
        "78",
        "Settings that cannot be used: the service is not started again.",
    );
    page + ".SH SEE ALSO\n.BR owl.conf (5)\n"
}

/// What is said about one command.
fn section(command: &Command) -> String {
    if command.path.is_empty() {
        return String::new();
    }
    let mut text = format!(".SS owl {}\n", escaped(&command.words()));
    text += &paragraphs(&[&sentence(&command.about)]);
    // Its options are the settings.
    let is_serve = command.path == ["serve"];
    if is_serve {
        text += &paragraphs(&[
            "Every setting of owl.conf(5) is also an option: OWL_HOST_CAPACITY is --host-capacity, and so on.",
        ]);
    }
    let options = command.options.iter().filter(|(name, _)| {
        let is_setting = SETTINGS.iter().any(|setting| setting.flag() == *name);
        !(is_serve && is_setting)
    });
    for (name, about) in command.arguments.iter().chain(options) {
        text += &entry(name, &sentence(about));
    }
    text
}

/// `owl.conf(5)`.
pub fn settings() -> String {
    let mut page = title("OWL.CONF", 5);
    page += ".SH NAME\nowl.conf \\- settings of OpenWhisk\\-Light\n.SH SYNOPSIS\n/etc/owl/owl.conf\n.SH DESCRIPTION\n";
    page += &paragraphs(&[
        "The settings of owl.service, NAME=value, one a line. Lines that begin with # or ; are comments, and a value may stand in quotes. What is not set has its default. A name that is no setting, and a value that cannot be used, are refused by name.",
        "systemctl reload owl reads the file again. What cannot change while calls run holds from the next start on; the journal tells which.",
        "The same names are those of environment variables, which win over the file, and each is an option of owl serve, which wins over both: OWL_HOST_CAPACITY is --host-capacity. OWL_CONFIG=/etc/owl/owl.conf owl serve --print-config shows what is in force, and where it came from.",
    ]);
    page += ".SH SETTINGS\n";
    for setting in SETTINGS {
        let mut about = sentence(setting.help);
        if !setting.default.is_empty() {
            let _ = write!(about, " The default is {}.", setting.default);
        }
        page += &entry(setting.name, &about);
    }
    page + ".SH SEE ALSO\n.BR owl (1)\n"
}

fn title(name: &str, section: u8) -> String {
    format!(".TH {name} {section} \"\" \"OpenWhisk\\-Light {VERSION}\"\n")
}

fn paragraphs(texts: &[&str]) -> String {
    texts
        .iter()
        .map(|text| format!(".PP\n{}\n", escaped(text)))
        .collect()
}

fn entry(name: &str, about: &str) -> String {
    format!(".TP\n.B {}\n{}\n", escaped(name), escaped(about))
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    let rest = letters.as_str();
    let stop = if rest.ends_with('.') { "" } else { "." };
    first.into_iter().collect::<String>() + rest + stop
}

/// What troff would take for its own is made text.
fn escaped(text: &str) -> String {
    let text = text
        .replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('`', "");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
