//! What actions on the machine's own interpreters try and must not get: the daemon, its files, other
//! processes, the kernel.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::host_interpreters::Host;
use crate::runtimes::{NODE, PYTHON, call};

#[test]
fn files_of_the_daemon_and_of_users_are_out_of_reach() {
    let host = Host::start();
    let secret = host.folder.path().join("for-everybody");
    std::fs::write(&secret, "secret").expect("write a file");
    let data = host.folder.path().join("data");
    assert!(data.join("device.key").exists());
    let places = json!({
        "readable": [data.join("device.key"), data.join("data.mdb"), secret, "/etc/shadow", "/dev/kmsg",
            format!("/proc/{}/environ", host.owl.id()), "/proc/1/environ", "/proc/1/mem"],
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
