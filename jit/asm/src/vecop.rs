//! The table of vector and scalar floating-point operations: SSE to SSE4.1, AVX, AVX2, FMA, F16C.
//!
//! One type per operand shape, one constant per operation, so that an operation can only be passed
//! to the method that has its shape. A constant is its opcode in 32 bits; nothing is looked up when
//! it is emitted. Opcodes are those of the instruction pages in SDM vol. 2, chapters 4 and 5 (or
//! appendix A, tables ).
//!
//! An SSE operation and its AVX form share opcode, mandatory prefix and map; only the encoding
//! differs, and that is the [`Enc`](crate::Enc) argument. Names that begin with `V` exist under VEX
//! only.
//!
//! | needs | operations |
//! | --- | --- |
//! | SSE2 | what the tables do not mark |
//! | SSE3, SSSE3, SSE4.1, SSE4.2 | marked so |
//! | AVX | any float operation under VEX; any operation under `Vex128` |
//! | AVX2 | integer operations under `Vex256`; names with `V` marked so |

use crate::encode::Code;

/// Defines one operand shape: a type, its operations, and the list of them all.
macro_rules! shape {
    ($(#[$doc:meta])* $name:ident { $($op:ident = $code:expr;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub struct $name(pub(crate) Code);

        #[expect(missing_docs, reason = "the manual's own names, one page each")]
        impl $name {
            $(pub const $op: Self = Self($code);)*

            /// Every operation with its name.
            pub const ALL: &[(&str, Self)] = &[$((stringify!($op), Self::$op)),*];
        }
    };
}

/// Opcode after 0F.
const fn of(opcode: u8) -> Code {
    Code::of(opcode)
}

/// Opcode after 66 0F.
const fn p66(opcode: u8) -> Code {
    Code::of(opcode).p66()
}

/// Opcode after F3 0F.
const fn pf3(opcode: u8) -> Code {
    Code::of(opcode).pf3()
}

/// Opcode after F2 0F.
const fn pf2(opcode: u8) -> Code {
    Code::of(opcode).pf2()
}

/// Opcode after 66 0F 38.
const fn p38(opcode: u8) -> Code {
    Code::of38(opcode).p66()
}

/// Opcode after 66 0F 3A.
const fn p3a(opcode: u8) -> Code {
    Code::of3a(opcode).p66()
}

/// Opcode in map 0F 38 with prefix 66, under VEX only.
const fn v38(opcode: u8) -> Code {
    p38(opcode).vex_only()
}

/// Opcode in map 0F 3A with prefix 66, under VEX only.
const fn v3a(opcode: u8) -> Code {
    p3a(opcode).vex_only()
}

/// Element type of a floating-point operation. The discriminant is the mandatory prefix's `pp`
/// number, which is how the hardware tells the four apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fp {
    /// Packed single.
    Ps = 0,
    /// Packed double.
    Pd = 1,
    /// Scalar single.
    Ss = 2,
    /// Scalar double.
    Sd = 3,
}

impl Fp {
    /// Every type.
    pub const ALL: [Self; 4] = [Self::Ps, Self::Pd, Self::Ss, Self::Sd];

    /// Whether elements are doubles.
    #[must_use]
    pub const fn is_double(self) -> bool {
        matches!(self, Self::Pd | Self::Sd)
    }

    /// Whether only the lowest element takes part.
    #[must_use]
    pub const fn is_scalar(self) -> bool {
        matches!(self, Self::Ss | Self::Sd)
    }
}

/// Floating-point arithmetic that exists for every [`Fp`]; the discriminant is the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FpOp {
    /// `lhs + rhs`
    Add = 0x58,
    /// `lhs * rhs`
    Mul = 0x59,
    /// `lhs - rhs`
    Sub = 0x5C,
    /// `lhs < rhs ? lhs : rhs`
    Min = 0x5D,
    /// `lhs / rhs`
    Div = 0x5E,
    /// `lhs > rhs ? lhs : rhs`
    Max = 0x5F,
}

