//! `Value` and `Array`: ctypes objects in the heap, and the lock which their accesses take. The file is
//! long because both classes share one way of reading and writing every type code.
//!
//! Numbers are read and written here; everything else (structures, characters, slices, and what
//! ctypes refuses, for its own words) goes through the ctypes object, under the same lock.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use core::time::Duration;
use std::time::Instant;

use pumasi::heap::Access;
use pumasi::heap::object::ObjectRef;
use pumasi::observer::Op;
use pumasi::sync::RawRLock;
use pyo3::exceptions::{PyAttributeError, PyIndexError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PySlice, PyString};

use crate::block::Block;
use crate::locks::{Acquire, Lock, RLock};
use crate::number::{Number, Step};
use crate::wait;

/// The lock of a value or array.
enum Guard {
    RLock(Py<RLock>),
    Lock(Py<Lock>),
    /// Another package's, or a subclass of ours: used by its methods.
    Other(Py<PyAny>),
}

impl Guard {
    fn of(lock: &Bound<'_, PyAny>) -> Guard {
        if let Ok(lock) = lock.cast_exact::<RLock>() {
            Guard::RLock(lock.clone().unbind())
        } else if let Ok(lock) = lock.cast_exact::<Lock>() {
            Guard::Lock(lock.clone().unbind())
        } else {
            Guard::Other(lock.clone().unbind())
        }
    }

    /// The object of the lock, where it is one of ours.
    fn object(&self) -> Option<&ObjectRef> {
        match self {
            Guard::RLock(lock) => Some(lock.get().object()),
            Guard::Lock(lock) => Some(lock.get().object()),
            Guard::Other(_) => None,
        }
    }

    /// Runs `f` with the lock held; its release comes before an exception of `f` leaves.
    fn hold<R>(&self, py: Python<'_>, f: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        match self {
            Guard::RLock(lock) => hold(lock.get(), py, f),
            Guard::Lock(lock) => hold(lock.get(), py, f),
            Guard::Other(lock) => {
                let lock = lock.bind(py);
                lock.call_method0("acquire")?;
                let done = f();
                lock.call_method0("release")?;
                done
            }
        }
    }

    fn bind<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        match self {
            Guard::RLock(lock) => lock.bind(py).clone().into_any(),
            Guard::Lock(lock) => lock.bind(py).clone().into_any(),
            Guard::Other(lock) => lock.bind(py).clone(),
        }
    }
}

fn hold<L: Acquire, R>(lock: &L, py: Python<'_>, f: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
    lock.enter(py)?;
    let done = f();
    lock.leave()?;
    done
}

/// Where the numbers of a ctypes object lie.
#[derive(Clone, Copy)]
struct Numbers {
    number: Number,
    start: NonNull<u8>,
    count: usize,
}

// SAFETY: the memory is only touched through the atomic accesses of `Number`.
unsafe impl Send for Numbers {}
// SAFETY: as above.
unsafe impl Sync for Numbers {}

impl Numbers {
    /// None where the object holds no numbers that are read as such.
    fn of(object: &Bound<'_, PyAny>) -> PyResult<Option<Numbers>> {
        let mut view = MaybeUninit::<ffi::Py_buffer>::uninit();
        let flags = ffi::PyBUF_WRITABLE | ffi::PyBUF_FORMAT | ffi::PyBUF_ND;
        // SAFETY: `view` is filled by the call if it succeeds, and given back at the end. The
        // object keeps its memory where it is for as long as it lives, also without the view.
        unsafe {
            if ffi::PyObject_GetBuffer(object.as_ptr(), view.as_mut_ptr(), flags) == -1 {
                return Err(PyErr::fetch(object.py()));
            }
            let mut view = view.assume_init();
            let format = if view.format.is_null() {
                None
            } else {
                CStr::from_ptr(view.format).to_str().ok()
            };
            let number = format.and_then(Number::of_format);
            let start = view.buf.cast::<u8>();
            let (len, dimensions) = (view.len as usize, view.ndim);
            ffi::PyBuffer_Release(&raw mut view);
            let (Some(number), Some(start)) = (number, NonNull::new(start)) else {
                return Ok(None);
            };
            let fits = start.addr().get().is_multiple_of(number.size()) && dimensions <= 1;
            Ok(fits.then_some(Numbers {
                number,
                start,
                count: len / number.size(),
            }))
        }
    }

