//! Right and wrong findings of every kind.

use super::*;
use crate::language::Language::En;
use serde_json::json;

fn complaint<F: Finding + for<'a> Deserialize<'a> + 'static>(
    value: Value,
    library: Library,
) -> Option<Said> {
    read::<F>(&value).unwrap().complaint(library)
}

#[test]
fn processes_do_not_share_a_plain_list_and_threads_do() {
    let zero = json!({"length": 0, "seconds": 0.1});
    assert_eq!(complaint::<Separate>(zero.clone(), Library::Pumasi), None);
    assert!(complaint::<Separate>(zero, Library::Threads).is_some());
}

#[test]
fn a_race_may_end_anywhere_but_a_visible_one_must_lose() {
    let right = json!({"lengths": [40, 40, 39], "expected": 40, "seconds": 0.1});
    assert_eq!(complaint::<Race>(right.clone(), Library::Pumasi), None);
    assert!(complaint::<RaceAtOnce>(right.clone(), Library::Pumasi).is_some());
    assert!(complaint::<Safe>(right, Library::Pumasi).is_some());
    let impossible = json!({"lengths": [41], "expected": 40, "seconds": 0.1});
    assert!(complaint::<Race>(impossible, Library::Multiprocessing).is_some());
}

#[test]
fn nothing_measured_is_not_right() {
    let empty = json!({"lengths": [], "expected": 40, "seconds": 0.1});
    assert!(complaint::<Safe>(empty.clone(), Library::Pumasi).is_some());
    assert!(complaint::<Race>(empty, Library::Pumasi).is_some());
}

#[test]
fn a_killed_holder_must_be_told_of_with_pumasi_only() {
    let hung = json!({"acquired": false, "patience_seconds": 2.0, "worker_pid": 7,
        "told_by": [], "dead_pid": null, "dead_signal": null, "seconds": 2.0});
    assert!(complaint::<KilledHolder>(hung.clone(), Library::Pumasi).is_some());
    assert_eq!(
        complaint::<KilledHolder>(hung.clone(), Library::Multiprocessing),
        None
    );
    assert!(read::<KilledHolder>(&hung).unwrap().endless());
    let mut told = hung;
    for (key, value) in [
        ("acquired", json!(true)),
        ("dead_pid", json!(7)),
        ("dead_signal", json!(9)),
        ("told_by", json!(["OwnerDiedWarning"])),
    ] {
        told[key] = value;
    }
    assert_eq!(complaint::<KilledHolder>(told, Library::Pumasi), None);
}

#[test]
fn counts_must_be_the_same_every_way() {
    let mut value = json!({"files": 2, "identifiers": 9, "different": 3, "workers": 2,
        "most_common": [["self", 4]], "digests": {"serial": 5, "threads": 5},
        "way_seconds": {"serial": 2.0, "threads": 1.0}, "seconds": 1.0});
    let finding = read::<Identifiers>(&value).unwrap();
    assert_eq!(finding.complaint(Library::Pumasi), None);
    let printed = crate::output::softened(&finding.printed(En));
    assert!(
        printed.ends_with("serial 2.00 s, threads 1.00 s (2.0×)"),
        "{printed}"
    );
    value["digests"]["threads"] = json!(6);
    assert!(complaint::<Identifiers>(value, Library::Pumasi).is_some());
}

#[test]
fn distributions_are_counted() {
    let lengths = Lengths {
        lengths: vec![40, 38, 40],
        expected: 40,
        seconds: 0.1,
    };
    let printed = crate::output::softened(&Race(lengths).printed(En));
    assert_eq!(printed, "38 ×1, 40 ×2; lost numbers in 1 of 3 runs");
}
