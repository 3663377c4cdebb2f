//! One inverse modulo a prime, in variable time (all inputs are public).
//!
//! Bernstein and Yang's division steps (safegcd): f and g start as the modulus and the number, and a
//! step halves g after making it even with f. 62 steps depend on the lowest 62 bits alone; they are
//! collected in a 2 by 2 matrix, which is then applied to f and g (divided by 2^62 exactly) and to
//! d and e (modulo the prime). When g is 0, f is 1 or -1, and d is the inverse or its negation.

const BITS: u64 = (1 << 62) - 1;

/// A number in five limbs of 62 bits, the last one signed.
type Signed = [i64; 5];

pub struct Modulus {
    limbs: Signed,
    /// The modulus' inverse modulo 2^62.
    inverse: u64,
}

pub const P: Modulus = Modulus {
    limbs: [0x3FFF_FFFE_FFFF_FC2F, BITS as i64, BITS as i64, BITS as i64, 0xFF],
    inverse: 0x27C7_F6E2_2DDA_CACF,
};

pub const N: Modulus = Modulus {
    limbs: [0x3FD2_5E8C_D036_4141, 0x2ABB_739A_BD22_80EE, 0x3FFF_FFFF_FFFF_FFEB, BITS as i64, 0xFF],
    inverse: 0x34F2_0099_AA77_4EC1,
};

/// The matrix of 62 steps, times 2^62.
struct Matrix {
    u: i64,
    v: i64,
    q: i64,
    r: i64,
}

/// 62 steps, and the new eta (minus delta).
fn steps(mut eta: i64, f: u64, g: u64) -> (i64, Matrix) {
    let (mut u, mut v, mut q, mut r) = (1u64, 0u64, 0u64, 1u64);
    let (mut f, mut g, mut left) = (f, g, 62u32);
    loop {
        let zeros = (g | (u64::MAX << left)).trailing_zeros();
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= i64::from(zeros);
        left -= zeros;
        if left == 0 {
            break;
        }
        if eta < 0 {
            eta = -eta;
            (f, g) = (g, f.wrapping_neg());
            (u, q) = (q, u.wrapping_neg());
            (v, r) = (r, v.wrapping_neg());
        }
        // A multiple of f that clears up to six low bits of g: -g / f modulo 2^6, by two rounds of
        // Newton's iteration (f * f = 1 modulo 8).
        let clear = left.min((eta + 1).min(6) as u32);
        let inverse = f.wrapping_mul(2u64.wrapping_sub(f.wrapping_mul(f)));
        let w = g.wrapping_mul(inverse.wrapping_neg()) & (u64::MAX >> (64 - clear));
        g = g.wrapping_add(f.wrapping_mul(w));
        q = q.wrapping_add(u.wrapping_mul(w));
        r = r.wrapping_add(v.wrapping_mul(w));
    }
    (eta, Matrix { u: u as i64, v: v as i64, q: q as i64, r: r as i64 })
}

fn wide(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// (f, g) times the matrix, divided by 2^62.
fn apply(t: &Matrix, f: &mut Signed, g: &mut Signed) {
    let (mut cf, mut cg) = (0i128, 0i128);
    for i in 0..5 {
        cf += wide(t.u, f[i]) + wide(t.v, g[i]);
        cg += wide(t.q, f[i]) + wide(t.r, g[i]);
        if i > 0 {
            f[i - 1] = cf as i64 & BITS as i64;
            g[i - 1] = cg as i64 & BITS as i64;
        }
        cf >>= 62;
        cg >>= 62;
    }
    (f[4], g[4]) = (cf as i64, cg as i64);
}

/// The same modulo the prime: a multiple of it is added that makes the lowest 62 bits zero.
fn apply_modulo(t: &Matrix, d: &mut Signed, e: &mut Signed, modulus: &Modulus) {
    let (sign_d, sign_e) = (d[4] >> 63, e[4] >> 63);
    let multiple = |a: i64, b: i64| {
        let start = (a & sign_d).wrapping_add(b & sign_e);
        let low = (a.wrapping_mul(d[0]).wrapping_add(b.wrapping_mul(e[0]))) as u64;
        let fix = modulus.inverse.wrapping_mul(low).wrapping_add(start as u64) & BITS;
        start - fix as i64
    };
    let (md, me) = (multiple(t.u, t.v), multiple(t.q, t.r));
    let (mut cd, mut ce) = (0i128, 0i128);
    for i in 0..5 {
        cd += wide(t.u, d[i]) + wide(t.v, e[i]) + wide(modulus.limbs[i], md);
        ce += wide(t.q, d[i]) + wide(t.r, e[i]) + wide(modulus.limbs[i], me);
        if i > 0 {
            d[i - 1] = cd as i64 & BITS as i64;
            e[i - 1] = ce as i64 & BITS as i64;
        }
        cd >>= 62;
        ce >>= 62;
    }
    (d[4], e[4]) = (cd as i64, ce as i64);
}

/// Adds `factor` times the modulus and `sign` times the number, and carries.
fn adjusted(number: &Signed, sign: i64, factor: i64, modulus: &Modulus) -> Signed {
    let mut out = [0; 5];
    let mut carry = 0i64;
    for i in 0..5 {
        carry += sign * number[i] + factor * modulus.limbs[i];
        out[i] = if i < 4 { carry & BITS as i64 } else { carry };
        carry >>= 62;
    }
    out
}

/// The inverse of a number in [0, modulus); 0 for 0.
pub fn inverse(number: [u64; 4], modulus: &Modulus) -> [u64; 4] {
    let [a, b, c, d] = number;
    let limbs = [a, a >> 62 | b << 2, b >> 60 | c << 4, c >> 58 | d << 6, d >> 56];
    let mut g = limbs.map(|limb| (limb & BITS) as i64);
    let mut f = modulus.limbs;
    let (mut d, mut e) = ([0; 5], [1, 0, 0, 0, 0]);
    let mut eta = -1;
    while g != [0; 5] {
        let low = |x: &Signed| (x[0] as u64) | (x[1] as u64) << 62;
        let (next, matrix) = steps(eta, low(&f), low(&g));
        eta = next;
        apply(&matrix, &mut f, &mut g);
        apply_modulo(&matrix, &mut d, &mut e, modulus);
    }
    // d is in (-2 modulus, modulus).
    let sign = if f[4] < 0 { -1 } else { 1 };
    let mut d = adjusted(&d, sign, 0, modulus);
    while d[4] < 0 {
        d = adjusted(&d, 1, 1, modulus);
    }
    loop {
        let less = adjusted(&d, 1, -1, modulus);
        if less[4] < 0 {
            break;
        }
        d = less;
    }
    let [a, b, c, d, e] = d.map(|limb| limb as u64);
    [a | b << 62, b >> 2 | c << 60, c >> 4 | d << 58, d >> 6 | e << 56]
}
