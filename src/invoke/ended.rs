//! Activations that end without a run.

use super::InvokeError;
use super::burst::Reason;
use super::execute::{Attempt, Finished, Printed};
use super::record::{Executed, Reached};
use crate::clock::now;
use crate::engine::{Mismatch, StartError};
use crate::entity::{Response, Status};
use crate::pool::Refusal;

/// Why an activation cannot be run here. Nothing of it has been run: it may run elsewhere.
#[derive(Debug)]
pub(super) struct Unable {
    /// In short.
    pub(super) reason: Reason,
    /// How the activation ends if it does not run elsewhere.
    pub(super) status: Status,
    /// What its record says then.
    pub(super) message: String,
}

impl Unable {
    /// Nothing to run it in is to be had.
    pub(super) fn unprovided(reason: Reason, message: impl Into<String>) -> Self {
        Unable {
            reason,
            status: Status::InternalError,
            message: message.into(),
        }
    }

    /// What a caller who waits is told instead of the record, where a limit of this gateway was in
    /// the way; none where OpenWhisk itself has a record say it (reference section 7.8).
    fn refusal(&self) -> Option<InvokeError> {
        let text = self.message.clone();
        match self.reason {
            Reason::QueueFull | Reason::Wait => Some(InvokeError::Overloaded(text)),
            Reason::Image | Reason::Start => None,
            Reason::NoCapacity
            | Reason::Kind
            | Reason::Architecture
            | Reason::Limits
            | Reason::Cloud
            | Reason::Earliest
            | Reason::Left
            | Reason::Nowhere => Some(InvokeError::Unavailable(text)),
        }
    }

    /// The image is made for other machines.
    pub(super) fn foreign(image: &str, mismatch: &Mismatch) -> Self {
        Unable {
            reason: Reason::Architecture,
            status: Status::DeveloperError,
            message: mismatch.text(image),
        }
    }
}

impl From<Refusal> for Unable {
    fn from(refusal: Refusal) -> Self {
        let reason = match refusal {
            Refusal::NoCapacity => Reason::NoCapacity,
            Refusal::TooLarge { .. } => Reason::Limits,
            Refusal::QueueFull(_) | Refusal::NoMemory => Reason::QueueFull,
            Refusal::Stopping => Reason::Start,
        };
        Self::unprovided(reason, refusal.to_string())
    }
}

impl From<Unable> for InvokeError {
    fn from(unable: Unable) -> Self {
        let refusal = unable.refusal();
        refusal.unwrap_or(InvokeError::Unavailable(unable.message))
    }
}

impl From<Unable> for Finished {
    fn from(unable: Unable) -> Self {
        let response = Response::error(unable.status, &unable.message);
        Finished {
            refusal: unable.refusal().map(Box::new),
            ..ended(Reached::Action, response)
        }
    }
}

/// An activation that ends without a run.
pub(super) fn ended(reached: Reached, response: Response) -> Finished {
    Finished {
        executed: Executed::not_run(now(), reached, response),
        printed: Printed::Nothing,
        place: None,
        refusal: None,
    }
}

/// An activation whose payload is nothing that an action could get.
pub(super) fn bad_arguments(error: &serde_json::Error) -> Finished {
    let message = format!("The arguments are not a JSON object: {error}");
    let response = Response::error(Status::ApplicationError, &message);
    ended(Reached::Action, response)
}

/// An attempt whose action could not be got (reference section 4.6).
pub(super) fn unfetched(status: Status, message: &str) -> Attempt {
    let response = Response::error(status, message);
    Attempt::Finished(Box::new(ended(Reached::Nothing, response)))
}

/// What a sandbox that could not be started means for the activation (reference section 7.8).
pub(super) fn start_failed(action: &str, error: StartError) -> Attempt {
    log::warn!("{action}: {error}");
    let unable = match error {
        StartError::Pull { image, .. } => Unable {
            reason: Reason::Image,
            status: Status::DeveloperError,
            message: format!("Failed to pull container image '{image}'."),
        },
        StartError::Foreign { image, mismatch } => Unable::foreign(&image, &mismatch),
        StartError::NotExecutable { image } => {
            let text = format!("executable file not found in image {image}");
            let response = Response::error(Status::DeveloperError, &text);
            return Attempt::Finished(Box::new(ended(Reached::Action, response)));
        }
        StartError::Missing(_) => Unable::unprovided(Reason::Image, UNPROVIDED),
        StartError::Unavailable(_) => {
            return Attempt::Later(Unable::unprovided(Reason::Start, UNPROVIDED));
        }
        StartError::Failed(_) => Unable::unprovided(Reason::Start, UNPROVIDED),
    };
    Attempt::Unable(unable)
}

/// What a record says where no sandbox could be started, whatever the reason.
pub(super) const UNPROVIDED: &str = "Failed to provision resources to run the action.";
