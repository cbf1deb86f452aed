//! Requests to the API: how many, by route, method and status, and how long they take.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::histogram::Histogram;
use super::text::{Kind, Text};

/// What a request is about: paths without the names in them, so that their number is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Route {
    /// What is outside `/api`, and the descriptions.
    System,
    /// `/namespaces`
    Namespaces,
    /// `/namespaces/{ns}/limits`
    Limits,
    /// `/namespaces/{ns}/actions`, and those of a package
    Actions,
    /// `/namespaces/{ns}/actions/{name}`
    Action,
    /// `/namespaces/{ns}/packages`
    Packages,
    /// `/namespaces/{ns}/packages/{name}`
    Package,
    /// `/namespaces/{ns}/triggers`
    Triggers,
    /// `/namespaces/{ns}/triggers/{name}`
    Trigger,
    /// `/namespaces/{ns}/rules`
    Rules,
    /// `/namespaces/{ns}/rules/{name}`
    Rule,
    /// `/namespaces/{ns}/activations`
    Activations,
    /// `/namespaces/{ns}/activations/{id}` and below
    Activation,
    /// `/web/...`
    Web,
    /// `/api/{ns}/...` of the API gateway
    Gateway,
    /// Anything else.
    Unknown,
}

/// Labels of [`Route`], in its order.
const ROUTES: [&str; 16] = [
    "system",
    "namespaces",
    "limits",
    "actions",
    "action",
    "packages",
    "package",
    "triggers",
    "trigger",
    "rules",
    "rule",
    "activations",
    "activation",
    "web",
    "gateway",
    "unknown",
];

/// Methods that are told apart; the last stands for all others.
const METHODS: [&str; 6] = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "other"];

/// Statuses that are told apart.
const STATUSES: [u16; 19] = [
    200, 202, 204, 302, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 422, 429, 500, 502, 503,
];

/// With a last one for all other statuses, which web actions may choose.
const STATUS_PLACES: usize = STATUSES.len() + 1;

/// Requests, counted.
pub struct Requests {
    /// By route, method and status.
    counts: Box<[AtomicU64]>,
    /// By route.
    durations: [Histogram; ROUTES.len()],
}

impl Default for Requests {
    fn default() -> Self {
        let places = ROUTES.len() * METHODS.len() * STATUS_PLACES;
        Requests {
            counts: (0..places).map(|_| AtomicU64::new(0)).collect(),
            durations: Default::default(),
        }
    }
}

impl Requests {
    /// Counts a request that was answered, `duration` after its head had come.
    pub fn add(&self, route: Route, method: &str, status: u16, duration: Duration) {
        let others = METHODS.len() - 1;
        let method = METHODS.iter().position(|m| *m == method).unwrap_or(others);
        let status = STATUSES.binary_search(&status).unwrap_or(STATUSES.len());
        let route = route as usize;
        let place = (route * METHODS.len() + method) * STATUS_PLACES + status;
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.durations[route].add(duration);
    }

    /// How many there were in all.
    pub fn total(&self) -> u64 {
        let counts = self.counts.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn write(&self, text: &mut Text) {
        let name = "owl_http_requests_total";
        text.family(name, Kind::Counter, "Requests to the API.");
        for (place, count) in self.counts.iter().enumerate() {
            let count = count.load(Ordering::Relaxed);
            if count == 0 {
                continue;
            }
            let (rest, status) = (place / STATUS_PLACES, place % STATUS_PLACES);
            let status = STATUSES.get(status).map(u16::to_string);
            let labels = [
                ("route", ROUTES[rest / METHODS.len()]),
                ("method", METHODS[rest % METHODS.len()]),
                ("status", status.as_deref().unwrap_or("other")),
            ];
            text.sample(name, &labels, count);
        }
        let name = "owl_http_request_duration_seconds";
        let help = "Time until the answer to a request was ready.";
        text.family(name, Kind::Histogram, help);
        for (route, durations) in ROUTES.iter().zip(&self.durations) {
            durations.write(text, name, &[("route", route)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_by_route_method_and_status() {
        assert!(STATUSES.is_sorted());
        assert_eq!(Route::Unknown as usize, ROUTES.len() - 1);
        let requests = Requests::default();
        let add = |route, method, status| {
            requests.add(route, method, status, Duration::from_millis(3));
        };
        add(Route::Action, "POST", 202);
        add(Route::Action, "POST", 202);
        add(Route::Unknown, "PATCH", 599);
        add(Route::System, "GET", 200);
        assert_eq!(requests.total(), 4);
        let mut text = Text::default();
        requests.write(&mut text);
        let text = text.finish();
        let counts: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("owl_http_requests_total"))
            .collect();
        assert_eq!(
            counts,
            [
                "owl_http_requests_total{route=\"system\",method=\"GET\",status=\"200\"} 1",
                "owl_http_requests_total{route=\"action\",method=\"POST\",status=\"202\"} 2",
                "owl_http_requests_total{route=\"unknown\",method=\"other\",status=\"other\"} 1",
            ]
        );
        assert!(
            text.contains("owl_http_request_duration_seconds_count{route=\"action\"} 2"),
            "{text}"
        );
    }
}
