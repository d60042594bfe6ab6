//! `Set`: a set in the heap, with the methods and the exceptions of Python's. The file is
//! long because PyO3 wants all methods of a class, with their docstrings, in one block.
//!
//! What compares or builds Python objects works on a plain copy of one moment; what changes the
//! set by several elements makes all of them ready first and is one operation of the core.

use core::sync::atomic::{AtomicU64, Ordering};

use pumasi::containers::{Algebra, Member, RawSet};
use pumasi::heap::object::ObjectRef;
use pumasi::heap::value::Fetch;
use pyo3::basic::CompareOp;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PySet, PyString, PyTuple};

use crate::block::by_reference;
use crate::errors::OrRaise;
use crate::keys::key;
use crate::list::{not_implemented, one_argument, truth};
use crate::locked::{Lockable, Locked};
use crate::reference::given;
use crate::views::other_set;
use crate::{heap, load, wait};

/// A set in shared memory, for processes and threads alike, with everything that `set` has.
///
/// Each operation is atomic, also one that adds or removes several elements. Elements are what
/// can be keys of a Dict. Operators that make a new set return a plain one; those in place change
/// the shared one. A Set passes to other processes by reference, and keeps the order of insertion.
///
/// >>> import pumasi
/// >>> s = pumasi.Set("ab")
/// >>> s.add("c")
/// >>> s >= {"a", "c"}, len(s)
/// (True, 3)
/// >>> s &= {"c"}
/// >>> s
/// {'c'}
#[pyclass(subclass, frozen, weakref, generic, module = "pumasi", name = "Set")]
pub struct Set {
    raw: RawSet,
}

impl Set {
    /// The shared object.
    pub fn object(&self) -> &ObjectRef {
        self.raw.object()
    }

    pub fn raw(&self) -> &RawSet {
        &self.raw
    }

    /// A handle of a shared set.
    pub fn of_object(py: Python<'_>, object: ObjectRef) -> PyResult<Bound<'_, Set>> {
        let raw = RawSet::from_object(object).or_raise()?;
        Bound::new(py, Set { raw })
    }

    /// The elements in a plain set.
    pub fn plain_set<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        plain_set(py, &self.raw)
    }

    fn heap(&self) -> &pumasi::Heap {
        self.raw.object().heap()
    }

    fn has(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        let mut buffer = Vec::new();
        let (key, _) = key(&self.raw, element, &mut buffer)?;
        wait::run(element.py(), || self.raw.contains(&key))
    }

    fn take(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        let mut buffer = Vec::new();
        let (key, _) = key(&self.raw, element, &mut buffer)?;
        wait::run(element.py(), || self.raw.remove(&key))
    }

    /// Changes the set by all elements in one step.
    fn combine(&self, py: Python<'_>, how: Algebra, elements: &[Bound<'_, PyAny>]) -> PyResult<()> {
        combine(py, &self.raw, how, elements)
    }

    /// A plain set changed by `method(right)`, where one of the two is this one.
    fn operate<'py>(
        &self,
        other: &Bound<'py, PyAny>,
        method: &str,
        reflected: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = other.py();
        let Some(other) = operand(other)? else {
            return Ok(not_implemented(py));
        };
        let own = self.plain_set(py)?.into_any();
        if reflected {
            // The type of the left one decides, as with a set and a frozenset.
            return other.call_method1(method, (own,));
        }
        own.call_method1(method, (other,))
    }

    /// For `|=` and the like, which take sets only.
    fn operate_in_place(
        &self,
        other: &Bound<'_, PyAny>,
        how: Algebra,
        operator: &str,
    ) -> PyResult<()> {
        match operand(other)? {
            Some(other) => self.combine(other.py(), how, &all(&other)?),
            None => Err(PyTypeError::new_err(format!(
                "unsupported operand type(s) for {operator}: 'Set' and '{}'",
                other.get_type().name()?
            ))),
        }
    }
}

/// The elements of a shared set in a plain one.
pub fn plain_set<'py>(py: Python<'py>, raw: &RawSet) -> PyResult<Bound<'py, PySet>> {
    let elements = wait::run(py, || raw.snapshot())?;
    let set = PySet::empty(py)?;
    for element in elements.iter() {
        set.add(load::item_of(py, element)?)?;
    }
    Ok(set)
}

