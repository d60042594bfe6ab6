//! The sentences of a report, in two languages.

use super::report::{BreakEven, Estimate, Finding, Fit, Report, Variant, Verdict};
use crate::language::Language::{self, En, Ko};
use crate::tour::numbers::{count, duration, rounded};

/// A share as people read it.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0).replace(' ', "\u{a0}")
}

/// A size with a fitting unit.
pub(crate) fn bytes(size: u64) -> String {
    let size = size as f64;
    let (value, unit) = match size {
        s if s < 1e3 => (s, "B"),
        s if s < 1e6 => (s / 1e3, "kB"),
        s if s < 1e9 => (s / 1e6, "MB"),
        s => (s / 1e9, "GB"),
    };
    let digits = usize::from(value < 9.95 && unit != "B");
    format!("{value:.digits$}\u{a0}{unit}")
}

/// A variant's name.
pub(crate) fn name(variant: &Variant, language: Language) -> String {
    translated(&variant.name, language)
}

/// A variant's name as it is in the data, `processes 2 (fork, pickled)`, in another language.
fn translated(name: &str, language: Language) -> String {
    if language == En {
        return name.to_owned();
    }
    let words: Vec<&str> = name
        .split_inclusive([' ', '(', ')', ','])
        .map(|word| word.trim_end_matches([' ', '(', ')', ',']))
        .collect();
    let mut said = name.to_owned();
    for word in words {
        let korean = match word {
            "serial" => "직렬",
            "threads" => "스레드",
            "processes" => "프로세스",
            "pickled" => "피클",
            "pool" => "풀",
            "native" => "셀",
            "shared" => "공유",
            _ => continue,
        };
        said = said.replacen(word, korean, 1);
    }
    said
}

/// An interval, or nothing where there were too few runs for one.
pub(crate) fn interval(found: Estimate, show: impl Fn(f64) -> String) -> String {
    match (found.low, found.high) {
        (Some(low), Some(high)) => format!("{} to {}", show(low), show(high)),
        _ => String::new(),
    }
}

/// What was measured, where and how.
pub(crate) fn heading(report: &Report, language: Language) -> String {
    let (function, items, cores) = (&report.function, count(report.items), report.cores);
    let (rounds, seconds) = (report.rounds, duration(report.seconds));
    match language {
        En => format!(
            "{function}, {items} inputs, {cores} cores; {rounds} rounds of all variants in turns, \
             {seconds} of a budget of {:.0} s",
            report.budget
        ),
        Ko => format!(
            "{function}, 입력 {items}개, 코어 {cores}개. 모든 방식을 번갈아 {rounds}회 실행, \
             예산 {:.0}초 중 {seconds}",
            report.budget
        ),
    }
}

/// The machine.
pub(crate) fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let language = match &machine.python {
        Some(version) => format!("Python {version}"),
        None => "Rust".to_owned(),
    };
    format!("{}; {}; {language}", machine.cpu, machine.system)
}

/// What to do.
pub(crate) fn advice(report: &Report, language: Language) -> String {
    let advice = &report.advice;
    if !advice.worth_it {
        return match language {
            En => "Not worth it: keep it serial. No other way gains enough here to pay for itself."
                .to_owned(),
            Ko => {
                "그럴 가치가 없습니다. 직렬로 두십시오. 여기서 다른 방식은 비용만큼 얻지 못합니다."
                    .to_owned()
            }
        };
    }
    let (variant, gain) = (translated(&advice.variant, language), rounded(advice.gain));
    let warm = rounded(advice.warm_gain);
    let kept = advice.kind == "processes" && warm != gain;
    let arguments = report
        .variants
        .iter()
        .find(|variant| variant.name == advice.variant)
        .and_then(|variant| variant.arguments.as_deref());
    match language {
        En => {
            let how = match arguments {
                Some("pickled") => " (inputs go through a pipe, as in multiprocessing.Pool.map)",
                Some("pool") => " (as in pumasi.Pool.map)",
                Some("native") => " (inputs lie in a pumasi.List)",
                Some("shared") => " (arrays lie in shared memory, as in a pumasi.Array)",
                _ => "",
            };
            let kept = if kept {
                format!("; {warm} times where the processes are kept for more")
            } else {
                String::new()
            };
            format!(
                "Use {variant}{how}: these inputs take {gain} times less time, start-up \
                 included{kept}."
            )
        }
        Ko => {
            let how = match arguments {
                Some("pickled") => " (multiprocessing.Pool.map처럼 입력이 파이프로 갑니다)",
                Some("pool") => " (pumasi.Pool.map처럼)",
                Some("native") => " (입력을 pumasi.List에 둡니다)",
                Some("shared") => " (배열을 pumasi.Array처럼 공유 메모리에 둡니다)",
                _ => "",
            };
            let kept = if kept {
                format!(", 프로세스를 계속 쓰면 {warm}배")
            } else {
                String::new()
            };
            format!("{variant} 방식을 쓰십시오{how}. 시작 비용을 포함해 {gain}배 빠릅니다{kept}.")
        }
    }
}

