//! The small examples tell their stories: what they print, line by line.

mod util;

use util::story;

#[test]
fn queue_processes_four_requests_one_after_another() {
    let started = [
        "INIT",
        "Queue is running (length: 0)",
        "foo_send",
        "foo_send",
        "foo_send",
        "foo_send",
        "Queue length: 4",
    ];
    let lines = story("queue");
    assert_eq!(lines[..started.len()], started);
    assert_eq!(lines.last().map(String::as_str), Some("FINISH"));
    // When the loop comes back to `main` to count, its turns decide.
    let acts: Vec<_> = lines[started.len()..]
        .iter()
        .filter(|line| !line.starts_with("Callback") && !line.starts_with("Queue:"))
        .collect();
    assert_eq!(
        acts,
        [
            "Processing request #1",
            "time_handler",
            "Request #1 set as done.",
            "Processing request #2",
            "time_handler",
            "Request #2 set as done.",
            "Processing request #3",
            "Request #3 set as done.",
            "Processing request #4",
            "time_handler",
            "Request #4 set as done.",
            "FINISH",
        ]
    );
    assert!(lines.iter().any(|line| line == "Queue: 0 items left"));
}

#[test]
fn b51_futurelock_is_reported_with_both_lines_and_does_not_happen_to_driven_work() {
    let lines = story("futurelock");
    let report = lines
        .iter()
        .find(|line| line.starts_with("with guards: the queue reports: "))
        .expect("the hang is found");
    assert!(report.matches("futurelock.rs:").count() >= 2, "{report}");
    assert!(
        lines
            .iter()
            .any(|line| line == "with guards: still hanging, given up")
    );
    assert!(
        lines
            .iter()
            .any(|line| line == "driven: Ok(\"the other branch\")")
    );
}

#[test]
fn shared_queue_serves_in_the_order_of_the_places_on_four_threads() {
    let lines = story("shared_queue");
    let served = lines
        .iter()
        .filter(|line| *line == "served: [1, 2, 3, 4, 5, 6, 7, 8]");
    assert_eq!(served.count(), 5);
}

#[test]
fn loops_queue_serves_three_loops_in_the_order_of_the_places() {
    let lines = story("loops_queue");
    let served: Vec<&str> = lines
        .iter()
        .filter(|line| line.ends_with("red") || line.ends_with("green") || line.ends_with("blue"))
        .map(String::as_str)
        .collect();
    let places: Vec<String> = (0..9)
        .map(|place| format!("{place}: {}", ["red", "green", "blue"][place % 3]))
        .collect();
    assert_eq!(served, places);
}