impl FpOp {
    /// Every operation.
    pub const ALL: [Self; 6] = [
        Self::Add,
        Self::Mul,
        Self::Sub,
        Self::Min,
        Self::Div,
        Self::Max,
    ];
}

/// Fused multiply-add; the discriminant is the packed 132 form's opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Fma {
    /// `x * y + z`
    Madd = 0x98,
    /// `x * y - z`
    Msub = 0x9A,
    /// `-(x * y) + z`
    Nmadd = 0x9C,
    /// `-(x * y) - z`
    Nmsub = 0x9E,
}

impl Fma {
    /// Every operation.
    pub const ALL: [Self; 4] = [Self::Madd, Self::Msub, Self::Nmadd, Self::Nmsub];
}

/// Which operands of a fused multiply-add are multiplied; the third is added. The destination is
/// operand 1. The discriminant is what is added to the 132 form's opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum FmaOrder {
    /// `dst = dst * rhs + lhs`
    F132 = 0x00,
    /// `dst = lhs * dst + rhs`
    F213 = 0x10,
    /// `dst = lhs * rhs + dst`
    F231 = 0x20,
}

impl FmaOrder {
    /// Every order.
    pub const ALL: [Self; 3] = [Self::F132, Self::F213, Self::F231];
}

impl VecBin {
    /// Floating-point arithmetic on elements of type `fp`.
    #[inline]
    #[must_use]
    pub const fn arith(op: FpOp, fp: Fp) -> Self {
        Self(Code::of(op as u8).pp_number(fp as u8))
    }

    /// Fused multiply-add on elements of type `fp`. VEX only.
    #[inline]
    #[must_use]
    pub const fn fma(op: Fma, order: FmaOrder, fp: Fp) -> Self {
        let opcode = op as u8 + order as u8 + fp.is_scalar() as u8;
        Self(v38(opcode).w_if(fp.is_double()))
    }
}

