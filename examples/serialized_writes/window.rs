//! Bytes that have come and have not been used yet: room at the back, taken from the front.

/// Room that is kept for the next read, in bytes.
const READ: usize = 256 << 10;

/// A buffer that grows with the bytes that really came, and with nothing else.
///
/// Bytes are moved to the front only when at least half of the buffer is used up: each byte is moved about once, and
/// the buffer stays below four times the most that was unread.
pub(crate) struct Window {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; READ],
            start: 0,
            end: 0,
        }
    }

    /// Where the next bytes are to be put; never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        if self.start >= self.bytes.len() / 2 || self.start == self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            self.bytes.resize(self.end * 2, 0);
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes have been put into the [`space`](Self::space).
    pub(crate) fn filled(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Takes bytes off the front: `count` of them, or all that there are.
    pub(crate) fn take(&mut self, count: usize) -> &[u8] {
        let from = self.start;
        self.start = from.saturating_add(count).min(self.end);
        &self.bytes[from..self.start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(window: &mut Window, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let space = window.space();
            let count = bytes.len().min(space.len());
            space[..count].copy_from_slice(&bytes[..count]);
            window.filled(count);
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn bytes_come_out_in_order_across_moves_and_growth() {
        let sent: Vec<u8> = (0..3 * READ as u32).map(|n| (n % 251) as u8).collect();
        let mut window = Window::new();
        let mut received = Vec::new();
        for piece in sent.chunks(70_001) {
            put(&mut window, piece);
            received.extend_from_slice(window.take(50_000));
        }
        received.extend_from_slice(window.take(usize::MAX));
        assert!(received == sent);
        assert!(window.unread().is_empty());
    }

    #[test]
    fn what_is_used_up_is_room_again() {
        let mut window = Window::new();
        for _ in 0..100 {
            put(&mut window, &[1; 3 * READ / 4]);
            window.take(3 * READ / 4);
        }
        assert_eq!(window.bytes.len(), READ);
    }
}
