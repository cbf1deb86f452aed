//! stub
#![allow(missing_docs)]
use super::*;
use std::sync::Arc;
pub struct ProcessEngine;
#[derive(Default)]
pub struct ProcessOptions {}
impl ProcessEngine {
    pub fn new(_: crate::Executor, _: ProcessOptions) -> Arc<Self> {
        Arc::new(Self)
    }
}
impl Engine for ProcessEngine {
    fn name(&self) -> &'static str {
        "process"
    }
    fn start<'a>(
        &'a self,
        _s: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        Box::pin(async { Err(StartError::Failed("stub".into())) })
    }
}
pub fn probe() -> Vec<(&'static str, Result<(), String>)> {
    vec![]
}
