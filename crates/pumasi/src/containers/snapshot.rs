//! Copies of many values, taken at one moment.

use core::mem::MaybeUninit;

use crate::error::Result;
use crate::heap::cell::{Cell, Tag};
use crate::heap::object::ObjectRef;
use crate::heap::value::{Fetch, Pinned};
use crate::sys::{Host, Real};

/// One value of a snapshot.
#[derive(Debug)]
enum Item<H: Host> {
    Inline(Cell),
    Float(f64),
    Bytes(Tag, usize, usize),
    Large(Tag, Pinned<H>),
    Object(ObjectRef<H>),
}

/// One value, as a reader of a snapshot sees it.
#[derive(Debug)]
pub enum ItemRef<'a, H: Host = Real> {
    /// The whole value.
    Inline(Cell),
    /// A float.
    Float(f64),
    /// Bytes and what they are.
    Bytes(Tag, &'a [u8]),
    /// A nested object.
    Object(&'a ObjectRef<H>),
}

/// Values as they were at one moment, in order.
#[derive(Debug)]
pub struct Snapshot<H: Host = Real> {
    items: Vec<Item<H>>,
    arena: Vec<u8>,
    /// The objects that pickles among the items refer to.
    held: Vec<ObjectRef<H>>,
    /// The version of the container at that moment.
    pub version: u64,
}

impl<H: Host> Snapshot<H> {
    pub(crate) fn new() -> Self {
        Snapshot {
            items: Vec::new(),
            arena: Vec::new(),
            held: Vec::new(),
            version: 0,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.arena.clear();
        self.held.clear();
    }

    /// Adds what a fetch under the lock has found.
    pub(crate) fn push(&mut self, cell: Cell, fetch: &mut Fetch<H>) {
        let item = match cell.tag() {
            _ if cell.is_inline() => Item::Inline(cell),
            Tag::Float => Item::Float(fetch.float()),
            tag => match (fetch.take_object(), fetch.take_pinned()) {
                (Some(object), _) => Item::Object(object),
                (None, Some(pinned)) => Item::Large(tag, pinned),
                (None, None) => {
                    let bytes = fetch.bytes();
                    let start = self.arena.len();
                    self.arena.extend_from_slice(bytes);
                    Item::Bytes(tag, start, self.arena.len())
                }
            },
        };
        self.items.push(item);
        if !cell.is_inline() {
            self.held.append(&mut fetch.take_held());
        }
    }

    /// Copies the large values out, outside every lock.
    pub(crate) fn finish(mut self) -> Result<Self> {
        for item in &mut self.items {
            if let Item::Large(tag, pinned) = item {
                let (off, len) = pinned.range();
                let start = self.arena.len();
                self.arena.reserve(len as usize);
                let spare: &mut [MaybeUninit<u8>] = self.arena.spare_capacity_mut();
                pinned
                    .heap()
                    .host()
                    .copy_out(off, &mut spare[..len as usize]);
                // SAFETY: `len` bytes of the spare capacity were just written.
                unsafe { self.arena.set_len(start + len as usize) };
                *item = Item::Bytes(*tag, start, self.arena.len());
            }
        }
        Ok(self)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// One of them.
    pub fn get(&self, i: usize) -> Option<ItemRef<'_, H>> {
        Some(match self.items.get(i)? {
            Item::Inline(cell) => ItemRef::Inline(*cell),
            Item::Float(f) => ItemRef::Float(*f),
            Item::Bytes(tag, start, end) => ItemRef::Bytes(*tag, &self.arena[*start..*end]),
            Item::Object(object) => ItemRef::Object(object),
            // `finish` has replaced them all.
            Item::Large(tag, _) => ItemRef::Bytes(*tag, &[]),
        })
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = ItemRef<'_, H>> {
        (0..self.len()).filter_map(|i| self.get(i))
    }
}