shape! {
    /// `op dst, lhs, rhs` where `rhs` may be memory.
    VecBin {
        SQRTSS = pf3(0x51); SQRTSD = pf2(0x51); RSQRTSS = pf3(0x52); RCPSS = pf3(0x53);
        CVTSS2SD = pf3(0x5A); CVTSD2SS = pf2(0x5A);
        ANDPS = of(0x54); ANDPD = p66(0x54); ANDNPS = of(0x55); ANDNPD = p66(0x55);
        ORPS = of(0x56); ORPD = p66(0x56); XORPS = of(0x57); XORPD = p66(0x57);
        UNPCKLPS = of(0x14); UNPCKLPD = p66(0x14); UNPCKHPS = of(0x15); UNPCKHPD = p66(0x15);
        // SSE3
        ADDSUBPS = pf2(0xD0); ADDSUBPD = p66(0xD0);
        HADDPS = pf2(0x7C); HADDPD = p66(0x7C); HSUBPS = pf2(0x7D); HSUBPD = p66(0x7D);

        PADDB = p66(0xFC); PADDW = p66(0xFD); PADDD = p66(0xFE); PADDQ = p66(0xD4);
        PSUBB = p66(0xF8); PSUBW = p66(0xF9); PSUBD = p66(0xFA); PSUBQ = p66(0xFB);
        PADDSB = p66(0xEC); PADDSW = p66(0xED); PADDUSB = p66(0xDC); PADDUSW = p66(0xDD);
        PSUBSB = p66(0xE8); PSUBSW = p66(0xE9); PSUBUSB = p66(0xD8); PSUBUSW = p66(0xD9);
        PMULLW = p66(0xD5); PMULHW = p66(0xE5); PMULHUW = p66(0xE4); PMULUDQ = p66(0xF4);
        PMADDWD = p66(0xF5); PSADBW = p66(0xF6); PAVGB = p66(0xE0); PAVGW = p66(0xE3);
        PCMPEQB = p66(0x74); PCMPEQW = p66(0x75); PCMPEQD = p66(0x76);
        PCMPGTB = p66(0x64); PCMPGTW = p66(0x65); PCMPGTD = p66(0x66);
        PMAXSW = p66(0xEE); PMAXUB = p66(0xDE); PMINSW = p66(0xEA); PMINUB = p66(0xDA);
        PAND = p66(0xDB); PANDN = p66(0xDF); POR = p66(0xEB); PXOR = p66(0xEF);
        PUNPCKLBW = p66(0x60); PUNPCKLWD = p66(0x61); PUNPCKLDQ = p66(0x62);
        PUNPCKHBW = p66(0x68); PUNPCKHWD = p66(0x69); PUNPCKHDQ = p66(0x6A);
        PUNPCKLQDQ = p66(0x6C); PUNPCKHQDQ = p66(0x6D);
        PACKSSWB = p66(0x63); PACKSSDW = p66(0x6B); PACKUSWB = p66(0x67);
        // Shifts by a count in the low half of an xmm register or memory.
        PSLLW = p66(0xF1); PSLLD = p66(0xF2); PSLLQ = p66(0xF3);
        PSRLW = p66(0xD1); PSRLD = p66(0xD2); PSRLQ = p66(0xD3);
        PSRAW = p66(0xE1); PSRAD = p66(0xE2);
        // SSSE3
        PSHUFB = p38(0x00); PHADDW = p38(0x01); PHADDD = p38(0x02); PMADDUBSW = p38(0x04);
        PHSUBW = p38(0x05); PHSUBD = p38(0x06); PSIGNB = p38(0x08); PSIGNW = p38(0x09);
        PSIGND = p38(0x0A); PMULHRSW = p38(0x0B);
        // SSE4.1, and PCMPGTQ of SSE4.2
        PMULDQ = p38(0x28); PCMPEQQ = p38(0x29); PACKUSDW = p38(0x2B); PCMPGTQ = p38(0x37);
        PMINSB = p38(0x38); PMINSD = p38(0x39); PMINUW = p38(0x3A); PMINUD = p38(0x3B);
        PMAXSB = p38(0x3C); PMAXSD = p38(0x3D); PMAXUW = p38(0x3E); PMAXUD = p38(0x3F);
        PMULLD = p38(0x40);

        VPERMILPS = v38(0x0C); VPERMILPD = v38(0x0D);
        // AVX2. In VPERMD and VPERMPS `lhs` holds the element numbers.
        VPERMD = v38(0x36); VPERMPS = v38(0x16);
        VPSLLVD = v38(0x47); VPSLLVQ = v38(0x47).w(); VPSRLVD = v38(0x45);
        VPSRLVQ = v38(0x45).w(); VPSRAVD = v38(0x46);
    }
}

shape! {
    /// `op dst, lhs, rhs` between registers only: the memory form of the same opcode is something
    /// else.
    VecMerge {
        MOVSS = pf3(0x10); MOVSD = pf2(0x10); MOVHLPS = of(0x12); MOVLHPS = of(0x16);
    }
}

shape! {
    /// `op dst, lhs, mem`: half of `dst` is loaded, the other half is `lhs`'s.
    VecLoadHalf {
        MOVLPS = of(0x12); MOVLPD = p66(0x12); MOVHPS = of(0x16); MOVHPD = p66(0x16);
    }
}

shape! {
    /// `op dst, lhs, rhs, imm8` where `rhs` may be memory.
    VecBinImm {
        CMPPS = of(0xC2); CMPPD = p66(0xC2); CMPSS = pf3(0xC2); CMPSD = pf2(0xC2);
        SHUFPS = of(0xC6); SHUFPD = p66(0xC6);
        // SSSE3
        PALIGNR = p3a(0x0F);
        // SSE4.1
        ROUNDSS = p3a(0x0A); ROUNDSD = p3a(0x0B); BLENDPS = p3a(0x0C); BLENDPD = p3a(0x0D);
        PBLENDW = p3a(0x0E); INSERTPS = p3a(0x21); DPPS = p3a(0x40); DPPD = p3a(0x41);
        MPSADBW = p3a(0x42);

        VPERM2F128 = v3a(0x06); VINSERTF128 = v3a(0x18);
        // AVX2
        VPERM2I128 = v3a(0x46); VINSERTI128 = v3a(0x38); VPBLENDD = v3a(0x02);
    }
}

