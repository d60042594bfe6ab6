//! Those who wait, against plain models: Condition, Barrier and RwLock used by several processes in
//! any order, some of which die.

use std::time::Duration;

use proptest::prelude::*;
use pumasi::heap::object::ObjectRef;
use pumasi::sync::{
    Acquired, Announced, Arrival, Come, Enlisted, RawBarrier, RawCondition, RawRwLock,
};
use pumasi::sys::sim::Sim;
use pumasi::{Error, Heap};

use crate::support::{heap, sibling, sound};

const NOW: Option<Duration> = Some(Duration::ZERO);
const PROCESSES: usize = 3;

/// Processes at one heap; who dies is followed by another.
struct Processes {
    survivor: Heap<Sim>,
    all: Vec<Heap<Sim>>,
    next: u32,
}

impl Processes {
    fn new() -> Self {
        let survivor = heap();
        survivor.join().unwrap();
        let mut made = Processes {
            survivor,
            all: Vec::new(),
            next: 2,
        };
        for _ in 0..PROCESSES {
            let one = made.another();
            made.all.push(one);
        }
        made
    }

    fn another(&mut self) -> Heap<Sim> {
        let one = sibling(&self.survivor, self.next);
        self.next += 1;
        one.join().unwrap();
        one
    }

    /// Handles of an object, one for each process.
    fn handles<T>(&self, token: (u64, u64), f: fn(ObjectRef<Sim>) -> pumasi::Result<T>) -> Vec<T> {
        let object = |heap| ObjectRef::from_token(heap, token).unwrap();
        self.all.iter().map(|h| f(object(h)).unwrap()).collect()
    }

    /// A process dies, and what it left is settled; another takes its number.
    fn die<T>(
        &mut self,
        p: usize,
        handles: &mut [T],
        token: (u64, u64),
        f: fn(ObjectRef<Sim>) -> pumasi::Result<T>,
    ) {
        self.all[p].host().die();
        self.survivor.recover();
        let one = self.another();
        let new = f(ObjectRef::from_token(&one, token).unwrap()).unwrap();
        // The dead one's handle would be given up in its name.
        std::mem::forget(std::mem::replace(&mut handles[p], new));
        std::mem::forget(std::mem::replace(&mut self.all[p], one));
    }
}

// ---- Condition ---------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Wait {
    Enlist(usize),
    Leave(usize),
    /// Gives a place up; a notification goes on to the next.
    LeaveFor(usize),
    Notify(usize, u32),
    NotifyAll(usize),
    Die(usize),
}

fn waits() -> impl Strategy<Value = Vec<Wait>> {
    let p = 0..PROCESSES;
    proptest::collection::vec(
        prop_oneof![
            6 => p.clone().prop_map(Wait::Enlist),
            2 => any::<usize>().prop_map(Wait::Leave),
            1 => any::<usize>().prop_map(Wait::LeaveFor),
            2 => (p.clone(), 0u32..4).prop_map(|(p, n)| Wait::Notify(p, n)),
            1 => p.clone().prop_map(Wait::NotifyAll),
            1 => p.prop_map(Wait::Die),
        ],
        1..80,
    )
}

/// Who waits, in the order of coming.
struct Waiter {
    process: usize,
    place: Enlisted,
    called: bool,
}

fn call(model: &mut [Waiter], n: u32) -> u32 {
    let mut called = 0;
    for waiter in model.iter_mut().filter(|w| !w.called).take(n as usize) {
        waiter.called = true;
        called += 1;
    }
    called
}

