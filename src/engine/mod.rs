//! Where sandboxes come from: Docker containers, or locked-down children of the daemon.

pub mod docker;
mod error;
mod event;
mod hold;
mod image;
pub mod logs;
pub mod process;
pub mod proxy;
mod spec;

use std::io;

use crate::BoxFuture;
use crate::http::client::Wire;
pub use error::{FreezeError, StartError};
pub use event::{Event, Listener};
pub use hold::{Held, Hold};
pub use image::{ImageNeed, Mismatch};
use logs::LogSink;
pub use spec::{Found, Purpose, SandboxSpec};

/// A source of sandboxes.
pub trait Engine: Send + Sync {
    /// `docker` or `process`, for logs and metrics.
    fn name(&self) -> &'static str;

    /// Starts a sandbox in a place of the pool, which is held until nothing of it is there any
    /// more, nor can come: also when this fails, or is given up. It may still be booting when this
    /// returns: `/init` is retried.
    fn start_in<'a>(
        &'a self,
        spec: &'a SandboxSpec,
        hold: Hold,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>>;

    /// [`Engine::start_in`] no place of a pool.
    fn start<'a>(
        &'a self,
        spec: &'a SandboxSpec,
    ) -> BoxFuture<'a, Result<Box<dyn Sandbox>, StartError>> {
        self.start_in(spec, Hold::default())
    }

    /// The sandboxes that an earlier process of this daemon has left, as far as they are fit to be
    /// used again: idle, and answering. What is not fit is removed. To be called once, before the first start.
    fn adopt(&self) -> BoxFuture<'_, Vec<Found>> {
        Box::pin(async { Vec::new() })
    }

    /// Sandboxes will need an image: whoever has images sees to it in the background that it is
    /// there. Neither waits nor fails.
    fn expect_image(&self, _need: ImageNeed) {}
}

/// One running sandbox: a proxy that answers `/init` and `/run`.
pub trait Sandbox: Send + Sync {
    /// Container id or process id, for logs.
    fn id(&self) -> &str;

    /// A fresh connection to the proxy. `ConnectionRefused` and the like mean: still booting.
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>>;

    /// What it printed.
    fn logs(&self) -> &LogSink;

    /// Whether it is known to have ended (exit, kill, engine gone).
    fn has_exited(&self) -> bool;

    /// Whether it was killed for memory; asks the engine, waiting up to 2 s for the flag
    /// (reference section 7.5). Called after a broken connection only.
    fn killed_for_memory(&self) -> BoxFuture<'_, bool>;

    /// The image and for what that is made, if this ended because its programs are for machines of
    /// another architecture. Asked of one that has ended before it took anything only.
    fn foreign(&self) -> BoxFuture<'_, Option<(String, Mismatch)>> {
        Box::pin(async { None })
    }

    /// Stops everything in it where it is, so that it uses no processor until it is thawed. Nothing
    /// is lost; its connections stay open, but its timers fire when it is thawed, and it may close
    /// them then. Only an idle one may be frozen: that it is frozen tells a later process of the
    /// daemon that no run was under way.
    ///
    /// May be called again, and beside [`Sandbox::thaw`], which then wins. To be carried to its
    /// end: dropped half-way it leaves open whether the sandbox is frozen.
    fn freeze(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async { Err(FreezeError::Unsupported("this engine has no way to do it")) })
    }

    /// Lets it go on. Does nothing, and costs nothing, if it is not frozen.
    fn thaw(&self) -> BoxFuture<'_, Result<(), FreezeError>> {
        Box::pin(async { Ok(()) })
    }

    /// Whether it goes on without this process of the daemon, so that a later one can use it again.
    fn outlives(&self) -> bool {
        false
    }

    /// Kills and removes it, frozen or not. When this returns it is gone, or its engine does not
    /// answer: then its place stays held until it is gone.
    fn remove(&self) -> BoxFuture<'_, ()>;
}