/// What one finding means.
pub(crate) fn verdict(report: &Report, verdict: &Verdict, language: Language) -> String {
    let share = percent(verdict.share);
    let number = |name: &str| verdict.number(name);
    let variant = verdict
        .numbers
        .get("variant")
        .and_then(serde_json::Value::as_str)
        .map(|text| translated(text, language))
        .unwrap_or_default();
    match (language, verdict.code.as_str()) {
        (En, "too-small") => format!(
            "Too small: the whole takes {} in series, and the cheapest other way costs {} before \
             it gains anything.",
            duration(number("serial_seconds")),
            duration(number("cheapest_start"))
        ),
        (Ko, "too-small") => format!(
            "너무 작음: 전체가 직렬로 {}이면 끝나는데, 가장 싼 다른 방식도 이득 전에 {}이 듭니다.",
            duration(number("serial_seconds")),
            duration(number("cheapest_start"))
        ),
        (En, "gil") => format!(
            "Bound by the interpreter's lock: it was held for {share} of the time, so threads take \
             turns. Only processes run it on several cores."
        ),
        (Ko, "gil") => format!(
            "GIL에 묶임: 시간의 {share} 동안 GIL을 쥐고 있어 스레드는 번갈아 실행됩니다. 여러 코어를 \
             쓰려면 프로세스가 필요합니다."
        ),
        (En, "gil-partly") => format!(
            "Partly bound by the interpreter's lock: it was held for {share} of the time, which \
             limits threads to a gain of {}.",
            rounded(1.0 / verdict.share)
        ),
        (Ko, "gil-partly") => format!(
            "일부 GIL에 묶임: 시간의 {share} 동안 GIL을 쥐고 있어 스레드로는 {}배까지만 가능합니다.",
            rounded(1.0 / verdict.share)
        ),
        (En, "releases-gil") => format!(
            "Computes without the interpreter's lock, which was held for {} of the time: threads \
             run it on several cores and copy nothing.",
            percent(number("gil"))
        ),
        (Ko, "releases-gil") => format!(
            "GIL 없이 계산함: GIL을 쥔 시간은 {}뿐이라, 스레드가 복사 없이 여러 코어에서 실행됩니다.",
            percent(number("gil"))
        ),
        (En, "computes") => format!(
            "Computes: for {share} of its time it is on a core. Threads run it on several cores and \
             copy nothing."
        ),
        (Ko, "computes") => format!(
            "계산함: 시간의 {share} 동안 코어를 씁니다. 스레드가 복사 없이 여러 코어에서 실행합니다."
        ),
        (En, "parallel-itself") => format!(
            "Parallel already: a single call keeps {:.1} cores busy with threads of its own.",
            number("cores")
        ),
        (Ko, "parallel-itself") => format!(
            "이미 병렬임: 호출 하나가 자체 스레드로 코어 {:.1}개를 씁니다.",
            number("cores")
        ),
        (En, "waiting") => format!(
            "Waits: for {share} of its time it sleeps or waits for input and output. Threads can \
             wait side by side, many more of them than there are cores."
        ),
        (Ko, "waiting") => format!(
            "기다림(I/O): 시간의 {share} 동안 자거나 입출력을 기다립니다. 스레드는 코어 수보다 훨씬 \
             많이 나란히 기다릴 수 있습니다."
        ),
        (En, "lock") => format!(
            "Bound by a lock: with {variant}, workers spend {share} of their time waiting for it. \
             More workers only wait more; hold it for less, or give each its own data."
        ),
        (Ko, "lock") => format!(
            "락에 묶임: {variant}에서 작업자가 시간의 {share}를 락을 기다리며 보냅니다. 작업자를 늘려도 \
             더 기다릴 뿐입니다. 락을 짧게 쥐거나 데이터를 나누십시오."
        ),
        (En, "memory") => format!(
            "Bound by memory: the same work takes {} times as much time on each core with \
             {variant}, where plain arithmetic takes {} times.",
            rounded(number("inflated")),
            rounded(number("reference"))
        ),
        (Ko, "memory") => format!(
            "메모리 대역폭에 묶임: {variant}에서 같은 작업이 코어마다 {}배의 시간을 씁니다(단순 계산은 \
             {}배).",
            rounded(number("inflated")),
            rounded(number("reference"))
        ),
        (En, "copying") => format!(
            "Copying: {variant} spends {share} of its time on {}, {} in each pass.",
            match report.machine.python {
                Some(_) => "pickles and pipes",
                None => "writing inputs and results down and reading them back",
            },
            bytes(number("bytes") as u64)
        ),
        (Ko, "copying") => format!(
            "복사: {variant} 방식은 시간의 {share}를 {}에 씁니다. 한 번에 {}입니다.",
            match report.machine.python {
                Some(_) => "피클과 파이프",
                None => "입력과 결과를 쓰고 읽는 일",
            },
            bytes(number("bytes") as u64)
        ),
        (En, "start-up") => format!(
            "Start-up: {variant} would win if its processes ran already; starting them takes {}.",
            duration(number("seconds"))
        ),
        (Ko, "start-up") => format!(
            "시작 비용: {variant} 방식은 프로세스가 이미 있다면 이깁니다. 시작에 {}이 듭니다.",
            duration(number("seconds"))
        ),
        (_, other) => format!("{other}: {share}"),
    }
}

