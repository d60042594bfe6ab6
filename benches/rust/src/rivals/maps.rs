//! A list and a dictionary that several work on: one alone, then two at once.
//!
//! The two are processes with pumasi and lmdb, and threads with the standard library's `Mutex` and
//! `RwLock`, whose containers are private to one process. "By two" is the time for an operation of
//! both together: half of what each needs, where neither hinders the other.

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use heed::byteorder::NativeEndian;
use heed::types::{I64, Str};
use heed::{CommitOrAbort, Database, Env, EnvFlags, EnvOpenOptions};
use pumasi::{Barrier, Dict, List};
use pumasi_bench::report::Row;
use pumasi_bench::timing::{BATCH, Contender, Effort, in_batches, in_turns};

use crate::peer::{self, Orders, Peer};

type Made<T> = Result<T, Box<dyn Error>>;

const LIST: &str = "pumasi List";
const DICT: &str = "pumasi Dict";
const VEC: &str = "Mutex<Vec>, threads";
const MAP: &str = "RwLock<HashMap>, threads";
const LMDB: &str = "lmdb (heed)";

/// How many keys are read and written in turn.
const KEYS: usize = 100;

fn words(how_many: usize) -> Vec<String> {
    (0..how_many).map(|i| format!("w{i}")).collect()
}

// ---- one operation of each -----------------------------------------------------------------------

fn our_get(dict: &Dict<String, i64>, words: &[String], i: u64) {
    let found = dict
        .get(words[i as usize % KEYS].as_str())
        .expect("our own dict");
    assert!(black_box(found).is_some());
}

fn our_set(dict: &Dict<String, i64>, words: &[String], i: u64) {
    dict.insert(words[i as usize % KEYS].as_str(), i as i64)
        .expect("memory for an entry");
}

fn map_get(map: &RwLock<HashMap<String, i64>>, words: &[String], i: u64) {
    let found = map
        .read()
        .expect("no panic")
        .get(words[i as usize % KEYS].as_str())
        .copied();
    assert!(black_box(found).is_some());
}

fn map_set(map: &RwLock<HashMap<String, i64>>, words: &[String], i: u64) {
    let mut map = map.write().expect("no panic");
    // As one writes it who knows that the key is there: without a copy of it.
    if let Some(value) = map.get_mut(words[i as usize % KEYS].as_str()) {
        *value = i as i64;
    }
}

/// A database of lmdb that never waits for the disk.
struct Lmdb {
    environment: &'static Env,
    database: Database<'static, Str, I64<NativeEndian>>,
    words: Vec<String>,
}

impl Lmdb {
    fn open(folder: &Path) -> Made<Lmdb> {
        // SAFETY: only the processes of this benchmark open the files, each once, all with these
        // flags; what they would lose in a crash of the machine nobody reads again.
        let environment = unsafe {
            EnvOpenOptions::new()
                .map_size(1 << 26)
                .flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::WRITE_MAP)
                .open(folder)?
        };
        // Stays open for as long as the process lives; its databases borrow it.
        let environment: &'static Env = Box::leak(Box::new(environment));
        let database = environment
            .create_databases_and_commit(environment.write_txn()?, |opener, writing| {
                opener
                    .create_database(writing, None)
                    .map(CommitOrAbort::<_, ()>::Commit)
            })?
            .unwrap_commit();
        Ok(Lmdb {
            environment,
            database,
            words: words(BATCH as usize),
        })
    }

    fn get(&self, i: u64) {
        let reading = self.environment.read_txn().expect("a reader");
        let found = self
            .database
            .get(&reading, &self.words[i as usize % KEYS])
            .expect("our own file");
        assert!(black_box(found).is_some());
    }

    fn put(&self, key: &str, value: i64) {
        let mut writing = self.environment.write_txn().expect("a writer");
        self.database
            .put(&mut writing, key, &value)
            .expect("room in the map");
        writing.commit().expect("our own file");
    }

    fn set(&self, i: u64) {
        self.put(&self.words[i as usize % KEYS], i as i64);
    }

    fn clear(&self) {
        let mut writing = self.environment.write_txn().expect("a writer");
        self.database.clear(&mut writing).expect("our own file");
        writing.commit().expect("our own file");
    }
}

// ---- the other processes -------------------------------------------------------------------------

#[pumasi::task]
fn pushes(orders: Orders, together: Barrier, list: List<i64>) {
    peer::end_if_it_hangs();
    peer::work(&orders, &together, |i| {
        list.push(i as i64).expect("memory for an item")
    });
}

#[pumasi::task]
fn uses_dict(orders: Orders, together: Barrier, dict: Dict<String, i64>, reads: bool) {
    peer::end_if_it_hangs();
    let words = words(KEYS);
    let operation = if reads { our_get } else { our_set };
    peer::work(&orders, &together, |i| operation(&dict, &words, i));
}

#[pumasi::task]
fn uses_lmdb(orders: Orders, together: Barrier, folder: String, reads: bool) {
    peer::end_if_it_hangs();
    let lmdb = Lmdb::open(Path::new(&folder)).expect("the files of lmdb");
    peer::work(&orders, &together, |i| {
        if reads { lmdb.get(i) } else { lmdb.set(i) }
    });
}

