//! The examples of the book's chapter about threads: what they print.

mod util;

use util::story;

#[test]
fn a_master_and_its_children_talk_to_each_other() {
    let story = story("thread_proxy");
    for name in ["anna", "bert", "carl"] {
        // What one child says and causes has an order; who comes first among them has none.
        let part: Vec<_> = story.iter().filter(|line| line.contains(name)).collect();
        let length = format!("{name}: my name has 4 letters");
        assert_eq!(
            part,
            [
                &format!("master: callback from {name}"),
                &format!("{name}: the master has replied"),
                &length,
                &format!("master: {name} has ended"),
            ]
        );
    }
    let last = story.last().map(String::as_str);
    assert_eq!(last, Some("master: 6 messages, none lost"));
    assert_eq!(story.len(), 13);
}