/// From how many items on a variant pays.
pub(crate) fn break_even(found: &BreakEven, language: Language) -> String {
    let variant = translated(&found.variant, language);
    let items = found.items.map(|items| count(items.ceil() as u64));
    match (language, items, found.at_least) {
        (En, Some(items), false) => format!("{variant}: pays from about {items} such items on"),
        (En, Some(items), true) => {
            format!("{variant}: not below {items} such items, even if nothing is lost")
        }
        (En, None, _) => format!("{variant}: pays for no number of such items"),
        (Ko, Some(items), false) => format!("{variant}: 이런 입력 약 {items}개부터 이득"),
        (Ko, Some(items), true) => {
            format!("{variant}: 손실이 없더라도 이런 입력 {items}개 미만에서는 손해")
        }
        (Ko, None, _) => format!("{variant}: 입력이 몇 개든 이득 없음"),
    }
}

/// A family of variants by its name.
pub(crate) fn family(report: &Report, family: &str, language: Language) -> String {
    let variant = report.variants.iter().find(|v| v.family == family);
    let Some(variant) = variant else {
        return family.to_owned();
    };
    let whole = name(variant, language);
    whole
        .replacen(&format!(" {}", variant.workers), "", 1)
        .trim()
        .to_owned()
}

/// What the fits say, then why some were refused, each reason once.
pub(crate) fn fits(report: &Report, language: Language) -> Vec<String> {
    let (refused, fitted): (Vec<&Fit>, Vec<&Fit>) =
        report.fits.iter().partition(|fit| fit.refused.is_some());
    let mut lines: Vec<String> = fitted
        .iter()
        .flat_map(|found| {
            let said = fit(report, found, language);
            std::iter::once(said).chain(predictions(found, language))
        })
        .collect();
    for refused in refused {
        let said = refusal(refused, language);
        if !lines.contains(&said) {
            lines.push(said);
        }
    }
    lines
}

fn refusal(fit: &Fit, language: Language) -> String {
    let model = model(fit, language);
    let (points, needed) = (fit.points, fit.needed);
    match (language, fit.refused.as_deref()) {
        (En, Some("rounds")) => {
            format!("{model}: refused, fewer than six rounds; a larger --budget gives more")
        }
        (Ko, Some("rounds")) => {
            format!("{model}: 거부, 6회 미만 실행. --budget을 늘리십시오")
        }
        (En, _) => format!(
            "{model}: refused, {points} numbers of workers where it needs {needed}, from 1 up to \
             the number of cores"
        ),
        (Ko, _) => {
            format!("{model}: 거부, 작업자 수 {points}가지(1부터 코어 수까지 {needed}가지가 필요)")
        }
    }
}

fn fit(report: &Report, fit: &Fit, language: Language) -> String {
    let family = family(report, &fit.family, language);
    let model = model(fit, language);
    let serial = fit.serial_fraction.map(|found| {
        format!(
            "{} ({}..{})",
            percent(found.value),
            percent(found.low),
            percent(found.high)
        )
    });
    let serial = serial.unwrap_or_default();
    let contention = fit.contention.map(|found| match language {
        En => format!(", contention {:.4}", found.value),
        Ko => format!(", 경합 {:.4}", found.value),
    });
    let best = fit.best_workers.map(|best| match language {
        En => format!(", best with {best:.0} workers"),
        Ko => format!(", 작업자 {best:.0}에서 최고"),
    });
    let rest = contention.unwrap_or_default() + &best.unwrap_or_default();
    match language {
        En => format!("{family}: serial share {serial}{rest} by {model}"),
        Ko => format!("{family}: 직렬 비율 {serial}{rest}, {model}"),
    }
}

fn model(fit: &Fit, language: Language) -> &'static str {
    match (language, fit.model.as_str()) {
        (_, "amdahl") => "Amdahl",
        (En, "usl") => "the Universal Scalability Law",
        (Ko, "usl") => "범용 확장성 법칙(USL)",
        (En, _) => "Karp and Flatt (one point: nothing checks it)",
        (Ko, _) => "Karp-Flatt(한 점: 검증 없음)",
    }
}

