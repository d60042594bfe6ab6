//! What each kind of program reports as JSON, whether it is right, and how it is said in words.

mod computing;
mod lists;
mod locks;
mod races;
#[cfg(test)]
mod tests;

pub(crate) use computing::{Identifiers, ThreadsAndProcesses};
pub(crate) use lists::{Length, Separate, Shared, SharedArray};
pub(crate) use locks::{KilledHolder, Semaphore};
pub(crate) use races::{Lengths, Race, RaceAtOnce, Safe};

use serde::Deserialize;
use serde_json::Value;

use super::Library;
use crate::language::{Language, Said};

/// The result of one program.
pub(crate) trait Finding {
    /// Seconds which the program's work took, measured inside of it.
    fn seconds(&self) -> f64;

    /// Seconds which a single operation took, where the program measures it.
    fn operation_seconds(&self) -> Option<f64> {
        None
    }

    /// What the program printed, in few words.
    fn printed(&self, language: Language) -> String;

    /// What is wrong with the result; nothing if it is right for this library.
    fn complaint(&self, library: Library) -> Option<Said>;

    /// What there is to say of this result beside the table.
    fn remark(&self) -> Option<Said> {
        None
    }

    /// Whether the program only came to its end because it had a time limit of its own.
    fn endless(&self) -> bool {
        false
    }

    /// A number which all programs of the same idea, on the same data, have in common.
    fn digest(&self) -> Option<u32> {
        None
    }
}

/// Reads a program's JSON as the kind of finding its idea has.
pub(crate) type Read = fn(&Value) -> serde_json::Result<Box<dyn Finding>>;

/// The [`Read`] of one kind.
pub(crate) fn read<F: Finding + for<'a> Deserialize<'a> + 'static>(
    value: &Value,
) -> serde_json::Result<Box<dyn Finding>> {
    Ok(Box::new(F::deserialize(value)?))
}

fn unless(right: bool, en: String, ko: String) -> Option<Said> {
    if right { None } else { Some(Said { en, ko }) }
}
