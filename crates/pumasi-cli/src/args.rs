//! What can be typed: the command line's grammar, its help in two languages, and its errors.

mod bench;
mod run;

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, Args as ClapArgs, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap::{ValueEnum, ValueHint};

pub(crate) use bench::BenchArgs;
pub(crate) use run::RunArgs;

use crate::exit::{Exit, Trouble};
use crate::language::{Language, Text};
use crate::tour::ideas;

/// Processes which work one shared memory: the command line of pumasi
#[derive(Parser, Debug)]
#[command(name = "pumasi", version, disable_help_subcommand = true)]
pub(crate) struct Args {
    /// Language of the output [default: from LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_name = "LANGUAGE")]
    lang: Option<Language>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Args {
    /// The language which was asked for, or else the environment's.
    pub(crate) fn language(&self) -> Language {
        self.lang.unwrap_or_else(Language::of_environment)
    }
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run small programs on pumasi and on the standard library, and compare
    Tour(TourArgs),
    /// Measure a Python function in series, on threads and on processes, and say which to use
    Bench(BenchArgs),
    /// Run a Python program, and say of each shared object which type would suit it
    Advise(AdviseArgs),
    /// Run an unchanged Python program on pumasi instead of multiprocessing
    Run(RunArgs),
    /// List the heaps with a name, and who has them open
    Ls(LsArgs),
    /// Take the names of heaps away that no process has open
    Rm(RmArgs),
    /// Run one Rust program of the tour in this process, and print its result as JSON
    #[command(hide = true)]
    TourProgram(TourProgramArgs),
}

/// `pumasi tour`
#[derive(ClapArgs, Debug)]
pub(crate) struct TourArgs {
    /// Only these programs [default: all]
    #[arg(value_name = "PROGRAM", value_parser = ideas::names())]
    pub(crate) programs: Vec<String>,
    /// Only the programs in this language [default: both]
    #[arg(long = "in", value_name = "SIDE")]
    pub(crate) side: Option<Side>,
    /// Few rounds and little data: done in seconds, its times mean little
    #[arg(long)]
    pub(crate) quick: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// List the programs, run none
    #[arg(long, conflicts_with_all = ["source", "json"])]
    pub(crate) list: bool,
    /// Print the source of the Python programs which are named, run none
    #[arg(long, requires = "programs", conflicts_with = "json")]
    pub(crate) source: bool,
    /// Give up on a program after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    timeout: f64,
}

impl TourArgs {
    /// How long one program may take.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs_f64(self.timeout)
    }
}

/// `pumasi advise`
#[derive(ClapArgs, Debug)]
pub(crate) struct AdviseArgs {
    /// Print the advice as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// The program, which is run to its end
    #[arg(value_name = "PROGRAM.PY", value_hint = ValueHint::FilePath)]
    pub(crate) program: std::path::PathBuf,
    /// What the program is given
    #[arg(
        value_name = "ARGUMENTS",
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) arguments: Vec<String>,
}

/// `pumasi ls`
#[derive(ClapArgs, Debug)]
pub(crate) struct LsArgs {
    /// Print the list as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `pumasi rm`
#[derive(ClapArgs, Debug)]
pub(crate) struct RmArgs {
    /// Also where processes have the heap open; they go on without the name
    #[arg(long, short)]
    pub(crate) force: bool,
    /// The names
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}

/// `pumasi tour-program`, which `pumasi tour` starts for each of its Rust programs.
#[derive(ClapArgs, Debug)]
pub(crate) struct TourProgramArgs {
    #[arg(value_parser = ideas::names())]
    pub(crate) program: String,
    /// On the threads of Rust's standard library instead of on pumasi's processes
    #[arg(long)]
    pub(crate) threads: bool,
    #[arg(long)]
    pub(crate) quick: bool,
    /// The folder of a Python's standard library, which is the data of one program
    #[arg(long, value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<std::path::PathBuf>,
}

/// The language in which a program of the tour is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// Python
    Python,
    /// Rust
    Rust,
}

/// Reads the arguments. What cannot be obeyed, and `--help`, is answered here, with the exit code.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Args, Exit> {
    let args: Vec<OsString> = args.into_iter().collect();
    let language = language_before_parsing(&args);
    let parsed = command(language)
        .try_get_matches_from(args)
        .and_then(|matches| Args::from_arg_matches(&matches))
        .and_then(|args| match &args.command {
            Command::Run(run) => run.check(command(language), language).map(|()| args),
            _ => Ok(args),
        });
    parsed.map_err(|error| answer(&error))
}

