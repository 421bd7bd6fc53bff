//! The digest of a file: built from its parts on both sides, sent and compared at its end.

use xxhash_rust::xxh3::Xxh3;

use super::frame::u64_at;

/// Bytes of a file so far.
pub(crate) struct Digest {
    hasher: Box<Xxh3>,
    bytes: u64,
}

/// The digest (xxh3, 128 bits) and length of a whole file: the body of its last record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seal {
    digest: u128,
    bytes: u64,
}

impl Digest {
    pub(crate) fn new() -> Self {
        Self {
            hasher: Box::default(),
            bytes: 0,
        }
    }

    pub(crate) fn update(&mut self, part: &[u8]) {
        self.hasher.update(part);
        self.bytes += part.len() as u64;
    }

    pub(crate) fn seal(&self) -> Seal {
        Seal {
            digest: self.hasher.digest128(),
            bytes: self.bytes,
        }
    }
}

impl Seal {
    /// Bytes of an encoded seal.
    pub(crate) const LEN: usize = 24;

    pub(crate) fn encode(&self) -> [u8; Self::LEN] {
        let mut body = [0; Self::LEN];
        body[..16].copy_from_slice(&self.digest.to_le_bytes());
        body[16..].copy_from_slice(&self.bytes.to_le_bytes());
        body
    }

    /// `None` if the body has another length.
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let body: &[u8; Self::LEN] = body.try_into().ok()?;
        Some(Self {
            digest: u128::from_le_bytes(*body.first_chunk()?),
            bytes: u64_at(body, 16)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_depends_on_the_bytes_and_not_on_the_parts() {
        let seal = |parts: &[&str]| {
            let mut digest = Digest::new();
            parts.iter().for_each(|part| digest.update(part.as_bytes()));
            digest.seal()
        };
        assert_eq!(seal(&["one", "two"]), seal(&["onet", "", "wo"]));
        assert_ne!(seal(&["one", "two"]), seal(&["two", "one"]));
        assert_eq!(Seal::decode(&seal(&["one"]).encode()), Some(seal(&["one"])));
        assert_eq!(Seal::decode(&[0; Seal::LEN + 1]), None);
    }
}
