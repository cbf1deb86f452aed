//! From the path of a request to the web action that it leads to.

use std::borrow::Cow;

use super::template::MOST_BASE_SEGMENTS;
use super::{Apis, Backend, GatewayError, Verb};
use crate::entity::Secret;

/// Where a request to an API leads.
#[derive(Debug)]
pub enum Routed {
    /// To a web action.
    To {
        /// Which.
        backend: Backend,
        /// What it wants in `X-Require-Whisk-Auth`.
        secure_key: Option<Secret>,
        /// Names and values of the parameters in the path.
        parameters: Vec<(String, String)>,
    },
    /// The path does not have the method; it has these.
    OtherMethods(Vec<&'static str>),
    /// There is no such path.
    Nowhere,
}

impl Apis {
    /// Where a request leads. `path` is what stands behind the namespace, in decoded segments.
    ///
    /// The longest base path that has the path decides, whatever its methods are.
    pub fn route(
        &self,
        namespace: &str,
        path: &[Cow<'_, str>],
        verb: Option<Verb>,
    ) -> Result<Routed, GatewayError> {
        let segments: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
        for base in (0..=segments.len().min(MOST_BASE_SEGMENTS)).rev() {
            let (base, rest) = segments.split_at(base);
            // No base path has an empty segment, nor a slash that was encoded.
            let odd = |segment: &&str| segment.is_empty() || segment.contains('/');
            if base.iter().any(odd) {
                continue;
            }
            let base = format!("/{}", base.join("/"));
            let Some(api) = self.at(namespace, &base)? else {
                continue;
            };
            let Some(found) = api.matched(rest) else {
                continue;
            };
            let Some((backend, secure_key)) = verb.and_then(|verb| found.operation(verb)) else {
                return Ok(Routed::OtherMethods(found.methods()));
            };
            return Ok(Routed::To {
                backend: backend.clone(),
                secure_key: secure_key.cloned(),
                parameters: found.parameters,
            });
        }
        Ok(Routed::Nowhere)
    }
}
