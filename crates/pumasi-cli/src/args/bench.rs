//! What can be typed after `pumasi bench`, and its help.

use clap::{Args as ClapArgs, ValueHint};

use super::seconds;
use crate::language::Text;

/// `pumasi bench`
#[derive(ClapArgs, Debug)]
pub(crate) struct BenchArgs {
    /// What is measured: module:function, or a script with --func
    #[arg(value_name = "MODULE:FUNCTION", required_unless_present = "report")]
    target: Option<String>,
    /// The function, where the target is a script
    #[arg(long, value_name = "NAME")]
    func: Option<String>,
    /// The inputs, a call for each: Python literals, or else texts
    #[arg(long, num_args = 1.., value_name = "INPUT", allow_negative_numbers = true)]
    args: Vec<String>,
    /// The inputs as a Python expression, evaluated in the module: range(100)
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "args")]
    inputs: Option<String>,
    /// Give the inputs of --args so many times
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    repeat: u32,
    /// How many calls of a function that takes nothing
    #[arg(long, value_name = "CALLS", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    items: u32,
    /// Each input is a tuple of several arguments
    #[arg(long)]
    star: bool,
    /// The numbers of workers [default: 1, 2, 4 ... up to the cores]
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=512))]
    workers: Vec<u16>,
    /// Only threads, or only processes [default: both]
    #[arg(long, value_name = "KIND", value_parser = ["threads", "processes"])]
    only: Option<String>,
    /// The start methods of the processes [default: the program's]
    #[arg(long, value_name = "METHODS", value_delimiter = ',', value_parser = ["fork", "spawn", "forkserver"])]
    start_methods: Vec<String>,
    /// How inputs reach processes [default: each way that fits them]
    #[arg(long, value_name = "WAYS", value_delimiter = ',', value_parser = ["pickled", "pool", "native", "shared"])]
    arguments: Vec<String>,
    /// How many seconds it may take
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0, value_parser = seconds)]
    budget: f64,
    /// Half the width of an interval, in percent, at which it is narrow enough
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0)]
    precision: f64,
    /// Measure nothing: show a report that was saved, by --json or by a Rust program
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "target")]
    pub(crate) report: Option<std::path::PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page with plots, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) html: Option<std::path::PathBuf>,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl BenchArgs {
    /// The command line of `python -m pumasi.measure`.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut option = |name: &str, value: String| words.push(format!("--{name}={value}"));
        for (name, value) in [("func", &self.func), ("inputs", &self.inputs)] {
            if let Some(value) = value {
                option(name, value.clone());
            }
        }
        for value in &self.args {
            option("arg", value.clone());
        }
        let workers: Vec<String> = self.workers.iter().map(u16::to_string).collect();
        let only: Vec<String> = self.only.iter().cloned().collect();
        for (name, values) in [
            ("workers", &workers),
            ("kinds", &only),
            ("start-methods", &self.start_methods),
            ("arguments", &self.arguments),
        ] {
            if !values.is_empty() {
                option(name, values.join(","));
            }
        }
        option("repeat", self.repeat.to_string());
        option("items", self.items.to_string());
        option("budget", self.budget.to_string());
        option("precision", (self.precision / 100.0).to_string());
        if self.star {
            words.push("--star".to_owned());
        }
        words.push("--".to_owned());
        words.extend(self.target.clone());
        words
    }
}

pub(super) const AFTER: Text = Text {
    en: "\
Examples:
  pumasi bench statistics:fmean --inputs '[range(n) for n in (100000, 200000)] * 8'
  pumasi bench work.py --func count --args 10 20 30 --html report.html
  pumasi bench --report saved.json --html report.html

Exit codes:
  0    it was measured
  1    the function failed, crashed, or took longer than the budget for one pass
  2    the command line was not understood
  3    something is missing: the function, its module, or a Python with pumasi
  130  ended by Ctrl-C (128 and the number of the signal)",
    ko: "\
예:
  pumasi bench statistics:fmean --inputs '[range(n) for n in (100000, 200000)] * 8'
  pumasi bench work.py --func count --args 10 20 30 --html report.html
  pumasi bench --report saved.json --html report.html

종료 코드:
  0    측정했습니다
  1    함수가 실패하거나 비정상 종료했거나, 한 번 실행이 예산보다 오래 걸렸습니다
  2    명령줄을 이해하지 못했습니다
  3    함수나 모듈, 또는 pumasi가 있는 파이썬이 없습니다
  130  Ctrl-C로 끝났습니다 (128 + 시그널 번호)",
};

pub(super) const KOREAN: &[(&str, &str)] = &[
    ("target", "잴 함수: 모듈:함수, 또는 --func와 함께 스크립트"),
    ("func", "대상이 스크립트일 때 함수의 이름"),
    (
        "args",
        "입력. 하나마다 한 번 호출합니다: 파이썬 리터럴, 아니면 텍스트",
    ),
    (
        "inputs",
        "모듈 안에서 계산할 파이썬 식으로 준 입력: range(100)",
    ),
    ("repeat", "--args의 입력을 이만큼 되풀이합니다"),
    ("items", "인자가 없는 함수를 이만큼 호출합니다"),
    ("star", "입력 하나가 여러 인자의 튜플입니다"),
    ("workers", "작업자 수들 [기본값: 1, 2, 4 ... 코어 수까지]"),
    ("only", "스레드만, 또는 프로세스만 [기본값: 둘 다]"),
    (
        "start_methods",
        "프로세스의 시작 방식 [기본값: 프로그램의 방식]",
    ),
    (
        "arguments",
        "입력을 프로세스로 보내는 방법 [기본값: 맞는 것 모두]",
    ),
    ("budget", "이 시간(초)까지만 잽니다"),
    ("precision", "구간 폭의 절반이 이 비율(%)이 되면 충분합니다"),
    (
        "report",
        "재지 않고, --json이나 Rust 프로그램이 저장한 보고서를 보여줍니다",
    ),
    ("json", "보고서를 JSON으로 출력합니다"),
    ("html", "그래프가 있는 페이지로도 저장합니다"),
    ("quiet", "진행 상황을 표시하지 않습니다"),
];
