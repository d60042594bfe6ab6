//! The ideas of the tour, in the order in which a newcomer meets them, with their texts.

use super::findings::{
    Identifiers, KilledHolder, Race, RaceAtOnce, Read, Safe, Semaphore, Separate, Shared,
    SharedArray, ThreadsAndProcesses, read,
};
use crate::args::Side;
use crate::language::Text;

/// One idea: a program in Python and one in Rust show it.
pub(crate) struct Idea {
    /// The programs' name, on the command line and as a file.
    pub(crate) name: &'static str,
    pub(crate) title: Text,
    /// What the programs do, in one sentence.
    pub(crate) shows: Text,
    /// What there is to learn from the result, with the sides which it is about.
    pub(crate) lesson: Option<(&'static [Side], Text)>,
    /// Reads the programs' results.
    pub(crate) read: Read,
}

/// The names of all ideas.
pub(crate) fn names() -> Vec<&'static str> {
    IDEAS.iter().map(|idea| idea.name).collect()
}

const BOTH: &[Side] = &[Side::Python, Side::Rust];
const PYTHON: &[Side] = &[Side::Python];

pub(crate) static IDEAS: &[Idea] = &[
    Idea {
        name: "separate_memory",
        title: Text {
            en: "Separate memory",
            ko: "분리된 메모리",
        },
        shows: Text {
            en: "Four processes append ten numbers each to an ordinary list; the parent looks at \
                 its own.",
            ko: "프로세스 넷이 보통 리스트에 숫자를 열 개씩 넣고, 부모는 자기 리스트를 봅니다.",
        },
        lesson: None,
        read: read::<Separate>,
    },
    Idea {
        name: "manager_list",
        title: Text {
            en: "A shared list",
            ko: "공유 리스트",
        },
        shows: Text {
            en: "Four processes append ten numbers each to one shared list.",
            ko: "프로세스 넷이 공유 리스트 하나에 숫자를 열 개씩 넣습니다.",
        },
        lesson: Some((
            PYTHON,
            Text {
                en: "multiprocessing keeps the list in a server process, so that each append is a \
                     message there and back; pumasi's Manager has no server, and the list lies in \
                     memory which all processes share. Starting four processes takes the same time \
                     with both, which is most of it here; the time of one append shows the \
                     difference.",
                ko: "multiprocessing은 리스트를 서버 프로세스에 두므로 append마다 메시지가 오갑니다. \
                     pumasi의 Manager에는 서버가 없고, 리스트는 모든 프로세스가 함께 쓰는 메모리에 \
                     있습니다. 프로세스 넷을 시작하는 시간은 양쪽이 같고 여기서는 그 시간이 \
                     대부분이므로, 차이는 append 한 번의 시간에서 드러납니다.",
            },
        )),
        read: read::<Shared>,
    },
    Idea {
        name: "shared_array",
        title: Text {
            en: "A shared array",
            ko: "공유 배열",
        },
        shows: Text {
            en: "Four processes write ten places each of an Array of 40; the sum 180 proves that \
                 the writes arrived.",
            ko: "프로세스 넷이 크기 40인 Array를 열 칸씩 채웁니다. 합 180이 쓰기가 도착했음을 \
                 증명합니다.",
        },
        lesson: None,
        read: read::<SharedArray>,
    },
    Idea {
        name: "race",
        title: Text {
            en: "A race",
            ko: "경쟁 상태",
        },
        shows: Text {
            en: "Read the list, change the copy, write it back, without a lock. 40 would be right.",
            ko: "Lock 없이 리스트를 읽고, 복사본을 바꾸고, 다시 씁니다. 40이 되어야 맞습니다.",
        },
        lesson: Some((
            BOTH,
            Text {
                en: "Where 40 comes out, the program is as wrong as where it does not. Ten rounds \
                     take pumasi a few microseconds, so one process is mostly done before the next \
                     one has started, and the mistake stays hidden.",
                ko: "40이 나왔다고 해서 프로그램이 맞는 것은 아닙니다. pumasi에서는 열 번 도는 데 몇 \
                     마이크로초밖에 걸리지 않아, 대개 다음 프로세스가 시작되기 전에 앞의 프로세스가 \
                     끝납니다. 잘못이 가려져 있을 뿐입니다.",
            },
        )),
        read: read::<Race>,
    },
    Idea {
        name: "race_at_once",
        title: Text {
            en: "The race, all at once",
            ko: "동시에 출발한 경쟁",
        },
        shows: Text {
            en: "The same, but all start together behind a barrier and take many rounds.",
            ko: "같은 일을 하되, 모두 함께 출발해 여러 번 돕니다.",
        },
        lesson: Some((
            BOTH,
            Text {
                en: "Started together and with enough rounds, the four really work at the same \
                     time, and whoever writes last wipes out what the others have added.",
                ko: "함께 출발해 충분히 오래 돌면 넷이 실제로 동시에 일하게 되고, 마지막에 쓴 \
                     프로세스가 다른 프로세스의 값을 지워 버립니다.",
            },
        )),
        read: read::<RaceAtOnce>,
    },
    Idea {
        name: "lock",
        title: Text {
            en: "With a Lock",
            ko: "Lock을 쓰면",
        },
        shows: Text {
            en: "The same once more, with a Lock around the three steps.",
            ko: "같은 일을 하되, 세 단계를 Lock으로 감쌉니다.",
        },
        lesson: None,
        read: read::<Safe>,
    },
    Idea {
        name: "one_call",
        title: Text {
            en: "One atomic call",
            ko: "원자적 호출 하나",
        },
        shows: Text {
            en: "As many rounds, each one append and one addition, without a lock.",
            ko: "같은 횟수만큼 append와 더하기를 Lock 없이 합니다.",
        },
        lesson: Some((
            BOTH,
            Text {
                en: "d.add(key) reads, adds and writes in one step, so there is no lock to forget. \
                     Without it d[key]\u{a0}+=\u{a0}1 needs a Lock, and the time beside it is with that Lock.",
                ko: "d.add(key)는 읽기, 더하기, 쓰기를 한 번에 하므로 잊어버릴 Lock이 없습니다. 그것이 \
                     없으면 d[key]\u{a0}+=\u{a0}1에 Lock이 필요하며, 옆의 시간은 그 Lock을 쓴 시간입니다.",
            },
        )),
        read: read::<Safe>,
    },
    Idea {
        name: "semaphore",
        title: Text {
            en: "A Semaphore",
            ko: "Semaphore",
        },
        shows: Text {
            en: "Eight processes want in; a Semaphore lets three in at a time.",
            ko: "프로세스 여덟이 들어가려 하지만 Semaphore는 동시에 셋만 들여보냅니다.",
        },
        lesson: None,
        read: read::<Semaphore>,
    },
    Idea {
        name: "threads_and_processes",
        title: Text {
            en: "Ten threads, ten processes",
            ko: "스레드 열, 프로세스 열",
        },
        shows: Text {
            en: "The same computing ten times: one after the other, by threads, by processes.",
            ko: "같은 계산 열 번을 차례로, 스레드로, 프로세스로 합니다.",
        },
        lesson: None,
        read: read::<ThreadsAndProcesses>,
    },
    Idea {
        name: "killed_holder",
        title: Text {
            en: "A killed lock holder",
            ko: "Lock을 쥔 채 죽은 프로세스",
        },
        shows: Text {
            en: "A process is killed while it holds a Lock; another one wants the Lock.",
            ko: "한 프로세스가 Lock을 쥔 채 강제로 종료되고, 다른 프로세스가 그 Lock을 원합니다.",
        },
        lesson: Some((
            BOTH,
            Text {
                en: "A lock of pumasi knows its owner. When the owner is killed, the next one gets \
                     the lock at once and is told who died and how, so that it can put in order \
                     what was left half done.",
                ko: "pumasi의 Lock은 주인을 압니다. 주인이 강제로 종료되면 다음 프로세스가 바로 Lock을 \
                     얻고, 누가 어떻게 죽었는지 듣습니다. 그래서 하다 만 일을 정리할 수 있습니다.",
            },
        )),
        read: read::<KilledHolder>,
    },
    Idea {
        name: "count_identifiers",
        title: Text {
            en: "Real work",
            ko: "실제 작업",
        },
        shows: Text {
            en: "Count the identifiers in all .py files of Python's standard library.",
            ko: "파이썬 표준 라이브러리의 모든 .py 파일에서 식별자를 셉니다.",
        },
        lesson: Some((
            PYTHON,
            Text {
                en: "In Python one thread computes at a time, so threads do not make computing \
                     faster, and processes do. With the shared Dict each process adds its counts \
                     as it goes, without a lock and without merging at the end.",
                ko: "파이썬에서는 한 번에 한 스레드만 계산하므로 스레드로는 계산이 빨라지지 않고, \
                     프로세스로는 빨라집니다. 공유 Dict를 쓰면 각 프로세스가 세는 대로 바로 더하므로 \
                     Lock도, 마지막에 합치는 일도 필요 없습니다.",
            },
        )),
        read: read::<Identifiers>,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_in_both_languages() {
        let hangul = |text: &str| text.chars().any(|c| ('가'..='힣').contains(&c));
        for idea in IDEAS {
            let lesson = idea.lesson.as_ref().map(|(_, text)| text);
            for text in [&idea.shows].into_iter().chain(lesson) {
                assert!(hangul(text.ko) && !hangul(text.en), "{}", idea.name);
                assert!(
                    !text.en.contains("  ") && !text.ko.contains("  "),
                    "{}",
                    idea.name
                );
            }
        }
    }

    #[test]
    fn names_are_file_names_and_no_two_are_the_same() {
        let mut names = names();
        assert!(
            names
                .iter()
                .all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        );
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), IDEAS.len());
    }
}