fn a_condition(steps: Vec<Wait>) {
    let mut processes = Processes::new();
    let kept = RawCondition::create(&processes.survivor).unwrap();
    let token = kept.object().token();
    let mut handles = processes.handles(token, RawCondition::from_object);
    let mut model: Vec<Waiter> = Vec::new();
    for step in steps {
        match step {
            Wait::Enlist(process) => model.push(Waiter {
                process,
                place: handles[process].enlist().unwrap(),
                called: false,
            }),
            Wait::Leave(i) if !model.is_empty() => {
                let gone = model.remove(i % model.len());
                assert_eq!(handles[gone.process].leave(gone.place), gone.called);
            }
            Wait::LeaveFor(i) if !model.is_empty() => {
                let gone = model.remove(i % model.len());
                handles[gone.process].leave_for(gone.place);
                call(&mut model, u32::from(gone.called));
            }
            Wait::Leave(_) | Wait::LeaveFor(_) => {}
            Wait::Notify(p, n) => {
                assert_eq!(handles[p].notify(n).unwrap(), call(&mut model, n));
            }
            Wait::NotifyAll(p) => {
                assert_eq!(handles[p].notify_all().unwrap(), call(&mut model, u32::MAX));
            }
            // One who has been notified: tests/crash/waiting.rs.
            Wait::Die(p) if model.iter().any(|w| w.process == p && w.called) => {}
            Wait::Die(p) => {
                processes.die(p, &mut handles, token, RawCondition::from_object);
                model.retain(|w| w.process != p);
            }
        }
        for waiter in &model {
            assert_eq!(kept.is_notified(&waiter.place), waiter.called);
        }
        let called = model.iter().filter(|w| w.called).count() as u32;
        assert_eq!(kept.notified().unwrap(), called);
        assert_eq!(kept.waiting().unwrap(), model.len() as u32 - called);
    }
    sound(&processes.survivor);
}

// ---- Barrier -----------------------------------------------------------------------------------

#[derive(Clone, Debug)]
enum Meet {
    Arrive(usize, bool),
    /// The one who acts is done, well or not.
    Done(bool),
    Leave(usize),
    Abort(usize),
    Reset(usize),
    Die(usize),
}

fn meetings() -> impl Strategy<Value = Vec<Meet>> {
    let p = 0..PROCESSES;
    proptest::collection::vec(
        prop_oneof![
            8 => (p.clone(), any::<bool>()).prop_map(|(p, acts)| Meet::Arrive(p, acts)),
            3 => any::<bool>().prop_map(Meet::Done),
            3 => any::<usize>().prop_map(Meet::Leave),
            1 => p.clone().prop_map(Meet::Abort),
            1 => p.clone().prop_map(Meet::Reset),
            1 => p.prop_map(Meet::Die),
        ],
        1..80,
    )
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Missing,
    Open,
    Broken,
}

struct Comer {
    process: usize,
    come: Come,
    phase: u64,
    outcome: Outcome,
}

#[derive(Default)]
struct Meeting {
    parties: u32,
    phase: u64,
    broken: bool,
    /// Who acts.
    acting: Option<(usize, Come, u64)>,
    come: Vec<Comer>,
}

impl Meeting {
    /// Those who have come in this phase, the one who acts among them.
    fn came(&self) -> u32 {
        let waits = self.come.iter().filter(|c| c.phase == self.phase).count() as u32;
        waits + u32::from(self.acting.is_some_and(|(.., phase)| phase == self.phase))
    }

    fn is_acting(&self) -> bool {
        !self.broken && self.acting.is_some_and(|(.., phase)| phase == self.phase)
    }

