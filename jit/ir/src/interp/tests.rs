//! What file tests cannot say: exhaustive conversions, hosts, limits.

use super::float::Format;
use super::*;
use crate::text;
use alloc::string::String;
use alloc::vec;

const STACK: Range<u32> = 0x7000_0000..0x7001_0000;

fn limits() -> Limits {
    Limits {
        steps: 10_000,
        depth: 50,
        stack: STACK,
    }
}

/// Runs `@f` of `source` with `host`.
fn run_with(source: &str, host: &mut dyn Host, args: &[Val]) -> Result<Val, Fault> {
    let module = text::parse(source).unwrap();
    crate::verify::module(&module).unwrap();
    let image = Image::new(&module).unwrap();
    let mut memory = FlatMemory::new();
    memory.map(image.range().start, image.range().end - image.range().start);
    memory.map(STACK.start, STACK.end - STACK.start);
    image.load(&module, &mut memory).unwrap();
    let func = module.func_by_name("f").unwrap();
    Interp::new(&module, &mut memory, &image, host, limits()).call(func, args)
}

#[test]
fn every_half_survives_a_trip_through_double() {
    for bits in 0..=u16::MAX {
        let number = Format::Half.read(u128::from(bits));
        if !number.is_nan() {
            assert_eq!(Format::Half.write(number), u128::from(bits), "{number}");
        }
    }
}

#[test]
fn halves_are_rounded_to_nearest_even() {
    for bits in 0..0x7BFFu16 {
        let (low, high) = (u128::from(bits), u128::from(bits) + 1);
        let middle = (Format::Half.read(low) + Format::Half.read(high)) / 2.0;
        let even = if bits % 2 == 0 { low } else { high };
        assert_eq!(Format::Half.write(middle), even, "{middle}");
        assert_eq!(Format::Half.write(middle.next_down()), low, "{middle}");
        assert_eq!(Format::Half.write(middle.next_up()), high, "{middle}");
    }
}

/// Numbers at which conversions change their minds.
fn edges() -> Vec<f64> {
    let mut edges = vec![
        0.0,
        -0.0,
        f64::NAN,
        f64::INFINITY,
        -f64::INFINITY,
        0.1,
        -0.9,
    ];
    for power in 0..66 {
        let number = libm::scalbn(1.0, power);
        for edge in [number, number.next_down(), number.next_up(), number - 0.5] {
            edges.extend([edge, -edge]);
        }
    }
    edges
}

#[test]
fn conversions_are_exact_where_the_result_fits() {
    use super::convert::cast;
    use crate::inst::Op;
    let types = crate::Types::new();
    for number in edges() {
        let bits = u128::from(number.to_bits());
        let unsigned = cast(Op::FpToUi, &types, TypeId::F64, TypeId::I64, bits).unwrap();
        if (0.0..18_446_744_073_709_551_616.0).contains(&number) {
            assert_eq!(unsigned, number as u128, "{number}");
        }
        let signed = cast(Op::FpToSi, &types, TypeId::F64, TypeId::I32, bits).unwrap();
        // A register of 32 bits holds what truncates into it, and else its lowest number.
        let fits = number > -2_147_483_649.0 && number < 2_147_483_648.0;
        let expected = if fits { number as i32 } else { i32::MIN };
        assert_eq!(signed, u128::from(expected.cast_unsigned()), "{number}");
    }
}

/// Adds its arguments, writes to memory, or leaves.
struct TestHost {
    calls: Vec<String>,
}

impl Host for TestHost {
    fn call(
        &mut self,
        module: &Module,
        func: FuncId,
        args: &[Arg],
        memory: &mut dyn Memory,
    ) -> Result<Val, FaultKind> {
        let name = module.func(func).name.as_str();
        self.calls.push(String::from(name));
        match name {
            "add" => {
                let sum: u128 = args.iter().map(|arg| arg.value.bits()).sum();
                Ok(Val::Bits(sum))
            }
            "poke" => {
                memory.store(args[0].value.addr(), b"!")?;
                Ok(Val::ZERO)
            }
            _ => Err(FaultKind::Exit(3)),
        }
    }
}

#[test]
fn hosts_see_arguments_and_memory_and_can_end_the_program() {
    let source = "
        global @text = size 2 align 1 init \"ab\"
        declare i32 @add(i32, ...)
        declare void @poke(ptr)
        declare void @exit(i32)
        define i32 @f(i1 %leave) {
        entry:
          %sum = call i32 (i32, ...) @add(i32 1, i32 2, i32 3)
          call void @poke(ptr @text+1)
          condbr %leave, gone, stay
        gone:
          call void @exit(i32 3)
          unreachable
        stay:
          %c = load i8, @text+1, align 1
          %w = zext i8 %c to i32
          %r = mul i32 %w, %sum
          ret i32 %r
        }";
    let mut host = TestHost { calls: Vec::new() };
    let result = run_with(source, &mut host, &[Val::ZERO]);
    assert_eq!(result, Ok(Val::from(6 * u32::from(b'!'))));
    let fault = run_with(source, &mut host, &[Val::from(1)]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::Exit(3));
    assert_eq!(host.calls, ["add", "poke", "add", "poke", "exit"]);
}

#[test]
fn a_fault_names_the_innermost_function_and_the_instruction() {
    let source = "
        define i32 @g(i32 %a) {
        entry:
          %x = add i32 %a, 1
          %y = sdiv i32 1, %a
          ret i32 %y
        }
        define i32 @f() {
        entry:
          %r = call i32 @g(i32 0)
          ret i32 %r
        }";
    let fault = run_with(source, &mut NoHost, &[]).unwrap_err();
    let expected = Fault {
        kind: FaultKind::DivideByZero,
        func: FuncId(0),
        inst: InstId(1),
    };
    assert_eq!(fault, expected);
}

#[test]
fn depth_and_steps_are_bounded() {
    let recursive = "define void @f() {\nentry:\n  call void @f()\n  ret\n}";
    let fault = run_with(recursive, &mut NoHost, &[]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::StackOverflow);
    let endless = "define void @f() {\na:\n  br b\nb:\n  br b\n}";
    let fault = run_with(endless, &mut NoHost, &[]).unwrap_err();
    assert_eq!(fault.kind, FaultKind::StepLimit);
}

#[test]
fn wrong_arguments_are_a_bad_call() {
    let source = "define void @f(i32 %a) {\nentry:\n  ret\n}";
    let fault = run_with(source, &mut NoHost, &[]).unwrap_err();
    assert!(matches!(fault.kind, FaultKind::BadCall(_)));
}

#[test]
fn read_only_regions_and_gaps_refuse_stores() {
    let mut memory = FlatMemory::new();
    memory.map(0x1000, 16);
    memory.map(0x2000, 16);
    assert_eq!(memory.store(0x100C, &[1; 4]), Ok(()));
    assert_eq!(memory.store(0x100D, &[2; 4]), Err(BadAddress(0x1010)));
    let mut bytes = [0; 4];
    assert_eq!(memory.load(0x100C, &mut bytes), Ok(()));
    assert_eq!(bytes, [1; 4]);
    memory.protect(0x2000);
    assert_eq!(memory.store(0x2000, &[1]), Err(BadAddress(0x2000)));
    assert_eq!(memory.load(0x2000, &mut bytes), Ok(()));
    assert_eq!(memory.load(0, &mut bytes), Err(BadAddress(0)));
    assert_eq!(memory.load(0x5000, &mut []), Ok(()));
}
