//! The rule table: equations between expressions of integers, by the operation at their root.
//!
//! The language is explained in [`pattern`](super::pattern). Order matters only where two rules fit
//! the same expression; then the first is taken. None uses flags. Every rule is evaluated for all
//! values of 8 bits and for random ones of more by this pass's tests, and at width 1 as well, where
//! 1 = -1 and every shift amount is 0.

use super::pattern::{Node, Rule, Shape};
use ir::{IntPred, Op};

/// A tree.
macro_rules! node {
    (X) => {
        Node::Var(0)
    };
    (Y) => {
        Node::Var(1)
    };
    (Z) => {
        Node::Var(2)
    };
    (C) => {
        Node::Const(0)
    };
    (D) => {
        Node::Const(1)
    };
    (ONES) => {
        Node::Int(-1)
    };
    (SIGN) => {
        Node::Sign
    };
    ($number:literal) => {
        Node::Int($number)
    };
    ({ $compute:expr }) => {
        Node::Num($compute)
    };
    ((Cmp $pred:ident $a:tt $b:tt)) => {
        Node::Cmp(IntPred::$pred, &node!($a), &node!($b))
    };
    ((Select $a:tt $b:tt $c:tt)) => {
        Node::Select(&node!($a), &node!($b), &node!($c))
    };
    (($op:ident $a:tt $b:tt)) => {
        Node::Bin(Op::$op, &node!($a), &node!($b))
    };
    (($op:ident $a:tt)) => {
        Node::Cast(Op::$op, &node!($a))
    };
}

/// A list of rules.
macro_rules! rules {
    ($($name:literal: $from:tt => $to:tt $(if $when:expr)?;)*) => {
        &[$(Rule {
            name: $name,
            from: &node!($from),
            to: &node!($to),
            when: rules!(@when $($when)?),
            shape: Shape::of(&node!($from)),
        },)*]
    };
    (@when $when:expr) => { $when };
    (@when) => { |_| true };
}

/// The rules whose root is `op`.
#[must_use]
pub fn for_op(op: Op) -> &'static [Rule] {
    let found = ALL.iter().find(|(root, _)| *root == op);
    found.map_or(&[], |(_, rules)| rules)
}

/// All rules, by the operation at their root.
pub const ALL: &[(Op, &[Rule])] = &[
    (Op::Add, ADD),
    (Op::Sub, SUB),
    (Op::Mul, MUL),
    (Op::UDiv, UDIV),
    (Op::SDiv, SDIV),
    (Op::URem, UREM),
    (Op::SRem, SREM),
    (Op::Shl, SHL),
    (Op::LShr, LSHR),
    (Op::AShr, ASHR),
    (Op::And, AND),
    (Op::Or, OR),
    (Op::Xor, XOR),
    (Op::ICmp, ICMP),
    (Op::Trunc, TRUNC),
    (Op::ZExt, ZEXT),
    (Op::SExt, SEXT),
    (Op::Select, SELECT),
];

const ADD: &[Rule] = rules! {
    "add 0": (Add X 0) => X;
    "sum of sum": (Add (Add X C) D) => (Add X {|e| e.c.wrapping_add(e.d)});
    "sum of difference from constant": (Add (Sub C X) D) => (Sub {|e| e.c.wrapping_add(e.d)} X);
    "add back": (Add (Sub X Y) Y) => X;
    "add negative": (Add X (Sub 0 Y)) => (Sub X Y);
    "add not and 1": (Add (Xor X ONES) 1) => (Sub 0 X);
    "double": (Add X X) => (Shl X 1) if |e| e.w > 1;
    "carries and halves": (Add (And X Y) (Xor X Y)) => (Or X Y);
    "and plus or": (Add (And X Y) (Or X Y)) => (Add X Y);
};

const SUB: &[Rule] = rules! {
    "subtract 0": (Sub X 0) => X;
    "subtract itself": (Sub X X) => 0;
    "subtract constant": (Sub X C) => (Add X {|e| e.c.wrapping_neg()});
    "take back": (Sub (Add X Y) Y) => X;
    "rest of sum": (Sub X (Add X Y)) => (Sub 0 Y);
    "rest of difference": (Sub X (Sub X Y)) => Y;
    "difference less its first": (Sub (Sub X Y) X) => (Sub 0 Y);
    "negative difference": (Sub 0 (Sub X Y)) => (Sub Y X);
    "subtract negative": (Sub X (Sub 0 Y)) => (Add X Y);
    "constant less sum": (Sub C (Add X D)) => (Sub {|e| e.c.wrapping_sub(e.d)} X);
    "constant less difference": (Sub C (Sub D X)) => (Add X {|e| e.c.wrapping_sub(e.d)});
    "complement": (Sub ONES X) => (Xor X ONES);
    "or less and": (Sub (Or X Y) (And X Y)) => (Xor X Y);
    "or less xor": (Sub (Or X Y) (Xor X Y)) => (And X Y);
};