/// Changes a set by all elements in one step.
pub fn combine(
    py: Python<'_>,
    raw: &RawSet,
    how: Algebra,
    elements: &[Bound<'_, PyAny>],
) -> PyResult<()> {
    let heap = raw.object().heap();
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    buffers.resize_with(elements.len(), Vec::new);
    let mut members = Vec::with_capacity(elements.len());
    // Keeps others out while there is an element that was compared by its own `__eq__`.
    let mut compared = Vec::new();
    for (element, buffer) in elements.iter().zip(&mut buffers) {
        let (key, original) = key(raw, element, buffer)?;
        let ready = original.prepare(heap)?;
        if original.compared() {
            let hash = element.hash()?;
            let mut again = false;
            for (other, its_hash, _) in &compared {
                again = again || (*its_hash == hash && element.eq(*other)?);
            }
            compared.push((element, hash, original));
            if again {
                // The table may not have it yet, so that it would not be found there.
                continue;
            }
        }
        members.push(Member {
            key,
            original: ready,
        });
    }
    wait::run(py, || raw.combine(how, &mut members))?;
    Ok(())
}

/// A plain set of what may stand on the other side of an operator.
fn operand<'py>(other: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    if other.cast::<PySet>().is_ok() || other.cast::<PyFrozenSet>().is_ok() {
        return Ok(Some(other.clone()));
    }
    match other.cast::<Set>() {
        Ok(set) => Ok(Some(set.get().plain_set(other.py())?.into_any())),
        Err(_) => Ok(None),
    }
}

/// An argument of a method, which may be any iterable; a shared set as it is at this moment.
fn argument<'py>(other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(operand(other)?.unwrap_or_else(|| other.clone()))
}

fn arguments<'py>(others: &Bound<'py, PyTuple>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    others
        .iter_borrowed()
        .map(|other| argument(&other))
        .collect()
}

/// Everything that an iterable gives.
fn all<'py>(iterable: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
    argument(iterable)?.try_iter()?.collect()
}

/// What to look for in place of an element: of a set, which cannot be an element, a frozenset.
fn sought<'py>(element: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let set = match element.cast::<Set>() {
        Ok(set) => set.get().plain_set(element.py())?.into_any(),
        Err(_) if element.cast::<PySet>().is_ok() => element.clone(),
        Err(_) => return Ok(None),
    };
    let frozen = element.py().get_type::<PyFrozenSet>().call1((set,))?;
    Ok(Some(frozen))
}

#[pymethods]
impl Set {
    #[new]
    #[pyo3(signature = (*args), text_signature = "(iterable=(), /)")]
    fn new(args: &Bound<'_, PyTuple>) -> PyResult<Set> {
        let iterable = one_argument("set", args)?;
        if let Some(object) = given(iterable) {
            let raw = RawSet::from_object(object).or_raise()?;
            return Ok(Set { raw });
        }
        let raw = RawSet::create(&*heap::target()?).or_raise()?;
        if let Some(iterable) = iterable {
            combine(args.py(), &raw, Algebra::Union, &all(iterable)?)?;
        }
        Ok(Set { raw })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        wait::run(py, || self.raw.len())
    }