/// Prints help to standard output and errors to standard error.
fn answer(error: &clap::Error) -> Exit {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            match write!(std::io::stdout(), "{text}") {
                Ok(()) => Exit::Success,
                Err(error) => Trouble::from(error).tell(),
            }
        }
        _ => {
            eprint!("{text}");
            Exit::Usage
        }
    }
}

/// The language of help and errors, which are needed before the arguments are understood.
fn language_before_parsing(args: &[OsString]) -> Language {
    let mut words = args.iter().map(|word| word.to_str().unwrap_or_default());
    let mut asked = None;
    while let Some(word) = words.next() {
        asked = match word.strip_prefix("--lang") {
            Some("") => words.next(),
            Some(rest) => rest.strip_prefix('=').or(asked),
            None => asked,
        };
    }
    asked
        .and_then(|name| Language::from_str(name, false).ok())
        .unwrap_or_else(Language::of_environment)
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds from 0.01 to 86400".to_owned()),
    }
}

/// The grammar, with its help in one language.
fn command(language: Language) -> clap::Command {
    let command = Args::command()
        .mut_subcommand("tour", |tour| {
            tour.after_help(AFTER_TOUR.in_language(language))
        })
        .mut_subcommand("bench", |bench| {
            bench.after_help(bench::AFTER.in_language(language))
        })
        .mut_subcommand("run", |command| {
            command.after_help(run::AFTER.in_language(language))
        });
    match language {
        Language::En => command,
        Language::Ko => in_korean(command),
    }
}

const AFTER_TOUR: Text = Text {
    en: "\
Exit codes:
  0    every program gave the right result
  1    a program gave a wrong result, or none; standard error says which
  2    the command line was not understood
  3    something is missing, such as a Python which can import pumasi
  130  ended by Ctrl-C (128 and the number of the signal)

The interpreter is the one which pumasi is installed in; for the program that Cargo
installs it is PUMASI_PYTHON, or else python3 on the PATH.",
    ko: "\
종료 코드:
  0    모든 프로그램의 결과가 맞습니다
  1    결과가 틀렸거나 나오지 않은 프로그램이 있습니다. 표준 오류에 이름을 알립니다
  2    명령줄을 이해하지 못했습니다
  3    pumasi를 import할 수 있는 파이썬처럼 필요한 것이 없습니다
  130  Ctrl-C로 끝났습니다 (128 + 시그널 번호)

파이썬 인터프리터는 pumasi가 설치된 인터프리터를 씁니다. Cargo로 설치한 프로그램은
PUMASI_PYTHON, 없으면 PATH의 python3를 씁니다.",
};

/// The same grammar with Korean help.
fn in_korean(command: clap::Command) -> clap::Command {
    let command = korean_frame(command)
        .about("한 메모리를 함께 쓰는 프로세스들: pumasi의 명령줄")
        .subcommand_help_heading("명령")
        .disable_version_flag(true)
        .arg(flag(
            "version",
            'V',
            ArgAction::Version,
            "버전을 표시합니다",
        ));
    let advise = "파이썬 프로그램을 실행하고, 공유 객체마다 알맞은 타입을 알려 줍니다";
    let tour = "작은 프로그램들을 pumasi와 표준 라이브러리로 실행해 비교합니다";
    let bench = "파이썬 함수를 직렬, 스레드, 프로세스로 실행해 재고 무엇을 쓸지 알려 줍니다";
    let run = "파이썬 프로그램을 고치지 않고 multiprocessing 대신 pumasi로 실행합니다";
    command
        .mut_subcommand("tour", |command| {
            korean_arguments(command.about(tour), KOREAN_HELP)
        })
        .mut_subcommand("bench", |command| {
            korean_arguments(command.about(bench), bench::KOREAN)
        })
        .mut_subcommand("advise", |command| {
            korean_arguments(command.about(advise), KOREAN_ADVISE)
        })
        .mut_subcommand("run", |command| {
            korean_arguments(command.about(run), run::KOREAN)
        })
        .mut_subcommand("ls", |command| {
            korean_arguments(
                command.about("이름 있는 힙과 그것을 열고 있는 프로세스를 보여 줍니다"),
                &[("json", "목록을 JSON으로 출력합니다")],
            )
        })
        .mut_subcommand("rm", |command| {
            korean_arguments(
                command.about("아무 프로세스도 열고 있지 않은 힙의 이름을 지웁니다"),
                KOREAN_RM,
            )
        })
}

const KOREAN_RM: &[(&str, &str)] = &[
    (
        "force",
        "열고 있는 프로세스가 있어도 지웁니다. 그 프로세스들은 이름 없이 계속 씁니다",
    ),
    ("names", "지울 이름"),
];

