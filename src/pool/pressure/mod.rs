//! Memory pressure: whether the machine has memory for more sandboxes.
//!
//! Two things tell that it has not. What is available falls below a floor; or tasks stall because
//! they wait for memory (the kernel's pressure stall information) while not much is available. The
//! second half of that matters: one container that thrashes at its own limit stalls, too, and
//! nothing is won for it by removing others.
//!
//! [`judge`] decides, with readings and the time handed in: idle sandboxes go, one after the other,
//! with a new reading in between; while the pressure lasts no sandbox is started. [`gauge`] reads
//! what the kernel tells of the machine, and of the control groups that the daemon is confined to;
//! [`trigger`] lets the kernel say when tasks stall, so that nothing has to ask.

mod cgroup;
mod gauge;
mod judge;
mod text;
mod trigger;

pub use gauge::{Gauge, Read, machine_memory};
pub use judge::{Judge, Level, Reading};
pub use trigger::Trigger;