    #[inline(always)]
    fn read(&self, index: usize) -> u64 {
        debug_assert!(index < self.count);
        // SAFETY: `index` is below the count (every caller has checked), so that the address is
        // inside the object, which whoever has us keeps; it is aligned (see `of`).
        unsafe {
            self.number
                .read(self.start.as_ptr().add(index * self.number.size()))
        }
    }

    #[inline(always)]
    fn write(&self, index: usize, bits: u64) {
        debug_assert!(index < self.count);
        // SAFETY: as in `read`.
        unsafe {
            self.number
                .write(self.start.as_ptr().add(index * self.number.size()), bits);
        }
    }

    /// The bits of an operand: anything that stands for an int or a float.
    fn operand(&self, value: &Bound<'_, PyAny>) -> PyResult<u64> {
        if let Some(bits) = self.number.bits_of(value) {
            return Ok(bits);
        }
        let converted = match self.number {
            Number::F32 | Number::F64 => value.call_method0("__float__"),
            Number::Bool => return Ok(u64::from(value.is_truthy()?)),
            _ => value.call_method0("__index__"),
        };
        converted
            .ok()
            .and_then(|plain| self.number.bits_of(&plain))
            .ok_or_else(|| {
                PyTypeError::new_err(format!(
                    "expected a number of the array's kind, not {}",
                    value.get_type()
                ))
            })
    }

    #[inline(always)]
    fn step(&self, index: usize, step: Step, operand: u64) -> u64 {
        let new = self.number.step(step, self.read(index), operand);
        self.write(index, new);
        new
    }

    /// Whether the number was `old`, and is `new` now.
    fn exchange(&self, index: usize, old: u64, new: u64) -> bool {
        let same = self.number.same(self.read(index), old);
        if same {
            self.write(index, new);
        }
        same
    }
}

/// A ctypes object and the lock which accesses to it take.
pub struct Typed {
    object: Py<PyAny>,
    /// The memory in which it lies; None of an object that is not in the heap.
    memory: Option<ObjectRef>,
    guard: Guard,
    numbers: Option<Numbers>,
}

impl Typed {
    fn new(obj: &Bound<'_, PyAny>, lock: &Bound<'_, PyAny>, numbers: Option<Numbers>) -> Typed {
        let block = obj.getattr("_wrapper").ok();
        let block = block.as_ref().and_then(|block| block.cast::<Block>().ok());
        Typed {
            object: obj.clone().unbind(),
            memory: block.map(|block| block.get().object().clone()),
            guard: Guard::of(lock),
            numbers,
        }
    }