    fn __contains__(&self, element: &Bound<'_, PyAny>) -> PyResult<bool> {
        match sought(element)? {
            Some(element) => self.has(&element),
            None => self.has(element),
        }
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<SetIterator> {
        let raw = &slf.get().raw;
        Ok(SetIterator {
            keys_version: raw.keys_version(),
            left: AtomicU64::new(slf.get().__len__(slf.py())? as u64),
            position: AtomicU64::new(0),
            set: slf.clone().unbind(),
        })
    }

    /// Add an element; nothing happens if it is there.
    #[pyo3(signature = (element, /))]
    fn add(&self, element: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut buffer = Vec::new();
        let (key, original) = key(&self.raw, element, &mut buffer)?;
        let mut original = original.prepare(self.heap())?;
        wait::run(element.py(), || self.raw.add(&key, original.as_mut()))?;
        Ok(())
    }

    /// Remove an element; raises KeyError if it is not there.
    ///
    /// Of several processes one removes it, and the others get the KeyError.
    #[pyo3(signature = (element, /))]
    fn remove(&self, element: &Bound<'_, PyAny>) -> PyResult<()> {
        let found = match sought(element)? {
            Some(frozen) => self.take(&frozen)?,
            None => self.take(element)?,
        };
        if found {
            return Ok(());
        }
        Err(PyKeyError::new_err((element.clone().unbind(),)))
    }

    /// Remove an element if it is there.
    #[pyo3(signature = (element, /))]
    fn discard(&self, element: &Bound<'_, PyAny>) -> PyResult<()> {
        match sought(element)? {
            Some(frozen) => self.take(&frozen)?,
            None => self.take(element)?,
        };
        Ok(())
    }

    /// Remove an element and return it: the newest one.
    ///
    /// Raises KeyError if the set is empty.
    fn pop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let mut out = Fetch::new();
        match wait::run(py, || self.raw.pop(&mut out))? {
            Some(cell) => load::to_python(py, cell, &mut out),
            None => Err(PyKeyError::new_err("pop from an empty set")),
        }
    }

    /// Remove all elements.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        wait::run(py, || self.raw.clear())
    }

    /// Add the elements of all iterables, in one step.
    ///
    /// If an iterable raises, or holds what cannot be an element, nothing is added.
    #[pyo3(signature = (*others))]
    fn update(&self, others: &Bound<'_, PyTuple>) -> PyResult<()> {
        let mut elements = Vec::new();
        for other in others {
            elements.extend(all(&other)?);
        }
        self.combine(others.py(), Algebra::Union, &elements)
    }

    /// Keep only what is in all of the iterables, in one step.
    #[pyo3(signature = (*others))]
    fn intersection_update(&self, others: &Bound<'_, PyTuple>) -> PyResult<()> {
        let py = others.py();
        let Some((first, rest)) = others.as_slice().split_first() else {
            return Ok(());
        };
        let kept = PySet::empty(py)?;
        kept.call_method1("update", (argument(first)?,))?;
        for other in rest {
            kept.call_method1("intersection_update", (argument(other)?,))?;
        }
        self.combine(py, Algebra::Intersection, &all(kept.as_any())?)
    }

    /// Remove what is in any of the iterables, in one step.
    #[pyo3(signature = (*others))]
    fn difference_update(&self, others: &Bound<'_, PyTuple>) -> PyResult<()> {
        let mut elements = Vec::new();
        for other in others {
            elements.extend(all(&other)?);
        }
        self.combine(others.py(), Algebra::Difference, &elements)
    }

    /// Remove what is in the iterable as well, and add what is only there, in one step.
    #[pyo3(signature = (other, /))]
    fn symmetric_difference_update(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.combine(other.py(), Algebra::SymmetricDifference, &all(other)?)
    }

    /// Return a plain set of the elements of this one and of all iterables.
    #[pyo3(signature = (*others))]
    fn union<'py>(&self, others: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.copied("union", others)
    }

    /// Return a plain set of what is in this one and in all iterables.
    #[pyo3(signature = (*others))]
    fn intersection<'py>(&self, others: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.copied("intersection", others)
    }

    /// Return a plain set of what is in this one and in none of the iterables.
    #[pyo3(signature = (*others))]
    fn difference<'py>(&self, others: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        self.copied("difference", others)
    }

    /// Return a plain set of what is in either this one or the iterable, not in both.
    #[pyo3(signature = (other, /))]
    fn symmetric_difference<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.asked("symmetric_difference", other)
    }

    /// Return whether this set and an iterable have no element in common.
    #[pyo3(signature = (other, /))]
    fn isdisjoint<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.asked("isdisjoint", other)
    }

    /// Return whether an iterable has every element of this set.
    #[pyo3(signature = (other, /))]
    fn issubset<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.asked("issubset", other)
    }

    /// Return whether this set has every element of an iterable.
    #[pyo3(signature = (other, /))]
    fn issuperset<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.asked("issuperset", other)
    }

    /// Return a plain set with the elements.
    fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        self.plain_set(py)
    }

    /// Return the elements as they were at one moment, in a plain set.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        self.plain_set(py)
    }

    /// Return a plain set with the elements: for pprint and files. (JSON has no sets: `sorted(s)`.)
    fn to_plain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        self.plain_set(py)
    }

    fn __copy__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        self.plain_set(py)
    }

    #[pyo3(signature = (memo, /))]
    fn __deepcopy__<'py>(&self, memo: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PySet>> {
        self.plain_set(memo.py())
    }

    fn __or__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "union", false)
    }

    fn __ror__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "union", true)
    }

    fn __and__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "intersection", false)
    }

    fn __rand__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "intersection", true)
    }

    fn __sub__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "difference", false)
    }

    fn __rsub__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "difference", true)
    }

    fn __xor__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "symmetric_difference", false)
    }

    fn __rxor__<'py>(&self, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.operate(other, "symmetric_difference", true)
    }

    fn __ior__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.operate_in_place(other, Algebra::Union, "|=")
    }

    fn __iand__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.operate_in_place(other, Algebra::Intersection, "&=")
    }

    fn __isub__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.operate_in_place(other, Algebra::Difference, "-=")
    }

    fn __ixor__(&self, other: &Bound<'_, PyAny>) -> PyResult<()> {
        self.operate_in_place(other, Algebra::SymmetricDifference, "^=")
    }

    fn __richcmp__<'py>(
        slf: &Bound<'py, Self>,
        other: &Bound<'py, PyAny>,
        op: CompareOp,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(set) = other.cast::<Set>()
            && set.get().object() == slf.get().object()
        {
            let equal = matches!(op, CompareOp::Eq | CompareOp::Le | CompareOp::Ge);
            return Ok(truth(slf.py(), equal));
        }
        match other_set(other)? {
            Some(other) => slf.get().plain_set(slf.py())?.rich_compare(other, op),
            None => Ok(not_implemented(slf.py())),
        }
    }

    #[classattr]
    const __hash__: Option<Py<PyAny>> = None;

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        self.plain_set(py)?.repr()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        by_reference(slf)
    }

    /// Return a context manager that keeps every other thread and process out of the set.
    ///
    /// >>> import pumasi
    /// >>> s = pumasi.Set([1, 2])
    /// >>> with s.locked():
    /// ...     s.add(max(s) + 1)
    /// >>> s == {1, 2, 3}
    /// True
    fn locked(slf: &Bound<'_, Self>) -> Locked {
        Locked::of(slf.as_any(), Lockable::Set(slf.get().raw.clone()))
    }
}

