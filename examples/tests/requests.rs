//! The examples of the book's chapter about requests: what they print.

mod util;

use util::story;

#[test]
fn data_is_read_by_its_type() {
    assert_eq!(story("data"), ["a->x: 10", "b->y: 9", "c->y: 9", "Quit"]);
}

#[test]
fn subrequests_end_from_the_inside_to_the_outside() {
    let begun = ["a_send", "b_send", "c_send"];
    let scenes: [&[&str]; 3] = [
        &[
            "c: Done",
            "c: Received",
            "b goes on with 1",
            "b: Done",
            "b: Received",
            "a goes on with 2",
            "a: Done",
            "a: Received",
            "received: Ok(3)",
        ],
        &[
            "c: UserError",
            "c: Received",
            "b: UserError",
            "b: Received",
            "a: UserError",
            "a: Received",
            "received: Err(User(\"no luck\"))",
        ],
        &[
            "c: Received",
            "b: Received",
            "a: TimedOut",
            "a: Received",
            "received: Err(TimedOut)",
        ],
    ];
    let titles = [
        "all goes well:",
        "the innermost fails:",
        "the outermost times out:",
    ];
    let mut expected = Vec::new();
    for (title, ends) in titles.into_iter().zip(scenes) {
        expected.push(title);
        expected.extend(begun);
        expected.extend(ends);
    }
    expected.push("Quit");
    assert_eq!(story("subrequests"), expected);
}