    /// The shared objects it is made of, of those of ours: its memory and its lock.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.memory.iter().chain(self.guard.object())
    }

    /// The observer's first point of an access; not of the looks of a wait, which tells of itself.
    #[inline(always)]
    fn access(&self, op: Op) -> Option<Access<'_>> {
        if op == Op::Wait {
            return None;
        }
        self.memory.as_ref().map(|memory| memory.access(op))
    }

    /// Wakes who waits for the value to change, after a writing access under the lock.
    #[inline(always)]
    fn told_waiters(&self, op: Op) {
        if !matches!(op, Op::Get | Op::Snapshot | Op::Wait)
            && let Some(memory) = &self.memory
        {
            memory.written();
        }
    }

    /// Runs `f`, which touches memory and nothing else, with every other holder kept out.
    #[inline(always)]
    fn exclude<R>(&self, py: Python<'_>, op: Op, f: impl FnOnce() -> R) -> PyResult<R> {
        let Guard::RLock(lock) = &self.guard else {
            return self.hold(py, op, || Ok(f()));
        };
        let raw = lock.get().raw();
        if raw.object().is_observed() {
            return self.exclude_told(py, raw, op, f);
        }
        let _hold = match raw.hold() {
            Ok(hold) => hold,
            Err(_) => wait::sleep_in(py, || raw.hold())?,
        };
        let result = f();
        self.told_waiters(op);
        Ok(result)
    }

    /// The same with the observer told.
    #[cold]
    #[inline(never)]
    fn exclude_told<R>(
        &self,
        py: Python<'_>,
        raw: &RawRLock,
        op: Op,
        f: impl FnOnce() -> R,
    ) -> PyResult<R> {
        let mut access = self.access(op);
        let (hold, waited) = match raw.hold() {
            Ok(hold) => (hold, false),
            Err(_) => (wait::sleep_in(py, || raw.hold())?, true),
        };
        let result = f();
        self.told_waiters(op);
        if let Some(access) = &mut access {
            access.inside(waited || hold.contended());
        }
        drop(hold);
        if let Some(access) = access {
            access.done();
        }
        Ok(result)
    }

    /// Runs `f` with the lock held. Whether it had to be waited for, the lock's counters say.
    fn hold<R>(&self, py: Python<'_>, op: Op, f: impl FnOnce() -> PyResult<R>) -> PyResult<R> {
        let mut access = self.access(op);
        let result = self.guard.hold(py, || {
            let result = f()?;
            self.told_waiters(op);
            if let Some(access) = &mut access {
                access.inside(false);
            }
            Ok(result)
        })?;
        if let Some(access) = access {
            access.done();
        }
        Ok(result)
    }

    /// The value of a simple object, read for the sake of `op`.
    #[inline(always)]
    fn value<'py>(&self, py: Python<'py>, op: Op) -> PyResult<Bound<'py, PyAny>> {
        match &self.numbers {
            Some(numbers) => {
                let bits = self.exclude(py, op, || numbers.read(0))?;
                numbers.number.to_python(py, bits)
            }
            None => self.hold(py, op, || self.object.bind(py).getattr("value")),
        }
    }

    fn numbers(&self) -> PyResult<&Numbers> {
        self.numbers
            .as_ref()
            .ok_or_else(|| PyTypeError::new_err("this type has no atomic arithmetic"))
    }

    #[inline(always)]
    fn step<'py>(
        &self,
        index: usize,
        step: Step,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let numbers = self.numbers()?;
        let operand = numbers.operand(n)?;
        let op = match step {
            Step::Add => Op::Add,
            Step::Max | Step::Min => Op::Update,
        };
        let bits = self.exclude(n.py(), op, || numbers.step(index, step, operand))?;
        numbers.number.to_python(n.py(), bits)
    }

    /// Fills in a view of the ctypes object's memory.
    ///
    /// # Safety
    /// `view` is the interpreter's to fill.
    unsafe fn export(
        &self,
        py: Python<'_>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the caller's promise. The view then belongs to the ctypes object, which it
        // keeps, and is given back to it.
        if unsafe { ffi::PyObject_GetBuffer(self.object.as_ptr(), view, flags) } == -1 {
            return Err(PyErr::fetch(py));
        }
        Ok(())
    }

    fn exchange(
        &self,
        index: usize,
        old: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let numbers = self.numbers()?;
        let py = new.py();
        let (old, new) = (numbers.operand(old)?, numbers.operand(new)?);
        self.exclude(py, Op::Update, || numbers.exchange(index, old, new))
    }
}

