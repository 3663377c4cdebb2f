//! The field under the portable and the vector lanes. `mutants.py` breaks it, and this must notice.

mod damage;
#[macro_use]
mod edges;

use damage::Random;
use edges::{Inputs, check, check_roots};
use payloads_simd::lanes::Lanes;

fn field<L: Lanes>() {
    let mut random = Random(11);
    for _ in 0..20_000 {
        check::<L>(&Inputs::from(&mut || random.next()));
    }
}
with_both_lanes!(field_functions_at_the_edges_of_their_bounds, field);

fn roots<L: Lanes>() {
    let mut random = Random(12);
    for _ in 0..200 {
        check_roots::<L>(&Inputs::from(&mut || random.next()));
    }
}
with_both_lanes!(roots_are_powers, roots);
