//! Activations that end without a run.

use super::execute::{Attempt, Finished, Printed};
use super::record::{Executed, Reached};
use crate::clock::now;
use crate::engine::StartError;
use crate::entity::{Response, Status};

/// An activation that this gateway will not come to run.
pub(super) fn not_run(message: &str) -> Finished {
    ended(
        Reached::Action,
        Response::error(Status::InternalError, message),
    )
}

/// An activation that ends without a run.
pub(super) fn ended(reached: Reached, response: Response) -> Finished {
    Finished {
        executed: Executed::not_run(now(), reached, response),
        printed: Printed::Nothing,
    }
}

/// An activation whose payload is nothing that an action could get.
pub(super) fn bad_arguments(error: &serde_json::Error) -> Finished {
    let message = format!("The arguments are not a JSON object: {error}");
    let response = Response::error(Status::ApplicationError, &message);
    ended(Reached::Action, response)
}

/// An attempt that did not come to a run.
pub(super) fn failed(status: Status, message: &str) -> Attempt {
    let response = Response::error(status, message);
    Attempt::Finished(Box::new(ended(Reached::Action, response)))
}

/// An attempt whose action could not be got (reference section 4.6).
pub(super) fn unfetched(status: Status, message: &str) -> Attempt {
    let response = Response::error(status, message);
    Attempt::Finished(Box::new(ended(Reached::Nothing, response)))
}

/// What a sandbox that could not be started means for the activation (reference section 7.8).
pub(super) fn start_failed(action: &str, error: StartError) -> Attempt {
    log::warn!("{action}: {error}");
    match error {
        StartError::Pull { image, .. } => failed(
            Status::DeveloperError,
            &format!("Failed to pull container image '{image}'."),
        ),
        StartError::NotExecutable { image } => failed(
            Status::DeveloperError,
            &format!("executable file not found in image {image}"),
        ),
        StartError::Unavailable(_) | StartError::Failed(_) => failed(
            Status::InternalError,
            "Failed to provision resources to run the action.",
        ),
    }
}