/// The methods which the three wrappers share, and those of one.
macro_rules! typed {
    ($class:ident { $($own:tt)* }) => {
        #[pymethods]
        impl $class {
            $($own)*

            #[getter]
            fn _obj<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
                self.typed.object.bind(py).clone()
            }

            #[getter]
            fn _lock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
                self.typed.guard.bind(py)
            }

            /// Return the ctypes object, whose accesses take no lock.
            fn get_obj<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
                self.typed.object.bind(py).clone()
            }

            /// Return the lock which every access takes.
            fn get_lock<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
                self.typed.guard.bind(py)
            }

            /// The lock's `acquire`.
            #[getter]
            fn acquire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.typed.guard.bind(py).getattr("acquire")
            }

            /// The lock's `release`.
            #[getter]
            fn release<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.typed.guard.bind(py).getattr("release")
            }

            fn __enter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.typed.guard.bind(py).call_method0("__enter__")
            }

            #[pyo3(signature = (exc_type=None, exc=None, traceback=None, /))]
            fn __exit__<'py>(
                &self,
                py: Python<'py>,
                exc_type: Option<&Bound<'py, PyAny>>,
                exc: Option<&Bound<'py, PyAny>>,
                traceback: Option<&Bound<'py, PyAny>>,
            ) -> PyResult<Bound<'py, PyAny>> {
                self.typed
                    .guard
                    .bind(py)
                    .call_method1("__exit__", (exc_type, exc, traceback))
            }

            /// Read an attribute of the ctypes object with the lock held.
            #[pyo3(signature = (name, /))]
            fn _read<'py>(&self, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
                let (py, base) = (name.py(), &self.typed);
                base.hold(py, Op::Get, || base.object.bind(py).getattr(name))
            }

            /// Write an attribute of the ctypes object with the lock held.
            #[pyo3(signature = (name, value, /))]
            fn _write(
                &self,
                name: &Bound<'_, PyString>,
                value: &Bound<'_, PyAny>,
            ) -> PyResult<()> {
                let (py, base) = (name.py(), &self.typed);
                base.hold(py, Op::Set, || base.object.bind(py).setattr(name, value))
            }

            fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
                Ok(format!(
                    "<{} wrapper for {}>",
                    slf.get_type().name()?,
                    slf.get().typed.object.bind(slf.py()).str()?
                ))
            }
        }
    };
}

/// A ctypes structure and the lock which accesses to it take.
#[pyclass(subclass, frozen, weakref, module = "pumasi._core")]
pub struct TypedStructure {
    typed: Typed,
}

typed!(TypedStructure {
    #[new]
    #[pyo3(signature = (obj, lock, /))]
    fn new(obj: &Bound<'_, PyAny>, lock: &Bound<'_, PyAny>) -> TypedStructure {
        TypedStructure {
            typed: Typed::new(obj, lock, None),
        }
    }

    /// The buffer of the ctypes object, with its format and shape.
    ///
    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the interpreter's promise.
        unsafe { slf.get().typed.export(slf.py(), view, flags) }
    }
});

/// A simple ctypes object and the lock which its accesses take.
#[pyclass(subclass, frozen, weakref, module = "pumasi._core")]
pub struct TypedValue {
    typed: Typed,
}

