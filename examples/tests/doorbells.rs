//! The examples of the book's chapter about doorbells: what they print.

mod util;

use util::story;

#[test]
fn iv_event_loses_no_result_and_ends_with_its_events() {
    assert_eq!(
        story("iv_event"),
        [
            "all 12 results came, their sum is 66",
            "2 events are ended",
            "a post after the end: Closed",
        ]
    );
}

#[test]
fn raw_event_is_rung_by_a_signal_handler_and_by_a_child() {
    assert_eq!(
        story("raw_event"),
        ["the signal handler rang 2 times", "the child rang 3 times",]
    );
}