const KOREAN_ADVISE: &[(&str, &str)] = &[
    ("json", "조언을 JSON으로 출력합니다"),
    ("program", "끝까지 실행할 프로그램"),
    ("arguments", "프로그램에 줄 인자"),
];

fn korean_arguments(command: clap::Command, help: &[(&str, &'static str)]) -> clap::Command {
    let framed = korean_frame(command);
    help.iter().fold(framed, |command, (name, help)| {
        command.mut_arg(name, |arg| {
            let heading = if arg.is_positional() {
                "인자"
            } else {
                "옵션"
            };
            arg.help(*help).help_heading(heading)
        })
    })
}

const KOREAN_HELP: &[(&str, &str)] = &[
    ("programs", "이 프로그램들만 실행합니다 [기본값: 모두]"),
    ("side", "이 언어의 프로그램만 실행합니다 [기본값: 둘 다]"),
    (
        "quick",
        "횟수와 데이터를 줄여 몇 초 안에 끝냅니다. 시간은 큰 의미가 없습니다",
    ),
    ("json", "보고서를 JSON으로 출력합니다"),
    ("quiet", "진행 상황을 표시하지 않습니다"),
    ("list", "실행하지 않고 프로그램 목록을 출력합니다"),
    (
        "source",
        "실행하지 않고 지정한 파이썬 프로그램의 소스를 출력합니다",
    ),
    ("timeout", "프로그램 하나를 이 시간(초)까지만 기다립니다"),
];

fn korean_frame(command: clap::Command) -> clap::Command {
    let lang = Arg::new("lang")
        .long("lang")
        .global(true)
        .value_name("LANGUAGE")
        .value_parser(clap::value_parser!(Language));
    let lang = lang
        .help("출력 언어 [기본값: LC_ALL, LC_MESSAGES, LANG에 따름]")
        .help_heading("옵션");
    let command = if command.get_arguments().any(|arg| arg.get_id() == "lang") {
        command.mut_arg("lang", |_| lang)
    } else {
        command
    };
    command
        .help_template("{about-with-newline}\n사용법: {usage}\n\n{all-args}{after-help}")
        .disable_help_flag(true)
        .arg(flag("help", 'h', ArgAction::Help, "도움말을 표시합니다"))
}

fn flag(name: &'static str, short: char, action: ArgAction, help: &'static str) -> Arg {
    Arg::new(name)
        .short(short)
        .long(name)
        .action(action)
        .help(help)
        .help_heading("옵션")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Args, clap::Error> {
        let matches = command(Language::En).try_get_matches_from(line.split(' '))?;
        Args::from_arg_matches(&matches)
    }

    #[test]
    fn the_grammar_is_sound_in_both_languages() {
        command(Language::En).debug_assert();
        command(Language::Ko).debug_assert();
    }

    #[test]
    fn both_languages_understand_the_same() {
        for language in [Language::En, Language::Ko] {
            let line = "pumasi tour race --in python --quick --json --lang ko --timeout 2.5";
            let matches = command(language)
                .try_get_matches_from(line.split(' '))
                .unwrap();
            let args = Args::from_arg_matches(&matches).unwrap();
            assert_eq!(args.language(), Language::Ko);
            let Command::Tour(tour) = args.command else {
                panic!("not a tour")
            };
            assert_eq!(tour.programs, ["race"]);
            assert_eq!(tour.side, Some(Side::Python));
            assert_eq!(tour.patience(), Duration::from_millis(2500));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let lines = [
            "pumasi",
            "pumasi tour nothing",
            "pumasi tour --timeout -1",
            "pumasi tour --source",
            "pumasi run",
        ];
        for line in lines {
            assert!(parsed(line).is_err(), "{line}");
        }
    }

    #[test]
    fn the_language_is_found_wherever_it_stands() {
        let found = |line: &str| {
            language_before_parsing(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
        };
        assert_eq!(found("pumasi --lang ko tour --help"), Language::Ko);
        assert_eq!(found("pumasi tour --lang=ko --help"), Language::Ko);
        assert_eq!(found("pumasi tour --lang=ko --lang en"), Language::En);
    }

    #[test]
    fn every_korean_help_has_its_argument() {
        let mut command = command(Language::Ko);
        command.build();
        for name in ["tour", "bench", "advise", "run", "ls", "rm"] {
            let command = command.find_subcommand(name).unwrap();
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_ascii(), "{}: {help}", arg.get_id());
            }
        }
    }
}