typed!(TypedValue {
    #[new]
    #[pyo3(signature = (obj, lock, /))]
    fn new(
        obj: &Bound<'_, PyAny>,
        lock: &Bound<'_, PyAny>,
    ) -> PyResult<TypedValue> {
        Ok(TypedValue {
            typed: Typed::new(obj, lock, Numbers::of(obj)?),
        })
    }

    /// The value; reading and writing it take the lock.
    #[getter]
    #[inline]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.typed.value(py, Op::Get)
    }

    #[setter]
    #[inline]
    fn set_value<'py>(&self, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let (py, base) = (value.py(), &self.typed);
        if let Some(numbers) = &base.numbers
            && let Some(bits) = numbers.number.bits_of(value)
        {
            return base.exclude(py, Op::Set, || numbers.write(0, bits));
        }
        base.hold(py, Op::Set, || base.object.bind(py).setattr("value", value))
    }

    /// Wait until `predicate(value)` is true, without it until the value is another one than now.
    ///
    /// The value is looked at first, and then after each access that writes, of any process.
    /// Return False when `timeout` seconds are over (None: never; zero or less: look once). What
    /// is written to the ctypes object itself, or through a view, is seen within 50 ms. Not to be
    /// called with the value's lock held.
    ///
    /// >>> import pumasi, threading
    /// >>> v = pumasi.Value("i", 0)
    /// >>> v.wait(lambda n: n > 0, timeout=0)
    /// False
    /// >>> threading.Timer(0.01, v.add, [1]).start()
    /// >>> v.wait(lambda n: n > 0)
    /// True
    #[pyo3(signature = (predicate=None, timeout=None))]
    fn wait(
        &self,
        py: Python<'_>,
        predicate: Option<&Bound<'_, PyAny>>,
        timeout: Option<f64>,
    ) -> PyResult<bool> {
        let base = &self.typed;
        let Some(object) = &base.memory else {
            return Err(PyTypeError::new_err(
                "the ctypes object is not in shared memory, so that nobody else can change it; \
                 make it with Value()",
            ));
        };
        let timeout = wait::timeout(timeout)?;
        let started = Instant::now();
        let mut access = object.access(Op::Wait);
        let (mut first, mut contended) = (None::<Bound<'_, PyAny>>, false);
        let done = loop {
            let expected = object.expect_write();
            let value = base.value(py, Op::Wait)?;
            let done = match (predicate, &first) {
                (Some(predicate), _) => predicate.call1((value,))?.is_truthy()?,
                (None, Some(first)) => value.ne(first)?,
                (None, None) => {
                    first = Some(value);
                    false
                }
            };
            let left = timeout.map_or(Duration::MAX, |t| t.saturating_sub(started.elapsed()));
            if done || left.is_zero() {
                break done;
            }
            contended = true;
            wait::run(py, || object.sleep_until_written(expected, left))?;
        };
        access.inside(contended);
        access.done();
        Ok(done)
    }

    /// Add `n` in one atomic step and return the new value.
    ///
    /// It wraps around where the C type does.
    #[inline]
    #[pyo3(signature = (n, /))]
    pub fn add<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let base = &self.typed;
        base.step(0, Step::Add, n)
    }

    /// Store `new` if the value equals `old`, in one atomic step; return whether it did.
    #[pyo3(signature = (old, new, /))]
    fn compare_exchange(
        &self,
        old: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let base = &self.typed;
        base.exchange(0, old, new)
    }

    /// Store `n` if it is greater than the value, in one atomic step; return the new value.
    #[pyo3(signature = (n, /))]
    fn max<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.typed.step(0, Step::Max, n)
    }

    /// Store `n` if it is less than the value, in one atomic step; return the new value.
    #[pyo3(signature = (n, /))]
    fn min<'py>(&self, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.typed.step(0, Step::Min, n)
    }

    /// The buffer of the ctypes object, with its format and shape.
    ///
    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the interpreter's promise.
        unsafe { slf.get().typed.export(slf.py(), view, flags) }
    }
});

/// A ctypes array and the lock which its accesses take.
#[pyclass(subclass, frozen, weakref, module = "pumasi._core")]
pub struct TypedArray {
    typed: Typed,
}

impl TypedArray {
    /// The position that an index means, by the rules and in the words of ctypes.
    #[inline(always)]
    fn place(numbers: &Numbers, index: isize) -> PyResult<usize> {
        let place = if index < 0 {
            index.wrapping_add_unsigned(numbers.count)
        } else {
            index
        } as usize;
        if place < numbers.count {
            Ok(place)
        } else {
            Err(PyIndexError::new_err("invalid index"))
        }
    }
}

/// The integer between the brackets; None for a slice and for what is neither.
#[inline(always)]
fn exact_index(key: &Bound<'_, PyAny>) -> Option<isize> {
    // SAFETY: a live object, and attached; the accessor is called on an exact int.
    unsafe {
        if ffi::PyLong_CheckExact(key.as_ptr()) == 0 {
            return None;
        }
        let mut overflow = 0;
        let index = ffi::PyLong_AsLongAndOverflow(key.as_ptr(), &raw mut overflow);
        (overflow == 0).then_some(index as isize)
    }
}

