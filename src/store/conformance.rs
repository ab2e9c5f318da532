//! The cases that every store keeps.
