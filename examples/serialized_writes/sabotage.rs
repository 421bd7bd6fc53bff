//! One fault on purpose, to see that the receiver counts exactly that one.

use bytes::Bytes;
use clap::ValueEnum;

use super::failure::Failure;
use super::frame::HEADER_LEN;

/// What happens to the first record of the first sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fault {
    /// The second half of its body is not sent.
    Tear,
    /// It is not sent.
    Drop,
    /// It is sent after the sender's second record.
    Swap,
}

/// Makes sure that the fault can be done.
///
/// # Errors
/// If it needs two records, and without a file the first sender has only the one of its own end.
pub(crate) fn check(fault: Option<Fault>, files: u64) -> Result<(), Failure> {
    match (fault, files) {
        (Some(Fault::Swap), 0) => Err(Failure::refused(
            "--sabotage swap: without a file there are no two records to swap",
        )),
        _ => Ok(()),
    }
}

/// Stands between a sender and the connection; lets all records pass but for its one fault, if it has any.
pub(crate) struct Saboteur {
    fault: Option<Fault>,
    held: Option<Bytes>,
}

impl Saboteur {
    pub(crate) fn new(fault: Option<Fault>) -> Self {
        Self { fault, held: None }
    }

    /// What is sent instead of this record.
    pub(crate) fn pass(&mut self, record: Bytes) -> impl Iterator<Item = Bytes> + use<> {
        let now = match self.fault.take() {
            None => [Some(record), self.held.take()],
            Some(Fault::Tear) => [Some(first_half(record)), None],
            Some(Fault::Drop) => [None, None],
            Some(Fault::Swap) => {
                self.held = Some(record);
                [None, None]
            }
        };
        now.into_iter().flatten()
    }
}

fn first_half(mut record: Bytes) -> Bytes {
    record.truncate(HEADER_LEN + (record.len() - HEADER_LEN) / 2);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(fault: Option<Fault>) -> Vec<usize> {
        let mut saboteur = Saboteur::new(fault);
        let records = [58, 59, 60].map(|length| Bytes::from(vec![0; length]));
        let sent = records.into_iter().flat_map(|record| saboteur.pass(record));
        sent.map(|record| record.len()).collect()
    }

    #[test]
    fn each_fault_befalls_one_record() {
        assert_eq!(sent(None), [58, 59, 60]);
        assert_eq!(sent(Some(Fault::Tear)), [53, 59, 60]);
        assert_eq!(sent(Some(Fault::Drop)), [59, 60]);
        assert_eq!(sent(Some(Fault::Swap)), [59, 58, 60]);
    }
}