const MUL: &[Rule] = rules! {
    "times 0": (Mul X 0) => 0;
    "times 1": (Mul X 1) => X;
    "times -1": (Mul X ONES) => (Sub 0 X);
    "product of product": (Mul (Mul X C) D) => (Mul X {|e| e.c.wrapping_mul(e.d)});
    "product of shift": (Mul (Shl X C) D) => (Mul X {|e| e.d << (e.c % u64::from(e.w))});
    "product of negative": (Mul (Sub 0 X) C) => (Mul X {|e| e.c.wrapping_neg()});
    "times power of two": (Mul X C) => (Shl X {|e| e.c.trailing_zeros().into()})
        if |e| e.c.is_power_of_two();
};

const UDIV: &[Rule] = rules! {
    "quotient by 1": (UDiv X 1) => X;
    "quotient by power of two": (UDiv X C) => (LShr X {|e| e.c.trailing_zeros().into()})
        if |e| e.c.is_power_of_two();
    "quotient of quotient": (UDiv (UDiv X C) D) => (UDiv X {|e| e.c * e.d})
        if |e| e.c != 0 && e.d != 0 && e.c.checked_mul(e.d).is_some_and(|p| p <= e.ones());
    "quotient of shift": (UDiv (LShr X C) D) => (UDiv X {|e| e.d << e.c})
        if |e| e.c < u64::from(e.w) && e.d != 0 && e.d <= e.ones() >> e.c;
};

const SDIV: &[Rule] = rules! {
    "signed quotient by 1": (SDiv X 1) => X if |e| e.w > 1;
};

const UREM: &[Rule] = rules! {
    "remainder by 1": (URem X 1) => 0;
    "remainder by power of two": (URem X C) => (And X {|e| e.c - 1})
        if |e| e.c.is_power_of_two();
};

const SREM: &[Rule] = rules! {
    "signed remainder by 1": (SRem X 1) => 0 if |e| e.w > 1;
    // The sign is the dividend's. Dividing by -1 can fault, by 1 it cannot.
    "signed remainder by negative": (SRem X C) => (SRem X {|e| e.c.wrapping_neg()})
        if |e| e.signed(e.c) < -1 && e.c != e.sign();
};

const SHL: &[Rule] = rules! {
    "shift left by 0": (Shl X 0) => X;
    "shift 0 left": (Shl 0 X) => 0;
    "shift left modulo width": (Shl X C) => (Shl X {|e| e.c % u64::from(e.w)})
        if |e| e.c >= u64::from(e.w);
    "shift left twice": (Shl (Shl X C) D) => (Shl X {|e| e.c + e.d})
        if |e| e.c < u64::from(e.w) && e.d < u64::from(e.w) && e.c + e.d < u64::from(e.w);
    "shift left out": (Shl (Shl X C) D) => 0
        if |e| e.c < u64::from(e.w) && e.d < u64::from(e.w) && e.c + e.d >= u64::from(e.w);
    "clear low bits": (Shl (LShr X C) C) => (And X {|e| e.ones() << e.c})
        if |e| e.c < u64::from(e.w);
    "clear low bits of signed": (Shl (AShr X C) C) => (And X {|e| e.ones() << e.c})
        if |e| e.c < u64::from(e.w);
    "shift product left": (Shl (Mul X C) D) => (Mul X {|e| e.c << e.d})
        if |e| e.d < u64::from(e.w);
};

const LSHR: &[Rule] = rules! {
    "shift right by 0": (LShr X 0) => X;
    "shift 0 right": (LShr 0 X) => 0;
    "shift right modulo width": (LShr X C) => (LShr X {|e| e.c % u64::from(e.w)})
        if |e| e.c >= u64::from(e.w);
    "shift right twice": (LShr (LShr X C) D) => (LShr X {|e| e.c + e.d})
        if |e| e.c < u64::from(e.w) && e.d < u64::from(e.w) && e.c + e.d < u64::from(e.w);
    "shift right out": (LShr (LShr X C) D) => 0
        if |e| e.c < u64::from(e.w) && e.d < u64::from(e.w) && e.c + e.d >= u64::from(e.w);
    "clear high bits": (LShr (Shl X C) C) => (And X {|e| e.ones() >> e.c})
        if |e| e.c < u64::from(e.w);
    "sign bit of shifted": (LShr (AShr X C) D) => (LShr X D)
        if |e| e.d == u64::from(e.w) - 1;
};

