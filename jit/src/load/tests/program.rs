//! What rustc makes of ordinary Rust, for the loader: `rust.rs` compiles this file to bitcode of the
//! newest LLVM and compares what `test` gives with the same function compiled natively.

/// Pairs in registers, 128-bit arithmetic, checked and saturating arithmetic, saturating casts,
/// three-way comparison, atomics, enums with data, sorting.
#[unsafe(no_mangle)]
pub extern "C" fn test(n: u32) -> u32 {
    let mut sum = 0u32;
    for i in 0..n % 1000 {
        let scaled = (i as f32 * 1.5 - 3.0) as u8;
        sum = sum.wrapping_mul(31).wrapping_add(u32::from(scaled) ^ i.rotate_left(3));
    }
    let wide = u128::from(n).wrapping_mul(0x1234_5678_9abc_def0_1122_3344_5566_7788);
    sum = sum.wrapping_add((wide >> 70) as u32);
    let signed = (n as i32 as i128) << 40;
    sum = sum.wrapping_add((signed >> 44) as u32);
    let (first, second) = pair(n);
    sum = sum.wrapping_add(first ^ second);
    sum = sum.wrapping_add(order(n, 5) as u32);
    sum = sum.wrapping_add(shape_area(if n % 2 == 0 { Shape::Square(n) } else { Shape::Oblong(n, 3) }));
    let cell = core::sync::atomic::AtomicU32::new(n);
    // ORDERING: SeqCst and AcqRel pair with nothing: they are here to be compiled.
    cell.fetch_max(77, core::sync::atomic::Ordering::SeqCst);
    // ORDERING: as above.
    sum = sum.wrapping_add(cell.swap(1, core::sync::atomic::Ordering::AcqRel));
    let mut list = [n, 3, n / 2, 9, n ^ 5, 1, 0, n.reverse_bits()];
    let mut i = 1;
    while i < 8 {
        let mut j = i;
        while j > 0 && list[j - 1] > list[j] {
            list.swap(j - 1, j);
            j -= 1;
        }
        i += 1;
    }
    sum ^ list[3] ^ list[6].saturating_sub(list[1]).count_ones()
}

#[inline(never)]
fn pair(n: u32) -> (u32, u32) {
    match n.wrapping_mul(77_777).checked_add(3) {
        Some(x) => (x, x.leading_zeros()),
        None => (1, 2),
    }
}

#[inline(never)]
fn order(a: u32, b: u32) -> i32 {
    a.cmp(&b) as i32 * 10 + (a as i32).cmp(&(b as i32)) as i32
}

pub enum Shape {
    Square(u32),
    Oblong(u32, u32),
}

#[inline(never)]
fn shape_area(shape: Shape) -> u32 {
    match shape {
        Shape::Square(side) => side.wrapping_mul(side),
        Shape::Oblong(a, b) => a.saturating_mul(b),
    }
}
