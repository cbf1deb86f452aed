//! Which sandboxes stay warm, and which are made ready before they are asked for: decisions only,
//! with the time handed in.
//!
//! # What is known
//!
//! Each action that is called has a profile (`profile`): histograms of how long it rests between
//! two calls (`gaps`), whether it is called at regular times (`beat`), and what its cold start
//! takes. A call updates it in constant time and allocates nothing. Histograms forget within hours.
//! There are so many profiles (`book`); beyond, the least used goes.
//!
//! # What is decided
//!
//! **How long an idle sandbox stays.** A fixed time is too long for an action that is called in
//! bursts: each burst leaves a sandbox behind for nothing. From the histogram follows at every
//! moment what staying on promises: calls that will find the sandbox, for each second that it
//! stays. It goes as soon as that is less than one call in ten times the longest time that
//! sandboxes may be idle. Where little is known it stays for that time, as without this; it never
//! stays longer, so that whoever sets a bound can rely on it. For calls that come evenly at random
//! no moment is better than another, so nothing is lost there; what is saved is the tail.
//!
//! **Further sandboxes of one action** are of use only when calls overlap, so they are judged by
//! the gaps between overlapping calls.
//!
//! **What is made ready.** Where calls come at regular times, or somebody has announced one
//! ([`Warmth::expect`]), a sandbox that has gone meanwhile is started shortly before: twice its
//! cold start, and three times the jitter that was seen. If no call comes it goes again at once.
//!
//! **What goes when there are too many.** Idle sandboxes may hold so much memory in all. Beyond,
//! the one goes whose staying is worth least: what it promises, times the cold start that a call
//! would be spared, for each MB that it holds. So a slow start is kept longer than a fast one, a
//! small sandbox longer than a large one, and one that is called often longer than one that is not.
//!
//! The idea of keeping by histograms of idle times, with the tail as the end and a start ahead of
//! time, is that of Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020); that of ordering by
//! frequency, cost and size that of Fuerst and Sharma, "FaasCache" (ASPLOS 2021). Different here:
//! bins of growing width, so that a profile is small enough for a gateway; a rule for when to go that needs no
//! percentile chosen beforehand; a fixed upper bound; and overlapping calls have a histogram of
//! their own.

mod beat;
mod book;
mod gaps;
mod keeper;
mod profile;

pub use keeper::{Advice, Cost, Settings, Warmth};