const ASHR: &[Rule] = rules! {
    "signed shift right by 0": (AShr X 0) => X;
    "signed shift 0 right": (AShr 0 X) => 0;
    "signed shift -1 right": (AShr ONES X) => ONES;
    "signed shift right modulo width": (AShr X C) => (AShr X {|e| e.c % u64::from(e.w)})
        if |e| e.c >= u64::from(e.w);
    "signed shift right twice": (AShr (AShr X C) D) =>
        (AShr X {|e| (e.c + e.d).min(u64::from(e.w) - 1)})
        if |e| e.c < u64::from(e.w) && e.d < u64::from(e.w);
};

const AND: &[Rule] = rules! {
    "and 0": (And X 0) => 0;
    "and -1": (And X ONES) => X;
    "and itself": (And X X) => X;
    "and of and": (And (And X C) D) => (And X {|e| e.c & e.d});
    "and again": (And (And X Y) X) => (And X Y);
    "and of or": (And (Or X Y) X) => X;
    "and not itself": (And X (Xor X ONES)) => 0;
    "and of set bits": (And (Or X C) D) => D if |e| e.c & e.d == e.d;
    "and of other bits": (And (Or X C) D) => (And X D) if |e| e.c & e.d == 0;
    "and of flipped other bits": (And (Xor X C) D) => (And X D) if |e| e.c & e.d == 0;
    "and of shifted out bits": (And (Shl X C) D) => 0
        if |e| e.c < u64::from(e.w) && e.d & (e.ones() << e.c) == 0;
};

const OR: &[Rule] = rules! {
    "or 0": (Or X 0) => X;
    "or -1": (Or X ONES) => ONES;
    "or itself": (Or X X) => X;
    "or of or": (Or (Or X C) D) => (Or X {|e| e.c | e.d});
    "or again": (Or (Or X Y) X) => (Or X Y);
    "or of and": (Or (And X Y) X) => X;
    "or not itself": (Or X (Xor X ONES)) => ONES;
    "or of parts": (Or (And X C) (And X D)) => (And X {|e| e.c | e.d});
    "or of all other bits": (Or (And X C) D) => (Or X D) if |e| e.c | e.d == e.ones();
    "or of xor": (Or (Xor X Y) X) => (Or X Y);
    "or of and and xor": (Or (And X Y) (Xor X Y)) => (Or X Y);
};

const XOR: &[Rule] = rules! {
    "xor 0": (Xor X 0) => X;
    "xor itself": (Xor X X) => 0;
    "xor of xor": (Xor (Xor X C) D) => (Xor X {|e| e.c ^ e.d});
    "xor back": (Xor (Xor X Y) X) => Y;
    "or but not and": (Xor (Or X Y) (And X Y)) => (Xor X Y);
    "clear set bits": (Xor (Or X C) C) => (And X {|e| !e.c});
    "not of predecessor": (Xor (Add X ONES) ONES) => (Sub 0 X);
    "not of sum": (Xor (Add X C) ONES) => (Sub {|e| !e.c} X);
    "not of difference": (Xor (Sub C X) ONES) => (Add X {|e| !e.c});
};

