//! `pumasi run`: its arguments, and its help in two languages.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args as ClapArgs, ValueHint};

use crate::language::{Language, Text};

/// `pumasi run`
#[derive(ClapArgs, Debug)]
#[command(override_usage = "pumasi run [OPTIONS] PROGRAM [ARGUMENT]...\n       \
                            pumasi run [OPTIONS] -m MODULE [ARGUMENT]...")]
pub(crate) struct RunArgs {
    /// Replace multiprocessing in every Python which the program starts, too
    #[arg(long)]
    pub(crate) follow: bool,
    /// What to do with warnings, as python -W
    #[arg(short = 'W', value_name = "FILTER")]
    pub(crate) warnings: Vec<String>,
    /// An option of the interpreter, as python -X
    #[arg(short = 'X', value_name = "OPTION")]
    pub(crate) options: Vec<String>,
    /// A file, a folder or an archive, or -m and a module; then the program's arguments
    #[arg(value_name = "PROGRAM", required = true, num_args = 1.., trailing_var_arg = true,
          allow_hyphen_values = true, value_hint = ValueHint::CommandWithArguments)]
    program: Vec<OsString>,
}

impl RunArgs {
    /// The program and its arguments; `-mMODULE` is taken apart, as the interpreter does.
    pub(crate) fn words(&self) -> Vec<OsString> {
        let mut words = self.program.clone();
        let joined = words[0].to_str().and_then(|word| word.strip_prefix("-m"));
        if let Some(module) = joined.filter(|module| !module.is_empty()) {
            let module = module.to_owned();
            words[0] = "-m".into();
            words.insert(1, module.into());
        }
        words
    }

    /// Refuses what the grammar cannot: an option in the place of the program.
    pub(super) fn check(
        &self,
        mut command: clap::Command,
        language: Language,
    ) -> Result<(), clap::Error> {
        if self.is_understood() {
            return Ok(());
        }
        let word = self.program[0].to_string_lossy();
        let said = match language {
            Language::En => format!("'{word}' is not a program, nor -m with a module"),
            Language::Ko => format!("'{word}': 프로그램도 아니고, 모듈이 따르는 -m도 아닙니다"),
        };
        Err(command.error(ErrorKind::InvalidValue, said))
    }

    /// Whether the first word is a program's, or `-m` with a module.
    fn is_understood(&self) -> bool {
        let words = self.words();
        match words[0].to_str() {
            Some("-m") => words.len() > 1,
            Some(word) => !word.starts_with('-'),
            None => true,
        }
    }
}

pub(super) const AFTER: Text = Text {
    en: "\
The exit code is the program's; 2 and 3 are also pumasi's own, as for the tour.

The program's import of multiprocessing, in any form, gives pumasi's objects, also in the
libraries it imports and in its children under every start method.",
    ko: "\
종료 코드는 프로그램의 것입니다. 2와 3은 tour처럼 pumasi의 것이기도 합니다.

프로그램과 라이브러리가 multiprocessing을 어떻게 import하든, 그리고 어떤 시작 방법의
자식 프로세스에서도 pumasi의 객체를 받습니다.",
};

pub(super) const KOREAN: &[(&str, &str)] = &[
    (
        "follow",
        "프로그램이 시작하는 다른 파이썬에서도 multiprocessing을 바꿉니다",
    ),
    ("warnings", "경고를 다루는 방법 (python -W와 같음)"),
    ("options", "인터프리터 옵션 (python -X와 같음)"),
    (
        "program",
        "파일, 폴더, 압축 파일 또는 -m과 모듈. 그 뒤는 프로그램의 인자입니다",
    ),
];

#[cfg(test)]
mod tests {
    use super::super::{Args, Command, command};
    use super::*;
    use clap::FromArgMatches;

    fn parsed(line: &str) -> RunArgs {
        let matches = command(Language::En)
            .try_get_matches_from(line.split(' '))
            .unwrap();
        match Args::from_arg_matches(&matches).unwrap().command {
            Command::Run(run) => run,
            other => panic!("not a run: {other:?}"),
        }
    }

    #[test]
    fn what_follows_the_program_is_its_own() {
        let run = |line: &str| {
            let run = parsed(line);
            assert!(run.is_understood(), "{line}");
            let words = run.words().into_iter();
            let words: Vec<_> = words.map(|word| word.into_string().unwrap()).collect();
            (run.follow, run.warnings, words)
        };
        let (follow, warnings, words) = run("pumasi run --follow -W error x.py --follow -W -m");
        assert!(follow);
        assert_eq!(warnings, ["error"]);
        assert_eq!(words, ["x.py", "--follow", "-W", "-m"]);
        let (follow, _, words) = run("pumasi run -m json.tool --help --lang ko");
        assert!(!follow);
        assert_eq!(words, ["-m", "json.tool", "--help", "--lang", "ko"]);
        assert_eq!(run("pumasi run -mjson.tool -").2, ["-m", "json.tool", "-"]);
        for line in ["pumasi run -m", "pumasi run --nothing x.py"] {
            assert!(!parsed(line).is_understood(), "{line}");
        }
    }
}
