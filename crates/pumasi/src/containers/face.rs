//! What every untyped container has: its handle, by which it is printed, and the way in.

/// `object`, `heap` and `enter` of a container that has its handle in a field `object`.
macro_rules! face {
    ($raw:ident) => {
        impl<H: $crate::sys::Host> core::fmt::Debug for $raw<H> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.object.fmt(f)
            }
        }

        impl<H: $crate::sys::Host> $raw<H> {
            /// The handle.
            #[inline(always)]
            pub fn object(&self) -> &$crate::heap::object::ObjectRef<H> {
                &self.object
            }

            #[inline(always)]
            pub(in crate::containers) fn heap(&self) -> &$crate::heap::Heap<H> {
                self.object.heap()
            }

            /// Takes the internal lock for one operation.
            #[inline(always)]
            pub(in crate::containers) fn enter(
                &self,
                op: $crate::observer::Op,
                section: &'static str,
            ) -> $crate::error::Fast<$crate::heap::held::Held<'_, H>> {
                self.heap().enter(&self.object, op, section)
            }
        }
    };
}
pub(super) use face;