shape! {
    /// `op dst, src` where `src` may be memory. The comparisons set flags instead.
    VecUn {
        SQRTPS = of(0x51); SQRTPD = p66(0x51); RSQRTPS = of(0x52); RCPPS = of(0x53);
        UCOMISS = of(0x2E); UCOMISD = p66(0x2E); COMISS = of(0x2F); COMISD = p66(0x2F);
        CVTDQ2PS = of(0x5B); CVTPS2DQ = p66(0x5B); CVTTPS2DQ = pf3(0x5B);
        CVTDQ2PD = pf3(0xE6); CVTPD2DQ = pf2(0xE6); CVTTPD2DQ = p66(0xE6);
        CVTPS2PD = of(0x5A); CVTPD2PS = p66(0x5A);
        // The low half, upper half cleared.
        MOVQ = pf3(0x7E);
        // SSE3
        MOVDDUP = pf2(0x12); MOVSLDUP = pf3(0x12); MOVSHDUP = pf3(0x16);
        // SSSE3
        PABSB = p38(0x1C); PABSW = p38(0x1D); PABSD = p38(0x1E);
        // SSE4.1
        PTEST = p38(0x17); PHMINPOSUW = p38(0x41);
        PMOVSXBW = p38(0x20); PMOVSXBD = p38(0x21); PMOVSXBQ = p38(0x22);
        PMOVSXWD = p38(0x23); PMOVSXWQ = p38(0x24); PMOVSXDQ = p38(0x25);
        PMOVZXBW = p38(0x30); PMOVZXBD = p38(0x31); PMOVZXBQ = p38(0x32);
        PMOVZXWD = p38(0x33); PMOVZXWQ = p38(0x34); PMOVZXDQ = p38(0x35);

        VTESTPS = v38(0x0E); VTESTPD = v38(0x0F);
        // From a register these two need AVX2.
        VBROADCASTSS = v38(0x18); VBROADCASTSD = v38(0x19);
        // AVX2
        VPBROADCASTB = v38(0x78); VPBROADCASTW = v38(0x79);
        VPBROADCASTD = v38(0x58); VPBROADCASTQ = v38(0x59);
        // F16C
        VCVTPH2PS = v38(0x13);
    }
}

shape! {
    /// `op dst, src, imm8` where `src` may be memory.
    VecUnImm {
        PSHUFD = p66(0x70); PSHUFHW = pf3(0x70); PSHUFLW = pf2(0x70);
        // SSE4.1
        ROUNDPS = p3a(0x08); ROUNDPD = p3a(0x09);

        VPERMILPS = v3a(0x04); VPERMILPD = v3a(0x05);
        // AVX2
        VPERMQ = v3a(0x00).w(); VPERMPD = v3a(0x01).w();
    }
}

shape! {
    /// `op dst, mem`.
    VecLoad {
        MOVSS = pf3(0x10); MOVSD = pf2(0x10); MOVD = p66(0x6E); MOVQ = pf3(0x7E);
        MOVUPS = of(0x10); MOVUPD = p66(0x10); MOVAPS = of(0x28); MOVAPD = p66(0x28);
        MOVDQA = p66(0x6F); MOVDQU = pf3(0x6F);
        // SSE4.1
        MOVNTDQA = p38(0x2A);

        VBROADCASTF128 = v38(0x1A);
        // AVX2
        VBROADCASTI128 = v38(0x5A);
    }
}

