//! What `pumasi.advise` found of a program's shared objects, in sentences of two languages.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Deserialize;

use crate::bench::words::percent;
use crate::language::Language::{self, En, Ko};
use crate::output::Output;
use crate::tour::numbers::{count, duration};

/// A program that was run.
#[derive(Debug, Deserialize)]
pub(crate) struct Advised {
    program: String,
    pub(crate) objects: Vec<Object>,
    /// Objects beyond the number that is watched of one line.
    overlooked: u64,
}

/// What was made for one variable in one line.
#[derive(Debug, Deserialize)]
pub(crate) struct Object {
    name: String,
    line: u64,
    kind: String,
    objects: u64,
    operations: BTreeMap<String, u64>,
    contended: u64,
    code: String,
    #[serde(rename = "use")]
    instead: Option<String>,
    present_seconds: Option<f64>,
    advised_seconds: Option<f64>,
    numbers: serde_json::Map<String, serde_json::Value>,
}

impl Object {
    fn number(&self, name: &str) -> f64 {
        let found = self.numbers.get(name).and_then(serde_json::Value::as_f64);
        found.unwrap_or_default()
    }

    fn times(&self, name: &str) -> String {
        count(self.number(name) as u64)
    }

    fn lock(&self) -> Option<&str> {
        self.numbers.get("lock").and_then(serde_json::Value::as_str)
    }
}

/// Prints all of it.
pub(crate) fn print<W: Write>(
    out: &mut Output<W>,
    advised: &Advised,
    language: Language,
) -> io::Result<()> {
    let program = &advised.program;
    if advised.objects.is_empty() {
        return out.paragraph(
            "",
            &match language {
                En => format!("{program} assigned no shared object to a name."),
                Ko => format!("{program}: 이름에 대입된 공유 객체가 없습니다."),
            },
        );
    }
    for object in &advised.objects {
        let several = if object.objects > 1 {
            format!(" x {}", count(object.objects))
        } else {
            String::new()
        };
        let (name, line, kind) = (&object.name, object.line, &object.kind);
        out.paragraph("", &format!("{name} ({kind}{several}, {program}:{line})"))?;
        let mut done: Vec<(&String, &u64)> = object.operations.iter().collect();
        done.sort_by(|one, other| other.1.cmp(one.1));
        let mut done: Vec<String> = done
            .iter()
            .map(|(name, number)| format!("{name}\u{a0}{}", count(**number)))
            .collect();
        if object.contended > 0 {
            let waits = count(object.contended);
            done.push(match language {
                En => format!("waited\u{a0}{waits}"),
                Ko => format!("대기\u{a0}{waits}"),
            });
        }
        if !done.is_empty() {
            out.paragraph("    ", &done.join(", "))?;
        }
        out.paragraph(" => ", &sentence(object, language))?;
        out.line("")?;
    }
    if advised.overlooked > 0 {
        let more = count(advised.overlooked);
        out.paragraph(
            "",
            &match language {
                En => format!("{more} more objects of the same lines were not watched."),
                Ko => format!("같은 줄의 객체 {more}개는 보지 않았습니다."),
            },
        )?;
    }
    Ok(())
}

/// The advice for one object.
pub(crate) fn sentence(object: &Object, language: Language) -> String {
    let why = why(object, language);
    match (object.present_seconds, object.advised_seconds, language) {
        (Some(now), Some(then), En) if object.instead.is_some() => format!(
            "{why} Measured here, without anyone to wait for: {} now, {} then.",
            duration(now),
            duration(then)
        ),
        (Some(now), Some(then), Ko) if object.instead.is_some() => format!(
            "{why} 여기서 잰 비용(기다림 제외): 지금 {}, 바꾸면 {}.",
            duration(now),
            duration(then)
        ),
        (Some(now), None, En) if now > 0.0 => {
            format!("{why} Its operations cost {}.", duration(now))
        }
        (Some(now), None, Ko) if now > 0.0 => format!("{why} 연산 비용은 {}입니다.", duration(now)),
        _ => why,
    }
}