const ICMP: &[Rule] = rules! {
    "equal to itself": (Cmp Eq X X) => 1;
    "different from itself": (Cmp Ne X X) => 0;
    "above itself": (Cmp Ugt X X) => 0;
    "above or equal to itself": (Cmp Uge X X) => 1;
    "greater than itself": (Cmp Sgt X X) => 0;
    "greater or equal to itself": (Cmp Sge X X) => 1;

    "truth is true": (Cmp Ne X 0) => X if |e| e.w == 1;
    "truth equals true": (Cmp Eq X 1) => X if |e| e.w == 1;
    "truth is false": (Cmp Eq X 0) => (Xor X 1) if |e| e.w == 1;
    "truth differs from true": (Cmp Ne X 1) => (Xor X 1) if |e| e.w == 1;

    "below 0": (Cmp Ult X 0) => 0;
    "not below 0": (Cmp Uge X 0) => 1;
    "above 0": (Cmp Ugt X 0) => (Cmp Ne X 0);
    "not above 0": (Cmp Ule X 0) => (Cmp Eq X 0);
    "below 1": (Cmp Ult X 1) => (Cmp Eq X 0);
    "not below 1": (Cmp Uge X 1) => (Cmp Ne X 0);
    "above highest": (Cmp Ugt X ONES) => 0;
    "not above highest": (Cmp Ule X ONES) => 1;
    "below highest": (Cmp Ult X ONES) => (Cmp Ne X ONES);
    "not below highest": (Cmp Uge X ONES) => (Cmp Eq X ONES);
    "less than least": (Cmp Slt X SIGN) => 0;
    "not less than least": (Cmp Sge X SIGN) => 1;
    "greater than least": (Cmp Sgt X SIGN) => (Cmp Ne X SIGN);
    "not greater than least": (Cmp Sle X SIGN) => (Cmp Eq X SIGN);
    "greater than greatest": (Cmp Sgt X C) => 0 if |e| e.c == e.sign() - 1;
    "not greater than greatest": (Cmp Sle X C) => 1 if |e| e.c == e.sign() - 1;
    "below or equal": (Cmp Ule X C) => (Cmp Ult X {|e| e.c + 1}) if |e| e.c != e.ones();
    "above or equal": (Cmp Uge X C) => (Cmp Ugt X {|e| e.c - 1}) if |e| e.c != 0;
    "less or equal": (Cmp Sle X C) => (Cmp Slt X {|e| e.c.wrapping_add(1)})
        if |e| e.c != e.sign() - 1;
    "greater or equal": (Cmp Sge X C) => (Cmp Sgt X {|e| e.c.wrapping_sub(1)})
        if |e| e.c != e.sign();

    "sum equals": (Cmp Eq (Add X C) D) => (Cmp Eq X {|e| e.d.wrapping_sub(e.c)});
    "sum differs": (Cmp Ne (Add X C) D) => (Cmp Ne X {|e| e.d.wrapping_sub(e.c)});
    "constant less equals": (Cmp Eq (Sub C X) D) => (Cmp Eq X {|e| e.c.wrapping_sub(e.d)});
    "constant less differs": (Cmp Ne (Sub C X) D) => (Cmp Ne X {|e| e.c.wrapping_sub(e.d)});
    "flipped equals": (Cmp Eq (Xor X C) D) => (Cmp Eq X {|e| e.c ^ e.d});
    "flipped differs": (Cmp Ne (Xor X C) D) => (Cmp Ne X {|e| e.c ^ e.d});
    "difference is 0": (Cmp Eq (Sub X Y) 0) => (Cmp Eq X Y);
    "difference is not 0": (Cmp Ne (Sub X Y) 0) => (Cmp Ne X Y);
    "xor is 0": (Cmp Eq (Xor X Y) 0) => (Cmp Eq X Y);
    "xor is not 0": (Cmp Ne (Xor X Y) 0) => (Cmp Ne X Y);
    "sum equals part": (Cmp Eq (Add X Y) X) => (Cmp Eq Y 0);
    "sum differs from part": (Cmp Ne (Add X Y) X) => (Cmp Ne Y 0);
    "difference equals first": (Cmp Eq (Sub X Y) X) => (Cmp Eq Y 0);
    "difference differs from first": (Cmp Ne (Sub X Y) X) => (Cmp Ne Y 0);
    "xor equals part": (Cmp Eq (Xor X Y) X) => (Cmp Eq Y 0);
    "xor differs from part": (Cmp Ne (Xor X Y) X) => (Cmp Ne Y 0);
    "odd product is 0": (Cmp Eq (Mul X C) 0) => (Cmp Eq X 0) if |e| e.c & 1 == 1;
    "odd product is not 0": (Cmp Ne (Mul X C) 0) => (Cmp Ne X 0) if |e| e.c & 1 == 1;
    "one bit is set": (Cmp Eq (And X C) C) => (Cmp Ne (And X C) 0) if |e| e.c.is_power_of_two();
    "one bit is not set": (Cmp Ne (And X C) C) => (Cmp Eq (And X C) 0)
        if |e| e.c.is_power_of_two();
    "high bits are 0": (Cmp Eq (LShr X C) 0) => (Cmp Ult X {|e| 1 << e.c})
        if |e| e.c < u64::from(e.w);
    "high bits are not 0": (Cmp Ne (LShr X C) 0) => (Cmp Ugt X {|e| (1 << e.c) - 1})
        if |e| e.c < u64::from(e.w);

    "widened equals": (Cmp Eq (ZExt X) C) => (Cmp Eq X C) if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "widened differs": (Cmp Ne (ZExt X) C) => (Cmp Ne X C) if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "widened is below": (Cmp Ult (ZExt X) C) => (Cmp Ult X C)
        if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "widened is above": (Cmp Ugt (ZExt X) C) => (Cmp Ugt X C)
        if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "widened is less": (Cmp Slt (ZExt X) C) => (Cmp Ult X C)
        if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "widened is greater": (Cmp Sgt (ZExt X) C) => (Cmp Ugt X C)
        if |e| e.c >> (e.xw - 1) >> 1 == 0;
    "both widened, equal": (Cmp Eq (ZExt X) (ZExt Y)) => (Cmp Eq X Y);
    "both widened, different": (Cmp Ne (ZExt X) (ZExt Y)) => (Cmp Ne X Y);
    "both widened, below": (Cmp Ult (ZExt X) (ZExt Y)) => (Cmp Ult X Y);
    "both widened, not above": (Cmp Ule (ZExt X) (ZExt Y)) => (Cmp Ule X Y);
    "both widened, less": (Cmp Slt (ZExt X) (ZExt Y)) => (Cmp Ult X Y);
    "both widened, not greater": (Cmp Sle (ZExt X) (ZExt Y)) => (Cmp Ule X Y);
    "sign-extended equals": (Cmp Eq (SExt X) C) => (Cmp Eq X C)
        if |e| e.signed(e.c) == super::pattern::signed(e.c, e.xw);
    "sign-extended differs": (Cmp Ne (SExt X) C) => (Cmp Ne X C)
        if |e| e.signed(e.c) == super::pattern::signed(e.c, e.xw);
    "sign-extended is less": (Cmp Slt (SExt X) C) => (Cmp Slt X C)
        if |e| e.signed(e.c) == super::pattern::signed(e.c, e.xw);
    "sign-extended is greater": (Cmp Sgt (SExt X) C) => (Cmp Sgt X C)
        if |e| e.signed(e.c) == super::pattern::signed(e.c, e.xw);
    "both sign-extended, equal": (Cmp Eq (SExt X) (SExt Y)) => (Cmp Eq X Y);
    "both sign-extended, different": (Cmp Ne (SExt X) (SExt Y)) => (Cmp Ne X Y);
    "both sign-extended, less": (Cmp Slt (SExt X) (SExt Y)) => (Cmp Slt X Y);
    "both sign-extended, not greater": (Cmp Sle (SExt X) (SExt Y)) => (Cmp Sle X Y);
};

