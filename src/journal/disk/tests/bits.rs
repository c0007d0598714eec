//! Every bit of the state file, and of the generation before it, falls over.

use super::*;

#[test]
fn no_state_with_a_flipped_bit_is_taken_for_what_was_written() {
    let place = Place::with(2);
    let written = Written {
        state: read(&place.file).unwrap().state,
        state_before: read(&place.previous()).unwrap().state,
        bytes: fs::read(&place.file).unwrap(),
        before: fs::read(place.previous()).unwrap(),
    };
    let bits = 8 * written.bytes.len();
    assert!(bits >= 16_384, "{bits}");
    for bit in 0..bits {
        written.survives_in_the_file(&place, bit);
    }
    let bits_before = 8 * written.before.len();
    for bit in 0..bits_before {
        written.survives_in_the_generation_before(&place, bit);
    }
    let all = bits + bits_before;
    reached(
        "flipped bits",
        "all of 16384 or more",
        &format!("{all} of {all}, 0 taken"),
    );
}

struct Written {
    state: State,
    state_before: State,
    bytes: Vec<u8>,
    before: Vec<u8>,
}

impl Written {
    fn survives_in_the_file(&self, place: &Place, bit: usize) {
        fs::write(place.previous(), &self.before).unwrap();
        let flipped = flipped(&self.bytes, bit);
        fs::write(&place.file, &flipped).unwrap();
        let by_a_reader = read(&place.file).map(|found| (found.state, found.damage));
        let by_a_run = place.open().map(|journal| {
            let damage = journal.damage("shop/checkout");
            (journal.state(), damage)
        });
        for (state, damage) in [by_a_reader, by_a_run].into_iter().flatten() {
            // What is damaged is told, and the generation before is all that is taken.
            let expected = match damage {
                None => &self.state,
                Some(_) => &self.state_before,
            };
            assert_eq!(state, *expected, "bit {bit}");
        }
    }

    fn survives_in_the_generation_before(&self, place: &Place, bit: usize) {
        fs::write(&place.file, &self.bytes).unwrap();
        fs::write(place.previous(), flipped(&self.before, bit)).unwrap();
        let opened = place.open().unwrap();
        assert_eq!(opened.state(), self.state, "bit {bit}");
        let before = read(&place.previous());
        assert!(
            before.map_or(true, |found| found.damage.is_some()),
            "bit {bit}"
        );
        // What is damaged is never written further.
        assert_eq!(fs::read(&place.file).unwrap(), self.bytes);
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}
