//! The derive macro of pumasi's Shareable.
