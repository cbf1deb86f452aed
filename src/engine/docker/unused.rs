//! Removing containers that nobody uses, side by side.

use std::sync::Arc;

use smol::Task;
use smol::lock::Semaphore;

use crate::http::client::within;

use super::AT_A_TIME;
use super::adopt::let_go;
use super::client::Client;
use super::containers::ContainerSummary;
use super::error::DockerError;
use super::freezer::Ways;
use super::registry::Registry;
use super::removal::{OTHERS, removed};

/// Removes those of the containers that are not in use: they are gone then, but for those that an
/// engine does not remove for half a minute.
///
/// # Errors
/// The engine is away.
pub(super) async fn remove_unused(
    client: &Client,
    registry: &Registry,
    ways: &Arc<Ways>,
    containers: &[ContainerSummary],
) -> Result<(), DockerError> {
    // Asked after the list was made: what is in it and not here now was never ours, or is not
    // any more.
    let in_use = registry.names();
    let unused: Vec<String> = containers
        .iter()
        .filter(|container| !in_use.contains(container.name()))
        .map(|container| container.id.clone())
        .collect();
    if !unused.is_empty() {
        log::info!("removing {} containers that nobody uses", unused.len());
    }
    match remove(client, ways, unused).await.pop() {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// Removes containers side by side; errors are collected: that the engine is away.
pub(super) async fn remove(
    client: &Client,
    ways: &Arc<Ways>,
    ids: Vec<String>,
) -> Vec<DockerError> {
    let permits = Arc::new(Semaphore::new(AT_A_TIME));
    let removals: Vec<Task<Result<(), DockerError>>> = ids
        .into_iter()
        .map(|id| {
            let (permits, remover, ways) = (permits.clone(), client.clone(), ways.clone());
            client.executor().spawn(async move {
                let _permit = permits.acquire().await;
                let_go(&remover, &ways, &id).await;
                let removed = within(OTHERS, removed(&remover, &id)).await;
                removed.unwrap_or_else(|_| {
                    log::warn!("container {id} cannot be removed: it is left");
                    Ok(())
                })
            })
        })
        .collect();
    let mut errors = Vec::new();
    for removal in removals {
        errors.extend(removal.await.err());
    }
    errors
}
