//! Eight 64-bit words that are computed with at once.
//!
//! `Lanes` is all that the other layers know of the machine. `Portable` computes one word after the
//! other and runs everywhere. `Avx512` uses the instructions. Both give the same bits for every
//! input, also for words beyond the 52 bits that a multiplication looks at.
//!
//! A function above this layer is `#[inline(always)]` and has no target features of its own. It
//! becomes vector code because `Lanes::run` calls it from a function that has them.

/// The bits of a limb, of which a multiplication takes the product.
pub const LIMB: u64 = (1 << 52) - 1;

/// An array from an expression of the index.
///
/// `std::array::from_fn` would do, but it is a function without target features, and so is its
/// closure: instructions in it would become calls. That makes everything thirty times as slow.
#[macro_export]
macro_rules! each {
    ($k:ident < $count:expr, $value:expr) => {{
        let mut $k = 0;
        let mut out = [$value; $count];
        $k += 1;
        while $k < $count {
            out[$k] = $value;
            $k += 1;
        }
        out
    }};
}

/// A piece of work that is compiled once for each kind of lanes.
pub trait Phase<T> {
    fn run(work: &mut T);
}

pub trait Lanes: Copy + Send + Sync + 'static {
    /// Can this machine run it?
    fn available() -> bool;
    /// Run a phase with the instructions of these lanes. Panics where they are not available.
    fn run<T, P: Phase<T>>(work: &mut T);

    /// The compiler moves no computation across this.
    fn barrier();

    fn splat(word: u64) -> Self;
    fn load(words: &[u64; 8]) -> Self;
    fn store(self) -> [u64; 8];

    fn add(self, other: Self) -> Self;
    fn sub(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn or(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// `!self & other`.
    fn not_and(self, other: Self) -> Self;
    fn shl<const BITS: u32>(self) -> Self;
    fn shr<const BITS: u32>(self) -> Self;
    /// A rotation to the left by 0 to 63 bits.
    fn rotate(self, bits: u64) -> Self;
    fn swap_bytes(self) -> Self;

    /// `self` + the low 52 bits of the product of the low 52 bits of `a` and `b`.
    fn mad_low(self, a: Self, b: Self) -> Self;
    /// `self` + the bits from 52 up of that product.
    fn mad_high(self, a: Self, b: Self) -> Self;

    /// A bit for each lane that is zero.
    fn zeros(self) -> u8;
    /// A bit for each lane that is below the other's.
    fn below(self, other: Self) -> u8;
    /// Lane by lane: `yes` where the bit is set, else `no`.
    fn pick(mask: u8, yes: Self, no: Self) -> Self;
    /// Lane i gets the word of lane i ^ DISTANCE (1, 2 or 4).
    fn swap<const DISTANCE: usize>(self) -> Self;
    /// `table[low six bits]` for each lane.
    fn look_up(self, table: &[u8; 64]) -> Self;
    /// Word j of row i becomes word i of row j.
    fn transpose(rows: [Self; 8]) -> [Self; 8];
}

/// The same algorithms on every machine, one word at a time.
#[derive(Clone, Copy)]
pub struct Portable([u64; 8]);

impl Portable {
    #[inline(always)]
    fn map(self, f: impl Fn(u64) -> u64) -> Self {
        Self(self.0.map(f))
    }
    #[inline(always)]
    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
    #[inline(always)]
    fn mask(self, f: impl Fn(u64) -> bool) -> u8 {
        (0..8).fold(0, |mask, i| mask | (u8::from(f(self.0[i])) << i))
    }
}

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a & LIMB) * u128::from(b & LIMB)
}

impl Lanes for Portable {
    fn available() -> bool {
        true
    }
    fn run<T, P: Phase<T>>(work: &mut T) {
        P::run(work);
    }

    #[inline(always)]
    fn barrier() {}

