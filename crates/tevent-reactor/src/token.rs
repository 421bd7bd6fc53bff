//! Tokens: which source an event is for, and which of all the sources that ever stood in that slot.

use std::fmt;

#[cfg(not(target_pointer_width = "64"))]
compile_error!(
    "tevent-reactor packs slot and generation into one mio token and needs 64-bit pointers"
);

/// The name of a source in the poll result: its slot, and the generation of the slot's tenant. An event that carries
/// the generation of a former tenant finds nobody.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl Token {
    /// The token of the reactor's own wake descriptor. No source ever has it.
    pub const RINGER: Self = Self {
        slot: u32::MAX,
        generation: u32::MAX,
    };

    /// The token of the reactor's own timer descriptor. No source ever has it.
    pub const ALARM: Self = Self {
        slot: u32::MAX,
        generation: u32::MAX - 1,
    };
}

impl From<Token> for mio::Token {
    fn from(token: Token) -> Self {
        Self(token.slot as usize | (token.generation as usize) << 32)
    }
}

impl From<mio::Token> for Token {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the two halves of the word are taken apart"
    )]
    fn from(mio::Token(word): mio::Token) -> Self {
        Self {
            slot: word as u32,
            generation: (word >> 32) as u32,
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::RINGER {
            return f.write_str("Token(ringer)");
        }
        if *self == Self::ALARM {
            return f.write_str("Token(alarm)");
        }
        write!(f, "Token({}#{})", self.slot, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b25_slot_and_generation_survive_the_way_through_mio() {
        for (slot, generation) in [
            (0, 0),
            (1, u32::MAX),
            (u32::MAX, 1),
            (0xdead_beef, 0xcafe_f00d),
        ] {
            let token = Token { slot, generation };
            assert_eq!(Token::from(mio::Token::from(token)), token);
        }
    }
}
