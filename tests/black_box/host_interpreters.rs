//! Kinds that the runtimes manifest gives to the machine's own node and python: they behave as in
//! containers, and have no way to the daemon and its files.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::daemon::{Daemon, Setup};
use crate::runtimes::{
    Language, NODE, PYTHON, behaves_as_openwhisk_does, call, fails_as_openwhisk_does, runs_zips,
};

/// A daemon without Docker whose manifest switches the interpreters on.
struct Host {
    owl: Daemon,
    client: Client,
    folder: TempDir,
}

impl Host {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("make a folder");
        let manifest = folder.path().join("runtimes.json");
        let text = json!({"runtimes": {
            "nodejs": [{"kind": "nodejs:20", "default": true, "engine": "process"}],
            "python": [],
            "mine": [
                {"kind": "python:3.11", "default": true, "engine": "process"},
                {"kind": "cobol:1", "engine": "process"}
            ]
        }});
        std::fs::write(&manifest, text.to_string()).expect("write the manifest");
        let owl = Setup::new()
            .one_at_a_time()
            .env("OWL_RUNTIMES", manifest.to_str().expect("a path in UTF-8"))
            .data_dir(&folder.path().join("data"))
            .start();
        let client = owl.client();
        Host {
            owl,
            client,
            folder,
        }
    }

    /// Runs an action once, with these arguments.
    fn run(&self, language: &Language, code: &str, arguments: &Value) -> Value {
        self.client.action("once", language.kind, code, json!({}));
        self.client.invoke("once", arguments).expect_success()
    }
}

#[test]
fn node_behaves_and_fails_as_in_a_container() {
    let host = Host::start();
    behaves_as_openwhisk_does(&host.client, &NODE);
    fails_as_openwhisk_does(&host.client, &NODE);
    assert!(host.owl.log().contains("nodejs:20 runs on this host's /"));
}

#[test]
fn python_behaves_and_fails_as_in_a_container() {
    let host = Host::start();
    behaves_as_openwhisk_does(&host.client, &PYTHON);
    fails_as_openwhisk_does(&host.client, &PYTHON);
    assert!(host.owl.log().contains("python:3.11 runs on this host's /"));
}

#[test]
fn zips_run() {
    runs_zips(&Host::start().client);
}

#[test]
fn the_default_of_the_family_is_the_hosts() {
    let host = Host::start();
    host.client
        .action("defaulted", "nodejs:default", NODE.echo, json!({}));
    let action = host.client.get("actions/defaulted").json();
    assert_eq!(action["exec"]["kind"], "nodejs:20");
    assert_eq!(
        host.client
            .invoke("defaulted", &json!({"a": 1}))
            .expect_success(),
        json!({"a": 1})
    );
}

#[test]
fn without_an_entry_nothing_runs_on_the_host() {
    let owl = Setup::new().start();
    let client = owl.client();
    for kind in ["nodejs:20", "python:3.11"] {
        client.action("refused", kind, "anything", json!({}));
        client.invoke("refused", &json!({})).expect_failure(
            500,
            "whisk internal error",
            &json!(format!(
                "The kind '{kind}' needs a Docker Engine, and none answers on this gateway."
            )),
        );
    }
    assert!(!owl.log().contains("this host"), "{}", owl.log());
}

#[test]
fn a_kind_without_an_interpreter_is_refused() {
    let host = Host::start();
    assert!(host.owl.log().contains("not cobol:1"), "{}", host.owl.log());
    host.client
        .action("unknown", "cobol:1", "anything", json!({}));
    host.client.invoke("unknown", &json!({})).expect_failure(
        500,
        "whisk internal error",
        &json!(
            "The kind 'cobol:1' needs an image in this gateway's runtimes manifest: only \
             quickjs, nodejs and python kinds run as processes."
        ),
    );
}

#[test]
fn an_action_calls_the_api_with_its_key() {
    let host = Host::start();
    let code = "const http = require('http')
function main() {
  const { __OW_API_HOST: host, __OW_API_KEY: auth } = process.env
  return new Promise((resolve, reject) => {
    http.get(`${host}/api/v1/namespaces/_/actions`, { auth }, response => {
      let body = ''
      response.on('data', part => body += part)
      response.on('end', () => resolve({ host, status: response.statusCode, actions: JSON.parse(body) }))
    }).on('error', reject)
  })
}";
    let body = json!({
        "exec": {"kind": "nodejs:20", "code": code},
        "annotations": [{"key": "provide-api-key", "value": true}]
    });
    assert_eq!(host.client.put("actions/calls", &body).status, 200);
    let seen = host.client.invoke("calls", &json!({})).expect_success();
    let url = seen["host"].as_str().expect("a URL");
    assert!(url.starts_with("http://127.0.0.1:"), "{seen}");
    assert_eq!(seen["status"], 200, "{seen}");
    assert_eq!(seen["actions"][0]["name"], "calls", "{seen}");
}

