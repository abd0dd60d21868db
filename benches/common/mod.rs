//! What the benchmarks share: computed pictures, fair timing, tables.
//!
//! Absolute times depend on the machine and on what else it does; so contestants take turns within one run, and what
//! counts is the ratio of their medians.

#![allow(dead_code, reason = "each benchmark uses some of this")]

pub mod abuser;
pub mod browsers;
pub mod encoders;
pub mod kernel;
pub mod pictures;
pub mod process;
pub mod reel;
pub mod server;
pub mod view;
pub mod workloads;

use std::time::Instant;

/// How much to measure: `--quick` is enough to see that a benchmark works and to find gross changes.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often the contestants take turns.
    pub rounds: usize,
    /// How often a contestant runs in one turn.
    pub times: usize,
}

impl Effort {
    /// From the command line.
    pub fn from_args() -> Self {
        if std::env::args().any(|argument| argument == "--quick") {
            Self { rounds: 3, times: 3 }
        } else {
            Self { rounds: 9, times: 5 }
        }
    }
}

/// Runs a number of times, answers how many seconds each took.
pub type Contestant<'a> = Box<dyn FnMut(usize) -> Vec<f64> + 'a>;

/// A contestant that runs in this process.
pub fn here<'a, T>(mut run: impl FnMut() -> T + 'a) -> Contestant<'a> {
    Box::new(move |times| {
        let mut seconds = Vec::with_capacity(times);
        for _ in 0..times {
            let started = Instant::now();
            let made = std::hint::black_box(run());
            seconds.push(started.elapsed().as_secs_f64());
            drop(made);
        }
        seconds
    })
}

/// The median seconds of each contestant. They take turns, after one turn each that does not count.
pub fn race<const N: usize>(effort: Effort, mut contestants: [Contestant<'_>; N]) -> [f64; N] {
    let mut seconds = [(); N].map(|()| Vec::new());
    for contestant in &mut contestants {
        contestant(1);
    }
    for _ in 0..effort.rounds {
        for (contestant, seconds) in contestants.iter_mut().zip(&mut seconds) {
            seconds.extend(contestant(effort.times));
        }
    }
    seconds.map(median)
}

/// The value in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Rows of text under a head, in columns as wide as they need.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column heads.
    pub fn new<const N: usize>(head: [&str; N]) -> Self {
        Self { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(Vec::from(cells));
    }

    /// Prints it as Markdown.
    pub fn print(&self, title: &str) {
        let width =
            |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width).collect();
        println!("\n{title}\n");
        for (index, row) in self.rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            println!("| {} |", cells.join(" | "));
            if index == 0 {
                let rules: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
                println!("|-{}-|", rules.join("-|-"));
            }
        }
    }
}

/// Milliseconds, for a cell.
pub fn ms(seconds: f64) -> String {
    format!("{:.2}", seconds * 1e3)
}

/// Kilobytes, for a cell.
pub fn kb(bytes: usize) -> String {
    bytes.div_ceil(1024).to_string()
}

/// How many times as long `one` takes as `other`, for a cell.
pub fn ratio(one: f64, other: f64) -> String {
    format!("{:.2}×", one / other)
}
