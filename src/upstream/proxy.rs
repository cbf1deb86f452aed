//! Which proxy the way to a host goes through: told by the environment, as for other programs.

use ureq::http::Uri;

/// A proxy that the environment names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The variable.
    pub(super) variable: &'static str,
    /// Its URL, which may hold a password.
    pub(super) url: String,
}

/// The proxy for a URL; none if there is none, or if `NO_PROXY` has its host.
pub(super) fn proxy_of(uri: &Uri, environment: &dyn Fn(&str) -> Option<String>) -> Option<Named> {
    let set = |variable: &str| environment(variable).filter(|value| !value.trim().is_empty());
    let without = set("no_proxy").or_else(|| set("NO_PROXY"));
    if is_without(uri.host()?, &without.unwrap_or_default()) {
        return None;
    }
    let own = match uri.scheme_str() {
        Some("https") => ["https_proxy", "HTTPS_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY"],
    };
    let variables = own.into_iter().chain(["all_proxy", "ALL_PROXY"]);
    let mut named = variables.filter_map(|variable| {
        let url = set(variable)?.trim().to_owned();
        Some(Named { variable, url })
    });
    named.next()
}

/// Whether a host is in a list such as `localhost,.example.com,10.0.0.1`: itself, or with a
/// domain that it is in. `*` has every host.
fn is_without(host: &str, list: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    list.split([',', ' ']).any(|entry| {
        let entry = entry.trim().to_ascii_lowercase();
        let domain = entry.trim_start_matches("*.").trim_start_matches('.');
        let domain = domain.trim_matches(['[', ']']);
        match host.strip_suffix(domain) {
            _ if entry == "*" => true,
            _ if domain.is_empty() => false,
            Some(before) => before.is_empty() || before.ends_with('.'),
            None => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &'static str, environment: &[(&str, &str)]) -> Option<(&'static str, String)> {
        let get = |name: &str| {
            let mut set = environment.iter();
            set.find(|(set, _)| *set == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let named = proxy_of(&Uri::from_static(uri), &get)?;
        Some((named.variable, named.url))
    }

    #[test]
    fn each_scheme_has_its_own() {
        let environment = [
            ("http_proxy", "http://a"),
            ("HTTPS_PROXY", " http://b:3128 "),
        ];
        assert_eq!(
            of("http://h", &environment),
            Some(("http_proxy", "http://a".into()))
        );
        let expected = Some(("HTTPS_PROXY", "http://b:3128".into()));
        assert_eq!(of("https://h", &environment), expected);
        let environment = [("https_proxy", ""), ("ALL_PROXY", "c")];
        assert_eq!(
            of("https://h", &environment),
            Some(("ALL_PROXY", "c".into()))
        );
        assert_eq!(of("https://h", &[]), None);
    }

    #[test]
    fn hosts_without() {
        let uses = |uri, list| of(uri, &[("all_proxy", "p"), ("NO_PROXY", list)]).is_some();
        for list in [
            "*",
            "h.example.com",
            "localhost, .example.com",
            "*.Example.com",
            "com",
        ] {
            assert!(!uses("https://h.example.com:8443", list), "{list}");
        }
        for list in ["", " , ", "example.org", "le.com", "x.h.example.com"] {
            assert!(uses("https://h.example.com", list), "{list}");
        }
        assert!(!uses("http://[::1]:80", "::1"));
        assert!(!uses("http://10.0.0.1", "127.0.0.1,10.0.0.1"));
    }
}
