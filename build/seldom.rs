//! Has the linker put code that a daemon seldom runs in a place of its own.
//!
//! The kernel maps the program's file in pieces of 64 KB around each page that is touched. With
//! what every call runs strewn among what a gateway may never run, nearly all of the file would be
//! in memory; with the two apart, much of it is not.
//!
//! The list is advice: code that it names works from its other place just as well, and a name that
//! is gone matches nothing. To renew it, run a daemon under a profiler that counts each function,
//! and look for crates and modules of which none has run.

use std::error::Error;
use std::path::Path;

/// Paths of crates and modules whose code lies apart: theirs, and what others make for their types.
const SELDOM: &[&str] = &[
    // Containers.
    "owl::engine::docker",
    "miniserde",
    // Another OpenWhisk.
    "owl::api::master",
    "owl::cli::sync",
    "owl::cli::upstreams",
    "owl::master",
    "owl::upstream",
    "rustls",
    "rustls_pki_types",
    "ureq",
    "ureq_proto",
    "webpki",
    // Where a panic happened.
    "addr2line",
    "gimli",
    "rustc_demangle",
    "std::backtrace_rs",
    // Values as texts for messages, and fractions as texts.
    "core::fmt::Debug",
    "core::fmt::builders",
    "core::num::flt2dec",
    "serde_json::error",
    // Sorting.
    "core::slice::sort::stable",
    "core::slice::sort::unstable",
    // Archives.
    "crc32fast",
    "miniz_oxide",
    "tar",
    "typed_path",
    "zip",
    // Names of hosts.
    "idna",
    "smallvec",
    // The other end of the protocol, which sandboxes run.
    "landlock",
    "owl::runtime::actionloop",
    "owl::runtime::output",
    "owl::runtime::proxy",
    "owl::runtime::quickjs",
    "owl::runtime::server",
    "owl::runtime::signals",
    "rquickjs_core",
    "seccompiler",
    // Commands other than `serve`.
    "owl::cli::check",
    "owl::cli::demo",
    "owl::cli::image",
    "owl::cli::key",
    "owl::cli::rest",
    "owl::cli::runtime",
    // Requests other than calls of actions.
    "owl::api::activations",
    "owl::api::chunks",
    "owl::api::docs",
    "owl::api::limits",
    "owl::api::operator",
    "owl::api::packages",
    "owl::api::rules",
    "owl::api::system",
    "owl::api::triggers",
    "owl::api::web",
    "owl::builtin::apimgmt",
    "owl::builtin::lines",
    "owl::builtin::run",
    "owl::builtin::samples",
    "owl::builtin::utils",
    "owl::catalog::lists",
    "owl::catalog::rules",
    "owl::catalog::sequence",
    "owl::entity::new_package",
    "owl::entity::new_rule",
    "owl::entity::new_trigger",
    "owl::entity::package",
    "owl::entity::pretty_json",
    "owl::entity::rule",
    "owl::entity::trigger",
    "owl::gateway",
    "owl::invoke::account",
    "owl::invoke::composite",
    "owl::invoke::composition",
    "owl::invoke::fired",
    "owl::invoke::follow",
    "owl::invoke::rules",
    "owl::invoke::sequence",
    "owl::metrics::text",
];

/// Linkers that do not read such scripts. rustc's own choices, and zig's, do.
const OTHER_LINKERS: [&str; 3] = ["gold", "mold", "wild"];

/// Gives the linker a script that adds one output section behind the usual one for code.
pub fn place(out: &Path) -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build");
    let variable = |name| std::env::var(name).unwrap_or_default();
    let chosen = variable("CARGO_ENCODED_RUSTFLAGS") + &variable("RUSTC_LINKER");
    let elf = variable("CARGO_CFG_TARGET_OS") == "linux";
    let other = OTHER_LINKERS.iter().any(|linker| chosen.contains(linker));
    if !elf || other || variable("OPT_LEVEL") == "0" {
        return Ok(());
    }
    let script = out.join("seldom.ld");
    let patterns: Vec<_> = SELDOM.iter().flat_map(|path| patterns(path)).collect();
    let text = format!(
        "SECTIONS {{ .text.seldom : {{ *({}) }} }} INSERT AFTER .text;\n",
        patterns.join(" ")
    );
    std::fs::write(&script, text)?;
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    Ok(())
}

/// The sections of a path's functions, and of those that others make for its types, in the two
/// manglings that rustc has: lengths before parts at first, dots between them inside of types.
fn patterns(path: &str) -> [String; 3] {
    let parts = path.split("::");
    let lengths: String = parts
        .clone()
        .map(|part| format!("{}{part}", part.len()))
        .collect();
    let dots: String = parts.map(|part| format!("{part}..")).collect();
    // The last part may be a trait, with no dots behind it.
    let dots = match path.contains("::") {
        true => dots.trim_end_matches('.'),
        false => &dots,
    };
    [
        format!(".text._ZN{lengths}*"),
        format!(".text._R*_{lengths}?*"),
        format!(".text._ZN*{dots}*"),
    ]
}
