//! The main job as its user meets it: the built example is run on small trees, and its output and exit status are read.
//!
//! `cargo test` builds the example before it runs these tests; `cargo test --test ...` does not, and takes the one that
//! is there.

mod input;
mod job;
mod peers;

use job::{CLEAN, end, path, receiver, run, tree, with_one_file};

#[test]
fn both_ways_end_with_zeros() {
    let tree = tree();
    for via in ["queue", "writer"] {
        for more in [
            &[][..],
            &["--senders", "1"],
            &["--senders", "200"],
            &["--record-bytes", "100"],
            &["--record-bytes", "16777216"],
        ] {
            let done = run(&[&["--via", via, path(tree.path())], more].concat());
            done.expect(0, CLEAN);
            assert_eq!(done.value("files"), "151");
            assert_eq!(done.err, "", "no progress bar, for this is no terminal");
        }
    }
}

#[test]
fn the_report_counts_what_was_sent() {
    let (_tree, file) = with_one_file(100_000);
    let done = run(&[path(&file), "--senders", "3"]);
    done.expect(0, CLEAN);
    assert_eq!(done.value("bytes"), "100000");
    // Seven parts of 16 KiB, the end of the file, and the ends of three senders.
    assert_eq!(done.value("records"), "11");
    assert_eq!(done.value("batches"), "11 (turns of the queue)");
    assert!(done.value("speed").contains("records/s"));
    assert!(done.value("speed").contains("MB/s"));
    for word in ["p50 ", "p99 ", "max "] {
        assert!(done.value("wait").contains(word));
    }
}

#[test]
fn an_empty_directory_is_no_error() {
    let tree = tempfile::tempdir().unwrap();
    run(&[path(tree.path())]).expect(0, CLEAN);
}

#[test]
fn without_turns_records_tear_in_20_of_20_runs() {
    let tree = tree();
    let (_tiny, file) = with_one_file(1);
    for arguments in [&[path(tree.path())][..], &[path(&file), "--senders", "2"]] {
        for _ in 0..20 {
            let done = run(&[&["--via", "none"], arguments].concat());
            let (torn, _) = done.last_line().split_once(" torn, ").unwrap();
            assert!(torn.parse::<u64>().unwrap() > 0, "{}", done.out);
            assert_eq!(done.status, Some(1));
        }
    }
}

#[test]
fn without_turns_one_sender_alone_tears_nothing() {
    run(&["--via", "none", "--senders", "1", path(tree().path())]).expect(0, CLEAN);
}

#[test]
fn sabotage_is_counted_exactly() {
    let (tree, (_tiny, file)) = (tree(), with_one_file(0));
    for (fault, last_line) in [
        ("tear", "1 torn, 0 lost, 0 out of order"),
        ("drop", "0 torn, 1 lost, 0 out of order"),
        ("swap", "0 torn, 0 lost, 1 out of order"),
    ] {
        for via in ["queue", "writer"] {
            for input in [tree.path(), &file] {
                run(&["--via", via, "--sabotage", fault, path(input)]).expect(1, last_line);
            }
        }
    }
}

#[test]
fn a_fault_that_cannot_be_done_is_refused() {
    let tree = tempfile::tempdir().unwrap();
    run(&["--sabotage", "swap", path(tree.path())]).expect_error(2, &["swap", "file"]);
    let alone = run(&["--sabotage", "drop", path(tree.path())]);
    alone.expect(1, "0 torn, 1 lost, 0 out of order");
}

#[test]
fn two_processes_agree() {
    let tree = tree();
    for (via, fault, status, last_line) in [
        ("queue", None, 0, CLEAN),
        ("writer", None, 0, CLEAN),
        ("queue", Some("tear"), 1, "1 torn, 0 lost, 0 out of order"),
    ] {
        let (receiver, address) = receiver(&[]);
        let mut arguments = vec!["--via", via, "--to", &address, path(tree.path())];
        arguments.extend(fault.iter().flat_map(|fault| ["--sabotage", fault]));
        let sent = run(&arguments);
        let received = end(receiver);
        sent.expect(status, last_line);
        received.expect(status, last_line);
        if fault.is_none() {
            for name in ["files", "records", "bytes"] {
                assert_eq!(sent.value(name), received.value(name));
            }
        }
    }
}

#[test]
fn help_tells_a_newcomer_what_to_do_and_bad_flags_are_refused() {
    let help = run(&["--help"]);
    assert_eq!(help.status, Some(0));
    for word in [
        "OUTPUT",
        "EXIT STATUS",
        "TRY",
        "--via",
        "--senders",
        "--listen",
        "torn",
    ] {
        assert!(help.out.contains(word), "no {word}");
    }
    assert!(!help.out.contains("sabotage"));
    assert!(help.out.lines().all(|line| line.chars().count() <= 100));
    for bad in [
        &["--senders", "0"][..],
        &["--record-bytes", "0"],
        &["--record-bytes", "16777217"],
    ] {
        let done = run(bad);
        assert_eq!((done.status, &*done.out), (Some(2), ""));
        assert!(done.err.contains(bad[0]) && done.err.contains(bad[1]));
    }
}