const TRUNC: &[Rule] = rules! {
    "narrow what was widened": (Trunc (ZExt X)) => X;
    "narrow what was sign-extended": (Trunc (SExt X)) => X;
    "narrow below what was widened": (Trunc (ZExt X)) => (Trunc X);
    "narrow below what was sign-extended": (Trunc (SExt X)) => (Trunc X);
    "widen less": (Trunc (ZExt X)) => (ZExt X);
    "sign-extend less": (Trunc (SExt X)) => (SExt X);
    "narrow twice": (Trunc (Trunc X)) => (Trunc X);
    "narrow low bits": (Trunc (And X C)) => (Trunc X)
        if |e| !e.c & e.ones() == 0;
};

const ZEXT: &[Rule] = rules! {
    "widen twice": (ZExt (ZExt X)) => (ZExt X);
};

const SEXT: &[Rule] = rules! {
    "sign-extend twice": (SExt (SExt X)) => (SExt X);
    "sign-extend what was widened": (SExt (ZExt X)) => (ZExt X);
};

const SELECT: &[Rule] = rules! {
    "either way the same": (Select X Y Y) => Y;
    "choose truth": (Select X 1 0) => X;
    "choose opposite": (Select X 0 1) => (Xor X 1);
    "choose 1 or 0": (Select X 1 0) => (ZExt X);
    "choose -1 or 0": (Select X ONES 0) => (SExt X);
    "choose the other way": (Select (Xor X 1) Y Z) => (Select X Z Y);
    "both": (Select X Y 0) => (And X Y) if |e| e.w == 1;
    "any": (Select X 1 Y) => (Or X Y) if |e| e.w == 1;
    "the equal one": (Select (Cmp Eq X Y) X Y) => Y;
    "the equal other": (Select (Cmp Eq X Y) Y X) => X;
    "the different one": (Select (Cmp Ne X Y) X Y) => X;
    "the different other": (Select (Cmp Ne X Y) Y X) => Y;
};
