//! What a sandbox is to be, and what one is that an earlier process has left.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

use super::{Held, Sandbox};

/// What a sandbox is to be.
#[derive(Clone, Debug)]
pub struct SandboxSpec {
    /// Concrete kind, such as `nodejs:20`, `quickjs:1` or `blackbox`.
    pub kind: String,
    /// Image to run; none for the process engine.
    pub image: Option<String>,
    /// Whether the image is a user's, rather than one of the runtimes manifest: section 7.8 of
    /// the reference tells what a failed pull means for each.
    pub blackbox: bool,
    /// Whether the image may be pulled: always for a user's `latest`, else when it is missing.
    pub pull: bool,
    /// What it is started for; none for a stem cell.
    pub purpose: Option<Purpose>,
    /// Memory limit in MB.
    pub memory: u32,
    /// Value of `cpu-shares`: `max(2, 1024 / (pool memory div memory))`.
    pub cpu_shares: u32,
    /// Environment of the container, such as `__OW_API_HOST`.
    pub env: Vec<(String, String)>,
}

/// The state of an action that a sandbox runs, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Invoking namespace.
    pub namespace: String,
    /// `ns/[pkg/]name` of the action.
    pub action: String,
    /// Version of the action.
    pub version: String,
    /// Tells apart a deleted and recreated action.
    pub revision: u64,
}

impl SandboxSpec {
    /// A short text that is the same for two specifications if the sandboxes made of them can
    /// stand for each other, whatever action they are initialised with. It is the same in every
    /// run of the daemon.
    pub fn digest(&self) -> String {
        let mut context = Context::new(&SHA256);
        // With its length in front, so that no two lists of texts are the same bytes.
        let mut add = |text: &str| {
            context.update(&(text.len() as u64).to_be_bytes());
            context.update(text.as_bytes());
        };
        add(&self.kind);
        add(self.image.as_deref().unwrap_or_default());
        add(&format!(
            "{} {} {}",
            self.blackbox, self.memory, self.cpu_shares
        ));
        for (name, value) in &self.env {
            add(name);
            add(value);
        }
        let digest = context.finish();
        digest.as_ref()[..8]
            .iter()
            .fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// A sandbox that an earlier process of this daemon has left. It still runs and answers, and no run
/// was under way in it when that process ended. Whoever does not want it drops it: then it is
/// removed.
pub struct Found {
    /// The sandbox, ready to be used: thawed, if it was frozen.
    pub sandbox: Box<dyn Sandbox>,
    /// What it was started for; none for one that was started as a stem cell, whose labels do not
    /// tell what it was initialised with.
    pub purpose: Option<Purpose>,
    /// The [`SandboxSpec::digest`] of what it was made of.
    pub digest: String,
    /// Tells when nothing of it is there any more, once it is removed or dropped.
    pub held: Held,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> SandboxSpec {
        SandboxSpec {
            kind: "nodejs:20".into(),
            image: Some("node".into()),
            blackbox: false,
            pull: true,
            purpose: None,
            memory: 256,
            cpu_shares: 128,
            env: vec![("A".into(), "b".into())],
        }
    }

    #[test]
    fn digests_are_those_of_what_matters() {
        // What containers of earlier versions are labelled with must stay readable.
        assert_eq!(spec().digest(), "c881062b7da8ae4b");
        let mut same = spec();
        same.pull = false;
        same.purpose = Some(Purpose {
            namespace: "guest".into(),
            action: "guest/hello".into(),
            version: "0.0.1".into(),
            revision: 7,
        });
        assert_eq!(same.digest(), spec().digest());
        let changes: [fn(&mut SandboxSpec); 7] = [
            |spec| spec.kind = "nodejs:22".into(),
            |spec| spec.image = None,
            |spec| spec.blackbox = true,
            |spec| spec.memory = 128,
            |spec| spec.cpu_shares = 2,
            |spec| spec.env.clear(),
            |spec| spec.env = vec![("Ab".into(), String::new())],
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut other = spec();
            change(&mut other);
            assert_ne!(other.digest(), spec().digest(), "{number}");
        }
    }
}
