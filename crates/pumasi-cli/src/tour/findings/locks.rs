//! Findings about who is let in, and what becomes of a lock whose holder dies.

use serde::{Deserialize, Serialize};

use super::{Finding, unless};
use crate::language::Language::{self, En, Ko};
use crate::language::Said;
use crate::tour::Library;
use crate::tour::numbers::duration;

/// How many were inside of a Semaphore at the same time.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Semaphore {
    pub(crate) processes: u64,
    pub(crate) places: u64,
    pub(crate) most: u64,
    pub(crate) left: u64,
    pub(crate) seconds: f64,
}

impl Finding for Semaphore {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn printed(&self, language: Language) -> String {
        match language {
            En => format!("at most {} of {} at a time", self.most, self.processes),
            Ko => format!("{}개 중 동시에 최대 {}개", self.processes, self.most),
        }
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let right = (1..=self.places).contains(&self.most) && self.left == 0;
        let (most, places, left) = (self.most, self.places, self.left);
        unless(
            right,
            format!("{most} were in {places} places at a time, and {left} at the end"),
            format!("{places}자리에 동시에 {most}개, 끝에는 {left}개가 있었습니다"),
        )
    }
}

/// What became of a lock whose holder was killed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KilledHolder {
    pub(crate) acquired: bool,
    pub(crate) patience_seconds: f64,
    pub(crate) worker_pid: i64,
    /// By which warning or error the next holder was told.
    pub(crate) told_by: Vec<String>,
    pub(crate) dead_pid: Option<i64>,
    pub(crate) dead_signal: Option<i64>,
    pub(crate) seconds: f64,
}

impl Finding for KilledHolder {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn printed(&self, language: Language) -> String {
        let after = duration(self.seconds);
        let signal = self.dead_signal.unwrap_or_default();
        match (language, self.acquired) {
            (En, true) => format!("got the lock after {after}, and was told of signal {signal}"),
            (En, false) => format!("gave up after {after}; without a limit it waits for ever"),
            (Ko, true) => format!("{after} 만에 Lock을 얻었고 시그널 {signal}의 소식을 들음"),
            (Ko, false) => format!("{after} 뒤 포기; 제한 시간이 없으면 영원히 기다림"),
        }
    }

    fn complaint(&self, library: Library) -> Option<Said> {
        if library != Library::Pumasi {
            return None;
        }
        let told = self.dead_pid == Some(self.worker_pid)
            && self.dead_signal == Some(9)
            && !self.told_by.is_empty();
        let locked = ("the lock stayed locked", "Lock이 잠긴 채로 남았습니다");
        let untold = (
            "nobody was told who died",
            "누가 죽었는지 알려 주지 않았습니다",
        );
        let of = |right, (en, ko): (&str, &str)| unless(right, en.to_owned(), ko.to_owned());
        of(self.acquired, locked).or_else(|| of(told, untold))
    }

    fn endless(&self) -> bool {
        !self.acquired
    }
}