/// The predicted speed-ups of a fit.
fn predictions(fit: &Fit, language: Language) -> Option<String> {
    if fit.predictions.is_empty() {
        return None;
    }
    let each: Vec<String> = fit
        .predictions
        .iter()
        .map(|prediction| {
            let bounds = prediction.speedup;
            format!(
                "{}: {} ({}..{})",
                prediction.workers,
                rounded(bounds.value),
                rounded(bounds.low),
                rounded(bounds.high)
            )
            .replace(' ', "\u{a0}")
        })
        .collect();
    let each = each.join(", ");
    Some(match language {
        En => format!("a prediction, not measured, of its speed-up on so many cores: {each}"),
        Ko => format!("코어 수별 속도 향상의 예측(측정 아님): {each}"),
    })
}

/// What to be wary of.
pub(crate) fn warning(warning: &Finding, language: Language) -> String {
    let detail = &warning.detail;
    match (language, warning.code.as_str()) {
        (En, "not-deterministic") => format!(
            "two serial runs gave different results ({detail}): the function is not deterministic, \
             so its times may not be comparable"
        ),
        (Ko, "not-deterministic") => format!(
            "직렬로 두 번 실행한 결과가 다릅니다({detail}). 결정적이지 않은 함수라 시간을 비교하기 \
             어려울 수 있습니다"
        ),
        (En, "different") => format!(
            "a parallel variant gave another result than the serial program ({detail}): is something \
             shared without a lock?"
        ),
        (Ko, "different") => {
            format!("병렬 방식의 결과가 직렬과 다릅니다({detail}). 락 없이 공유하는 것이 있습니까?")
        }
        (En, "unpicklable") => format!("results cannot be pickled and were not compared: {detail}"),
        (Ko, "unpicklable") => format!("결과를 피클할 수 없어 비교하지 못했습니다: {detail}"),
        (En, "long-pass") => format!(
            "one pass takes {detail} s, much of the budget, so there are few rounds; a larger \
             --budget or fewer inputs give narrower intervals"
        ),
        (Ko, "long-pass") => format!(
            "한 번 실행에 {detail}초가 걸려 실행 횟수가 적습니다. --budget을 늘리거나 입력을 줄이십시오"
        ),
        (_, code) => format!("{code}: {detail}"),
    }
}

/// That others used the machine, where they did.
pub(crate) fn busy(report: &Report, language: Language) -> Option<String> {
    if report.busy < 0.15 {
        return None;
    }
    let share = percent(report.busy);
    Some(match language {
        En => format!(
            "the machine was busy: the serial program waited {share} of its time for a core. The \
             times are what the clock said; verdicts and advice leave that waiting out"
        ),
        Ko => format!(
            "컴퓨터가 바빴습니다. 직렬 프로그램이 시간의 {share} 동안 코어를 기다렸습니다. 시간은 시계 \
             그대로이고, 판정과 조언은 그 대기를 뺀 것입니다"
        ),
    })
}

/// Why a variant is not in the table.
pub(crate) fn left_out(found: &Finding, language: Language) -> String {
    let (name, detail) = (translated(&found.name, language), &found.detail);
    match (language, found.code.as_str()) {
        (En, "budget") => format!("{name}: no time left in the budget of {detail} s"),
        (Ko, "budget") => format!("{name}: 예산 {detail}초에 남은 시간이 없음"),
        (En, "too-slow") => format!("{name}: one pass had not ended after {detail} s"),
        (Ko, "too-slow") => format!("{name}: 한 번 실행이 {detail}초 안에 끝나지 않음"),
        (En, "function-not-picklable") => {
            format!("{name}: a fresh interpreter cannot be sent the function ({detail})")
        }
        (Ko, "function-not-picklable") => {
            format!("{name}: 새 인터프리터에 함수를 보낼 수 없음({detail})")
        }
        (En, "result-not-picklable") => format!("{name}: a result cannot be pickled ({detail})"),
        (Ko, "result-not-picklable") => format!("{name}: 결과를 피클할 수 없음({detail})"),
        (En, "input-not-picklable") => format!("{name}: an input cannot be pickled ({detail})"),
        (Ko, "input-not-picklable") => format!("{name}: 입력을 피클할 수 없음({detail})"),
        (_, _) => format!("{name}: {detail}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variants_have_korean_ones() {
        for (name, korean) in [
            ("serial", "직렬"),
            ("threads 2", "스레드 2"),
            ("processes 2", "프로세스 2"),
            (
                "processes 2 (forkserver, pool)",
                "프로세스 2 (forkserver, 풀)",
            ),
            ("processes 16 (fork, native)", "프로세스 16 (fork, 셀)"),
        ] {
            assert_eq!(translated(name, Ko), korean);
            assert_eq!(translated(name, En), name);
        }
    }
}
