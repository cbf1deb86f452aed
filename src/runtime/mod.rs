//! The action proxy that runs inside a sandbox.