#[test]
fn an_action_that_exits_or_uses_up_memory_is_told_and_replaced() {
    let host = Host::start();
    for language in [&NODE, &PYTHON] {
        for code in [language.exits, language.allocates] {
            let answer = call(&host.client, language, code, json!({"memory": 128}));
            assert_eq!(answer.status, 502, "{code}: {answer}");
            let status = &answer.json()["response"]["status"];
            assert!(
                ["action developer error", "application error"]
                    .map(Value::from)
                    .contains(status),
                "{code}: {answer}"
            );
            let answer = call(&host.client, language, language.echo, json!({}));
            assert_eq!(answer.expect_success(), json!({}), "{}", language.kind);
        }
    }
    // A heap of V8 that is full ends the process: that is told as what it is.
    let code = "function main() { const all = []; for (;;) all.push({ n: all.length }) }";
    call(&host.client, &NODE, code, json!({"memory": 128})).expect_failure(
        502,
        "action developer error",
        &json!("The action exhausted its memory and was aborted."),
    );
    host.client.expect_alive();
}

#[test]
fn files_of_the_daemon_and_of_users_are_out_of_reach() {
    let host = Host::start();
    let secret = host.folder.path().join("for-everybody");
    std::fs::write(&secret, "secret").expect("write a file");
    let data = host.folder.path().join("data");
    assert!(data.join("device.key").exists());
    let places = json!({
        "readable": [data.join("device.key"), data.join("data.mdb"), secret, "/etc/shadow", "/dev/kmsg",
            format!("/proc/{}/environ", host.owl.id())],
        "listed": [data, host.folder.path(), "/root", "/home", "/run", "/var", "/sys"],
        "writable": ["/etc/owl-test", "/usr/owl-test", "/owl-test", "/proc/sys/kernel/hostname"],
    });
    let node = "const fs = require('fs')
const attempt = act => { try { return act() } catch (error) { return error.code } }
function main(a) {
  fs.writeFileSync('/tmp/own', 'mine')
  return {
    readable: a.readable.map(file => attempt(() => 'read: ' + fs.readFileSync(file, 'utf8').length)),
    listed: a.listed.map(folder => attempt(() => fs.readdirSync(folder))),
    writable: a.writable.map(file => attempt(() => { fs.writeFileSync(file, 'x'); return 'written' })),
    own: fs.readFileSync('/tmp/own', 'utf8'),
    tmp: fs.readdirSync('/tmp').filter(name => !name.startsWith('owl-action-'))
  }
}";
    let python = "import os
def attempt(act, *args):
    try:
        return act(*args)
    except OSError as error:
        return os.strerror(error.errno)
def read(file):
    return 'read: %d' % len(open(file, 'rb').read())
def write(file):
    open(file, 'w').write('x')
    return 'written'
def main(a):
    write('/tmp/own')
    return {
        'readable': [attempt(read, file) for file in a['readable']],
        'listed': [attempt(os.listdir, folder) for folder in a['listed']],
        'writable': [attempt(write, file) for file in a['writable']],
        'own': 'mine' if read('/tmp/own') == 'read: 1' else '',
        'tmp': [name for name in os.listdir('/tmp') if not name.startswith('owl-action-')],
    }";
    for (language, code) in [(&NODE, node), (&PYTHON, python)] {
        let seen = host.run(language, code, &places);
        for (list, attempts) in places.as_object().expect("an object") {
            let results = seen[list].as_array().expect("an array");
            assert_eq!(results.len(), attempts.as_array().map_or(0, Vec::len));
            for (place, result) in attempts.as_array().into_iter().flatten().zip(results) {
                let refused = result.as_str().is_some_and(|text| {
                    ["ENOENT", "EACCES", "EROFS", "EPERM"].contains(&text)
                        || text.starts_with("No such file")
                        || text.starts_with("Permission denied")
                        || text.starts_with("Read-only")
                });
                assert!(refused, "{} {list} {place}: {result}", language.kind);
            }
        }
        assert_eq!(seen["own"], "mine");
        // Each sandbox has its own: what node wrote is not there for python.
        assert_eq!(seen["tmp"], json!(["own"]), "{}", language.kind);
    }
    assert!(!Path::new("/tmp/own").exists());
}

#[test]
fn processes_and_the_kernel_are_out_of_reach() {
    let host = Host::start();
    let code = "import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    ctypes.set_errno(0)
    return errno.errorcode.get(ctypes.get_errno()) if getattr(libc, name)(*args) == -1 else 'done'
def kill(pid):
    try:
        os.kill(pid, 9)
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]
def family(number):
    try:
        socket.socket(number, socket.SOCK_DGRAM)
        return 'done'
    except OSError as error:
        return errno.errorcode[error.errno]