typed!(TypedArray {
    #[new]
    #[pyo3(signature = (obj, lock, /))]
    fn new(
        obj: &Bound<'_, PyAny>,
        lock: &Bound<'_, PyAny>,
    ) -> PyResult<TypedArray> {
        let numbers = if plain_elements(obj)? {
            Numbers::of(obj)?
        } else {
            None
        };
        Ok(TypedArray {
            typed: Typed::new(obj, lock, numbers),
        })
    }

    fn __len__(&self, py: Python<'_>) -> PyResult<usize> {
        let base = &self.typed;
        match &base.numbers {
            Some(numbers) => Ok(numbers.count),
            None => base.object.bind(py).len(),
        }
    }

    #[inline]
    fn __getitem__<'py>(
        &self,
        key: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (py, base) = (key.py(), &self.typed);
        if let (Some(numbers), Some(index)) = (&base.numbers, exact_index(key)) {
            let place = Self::place(numbers, index)?;
            let bits = base.exclude(py, Op::Get, || numbers.read(place))?;
            return numbers.number.to_python(py, bits);
        }
        let op = if key.is_instance_of::<PySlice>() {
            Op::Snapshot
        } else {
            Op::Get
        };
        base.hold(py, op, || base.object.bind(py).get_item(key))
    }

    #[inline]
    fn __setitem__<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let (py, base) = (key.py(), &self.typed);
        if let (Some(numbers), Some(index)) = (&base.numbers, exact_index(key))
            && let Some(bits) = numbers.number.bits_of(value)
        {
            let place = Self::place(numbers, index)?;
            return base.exclude(py, Op::Set, || numbers.write(place, bits));
        }
        let op = if key.is_instance_of::<PySlice>() {
            Op::Splice
        } else {
            Op::Set
        };
        base.hold(py, op, || base.object.bind(py).set_item(key, value))
    }

    /// Refused, in the words of multiprocessing: a class of its own without this method.
    fn __delitem__(&self, key: &Bound<'_, PyAny>) -> PyResult<()> {
        let _whatever_it_is = key;
        Err(PyAttributeError::new_err("__delitem__"))
    }

    /// Add `n` to the element at `index` in one atomic step and return the new value.
    #[inline]
    #[pyo3(signature = (index, n, /))]
    pub fn add<'py>(
        &self,
        index: isize,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = &self.typed;
        let place = Self::place(base.numbers()?, index)?;
        base.step(place, Step::Add, n)
    }

    /// Store `new` at `index` if the element equals `old`, in one atomic step; return whether it did.
    #[pyo3(signature = (index, old, new, /))]
    fn compare_exchange(
        &self,
        index: isize,
        old: &Bound<'_, PyAny>,
        new: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        let base = &self.typed;
        let place = Self::place(base.numbers()?, index)?;
        base.exchange(place, old, new)
    }

    /// Store `n` at `index` if it is greater, in one atomic step; return the new element.
    #[pyo3(signature = (index, n, /))]
    fn max<'py>(
        &self,
        index: isize,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = &self.typed;
        let place = Self::place(base.numbers()?, index)?;
        base.step(place, Step::Max, n)
    }

    /// Store `n` at `index` if it is less, in one atomic step; return the new element.
    #[pyo3(signature = (index, n, /))]
    fn min<'py>(
        &self,
        index: isize,
        n: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let base = &self.typed;
        let place = Self::place(base.numbers()?, index)?;
        base.step(place, Step::Min, n)
    }

    /// The buffer of the ctypes object, with its format and shape.
    ///
    /// # Safety
    /// Called by the interpreter with a view to fill.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: c_int,
    ) -> PyResult<()> {
        // SAFETY: the interpreter's promise.
        unsafe { slf.get().typed.export(slf.py(), view, flags) }
    }
});

/// Whether the elements of a ctypes array are read as plain Python values: those of a user's own
/// subclass of a simple type come as instances of it.
fn plain_elements(array: &Bound<'_, PyAny>) -> PyResult<bool> {
    static SIMPLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let base = array.getattr("_type_")?.getattr("__base__")?;
    Ok(base.is(SIMPLE.import(array.py(), "_ctypes", "_SimpleCData")?))
}

/// The parts of a value, array or structure with its lock.
pub fn typed_of<'a>(value: &'a Bound<'_, PyAny>) -> Option<&'a Typed> {
    if let Ok(found) = value.cast::<TypedValue>() {
        return Some(&found.get().typed);
    }
    if let Ok(found) = value.cast::<TypedArray>() {
        return Some(&found.get().typed);
    }
    let found = value.cast::<TypedStructure>().ok()?;
    Some(&found.get().typed)
}
