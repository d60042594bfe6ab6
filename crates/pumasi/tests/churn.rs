//! Churn: containers grow, shrink and change what they hold, in mixed sizes, and the memory taken
//! from the system stays within one and a half times what is in use.
//!
//! A few seconds in the tests; in `make soak` as long as `PUMASI_SOAK_SECONDS` says. `PUMASI_SEED`
//! repeats a run. What it does not do is take out values at random until a container is half empty:
//! blocks are not moved, so that chunks then stay half empty until they are filled again.

use std::time::{Duration, Instant};

use pumasi::containers::{End, Key, RawDeque, RawDict, RawList};
use pumasi::heap::cell::Tag;
use pumasi::heap::value::Fetch;
use pumasi::{Heap, Result};

/// xorshift64*.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % n
    }

    /// Mostly small, now and then large.
    fn size(&mut self) -> usize {
        let most = [40, 40, 300, 300, 2000, 2000, 12_000, 200_000][self.below(8) as usize];
        self.below(most) as usize
    }
}

/// Each of the 21 classes may have up to half a megabyte free before anybody looks for empty
/// chunks, and a chunk that is hardly used.
const SLACK: u64 = 21 * (576 << 10);
/// What is kept for reuse.
const KEPT: u64 = 64 << 20;

struct Churn {
    heap: Heap,
    dict: RawDict,
    list: RawList,
    deque: RawDeque,
    dice: Dice,
    bytes: Vec<u8>,
}

impl Churn {
    fn put(&mut self, key: u64) -> Result<()> {
        let size = self.dice.size();
        let mut value = self.heap.prepare_bytes(Tag::Bytes, &self.bytes[..size])?;
        let mut buffer = [0; 8];
        let key = Key::int(&self.heap, key.cast_signed(), &mut buffer);
        self.dict.insert(&key, None, &mut value)
    }

    fn push(&mut self) -> Result<()> {
        let size = self.dice.size() / 8;
        let mut value = self.heap.prepare_bytes(Tag::Str, &self.bytes[..size])?;
        self.list.push(&mut value)
    }

    /// A value comes at an end; as many go at the other as there are too many.
    fn pass(&mut self, most: usize) -> Result<()> {
        let size = self.dice.size() / 8;
        let mut value = self.heap.prepare_bytes(Tag::Str, &self.bytes[..size])?;
        let (into, out) = match self.dice.below(2) {
            0 => (End::Back, End::Front),
            _ => (End::Front, End::Back),
        };
        self.deque.push(into, &mut value)?;
        while self.deque.len()? > most {
            self.deque.pop(out, &mut Fetch::new())?;
        }
        Ok(())
    }

    /// A container in a circle, which only a collection frees.
    fn circle(&mut self) -> Result<()> {
        let list = RawList::create(&self.heap)?;
        let size = self.dice.size() / 8;
        list.push(&mut self.heap.prepare_bytes(Tag::Str, &self.bytes[..size])?)?;
        list.push(&mut self.heap.prepare_object(list.object())?)
    }

    fn round(&mut self, keys: u64) -> Result<()> {
        let mut out = Fetch::new();
        for key in 0..keys {
            self.put(key)?;
        }
        self.check("after growing");
        for _ in 0..keys * 2 {
            let key = self.dice.below(keys);
            self.put(key)?;
        }
        self.check("after overwriting");
        for _ in 0..keys * 4 {
            self.push()?;
        }
        self.check("after pushing");
        while self.list.pop(-1, &mut out).is_ok() {}
        self.check("after popping");
        for _ in 0..keys * 4 {
            self.pass(keys as usize)?;
        }
        self.check("after passing");
        for _ in 0..keys {
            self.pass(5)?;
        }
        self.check("after leaving few");
        for _ in 0..keys / 8 {
            self.circle()?;
        }
        self.heap.collect()?;
        self.check("after collecting");
        self.dict.clear()?;
        self.check("after clearing");
        for key in 0..keys / 16 {
            self.put(key)?;
        }
        self.check("after growing again");
        Ok(())
    }

    fn check(&self, when: &str) {
        let stats = self.heap.stats();
        let busy = stats.used - stats.idle;
        assert!(
            busy <= stats.live / 2 * 3 + SLACK,
            "{when}: {busy} bytes for {} in use\n{stats}",
            stats.live
        );
        assert!(
            stats.idle <= KEPT + SLACK
                || ["after clearing", "after popping", "after leaving few"].contains(&when),
            "{when}: {} bytes lie idle\n{stats}",
            stats.idle
        );
    }
}

#[test]
fn the_memory_taken_stays_near_what_is_in_use() {
    let seed = std::env::var("PUMASI_SEED").ok();
    let seed = seed.and_then(|s| s.parse().ok()).unwrap_or(20_261_122);
    let seconds = std::env::var("PUMASI_SOAK_SECONDS").ok();
    let seconds = seconds.and_then(|s| s.parse().ok()).unwrap_or(0);
    let until = Instant::now() + Duration::from_secs(seconds);
    let heap = Heap::builder().limit(1 << 30).create().unwrap();
    let mut churn = Churn {
        dict: RawDict::create(&heap).unwrap(),
        list: RawList::create(&heap).unwrap(),
        deque: RawDeque::create(&heap, None).unwrap(),
        dice: Dice(seed | 1),
        bytes: vec![b'x'; 200_000],
        heap,
    };
    let mut rounds = 0;
    while rounds == 0 || Instant::now() < until {
        let keys = 500 + churn.dice.below(4000);
        churn.round(keys).unwrap();
        rounds += 1;
    }
    // And at rest only what is in use is left.
    let Churn {
        heap,
        dict,
        list,
        deque,
        ..
    } = churn;
    drop((dict, list, deque));
    heap.collect().unwrap();
    assert_eq!(heap.stats().live, 0);
    assert_eq!(heap.used(), 0, "PUMASI_SEED={seed}");
}
