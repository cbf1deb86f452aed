//! A plot of what the master has seen, as SVG.

use std::fmt::Write;
use std::time::Duration;

use crate::simulation::{Scenario, Seen};

/// Seconds that one point of a line stands for.
const STEP: usize = 5;

/// Size of the page, and of a panel in it; in pixels.
const PAGE: [usize; 2] = [880, 560];
const PANEL: [usize; 2] = [780, 190];

/// Where the panels begin, from the left and from above.
const LEFT: usize = 70;
const TOPS: [usize; 2] = [60, 310];

const COLOURS: [&str; 2] = ["#c2410c", "#1d4ed8"];

/// Requests a second and the longest wait, for the same fleet with both manners.
pub fn page(scenario: &Scenario, eager: &Seen, paced: &Seen) -> String {
    let mut page = Page::new();
    let rates = [eager, paced].map(|seen| means(&seen.rates));
    let waits = [eager, paced].map(|seen| longest(&seen.waits));
    page.legend([
        "for comparison: no chance in the probes, no pauses",
        "OWL: probes by chance, what was kept in turns",
    ]);
    page.panel(
        TOPS[0],
        "requests a second at the master",
        200.0,
        &rates,
        scenario,
    );
    page.panel(
        TOPS[1],
        "longest time until an answer, seconds",
        1.0,
        &waits,
        scenario,
    );
    page.finish()
}

fn means(rates: &[u32]) -> Vec<f64> {
    let mean = |some: &[u32]| f64::from(some.iter().sum::<u32>()) / some.len() as f64;
    rates.chunks(STEP).map(mean).collect()
}

fn longest(waits: &[Duration]) -> Vec<f64> {
    let longest = |some: &[Duration]| some.iter().max().map_or(0.0, Duration::as_secs_f64);
    waits.chunks(STEP).map(longest).collect()
}

struct Page(String);

impl Page {
    fn new() -> Self {
        let [width, height] = PAGE;
        Page(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
        ))
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{element}");
    }

    fn legend(&mut self, names: [&str; 2]) {
        for (i, (name, colour)) in names.iter().zip(COLOURS).enumerate() {
            let x = LEFT + i * PANEL[0] / 2;
            let (end, text) = (x + 24, x + 32);
            self.add(format_args!(
                "<path d=\"M{x} 20H{end}\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <text x=\"{text}\" y=\"24\">{name}</text>"
            ));
        }
    }

    /// Lines over the time, with a grid of so many units.
    fn panel(
        &mut self,
        top: usize,
        title: &str,
        unit: f64,
        lines: &[Vec<f64>; 2],
        scenario: &Scenario,
    ) {
        let highest = lines.iter().flatten().copied().fold(unit, f64::max);
        let units = (highest / unit).ceil();
        let [width, height] = PANEL.map(|size| size as f64);
        let (left, bottom) = (LEFT as f64, top as f64 + height);
        let (right, end) = (left + width, scenario.end.as_secs_f64());
        let x = |seconds: f64| left + seconds / end * width;
        let y = |value: f64| bottom - value / (units * unit) * height;

        let (from, to) = (
            x(scenario.lost.as_secs_f64()),
            x(scenario.back.as_secs_f64()),
        );
        let away = to - from;
        self.add(format_args!(
            "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{away:.1}\" height=\"{height}\" fill=\"#eee\"/>\
             <text x=\"{:.1}\" y=\"{}\" fill=\"#777\">the master is away</text>",
            from + 8.0,
            top + 18
        ));
        self.add(format_args!(
            "<text x=\"{LEFT}\" y=\"{}\">{title}</text>",
            top - 10
        ));
        for step in 0..=units as u32 {
            let value = f64::from(step) * unit;
            let y = y(value);
            self.add(format_args!(
                "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
                left - 8.0,
                y + 4.0
            ));
        }
        for minute in (0..=scenario.end.as_secs() / 60).step_by(2) {
            self.add(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{minute} min</text>",
                x(minute as f64 * 60.0),
                bottom + 18.0
            ));
        }
        for (line, colour) in lines.iter().zip(COLOURS) {
            let points: Vec<String> = line
                .iter()
                .enumerate()
                .map(|(i, value)| format!("{:.1},{:.1}", x((i * STEP) as f64), y(*value)))
                .collect();
            self.add(format_args!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
                points.join(" ")
            ));
        }
    }

    fn finish(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
