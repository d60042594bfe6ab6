//! The tour's Rust programs, each as `pumasi tour` starts it: one process, one line of JSON.

use std::fs;

use crate::common::{Folder, finish, pumasi};
use serde_json::Value;

/// Runs one program quickly, on threads, and gives its result.
fn on_threads(name: &str, more: &[&str]) -> Value {
    result(name, &[&["--threads"], more].concat())
}

/// Runs one program quickly, on pumasi's processes unless told otherwise, and gives its result.
fn result(name: &str, more: &[&str]) -> Value {
    let done = finish(pumasi(&["tour-program", name, "--quick"]).args(more));
    assert_eq!(
        (done.code, done.stderr.as_str()),
        (Some(0), ""),
        "{name}: {done:?}"
    );
    assert_eq!(done.stdout.lines().count(), 1, "{}", done.stdout);
    serde_json::from_str(&done.stdout).unwrap()
}

#[test]
fn threads_share_lists_and_arrays() {
    assert_eq!(on_threads("separate_memory", &[])["length"], 40);
    assert_eq!(on_threads("manager_list", &[])["length"], 40);
    let array = on_threads("shared_array", &[]);
    assert_eq!((&array["length"], &array["sum"]), (&40.into(), &180.into()));
}

#[test]
fn threads_race_and_locks_help() {
    for name in ["race", "race_at_once"] {
        let result = on_threads(name, &[]);
        let expected = result["expected"].as_u64().unwrap();
        for length in result["lengths"].as_array().unwrap() {
            assert!((1..=expected).contains(&length.as_u64().unwrap()));
        }
    }
    for name in ["lock", "one_call"] {
        let result = on_threads(name, &[]);
        let lengths = result["lengths"].as_array().unwrap();
        assert!(
            !lengths.is_empty() && lengths.iter().all(|length| *length == result["expected"]),
            "{name}: {result}"
        );
    }
}

#[test]
fn threads_wait_for_a_place() {
    let result = on_threads("semaphore", &[]);
    assert!(
        (1..=3).contains(&result["most"].as_u64().unwrap()),
        "{result}"
    );
    assert_eq!(result["left"], 0);
}

#[test]
fn threads_compute_the_same() {
    let result = on_threads("threads_and_processes", &[]);
    assert_eq!(result["primes"][0], result["primes"][1]);
}

#[test]
fn processes_share_what_pumasi_shares_only() {
    assert_eq!(result("separate_memory", &[])["length"], 0);
    assert_eq!(result("manager_list", &[])["length"], 40);
    let array = result("shared_array", &[]);
    assert_eq!((&array["length"], &array["sum"]), (&40.into(), &180.into()));
}

#[test]
fn processes_race_and_locks_and_single_calls_help() {
    for name in ["race", "race_at_once"] {
        let result = result(name, &[]);
        let expected = result["expected"].as_u64().unwrap();
        for length in result["lengths"].as_array().unwrap() {
            assert!((1..=expected).contains(&length.as_u64().unwrap()));
        }
    }
    for name in ["lock", "one_call"] {
        let result = result(name, &[]);
        let lengths = result["lengths"].as_array().unwrap();
        assert!(
            !lengths.is_empty() && lengths.iter().all(|length| *length == result["expected"]),
            "{name}: {result}"
        );
    }
}

#[test]
fn processes_wait_for_a_place() {
    let result = result("semaphore", &[]);
    assert!(
        (1..=3).contains(&result["most"].as_u64().unwrap()),
        "{result}"
    );
    assert_eq!(
        (&result["left"], &result["processes"]),
        (&0.into(), &8.into())
    );
}

#[test]
fn processes_compute_the_same() {
    let result = result("threads_and_processes", &[]);
    let primes = result["primes"].as_array().unwrap();
    assert!(
        primes.len() == 3 && primes.iter().all(|n| *n == primes[0]),
        "{result}"
    );
}

#[test]
fn a_lock_whose_holder_is_killed_tells_the_next() {
    let result = result("killed_holder", &[]);
    assert_eq!(result["acquired"], true);
    assert_eq!(result["dead_pid"], result["worker_pid"]);
    assert_eq!(result["dead_signal"], 9);
    assert_eq!(
        result["told_by"],
        serde_json::json!(["LockError::Abandoned"])
    );
}

#[test]
fn a_task_without_a_parent_is_refused() {
    let done = finish(&mut pumasi(&["--task"]));
    assert_eq!((done.code, done.stdout.as_str()), (Some(2), ""));
    assert!(done.stderr.contains("--task is for processes"), "{done:?}");
}

#[test]
fn identifiers_are_counted_below_a_folder() {
    let folder = Folder::new();
    let inner = folder.0.join("package");
    fs::create_dir_all(inner.join("__pycache__")).unwrap();
    fs::write(
        folder.0.join("a.py"),
        "name = other  # name\nif name: pass\n",
    )
    .unwrap();
    fs::write(inner.join("b.py"), b"\xef\xbb\xbfname = 'name' + \xff\n").unwrap();
    fs::write(inner.join("c.txt"), "name").unwrap();
    fs::write(inner.join("__pycache__/d.py"), "name").unwrap();
    let data = ["--data", folder.0.to_str().unwrap()];
    let together = result("count_identifiers", &data);
    let result = on_threads("count_identifiers", &data);
    assert_eq!(
        together["digests"]["shared_dict"],
        result["digests"]["serial"]
    );
    assert_eq!(result["files"], 2);
    assert_eq!(
        (&result["identifiers"], &result["different"]),
        (&5.into(), &3.into())
    );
    assert_eq!(result["most_common"][0], serde_json::json!(["name", 3]));
    assert_eq!(result["digests"]["serial"], result["digests"]["threads"]);
}

#[test]
fn what_is_missing_is_said() {
    let cases: [(&[&str], i32, &str); 4] = [
        (&["count_identifiers", "--threads"], 3, "found no Python"),
        (
            &["count_identifiers", "--threads", "--data", "/nonexistent"],
            3,
            "No such file",
        ),
        (&["killed_holder", "--threads"], 3, "killed_holder"),
        (&["nothing"], 2, "nothing"),
    ];
    for (args, code, words) in cases {
        let done = finish(pumasi(&["tour-program"]).args(args));
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (Some(code), ""),
            "{args:?}"
        );
        assert!(done.stderr.contains(words), "{args:?}: {done:?}");
    }
}
