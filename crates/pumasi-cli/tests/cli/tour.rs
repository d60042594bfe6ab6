//! `pumasi tour` as its users meet it: exit codes, what goes to which stream, JSON, languages.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Done, Folder, fake_python, finish, pumasi, result, wait, write_program};
use serde_json::Value;

/// The tour of one Python program, answered by a script.
fn tour(program: &str, script: &str, args: &[&str]) -> Done {
    let folder = Folder::new();
    finish(&mut tour_command(&folder, program, script, args))
}

fn tour_command(folder: &Folder, program: &str, script: &str, args: &[&str]) -> Command {
    let python = fake_python(&folder.0, script);
    let mut command = pumasi(&["tour", "--in", "python", program]);
    command.args(args).env("PUMASI_PYTHON", python);
    command
}

fn empty_list() -> String {
    result(r#"{"length": 0, "seconds": 0.0125}"#)
}

#[test]
fn a_right_result_is_success() {
    let done = tour("separate_memory", &empty_list(), &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stdout.contains("Separate memory"), "{}", done.stdout);
    assert!(done.stdout.contains("12.5 ms"), "{}", done.stdout);
    assert!(done.stdout.contains("Python 3.99.0"), "{}", done.stdout);
}

#[test]
fn a_wrong_result_is_exit_code_1_and_named() {
    let wrong = result(r#"{"length": 40, "seconds": 0.0125}"#);
    let done = tour("separate_memory", &wrong, &["--quiet"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr
            .contains("separate_memory (pumasi): the length is 40, not 0")
    );
    assert!(done.stderr.contains("separate_memory (multiprocessing)"));
    assert!(done.stdout.contains("WRONG"));
}

#[test]
fn only_the_wrong_one_is_named() {
    let script = r#"
        if [ $library = pumasi ]; then length=40; else length=39; fi
        echo '{"process_seconds": 1, "result": {"seconds": 1, "length": '$length'}}'"#;
    let done = tour("manager_list", script, &["--quiet"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(
        done.stderr,
        "pumasi: manager_list (multiprocessing): the length is 39, not 40\n"
    );
}

#[test]
fn a_program_which_fails_is_exit_code_1_with_its_last_words() {
    let done = tour("lock", "echo ZeroDivisionError >&2; exit 3", &["--quiet"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr
            .contains("lock (pumasi): ended with exit status: 3: ZeroDivisionError")
    );
}

#[test]
fn a_program_which_prints_no_result_is_exit_code_1() {
    for script in [
        "",
        "echo no json",
        "echo '{\"process_seconds\": 1, \"result\": {}}'",
    ] {
        let done = tour("lock", script, &["--quiet"]);
        assert_eq!(done.code, Some(1), "{script}: {done:?}");
        assert!(
            done.stderr.contains("printed no result"),
            "{script}: {done:?}"
        );
    }
}

#[test]
fn a_program_which_hangs_is_given_up() {
    let done = tour("lock", "sleep 1000", &["--quiet", "--timeout", "0.1"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr.contains("did not end within 100 ms"),
        "{done:?}"
    );
}

#[test]
fn programs_which_must_agree_and_do_not_are_exit_code_1() {
    let script = r#"
        case $library in pumasi) digest=7;; *) digest=8;; esac
        echo '{"process_seconds": 1, "result": {"files": 1, "identifiers": 5, "different": 2,
            "most_common": [["self", 3]], "workers": 2, "digests": {"serial": '$digest'},
            "way_seconds": {"serial": 1.5}, "seconds": 1.5}}' | tr '\n' ' '"#;
    let done = tour("count_identifiers", script, &["--quiet"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(
        done.stderr
            .starts_with("pumasi: count_identifiers (multiprocessing): counted")
    );
}

#[test]
fn a_command_line_which_is_not_understood_is_exit_code_2() {
    for args in [
        &["tour", "nothing"][..],
        &["nothing"],
        &["tour", "--timeout", "no"],
        &[],
    ] {
        let done = finish(&mut pumasi(args));
        assert_eq!(done.code, Some(2), "{args:?}: {done:?}");
        assert_eq!(done.stdout, "");
        assert!(done.stderr.contains("--help"), "{args:?}: {done:?}");
    }
}

#[test]
fn without_python_it_is_exit_code_3_with_advice() {
    let done = finish(&mut pumasi(&["tour"]));
    assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
    assert!(done.stderr.contains("PUMASI_PYTHON"), "{done:?}");
    let done = finish(pumasi(&["tour", "--source", "lock"]).env("LANG", "ko_KR.UTF-8"));
    assert_eq!(done.code, Some(3));
    assert!(done.stderr.contains("파이썬을 찾지 못했습니다"), "{done:?}");
}

#[test]
fn a_python_without_pumasi_is_exit_code_3_with_the_reason() {
    let folder = Folder::new();
    let python = fake_python(&folder.0, "");
    let answer = std::fs::read_to_string(&python).unwrap();
    let answer = answer.replace("\"trouble\": null", "\"trouble\": \"no such module\"");
    std::fs::remove_file(&python).unwrap();
    write_program(&python, &answer);
    let done = finish(pumasi(&["tour"]).env("PUMASI_PYTHON", &python));
    assert_eq!((done.code, done.stdout.as_str()), (Some(3), ""));
    assert!(
        done.stderr
            .contains("cannot import pumasi (no such module)"),
        "{done:?}"
    );
}

#[test]
fn a_reader_who_closes_the_pipe_is_no_trouble() {
    let folder = Folder::new();
    let mut command = tour_command(&folder, "separate_memory", &empty_list(), &["--quiet"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(wait(&mut child).code(), Some(0));
    for args in [&["tour", "--list"][..], &["--help"], &["--version"]] {
        let mut child = pumasi(args).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(wait(&mut child).code(), Some(0), "{args:?}");
    }
}

#[test]
fn an_output_which_cannot_be_written_is_exit_code_3() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut child = pumasi(&["tour", "--list"])
        .stdout(full)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(wait(&mut child).code(), Some(3));
}

#[test]
fn ctrl_c_ends_the_programs_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let temporary = Folder::new();
    let started = folder.0.join("started");
    let script = format!(
        "mkdir $TMPDIR/left; sleep 1000 & echo $! > {}; wait",
        started.display()
    );
    let mut command = tour_command(&folder, "lock", &script, &["--quiet"]);
    let mut child = command
        .env("TMPDIR", &temporary.0)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let program = wait_for_number(&started);
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(wait(&mut child).code(), Some(130));
    assert_eq!(temporary.entries(), [] as [std::path::PathBuf; 0]);
    let deadline = Instant::now() + Duration::from_secs(100);
    while std::fs::read_to_string(format!("/proc/{program}/stat"))
        .is_ok_and(|stat| stat.contains("(sleep)") && !stat.contains(") Z "))
    {
        assert!(
            Instant::now() < deadline,
            "process {program} is still there"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn wait_for_number(path: &std::path::Path) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(100);
    loop {
        let written = std::fs::read_to_string(path).unwrap_or_default();
        if let Ok(number) = written.trim().parse() {
            return number;
        }
        assert!(Instant::now() < deadline, "the program has not started");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn json_has_the_documented_form() {
    let script = result(r#"{"length": 40, "seconds": 0.5, "operation_seconds": 1e-6}"#);
    let done = tour("manager_list", &script, &["--json"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let top = [
        "language", "machine", "ok", "programs", "python", "quick", "seconds", "version",
    ];
    assert_eq!(keys(&report), top);
    assert_eq!(keys(&report["machine"]), ["processors", "system"]);
    assert_eq!(
        keys(&report["python"]),
        ["executable", "standard_library", "version"]
    );
    let row = &report["programs"][0];
    assert_eq!(
        keys(row),
        [
            "lesson",
            "operation_ratio",
            "program",
            "pumasi",
            "ratio",
            "shows",
            "side",
            "standard",
            "title",
        ]
    );
    assert_eq!(
        keys(&row["pumasi"]),
        [
            "endless",
            "library",
            "operation_seconds",
            "printed",
            "process_seconds",
            "remark",
            "result",
            "seconds",
            "trouble",
        ]
    );
    assert_eq!(report["ok"], true);
    assert_eq!(row["side"], "python");
    assert_eq!(
        (&row["ratio"], &row["operation_ratio"]),
        (&1.0.into(), &1.0.into())
    );
    assert_eq!(row["pumasi"]["library"], "pumasi");
    assert_eq!(row["standard"]["library"], "multiprocessing");
    assert_eq!(row["pumasi"]["result"]["length"], 40);
    assert_eq!(row["pumasi"]["process_seconds"], 0.25);
    assert_eq!(
        row["pumasi"]["printed"],
        "length 40; an append takes 1.00 µs"
    );
}

#[test]
fn json_says_what_is_wrong() {
    let done = tour("lock", "exit 1", &["--json", "--quiet"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let report: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let outcome = &report["programs"][0]["pumasi"];
    assert!(
        outcome["trouble"]
            .as_str()
            .unwrap()
            .starts_with("ended with exit status: 1")
    );
    assert_eq!(
        (&outcome["result"], &outcome["seconds"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn progress_goes_to_standard_error_in_plain_lines() {
    let done = tour("separate_memory", &empty_list(), &[]);
    let lines: Vec<_> = done.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "[1/2] Separate memory (pumasi)",
            "[2/2] Separate memory (multiprocessing)"
        ]
    );
    let done = tour("separate_memory", &empty_list(), &["--quiet"]);
    assert_eq!(done.stderr, "");
}

#[test]
fn without_a_terminal_it_is_plain_text_which_fits() {
    for language in ["en", "ko"] {
        for columns in [40, 87, 88, 100, 140] {
            let folder = Folder::new();
            let args = ["--lang", language, "--quiet"];
            let mut command = tour_command(&folder, "separate_memory", &empty_list(), &args);
            let done = finish(command.env("COLUMNS", columns.to_string()));
            assert_eq!(done.code, Some(0), "{done:?}");
            assert!(!done.stdout.contains('\x1b'), "{}", done.stdout);
            for line in done.stdout.lines() {
                let width = console::measure_text_width(line);
                // A line of a box is as wide as all the others; a command stays whole.
                assert!(
                    width <= columns || !line.contains(' ') || line.contains("python -"),
                    "{width} columns in {columns}: {line}"
                );
            }
            let boxes: Vec<_> = done
                .stdout
                .lines()
                .filter(|line| line.starts_with('|'))
                .collect();
            let widths: Vec<_> = boxes
                .iter()
                .map(|line| console::measure_text_width(line))
                .collect();
            assert!(
                widths.windows(2).all(|pair| pair[0] == pair[1]),
                "{}",
                done.stdout
            );
            assert_eq!(boxes.is_empty(), columns < 88);
        }
    }
}

#[test]
fn it_speaks_korean_when_asked_or_at_home() {
    let folder = Folder::new();
    let korean = tour_command(&folder, "separate_memory", &empty_list(), &["--lang", "ko"]);
    let mut at_home = tour_command(&folder, "separate_memory", &empty_list(), &[]);
    at_home.env("LANG", "ko_KR.UTF-8");
    for mut command in [korean, at_home] {
        let done = finish(&mut command);
        assert!(done.stdout.contains("분리된 메모리"), "{}", done.stdout);
        assert!(done.stderr.contains("분리된 메모리"), "{}", done.stderr);
        assert!(!done.stdout.contains("Separate memory"));
    }
    let mut english = tour_command(&folder, "separate_memory", &empty_list(), &["--lang", "en"]);
    let done = finish(english.env("LANG", "ko_KR.UTF-8"));
    assert!(done.stdout.contains("Separate memory"));
}

#[test]
fn help_is_in_both_languages_and_documents_the_exit_codes() {
    for (language, heading) in [("en", "Exit codes:"), ("ko", "종료 코드:")] {
        let done = finish(&mut pumasi(&["tour", "--help", "--lang", language]));
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
        assert!(done.stdout.contains(heading), "{}", done.stdout);
        for code in ["  0  ", "  1  ", "  2  ", "  3  ", "  130  "] {
            assert!(done.stdout.contains(code), "{code}: {}", done.stdout);
        }
    }
}

#[test]
fn list_and_version_need_no_python() {
    let done = finish(&mut pumasi(&["tour", "--list"]));
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        done.stdout
            .lines()
            .filter(|line| !line.starts_with(' '))
            .count(),
        11
    );
    let done = finish(&mut pumasi(&["--version"]));
    assert_eq!(done.code, Some(0));
    assert_eq!(
        done.stdout.trim(),
        format!("pumasi {}", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn source_prints_what_python_has() {
    let done = tour("lock", "echo \"$name: the program\"", &["--source"]);
    assert_eq!(
        (done.code, done.stdout.as_str()),
        (Some(0), "lock: the program\n")
    );
}