shape! {
    /// `op mem, src`.
    VecStore {
        MOVSS = pf3(0x11); MOVSD = pf2(0x11); MOVD = p66(0x7E); MOVQ = p66(0xD6);
        MOVUPS = of(0x11); MOVUPD = p66(0x11); MOVAPS = of(0x29); MOVAPD = p66(0x29);
        MOVDQA = p66(0x7F); MOVDQU = pf3(0x7F);
        MOVLPS = of(0x13); MOVLPD = p66(0x13); MOVHPS = of(0x17); MOVHPD = p66(0x17);
        MOVNTPS = of(0x2B); MOVNTPD = p66(0x2B); MOVNTDQ = p66(0xE7);
    }
}

shape! {
    /// `op dst, src, imm8` where `dst` may be memory.
    VecExtract {
        VEXTRACTF128 = v3a(0x19);
        // AVX2
        VEXTRACTI128 = v3a(0x39);
        // F16C
        VCVTPS2PH = v3a(0x1D);
    }
}

shape! {
    /// `op dst, src, count` by an immediate. The byte shifts shift each 128-bit half by bytes.
    VecShift {
        PSLLW = p66(0x71).extension(6); PSRLW = p66(0x71).extension(2);
        PSRAW = p66(0x71).extension(4); PSLLD = p66(0x72).extension(6);
        PSRLD = p66(0x72).extension(2); PSRAD = p66(0x72).extension(4);
        PSLLQ = p66(0x73).extension(6); PSRLQ = p66(0x73).extension(2);
        PSLLDQ = p66(0x73).extension(7); PSRLDQ = p66(0x73).extension(3);
    }
}

shape! {
    /// `op dst, src` from a vector's sign bits to a general register.
    VecSigns {
        MOVMSKPS = of(0x50); MOVMSKPD = p66(0x50); PMOVMSKB = p66(0xD7);
    }
}

shape! {
    /// `op dst, mask, mem`, elements whose mask's sign bit is clear become 0 and are not read. VEX
    /// only.
    VecMaskLoad {
        VMASKMOVPS = v38(0x2C); VMASKMOVPD = v38(0x2D);
        // AVX2
        VPMASKMOVD = v38(0x8C); VPMASKMOVQ = v38(0x8C).w();
    }
}

shape! {
    /// `op mem, mask, src`, elements whose mask's sign bit is clear are not written. VEX only.
    VecMaskStore {
        VMASKMOVPS = v38(0x2E); VMASKMOVPD = v38(0x2F);
        // AVX2
        VPMASKMOVD = v38(0x8E); VPMASKMOVQ = v38(0x8E).w();
    }
}

shape! {
    /// `op dst, mem, mask` with a vector of indexes: first letter after "gather" is the index's
    /// size, then the element's. AVX2.
    VecGather {
        VPGATHERDD = v38(0x90); VPGATHERDQ = v38(0x90).w();
        VPGATHERQD = v38(0x91); VPGATHERQQ = v38(0x91).w();
        VGATHERDPS = v38(0x92); VGATHERDPD = v38(0x92).w();
        VGATHERQPS = v38(0x93); VGATHERQPD = v38(0x93).w();
    }
}

/// Blends by the sign bits of a mask register. Legacy and VEX forms have different opcodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VecBlend {
    /// By bytes.
    Pblendvb,
    /// By singles.
    Blendvps,
    /// By doubles.
    Blendvpd,
}

impl VecBlend {
    /// Every operation.
    pub const ALL: [Self; 3] = [Self::Pblendvb, Self::Blendvps, Self::Blendvpd];

    /// The legacy opcode, whose mask is xmm0.
    pub(crate) const fn legacy(self) -> Code {
        match self {
            Self::Pblendvb => p38(0x10),
            Self::Blendvps => p38(0x14),
            Self::Blendvpd => p38(0x15),
        }
    }

    /// The VEX opcode, whose mask is in bits 4–7 of an immediate.
    pub(crate) const fn vex(self) -> Code {
        match self {
            Self::Pblendvb => v3a(0x4C),
            Self::Blendvps => v3a(0x4A),
            Self::Blendvpd => v3a(0x4B),
        }
    }
}
