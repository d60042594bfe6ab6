//! Findings about races: the lengths at which several runs ended.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, unless};
use crate::language::Language::{self, En, Ko};
use crate::language::Said;
use crate::output::FIRM_BLANK;
use crate::tour::Library;

/// The lengths at which several runs ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Lengths {
    pub(crate) lengths: Vec<u64>,
    pub(crate) expected: u64,
    pub(crate) seconds: f64,
}

impl Lengths {
    fn lossy(&self) -> usize {
        self.lengths
            .iter()
            .filter(|length| **length < self.expected)
            .count()
    }

    /// Whether every length is possible at all: someone's last write always stays.
    fn possible(&self) -> bool {
        !self.lengths.is_empty()
            && self
                .lengths
                .iter()
                .all(|length| (1..=self.expected).contains(length))
    }

    fn spread(&self) -> String {
        let least = self.lengths.iter().min().copied().unwrap_or_default();
        let most = self.lengths.iter().max().copied().unwrap_or_default();
        if least == most {
            least.to_string()
        } else {
            format!("{least}–{most}")
        }
    }

    /// `29 ×1, 31 ×4`: how often each length came out.
    fn distribution(&self) -> String {
        let mut times = BTreeMap::new();
        for length in &self.lengths {
            *times.entry(length).or_insert(0) += 1;
        }
        let parts: Vec<_> = times
            .iter()
            .map(|(length, n)| format!("{length}{FIRM_BLANK}×{n}"))
            .collect();
        parts.join(", ")
    }

    fn lossy_in_words(&self, language: Language) -> String {
        let (lossy, runs) = (self.lossy(), self.lengths.len());
        match language {
            En => format!("lost numbers in {lossy} of {runs} runs"),
            Ko => format!("{runs}번 중 {lossy}번 값을 잃음"),
        }
    }

    fn complaint_of_impossible(&self) -> Option<Said> {
        let (lengths, most) = (&self.lengths, self.expected);
        unless(
            self.possible(),
            format!("the lengths {lengths:?} are not all from 1 to {most}"),
            format!("길이 {lengths:?} 중에 1에서 {most} 사이가 아닌 것이 있습니다"),
        )
    }
}

/// The race as it is found in tutorials: anything may come out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Race(pub(crate) Lengths);

impl Finding for Race {
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn printed(&self, language: Language) -> String {
        let distribution = self.0.distribution();
        format!("{distribution}; {}", self.0.lossy_in_words(language))
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        self.0.complaint_of_impossible()
    }
}

/// The race made visible: most runs have to lose something.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RaceAtOnce(pub(crate) Lengths);

impl Finding for RaceAtOnce {
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn printed(&self, language: Language) -> String {
        let (spread, expected) = (self.0.spread(), self.0.expected);
        let lossy = self.0.lossy_in_words(language);
        match language {
            En => format!("{spread} instead of {expected}; {lossy}"),
            Ko => format!("{expected} 대신 {spread}; {lossy}"),
        }
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let mostly = 2 * self.0.lossy() > self.0.lengths.len();
        let (lossy, runs) = (self.0.lossy(), self.0.lengths.len());
        self.0.complaint_of_impossible().or_else(|| {
            unless(
                mostly,
                format!("only {lossy} of {runs} runs lost numbers, so the race was not shown"),
                format!("{runs}번 중 {lossy}번만 값을 잃어 경쟁 상태를 보이지 못했습니다"),
            )
        })
    }
}

/// A mended race: nothing may ever be lost.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Safe(pub(crate) Lengths);

impl Finding for Safe {
    fn seconds(&self) -> f64 {
        self.0.seconds
    }

    fn printed(&self, language: Language) -> String {
        let (spread, runs) = (self.0.spread(), self.0.lengths.len());
        match language {
            En => format!("{spread} in {runs} of {runs} runs"),
            Ko => format!("{runs}번 모두 {spread}"),
        }
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let right = self
            .0
            .lengths
            .iter()
            .all(|length| *length == self.0.expected);
        let (lengths, expected) = (&self.0.lengths, self.0.expected);
        unless(
            right && self.0.possible(),
            format!("the lengths {lengths:?} are not all {expected}"),
            format!("길이 {lengths:?}이(가) 모두 {expected}인 것은 아닙니다"),
        )
    }
}