fn why(object: &Object, language: Language) -> String {
    let share = percent(object.number("share"));
    let times = |name: &str| object.times(name);
    let instead = object.instead.as_deref().unwrap_or_default();
    match (language, object.code.as_str()) {
        (En, "unused") => "Nothing was done with it: leave it out.".to_owned(),
        (Ko, "unused") => "아무것도 하지 않았습니다. 없애십시오.".to_owned(),
        (En, "few") => "Keep it: used too seldom for any choice to matter.".to_owned(),
        (Ko, "few") => "그대로 두십시오. 드물게 쓰여 무엇을 골라도 같습니다.".to_owned(),
        (En, "add" | "array-add" | "value") => {
            let lock = object.lock().map_or_else(
                || "No lock was taken as often, so changes of others can get lost.".to_owned(),
                |lock| format!("That also does without {lock}."),
            );
            let times = times("times");
            format!(
                "Use {instead}: numbers were read, changed and written back {times} times, which \
                 that does in one step. {lock}"
            )
        }
        (Ko, "add" | "array-add" | "value") => {
            let lock = object.lock().map_or_else(
                || "그만큼 잡은 락이 없어 다른 프로세스의 변경을 잃을 수 있습니다.".to_owned(),
                |lock| format!("{lock}도 필요 없어집니다."),
            );
            let times = times("times");
            format!(
                "{instead}을(를) 쓰십시오. 숫자를 읽고 고쳐 쓰는 일을 {times}번 했는데, 한 번에 할 수 \
                 있습니다. {lock}"
            )
        }
        (En, "value-lock" | "array-lock") => format!(
            "Use {instead} where its lock is for adding: the lock was taken {} times, and one \
             atomic call needs none.",
            times("acquired")
        ),
        (Ko, "value-lock" | "array-lock") => format!(
            "더하기 위한 락이라면 {instead}을(를) 쓰십시오. 락을 {}번 잡았는데, 원자적 호출에는 필요 \
             없습니다.",
            times("acquired")
        ),
        (En, "queue") => format!(
            "Use a Queue: it was asked for its length {} times for {} items; get() sleeps until \
             there is one.",
            times("asked"),
            times("popped")
        ),
        (Ko, "queue") => format!(
            "Queue를 쓰십시오. 항목 {}개를 위해 길이를 {}번 물었습니다. get()은 올 때까지 잡니다.",
            times("popped"),
            times("asked")
        ),
        (En, "snapshot") => format!(
            "Iterate over {instead}: it was read one by one, {} steps; that copies it in one.",
            times("steps")
        ),
        (Ko, "snapshot") => format!(
            "{instead}을 반복하십시오. 하나씩 {}번 읽었는데, 한 번에 복사할 수 있습니다.",
            times("steps")
        ),
        (En, "message") => format!(
            "Send {instead} as an argument: nobody changed it, and it was read {} times.",
            times("reads")
        ),
        (Ko, "message") => format!(
            "{instead}를 인자로 보내십시오. 아무도 바꾸지 않고 {}번 읽기만 했습니다.",
            times("reads")
        ),
        (En, "array") => format!(
            "Use {instead}: {} numbers of one kind, and their number did not change.",
            times("length")
        ),
        (Ko, "array") => format!(
            "{instead}을(를) 쓰십시오. 같은 종류의 숫자 {}개이고 개수가 변하지 않았습니다.",
            times("length")
        ),
        (En, "vector") => format!(
            "Use {instead}: {} numbers of one kind, to which others are added. It grows as a List \
             does, and NumPy sees it without a copy.",
            times("length")
        ),
        (Ko, "vector") => format!(
            "{instead}을(를) 쓰십시오. 같은 종류의 숫자 {}개이고 더 늘어납니다. List처럼 늘어나고 \
             NumPy가 복사 없이 봅니다.",
            times("length")
        ),
        (En, "dense") => format!(
            "Use {instead}: {} numbers of one kind, whose keys are 0, 1, 2 and so on.",
            times("length")
        ),
        (Ko, "dense") => format!(
            "{instead}을(를) 쓰십시오. 같은 종류의 숫자 {}개이고 키가 0, 1, 2 ...입니다.",
            times("length")
        ),
        (En, "unguarded") => format!(
            "Use {instead}: values were read and written back {} times, and no lock was taken as \
             often. Where a value depends on the one before, changes of others can get lost.",
            times("times")
        ),
        (Ko, "unguarded") => format!(
            "{instead}을(를) 쓰십시오. 값을 {}번 읽고 다시 썼는데 그만큼 잡은 락이 없습니다. 이전 값에 \
             따라 바꾼다면 다른 프로세스의 변경을 잃을 수 있습니다.",
            times("times")
        ),
        (En, "contended") => format!(
            "Hold it for less, or lock less with it: {share} of {} acquisitions had to wait.",
            times("acquired")
        ),
        (Ko, "contended") => format!(
            "더 짧게 잡거나 범위를 나누십시오. {}번 중 {share}가 기다렸습니다.",
            times("acquired")
        ),
        (En, "crowded") => format!(
            "Several use it at the same moment: {share} of its operations had to wait. Collect \
             changes and make them with update() or extend(), or give each worker its own."
        ),
        (Ko, "crowded") => format!(
            "여럿이 동시에 씁니다. 연산의 {share}가 기다렸습니다. 변경을 모아 update()나 extend()로 \
             하거나 작업자마다 따로 두십시오."
        ),
        (En, _) => "Keep it: nothing else would do the same for less.".to_owned(),
        (Ko, _) => "그대로 두십시오. 같은 일을 더 싸게 하는 것이 없습니다.".to_owned(),
    }
}
