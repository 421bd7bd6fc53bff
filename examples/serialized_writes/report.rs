//! What is printed on stdout: a few lines for people, and the counts as the last one.

use std::fmt::Write as _;
use std::time::Duration;

use super::cli::{Options, Via};
use super::receiver::Receipt;
use super::sender::Delivery;
use super::tally::Tally;

/// The report of the sending side.
pub(crate) fn of_delivery(delivery: &Delivery, options: &Options) -> String {
    let Delivery { sent, answer, .. } = delivery;
    let batches = match options.via {
        Via::Queue => format!("{} (turns of the queue)", delivery.batches),
        Via::Writer => format!("{} (system calls that wrote)", delivery.batches),
        Via::None => "none: nobody waits for a turn".to_owned(),
    };
    let mut report = String::new();
    line(&mut report, "files", &sent.files);
    line(&mut report, "records", &records(sent.records, answer));
    line(&mut report, "bytes", &sent.bytes);
    let speed = speed(sent.records, sent.bytes, delivery.elapsed);
    line(&mut report, "speed", &speed);
    line(&mut report, "batches", &batches);
    line(&mut report, "wait", &delivery.waits);
    let _ = writeln!(report, "{answer}");
    report
}

/// The report of a receiver in a process of its own.
pub(crate) fn of_receipt(receipt: &Receipt) -> String {
    let tally = receipt.tally;
    let mut report = String::new();
    line(&mut report, "from", &receipt.peer);
    line(&mut report, "files", &tally.files);
    line(&mut report, "records", &tally.records);
    line(&mut report, "bytes", &tally.bytes);
    let speed = speed(tally.records, tally.bytes, receipt.elapsed);
    line(&mut report, "speed", &speed);
    let _ = writeln!(report, "{tally}");
    report
}

fn line(report: &mut String, name: &str, value: &dyn std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = writeln!(report, "{name:<8} {value}");
}

fn records(sent: u64, answer: &Tally) -> String {
    if answer.records == sent {
        return sent.to_string();
    }
    format!("{sent}, of which {} came whole", answer.records)
}

fn speed(records: u64, bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(1e-9);
    format!(
        "{:.0} records/s, {:.1} MB/s, in {elapsed:.1?}",
        records as f64 / seconds,
        bytes as f64 / 1e6 / seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_is_per_second_and_survives_no_time_at_all() {
        let two_seconds = Duration::from_secs(2);
        assert_eq!(
            speed(100, 3_000_000, two_seconds),
            "50 records/s, 1.5 MB/s, in 2.0s"
        );
        assert!(speed(1, 1, Duration::ZERO).starts_with("1000000000 records/s"));
    }
}
