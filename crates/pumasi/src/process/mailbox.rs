//! Where arguments and results lie that a message of the channel cannot take.
//!
//! Each child has a mailbox: a shared list, made by the parent, with at most one entry. The entry
//! is a block with the written values, and with edges to the shared objects that are named in
//! them, so that these live until the reader has handles of its own. A death on either side
//! leaves nothing behind: the list is freed with its last handle, and all that it holds with it.

use crate::containers::RawList;
use crate::error::Result;
use crate::heap::Heap;
use crate::heap::object::ObjectRef;
use crate::heap::value::Fetch;
use crate::process::message::Payload;
use crate::process::parcel::Parcel;

/// Up to this many bytes travel in a message of the channel, which needs no memory of the heap
/// and arrives also when the heap is full.
const INLINE: usize = 16 << 10;

/// The list of one child.
#[derive(Debug)]
pub(crate) struct Mailbox(
    RawList,
    /// What arguments name in other heaps, which no edge can lead to: the parent keeps it until the
    /// child has ended.
    Vec<ObjectRef>,
);

impl Mailbox {
    /// A new one.
    pub(crate) fn create(heap: &Heap) -> Result<Mailbox> {
        RawList::create(heap).map(|list| Mailbox(list, Vec::new()))
    }

    /// The one that the parent made.
    pub(crate) fn open(heap: &Heap, token: (u64, u64)) -> Result<Mailbox> {
        let list = RawList::from_object(ObjectRef::from_token(heap, token)?)?;
        Ok(Mailbox(list, Vec::new()))
    }

    /// What `open` needs.
    pub(crate) fn token(&self) -> (u64, u64) {
        self.0.object().token()
    }

    /// Takes arguments in; they may name what lies in other heaps.
    pub(crate) fn pack_arguments(&mut self, mut parcel: Parcel) -> Result<Payload> {
        let heap = self.0.object().heap();
        let (own, others) = parcel
            .objects
            .into_iter()
            .partition(|object| object.heap().same(heap));
        parcel.objects = own;
        self.1 = others;
        self.pack(parcel)
    }

    /// Takes a parcel in if it cannot go into a message.
    pub(crate) fn pack(&self, parcel: Parcel) -> Result<Payload> {
        if parcel.bytes.len() <= INLINE && parcel.objects.is_empty() {
            return Ok(Payload::Inline(parcel.bytes));
        }
        let objects: Vec<&ObjectRef> = parcel.objects.iter().collect();
        let heap = self.0.object().heap();
        let mut entry = heap.prepare_pickle(&parcel.bytes, &objects)?;
        self.0.push(&mut entry)?;
        Ok(Payload::Mailbox)
    }

    /// A copy of the bytes. The entry stays, and with it the objects that it names.
    pub(crate) fn bytes(&self, payload: Payload) -> Result<Vec<u8>> {
        match payload {
            Payload::Inline(bytes) => Ok(bytes),
            Payload::Mailbox => {
                let mut fetch = Fetch::new();
                self.0.get(0, &mut fetch)?;
                Ok(fetch.to_vec())
            }
        }
    }

    /// Frees the entry, when the values in it have been read.
    pub(crate) fn clear(&self) -> Result<()> {
        self.0.clear()
    }
}
