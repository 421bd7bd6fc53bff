//! The house rules as a program: what the project asks of its own sources, checked with every run of the tests.
//!
//! Each rule is a function from one file to its findings, next to tests which prove that it finds a planted violation.
//! A finding names the file, the line and the cure.

#[path = "tidy/facade.rs"]
mod facade;
#[path = "tidy/floors.rs"]
mod floors;
#[path = "tidy/length.rs"]
mod length;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/text.rs"]
mod text;
#[path = "tidy/unsafe_rooms.rs"]
mod unsafe_rooms;
#[path = "tidy/words.rs"]
mod words;
