//! Findings about lists and arrays which four processes have worked on.

use serde::{Deserialize, Serialize};

use super::{Finding, unless};
use crate::language::Language::{self, En, Ko};
use crate::language::Said;
use crate::tour::Library;
use crate::tour::numbers::duration;

/// The length of a list which four processes have worked on.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Length {
    pub(crate) length: u64,
    pub(crate) seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation_seconds: Option<f64>,
}

/// A list which processes cannot share, and threads do.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Separate(pub(crate) Length);

impl Finding for Separate {
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn printed(&self, language: Language) -> String {
        length_in_words(self.0.length, language)
    }

    fn complaint(&self, library: Library) -> Option<Said> {
        let right = if library == Library::Threads { 40 } else { 0 };
        let length = self.0.length;
        unless(
            length == right,
            format!("the length is {length}, not {right}"),
            format!("길이가 {right}이(가) 아니라 {length}입니다"),
        )
    }
}

/// A list which all share.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Shared(pub(crate) Length);

impl Finding for Shared {
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn operation_seconds(&self) -> Option<f64> {
        self.0.operation_seconds
    }

    fn printed(&self, language: Language) -> String {
        let length = length_in_words(self.0.length, language);
        with_operation(
            length,
            self.0.operation_seconds,
            language,
            "an append",
            "append 한 번",
        )
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let length = self.0.length;
        unless(
            length == 40,
            format!("the length is {length}, not 40"),
            format!("길이가 40이 아니라 {length}입니다"),
        )
    }
}

fn length_in_words(length: u64, language: Language) -> String {
    match language {
        En => format!("length {length}"),
        Ko => format!("길이 {length}"),
    }
}

fn with_operation(
    said: String,
    seconds: Option<f64>,
    language: Language,
    en: &str,
    ko: &str,
) -> String {
    match (seconds, language) {
        (None, _) => said,
        (Some(seconds), En) => format!("{said}; {en} takes {}", duration(seconds)),
        (Some(seconds), Ko) => format!("{said}; {ko}에 {}", duration(seconds)),
    }
}

/// An array of forty numbers, ten written by each process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SharedArray {
    pub(crate) length: u64,
    pub(crate) sum: u64,
    pub(crate) seconds: f64,
    pub(crate) operation_seconds: f64,
}

impl Finding for SharedArray {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn operation_seconds(&self) -> Option<f64> {
        Some(self.operation_seconds)
    }

    fn printed(&self, language: Language) -> String {
        let said = match language {
            En => format!("length {}, sum {}", self.length, self.sum),
            Ko => format!("길이 {}, 합 {}", self.length, self.sum),
        };
        with_operation(
            said,
            Some(self.operation_seconds),
            language,
            "a write",
            "쓰기 한 번",
        )
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let (length, sum) = (self.length, self.sum);
        unless(
            length == 40 && sum == 180,
            format!("length and sum are {length} and {sum}, not 40 and 180"),
            format!("길이와 합이 40과 180이 아니라 {length}과(와) {sum}입니다"),
        )
    }
}
