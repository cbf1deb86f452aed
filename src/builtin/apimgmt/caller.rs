//! Who manages APIs: the namespace whose key came with the request.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::answer::Failure;
use super::arguments::text;
use crate::builtin::Services;
use crate::entity::{GUEST_KEY, Identity, Members, Secret, basic_credentials};
use crate::master::{self, KeyError};

/// Finds out who calls: by the Basic credentials of the request, else by `spaceguid` and
/// `accesstoken`, if they are a uuid and its key.
///
/// The key itself is checked here, so that nobody gets anywhere by calling these actions in another
/// way than through the web, with arguments that pretend to come from there. `__ow_user`, by which
/// the server says that it has accepted the key, must agree: it knows, as this does not, from where
/// the request came.
pub(super) async fn of(
    services: &Services,
    arguments: &Members<'_>,
) -> Result<Arc<Identity>, Failure> {
    if let Some(user) = text(arguments, "__ow_user")? {
        let credentials = arguments.get("__ow_headers").and_then(basic);
        let known = match credentials
            .as_ref()
            .and_then(|c| c.expose().split_once(':'))
        {
            Some((uuid, key)) => authenticated(services, uuid, key).await?,
            None => None,
        };
        return known
            .filter(|identity| identity.namespace == user)
            .ok_or_else(Failure::unauthenticated);
    }
    let (uuid, key) = (
        text(arguments, "spaceguid")?,
        text(arguments, "accesstoken")?,
    );
    let (Some(uuid), Some(key)) = (uuid, key) else {
        return Err(Failure::unauthenticated());
    };
    // The guest's key is known to anybody: it counts only where the server has accepted it.
    if key == GUEST_KEY {
        return Err(Failure::unauthenticated());
    }
    authenticated(services, &uuid, &key)
        .await?
        .ok_or_else(Failure::unauthenticated)
}

async fn authenticated(
    services: &Services,
    uuid: &str,
    key: &str,
) -> Result<Option<Arc<Identity>>, Failure> {
    let keys = services.keys.as_ref();
    match master::authenticate(keys, &services.store, uuid, key, None).await {
        Ok(identity) => Ok(Some(identity)),
        Err(KeyError::Refused) => Ok(None),
        Err(error @ KeyError::Unavailable(_)) => Err(Failure::unavailable(error.to_string())),
        Err(KeyError::Store(error)) => {
            log::error!("a key cannot be checked: {error}");
            Err(Failure::internal())
        }
    }
}

/// `<uuid>:<key>` of the header `authorization`.
fn basic(headers: &RawValue) -> Option<Secret> {
    let headers = Members::of(headers).ok()?;
    let header: String = serde_json::from_str(headers.get("authorization")?.get()).ok()?;
    basic_credentials(&header)
}