impl Set {
    /// What a method of a plain copy makes of several iterables.
    fn copied<'py>(
        &self,
        method: &str,
        others: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = others.py();
        let arguments = PyTuple::new(py, arguments(others)?)?;
        self.plain_set(py)?.call_method1(method, arguments)
    }

    /// What a method of a plain copy makes of one iterable.
    fn asked<'py>(&self, method: &str, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let other = argument(other)?;
        self.plain_set(other.py())?.call_method1(method, (other,))
    }
}

/// Goes through the elements of a set in order.
#[pyclass(frozen, module = "pumasi._core")]
pub struct SetIterator {
    set: Py<Set>,
    keys_version: u64,
    /// [`ENDED`] at the end.
    position: AtomicU64,
    /// Elements still to come, for those who want to know beforehand.
    left: AtomicU64,
}

const ENDED: u64 = u64::MAX;

#[pymethods]
impl SetIterator {
    fn __iter__<'py>(slf: &Bound<'py, Self>) -> Bound<'py, Self> {
        slf.clone()
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut position = self.position.load(Ordering::Relaxed);
        if position == ENDED {
            return Ok(None);
        }
        let raw = &self.set.get().raw;
        let mut out = Fetch::new();
        let found = wait::run(py, || raw.next(&mut position, self.keys_version, &mut out))?;
        let Some(cell) = found else {
            self.position.store(ENDED, Ordering::Relaxed);
            self.left.store(0, Ordering::Relaxed);
            return Ok(None);
        };
        self.position.store(position, Ordering::Relaxed);
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(1), Ordering::Relaxed);
        load::to_python(py, cell, &mut out).map(Some)
    }

    fn __length_hint__(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}
