//! A document as a table for people, 80 characters wide.

use std::fmt::Write;

use super::document::{Document, Images, Memory, Sandbox};
use super::words::{Lasting, count, fit};

/// Characters of a line.
const WIDTH: usize = 80;

/// The whole table.
pub fn table(document: &Document) -> String {
    let mut text = String::new();
    head(&mut text, document);
    sandboxes(&mut text, &document.sandboxes);
    queue(&mut text, document);
    if let Some(images) = &document.images {
        pulls(&mut text, images);
    }
    text
}

/// A line of the head. Writing to a text cannot fail, here and below.
fn row(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name:<12}{}", fit(value, WIDTH - 12));
}

fn head(text: &mut String, document: &Document) {
    let (pool, tally) = (&document.pool, &document.tally);
    let uptime = Lasting(document.uptime);
    let _ = writeln!(
        text,
        "owl {}, process {}, up {uptime}",
        fit(&document.version, 20),
        document.pid
    );
    for address in &document.addresses {
        row(text, "listens", address);
    }
    let takes = match document.accepts {
        true => "",
        false => "; no new calls are taken",
    };
    let longest = document.queue.first().map(|line| Lasting(line.longest));
    let longest = longest.map_or(String::new(), |longest| {
        format!(", the first for {longest}")
    });
    let calls = format!(
        "{} in flight, {} of them waiting{longest}{takes}",
        document.running, pool.waiting
    );
    row(text, "calls", &calls);
    let there = pool.starting + pool.busy + pool.idle + pool.frozen + pool.stems + pool.removing;
    row(text, "sandboxes", &format!("{there} of {}", pool.capacity));
    let phases = [
        (pool.busy, "busy"),
        (pool.starting, "starting"),
        (pool.idle, "idle"),
        (pool.frozen, "frozen"),
        (pool.stems, "stem"),
        (pool.removing, "going"),
    ];
    let phases = phases.map(|(number, name)| format!("{number} {name}"));
    row(text, "", &phases.join(", "));
    let memory = format!("{} of {} MB by limits", pool.memory, pool.memory_budget);
    row(text, "memory", &memory);
    if let Some(memory) = &document.memory {
        row(text, "", &machine(memory));
    }
    let given = tally.hits + tally.colds + tally.stems;
    let share = match given {
        0 => String::new(),
        given => format!(" ({} %)", tally.hits * 100 / given),
    };
    let starts = format!(
        "{} warm{share}, {} cold, {} from stem cells, {} ahead of calls",
        tally.hits, tally.colds, tally.stems, tally.prepared
    );
    row(text, "starts", &starts);
    let waits = format!("{} waited, {} refused", tally.waited, tally.refused);
    row(text, "", &waits);
    let evictions = tally.evictions.iter().filter(|(_, number)| **number > 0);
    let evictions: Vec<String> = evictions
        .map(|(cause, number)| format!("{number} {cause}"))
        .collect();
    let evictions = match evictions.is_empty() {
        true => "none".to_owned(),
        false => evictions.join(", "),
    };
    row(text, "evictions", &evictions);
    let engines = document.engines.iter();
    let engines: Vec<String> = engines
        .map(|engine| format!("{} {}", engine.name, engine.state))
        .collect();
    row(text, "engines", &engines.join(", "));
    if let Some(images) = &document.images {
        row(text, "images", &format!("{} pulled by OWL", images.own));
    }
}

fn machine(memory: &Memory) -> String {
    let mut text = match memory.available {
        Some(available) => format!("{available} MB available on the machine"),
        None => "the machine does not tell what is available".to_owned(),
    };
    if memory.floor > 0 {
        let _ = write!(text, ", floor {}", memory.floor);
    }
    if let Some(stalled) = memory.stalled.filter(|stalled| *stalled > 0.0) {
        let _ = write!(text, ", stalled {stalled} %");
    }
    if memory.short {
        text.push_str(": SHORT");
    }
    text
}

fn sandboxes(text: &mut String, sandboxes: &[Sandbox]) {
    if sandboxes.is_empty() {
        return;
    }
    text.push_str("\nSANDBOX PHASE     SINCE   KIND            MB    RUNS  ACTION\n");
    for sandbox in sandboxes {
        let Sandbox {
            slot, memory, runs, ..
        } = sandbox;
        let _ = writeln!(
            text,
            "{slot:>7} {:<8} {:>6}   {:<12} {memory:>5} {runs:>7}  {}",
            fit(&sandbox.phase, 8),
            Lasting(sandbox.lasts),
            fit(&sandbox.kind, 12),
            fit(&what_for(sandbox), WIDTH - 54)
        );
    }
}

/// The action, and for whom if that is another namespace.
fn what_for(sandbox: &Sandbox) -> String {
    let Some(action) = &sandbox.action else {
        return String::new();
    };
    let own = action.split('/').next();
    let mut text = match &sandbox.namespace {
        Some(namespace) if own != Some(namespace) => format!("{action} for {namespace}"),
        _ => action.clone(),
    };
    if let Some(cause) = &sandbox.retired {
        let _ = write!(text, " (goes: {cause})");
    }
    text
}

fn queue(text: &mut String, document: &Document) {
    if document.queue.is_empty() {
        return;
    }
    text.push_str("\nWAITING LONGEST NAMESPACE            ACTION\n");
    for line in &document.queue {
        let _ = writeln!(
            text,
            "{:>7} {:>7} {:<20} {}",
            line.waiting,
            Lasting(line.longest),
            fit(&line.namespace, 20),
            fit(&line.action, WIDTH - 37)
        );
    }
    if document.queue_more > 0 {
        let _ = writeln!(
            text,
            "and {}",
            count(document.queue_more as u64, "more action")
        );
    }
}

fn pulls(text: &mut String, images: &Images) {
    if !images.pulls.is_empty() {
        text.push_str("\nPULLING   SINCE  LAYERS          MB  IMAGE\n");
    }
    for pull in &images.pulls {
        let share = match pull.size {
            0 => "-".to_owned(),
            size => format!("{} %", pull.bytes.min(size) * 100 / size),
        };
        let layers = format!("{}/{}", pull.done, pull.layers);
        let bytes = format!("{}/{}", pull.bytes / 1_000_000, pull.size / 1_000_000);
        let _ = writeln!(
            text,
            "{share:>7} {:>7} {layers:>7} {bytes:>11}  {}",
            Lasting(pull.lasts),
            fit(&pull.image, WIDTH - 37)
        );
    }
    if !images.failed.is_empty() {
        text.push_str("\nIMAGES THAT COULD NOT BE PULLED\n");
    }
    for failed in &images.failed {
        let again = match failed.tried_again {
            true => "tried again by itself",
            false => "tried again when it is needed",
        };
        let since = Lasting(failed.lasts);
        let _ = writeln!(text, "{} ({since} ago, {again})", fit(&failed.image, 40));
        let _ = writeln!(text, "    {}", beginning(&failed.reason));
    }
}

/// As much of a reason as fits: it says the most at its beginning.
fn beginning(reason: &str) -> String {
    let plain = fit(reason, usize::MAX);
    plain.chars().take(WIDTH - 4).collect()
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