    #[inline(always)]
    fn splat(word: u64) -> Self {
        Self([word; 8])
    }
    #[inline(always)]
    fn load(words: &[u64; 8]) -> Self {
        Self(*words)
    }
    #[inline(always)]
    fn store(self) -> [u64; 8] {
        self.0
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_add)
    }
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, u64::wrapping_sub)
    }
    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }
    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }
    #[inline(always)]
    fn xor(self, other: Self) -> Self {
        self.zip(other, |a, b| a ^ b)
    }
    #[inline(always)]
    fn not_and(self, other: Self) -> Self {
        self.zip(other, |a, b| !a & b)
    }
    #[inline(always)]
    fn shl<const BITS: u32>(self) -> Self {
        self.map(|a| a << BITS)
    }
    #[inline(always)]
    fn shr<const BITS: u32>(self) -> Self {
        self.map(|a| a >> BITS)
    }
    #[inline(always)]
    fn rotate(self, bits: u64) -> Self {
        self.map(|a| a.rotate_left(bits as u32))
    }
    #[inline(always)]
    fn swap_bytes(self) -> Self {
        self.map(u64::swap_bytes)
    }
    #[inline(always)]
    fn mad_low(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| product(a, b) as u64 & LIMB))
    }
    #[inline(always)]
    fn mad_high(self, a: Self, b: Self) -> Self {
        self.add(a.zip(b, |a, b| (product(a, b) >> 52) as u64))
    }
    #[inline(always)]
    fn zeros(self) -> u8 {
        self.mask(|a| a == 0)
    }
    #[inline(always)]
    fn below(self, other: Self) -> u8 {
        self.zip(other, |a, b| u64::from(a < b)).mask(|a| a == 1)
    }
    #[inline(always)]
    fn pick(mask: u8, yes: Self, no: Self) -> Self {
        Self(std::array::from_fn(|i| if mask >> i & 1 == 1 { yes.0[i] } else { no.0[i] }))
    }
    #[inline(always)]
    fn swap<const DISTANCE: usize>(self) -> Self {
        Self(std::array::from_fn(|i| self.0[i ^ DISTANCE]))
    }
    #[inline(always)]
    fn look_up(self, table: &[u8; 64]) -> Self {
        self.map(|a| u64::from(table[(a & 63) as usize]))
    }
    #[inline(always)]
    fn transpose(rows: [Self; 8]) -> [Self; 8] {
        std::array::from_fn(|j| Self(std::array::from_fn(|i| rows[i].0[j])))
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{Lanes, Phase};
    use std::arch::asm;
    use std::arch::x86_64::*;

    /// The lanes of one 512-bit register. Values exist only where `run` found the instructions.
    #[derive(Clone, Copy)]
    #[repr(transparent)]
    pub struct Avx512(__m512i);

    // SAFETY of every block below: each needs the instructions that `available` asks for. Only code
    // below `run` makes or takes a value of this type, and `run` refuses to go on without them.
    impl Lanes for Avx512 {
        fn available() -> bool {
            is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512ifma")
                && is_x86_feature_detected!("avx512vbmi")
        }

        fn run<T, P: Phase<T>>(work: &mut T) {
            #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512ifma,avx512vbmi,bmi1,bmi2")]
            fn with_instructions<T, P: Phase<T>>(work: &mut T) {
                P::run(work);
            }
            assert!(Self::available());
            unsafe { with_instructions::<T, P>(work) }
        }

        /// No instruction, but for all that the compiler knows, a jump.
        #[inline(always)]
        fn barrier() {
            unsafe { asm!("/* {} */", label {}, options(nomem, nostack, preserves_flags)) }
        }

        #[inline(always)]
        fn splat(word: u64) -> Self {
            Self(unsafe { _mm512_set1_epi64(word as i64) })
        }
        #[inline(always)]
        fn load(words: &[u64; 8]) -> Self {
            Self(unsafe { _mm512_loadu_si512(words.as_ptr().cast()) })
        }
        #[inline(always)]
        fn store(self) -> [u64; 8] {
            let mut words = [0; 8];
            unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), self.0) };
            words
        }
        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Self(unsafe { _mm512_add_epi64(self.0, other.0) })
        }
        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Self(unsafe { _mm512_sub_epi64(self.0, other.0) })
        }
        #[inline(always)]
        fn and(self, other: Self) -> Self {
            Self(unsafe { _mm512_and_si512(self.0, other.0) })
        }
        #[inline(always)]
        fn or(self, other: Self) -> Self {
            Self(unsafe { _mm512_or_si512(self.0, other.0) })
        }
        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            Self(unsafe { _mm512_xor_si512(self.0, other.0) })
        }
        #[inline(always)]
        fn not_and(self, other: Self) -> Self {
            Self(unsafe { _mm512_andnot_si512(self.0, other.0) })
        }
        #[inline(always)]
        fn shl<const BITS: u32>(self) -> Self {
            Self(unsafe { _mm512_slli_epi64::<BITS>(self.0) })
        }
        #[inline(always)]
        fn shr<const BITS: u32>(self) -> Self {
            Self(unsafe { _mm512_srli_epi64::<BITS>(self.0) })
        }
        #[inline(always)]
        fn rotate(self, bits: u64) -> Self {
            Self(unsafe { _mm512_rolv_epi64(self.0, _mm512_set1_epi64(bits as i64)) })
        }
        #[inline(always)]
        fn swap_bytes(self) -> Self {
            unsafe {
                let order = _mm_set_epi64x(0x0809_0A0B_0C0D_0E0F, 0x0001_0203_0405_0607);
                Self(_mm512_shuffle_epi8(self.0, _mm512_broadcast_i32x4(order)))
            }
        }
        #[inline(always)]
        fn mad_low(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_madd52lo_epu64(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn mad_high(self, a: Self, b: Self) -> Self {
            Self(unsafe { _mm512_madd52hi_epu64(self.0, a.0, b.0) })
        }
        #[inline(always)]
        fn zeros(self) -> u8 {
            unsafe { _mm512_testn_epi64_mask(self.0, self.0) }
        }
        #[inline(always)]
        fn below(self, other: Self) -> u8 {
            unsafe { _mm512_cmplt_epu64_mask(self.0, other.0) }
        }
        #[inline(always)]
        fn pick(mask: u8, yes: Self, no: Self) -> Self {
            Self(unsafe { _mm512_mask_blend_epi64(mask, no.0, yes.0) })
        }
        #[inline(always)]
        fn swap<const DISTANCE: usize>(self) -> Self {
            let d = DISTANCE as i64;
            unsafe {
                let from = _mm512_set_epi64(7 ^ d, 6 ^ d, 5 ^ d, 4 ^ d, 3 ^ d, 2 ^ d, 1 ^ d, d);
                Self(_mm512_permutexvar_epi64(from, self.0))
            }
        }
        #[inline(always)]
        fn look_up(self, table: &[u8; 64]) -> Self {
            unsafe {
                let table = _mm512_loadu_si512(table.as_ptr().cast());
                let found = _mm512_permutexvar_epi8(self.0, table);
                Self(_mm512_and_si512(found, _mm512_set1_epi64(0xFF)))
            }
        }
        #[inline(always)]
        fn transpose(rows: [Self; 8]) -> [Self; 8] {
            unsafe {
                // Words of neighbouring rows, then 128-bit pieces of rows 2 and 4 apart.
                let [a, b, c, d, e, f, g, h] = rows.map(|row| row.0);
                let (ab0, ab1) = (_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
                let (cd0, cd1) = (_mm512_unpacklo_epi64(c, d), _mm512_unpackhi_epi64(c, d));
                let (ef0, ef1) = (_mm512_unpacklo_epi64(e, f), _mm512_unpackhi_epi64(e, f));
                let (gh0, gh1) = (_mm512_unpacklo_epi64(g, h), _mm512_unpackhi_epi64(g, h));
                let [r0, r2, r4, r6] = quarters(ab0, cd0, ef0, gh0);
                let [r1, r3, r5, r7] = quarters(ab1, cd1, ef1, gh1);
                [r0, r1, r2, r3, r4, r5, r6, r7].map(Self)
            }
        }
    }

    /// The first 128 bits of all four, the second, the third, the fourth.
    #[inline(always)]
    fn quarters(p: __m512i, q: __m512i, r: __m512i, s: __m512i) -> [__m512i; 4] {
        unsafe {
            let (even, odd) =
                (_mm512_shuffle_i64x2::<0x88>(p, q), _mm512_shuffle_i64x2::<0xDD>(p, q));
            let (even2, odd2) =
                (_mm512_shuffle_i64x2::<0x88>(r, s), _mm512_shuffle_i64x2::<0xDD>(r, s));
            [
                _mm512_shuffle_i64x2::<0x88>(even, even2),
                _mm512_shuffle_i64x2::<0x88>(odd, odd2),
                _mm512_shuffle_i64x2::<0xDD>(even, even2),
                _mm512_shuffle_i64x2::<0xDD>(odd, odd2),
            ]
        }
    }
}
