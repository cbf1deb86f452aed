//! The record here of a fired trigger that is the master's: it tells how far it has come.

use super::fire::StoredFire;
use crate::entity::{Activation, ActivationId, Response, Status, Whereabouts, fire_entry};
use crate::store::ActivationRow;

/// Why a fired trigger was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It has waited too long.
    Expired,
    /// Others needed its room.
    Displaced,
    /// Somebody has decided so.
    Dropped,
}

impl Cause {
    /// What is told of it.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Expired => {
                "it has waited for the master for longer than OWL_FIRES_AGE, and was given up"
            }
            Self::Displaced => {
                "it was given up to make room (OWL_FIRES_SIZE) for others that wait for the master"
            }
            Self::Dropped => "it waited for the master, and was given up with owl sync drop",
        }
    }
}

/// How far a fired trigger has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits.
    Waiting,
    /// The master has got it. The id that it has there; none if no rule was active.
    Delivered(Option<ActivationId>),
    /// The master does not fire it: why.
    Refused(String),
    /// It was given up.
    GivenUp(Cause),
}

impl Stage {
    /// How the activation has ended, and why, if that is to be told.
    fn failure(&self) -> Option<(Status, &str)> {
        match self {
            Self::Waiting | Self::Delivered(_) => None,
            Self::Refused(reason) => Some((Status::ApplicationError, reason)),
            Self::GivenUp(cause) => Some((Status::InternalError, cause.text())),
        }
    }
}

/// The record of a fired trigger whose master has this URL. Like that of any trigger it has no end.
pub fn row(fire: &StoredFire, stage: &Stage, url: &str) -> ActivationRow {
    let response = match stage.failure() {
        None => Response {
            status: Status::Success,
            result: Some(fire.payload()),
            size: None,
        },
        Some((status, message)) => Response::error(status, message),
    };
    let record = Activation {
        id: fire.id,
        namespace: fire.namespace.clone(),
        name: fire.trigger.clone(),
        filter_name: fire.trigger.clone(),
        subject: fire.subject.clone(),
        version: fire.version.clone(),
        cause: None,
        start: fire.at,
        end: None,
        duration: None,
        response,
        logs: entry(stage, url).into_iter().collect(),
        annotations: vec![whereabouts(fire, stage, url).annotation()],
    };
    ActivationRow {
        id: record.id,
        head: record.head(),
        tail: record.tail(),
        namespace: record.namespace,
        filter_name: record.filter_name,
        start: record.start,
    }
}

/// Where it is followed, and why there.
fn whereabouts<'a>(fire: &'a StoredFire, stage: &Stage, url: &'a str) -> Whereabouts<'a> {
    Whereabouts {
        url: Some(url.into()),
        reason: (&*fire.reason).into(),
        activation_id: match stage {
            Stage::Delivered(id) => *id,
            _ => None,
        },
    }
}

/// The entry of the log that tells what came of it; none while it waits.
fn entry(stage: &Stage, url: &str) -> Option<String> {
    let followed = match (stage, stage.failure()) {
        (Stage::Waiting, _) => return None,
        (Stage::Delivered(id), _) => Ok(id.as_ref()),
        (_, Some(failure)) => Err(failure),
        (_, None) => Ok(None),
    };
    Some(fire_entry::of_master(url, followed))
}

#[cfg(test)]
mod tests {
    use super::super::fire::tests::fire;
    use super::*;
    use crate::entity::record;

    fn shown(stage: Stage) -> String {
        let row = row(&fire(), &stage, "https://m");
        assert_eq!((&*row.namespace, &*row.filter_name), ("ns", "my t"));
        String::from_utf8(record(&row.head, &row.tail).unwrap()).unwrap()
    }

    #[test]
    fn what_the_master_has_answered() {
        let waiting = shown(Stage::Waiting);
        let start = concat!(
            r#"{"namespace":"ns","name":"my t","version":"0.0.3","publish":false,"annotations":"#,
            r#"[{"key":"owl-tier","value":{"url":"https://m","reason":"why"}}],"#,
            r#""activationId":"41414141414141414141414141414141","start":7,"subject":"someone","#,
            r#""response":{"status":"success","success":true,"result":{"n":1.50}},"logs":[]}"#
        );
        assert_eq!(waiting, start);
        let id = "42".repeat(16);
        let delivered = shown(Stage::Delivered(Some(id.parse().unwrap())));
        assert!(delivered.contains(&format!(r#""reason":"why","activationId":"{id}"}}"#)));
        let entry = format!(
            r#"{{\"master\":\"https://m\",\"statusCode\":0,\"success\":true,\"activationId\":\"{id}\"}}"#
        );
        assert!(delivered.contains(&entry), "{delivered}");
        let refused = shown(Stage::Refused("the master answered 404".into()));
        let response = concat!(
            r#""response":{"status":"application error","success":false,"#,
            r#""result":{"error":"the master answered 404"}}"#
        );
        assert!(refused.contains(response), "{refused}");
        let expired = shown(Stage::GivenUp(Cause::Expired));
        assert!(expired.contains(r#"\"statusCode\":3"#) && expired.contains("OWL_FIRES_AGE"));
        assert!(shown(Stage::GivenUp(Cause::Displaced)).contains("OWL_FIRES_SIZE"));
        assert!(shown(Stage::GivenUp(Cause::Dropped)).contains("owl sync drop"));
    }
}
