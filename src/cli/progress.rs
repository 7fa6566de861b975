//! How far healing is: a bar on stderr, where that is a terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use secateur::heal::Step;
use secateur::pipeline::Watcher;
use secateur::report::text::printable;

use super::Shared;

/// A bar that shows the layer at hand and its error before and after. It vanishes with the last layer, and when it is dropped.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    /// One that shows nothing where stderr is no terminal, or nobody reads it.
    pub(super) fn new(shared: &Shared) -> Self {
        let silent = shared.quiet || shared.json || !std::io::stderr().is_terminal();
        Self((!silent).then(bar))
    }

    /// Who tells it.
    pub(super) fn watcher(&self) -> Watcher {
        match self.0.clone() {
            Some(bar) => Watcher::new(move |step| show(&bar, step)),
            None => Watcher::default(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.iter().for_each(ProgressBar::finish_and_clear);
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    // Where the template cannot be read, the bar has a look of its own.
    match ProgressStyle::with_template("{prefix:>5} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}") {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, step: &Step<'_>) {
    let errors = step.errors.map_or(String::new(), |[a, b]| format!(": error {a:.3} -> {b:.3}"));
    bar.set_prefix(step.stage);
    bar.set_message(format!("{}{errors}", printable(step.name)));
    bar.set_length(step.of as u64);
    bar.set_position(step.done as u64);
    if step.done >= step.of {
        bar.finish_and_clear();
        bar.reset();
    }
}
