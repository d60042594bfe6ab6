//! How far the tour has come: a bar on terminals, a line for each program elsewhere.
//!
//! Both go to standard error, so that standard output holds nothing but the report.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::language::Language;

/// Shows progress on standard error.
pub(crate) enum Progress {
    /// Nothing is shown.
    Quiet,
    /// A bar which is drawn anew, and gone at the end.
    Bar(ProgressBar),
    /// A line for each step.
    Lines { done: usize, all: usize },
}

impl Progress {
    /// For so many steps.
    pub(crate) fn new(steps: usize, quiet: bool, language: Language) -> Self {
        if quiet {
            return Progress::Quiet;
        }
        if !std::io::stderr().is_terminal() {
            return Progress::Lines {
                done: 0,
                all: steps,
            };
        }
        let template = match language {
            Language::En => "{bar:24} {pos:>2} of {len}  {elapsed}  {wide_msg}",
            Language::Ko => "{bar:24} {len}개 중 {pos:>2}  {elapsed}  {wide_msg}",
        };
        let bar = ProgressBar::new(steps as u64);
        let style = ProgressStyle::with_template(template).expect("the template is a valid one");
        bar.set_style(style.progress_chars("━╸─"));
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress::Bar(bar)
    }

    /// Says what begins now.
    pub(crate) fn begin(&mut self, what: &str) {
        match self {
            Progress::Quiet => {}
            Progress::Bar(bar) => bar.set_message(what.to_owned()),
            Progress::Lines { done, all } => {
                let width = all.to_string().len();
                eprintln!("[{:>width$}/{all}] {what}", *done + 1);
            }
        }
    }

    /// Says that it is done.
    pub(crate) fn step(&mut self) {
        match self {
            Progress::Quiet => {}
            Progress::Bar(bar) => bar.inc(1),
            Progress::Lines { done, .. } => *done += 1,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Progress::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
