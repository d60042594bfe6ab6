//! Plain copies of shared containers, all the way down, and what is shown of them.

use core::cell::RefCell;
use std::collections::HashMap;

use pumasi::containers::{ItemRef, Part, RawDeque, RawDict, RawList, RawSet};
use pumasi::heap::object::{Kind, ObjectRef};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use crate::deque::{Deque, plain_deque};
use crate::dict::DictBase;
use crate::errors::OrRaise;
use crate::keyed::{factory_of, plain_counter, plain_default};
use crate::list::ListBase;
use crate::load::{self, Recursion};
use crate::namespace::Namespace;
use crate::set::{Set, plain_set};
use crate::vector::Vector;
use crate::wait;

/// One conversion. What occurs twice, or inside itself, does so in the copy.
pub struct Plain<'py> {
    py: Python<'py>,
    /// By offset of the shared container.
    made: HashMap<u64, Bound<'py, PyAny>>,
}

impl<'py> Plain<'py> {
    pub fn new(py: Python<'py>) -> Plain<'py> {
        Plain {
            py,
            made: HashMap::new(),
        }
    }

    /// A plain list of a shared one.
    pub fn list(&mut self, raw: &RawList) -> PyResult<Bound<'py, PyAny>> {
        if let Some(made) = self.made.get(&raw.object().offset()) {
            return Ok(made.clone());
        }
        let _deeper = Recursion::enter(self.py)?;
        let list = PyList::empty(self.py);
        self.made
            .insert(raw.object().offset(), list.clone().into_any());
        let items = wait::run(self.py, || raw.snapshot())?;
        for item in items.iter() {
            list.append(self.item(item)?)?;
        }
        Ok(list.into_any())
    }

    /// A plain deque of a shared one.
    pub fn deque(&mut self, raw: &RawDeque) -> PyResult<Bound<'py, PyAny>> {
        if let Some(made) = self.made.get(&raw.object().offset()) {
            return Ok(made.clone());
        }
        let _deeper = Recursion::enter(self.py)?;
        let deque = plain_deque(PyTuple::empty(self.py).as_any(), raw.bound())?;
        self.made.insert(raw.object().offset(), deque.clone());
        let items = wait::run(self.py, || raw.snapshot())?;
        for item in items.iter() {
            deque.call_method1("append", (self.item(item)?,))?;
        }
        Ok(deque)
    }

    /// A plain dict of a shared one, of the sort of its kind.
    pub fn dict(&mut self, raw: &RawDict) -> PyResult<Bound<'py, PyAny>> {
        if let Some(made) = self.made.get(&raw.object().offset()) {
            return Ok(made.clone());
        }
        let _deeper = Recursion::enter(self.py)?;
        let dict = PyDict::new(self.py);
        let dict = match raw.object().kind() {
            Kind::Counter => plain_counter(&dict)?.cast_into::<PyDict>()?,
            Kind::DefaultDict => {
                plain_default(&factory_of(self.py, raw)?, &dict)?.cast_into::<PyDict>()?
            }
            _ => dict,
        };
        self.made
            .insert(raw.object().offset(), dict.clone().into_any());
        let items = wait::run(self.py, || raw.snapshot(Part::Items))?;
        let mut items = items.iter();
        while let (Some(key), Some(value)) = (items.next(), items.next()) {
            dict.set_item(load::item_of(self.py, key)?, self.item(value)?)?;
        }
        Ok(dict.into_any())
    }

    /// A plain set of a shared one.
    fn set(&mut self, raw: &RawSet) -> PyResult<Bound<'py, PyAny>> {
        if let Some(made) = self.made.get(&raw.object().offset()) {
            return Ok(made.clone());
        }
        let set = plain_set(self.py, raw)?.into_any();
        self.made.insert(raw.object().offset(), set.clone());
        Ok(set)
    }

    fn item(&mut self, item: ItemRef<'_>) -> PyResult<Bound<'py, PyAny>> {
        match item {
            ItemRef::Object(object) => self.object(object),
            item => {
                let value = load::item_of(self.py, item)?;
                self.value(value)
            }
        }
    }

    fn object(&mut self, object: &ObjectRef) -> PyResult<Bound<'py, PyAny>> {
        match object.kind() {
            Kind::List => self.list(&RawList::from_object(object.clone()).or_raise()?),
            Kind::Deque => self.deque(&RawDeque::from_object(object.clone()).or_raise()?),
            Kind::Set => self.set(&RawSet::from_object(object.clone()).or_raise()?),
            Kind::Vector => Vector::of_object(self.py, object.clone())?
                .get()
                .to_plain(self.py),
            kind if kind.is_dict() => self.dict(&RawDict::from_object(object.clone()).or_raise()?),
            _ => load::handle(self.py, object.clone()),
        }
    }

    /// A value that was stored as a copy: shared containers inside plain ones become plain.
    fn value(&mut self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        if let Ok(list) = value.cast::<ListBase>() {
            return self.list(list.get().raw()?);
        }
        if let Ok(dict) = value.cast::<DictBase>() {
            return self.dict(dict.get().raw()?);
        }
        if let Ok(set) = value.cast::<Set>() {
            return self.set(set.get().raw());
        }
        if let Ok(deque) = value.cast::<Deque>() {
            return self.deque(deque.get().raw());
        }
        if let Ok(vector) = value.cast::<Vector>() {
            return vector.get().to_plain(self.py);
        }
        if let Ok(namespace) = value.cast::<Namespace>() {
            return self.dict(namespace.get().raw()?);
        }
        if let Ok(tuple) = value.cast_exact::<PyTuple>() {
            let _deeper = Recursion::enter(self.py)?;
            let items = tuple
                .iter()
                .map(|item| self.value(item))
                .collect::<PyResult<Vec<_>>>()?;
            return Ok(PyTuple::new(self.py, items)?.into_any());
        }
        if let Ok(list) = value.cast_exact::<PyList>() {
            let _deeper = Recursion::enter(self.py)?;
            for index in 0..list.len() {
                list.set_item(index, self.value(list.get_item(index)?)?)?;
            }
        } else if let Ok(dict) = value.cast_exact::<PyDict>() {
            let _deeper = Recursion::enter(self.py)?;
            for (key, inner) in dict.copy()? {
                dict.set_item(key, self.value(inner)?)?;
            }
        }
        Ok(value)
    }
}

thread_local! {
    /// The containers whose `repr` is under way in this thread: heap and offset.
    static SHOWN: RefCell<Vec<(u128, u64)>> = const { RefCell::new(Vec::new()) };
}

/// A container whose `repr` is under way. A container inside itself is another Python object each
/// time it is read, so that the interpreter's own guard would not notice.
pub struct Shown(());

impl Shown {
    /// None if the `repr` of this container is under way already.
    pub fn enter(object: &ObjectRef) -> Option<Shown> {
        let key = (object.heap().id(), object.offset());
        SHOWN.with_borrow_mut(|shown| {
            if shown.contains(&key) {
                return None;
            }
            shown.push(key);
            Some(Shown(()))
        })
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        SHOWN.with_borrow_mut(Vec::pop);
    }
}