def main(a):
    status = dict(line.split(':', 1) for line in open('/proc/self/status').read().splitlines())
    return {
        'daemon': kill(a['daemon']),
        'proxy': kill(1),
        'processes': sum(name.isdigit() for name in os.listdir('/proc')),
        'open': [os.readlink('/proc/self/fd/' + name) for name in os.listdir('/proc/self/fd')
            if os.path.lexists('/proc/self/fd/' + name)],
        'uid': os.getuid(),
        'status': {key: status[key].strip() for key in
            ['CapEff', 'CapPrm', 'CapBnd', 'NoNewPrivs', 'Seccomp']},
        'mount': call('mount', b'tmpfs', b'/tmp', b'tmpfs', 0, None),
        'unshare': call('unshare', 0x10000000),
        'ptrace': call('ptrace', 16, 1, None, None),
        'reboot': call('reboot', 0),
        'packet': family(socket.AF_PACKET),
        'vsock': family(socket.AF_VSOCK),
        'inet': family(socket.AF_INET),
        'hostname': call('sethostname', b'x', 1),
        'devices': sorted(os.listdir('/dev')),
    }";
    let seen = host.run(&PYTHON, code, &json!({"daemon": host.owl.id()}));
    assert_eq!(seen["daemon"], "ESRCH");
    // Its kill goes unheard: the first process of a PID namespace answers this.
    assert_eq!(seen["proxy"], "done");
    // The proxy and itself.
    assert_eq!(seen["processes"], 2, "{seen}");
    // Pipes and /dev/null: no socket or file of the proxy or the daemon.
    for open in seen["open"].as_array().expect("descriptors") {
        let open = open.as_str().expect("a text");
        assert!(open.starts_with("pipe:") || open == "/dev/null", "{seen}");
    }
    assert_eq!(seen["uid"], 65534);
    assert_eq!(
        seen["status"],
        json!({"CapEff": "0000000000000000", "CapPrm": "0000000000000000",
            "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"})
    );
    for name in [
        "mount", "unshare", "ptrace", "reboot", "packet", "vsock", "hostname",
    ] {
        assert_eq!(seen[name], "EPERM", "{name}: {seen}");
    }
    assert_eq!(seen["inet"], "done");
    assert_eq!(
        seen["devices"],
        json!([
            "fd", "full", "null", "random", "shm", "stderr", "stdin", "stdout", "urandom", "zero"
        ])
    );
    host.client.expect_alive();
}

#[test]
fn processes_are_counted_and_end_with_the_sandbox() {
    let host = Host::start();
    // One that has left the session and the group of its action is still found.
    let mark = format!("9{}", host.owl.id());
    let code = "import os, subprocess
def main(a):
    subprocess.Popen(['sleep', a['mark']], start_new_session=True)
    n = 0
    try:
        while n < 1000:
            if os.fork() == 0:
                os.execvp('sleep', ['sleep', a['mark']])
            n += 1
    except BlockingIOError:
        pass
    return {'n': n}";
    let counted = host.run(&PYTHON, code, &json!({ "mark": mark }));
    let n = counted["n"].as_u64().expect("a number");
    assert!((200..256).contains(&n), "{n} processes");
    assert!(processes_with(&mark) > 200);
    // The only place is taken by another action.
    let answer = call(&host.client, &NODE, NODE.echo, json!({}));
    assert_eq!(answer.expect_success(), json!({}));
    let deadline = Instant::now() + Duration::from_secs(30);
    while processes_with(&mark) > 0 {
        assert!(Instant::now() < deadline, "processes are left");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How many processes of the machine have this argument.
fn processes_with(argument: &str) -> usize {
    std::fs::read_dir("/proc")
        .expect("list processes")
        .filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok())
        .filter(|words| {
            words
                .split(|&byte| byte == 0)
                .any(|word| word == argument.as_bytes())
        })
        .count()
}

#[test]
fn a_fork_bomb_ends_with_its_time() {
    let host = Host::start();
    let code = "import os
def main(args):
    while True:
        try:
            os.fork()
        except OSError:
            pass";
    call(&host.client, &PYTHON, code, json!({"timeout": 1000})).expect_failure(
        502,
        "action developer error",
        &json!("The action exceeded its time limits of 1000 milliseconds."),
    );
    host.client.expect_alive();
    let answer = call(&host.client, &PYTHON, PYTHON.echo, json!({}));
    assert_eq!(answer.expect_success(), json!({}));
}

#[test]
fn nothing_of_the_daemons_environment_is_seen() {
    let host = Host::start();
    let seen = host.run(
        &NODE,
        "function main() { return { names: Object.keys(process.env).sort() } }",
        &json!({}),
    );
    let names = seen["names"].as_array().expect("names");
    let foreign: Vec<_> = names
        .iter()
        .filter_map(Value::as_str)
        .filter(|name| !name.starts_with("__OW_"))
        .collect();
    assert_eq!(foreign, ["HOME", "LANG", "NODE_OPTIONS", "PATH"]);
}
