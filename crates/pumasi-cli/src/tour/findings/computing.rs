//! Findings about computing in several ways, and what each way took.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Finding, unless};
use crate::language::Language::{self, En, Ko};
use crate::language::Said;
use crate::tour::Library;
use crate::tour::numbers::{count, duration, rounded};

/// The same computing one after the other, with threads, and with processes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ThreadsAndProcesses {
    /// Serial, threads, processes.
    pub(crate) primes: Vec<u64>,
    pub(crate) serial_seconds: f64,
    pub(crate) threads_seconds: f64,
    pub(crate) threads_only_started_seconds: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) processes_seconds: Option<f64>,
    pub(crate) seconds: f64,
}

impl Finding for ThreadsAndProcesses {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn printed(&self, language: Language) -> String {
        let serial = duration(self.serial_seconds);
        let threads = way(self.threads_seconds, self.serial_seconds);
        let processes = self.processes_seconds.map(|s| way(s, self.serial_seconds));
        match (language, processes) {
            (En, Some(p)) => format!("serial {serial}, threads {threads}, processes {p}"),
            (En, None) => format!("serial {serial}, threads {threads}"),
            (Ko, Some(p)) => format!("차례로 {serial}, 스레드 {threads}, 프로세스 {p}"),
            (Ko, None) => format!("차례로 {serial}, 스레드 {threads}"),
        }
    }

    fn remark(&self) -> Option<Said> {
        let started = duration(self.threads_only_started_seconds);
        let joined = duration(self.threads_seconds);
        Some(Said {
            en: format!(
                "A clock which is read after starting ten threads, without joining them, as \
                 tutorials do, shows {started}: until then some work has been done and some has \
                 not, so the number measures nothing. Joined, the ten threads took {joined}."
            ),
            ko: format!(
                "튜토리얼에서처럼 스레드 열 개를 시작하고 join하지 않은 채 시계를 보면 {started}입니다. \
                 그때까지 일부만 끝났으므로 이 값은 아무것도 재지 못합니다. 모두 join할 때까지는 \
                 {joined} 걸렸습니다."
            ),
        })
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let all_equal = self.primes.windows(2).all(|pair| pair[0] == pair[1]);
        let primes = &self.primes;
        unless(
            all_equal && primes.first().is_some_and(|n| *n > 0),
            format!("the counts {primes:?} of primes are not the same"),
            format!("소수의 개수 {primes:?}이(가) 서로 다릅니다"),
        )
    }
}

/// A time and its speed-up: `1.03 s (1.9×)`.
fn way(seconds: f64, serial: f64) -> String {
    format!("{} ({}×)", duration(seconds), rounded(serial / seconds))
}

/// The identifiers of Python's standard library, counted in several ways.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Identifiers {
    pub(crate) files: u64,
    pub(crate) identifiers: u64,
    pub(crate) different: u64,
    pub(crate) most_common: Vec<(String, u64)>,
    pub(crate) workers: u64,
    /// One digest of the whole count for each way.
    pub(crate) digests: BTreeMap<String, u32>,
    pub(crate) way_seconds: BTreeMap<String, f64>,
    /// Seconds of the best way which the library offers.
    pub(crate) seconds: f64,
}

impl Identifiers {
    /// `serial 1.90 s, threads 1.95 s (1.0×)`
    fn ways_in_words(&self, language: Language) -> String {
        let serial = self.way_seconds.get("serial").copied().unwrap_or(f64::NAN);
        let named = WAYS.iter().filter_map(|(way_name, en, ko)| {
            let seconds = *self.way_seconds.get(*way_name)?;
            let name = if language == En { en } else { ko };
            let only = *way_name == "serial";
            let time = if only {
                duration(seconds)
            } else {
                way(seconds, serial)
            };
            Some(format!("{name} {time}"))
        });
        named.collect::<Vec<_>>().join(", ")
    }
}

/// The ways as the programs call them, and in words.
const WAYS: [(&str, &str, &str); 4] = [
    ("serial", "serial", "차례로"),
    ("threads", "threads", "스레드"),
    (
        "manager",
        "processes, Manager and Lock",
        "프로세스+Manager+Lock",
    ),
    (
        "shared_dict",
        "processes, shared Dict",
        "프로세스+공유 Dict",
    ),
];

impl Finding for Identifiers {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn printed(&self, language: Language) -> String {
        let (files, all) = (count(self.files), count(self.identifiers));
        let ways = self.ways_in_words(language);
        match language {
            En => format!("{all} identifiers in {files} files, the same every way: {ways}"),
            Ko => format!("파일 {files}개의 식별자 {all}개, 어느 방법이든 같음: {ways}"),
        }
    }

    fn complaint(&self, _: Library) -> Option<Said> {
        let first = self.digests.values().next();
        let same = self.digests.values().all(|digest| Some(digest) == first);
        let digests = &self.digests;
        unless(
            same && self.identifiers > 0,
            format!("the counts are not the same: digests {digests:?}"),
            format!("센 결과가 서로 다릅니다: 다이제스트 {digests:?}"),
        )
    }

    fn digest(&self) -> Option<u32> {
        self.digests.values().next().copied()
    }
}