/// Measures both containers and hands out each row when it is done.
pub fn run(effort: Effort, print: &mut dyn FnMut(Row)) -> Made<()> {
    let mut row = |operation, contenders: Vec<Contender<'_>>| {
        print(Row {
            operation,
            at_most: None,
            samples: in_turns(contenders, effort),
        });
    };
    row("List push", push_alone()?);
    row("List push by two", push_by_two()?);

    let folder = tempfile::Builder::new().prefix("pumasi-bench-").tempdir()?;
    let lmdb = Lmdb::open(folder.path())?;
    row("Dict insert of new keys", insert(&lmdb)?);
    lmdb.clear();
    let words = words(KEYS);
    let dict = Dict::of(words.iter().cloned().zip(0..))?;
    let map: HashMap<String, i64> = words.iter().cloned().zip(0..).collect();
    let map = Arc::new(RwLock::new(map));
    for (word, i) in words.iter().zip(0..) {
        lmdb.put(word, i);
    }
    let all = Shared {
        dict: &dict,
        map: &map,
        lmdb: &lmdb,
        folder: folder.path(),
        words: &words,
    };
    row("Dict get", all.alone(true));
    row("Dict get by two", all.by_two(true)?);
    row("Dict set", all.alone(false));
    row("Dict set by two", all.by_two(false)?);
    Ok(())
}

fn push_alone() -> Made<Vec<Contender<'static>>> {
    let list = List::<i64>::new()?;
    let emptied = list.clone();
    let ours = in_batches(
        LIST,
        move || emptied.clear().expect("our own list"),
        move |i| list.push(i as i64).expect("memory for an item"),
    );
    let private = Arc::new(Mutex::new(Vec::new()));
    let emptied = private.clone();
    let rival = in_batches(
        VEC,
        move || emptied.lock().expect("no panic").clear(),
        move |i| private.lock().expect("no panic").push(i as i64),
    );
    Ok(vec![ours, rival])
}

fn push_by_two() -> Made<Vec<Contender<'static>>> {
    let (list, together) = (List::<i64>::new()?, Barrier::new(2)?);
    let (its, emptied, other) = (list.clone(), list.clone(), together.clone());
    let ours = Peer::process(|orders| pushes::call(orders, other, its))?.contended(
        LIST,
        together,
        move || emptied.clear().expect("our own list"),
        move |i| list.push(i as i64).expect("memory for an item"),
    );
    let (private, together) = (Arc::new(Mutex::new(Vec::new())), Barrier::new(2)?);
    let (its, emptied, other) = (private.clone(), private.clone(), together.clone());
    let rival = Peer::thread(move |orders| {
        peer::work(&orders, &other, |i| {
            its.lock().expect("no panic").push(i as i64)
        });
    })?;
    let rival = rival.contended(
        VEC,
        together,
        move || emptied.lock().expect("no panic").clear(),
        move |i| private.lock().expect("no panic").push(i as i64),
    );
    Ok(vec![ours, rival])
}

fn insert(lmdb: &Lmdb) -> Made<Vec<Contender<'_>>> {
    let dict = Dict::<String, i64>::new()?;
    let emptied = dict.clone();
    let new = &lmdb.words;
    let ours = in_batches(
        DICT,
        move || emptied.clear().expect("our own dict"),
        move |i| {
            dict.insert(new[i as usize].as_str(), i as i64)
                .expect("memory for an entry")
        },
    );
    let private = Arc::new(RwLock::new(HashMap::new()));
    let emptied = private.clone();
    let map = in_batches(
        MAP,
        move || emptied.write().expect("no panic").clear(),
        move |i| {
            private
                .write()
                .expect("no panic")
                .insert(new[i as usize].clone(), i as i64);
        },
    );
    let file = in_batches(
        LMDB,
        || lmdb.clear(),
        |i| lmdb.put(&new[i as usize], i as i64),
    );
    Ok(vec![ours, file, map])
}

/// The same entries in each kind of map.
#[derive(Clone, Copy)]
struct Shared<'a> {
    dict: &'a Dict<String, i64>,
    map: &'a Arc<RwLock<HashMap<String, i64>>>,
    lmdb: &'a Lmdb,
    folder: &'a Path,
    words: &'a [String],
}

impl<'a> Shared<'a> {
    fn operations(self, reads: bool) -> [Box<dyn FnMut(u64) + 'a>; 3] {
        let Shared {
            dict,
            map,
            lmdb,
            words,
            ..
        } = self;
        if reads {
            [
                Box::new(move |i| our_get(dict, words, i)),
                Box::new(move |i| lmdb.get(i)),
                Box::new(move |i| map_get(map, words, i)),
            ]
        } else {
            [
                Box::new(move |i| our_set(dict, words, i)),
                Box::new(move |i| lmdb.set(i)),
                Box::new(move |i| map_set(map, words, i)),
            ]
        }
    }

    fn alone(self, reads: bool) -> Vec<Contender<'a>> {
        let [ours, lmdb, map] = self.operations(reads);
        vec![
            Contender::looped(DICT, ours),
            Contender::looped(LMDB, lmdb),
            Contender::looped(MAP, map),
        ]
    }

    fn by_two(self, reads: bool) -> Made<Vec<Contender<'a>>> {
        let [ours, lmdb, map] = self.operations(reads);
        let (at_dict, at_lmdb, at_map) = (Barrier::new(2)?, Barrier::new(2)?, Barrier::new(2)?);
        let (dict, together) = (self.dict.clone(), at_dict.clone());
        let one = Peer::process(|orders| uses_dict::call(orders, together, dict, reads))?;
        let (folder, together) = (self.folder.to_string_lossy().into_owned(), at_lmdb.clone());
        let two = Peer::process(|orders| uses_lmdb::call(orders, together, folder, reads))?;
        let (private, words, together) = (self.map.clone(), words(KEYS), at_map.clone());
        let three = Peer::thread(move |orders| {
            let operation = if reads { map_get } else { map_set };
            peer::work(&orders, &together, |i| operation(&private, &words, i));
        })?;
        Ok(vec![
            one.contended(DICT, at_dict, || (), ours),
            two.contended(LMDB, at_lmdb, || (), lmdb),
            three.contended(MAP, at_map, || (), map),
        ])
    }
}
