//! Hashing: of keys, the same in every process of a heap, and of offsets in private tables.

use core::hash::{BuildHasherDefault, Hasher};
use core::sync::atomic::Ordering;
use std::collections::HashMap;

use siphasher::sip::SipHasher13;

use crate::heap::Heap;
use crate::heap::cell::Cell;
use crate::heap::layout::{SB_HASH_SEED, SB_HASH_SEEDS};
use crate::sys::Host;

impl<H: Host> Heap<H> {
    /// The keys that hashes of this heap are computed with.
    #[inline(always)]
    pub(crate) fn hash_keys(&self) -> &[u64; 2] {
        &self.0.keys
    }
}

impl<H: Host> Heap<H> {
    /// Notes that this process has its language hash keys with `seed`, which is not 0; whether
    /// processes with different seeds have done so in this heap.
    pub fn note_hash_seed(&self, seed: u64) -> bool {
        match self.host().cas64(SB_HASH_SEED, 0, seed) {
            Err(found) if found != seed => {
                self.host().store64(SB_HASH_SEEDS, 1, Ordering::Release);
                true
            }
            _ => self.get(SB_HASH_SEEDS) != 0,
        }
    }
}

/// A map from offsets in the heap, private to a process.
pub(crate) type OffsetMap<V> = HashMap<u64, V, BuildHasherDefault<OffsetHasher>>;

/// Spreads an offset over the word by one multiplication (Fibonacci hashing, Knuth volume 3).
#[derive(Default)]
pub(crate) struct OffsetHasher(u64);

impl Hasher for OffsetHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.write_u64(u64::from(b));
        }
    }
    #[inline]
    fn write_u64(&mut self, n: u64) {
        let h = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = h ^ (h >> 32);
    }
}

/// The hash of a key whose canonical form fits a cell: two keyed multiplications, each folded
/// (the mixing step of wyhash). The keys are secret to the heap, so that nobody can choose keys
/// that collide.
#[inline(always)]
pub(crate) fn cell(keys: &[u64; 2], cell: Cell) -> u64 {
    let fold = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let first = fold(cell.bits() ^ keys[0], keys[1] | 1);
    fold(
        first ^ keys[1],
        0x9e37_79b9_7f4a_7c15 ^ cell.bits().rotate_left(32),
    ) | 1
}

/// The hash of a longer key: SipHash-1-3 of its canonical bytes, with a byte for their kind.
#[inline]
pub(crate) fn bytes(keys: &[u64; 2], kind: u8, bytes: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(keys[0], keys[1]);
    hasher.write_u8(kind);
    hasher.write(bytes);
    hasher.finish() | 1
}
