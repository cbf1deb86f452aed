//! Which value wins, and which are refused.

use super::*;
use crate::engine::docker::Keeping;

fn read(
    flags: &[(&'static str, &str)],
    environment: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let flags: Vec<_> = flags
        .iter()
        .map(|(name, value)| (*name, value.to_string()))
        .collect();
    Config::read(&flags, &|name| {
        environment
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_string())
    })
}

#[test]
fn defaults_are_the_prototypes() {
    let config = read(&[], &[("HOME", "/home/pi")]).unwrap();
    assert_eq!(config.port, 3000);
    assert_eq!(config.pool.capacity, 5);
    assert_eq!(config.longest_wait, Duration::from_secs(100));
    assert_eq!(config.pool.preemption.idle, Duration::from_secs(600));
    assert_eq!(config.boot_timeout, Duration::from_secs(10));
    assert!(config.blackbox_auto_pull);
    assert_eq!(config.images.templates.to_string(), "{name}");
    assert_eq!(config.images.keeping, Keeping::default());
    assert!(!config.delegate_on_failure);
    assert_eq!(config.docker, DockerHost::Usual);
    assert_eq!(config.data_dir, Path::new("/home/pi/.local/share/owl"));
    assert_eq!(config.bind, [IpAddr::from([127, 0, 0, 1])]);
}

#[test]
fn flags_win_over_environment() {
    let environment = [("OWL_PORT", "4000"), ("OWL_HOST_CAPACITY", "7")];
    let config = read(&[("OWL_PORT", "5000")], &environment).unwrap();
    assert_eq!((config.port, config.pool.capacity), (5000, 7));
    let shown = config.to_string();
    assert!(shown.contains("OWL_PORT=5000"), "{shown}");
    assert_eq!(
        shown.lines().count(),
        SETTINGS.len(),
        "each setting is read once"
    );
}

#[test]
fn bad_values_are_refused_by_name() {
    for (name, value, message) in [
        ("OWL_PORT", "http", "a whole number from 0 to 65535"),
        ("OWL_PORT", "65536", "a whole number from 0 to 65535"),
        ("OWL_BIND", "localhost", "a list of IP addresses"),
        ("OWL_PREEMPTION_HIGH", "1.5", "a fraction from 0 to 1"),
        ("OWL_PREEMPTION_HIGH", "NaN", "a fraction from 0 to 1"),
        ("OWL_DELEGATE_ON_FAILURE", "perhaps", "true or false"),
        (
            "OWL_NEXT_OPENWHISK",
            "ftp://cloud.example",
            "an http:// or https:// URL without a user, in ASCII (any other host by its name with xn--)",
        ),
        (
            "OWL_NEXT_OPENWHISK",
            "https://b\u{fc}cher.example",
            "an http:// or https:// URL without a user, in ASCII (any other host by its name with xn--)",
        ),
        (
            "DOCKER_HOST",
            "npipe://x",
            "unix:///PATH, tcp://HOST:PORT or none",
        ),
        (
            "OWL_IMAGE_TEMPLATES",
            "{name}-{cpu}",
            "a list of at most 8 names, each with one {name}, and with {tag}, {arch} and {variant} as needed",
        ),
        ("OWL_IMAGES_AGE", "old", "a whole number from 0 to 3650"),
        (
            "OWL_LOG_LEVEL",
            "loud",
            "one of error, warn, info, debug, trace",
        ),
    ] {
        let error = read(&[], &[(name, value)]).unwrap_err().to_string();
        assert_eq!(error, format!("{name}: '{value}' is not {message}"));
    }
    let error = read(&[("OWL_PORT", "x")], &[]).unwrap_err().to_string();
    assert!(error.starts_with("--port: 'x'"), "{error}");
    assert!(read(&[], &[("OWL_PREEMPTION_LOW", "0.9")]).is_err());
}

#[test]
fn no_tries_means_no_waiting() {
    let config = read(&[], &[("OWL_RETRIES_NUMBER", "0")]).unwrap();
    assert_eq!(
        (config.longest_wait, config.queue_length),
        (Duration::ZERO, 0)
    );
}

#[test]
fn systemd_says_where_the_state_is() {
    let config = read(
        &[],
        &[
            ("STATE_DIRECTORY", "/var/lib/owl:/var/lib/x"),
            ("HOME", "/root"),
        ],
    );
    assert_eq!(config.unwrap().data_dir, Path::new("/var/lib/owl"));
}

#[test]
fn misspelt_names_are_found() {
    let names = ["OWL_PROT", "OWL_PORT", "PATH", "OWL_TEST_X"].map(String::from);
    assert_eq!(unknown_names(names.into_iter()), ["OWL_PROT"]);
}