    fn settle(&mut self, outcome: Outcome) {
        for comer in self.come.iter_mut().filter(|c| c.phase == self.phase) {
            if comer.outcome == Outcome::Missing {
                comer.outcome = outcome;
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.settle(outcome);
        self.phase += 1;
        self.broken = false;
    }

    fn crack(&mut self) {
        self.settle(Outcome::Broken);
        self.broken = true;
    }
}

fn a_barrier(steps: Vec<Meet>, parties: u32) {
    let mut processes = Processes::new();
    let kept = RawBarrier::create(&processes.survivor, parties).unwrap();
    let token = kept.object().token();
    let mut handles = processes.handles(token, RawBarrier::from_object);
    let mut model = Meeting {
        parties,
        ..Meeting::default()
    };
    for step in steps {
        match step {
            // The one who acted in a phase that was broken has not said so yet.
            Meet::Arrive(..) if model.acting.is_some() && !model.is_acting() => {}
            Meet::Arrive(process, acts) => {
                let index = model.came();
                let last = index + 1 >= model.parties;
                match handles[process].arrive(acts) {
                    Err(Error::BrokenBarrier) => assert!(model.broken),
                    Err(other) => panic!("{other}"),
                    Ok(Arrival::Full) => assert!(model.is_acting()),
                    Ok(Arrival::Open(n)) => {
                        assert!(last && !acts && !model.broken && !model.is_acting());
                        assert_eq!(n, index);
                        model.end(Outcome::Open);
                    }
                    Ok(Arrival::Act(come)) => {
                        assert!(last && acts && !model.broken && !model.is_acting());
                        assert_eq!(come.index, index);
                        model.acting = Some((process, come, model.phase));
                    }
                    Ok(Arrival::Wait(come)) => {
                        assert!(!last && !model.broken && !model.is_acting());
                        assert_eq!(come.index, index);
                        model.come.push(Comer {
                            process,
                            come,
                            phase: model.phase,
                            outcome: Outcome::Missing,
                        });
                    }
                }
            }
            Meet::Done(well) => {
                let Some((process, come, phase)) = model.acting.take() else {
                    continue;
                };
                let current = phase == model.phase && !model.broken;
                if well {
                    let opened = handles[process].open(come);
                    assert_eq!(opened.is_ok(), current);
                    if current {
                        model.end(Outcome::Open);
                    }
                } else {
                    handles[process].fail(come).unwrap();
                    if current {
                        model.crack();
                    }
                }
            }
            Meet::Leave(i) if !model.come.is_empty() => {
                let gone = model.come.remove(i % model.come.len());
                handles[gone.process].leave(gone.come);
            }
            Meet::Leave(_) => {}
            Meet::Abort(p) => {
                handles[p].abort().unwrap();
                if !model.broken {
                    model.crack();
                }
            }
            Meet::Reset(p) => {
                handles[p].reset().unwrap();
                if model.broken || model.came() > 0 {
                    model.end(Outcome::Broken);
                }
            }
            Meet::Die(p) => {
                processes.die(p, &mut handles, token, RawBarrier::from_object);
                let waited = |c: &Comer| c.process == p && c.phase == model.phase;
                let acted = model.acting.filter(|a| a.0 == p);
                let here = model.come.iter().any(waited)
                    || acted.is_some_and(|(.., phase)| phase == model.phase);
                model.come.retain(|c| c.process != p);
                if acted.is_some() {
                    model.acting = None;
                }
                if here && !model.broken {
                    model.crack();
                }
            }
        }
        assert_eq!(kept.phase(), model.phase);
        assert_eq!(kept.is_broken(), model.broken);
        let waiting = if model.broken { 0 } else { model.came() };
        assert_eq!(kept.waiting().unwrap(), waiting);
        for comer in &model.come {
            let found = match kept.outcome(&comer.come) {
                Ok(None) => Outcome::Missing,
                Ok(Some(())) => Outcome::Open,
                Err(_) => Outcome::Broken,
            };
            assert_eq!(found, comer.outcome, "who came in phase {}", comer.phase);
        }
    }
    sound(&processes.survivor);
}

// ---- RwLock ------------------------------------------------------------------------------------

#[derive(Clone, Copy, Debug)]
enum Share {
    Read(usize),
    EndRead(usize),
    Write(usize),
    EndWrite(usize),
    Announce(usize),
    Begin(usize),
    Withdraw(usize),
    Die(usize),
}

fn shares() -> impl Strategy<Value = Vec<Share>> {
    let p = 0..PROCESSES;
    proptest::collection::vec(
        prop_oneof![
            3 => p.clone().prop_map(Share::Read),
            4 => p.clone().prop_map(Share::EndRead),
            3 => p.clone().prop_map(Share::Write),
            2 => p.clone().prop_map(Share::EndWrite),
            2 => p.clone().prop_map(Share::Announce),
            3 => p.clone().prop_map(Share::Begin),
            1 => p.clone().prop_map(Share::Withdraw),
            1 => p.prop_map(Share::Die),
        ],
        1..80,
    )
}

fn a_rwlock(steps: Vec<Share>) {
    let mut processes = Processes::new();
    let kept = RawRwLock::create(&processes.survivor).unwrap();
    let token = kept.object().token();
    let mut handles = processes.handles(token, RawRwLock::from_object);
    let mut reads = [0u64; PROCESSES];
    let mut writer = None;
    // Who keeps others out without having begun, and what stands for it.
    let mut announced: Option<(usize, Announced)> = None;
    // A writer has died since the last one began.
    let mut news = false;
    let told = |acquired| matches!(acquired, Acquired::Abandoned(_));
    for step in steps {
        match step {
            Share::Read(p) => {
                let acquired = handles[p].acquire_read(NOW).unwrap();
                let free = writer.is_none() && announced.is_none();
                assert_eq!(acquired.is_ours(), free, "{step:?}");
                if acquired.is_ours() {
                    reads[p] += 1;
                    assert_eq!(told(acquired), news);
                }
            }
            Share::EndRead(p) => {
                assert_eq!(handles[p].release_read().is_ok(), reads[p] > 0);
                reads[p] = reads[p].saturating_sub(1);
            }
            Share::Write(p) => {
                let acquired = handles[p].acquire_write(NOW).unwrap();
                let nobody = writer.is_none() && announced.is_none();
                let free = nobody && reads == [0; PROCESSES];
                assert_eq!(acquired.is_ours(), free, "{step:?}");
                if free {
                    writer = Some(p);
                    assert_eq!(told(acquired), news);
                    news = false;
                }
            }
            Share::Announce(p) => {
                let found = handles[p].announce().unwrap();
                let free = writer.is_none() && announced.is_none();
                assert_eq!(found.is_some(), free, "{step:?}");
                announced = found.map(|token| (p, token)).or(announced);
            }
            Share::Begin(p) => {
                let Some((who, token)) = &announced else {
                    continue;
                };
                let begun = handles[p].begin(token);
                if *who != p {
                    assert!(begun.is_err());
                    continue;
                }
                let acquired = begun.unwrap();
                assert_eq!(acquired.is_ours(), reads == [0; PROCESSES], "{step:?}");
                if acquired.is_ours() {
                    assert_eq!(told(acquired), news);
                    (writer, announced, news) = (Some(p), None, false);
                }
            }
            Share::Withdraw(p) => {
                if let Some((_, token)) = announced.take_if(|(who, _)| *who == p) {
                    handles[p].withdraw(token);
                }
            }
            Share::EndWrite(p) => {
                assert_eq!(handles[p].release_write().is_ok(), writer == Some(p));
                writer = writer.filter(|&w| w != p);
            }
            Share::Die(p) => {
                processes.die(p, &mut handles, token, RawRwLock::from_object);
                reads[p] = 0;
                announced = announced.filter(|(who, _)| *who != p);
                if writer == Some(p) {
                    (writer, news) = (None, true);
                }
            }
        }
        assert_eq!(kept.readers().unwrap(), reads.iter().sum::<u64>());
        assert_eq!(kept.is_written(), writer.is_some());
        for (p, handle) in handles.iter().enumerate() {
            assert_eq!(handle.is_written_here(), writer == Some(p));
        }
    }
    sound(&processes.survivor);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(200), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_condition_calls_those_who_wait_in_the_order_of_their_coming(steps in waits()) {
        a_condition(steps);
    }

    #[test]
    fn a_barrier_gives_each_who_came_the_outcome_of_its_phase(
        steps in meetings(),
        parties in 1u32..5,
    ) {
        a_barrier(steps, parties);
    }

    #[test]
    fn a_rwlock_is_read_by_many_or_written_by_one(steps in shares()) {
        a_rwlock(steps);
    }
}
