//! How long the stages of a run took: talk for people, and no part of what a report says.

use std::fmt;
use std::time::{Duration, Instant};

/// Stages with their times, in order. Reports are equal whatever their times are, and no file holds them.
#[derive(Debug, Clone, Default)]
pub struct Times(pub Vec<(&'static str, Duration)>);

impl PartialEq for Times {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages: Vec<String> = self.0.iter().map(|(stage, t)| format!("{stage} {:.3} s", t.as_secs_f64())).collect();
        write!(f, "stages: {}", stages.join(", "))
    }
}

/// Measures stages that follow one another.
#[derive(Debug)]
pub struct Clock {
    since: Instant,
    times: Times,
}

impl Clock {
    /// The first stage begins.
    pub fn start() -> Self {
        Self { since: Instant::now(), times: Times::default() }
    }

    /// The stage ends here, and the next begins; the times of stages of one name are added up.
    pub fn lap(&mut self, stage: &'static str) {
        let now = Instant::now();
        let took = now - self.since;
        self.since = now;
        match self.times.0.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, time)) => *time += took,
            None => self.times.0.push((stage, took)),
        }
    }

    /// All stages until now.
    pub fn times(self) -> Times {
        self.times
    }
}
