//! The pool on a real engine: what it promises, under generated load and while things go wrong.

mod census;
mod faults;
mod load;
mod memory;
mod preemption;
mod runs;
mod storm;
mod traces;

use serde_json::{Value, json};

use load::Target;

/// The image that does what it is told.
const FAKE: &str = "owl-test/fake-runtime:test";

/// Tells its token and answers it, in node.
const NODE: &str = "
const net = require('net')
function main({ token, tell, pause }) {
  const [host, port] = tell.split(':')
  return new Promise((done, fail) => {
    const counter = net.connect(port, host, () => counter.write(`${token}\\n`))
    counter.on('error', fail)
    counter.once('data', () => { counter.end(); setTimeout(done, pause * 1000, { token }) })
  })
}";

/// Answers its token.
const QUICKJS: &str = "function main({ token, pause }) {
  return new Promise(done => setTimeout(done, pause * 1000, { token }))
}";

/// What an action is made of.
#[derive(Clone, Copy, Debug)]
enum Made {
    Fake,
    Blackbox,
    Node,
    QuickJs,
}

impl Made {
    fn exec(self) -> Value {
        match self {
            Made::Fake => json!({"kind": "fake:1", "code": "{}"}),
            Made::Blackbox => json!({"kind": "blackbox", "image": FAKE, "code": "{}"}),
            Made::Node => json!({"kind": "nodejs:20", "code": NODE}),
            Made::QuickJs => json!({"kind": "quickjs:1", "code": QUICKJS}),
        }
    }

    fn target(self, action: &str, memory: u32) -> Target {
        Target {
            action: action.to_owned(),
            exec: self.exec(),
            memory,
            tells: !matches!(self, Made::QuickJs),
        }
    }
}
